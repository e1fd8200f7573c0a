//! Checkpoints: what torch, Paddle and safetensors save of a network and its training. Pickles are
//! interpreted, never executed; weights are not read unless [`write_lean`] is to copy them.

mod archive;
mod assemble;
mod dtype;
mod foreign;
mod lean;
mod legacy;
mod pickle;
mod remarks;
mod role;
mod safetensors;
mod state;
mod storage;
mod tensor;
mod torch;
mod walk;

pub use lean::{Elements, Precision, float, lean_bytes, write_lean};

use super::{
    Format,
    anatomy::{Anatomy, File, Section, SectionKind, Weight},
};
use crate::os::printable;
use std::{collections::BTreeMap, path::Path};

/// First bytes of an archive, and of one without entries.
const ZIP: [&[u8]; 2] = [b"PK\x03\x04", b"PK\x05\x06"];
/// Opcodes that pickles of the protocols 0 and 1 begin with and no other model does.
const OLD_PICKLE: &[u8] = b"(]}c";

/// What the checkpoint at `path`, whose bytes are `bytes`, consists of; none where it is no
/// checkpoint.
///
/// # Errors
/// What is wrong with it, for its user. Also when it is another kind of file that is often found
/// under a checkpoint's name, such as a page of HTML.
pub fn anatomy(path: &Path, bytes: &[u8]) -> Option<Result<Anatomy, String>> {
    let name = path.file_name().map(|name| printable(Path::new(name))).unwrap_or_default();
    let file = File { name, bytes: bytes.len() as u64 };
    if ZIP.iter().any(|begin| bytes.starts_with(begin)) {
        return Some(torch::anatomy(path, bytes, file));
    }
    if let Some(other) = foreign::file(bytes) {
        return Some(Err(other));
    }
    if safetensors::begins(bytes) {
        return Some(safetensors::anatomy(bytes, file));
    }
    let protocol = bytes.first_chunk().is_some_and(|&[code, n]| code == 0x80 && n <= 5);
    let old = bytes.first().is_some_and(|first| OLD_PICKLE.contains(first));
    (protocol || old).then(|| pickled(path, bytes, file))
}

fn pickled(path: &Path, bytes: &[u8], file: File) -> Result<Anatomy, String> {
    let first = pickle_at(path, bytes, 0)?;
    if legacy::begins(&first) {
        legacy::anatomy(path, bytes, file)
    } else {
        state::anatomy(bytes, &first, file)
    }
}

/// The pickle that begins at byte `at` of the file.
fn pickle_at<'a>(path: &Path, bytes: &'a [u8], at: usize) -> Result<pickle::Pickle<'a>, String> {
    // Without the file all is read from the mapped bytes: the same in more memory.
    let file = std::fs::File::open(path).ok().map(|file| (file, at as u64));
    pickle::read(bytes.get(at..).unwrap_or_default(), file).map_err(|problem| {
        let part = if at > 0 { format!("in the part from byte {at} on, ") } else { String::new() };
        format!("{part}{problem}; copy or save it again")
    })
}

/// Producer, description and remarks.
type Words = (Option<String>, BTreeMap<String, String>, Vec<String>);

/// An anatomy of one file without a graph.
fn made(
    format: Format,
    file: File,
    sections: BTreeMap<SectionKind, u64>,
    weights: Vec<Weight>,
    (producer, metadata, remarks): Words,
) -> Anatomy {
    let sections = sections.into_iter().filter(|&(_, bytes)| bytes > 0);
    let sections = sections.map(|(kind, bytes)| Section { file: 0, kind, bytes }).collect();
    let (files, opsets) = (vec![file], BTreeMap::new());
    Anatomy {
        format,
        files,
        sections,
        weights,
        producer,
        opsets,
        metadata,
        graph: None,
        lowered: None,
        ir_version: None,
        remarks,
    }
}

#[cfg(test)]
mod tests;
