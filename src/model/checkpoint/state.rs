//! A pickle with arrays of numpy in it: what `paddle.save` writes (`.pdparams`, `.pdopt`), and the
//! checkpoints of other projects that look the same.
//!
//! Source: python/paddle/framework/io.py.

use super::{assemble, pickle::Pickle, remarks, storage::Storage, tensor::Tensors};
use crate::model::{
    Format,
    anatomy::{Anatomy, File, SectionKind},
};
use std::collections::BTreeMap;

/// Where Paddle notes what it split because protocols before 4 hold no more than 4 GB at a time.
const SPLIT: &str = "UnpackBigParamInfor@@";

/// What the file consists of that is this pickle.
///
/// # Errors
/// What is wrong with it, for its user.
pub fn anatomy(bytes: &[u8], pickle: &Pickle<'_>, file: File) -> Result<Anatomy, String> {
    let mut tensors = Tensors::new(bytes, pickle, Vec::new());
    let weights = assemble::weights(&mut tensors, bytes.len())?;
    let warning = assemble::warning(pickle);
    if weights.is_empty() {
        let warning = warning.map(|warning| format!(". {warning}")).unwrap_or_default();
        return Err(format!("a pickle without any weights, no checkpoint{warning}"));
    }
    let total = |of: fn(&Storage) -> u64| tensors.storages.iter().map(of).sum::<u64>();
    let arrays = total(|storage| storage.bytes);
    let sections = BTreeMap::from([
        (SectionKind::Weights, total(Storage::used)),
        (SectionKind::Unreferenced, total(Storage::unused)),
        (SectionKind::Objects, (pickle.length as u64).saturating_sub(arrays)),
        (SectionKind::Opaque, (bytes.len() - pickle.length) as u64),
    ]);
    let metadata = assemble::metadata(pickle);
    let mut words = Vec::from_iter(warning);
    if pickle.entry(pickle.root, SPLIT).is_some() {
        let split = "Paddle has split its largest arrays: their parts are listed under names that \
                     end in @@ and a number.";
        words.push(split.to_owned());
    }
    words.extend(remarks::of(&weights));
    let producer = assemble::producer(pickle, &metadata);
    Ok(super::made(Format::PaddleState, file, sections, weights, (producer, metadata, words)))
}
