//! TensorRT 8.6.0 itself, the last release for Pascal cards that PyPI has, without a card: it loads, says
//! which release it is, and nothing of it is called that needs a driver. scripts/tensorrt-8.6.sh
//! brings it, which takes 820 MB, and names its folder in `TRTBENCH_TENSORRT_86`; not part of the one
//! test command.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may panic and print")]

mod common;
mod doubles;
mod simulated;

use common::{FAST, Ran, Sandbox, program, scenario};
use doubles::Doubles;
use simulated::{launches, two_cards};
use std::{
    env, fs,
    path::{Path, PathBuf},
};
use trtbench::{
    os::SearchPath,
    store::RecordOutcome,
    tensorrt::{Abi, Library},
};
use trtbench_double_script::Script;

/// The library, if it was brought.
fn library() -> Option<PathBuf> {
    let folder = env::var_os("TRTBENCH_TENSORRT_86").map(PathBuf::from);
    if folder.is_none() {
        println!("NOT COVERED: run scripts/tensorrt-8.6.sh to test TensorRT 8.6.0 itself");
    }
    folder.map(|folder| folder.join("libnvinfer.so.8"))
}

/// A scenario on all cards with that library.
fn sandbox(library: &Path) -> Sandbox {
    let sandbox = Sandbox::new();
    let text = scenario("tensorrt", "device = [\"gpu:all\"]", FAST);
    let text = format!("{text}\n[engine.tensorrt]\nlibrary = {library:?}\n");
    sandbox.scenario("s.toml", &text);
    sandbox
}

/// Runs the program where these stand-ins are found.
fn ran(sandbox: &Sandbox, doubles: &Doubles, arguments: &[&str]) -> Ran {
    let mut command = program(&sandbox.path(""));
    Ran::from(doubles.prepare(&mut command).args(arguments).output().unwrap())
}

#[test]
fn it_loads_without_a_driver_and_building_is_refused_before_it_is_called() {
    let Some(path) = library() else { return };
    let library = Library::open(&path).unwrap();
    assert_eq!((library.abi(), &*library.release().to_string()), (Abi::Eight, "8.6.0"));
    let words = library.builder(None).unwrap_err().to_string();
    assert!(words.contains("TensorRT 8.6.0 builds on a card, and there is none"), "{words}");
    let mapped = fs::read_to_string("/proc/self/maps").unwrap();
    assert!(mapped.contains("libnvinfer.so.8") && !mapped.contains("libcuda.so"), "{mapped}");
}

#[test]
fn without_a_driver_no_cell_can_run_and_the_driver_is_named() {
    let Some(library) = library() else { return };
    if SearchPath::system().resolve("libcuda.so.1", &[]).is_some() {
        return println!("NOT COVERED: this machine has a driver, so its absence is not tested");
    }
    let none = Doubles::only(&Script::with_cards([]), &[]);
    let sandbox = sandbox(&library);
    let words = ["no cell can run here", "there is no CUDA driver", "install NVIDIA's driver"];
    ran(&sandbox, &none, &["run", "s.toml", "--out", "out"]).fails(2, &words);
    let doctor = ran(&sandbox, &none, &["doctor", "s.toml"]);
    assert_eq!(doctor.code, Some(1), "{doctor:#?}");
    assert!(doctor.out.contains("there is no CUDA driver"), "{doctor:#?}");
}

/// Its own CUDA runtime finds the stand-in for the driver and refuses it, so that its builder fails:
/// in its own words, which come through our logger, and in a process of its own.
#[test]
fn on_a_driver_that_it_refuses_every_cell_fails_with_its_words_and_nothing_crashes() {
    let Some(library) = library() else { return };
    let cards = Doubles::new(&Script::with_cards(two_cards()));
    // What is looked for before anything is loaded.
    cards.beside("libcudart.so.12.2.140");
    cards.beside("libcudnn.so.8.8.0");
    let sandbox = sandbox(&library);
    let ran = ran(&sandbox, &cards, &["run", "s.toml", "--out", "out"]);
    ran.fails(1, &["the builder: ", "CUDA initialization failure"]);
    let launches = launches(&sandbox);
    assert_eq!(launches.len(), 4, "two cards, two launches");
    for launch in launches {
        let RecordOutcome::Failed(failure) = launch.record.outcome else { panic!("measured") };
        assert!(failure.reason.contains("CUDA initialization failure"), "{failure:?}");
        assert!(failure.ending.is_none(), "a process crashed: {failure:?}");
    }
    let ledger = cards.ledger();
    assert!(ledger.live().is_empty() && ledger.swept().is_empty(), "{ledger:?}");
}
