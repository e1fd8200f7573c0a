//! Built engines on disk: each under the hash of its key, with what it was built from beside it. One
//! that is not whole, or not what its key says, is built anew.

use super::recipe::Recipe;
use crate::{
    engine::{Built, Error, LoadSpec},
    fetch,
    model::sha256,
    os::{self, FilePath, printable, write_atomic},
    unit::{Bytes, Nanos},
};
use serde::{Deserialize, Serialize};
use std::{
    fmt::Display,
    fs::{self, File},
    io,
    ops::ControlFlow,
    path::{Path, PathBuf},
    time::Duration,
};

/// A folder of engines.
pub struct Engines {
    folder: PathBuf,
    /// Where an engine goes that the folder has no room for.
    scratch: Option<PathBuf>,
}

/// What lies beside an engine.
#[derive(Debug, Serialize, Deserialize)]
struct Label {
    /// Everything it was built with.
    key: String,
    /// SHA-256 of the engine, by whose start its file is called.
    sha256: String,
    /// How long it took.
    took: Nanos,
    /// Whether times of kernels from earlier builds were at hand.
    warm: bool,
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
    /// When neither can be made.
    pub fn of(spec: &LoadSpec<'_>) -> Result<Self, Error> {
        let scratch = spec.place.scratch.as_ref().map(|path| path.0.clone());
        if let Some(scratch) = scratch.clone().filter(|_| !spec.place.options.tensorrt.engine_cache)
        {
            return Self::within(&scratch, None);
        }
        let cache = fetch::cache_dir().map_err(|error| no_folder(&error))?.join("tensorrt");
        Self::within(&cache, scratch.clone()).or_else(|error| match scratch {
            Some(scratch) => Self::within(&scratch, None),
            None => Err(error),
        })
    }

    fn within(folder: &Path, scratch: Option<PathBuf>) -> Result<Self, Error> {
        fs::create_dir_all(folder)
            .map_err(|error| no_folder(&format!("{}: {error}", printable(folder))))?;
        Ok(Self { folder: folder.to_owned(), scratch })
    }

    /// What is to be known where engines were to be kept and are not.
    pub fn trouble(&self, spec: &LoadSpec<'_>) -> Option<String> {
        let lost = spec.place.options.tensorrt.engine_cache
            && spec.place.scratch.as_ref().is_some_and(|scratch| scratch.0 == self.folder);
        lost.then(|| not_kept(&"there is no folder for it that can be written"))
    }

    /// Waits until nobody else builds by that recipe, and keeps others from it until what is returned is
    /// dropped; nobody where the folder cannot be written, in which case nothing is kept either. `wait`
    /// is called while somebody does, and says whether to go on waiting.
    ///
    /// # Errors
    /// [`Error::Failed`] when `wait` wants to end.
    pub fn lock(
        &self,
        recipe: &Recipe,
        wait: &mut dyn FnMut() -> ControlFlow<()>,
    ) -> Result<Option<File>, Error> {
        let path = self.folder.join(format!("{}.lock", name(recipe)));
        loop {
            match os::lock(&path) {
                Ok(lock) => return Ok(Some(lock)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if wait().is_break() {
                        return Err(Error::Failed("the build was cancelled".to_owned()));
                    }
                    std::thread::sleep(WAIT);
                }
                Err(_) => return Ok(None),
            }
        }
    }

    /// Looks for the engine of a recipe.
    pub fn find(&self, recipe: &Recipe) -> Kept {
        let path = self.label(recipe);
        let label = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Kept::Nothing,
            Err(error) => return unusable(&path, &error),
            Ok(text) => serde_json::from_slice::<Label>(&text),
        };
        let label = match label {
            Err(error) => return unusable(&path, &error),
            Ok(label) if label.key != recipe.key => {
                return unusable(&path, &"it was built otherwise");
            }
            Ok(label) => label,
        };
        let plan = plan(&self.folder, recipe, &label.sha256);
        match fs::read(&plan) {
            Err(error) => unusable(&plan, &error),
            Ok(bytes) if sha256(&bytes) != label.sha256 => {
                // Its name is that of what it should be: whoever uses it is wrong already.
                let _ = fs::remove_file(&plan);
                unusable(&plan, &"it is not what was written; the disk or a copy has changed it")
            }
            Ok(bytes) => Kept::Whole(Built {
                file: FilePath(plan),
                sha256: label.sha256,
                took: Some(label.took),
                bytes: Bytes(bytes.len() as u64),
                kept: true,
                warm: label.warm,
                remarks: Vec::new(),
            }),
        }
    }

    /// Writes an engine and what it was built with. An engine that is there already is never written
    /// over: another run may be using it. Where there is no room for it, it is put into the run's own
    /// folder, and that is said.
    ///
    /// # Errors
    /// When it can be written nowhere; nothing is left behind then.
    pub fn keep(
        &self,
        recipe: &Recipe,
        engine: &[u8],
        took: Nanos,
        warm: bool,
    ) -> Result<Built, Error> {
        let sha256 = sha256(engine);
        let mut remarks = Vec::new();
        let file = match self.write(recipe, engine, &sha256, took, warm) {
            Ok(file) => file,
            Err(error) => {
                let elsewhere = self.scratch.as_ref().filter(|scratch| **scratch != self.folder);
                let Some(scratch) = elsewhere else { return Err(not_written(&error)) };
                remarks.push(not_kept(&error));
                let file = plan(scratch, recipe, &sha256);
                fs::create_dir_all(scratch)
                    .and_then(|()| write_atomic(&file, engine))
                    .map_err(|error| not_written(&error))?;
                file
            }
        };
        Ok(Built {
            file: FilePath(file),
            sha256,
            took: Some(took),
            bytes: Bytes(engine.len() as u64),
            kept: false,
            warm,
            remarks,
        })
    }

    fn write(
        &self,
        recipe: &Recipe,
        engine: &[u8],
        sha256: &str,
        took: Nanos,
        warm: bool,
    ) -> io::Result<PathBuf> {
        let file = plan(&self.folder, recipe, sha256);
        let label = Label { key: recipe.key.clone(), sha256: sha256.to_owned(), took, warm };
        write_atomic(&file, engine)?;
        write_atomic(&self.label(recipe), &serde_json::to_vec_pretty(&label)?)?;
        Ok(file)
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

    fn label(&self, recipe: &Recipe) -> PathBuf {
        self.folder.join(format!("{}.json", name(recipe)))
    }
}

/// How often somebody else's build is looked at.
const WAIT: Duration = Duration::from_millis(200);

/// Start of the names of a recipe's files.
fn name(recipe: &Recipe) -> String {
    sha256(recipe.key.as_bytes())[..16].to_owned()
}

/// The file of an engine: builds of one recipe may differ, and none takes the place of another.
fn plan(folder: &Path, recipe: &Recipe, sha256: &str) -> PathBuf {
    let start = sha256.get(..16).unwrap_or(sha256);
    folder.join(format!("{}-{start}.engine", name(recipe)))
}

fn unusable(file: &Path, why: &dyn Display) -> Kept {
    Kept::Unusable(format!(
        "the kept engine {} was not usable and is built anew: {why}",
        printable(file)
    ))
}

fn no_folder(error: &dyn Display) -> Error {
    Error::Failed(format!(
        "no folder for built engines: {error}; name one as TRTBENCH_CACHE, or use \
         engine_cache = false"
    ))
}

fn not_kept(why: &dyn Display) -> String {
    format!(
        "the engine could not be kept for later runs: {why}; make room in the cache, or name another \
         folder as TRTBENCH_CACHE"
    )
}

fn not_written(error: &dyn Display) -> Error {
    Error::Failed(format!("the built engine cannot be written: {error}"))
}
