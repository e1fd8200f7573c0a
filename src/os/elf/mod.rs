//! Reads ELF files without loading them. Here: why one is no library for this machine. Believes
//! nothing: every read is bounded, and whatever a file holds, the answer is words or less, never a
//! panic. Layout after the System V ABI, chapter 4 ("ELF Header"); machine numbers after its registry.

mod dynamic;
#[cfg(test)]
#[cfg(target_os = "linux")]
pub(crate) mod sample;
#[cfg(test)]
mod tests;

pub use dynamic::{Dynamic, read, read_file};

use std::{fs::File, io::Read, path::Path};

/// Bytes at a file's start that hold all that [`check`] looks at; program headers follow the ELF
/// header, and there are a dozen.
pub const HEADER: u64 = 8192;

const MAGIC: &[u8] = b"\x7fELF";
/// `ET_DYN`: a shared object.
const SHARED: u64 = 3;

/// Machine numbers and the names that [`std::env::consts::ARCH`] has for them.
const MACHINES: [(u64, &str); 8] = [
    (3, "x86"),
    (21, "powerpc64"),
    (22, "s390x"),
    (40, "arm"),
    (62, "x86_64"),
    (183, "aarch64"),
    (243, "riscv64"),
    (258, "loongarch64"),
];

/// Refuses a file of `size` bytes that starts with `start` if it is no shared object, one for
/// another machine than `here`, or cut off. Where the name `here` is not known the system's loader
/// will have to tell.
///
/// # Errors
/// Words that say why; they follow on the file's name.
pub fn check(start: &[u8], size: u64, here: &str) -> Result<(), String> {
    if !start.starts_with(MAGIC) {
        return Err("it is not a shared library (no ELF header)".into());
    }
    let header = Header::new(start);
    let (Some(kind), Some(machine)) = (header.0.at(16, 2), header.0.at(18, 2)) else {
        return Err("it is cut off within its ELF header".into());
    };
    let expected = MACHINES.iter().find(|(_, name)| *name == here);
    if expected.is_some_and(|(number, _)| *number != machine) {
        return Err(format!("it is built for {}, this machine is {here}", machine_name(machine)));
    }
    if kind != SHARED {
        return Err("it is an ELF file, but not a shared library".into());
    }
    // The loader maps what is not there without a word, and the process dies of it.
    match header.end().filter(|&end| end > size) {
        Some(end) => Err(format!("it is cut off: {size} bytes are left of {end} at least")),
        None => Ok(()),
    }
}

/// Refuses a file as [`check`] does, and one that is not there, no file, or cannot be read.
///
/// # Errors
/// Words that say why; they follow on the file's name.
pub fn check_file(path: &Path, here: &str) -> Result<(), String> {
    let (mut file, size) = open(path)?;
    let mut start = Vec::new();
    let read = file.by_ref().take(HEADER).read_to_end(&mut start);
    read.map_err(|error| format!("it cannot be read: {error}"))?;
    check(&start, size, here)
}

/// Opens a file, and nothing that would make its opener wait, as a pipe does.
fn open(path: &Path) -> Result<(File, u64), String> {
    let unreadable = |error| format!("it cannot be read: {error}");
    let found = std::fs::metadata(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound if path.is_symlink() => "it is a link to nowhere".into(),
        _ => unreadable(error),
    })?;
    if !found.is_file() {
        return Err("it is not a file".into());
    }
    Ok((File::open(path).map_err(unreadable)?, found.len()))
}

/// Unsigned numbers within some bytes.
struct Numbers<'a> {
    bytes: &'a [u8],
    little: bool,
}

impl<'a> Numbers<'a> {
    fn little(bytes: &'a [u8]) -> Self {
        Self { bytes, little: true }
    }

    /// The number of `length` bytes at `at`.
    fn at(&self, at: u64, length: u64) -> Option<u64> {
        let at = usize::try_from(at).ok()?;
        let bytes = self.bytes.get(at..at.checked_add(length as usize)?)?.iter();
        let append = |number, &byte| number << 8 | u64::from(byte);
        Some(if self.little { bytes.rev().fold(0, append) } else { bytes.fold(0, append) })
    }
}

/// The start of an ELF file.
struct Header<'a>(Numbers<'a>);

impl<'a> Header<'a> {
    /// Numbers are in the file's own byte order.
    fn new(start: &'a [u8]) -> Self {
        Self(Numbers { bytes: start, little: start.get(5) == Some(&1) })
    }

    /// Where the last byte that is to be loaded ends; known of 64 bit files only.
    fn end(&self) -> Option<u64> {
        if self.0.bytes.get(4) != Some(&2) {
            return None;
        }
        let (table, size) = (self.0.at(32, 8)?, self.0.at(54, 2)?);
        let count = self.0.at(56, 2)?;
        let segments = (0..count).filter_map(|i| {
            let segment = table.checked_add(i * size)?;
            let (offset, length) = (segment.checked_add(8)?, segment.checked_add(32)?);
            self.0.at(offset, 8)?.checked_add(self.0.at(length, 8)?)
        });
        segments.max()
    }
}

fn machine_name(number: u64) -> String {
    match MACHINES.iter().find(|(known, _)| *known == number) {
        Some((_, name)) => (*name).into(),
        None => format!("machine type {number}"),
    }
}
