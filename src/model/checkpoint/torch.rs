//! What `torch.save` writes since 1.6, and TorchScript: an archive with a pickle that refers to
//! storages, each an entry of its own.
//!
//! Source: torch/serialization.py, caffe2/serialize/inline_container.cc.

use super::{
    archive::{self, Entry},
    assemble, foreign,
    pickle::{self, Pickle},
    remarks,
    storage::Storage,
    tensor::Tensors,
};
use crate::model::{
    Format,
    anatomy::{Anatomy, File, Role, SectionKind, Weight},
};
use std::{collections::BTreeMap, path::Path};

/// What the archive at `path`, whose bytes are `bytes`, consists of.
///
/// # Errors
/// What is wrong with it, for its user.
pub fn anatomy(path: &Path, bytes: &[u8], file: File) -> Result<Anatomy, String> {
    let mut reader =
        std::fs::File::open(path).map_err(|error| format!("it cannot be read: {error}"))?;
    let entries = archive::read(bytes, &mut reader).map_err(|problem| problem.to_string())?;
    let archive = Archive::new(bytes, &entries)?;
    let data = archive.pickle("data.pkl")?.ok_or("it has no data.pkl")?;
    let mut sections = BTreeMap::new();
    let mut weights = archive.weights(&data, "data/", &mut sections)?;
    if let Some(constants) = archive.pickle("constants.pkl")? {
        let more = archive.weights(&constants, "constants/", &mut sections)?;
        weights.extend(more.into_iter().map(|constant| Weight {
            name: format!("constants.{}", constant.name),
            role: Role::Other,
            ..constant
        }));
    }
    archive.sections(&mut sections);
    let metadata = assemble::metadata(&data);
    let mut words = Vec::from_iter(assemble::warning(&data));
    if archive.is_script() {
        words
            .push("TorchScript: the program that runs the network is in the file, too.".to_owned());
    }
    if archive.swapped {
        words.push("It was written on a big-endian machine.".to_owned());
    }
    words.extend(remarks::of(&weights));
    let producer = assemble::producer(&data, &metadata);
    Ok(super::made(Format::PyTorch, file, sections, weights, (producer, metadata, words)))
}

struct Archive<'e, 'a> {
    bytes: &'a [u8],
    entries: &'e [Entry<'a>],
    /// The folder that everything is in, with the slash at its end.
    root: String,
    swapped: bool,
}

impl<'e, 'a> Archive<'e, 'a> {
    fn new(bytes: &'a [u8], entries: &'e [Entry<'a>]) -> Result<Self, String> {
        let root = |entry: &Entry<'_>| {
            let root = entry.name.strip_suffix("data.pkl")?;
            (root.find('/') == root.len().checked_sub(1)).then(|| root.to_owned())
        };
        let mut roots = entries.iter().filter_map(root);
        let root = roots.next().ok_or_else(|| foreign::archive(entries))?;
        if roots.next().is_some() {
            return Err("the archive holds several checkpoints; unpack it and take one".to_owned());
        }
        let mut archive = Self { bytes, entries, root, swapped: false };
        archive.swapped = archive.entry("byteorder").is_some_and(|entry| entry.of(bytes) == b"big");
        Ok(archive)
    }

    fn entry(&self, name: &str) -> Option<&'e Entry<'a>> {
        let inside = |entry: &&Entry<'_>| entry.name.strip_prefix(&*self.root) == Some(name);
        self.entries.iter().find(inside)
    }

    fn pickle(&self, name: &str) -> Result<Option<Pickle<'a>>, String> {
        let Some(entry) = self.entry(name) else { return Ok(None) };
        stored(entry)?;
        let pickle = pickle::read(entry.of(self.bytes), None);
        pickle.map(Some).map_err(|problem| format!("{name}: {problem}; copy the file again"))
    }

    /// The weights of a pickle whose storages are in `folder`; their bytes by heading are added to
    /// the sections.
    fn weights(
        &self,
        pickle: &Pickle<'a>,
        folder: &str,
        sections: &mut BTreeMap<SectionKind, u64>,
    ) -> Result<Vec<Weight>, String> {
        let mut storages = Vec::new();
        for entry in self.entries {
            let Some(inside) = entry.name.strip_prefix(&*self.root) else { continue };
            if let Some(key) = inside.strip_prefix(folder) {
                stored(entry)?;
                storages.push((key.to_owned(), Storage::new(key, entry.offset, entry.bytes)));
            }
        }
        let mut tensors = Tensors::new(self.bytes, pickle, storages);
        tensors.swapped = self.swapped;
        let weights = assemble::weights(&mut tensors, self.bytes.len())?;
        for storage in &tensors.storages {
            *sections.entry(SectionKind::Weights).or_default() += storage.used();
            *sections.entry(SectionKind::Unreferenced).or_default() += storage.unused();
        }
        Ok(weights)
    }

    /// Adds all that holds no elements to the sections, so that they sum to the file's bytes.
    fn sections(&self, sections: &mut BTreeMap<SectionKind, u64>) {
        let elements: u64 = sections.values().sum();
        let (mut inside, mut code, mut padding) = (0, 0, 0);
        for entry in self.entries {
            inside += entry.bytes;
            padding += entry.padding;
            if entry.name.strip_prefix(&*self.root).is_some_and(|name| name.starts_with("code/")) {
                code += entry.bytes;
            }
        }
        let rest = self.bytes.len() as u64 - inside - padding;
        sections.insert(SectionKind::Objects, inside.saturating_sub(elements + code));
        sections.insert(SectionKind::Code, code);
        sections.insert(SectionKind::Padding, padding);
        sections.insert(SectionKind::Container, rest);
    }

    fn is_script(&self) -> bool {
        let code = format!("{}code/", self.root);
        self.entry("constants.pkl").is_some()
            && self.entries.iter().any(|entry| entry.name.starts_with(&code))
    }
}

/// Refuses entries whose bytes are not those that were put in.
fn stored(entry: &Entry<'_>) -> Result<(), String> {
    if !entry.packed {
        return Ok(());
    }
    Err(format!(
        "the archive's entry {:?} is compressed or encrypted, which torch does not write: somebody \
         packed it again. Unpack it and pack it with `zip -0`",
        entry.name.chars().take(80).collect::<String>()
    ))
}

#[cfg(test)]
mod tests;
