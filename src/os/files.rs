//! Files that are whole or not there, and folders that belong to one process.

use std::{
    fs::{self, File, TryLockError},
    io::{self, Write},
    path::{Path, PathBuf},
};

/// Start of the names of files that are being written.
const TEMPORARY: &str = ".writing-";

/// Writes a file as [`NewFile`] does.
///
/// # Errors
/// Whatever the system says, with the path; nothing is left behind then.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = NewFile::create(path)?;
    file.write_all(bytes)?;
    file.keep()
}

/// A file that is being written under a temporary name. Kept, it is forced to the disk and renamed,
/// so that a reader or a crash sees the old file or the new one, never a part; dropped, nothing is
/// left of it. Errors name the path.
#[derive(Debug)]
pub struct NewFile {
    file: File,
    temporary: PathBuf,
    path: PathBuf,
    kept: bool,
}

impl NewFile {
    /// Begins the file that is to be at `path`.
    ///
    /// # Errors
    /// Whatever the system says.
    pub fn create(path: &Path) -> io::Result<Self> {
        let temporary = temporary(path);
        let file = File::create(&temporary).map_err(|error| cannot_write(path, &error))?;
        Ok(Self { file, temporary, path: path.into(), kept: false })
    }

    /// Puts the file where it is to be.
    ///
    /// # Errors
    /// Whatever the system says; nothing is left behind then.
    pub fn keep(mut self) -> io::Result<()> {
        let renamed = self.file.sync_all().and_then(|()| fs::rename(&self.temporary, &self.path));
        renamed.map_err(|error| cannot_write(&self.path, &error))?;
        self.kept = true;
        sync_folder(&self.path).map_err(|error| cannot_write(&self.path, &error))
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes).map_err(|error| cannot_write(&self.path, &error))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.kept {
            // The first error is the one to report; a leftover is swept up by the next run.
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

fn cannot_write(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot write {}: {error}", path.display()))
}

/// Forces a rename to the disk; systems that cannot open a folder do it on their own.
fn sync_folder(path: &Path) -> io::Result<()> {
    match path.parent().map(File::open) {
        Some(Ok(folder)) if cfg!(unix) => folder.sync_all(),
        _ => Ok(()),
    }
}

fn temporary(path: &Path) -> PathBuf {
    let mut name = std::ffi::OsString::from(format!("{TEMPORARY}{}-", std::process::id()));
    name.push(path.file_name().unwrap_or_default());
    path.with_file_name(name)
}

/// Whether a file of that name is one that a killed writer left.
pub fn is_half_written(name: &std::ffi::OsStr) -> bool {
    name.as_encoded_bytes().starts_with(TEMPORARY.as_bytes())
}

/// Removes what writers that were killed left in `folder`.
///
/// # Errors
/// When the folder cannot be read or a file not be removed.
pub fn sweep(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if is_half_written(&entry.file_name()) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Takes `path` as a lock file until the returned file is dropped or the process ends, however.
///
/// # Errors
/// `WouldBlock` when another process holds it.
pub fn lock(path: &Path) -> io::Result<File> {
    let file = File::options().create(true).truncate(false).write(true).open(path)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(io::ErrorKind::WouldBlock.into()),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// A path as text that loses nothing: bytes that are no UTF-8, backslashes and control characters
/// become `\xNN`.
pub fn printable(path: &Path) -> String {
    let mut text = String::new();
    for chunk in path.as_os_str().as_encoded_bytes().utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\\' if cfg!(unix) => text.push_str("\\x5c"),
                c if c.is_control() => push_bytes(&mut text, c.to_string().as_bytes()),
                c => text.push(c),
            }
        }
        push_bytes(&mut text, chunk.invalid());
    }
    text
}

/// The path that [`printable`] made `text` of.
pub fn parse_printable(text: &str) -> PathBuf {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("\\x") {
        bytes.extend_from_slice(&rest.as_bytes()[..at]);
        let code = rest.get(at + 2..at + 4).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match code {
            Some(byte) => bytes.push(byte),
            None => bytes.extend_from_slice(&rest.as_bytes()[at..(at + 4).min(rest.len())]),
        }
        rest = rest.get(at + 4..).unwrap_or_default();
    }
    bytes.extend_from_slice(rest.as_bytes());
    path_of(bytes)
}

/// The path of those bytes; where the system's paths are text, as near as can be.
#[cfg(unix)]
pub(super) fn path_of(bytes: Vec<u8>) -> PathBuf {
    use std::os::unix::ffi::OsStringExt;
    std::ffi::OsString::from_vec(bytes).into()
}

/// The path of those bytes; where the system's paths are text, as near as can be.
#[cfg(not(unix))]
pub(super) fn path_of(bytes: Vec<u8>) -> PathBuf {
    String::from_utf8_lossy(&bytes).into_owned().into()
}

/// A path that can be written to JSON whatever its bytes are: as [`printable`] text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FilePath(pub PathBuf);

impl serde::Serialize for FilePath {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&printable(&self.0))
    }
}

impl<'de> serde::Deserialize<'de> for FilePath {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(parse_printable(&text)))
    }
}

impl std::fmt::Display for FilePath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&printable(&self.0))
    }
}

fn push_bytes(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        text.push_str(&format!("\\x{byte:02x}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_written_file_is_whole_and_leaves_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        write_atomic(&path, b"one").unwrap();
        write_atomic(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_cannot_be_written_is_named_and_the_old_one_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("taken");
        fs::create_dir(&path).unwrap();
        let error = write_atomic(&path, b"x").unwrap_err().to_string();
        assert!(error.contains("taken"), "{error}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_is_not_kept_leaves_the_old_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.bin");
        write_atomic(&path, b"old").unwrap();
        let mut file = NewFile::create(&path).unwrap();
        file.write_all(b"new").unwrap();
        drop(file);
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_lock_is_held_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let held = lock(&path).unwrap();
        assert_eq!(lock(&path).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        drop(held);
        assert!(lock(&path).is_ok());
    }

    #[cfg(unix)]
    #[test]
    fn a_name_that_is_no_text_is_still_told_apart() {
        use std::os::unix::ffi::OsStrExt;
        let name = std::ffi::OsStr::from_bytes(b"a\xff b\n\\");
        assert_eq!(printable(Path::new(name)), "a\\xff b\\x0a\\x5c");
        assert_eq!(parse_printable(&printable(Path::new(name))), Path::new(name));
    }
}
