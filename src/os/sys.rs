//! Memory-mapped files: the only foreign calls of this module.
#![allow(unsafe_code)]

use memmap2::{Mmap, MmapMut};
use std::{
    fs::File,
    io::{self, Write},
    ops::Deref,
    path::Path,
    sync::atomic::AtomicU8,
};

/// A file's bytes, read only, brought in by the system as they are looked at.
#[derive(Debug)]
pub struct MappedFile(Mmap);

/// One byte in a file that another process can read after this one has been killed.
#[derive(Debug)]
pub struct Beacon(MmapMut);

impl MappedFile {
    /// Maps a file.
    ///
    /// # Errors
    /// When it cannot be opened or mapped.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        // SAFETY: the mapping is private and read only. A writer that truncates the file meanwhile
        // would end this process with SIGBUS, as it would end any program that maps its models;
        // the bytes are only ever read as bytes, so a change of content breaks no invariant.
        let map = unsafe { Mmap::map(&file)? };
        Ok(Self(map))
    }

    /// Gives back the memory through which the file has been read so far; what is read again comes
    /// from the system's cache. Some systems map megabytes around each byte that is read.
    pub fn forget(&self) {
        #[cfg(unix)]
        // SAFETY: nothing was written through the mapping, so every page is the file's and comes back
        // as it was.
        let _ = unsafe { self.0.unchecked_advise(memmap2::UncheckedAdvice::DontNeed) };
    }
}

impl Deref for MappedFile {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl Beacon {
    /// Creates the file and maps it.
    ///
    /// # Errors
    /// When the file cannot be written or mapped.
    pub fn create(path: &Path) -> io::Result<Self> {
        let mut file =
            File::options().create(true).truncate(true).read(true).write(true).open(path)?;
        // Written, not just lengthened: a full disk is an error here instead of a SIGBUS later.
        file.write_all(&[0])?;
        // SAFETY: the file was made by this process for this purpose, its one byte is only accessed
        // through an atomic, and readers in other processes read the file, not the mapping.
        let map = unsafe { MmapMut::map_mut(&file)? };
        Ok(Self(map))
    }

    /// The byte.
    pub fn byte(&mut self) -> &AtomicU8 {
        // SAFETY: the mapping is at least one byte long, lives as long as `self`, is writable, and
        // `&mut self` rules out another reference from this process; `AtomicU8` has size and
        // alignment of `u8`.
        unsafe { AtomicU8::from_ptr(self.0.as_mut_ptr()) }
    }
}
