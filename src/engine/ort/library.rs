//! Finds the ONNX Runtime library, says in advance why it cannot be used, and opens it once.

use super::{Error, Place, chain, sys};
use crate::{
    cuda::ComputeCapability,
    device::Kind,
    fetch::{self, GpuRuntime},
    os::{elf, printable},
};
use std::{
    env, fmt, fs,
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

/// The variable that ONNX Runtime's other users know.
const VARIABLE: &str = "ORT_DYLIB_PATH";

/// The library and environment of this process; ONNX Runtime allows no second one.
static OPENED: Mutex<Option<(PathBuf, ort::environment::Environment)>> = Mutex::new(None);

/// Who named a library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The scenario, for this device alone.
    Device,
    /// The scenario.
    Scenario,
    /// The environment variable `ORT_DYLIB_PATH`.
    Variable,
    /// `trtbench fetch runtime`.
    Cache,
}

/// An ONNX Runtime library that is there; whether it works is not yet known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Library {
    /// Where it is, absolute.
    pub path: PathBuf,
    /// Who named it.
    pub source: Source,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Device => "ort_library of its [device]",
            Self::Scenario => "engine.ort.library",
            Self::Variable => VARIABLE,
            Self::Cache => "trtbench fetch runtime",
        })
    }
}

impl fmt::Display for Library {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ONNX Runtime library {} (from {})", printable(&self.path), self.source)
    }
}

/// Finds the library: the scenario's for this device, else its for all, else that of `ORT_DYLIB_PATH`, else the fetched one. A
/// library that was named but is not there is an error, not a reason to take the next.
///
/// # Errors
/// [`Error::Unavailable`] says what to do.
pub fn locate(place: &Place) -> Result<Library, Error> {
    let variable = env::var_os(VARIABLE).filter(|value| !value.is_empty()).map(PathBuf::from);
    let build = build_for(place);
    let fetched = || {
        let cache = fetch::cache_dir().ok()?;
        match build {
            Some(build) => fetch::gpu_runtime_path(&cache, build),
            None => fetch::runtime_path(&cache),
        }
    };
    let named = [place.device_options.ort_library.clone(), place.options.ort.library.clone()];
    let library =
        choose(named, variable, fetched).ok_or_else(|| Error::Unavailable(nothing(build)))?;
    let path = std::path::absolute(&library.path).map_err(|error| library.unusable(&error))?;
    Ok(Library { path, ..library })
}

/// The fetched build that serves a card: newer ones have no kernels for the oldest cards. None on the
/// CPU.
fn build_for(place: &Place) -> Option<GpuRuntime> {
    /// The first capability that the build for CUDA 12 has kernels for.
    const VOLTA: ComputeCapability = ComputeCapability { major: 7, minor: 0 };
    let old = place.capability.is_some_and(|capability| capability < VOLTA);
    let build = if old { GpuRuntime::Pascal } else { GpuRuntime::Cuda12 };
    (place.device.kind == Kind::Gpu).then_some(build)
}

fn nothing(build: Option<GpuRuntime>) -> String {
    let (which, flag) = match build {
        Some(build) => (" for this card", format!(" --gpu={}", build.name())),
        None => ("", String::new()),
    };
    format!(
        "there is no ONNX Runtime library{which}: run `trtbench fetch runtime{flag}`, or name one by \
         engine.ort.library, ort_library of the [device] or {VARIABLE}"
    )
}

fn choose(
    [device, scenario]: [Option<PathBuf>; 2],
    variable: Option<PathBuf>,
    fetched: impl FnOnce() -> Option<PathBuf>,
) -> Option<Library> {
    let by = |source| move |path| Library { path, source };
    let scenario = device.map(by(Source::Device)).or(scenario.map(by(Source::Scenario)));
    let named = scenario.or(variable.map(by(Source::Variable)));
    named.or_else(|| fetched().map(by(Source::Cache)))
}

impl Library {
    /// Loads the library to ask for its version. It then stays loaded.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when it is missing, no library, for another machine or too old.
    pub fn version(&self) -> Result<String, Error> {
        self.check_file()?;
        let answer = sys::ask_version(&self.path).map_err(|error| self.unusable(&chain(&error)))?;
        match answer.speaks_our_api {
            true => Ok(answer.version),
            false => Err(self.unusable(&format!(
                "its version {} is too old, 1.{} is needed at least",
                answer.version,
                ort::MINOR_VERSION
            ))),
        }
    }

    /// Opens the library for use in this process; later calls give the same environment.
    ///
    /// # Errors
    /// As [`Library::version`], and when this process already uses another library.
    pub fn environment(&self) -> Result<ort::environment::Environment, Error> {
        let mut opened = OPENED.lock().unwrap_or_else(PoisonError::into_inner);
        match &*opened {
            Some((path, environment)) if *path == self.path => Ok(environment.clone()),
            Some((path, _)) => Err(self.unusable(&format!(
                "this process already uses {}; another library needs another process",
                printable(path)
            ))),
            None => {
                let environment = self.open()?;
                *opened = Some((self.path.clone(), environment.clone()));
                Ok(environment)
            }
        }
    }

    fn open(&self) -> Result<ort::environment::Environment, Error> {
        // Asked first in any case: it explains failures better than what follows.
        self.version()?;
        let builder = ort::init_from(&self.path).map_err(|error| self.unusable(&chain(&error)))?;
        let environment = builder.with_name("trtbench").with_telemetry(false).build();
        let environment = environment.map_err(|error| self.unusable(&chain(&error)))?;
        // Whatever a variable says: a verbose log costs time within the measurement. ONNX Runtime
        // writes its log to standard error.
        environment.set_log_level(ort::logging::LogLevel::Warning);
        Ok(environment)
    }

    /// Tells what the system's loader would only hint at.
    fn check_file(&self) -> Result<(), Error> {
        let found = fs::metadata(&self.path).map_err(|error| self.unusable(&error))?;
        if !found.is_file() {
            return Err(self.unusable(&"it is not a file"));
        }
        if cfg!(target_os = "linux") {
            elf::check_file(&self.path, env::consts::ARCH)
                .map_err(|problem| self.unusable(&problem))?;
        }
        Ok(())
    }

    fn unusable(&self, why: &dyn fmt::Display) -> Error {
        let cure = match self.source {
            Source::Cache => "run `trtbench fetch runtime` again".to_owned(),
            named => format!(
                "name another one by {named}, or leave that out and run `trtbench fetch runtime`"
            ),
        };
        Error::Unavailable(format!("{self} cannot be used: {why}; what helps: {cure}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scenario_wins_over_the_variable_and_that_over_the_cache() {
        let path = |name: &str| Some(PathBuf::from(name));
        let source = |scenario, variable, cache| {
            choose([None, scenario], variable, || cache).map(|library: Library| library.source)
        };
        let device = choose([path("d"), path("a")], path("b"), || path("c"));
        assert_eq!(device.map(|library| library.source), Some(Source::Device));
        assert_eq!(source(path("a"), path("b"), path("c")), Some(Source::Scenario));
        assert_eq!(source(None, path("b"), path("c")), Some(Source::Variable));
        assert_eq!(source(None, None, path("c")), Some(Source::Cache));
        assert_eq!(source(None, None, None), None);
    }
}
