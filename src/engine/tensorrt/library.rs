//! Which TensorRT library a card is to use: the one that the scenario names, else of those that the
//! loader finds the newest that is known to support the card.

use crate::{
    device::{
        compatibility,
        libraries::{self, Library as Found, LibraryKind},
    },
    engine::{Error, Place},
    os::{SearchPath, printable},
    tensorrt::{Library, Product, Release},
};
use std::path::PathBuf;

/// Opens the library for that place.
///
/// # Errors
/// [`Error::Unavailable`] when there is none, or it is of no known release.
pub fn open(place: &Place) -> Result<Library, Error> {
    let named = place.device_options.tensorrt_library.as_ref();
    match named.or(place.options.tensorrt.library.as_ref()) {
        Some(path) => Library::open(path).map_err(|error| blamed(error.into())),
        None => Ok(Library::open(&found(place)?)?),
    }
}

/// What tells this library from another of the same release.
pub fn identity(library: &Library) -> String {
    let path = std::fs::canonicalize(library.path()).unwrap_or_else(|_| library.path().to_owned());
    let bytes = path.metadata().map_or(0, |data| data.len());
    format!("{} {} of {bytes} bytes", library.release(), printable(&path))
}

/// An error about a library that the scenario names says so.
fn blamed(error: Error) -> Error {
    match error {
        Error::Unavailable(words) => Error::Unavailable(format!(
            "the TensorRT library that the scenario names cannot be used: {words}"
        )),
        other => other,
    }
}

fn found(place: &Place) -> Result<PathBuf, Error> {
    let all = libraries::find(&SearchPath::system(), &[]);
    let usable = |library: &&Found| {
        library.kind == LibraryKind::Tensorrt && library.on_loader_path && library.problem.is_none()
    };
    let best = all.iter().filter(usable).max_by_key(|library| rank(library, place));
    best.map(|library| library.path.0.clone()).ok_or_else(|| {
        Error::Unavailable(
            "TensorRT was not found: install a release that takes the card, and add the folder of its \
             libnvinfer.so to LD_LIBRARY_PATH, or name that as tensorrt_library of the device"
                .to_owned(),
        )
    })
}

/// Whether a TensorRT of that version would be opened.
fn is_known(numbers: &[u32]) -> bool {
    let [major, minor, patch] = [0, 1, 2].map(|at| numbers.get(at).copied().unwrap_or(0));
    Release { product: Product::TensorRt, major, minor, patch }.abi().is_some()
}

/// Those whose binary interface is known first, then those that support the card, then the newer.
fn rank(library: &Found, place: &Place) -> (bool, bool, Vec<u32>) {
    let version = library.version.as_ref().map_or("", |version| version.text.as_str());
    let supports = compatibility::Version::parse(version)
        .zip(place.capability)
        .and_then(|(version, capability)| compatibility::tensorrt_supports(&version, capability));
    let numbers: Vec<u32> = version.split('.').map_while(|part| part.parse().ok()).collect();
    (is_known(&numbers), supports.unwrap_or(false), numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_whose_interface_is_not_known_is_taken_last() {
        assert!(is_known(&[8, 6, 1]) && is_known(&[10, 13, 3, 9]) && is_known(&[11, 4]));
        assert!(!is_known(&[10, 17, 0]) && !is_known(&[9, 3, 0]) && !is_known(&[]));
        let unknown = (is_known(&[10, 17]), true, vec![10, 17]);
        assert!(unknown < (is_known(&[8, 6, 1]), true, vec![8, 6, 1]));
    }
}
