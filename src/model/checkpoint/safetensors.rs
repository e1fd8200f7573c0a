//! Safetensors: a header in JSON that says where each tensor lies, then the tensors.
//!
//! Source: huggingface/safetensors, README.md, "Format". What that page forbids (holes, overlaps,
//! names that are there twice) is an error here.

use super::{dtype, remarks, role};
use crate::model::{
    Format,
    anatomy::{Anatomy, File, Layout, Place, SectionKind, Weight},
};
use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, Visitor},
};
use std::{collections::BTreeMap, fmt};

/// Longest header that the format allows.
const MAX_HEADER: u64 = 100_000_000;
/// Bytes of the length in front of the header.
const LENGTH: usize = 8;

/// Whether the bytes begin as such a file does.
pub fn begins(bytes: &[u8]) -> bool {
    let length = bytes.first_chunk().map(|length| u64::from_le_bytes(*length));
    length.is_some_and(|length| (2..=MAX_HEADER).contains(&length))
        && bytes.get(LENGTH) == Some(&b'{')
}

/// What the file whose bytes are `bytes` consists of.
///
/// # Errors
/// What is wrong with it, for its user.
pub fn anatomy(bytes: &[u8], file: File) -> Result<Anatomy, String> {
    let cut = || "it ends inside its header: it is truncated; copy it again".to_owned();
    let length = bytes.first_chunk().map(|length| u64::from_le_bytes(*length)).ok_or_else(cut)?;
    let length = usize::try_from(length).map_err(|_| cut())?;
    let header = bytes[LENGTH..].get(..length).ok_or_else(cut)?;
    let header_text = header.trim_ascii_end();
    let Header { tensors, metadata } = serde_json::from_slice(header_text)
        .map_err(|error| format!("its header cannot be read: {error}; copy it again"))?;
    let data = (LENGTH + length) as u64;
    let weights = weights(tensors, data, bytes.len() as u64)?;
    let sections = BTreeMap::from([
        (SectionKind::Container, LENGTH as u64),
        (SectionKind::Structure, header_text.len() as u64),
        (SectionKind::Padding, (header.len() - header_text.len()) as u64),
        (SectionKind::Weights, bytes.len() as u64 - data),
    ]);
    let words = remarks::of(&weights);
    Ok(super::made(Format::Safetensors, file, sections, weights, (None, metadata, words)))
}

/// Checks that the tensors lie one behind the other, from the end of the header to that of the
/// file.
fn weights(mut tensors: Vec<(String, Tensor)>, data: u64, end: u64) -> Result<Vec<Weight>, String> {
    tensors.sort_by_key(|(_, tensor)| tensor.data_offsets);
    let mut weights = Vec::with_capacity(tensors.len());
    let mut at = 0;
    for (name, tensor) in tensors {
        let (begin, after) = tensor.data_offsets;
        let wrong = |what: &str| {
            let name: String = name.chars().take(80).collect();
            format!("the tensor {name:?} {what}; copy the file again")
        };
        if begin != at || after < begin {
            return Err(wrong("does not begin where the one before it ends"));
        }
        if after > end - data {
            return Err(wrong("reaches beyond the end of the file: it is truncated"));
        }
        let dtype = dtype::of_safetensors(&tensor.dtype);
        let product = tensor.shape.iter().try_fold(1_u64, |all, &length| all.checked_mul(length));
        let elements = product.ok_or_else(|| wrong("has a shape that no memory holds"))?;
        let bytes = after - begin;
        if dtype.bits().is_some_and(|bits| elements.checked_mul(bits) != Some(bytes * 8)) {
            return Err(wrong("has another number of bytes than its shape needs"));
        }
        at = after;
        let place = Some(Place { file: 0, offset: data + begin, bytes });
        let (role, shape, layout) = (role::of_name(&name), tensor.shape, Layout::RowMajor);
        weights.push(Weight { name, dtype, shape, elements, bytes, role, place, layout });
    }
    if at != end - data {
        return Err(format!(
            "{} bytes at its end belong to no tensor; copy it again",
            end - data - at
        ));
    }
    Ok(weights)
}

#[derive(Debug, Deserialize)]
struct Tensor {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: (u64, u64),
}

#[derive(Debug, Default)]
struct Header {
    tensors: Vec<(String, Tensor)>,
    metadata: BTreeMap<String, String>,
}

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Header;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("tensors by name")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Header, A::Error> {
                let (mut header, mut names) = (Header::default(), std::collections::HashSet::new());
                while let Some(name) = map.next_key::<String>()? {
                    if !names.insert(name.clone()) {
                        return Err(A::Error::custom(format_args!("{name:?} is there twice")));
                    }
                    if name == "__metadata__" {
                        header.metadata = map.next_value()?;
                    } else {
                        header.tensors.push((name, map.next_value()?));
                    }
                }
                Ok(header)
            }
        }
        deserializer.deserialize_map(Entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(header: &str, data: usize) -> Vec<u8> {
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header.bytes());
        bytes.resize(bytes.len() + data, 0);
        bytes
    }

    fn read(header: &str, data: usize) -> Result<Anatomy, String> {
        let bytes = file(header, data);
        assert!(begins(&bytes));
        anatomy(&bytes, File { name: "a".to_owned(), bytes: bytes.len() as u64 })
    }

    #[test]
    fn tensors_and_descriptions_are_read_and_every_byte_has_a_heading() {
        let header = r#"{"__metadata__":{"format":"pt"},"b":{"dtype":"F16","shape":[2,3],"data_offsets":[4,16]},"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}   "#;
        let anatomy = read(header, 16).unwrap();
        let names: Vec<_> = anatomy.weights.iter().map(|w| (w.name.as_str(), w.bytes)).collect();
        assert_eq!(names, [("a", 4), ("b", 12)]);
        assert_eq!(anatomy.metadata["format"], "pt");
        assert_eq!(anatomy.by_section().iter().map(|s| s.1).sum::<u64>(), anatomy.bytes());
    }

    #[test]
    fn what_the_format_forbids_is_an_error_that_names_the_tensor() {
        for (header, data, said) in [
            (
                r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#,
                8,
                "\"a\" does not begin",
            ),
            (
                r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#,
                4,
                "\"a\" reaches beyond",
            ),
            (r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}"#, 4, "\"a\" has another"),
            (r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#, 8, "4 bytes at its end"),
            (
                r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#,
                8,
                "twice",
            ),
            (
                r#"{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,4]}}"#,
                4,
                "no memory",
            ),
            (r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}"#, 4, "does not begin"),
            (r#"{"a":7}"#, 4, "header cannot be read"),
        ] {
            let error = read(header, data).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
        let whole = file(r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#, 4);
        for length in 9..whole.len() {
            let cut = &whole[..length];
            assert!(anatomy(cut, File { name: String::new(), bytes: 0 }).is_err(), "{length}");
        }
    }
}
