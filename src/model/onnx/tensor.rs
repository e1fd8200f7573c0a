//! TensorProto: where a tensor's elements lie, and its numbers where they are few.

use super::{Problem, reader::Reader, signature::dtype_of};
use crate::{
    model::{
        anatomy::{Layout, Place, Role, SectionKind, Weight},
        graph::{Constant, MAX_NUMBERS, Numbers},
        protobuf::{Fields, Malformed, Value},
    },
    tensor::DType,
};

/// Elements in one of the fields that hold them.
#[derive(Default)]
struct Elements<'a> {
    /// Field and payload of each part: packed fields may come in several.
    parts: Vec<(u32, &'a [u8])>,
    /// Elements that came one by one, as bits.
    single: Vec<u64>,
    /// Bytes of those in the file, without tags.
    single_bytes: u64,
    texts: u64,
}

/// Where the elements are, if not in the model file.
#[derive(Default)]
struct Elsewhere {
    location: Option<String>,
    offset: u64,
    length: Option<u64>,
}

const RAW: u32 = 9;
const STRINGS: u32 = 6;

/// Reads a TensorProto and notes it as a weight called `fallback` if it has no name of its own.
///
/// # Errors
/// When it is malformed or has not as many bytes as its shape asks for.
pub fn read<'a>(
    reader: &mut Reader<'a>,
    fields: Fields<'a>,
    fallback: &str,
) -> Result<Constant, Problem> {
    let (mut name, mut code, mut shape) = (String::new(), 0, Vec::new());
    let mut elements = Elements::default();
    let mut elsewhere = Elsewhere::default();
    for field in fields {
        match field? {
            (1, value) => value.numbers(&mut shape)?,
            (2, value) => code = value.number()?,
            (8, value) => name = reader.text(SectionKind::Names, value)?,
            (12, value) => {
                reader.text(SectionKind::DocStrings, value)?;
            }
            (13, value) => elsewhere.read(value.message()?)?,
            (16, value) => reader.tally(SectionKind::Metadata, value.bytes()?.len()),
            (number @ (4..=7 | RAW | 10 | 11), value) => elements.take(number, value)?,
            _ => {}
        }
    }
    let dtype = dtype_of(code);
    let shown = if name.is_empty() { fallback } else { name.as_str() };
    let constant = Constant { dtype, shape, numbers: None };
    let place = place(reader, shown, &constant, &elements, elsewhere)?;
    let constant = Constant { numbers: numbers(&constant, &elements), ..constant };
    note(reader, shown, &constant, &elements, place);
    Ok(constant)
}

/// Where the elements lie as they are in memory.
fn place(
    reader: &mut Reader<'_>,
    name: &str,
    constant: &Constant,
    elements: &Elements<'_>,
    elsewhere: Elsewhere,
) -> Result<Option<Place>, Problem> {
    let overflow = || Problem::Shape { name: name.to_owned(), shape: constant.shape.clone() };
    let count = constant.elements().ok_or_else(overflow)?;
    let expected = match constant.dtype.bits() {
        Some(bits) => Some(count.checked_mul(bits).ok_or_else(overflow)?.div_ceil(8)),
        None => None,
    };
    let wrong = |found: u64| Problem::Length {
        name: name.to_owned(),
        shape: constant.shape.clone(),
        dtype: constant.dtype,
        found,
    };
    if let Some(location) = elsewhere.location {
        let bytes = elsewhere.length.or(expected).unwrap_or(0);
        if expected.is_some_and(|expected| expected != bytes) {
            return Err(wrong(bytes));
        }
        let end = elsewhere.offset.checked_add(bytes).ok_or_else(overflow)?;
        let file = reader.external(location, end);
        return Ok(Some(Place { file, offset: elsewhere.offset, bytes }));
    }
    let [(field, raw)] = elements.parts.as_slice() else { return Ok(None) };
    let found = raw.len() as u64;
    // Floats and doubles are packed as they are in memory; what else is packed is varints.
    let plain = matches!((field, constant.dtype), (&RAW, _) | (4, DType::F32) | (10, DType::F64));
    if !plain {
        return Ok(None);
    }
    match expected {
        Some(expected) if expected != found => Err(wrong(found)),
        _ => Ok(Some(Place { file: 0, offset: reader.offset(raw), bytes: found })),
    }
}

fn note(
    reader: &mut Reader<'_>,
    name: &str,
    constant: &Constant,
    elements: &Elements<'_>,
    place: Option<Place>,
) {
    let inside = elements.bytes();
    reader.tally(SectionKind::Weights, usize::try_from(inside).unwrap_or(usize::MAX));
    let bytes = match place {
        Some(place) if place.file > 0 => place.bytes,
        _ => inside,
    };
    reader.weight(Weight {
        name: name.to_owned(),
        dtype: constant.dtype,
        shape: constant.shape.clone(),
        elements: constant.elements().unwrap_or(u64::MAX),
        bytes,
        role: Role::Model,
        place,
        layout: Layout::RowMajor,
    });
}

impl<'a> Elements<'a> {
    fn take(&mut self, field: u32, value: Value<'a>) -> Result<(), Malformed> {
        match value {
            Value::Bytes(text) if field == STRINGS => {
                self.texts += text.len() as u64;
            }
            Value::Bytes(part) => self.parts.push((field, part)),
            Value::Varint(bits) => {
                self.single_bytes += u64::from((64 - bits.leading_zeros()).max(1).div_ceil(7));
                self.single.push(bits);
            }
            Value::Fixed32(bits) => {
                self.single_bytes += 4;
                self.single.push(u64::from(bits));
            }
            Value::Fixed64(bits) => {
                self.single_bytes += 8;
                self.single.push(bits);
            }
        }
        Ok(())
    }

    /// Bytes in the model file.
    fn bytes(&self) -> u64 {
        let parts: u64 = self.parts.iter().map(|(_, part)| part.len() as u64).sum();
        parts + self.single_bytes + self.texts
    }
}

impl Elsewhere {
    /// Takes one of the entries that together name the place.
    fn read(&mut self, fields: Fields<'_>) -> Result<(), Problem> {
        let (key, text) = entry(fields)?;
        let number = || text.parse().map_err(|_| Problem::Malformed(Malformed::NoMessage));
        match key.as_str() {
            "location" => self.location = Some(text),
            "offset" => self.offset = number()?,
            "length" => self.length = Some(number()?),
            _ => {}
        }
        Ok(())
    }
}

/// A StringStringEntryProto.
pub fn entry(fields: Fields<'_>) -> Result<(String, String), Malformed> {
    let (mut key, mut text) = (String::new(), String::new());
    for field in fields {
        match field? {
            (1, value) => key = value.text()?,
            (2, value) => text = value.text()?,
            _ => {}
        }
    }
    Ok((key, text))
}

/// The elements, where they are few and in the file.
fn numbers(constant: &Constant, elements: &Elements<'_>) -> Option<Numbers> {
    let count = constant.elements().filter(|&count| count <= MAX_NUMBERS)?;
    let mut bits: Vec<u64> = elements.single.clone();
    let mut raw = false;
    for &(field, part) in &elements.parts {
        match field {
            RAW => {
                raw = true;
                bits.extend(words(part, usize::try_from(constant.dtype.bits()? / 8).ok()?)?);
            }
            4 => bits.extend(words(part, 4)?),
            10 => bits.extend(words(part, 8)?),
            _ => Value::Bytes(part).numbers(&mut bits).ok()?,
        }
    }
    (bits.len() as u64 == count).then_some(())?;
    let signed = |bits: u64| match (constant.dtype, raw) {
        (DType::I8, true) => i64::from(bits as u8 as i8),
        (DType::I32, true) => i64::from(bits as u32 as i32),
        _ => bits as i64,
    };
    Some(match constant.dtype {
        DType::F32 => float(&bits, |bits| f64::from(f32::from_bits(bits as u32))),
        DType::F64 => float(&bits, f64::from_bits),
        DType::F16 => float(&bits, |bits| half(bits as u16)),
        DType::BF16 => float(&bits, |bits| f64::from(f32::from_bits((bits as u32) << 16))),
        DType::I8 | DType::U8 | DType::I32 | DType::I64 | DType::Bool => {
            Numbers::Integers(bits.into_iter().map(signed).collect())
        }
        DType::Other(_) => return None,
    })
}

fn float(bits: &[u64], of: impl Fn(u64) -> f64) -> Numbers {
    Numbers::Floats(bits.iter().map(|&bits| of(bits)).collect())
}

/// Little-endian words of that many bytes.
fn words(part: &[u8], width: usize) -> Option<Vec<u64>> {
    (matches!(width, 1 | 2 | 4 | 8) && part.len().is_multiple_of(width)).then(|| {
        let word = |bytes: &[u8]| bytes.iter().rev().fold(0_u64, |w, &b| w << 8 | u64::from(b));
        part.chunks_exact(width).map(word).collect()
    })
}

/// The value of an IEEE 754 binary16.
pub fn half(bits: u16) -> f64 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 1023));
    sign * match exponent {
        0 => fraction * 2_f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1.0 + fraction / 1024.0) * 2_f64.powi(exponent - 15),
    }
}
