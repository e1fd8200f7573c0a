//! The stand-ins for NVIDIA's libraries, in a folder where a child process finds them. It loads
//! nothing itself: the libraries are for the programs that a test starts.
#![allow(dead_code, reason = "each test binary uses a part")]

use std::{
    collections::BTreeMap,
    env,
    ffi::OsString,
    fs,
    io::Read,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};
use trtbench_double_script::{ENVIRONMENT, Ledger, Library, Script};

/// A script with the libraries that play it, in a folder of its own.
pub struct Doubles(tempfile::TempDir);

impl Doubles {
    /// Both libraries.
    pub fn new(script: &Script) -> Self {
        Self::only(script, &[Library::Cuda, Library::Nvml])
    }

    /// These libraries. One that is left out is looked for elsewhere: where NVIDIA's own is
    /// installed, that is found.
    pub fn only(script: &Script, libraries: &[Library]) -> Self {
        let doubles = Self(tempfile::tempdir().unwrap());
        script.write(&doubles.script()).unwrap();
        for &library in libraries {
            for name in names(library) {
                symlink(built_library(library), doubles.0.path().join(name)).unwrap();
            }
        }
        doubles
    }

    /// Puts what is no working library under a library's names.
    pub fn put(&self, library: Library, bytes: &[u8]) {
        for name in names(library) {
            fs::write(self.0.path().join(name), bytes).unwrap();
        }
    }

    /// Lays a release of TensorRT, such as `8.6.1`, into a folder of its own, beside others: all
    /// its libraries, under their full names and those that programs look for. The loader does not
    /// look there unless it is told to.
    pub fn tensorrt(&self, release: &str) -> PathBuf {
        let folder = self.0.path().join(format!("tensorrt-{release}/lib"));
        if fs::exists(&folder).unwrap() {
            return folder;
        }
        fs::create_dir_all(&folder).unwrap();
        let (major, _) = release.split_once('.').unwrap();
        let built = built_library(Library::Nvinfer);
        for library in TENSORRT.iter().filter(|library| major == "8" || **library != PARSERS) {
            let file = format!("{library}.so.{release}");
            // A link would be the same library to the loader.
            fs::copy(&built, folder.join(&file)).unwrap();
            symlink(&file, folder.join(format!("{library}.so.{major}"))).unwrap();
            symlink(&file, folder.join(format!("{library}.so"))).unwrap();
        }
        folder
    }

    /// Lays a library without anything in it that is looked for but not loaded, such as
    /// `libcudart.so.12.2.140`, under that name and that with its major version.
    pub fn beside(&self, file: &str) {
        let (stem, version) = file.split_once(".so.").unwrap();
        let soname = format!("{stem}.so.{}", version.split('.').next().unwrap());
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-nostdlib", "-x", "c", "/dev/null"]);
        compiler.arg(format!("-Wl,-soname,{soname}")).arg("-o").arg(self.0.path().join(file));
        assert!(compiler.status().unwrap().success(), "the compiler makes no library");
        symlink(file, self.0.path().join(soname)).unwrap();
    }

    /// Where the script is.
    pub fn script(&self) -> PathBuf {
        self.0.path().join("script.json")
    }

    /// Where the libraries are.
    pub fn folder(&self) -> &Path {
        self.0.path()
    }

    /// What a process must have in its environment to play the script.
    pub fn environment(&self) -> [(&'static str, OsString); 2] {
        [("LD_LIBRARY_PATH", self.0.path().into()), (ENVIRONMENT, self.script().into())]
    }

    /// Gives a process that environment; what this process sees of cards it does not get.
    pub fn prepare<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command.env_remove("CUDA_VISIBLE_DEVICES").env_remove("CUDA_DEVICE_ORDER");
        command.envs(self.environment())
    }

    /// What the processes have written so far.
    pub fn ledger(&self) -> Ledger {
        Ledger::read(&self.script()).unwrap()
    }

    /// MHz at which the clock of each card with a locked clock is held at this moment, by UUID.
    pub fn held_clocks(&self) -> BTreeMap<String, u64> {
        let path = self.0.path().join("script.json.clocks");
        let Ok(mut file) = fs::File::open(path) else { return BTreeMap::new() };
        // The library writes it under a lock.
        file.lock_shared().unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        if text.is_empty() {
            return BTreeMap::new();
        }
        let cards: BTreeMap<String, serde_json::Value> = serde_json::from_str(&text).unwrap();
        let mhz = |card: &serde_json::Value| card["graphics"][0].as_u64();
        cards.into_iter().filter_map(|(uuid, card)| Some((uuid, mhz(&card)?))).collect()
    }

    /// Changes the script for processes that start from now on.
    pub fn rewrite(&self, script: &Script) {
        script.write(&self.script()).unwrap();
    }
}

/// Parsers of other formats, which came with 8.
const PARSERS: &str = "libnvparsers";
/// The libraries of TensorRT.
const TENSORRT: [&str; 4] = ["libnvinfer", "libnvonnxparser", "libnvinfer_plugin", PARSERS];

/// The names under which programs look for a library; some look for that without the version first.
fn names(library: Library) -> &'static [&'static str] {
    match library {
        Library::Cuda => &["libcuda.so.1", "libcuda.so"],
        Library::Nvml => &["libnvidia-ml.so.1", "libnvidia-ml.so"],
        // Its names depend on the release.
        Library::Nvinfer => &[],
    }
}

/// Where cargo has laid a stand-in: beside the test, under a name without a hash.
pub fn built_library(library: Library) -> PathBuf {
    let file = match library {
        Library::Cuda => "libtrtbench_double_cuda.so",
        Library::Nvml => "libtrtbench_double_nvml.so",
        Library::Nvinfer => "libtrtbench_double_nvinfer.so",
    };
    let test = env::current_exe().unwrap();
    let path = test.parent().map(|folder: &Path| folder.join(file)).unwrap();
    assert!(fs::exists(&path).unwrap(), "cargo has built no {}", path.display());
    path
}
