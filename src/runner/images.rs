//! Looks at the images before anything is measured: each must be one that the run's decoder takes.

use super::Problem;
use crate::{
    image::{Decoder, Image},
    model,
    os::FilePath,
};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
};

/// What identifies an image file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageFacts {
    /// File.
    pub path: FilePath,
    /// Size.
    pub bytes: u64,
    /// SHA-256, hexadecimal.
    pub sha256: String,
    /// Pixels in a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
}

/// Decodes every image once, on all processors.
pub(super) fn check(
    images: &[PathBuf],
    decoder: &Decoder,
    problems: &mut Vec<Problem>,
) -> Vec<ImageFacts> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let next = AtomicUsize::new(0);
    let mut checked: Vec<_> = std::thread::scope(|scope| {
        let work = |mut decoder: Decoder| {
            let mut mine = Vec::new();
            let mut image = Image::default();
            while let Some(path) = images.get(next.fetch_add(1, Ordering::Relaxed)) {
                mine.push((path.clone(), check_one(path, &mut decoder, &mut image)));
            }
            mine
        };
        let spawn = |_| {
            let decoder = decoder.clone();
            scope.spawn(move || work(decoder))
        };
        let handles: Vec<_> = (0..threads).map(spawn).collect();
        let join = |handle: std::thread::ScopedJoinHandle<'_, Vec<_>>| {
            handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        handles.into_iter().flat_map(join).collect()
    });
    let place: BTreeMap<_, _> =
        images.iter().enumerate().map(|(index, path)| (path, index)).collect();
    checked.sort_by_key(|(path, _)| place.get(path).copied());
    let mut facts = Vec::new();
    for (_, result) in checked {
        match result {
            Ok(fact) => facts.push(fact),
            Err(problem) => problems.push(problem),
        }
    }
    facts
}

fn check_one(path: &Path, decoder: &mut Decoder, image: &mut Image) -> Result<ImageFacts, Problem> {
    let file = FilePath(path.to_owned());
    let bytes = std::fs::read(path)
        .map_err(|error| Problem(format!("the image {file} cannot be read: {error}")))?;
    decoder.decode(&bytes, image).map_err(|error| {
        Problem(format!("the image {file} cannot be decoded: {error}; remove or replace it"))
    })?;
    Ok(ImageFacts {
        path: file,
        bytes: bytes.len() as u64,
        sha256: model::sha256(&bytes),
        width: image.width,
        height: image.height,
    })
}
