//! Makes the weights of a file from the tensors that its pickle describes, and notes what else the
//! pickle says of itself. Knows no container.

use super::{
    pickle::{Id, Pickle, Value, dangers},
    tensor::Tensors,
    walk,
};
use crate::model::anatomy::{Layout, Place, Weight};
use std::collections::BTreeMap;

/// Most entries of the file's own description that are kept, and most characters of each.
const MAX_ENTRIES: usize = 64;
const MAX_CHARACTERS: usize = 200;

/// Weights of the tensors in a pickle that lies in a file of `file_bytes`. Marks in the storages
/// what is used.
///
/// # Errors
/// When a tensor lies outside its storage or the tree of names is no checkpoint's.
pub fn weights(tensors: &mut Tensors<'_, '_>, file_bytes: usize) -> Result<Vec<Weight>, String> {
    let named = walk::named(tensors, file_bytes)?;
    Ok(named.into_iter().map(|named| weight(tensors, named)).collect())
}

fn weight(tensors: &mut Tensors<'_, '_>, named: walk::Named) -> Weight {
    let tensor = tensors.get(named.tensor).clone();
    let width = tensor.dtype.bits().map(|bits| bits / 8);
    let (mut elements, mut bytes, mut place) = (0, 0, None);
    if let Some(part) = tensor.part {
        let storage = &mut tensors.storages[part.storage];
        let needed = match (&tensor.layout, width) {
            (Layout::Latin1, _) | (_, None) => part.extent,
            (_, Some(width)) => tensor.elements.saturating_mul(width),
        };
        bytes = storage.claim(part.begin, part.extent, needed);
        elements = match (&tensor.layout, width) {
            (Layout::Latin1, _) | (_, None | Some(0)) if bytes > 0 => tensor.elements,
            (_, Some(width)) if width > 0 => bytes / width,
            _ => 0,
        };
        let offset = storage.offset + part.begin;
        place = tensor.readable.then_some(Place { file: 0, offset, bytes: part.extent });
    }
    let (dtype, shape, layout) = (tensor.dtype, tensor.shape, tensor.layout);
    Weight { name: named.name, dtype, shape, elements, bytes, role: named.role, place, layout }
}

/// Entries of a checkpoint that are texts or numbers: epoch, version, date.
pub fn metadata(pickle: &Pickle<'_>) -> BTreeMap<String, String> {
    let entries = pickle.entries(pickle.root).unwrap_or_default();
    let short = |text: &str| text.chars().take(MAX_CHARACTERS).collect::<String>();
    let read = |&(key, value): &(Id, Id)| {
        let text = match pickle.value(value) {
            Value::Text(_) | Value::Escaped(_) => pickle.text(value)?.into_owned(),
            Value::Int(number) => number.to_string(),
            Value::Float(number) => number.to_string(),
            Value::Bool(truth) => truth.to_string(),
            _ => return None,
        };
        Some((short(&pickle.text(key)?), short(&text)))
    };
    entries.iter().filter_map(read).take(MAX_ENTRIES).collect()
}

/// Who wrote the checkpoint, where an entry of its own says so.
pub fn producer(pickle: &Pickle<'_>, metadata: &BTreeMap<String, String>) -> Option<String> {
    if let Some(version) = metadata.get("pytorch-lightning_version") {
        return Some(format!("pytorch-lightning {version}"));
    }
    let ultralytics = pickle.values().any(
        |value| matches!(value, Value::Global { module, .. } if module.starts_with("ultralytics.")),
    );
    let version = metadata.get("version").filter(|_| ultralytics);
    version.map(|version| format!("ultralytics {version}"))
}

/// What to know before the file is given to Python.
pub fn warning(pickle: &Pickle<'_>) -> Option<String> {
    const SHOWN: usize = 5;
    let found = dangers(pickle);
    let named: Vec<&str> = found.iter().take(SHOWN).map(String::as_str).collect();
    let more = if found.len() > SHOWN { " and more" } else { "" };
    (!named.is_empty()).then(|| {
        format!(
            "It names {}{more}, which unpickling would call: not a checkpoint to load with Python.",
            named.join(", ")
        )
    })
}
