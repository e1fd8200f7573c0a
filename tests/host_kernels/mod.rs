//! The project's kernels, compiled by a C++ compiler into a library that the stand-in for the driver
//! calls in place of a card. What compiles them for cards is `tests/nvrtc.rs`'s business.
#![allow(dead_code, reason = "each test binary uses a part")]

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
    process::Command,
};
use trtbench_double_script::{Card, Script};

/// What a test of kernels needs of the machine.
pub struct HostKernels {
    /// The library of kernels.
    pub library: PathBuf,
    /// The folder with NVRTC.
    pub nvrtc: OsString,
    _folder: tempfile::TempDir,
}

impl HostKernels {
    /// Compiles the kernels.
    ///
    /// # Errors
    /// What is missing here, and how to get it.
    pub fn build() -> Result<Self, String> {
        let nvrtc = env::var_os("TRTBENCH_NVRTC");
        let nvrtc = nvrtc.ok_or("kernels: TRTBENCH_NVRTC names no folder with NVRTC")?;
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let library = folder.path().join("libkernels.so");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/host_kernels/kernels.cpp");
        // Vectors would hide nothing, but time; a fused multiply-add would round otherwise.
        let mut compiler = Command::new("g++");
        compiler.args(["-std=c++14", "-O2", "-Wall", "-Werror", "-ffp-contract=off"]);
        compiler.args(["-shared", "-fPIC", "-fvisibility=default", "-o"]);
        let compiled = compiler.arg(&library).arg(source).output();
        let compiled = compiled
            .map_err(|_| "kernels on the host: g++ is missing (apt-get install g++)".to_owned())?;
        let words = String::from_utf8_lossy(&compiled.stderr);
        assert!(compiled.status.success(), "the kernels do not compile for the host:\n{words}");
        Ok(Self { library, nvrtc, _folder: folder })
    }

    /// What to build the kernels with; `None`, and the test has said so, where that is missing here.
    pub fn or_skip(skip: impl FnOnce(&str)) -> Option<Self> {
        Self::build().inspect_err(|missing| skip(missing)).ok()
    }

    /// The folders in which a process finds what is in `first`, and NVRTC.
    pub fn search_path(&self, first: &Path) -> OsString {
        let mut folders = first.as_os_str().to_owned();
        folders.push(":");
        folders.push(&self.nvrtc);
        folders
    }
}

/// What the kernel takes on the older and the newer card, per image.
const KERNEL_NS: [u64; 2] = [654_321, 54_321];

/// Two cards whose kernels compute.
pub fn computing(kernels: &HostKernels, mut cards: [Card; 2]) -> Script {
    for (card, nanos) in cards.iter_mut().zip(KERNEL_NS) {
        card.timing.named_kernel_ns.insert("preprocess".to_owned(), nanos);
    }
    Script { kernels: Some(kernels.library.clone()), ..Script::with_cards(cards) }
}
