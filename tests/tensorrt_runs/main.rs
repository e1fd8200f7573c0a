//! Engine `tensorrt` on two simulated cards with two releases of TensorRT, against stand-ins for
//! NVIDIA's libraries: what is measured is what the script says, nothing stays allocated, and what
//! goes wrong on one card leaves the other alone.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may panic and print")]

#[path = "../common/mod.rs"]
mod common;
#[path = "../doubles/mod.rs"]
mod doubles;
mod faults;
mod found;
#[path = "../host_kernels/mod.rs"]
mod host_kernels;
mod kept;
mod layers;
#[path = "../onnx/mod.rs"]
mod onnx;
mod precision;
mod preprocess;
#[path = "../simulated/mod.rs"]
mod simulated;
mod times;

use common::{FAST, Ran, Sandbox, program, scenario};
use doubles::Doubles;
use host_kernels::HostKernels;
use simulated::{launches, new, old, script, two_cards};
use std::{ffi::OsString, path::PathBuf};
use trtbench::store::{Launch, MeasuredRecord, RecordOutcome};
use trtbench_double_script::{Card, Script};

/// Releases that the cards have: the older one's and the younger one's.
const RELEASES: [&str; 2] = ["8.6.1", "10.13.0"];

/// A machine with both cards, a release of TensorRT for each, and a scenario.
struct Machine {
    sandbox: Sandbox,
    doubles: Doubles,
    /// Where programs look for libraries.
    search_path: OsString,
}

impl Machine {
    /// The demo model on both cards; `keys` go into the engine's table.
    fn new(script: &Script, keys: &str) -> Self {
        Self::with_axes(script, RELEASES, "batch = [1, 2]", keys)
    }

    /// The demo model on these axes, with these releases.
    fn with_axes(script: &Script, releases: [&str; 2], axes: &str, keys: &str) -> Self {
        let (sandbox, doubles) = (Sandbox::new(), Doubles::new(script));
        // What TensorRT 8 asks for besides.
        doubles.beside("libcudart.so.11.8.89");
        doubles.beside("libcudart.so.12.2.140");
        doubles.beside("libcudnn.so.8.9.0");
        let [old, new] = releases.map(|release| library(&doubles, release));
        let axes = format!("device = [\"gpu:all\"]\n{axes}");
        let text = format!(
            "{}\n[engine.tensorrt]\n{keys}\n\n[device.\"gpu:1050\"]\ntensorrt_library = {old:?}\n\n\
             [device.\"gpu:3070\"]\ntensorrt_library = {new:?}\n",
            scenario("tensorrt", &axes, FAST)
        );
        sandbox.scenario("cards.toml", &text);
        let search_path = doubles.folder().into();
        Self { sandbox, doubles, search_path }
    }

    /// From now on the compiler of kernels is found.
    fn finds(&mut self, kernels: &HostKernels) {
        self.search_path = kernels.search_path(self.doubles.folder());
    }

    /// Runs the scenario into `out`.
    fn run(&self, out: &str, more: &[&str]) -> Ran {
        let mut arguments = vec!["run", "cards.toml", "--out", out];
        // Ended by the number of iterations, however busy the machine is.
        arguments.extend(["--set", "measure.max_samples=5", "--set", "measure.max_seconds=4"]);
        arguments.extend(more);
        self.ran(&arguments)
    }

    /// Runs the program.
    fn ran(&self, arguments: &[&str]) -> Ran {
        let mut command = program(&self.sandbox.path(""));
        self.doubles.prepare(&mut command).args(arguments);
        command.env("LD_LIBRARY_PATH", &self.search_path);
        Ran::from(command.output().unwrap())
    }

    /// The launches in `out` on this card.
    fn launches_on(&self, card: &Card) -> Vec<Launch> {
        let mut launches = launches(&self.sandbox);
        launches.retain(|launch| launch.record.device.uuid == card.uuid);
        launches
    }

    /// The reasons for which this card's launches failed; all of them have to.
    fn failures_on(&self, card: &Card) -> Vec<String> {
        let launches = self.launches_on(card);
        assert!(!launches.is_empty(), "no launch on {}", card.name);
        let reason = |launch: &Launch| match &launch.record.outcome {
            RecordOutcome::Failed(failure) => failure.reason.clone(),
            RecordOutcome::Measured(_) => panic!("measured on {}", card.name),
        };
        launches.iter().map(reason).collect()
    }

    /// What the kept engines lie in.
    fn kept(&self) -> PathBuf {
        self.sandbox.path("cache/tensorrt")
    }
}

/// The library of a release that the machine has.
fn library(doubles: &Doubles, release: &str) -> PathBuf {
    doubles.tensorrt(release).join(format!("libnvinfer.so.{release}"))
}

/// The numbers of a launch, which must have some.
fn measured(launch: &Launch) -> &MeasuredRecord {
    match &launch.record.outcome {
        RecordOutcome::Measured(measured) => measured,
        RecordOutcome::Failed(failure) => panic!("{}", failure.reason),
    }
}
