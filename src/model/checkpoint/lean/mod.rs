//! A network's weights alone as safetensors: how large that is, and the file. Holds no more of the
//! weights in memory than a piece of one tensor.

mod convert;
mod elements;
mod plan;

use super::super::{Error, anatomy::Anatomy, external};
use crate::{
    model::anatomy::{Place, Role, Weight},
    os::{MappedFile, NewFile, printable},
    unit::Bytes,
};
pub use convert::float;
use plan::{Entry, Plan};
use std::{io::Write, path::Path};

/// Element type of what is written. Whole numbers, truth values and types that this project does
/// not read stay as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// What the source has.
    AsStored,
    /// IEEE 754 binary32.
    F32,
    /// IEEE 754 binary16.
    F16,
}

/// Most tensors that a message lists.
const SHOWN: usize = 3;

/// Bytes of the file that [`write_lean`] writes of the same.
///
/// # Errors
/// As those of [`write_lean`] that need no look at the weights: what it would refuse has no size.
pub fn lean_bytes(
    anatomy: &Anatomy,
    role: Option<Role>,
    precision: Precision,
) -> Result<Bytes, String> {
    Plan::new(anatomy, role, precision).map(|plan| plan.bytes())
}

/// Writes the weights of a role to `out` as safetensors, each without gaps: those of the network,
/// or of its moving average where there is nothing else, if no role is given. `anatomy` is that of
/// the file at `source`. Gives the size of `out`, which must not exist; nothing is left of it after
/// an error.
///
/// # Errors
/// When there is no such weight, two have one name, the format has no such type, elements are not
/// stored as they are in memory, a number is beyond the range of the precision (the weights are
/// named), the source has changed, or `out` exists or cannot be written.
pub fn write_lean(
    anatomy: &Anatomy,
    source: &Path,
    out: &Path,
    role: Option<Role>,
    precision: Precision,
) -> Result<Bytes, Error> {
    let refuse = |problem: String| Error { file: printable(source), problem };
    let plan = Plan::new(anatomy, role, precision).map_err(refuse)?;
    if out.exists() {
        let taken = format!("{} exists already; remove it or name another", printable(out));
        return Err(refuse(taken));
    }
    let held = |index| {
        plan.entries.iter().any(|entry| entry.place.is_some_and(|place| place.file == index))
    };
    let files = sources(anatomy, held, source).map_err(refuse)?;
    let unwritten = |error: std::io::Error| refuse(error.to_string());
    let mut file = NewFile::create(out).map_err(unwritten)?;
    file.write_all(&plan.header).map_err(unwritten)?;
    let mut lost = Vec::new();
    for entry in &plan.entries {
        let place = entry.place.and_then(|place| files.get(place.file)?.as_ref().zip(Some(place)));
        let Some((bytes, place)) = place else { continue };
        let stored =
            slice(bytes, place).ok_or_else(|| refuse(changed(&anatomy.files[place.file].name)))?;
        let beyond = elements::write(entry, stored, &mut file)
            .map_err(|failure| refuse(failure.of(&entry.weight.name)))?;
        if beyond > 0 {
            lost.push((entry, beyond));
        }
    }
    if !lost.is_empty() {
        return Err(refuse(out_of_range(&lost)));
    }
    file.keep().map_err(unwritten)?;
    Ok(plan.bytes())
}

/// The elements of a model's weights, as they are stored.
pub struct Elements<'a> {
    anatomy: &'a Anatomy,
    source: &'a Path,
    files: Vec<Option<MappedFile>>,
}

impl<'a> Elements<'a> {
    /// Of the model at `source`, which is `anatomy`.
    ///
    /// # Errors
    /// When one of its files cannot be read or has changed since it was looked into.
    pub fn open(source: &'a Path, anatomy: &'a Anatomy) -> Result<Self, Error> {
        let refuse = |problem: String| Error { file: printable(source), problem };
        let files = sources(anatomy, |_| true, source).map_err(refuse)?;
        Ok(Self { anatomy, source, files })
    }

    /// Copies a weight's elements to `out`, in row-major order, whole ones in every piece. Whether it
    /// could: not of those that are stored in another way than in memory.
    ///
    /// # Errors
    /// When they are not what the shape asks for, or `out` fails.
    pub fn copy(&self, weight: &Weight, out: &mut impl Write) -> Result<bool, Error> {
        let refuse = |problem: String| Error { file: printable(self.source), problem };
        let Ok(entry) = Entry::new(weight, Precision::AsStored, self.anatomy.bytes()) else {
            return Ok(false);
        };
        let Some(place) = entry.place else { return Ok(false) };
        let file = self.files.get(place.file).and_then(Option::as_ref);
        let stored = file.and_then(|file| slice(file, place));
        let stored = stored.ok_or_else(|| refuse(changed(&self.anatomy.files[place.file].name)))?;
        elements::write(&entry, stored, out).map_err(|failure| refuse(failure.of(&weight.name)))?;
        Ok(true)
    }
}

/// The bytes of a place in its file.
fn slice(file: &[u8], place: Place) -> Option<&[u8]> {
    let (from, length) = (usize::try_from(place.offset).ok()?, usize::try_from(place.bytes).ok()?);
    file.get(from..)?.get(..length)
}

/// The files that hold what is wanted.
fn sources(
    anatomy: &Anatomy,
    is_wanted: impl Fn(usize) -> bool,
    source: &Path,
) -> Result<Vec<Option<MappedFile>>, String> {
    let mut files = Vec::new();
    for (index, file) in anatomy.files.iter().enumerate() {
        if !is_wanted(index) {
            files.push(None);
            continue;
        }
        let bytes = match index {
            0 => MappedFile::open(source).map_err(|error| format!("cannot be read: {error}"))?,
            _ => external(source, &file.name, file.bytes)?,
        };
        if bytes.len() as u64 != file.bytes {
            return Err(changed(&file.name));
        }
        files.push(Some(bytes));
    }
    Ok(files)
}

fn changed(name: &str) -> String {
    format!("{name} has changed since it was looked into; try again")
}

fn out_of_range(lost: &[(&Entry<'_>, u64)]) -> String {
    let named: Vec<String> = lost
        .iter()
        .take(SHOWN)
        .map(|(entry, count)| format!("{} ({count})", entry.weight.name))
        .collect();
    let more = lost.len().saturating_sub(SHOWN);
    let more = if more > 0 { format!(" and {more} more tensors") } else { String::new() };
    let dtype = lost[0].0.dtype;
    format!(
        "holds numbers that {dtype} has no room for, in {}{more}: nothing is written; take a wider \
         precision",
        named.join(", ")
    )
}

#[cfg(test)]
mod tests;
