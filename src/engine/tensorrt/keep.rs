//! Built engines on disk: each under the hash of its key, with what it was built from beside it. One
//! that is not whole, or not what its key says, is built anew.

use super::recipe::Recipe;
use crate::{
    engine::{Built, Error, LoadSpec},
    fetch,
    model::sha256,
    os::{FilePath, printable, write_atomic},
    unit::{Bytes, Nanos},
};
use serde::{Deserialize, Serialize};
use std::{
    fmt::Display,
    fs, io,
    path::{Path, PathBuf},
};

/// A folder of engines.
pub struct Engines {
    folder: PathBuf,
}

/// What lies beside an engine.
#[derive(Debug, Serialize, Deserialize)]
struct Label {
    /// Everything it was built with.
    key: String,
    /// SHA-256 of the engine.
    sha256: String,
    /// How long it took.
    took: Nanos,
}

/// What was found.
pub enum Kept {
    /// A whole engine.
    Whole(Built),
    /// None.
    Nothing,
    /// One that cannot be used, and why.
    Unusable(String),
}

impl Engines {
    /// The folder for the engines of `spec`: the cache, or a folder of the run where none are to be
    /// kept.
    ///
    /// # Errors
    /// When there is no cache or the folder cannot be made.
    pub fn of(spec: &LoadSpec<'_>) -> Result<Self, Error> {
        let folder = match &spec.place.scratch {
            Some(scratch) if !spec.place.options.tensorrt.engine_cache => scratch.0.clone(),
            _ => fetch::cache_dir().map_err(no_folder)?.join("tensorrt"),
        };
        fs::create_dir_all(&folder).map_err(no_folder)?;
        Ok(Self { folder })
    }

    /// Looks for the engine of a recipe.
    pub fn find(&self, recipe: &Recipe) -> Kept {
        let (plan, label) = self.paths(recipe);
        let bytes = match fs::read(&plan) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Kept::Nothing,
            Err(error) => return unusable(&plan, &error),
        };
        let label = fs::read(&label)
            .map_err(|error| error.to_string())
            .and_then(|text| serde_json::from_slice::<Label>(&text).map_err(|e| e.to_string()));
        match label {
            Err(error) => unusable(&plan, &format!("what lies beside it is not readable: {error}")),
            Ok(label) if label.key != recipe.key => unusable(&plan, &"it was built otherwise"),
            Ok(label) if label.sha256 != sha256(&bytes) => {
                unusable(&plan, &"it is not what was written; the disk or a copy has changed it")
            }
            Ok(label) => Kept::Whole(Built {
                file: FilePath(plan),
                sha256: label.sha256,
                took: Some(label.took),
                bytes: Bytes(bytes.len() as u64),
                kept: true,
                remarks: Vec::new(),
            }),
        }
    }

    /// Writes an engine and what it was built with.
    ///
    /// # Errors
    /// When it cannot be written; nothing is left behind then.
    pub fn keep(&self, recipe: &Recipe, engine: &[u8], took: Nanos) -> Result<Built, Error> {
        let (plan, label) = self.paths(recipe);
        let sha256 = sha256(engine);
        let text = Label { key: recipe.key.clone(), sha256: sha256.clone(), took };
        let text = serde_json::to_vec_pretty(&text).map_err(not_written)?;
        write_atomic(&plan, engine).map_err(not_written)?;
        write_atomic(&label, &text).map_err(not_written)?;
        Ok(Built {
            file: FilePath(plan),
            sha256,
            took: Some(took),
            bytes: Bytes(engine.len() as u64),
            kept: false,
            remarks: Vec::new(),
        })
    }

    /// The times of kernels that earlier builds have measured.
    pub fn timings(&self, of: &str) -> Option<Vec<u8>> {
        fs::read(self.timing_file(of)).ok()
    }

    /// Keeps them. That they cannot be kept costs the next build time, no more.
    pub fn keep_timings(&self, of: &str, timings: &[u8]) {
        let _ = write_atomic(&self.timing_file(of), timings);
    }

    fn timing_file(&self, of: &str) -> PathBuf {
        self.folder.join(format!("{}.timings", &sha256(of.as_bytes())[..16]))
    }

    fn paths(&self, recipe: &Recipe) -> (PathBuf, PathBuf) {
        let name = &sha256(recipe.key.as_bytes())[..16];
        let path = |extension| self.folder.join(format!("{name}.{extension}"));
        (path("engine"), path("json"))
    }
}

fn unusable(plan: &Path, why: &dyn Display) -> Kept {
    Kept::Unusable(format!(
        "the kept engine {} was not usable and is built anew: {why}",
        printable(plan)
    ))
}

fn no_folder(error: impl Display) -> Error {
    Error::Failed(format!("no folder for built engines: {error}"))
}

fn not_written(error: impl Display) -> Error {
    Error::Failed(format!("the built engine cannot be kept: {error}"))
}
