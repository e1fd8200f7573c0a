//! Which of the libraries that GPUs are used through are here, told from their files alone: none is
//! loaded, so none can crash, and a broken one is a row with a reason.

mod version;

pub use version::{Version, VersionSource};

use crate::os::{FilePath, Found, SearchPath, elf, library::is_named, printable};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeSet, VecDeque},
    path::{Path, PathBuf},
};

/// Most libraries that are followed for what they need in turn.
const NEEDED: usize = 512;

/// What a library is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LibraryKind {
    /// The driver's own interface.
    CudaDriver,
    /// NVIDIA's management library: clocks, temperatures, memory.
    Nvml,
    /// The CUDA runtime.
    CudaRuntime,
    /// The compiler of CUDA kernels.
    Nvrtc,
    /// cuBLAS.
    Cublas,
    /// cuDNN.
    Cudnn,
    /// TensorRT.
    Tensorrt,
    /// TensorRT's own plug-ins.
    TensorrtPlugin,
    /// TensorRT's reader of ONNX files.
    TensorrtParser,
    /// TensorRT for RTX.
    TensorrtRtx,
    /// ONNX Runtime.
    OnnxRuntime,
}

/// A library that is here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Library {
    /// What it is.
    pub kind: LibraryKind,
    /// Its version; none where nothing reliable tells it without loading the library.
    pub version: Option<Version>,
    /// Where it was found.
    pub path: FilePath,
    /// The file that links lead to.
    pub real_path: FilePath,
    /// The name that it gives itself, by which others ask for it.
    pub soname: Option<String>,
    /// Whether the system's loader looks there for that name. Of several that it does, it takes the
    /// first.
    pub on_loader_path: bool,
    /// Why it cannot be loaded, as far as its headers tell.
    pub problem: Option<String>,
    /// What an ONNX Runtime brings for other devices than processors.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub providers: Vec<Provider>,
}

/// An execution provider that lies beside ONNX Runtime, where it looks for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provider {
    /// `cuda`, `tensorrt`; `shared` is what the others need.
    pub name: String,
    /// Where it is.
    pub path: FilePath,
    /// Why it cannot be loaded, as far as its headers tell.
    pub problem: Option<String>,
    /// As [`missing_for`] tells; nothing is missing where this is empty and there is no problem.
    pub missing: Vec<String>,
}

impl LibraryKind {
    /// All kinds.
    pub const ALL: [Self; 11] = [
        Self::CudaDriver,
        Self::Nvml,
        Self::CudaRuntime,
        Self::Nvrtc,
        Self::Cublas,
        Self::Cudnn,
        Self::Tensorrt,
        Self::TensorrtPlugin,
        Self::TensorrtParser,
        Self::TensorrtRtx,
        Self::OnnxRuntime,
    ];

    /// The name of its files up to `.so`.
    pub fn stem(self) -> &'static str {
        match self {
            Self::CudaDriver => "libcuda",
            Self::Nvml => "libnvidia-ml",
            Self::CudaRuntime => "libcudart",
            Self::Nvrtc => "libnvrtc",
            Self::Cublas => "libcublas",
            Self::Cudnn => "libcudnn",
            Self::Tensorrt => "libnvinfer",
            Self::TensorrtPlugin => "libnvinfer_plugin",
            Self::TensorrtParser => "libnvonnxparser",
            Self::TensorrtRtx => "libtensorrt_rtx",
            Self::OnnxRuntime => "libonnxruntime",
        }
    }
}

impl Library {
    /// Whether it is an ONNX Runtime that was built for NVIDIA's GPUs.
    pub fn has_cuda_provider(&self) -> bool {
        self.providers.iter().any(|provider| provider.name == "cuda")
    }

    fn new(kind: LibraryKind, found: Found, search: &SearchPath) -> Self {
        let providers = match kind {
            LibraryKind::OnnxRuntime => providers(&found.path, search),
            _ => Vec::new(),
        };
        Self {
            kind,
            version: version::of(kind, &found),
            on_loader_path: found.on_loader_path && found.has_own_name(),
            path: FilePath(found.path),
            real_path: FilePath(found.real_path),
            soname: found.soname,
            problem: found.problem,
            providers,
        }
    }
}

/// The libraries that are where `search` leads, in `extra` folders, or are `extra` files: kind by
/// kind, those that the loader finds first. A file with several names is there once.
pub fn find(search: &SearchPath, extra: &[PathBuf]) -> Vec<Library> {
    let extra = extra.iter().filter_map(|path| std::path::absolute(path).ok());
    let (folders, files): (Vec<PathBuf>, Vec<PathBuf>) = extra.partition(|path| path.is_dir());
    let mut wider = search.clone();
    wider.elsewhere.splice(0..0, folders);
    let kinds = LibraryKind::ALL.into_iter();
    kinds.flat_map(|kind| find_kind(kind, &wider, &files)).collect()
}

fn find_kind(kind: LibraryKind, search: &SearchPath, files: &[PathBuf]) -> Vec<Library> {
    let named = |path: &&PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| is_named(name, kind.stem()))
    };
    let files = files.iter().filter(named).map(|path| Found::at(path.clone(), false));
    let names = search.names(kind.stem()).into_iter();
    let mut all: Vec<Found> = files.chain(names.flat_map(|name| search.find(&name))).collect();
    // One file is told of by the name that the loader is asked for.
    all.sort_by_key(|found| (!found.on_loader_path, !found.has_own_name()));
    let mut seen = BTreeSet::new();
    all.retain(|found| seen.insert(found.real_path.clone()));
    all.into_iter().map(|found| Library::new(kind, found, search)).collect()
}

/// What lies beside the ONNX Runtime at `runtime`, which looks for its providers there.
fn providers(runtime: &Path, search: &SearchPath) -> Vec<Provider> {
    let beside = runtime.parent().map(Path::to_path_buf).into_iter().collect();
    let beside = SearchPath { elsewhere: beside, ..SearchPath::default() };
    let provider = |name: &str| {
        let file = format!("libonnxruntime_providers_{name}.so");
        let found = Found::at(beside.candidates(&file).into_iter().next()?, false);
        Some(Provider {
            name: name.to_owned(),
            missing: missing_for(&found.path, search),
            path: FilePath(found.path),
            problem: found.problem,
        })
    };
    ["shared", "cuda", "tensorrt"].into_iter().filter_map(provider).collect()
}

/// The libraries without which the loader refuses `library`, in words that begin with their names:
/// those that it or one it needs asks for, and that are neither in a folder of its own nor where the
/// loader looks. Empty for a file that is no library.
pub fn missing_for(library: &Path, search: &SearchPath) -> Vec<String> {
    let mut missing = Vec::new();
    let mut seen = BTreeSet::new();
    let mut open = VecDeque::from([library.to_path_buf()]);
    while let Some(path) = open.pop_front() {
        let Ok(said) = elf::read_file(&path) else { continue };
        let own = own_folders(&said, &path);
        for name in said.needed {
            if seen.len() == NEEDED || !seen.insert(name.clone()) {
                continue;
            }
            match search.resolve(&name, &own) {
                Some(found) => open.push_back(found),
                // Whoever is asked to load it has the loader itself loaded.
                None if name.starts_with("ld-") => {}
                None => missing.push(describe_missing(&name, search)),
            }
        }
    }
    missing
}

/// The folders that a library names for what it needs; `$ORIGIN` is its own.
fn own_folders(said: &elf::Dynamic, library: &Path) -> Vec<PathBuf> {
    let real = library.canonicalize().unwrap_or_else(|_| library.to_path_buf());
    let origin = real.parent().unwrap_or(Path::new("/")).to_string_lossy();
    let expand = |folder: &String| {
        PathBuf::from(folder.replace("${ORIGIN}", &origin).replace("$ORIGIN", &origin))
    };
    said.run_path.iter().map(expand).collect()
}

fn describe_missing(name: &str, search: &SearchPath) -> String {
    let Some(found) = search.find(name).into_iter().next() else {
        return name.to_owned();
    };
    let place = printable(found.path.parent().unwrap_or(Path::new("/")));
    match found.problem {
        Some(problem) => format!("{name} (that in {place} cannot be used: {problem})"),
        None => format!(
            "{name} (it is in {place}, where the loader does not search; LD_LIBRARY_PATH can name it)"
        ),
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests;
