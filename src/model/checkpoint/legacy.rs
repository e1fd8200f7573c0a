//! What `torch.save` wrote before 1.6: a row of pickles, then the storages, each behind its length.
//!
//! Source: torch/serialization.py, `_legacy_save`.

use super::{
    assemble, dtype,
    pickle::{Id, Pickle, Value},
    pickle_at, remarks,
    storage::Storage,
    tensor::Tensors,
};
use crate::model::{
    Format,
    anatomy::{Anatomy, File, SectionKind},
};
use std::{
    collections::{BTreeMap, HashMap},
    io::{Read, Seek, SeekFrom},
    path::Path,
};

/// The number that the first pickle holds: 0x1950a86a20f9469cfc6c.
const MAGIC: &[u8] = b"\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";
/// Pickles before the one with the tensors: the number, the protocol, the machine.
const BEFORE: usize = 3;

/// Whether `first`, the pickle at the begin of a file, is that of such a file.
pub fn begins(first: &Pickle<'_>) -> bool {
    first.value(first.root) == &Value::BigInt(MAGIC)
}

/// What the file at `path`, whose bytes are `bytes`, consists of.
///
/// # Errors
/// What is wrong with it, for its user.
pub fn anatomy(path: &Path, bytes: &[u8], file: File) -> Result<Anatomy, String> {
    let mut at = 0;
    let mut next = || {
        let found = pickle_at(path, bytes, at)?;
        at += found.length;
        Ok::<_, String>(found)
    };
    for _ in 0..BEFORE {
        next()?;
    }
    let data = next()?;
    let keys = next()?;
    let (storages, end) = storages(path, bytes, at, &data, &keys)?;
    let mut tensors = Tensors::new(bytes, &data, storages);
    let weights = assemble::weights(&mut tensors, bytes.len())?;
    let total = |of: fn(&Storage) -> u64| tensors.storages.iter().map(of).sum::<u64>();
    let (used, unused) = (total(Storage::used), total(Storage::unused));
    let arrays = total(|storage| storage.bytes);
    let rest = (bytes.len() - end) as u64;
    let keyed = tensors.keys.len() as u64;
    let sections = BTreeMap::from([
        (SectionKind::Weights, used),
        (SectionKind::Unreferenced, unused),
        (SectionKind::Container, 8 * keyed),
        (SectionKind::Opaque, rest),
        (SectionKind::Objects, bytes.len() as u64 - arrays - 8 * keyed - rest),
    ]);
    let metadata = assemble::metadata(&data);
    let mut words = Vec::from_iter(assemble::warning(&data));
    words.extend(remarks::of(&weights));
    let producer = assemble::producer(&data, &metadata);
    Ok(super::made(Format::PyTorchLegacy, file, sections, weights, (producer, metadata, words)))
}

/// Where the storages lie that `keys` lists, from byte `at` on, and where the last of them ends.
fn storages(
    path: &Path,
    bytes: &[u8],
    mut at: usize,
    data: &Pickle<'_>,
    keys: &Pickle<'_>,
) -> Result<(Vec<(String, Storage)>, usize), String> {
    let widths = widths(data);
    let mut reader =
        std::fs::File::open(path).map_err(|error| format!("it cannot be read: {error}"))?;
    let listed = keys.items(keys.root).ok_or("it lists no storages; copy it again")?;
    let mut storages: HashMap<String, Storage> = HashMap::new();
    for &key in listed {
        let key = name(keys, key).ok_or("a storage has no name; copy it again")?;
        let shown: String = key.chars().take(80).collect();
        let cut =
            || format!("it ends inside the storage {shown:?}: it is truncated; copy it again");
        // From the file, not its mapped bytes: each look at those brings in the pages around it.
        let mut count = [0; 8];
        let read =
            reader.seek(SeekFrom::Start(at as u64)).and_then(|_| reader.read_exact(&mut count));
        read.map_err(|_| cut())?;
        let count = u64::from_le_bytes(count);
        // What nothing refers to has a length that nobody can tell; torch writes no such storage.
        let width = *widths.get(&key).ok_or_else(|| {
            format!("nothing refers to the storage {shown:?}; torch does not write that")
        })?;
        let length = count.checked_mul(width).and_then(|length| usize::try_from(length).ok());
        let end = length.and_then(|length| (at + 8).checked_add(length));
        let end = end.filter(|&end| end <= bytes.len()).ok_or_else(cut)?;
        let storage = Storage::new(shown.clone(), at as u64 + 8, (end - at - 8) as u64);
        if storages.insert(key, storage).is_some() {
            return Err(format!("it lists the storage {shown:?} twice; torch does not write that"));
        }
        at = end;
    }
    Ok((storages.into_iter().collect(), at))
}

/// Bytes of an element of each storage that the pickle refers to.
fn widths(data: &Pickle<'_>) -> HashMap<String, u64> {
    let stored = |value: &Value<'_>| {
        let Value::Persistent(id) = *value else { return None };
        let &[_, class, key, ..] = data.items(id)? else { return None };
        let (_, class) = data.global(class)?;
        let bits = dtype::of_storage(class).map_or(Some(8), |dtype| dtype.bits())?;
        Some((name(data, key)?, bits / 8))
    };
    data.values().filter_map(stored).collect()
}

fn name(pickle: &Pickle<'_>, key: Id) -> Option<String> {
    let text = pickle.text(key).map(|text| text.into_owned());
    text.or_else(|| pickle.int(key).map(|number| number.to_string()))
}
