//! What a lean file holds and how long it is, to the byte, before a weight is read.

use super::{super::dtype::to_safetensors, Precision};
use crate::{
    model::anatomy::{Anatomy, Place, Role, Weight},
    tensor::DType,
    unit::Bytes,
};
use std::collections::HashSet;

/// The length of the header is a multiple of this, and so are the places of the widest elements.
const ALIGNMENT: usize = 8;

/// A tensor of the lean file.
pub struct Entry<'a> {
    /// What it is made of.
    pub weight: &'a Weight,
    /// Its element type there.
    pub dtype: DType,
    /// Its bytes there.
    pub bytes: u64,
    /// Where its elements are now; none where it has none.
    pub place: Option<Place>,
}

/// What a lean file holds.
pub struct Plan<'a> {
    /// Length and header.
    pub header: Vec<u8>,
    /// What follows it, in this order.
    pub entries: Vec<Entry<'a>>,
}

impl<'a> Plan<'a> {
    /// The plan for the weights of that role; of the network or, where it has no weights, of its
    /// average, if there is none.
    pub fn new(
        anatomy: &'a Anatomy,
        role: Option<Role>,
        precision: Precision,
    ) -> Result<Self, String> {
        let there = |role| anatomy.weights.iter().any(|weight| weight.role == role);
        let role = role.unwrap_or(if there(Role::Model) { Role::Model } else { Role::Ema });
        let wanted = anatomy.weights.iter().filter(|weight| weight.role == role);
        let most = anatomy.bytes();
        let entries = wanted.map(|weight| Entry::new(weight, precision, most));
        let mut entries = entries.collect::<Result<Vec<_>, _>>()?;
        if entries.is_empty() {
            return Err("has no such weights: nothing to write".to_owned());
        }
        let mut names = HashSet::new();
        if let Some(twice) = entries.iter().find(|entry| !names.insert(&entry.weight.name)) {
            return Err(format!(
                "has two tensors of the name {:?}: one file cannot hold both",
                twice.weight.name
            ));
        }
        // Wide elements first: then each begins at a multiple of its width.
        entries.sort_by(|a, b| {
            let width = |entry: &Entry<'_>| std::cmp::Reverse(entry.dtype.bits());
            width(a).cmp(&width(b)).then_with(|| a.weight.name.cmp(&b.weight.name))
        });
        Ok(Self { header: header(&entries)?, entries })
    }

    /// Size of the whole file.
    pub fn bytes(&self) -> Bytes {
        let data: u64 = self.entries.iter().map(|entry| entry.bytes).sum();
        Bytes(self.header.len() as u64 + data)
    }
}

impl<'a> Entry<'a> {
    /// The weight in that precision; `most` are the bytes of its files.
    pub fn new(weight: &'a Weight, precision: Precision, most: u64) -> Result<Self, String> {
        let name = &weight.name;
        let plain = matches!(weight.dtype, DType::F64 | DType::F32 | DType::F16 | DType::BF16);
        let dtype = match precision {
            Precision::F32 if plain => DType::F32,
            Precision::F16 if plain => DType::F16,
            _ => weight.dtype,
        };
        let elements = weight.shape.iter().try_fold(1_u64, |all, &length| all.checked_mul(length));
        let size = |dtype: DType| Some(elements?.checked_mul(dtype.bits()?)?.div_ceil(8));
        let unfit = |what: String| format!("the tensor {name:?} {what}: no lean file is written");
        let stored = size(weight.dtype)
            .ok_or_else(|| unfit(format!("of {} has a size that nobody can tell", weight.dtype)))?;
        let bytes = size(dtype).unwrap_or(stored);
        if weight.place.is_none() && bytes > 0 {
            return Err(unfit("is not stored as it is in memory".to_owned()));
        }
        if stored > most {
            return Err(unfit("repeats its elements beyond the size of its file".to_owned()));
        }
        Ok(Self { weight, dtype, bytes, place: weight.place })
    }
}

/// Length and JSON, as the reference implementation writes them; `format` says that names and
/// shapes are those of torch.
fn header(entries: &[Entry<'_>]) -> Result<Vec<u8>, String> {
    let mut text = String::from(r#"{"__metadata__":{"format":"pt"}"#);
    let mut at = 0_u64;
    for entry in entries {
        let Entry { weight, dtype, bytes, .. } = entry;
        let (name, code) = (serde_json::json!(weight.name), to_safetensors(*dtype));
        let code = code.ok_or_else(|| format!("safetensors has no {dtype}, which {name} is of"))?;
        let shape = serde_json::json!(weight.shape);
        let beyond = || "its tensors are larger than any file".to_owned();
        let end = at.checked_add(*bytes).ok_or_else(beyond)?;
        text.push_str(&format!(
            r#",{name}:{{"dtype":"{code}","shape":{shape},"data_offsets":[{at},{end}]}}"#
        ));
        at = end;
    }
    text.push('}');
    let padded = text.len().next_multiple_of(ALIGNMENT);
    let mut header = (padded as u64).to_le_bytes().to_vec();
    header.extend_from_slice(text.as_bytes());
    header.resize(8 + padded, b' ');
    Ok(header)
}
