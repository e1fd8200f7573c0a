//! The directory of a ZIP archive: which entry lies where. Unpacks nothing and reads no entry.
//!
//! Source: PKWARE, APPNOTE.TXT 6.3.10. Python's and Rust's libraries let the last of two entries of
//! one name win and do not look for overlaps; here both are errors.

use std::{
    borrow::Cow,
    collections::HashSet,
    io::{self, Read, Seek, SeekFrom},
};

/// Why bytes are no usable archive.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// No directory at the end.
    #[error("the archive has no directory at its end: it is truncated; copy it again")]
    Truncated,
    /// A directory that contradicts itself.
    #[error("the archive's directory is damaged ({0}); copy it again")]
    Damaged(&'static str),
    /// An entry where no entry can be.
    #[error("the archive's entry {name:?} {what}; it was not written by torch.save: copy it again")]
    Entry {
        /// The entry.
        name: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// Cannot be read.
    #[error("it cannot be read: {0}")]
    Read(String),
}

/// An entry of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Its name, with its folders.
    pub name: Cow<'a, str>,
    /// Where its bytes begin in the file.
    pub offset: u64,
    /// How many bytes it takes in the file.
    pub bytes: u64,
    /// Bytes of filling in front of it.
    pub padding: u64,
    /// Whether they are compressed or encrypted: not what was put in.
    pub packed: bool,
    header: u64,
}

const LOCAL_HEADER: usize = 30;
const CENTRAL_HEADER: usize = 46;
const END: usize = 22;
/// Signature of the extra field with which torch aligns its tensors.
const TORCH_PADDING: &[u8] = b"FB";

/// Entries of the archive in `bytes`, in their order in the file. What stands in front of each
/// entry is read from `file`, the same archive: of a mapped file that would bring in the pages
/// around each of thousands of entries.
///
/// # Errors
/// [`Problem`] when it is truncated or damaged, entries overlap, lie outside the file or have the
/// same name.
pub fn read<'a>(bytes: &'a [u8], file: &mut (impl Read + Seek)) -> Result<Vec<Entry<'a>>, Problem> {
    let directory = Directory::find(bytes)?;
    let mut entries = directory.entries(bytes)?;
    let mut names = HashSet::new();
    if let Some(twice) = entries.iter().find(|entry| !names.insert(entry.name.clone())) {
        return Err(wrong(&twice.name, "is there twice"));
    }
    entries.sort_by_key(|entry| entry.header);
    let mut end = 0;
    for entry in &mut entries {
        if entry.header < end {
            return Err(wrong(&entry.name, "overlaps another"));
        }
        entry.locate(file)?;
        let behind = entry.offset.checked_add(entry.bytes);
        end = behind
            .filter(|&end| end <= directory.offset)
            .ok_or_else(|| wrong(&entry.name, "reaches beyond the end of the file"))?;
    }
    Ok(entries)
}

fn wrong(name: &str, what: &'static str) -> Problem {
    Problem::Entry { name: name.chars().take(80).collect(), what }
}

/// Where the directory is.
struct Directory {
    offset: u64,
    bytes: u64,
    entries: u64,
}

impl Directory {
    fn find(bytes: &[u8]) -> Result<Self, Problem> {
        let from = bytes.len().saturating_sub(END + usize::from(u16::MAX));
        let tail = &bytes[from..];
        let at = tail.windows(END).rposition(|end| end.starts_with(b"PK\x05\x06"));
        let at = from + at.ok_or(Problem::Truncated)?;
        let end = &bytes[at..];
        let mut directory = Self {
            offset: word(end, 16, 4)?,
            bytes: word(end, 12, 4)?,
            entries: word(end, 10, 2)?,
        };
        let locator = at.checked_sub(20).map(|at| &bytes[at..]);
        if let Some(locator) = locator.filter(|locator| locator.starts_with(b"PK\x06\x07")) {
            let at = usize::try_from(word(locator, 8, 8)?).ok();
            let wide = at.and_then(|at| bytes.get(at..)).unwrap_or_default();
            if !wide.starts_with(b"PK\x06\x06") {
                return Err(Problem::Damaged("its 64 bit end is missing"));
            }
            directory = Self {
                offset: word(wide, 48, 8)?,
                bytes: word(wide, 40, 8)?,
                entries: word(wide, 32, 8)?,
            };
        }
        let end = directory.offset.checked_add(directory.bytes);
        if end.is_none_or(|end| end > at as u64) {
            return Err(Problem::Damaged("it lies outside the file"));
        }
        Ok(directory)
    }

    fn entries<'a>(&self, bytes: &'a [u8]) -> Result<Vec<Entry<'a>>, Problem> {
        let range = usize::try_from(self.offset).ok().zip(usize::try_from(self.bytes).ok());
        let (from, length) = range.ok_or(Problem::Damaged("it lies outside the file"))?;
        let mut rest = bytes.get(from..from + length).unwrap_or_default();
        let mut entries = Vec::new();
        while entries.len() as u64 != self.entries {
            let (entry, length) = central(rest)?;
            entries.push(entry);
            rest = &rest[length..];
        }
        if !rest.is_empty() {
            return Err(Problem::Damaged("it has more entries than it says"));
        }
        Ok(entries)
    }
}

/// The entry that the directory describes next, and the length of its description.
fn central(bytes: &[u8]) -> Result<(Entry<'_>, usize), Problem> {
    if !bytes.starts_with(b"PK\x01\x02") {
        return Err(Problem::Damaged("it has fewer entries than it says"));
    }
    let lengths = [28, 30, 32].map(|at| word(bytes, at, 2));
    let [name, extra, comment] = lengths;
    let (name, extra, comment) = (name? as usize, extra? as usize, comment? as usize);
    let length = CENTRAL_HEADER + name + extra + comment;
    let description = bytes.get(..length).ok_or(Problem::Damaged("it ends inside an entry"))?;
    let (name, rest) = description[CENTRAL_HEADER..].split_at(name);
    let name = String::from_utf8_lossy(name);
    let (flags, method) = (word(bytes, 8, 2)?, word(bytes, 10, 2)?);
    let mut sizes = [word(bytes, 24, 4)?, word(bytes, 20, 4)?, word(bytes, 42, 4)?];
    widen(&mut sizes, &rest[..extra])?;
    let [unpacked, stored, header] = sizes;
    let packed = method != 0 || flags & 1 == 1;
    if !packed && unpacked != stored {
        return Err(wrong(&name, "has two sizes"));
    }
    Ok((Entry { name, offset: header, bytes: stored, padding: 0, packed, header }, length))
}

/// Replaces sizes that do not fit into 32 bits by those of the 64 bit extra field, which holds only
/// these, in this order.
fn widen(sizes: &mut [u64], mut extra: &[u8]) -> Result<(), Problem> {
    while let (Ok(id), Ok(length)) = (word(extra, 0, 2), word(extra, 2, 2)) {
        let field = extra.get(4..4 + length as usize);
        let field = field.ok_or(Problem::Damaged("an extra field is cut off"))?;
        if id == 1 {
            let small = sizes.iter_mut().filter(|size| **size == u64::from(u32::MAX));
            for (index, size) in small.enumerate() {
                *size = word(field, index * 8, 8)?;
            }
        }
        extra = &extra[4 + length as usize..];
    }
    Ok(())
}

impl Entry<'_> {
    /// Finds where its bytes begin: behind a header of its own, with filling of its own.
    fn locate(&mut self, file: &mut (impl Read + Seek)) -> Result<(), Problem> {
        let mut header = Vec::new();
        let failed = |error: io::Error| Problem::Read(error.to_string());
        file.seek(SeekFrom::Start(self.header)).map_err(failed)?;
        let wanted = (LOCAL_HEADER + self.name.len() + 2) as u64;
        file.take(wanted).read_to_end(&mut header).map_err(failed)?;
        if !header.starts_with(b"PK\x03\x04") || header.len() < LOCAL_HEADER {
            return Err(wrong(&self.name, "is not where the directory says"));
        }
        let (name, extra) = (word(&header, 26, 2)?, word(&header, 28, 2)?);
        let before = LOCAL_HEADER + name as usize;
        let stored = header.get(LOCAL_HEADER..before);
        if stored.is_none_or(|stored| String::from_utf8_lossy(stored) != self.name) {
            return Err(wrong(&self.name, "has another name where it lies"));
        }
        self.padding = match header.get(before..before + 2) {
            Some(TORCH_PADDING) => extra,
            _ => 0,
        };
        let begin = self.header.checked_add(before as u64 + extra);
        self.offset = begin.ok_or(Problem::Damaged("an entry lies outside the file"))?;
        Ok(())
    }

    /// Its bytes.
    pub fn of<'b>(&self, bytes: &'b [u8]) -> &'b [u8] {
        let range = usize::try_from(self.offset).ok().zip(usize::try_from(self.bytes).ok());
        range.and_then(|(from, length)| bytes.get(from..)?.get(..length)).unwrap_or_default()
    }
}

/// A little-endian number.
fn word(bytes: &[u8], at: usize, width: usize) -> Result<u64, Problem> {
    let field = bytes.get(at..at + width).ok_or(Problem::Damaged("it ends inside an entry"))?;
    Ok(field.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte)))
}

#[cfg(test)]
pub mod tests;
