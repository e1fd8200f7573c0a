//! The self-test that owners of cards run: on two simulated cards with the stand-ins for NVIDIA's
//! libraries it measures what can be measured, says what cannot, and packs all of it. How it reads what
//! trtexec writes is tested with a script in trtexec's place; trtexec itself needs a card.
#![cfg(all(target_os = "linux", feature = "ort"))]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may panic and print")]

mod common;
mod doubles;
mod host_kernels;
mod simulated;

use common::{FAST, Ran, Sandbox, program, root, scenario};
use doubles::Doubles;
use host_kernels::{HostKernels, computing};
use simulated::{assert_all_freed, launches, two_cards};
use std::{
    env,
    ffi::OsString,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};
use trtbench::store::{RecordOutcome, Run};
use trtbench_double_script::{Card, Fault, Script};

/// The younger card takes it, the older one does not.
const RELEASE: &str = "10.13.0";

/// Both cards, and a release of TensorRT where the loader looks.
struct Machine {
    sandbox: Sandbox,
    doubles: Doubles,
    search_path: OsString,
}

impl Machine {
    fn new(script: &Script, release: &str, kernels: Option<&HostKernels>) -> Self {
        let (sandbox, doubles) = (Sandbox::new(), Doubles::new(script));
        // What TensorRT 8 asks for besides.
        doubles.beside("libcudart.so.12.2.140");
        doubles.beside("libcudnn.so.8.9.0");
        let mut folders = vec![doubles.folder().to_owned(), doubles.tensorrt(release)];
        folders.extend(kernels.map(|kernels| PathBuf::from(&kernels.nvrtc)));
        Self { sandbox, doubles, search_path: env::join_paths(folders).unwrap() }
    }

    /// Runs a command where the stand-ins are found.
    fn ran(&self, command: &mut Command) -> Ran {
        self.doubles.prepare(command).env("LD_LIBRARY_PATH", &self.search_path);
        Ran::from(command.output().unwrap())
    }

    /// Runs the self-test into `out`.
    fn self_test(&self) -> Ran {
        let mut command = Command::new("bash");
        command.arg(root().join("scripts/gpu-selftest.sh")).arg("out");
        command.current_dir(self.sandbox.path("")).env("TRTBENCH", env!("CARGO_BIN_EXE_trtbench"));
        command.env("TRTBENCH_CACHE", self.sandbox.path("cache")).env_remove("TRTEXEC");
        command.env_remove("ORT_DYLIB_PATH").env("TRTBENCH_SELFTEST_SET", SHORT);
        self.ran(&mut command)
    }

    /// What the self-test has written into a file of its folder.
    fn said(&self, file: &str) -> String {
        fs::read_to_string(self.sandbox.path("out").join(file)).unwrap()
    }
}

/// As little as shows that it works.
const SHORT: &str = "measure.launches=1 measure.max_seconds=0.3 measure.min_seconds=0 \
                     measure.max_samples=5 measure.min_samples=3 matrix.batch=[1]";

/// The runs, and how many launches each has on the older and on the younger card. ONNX Runtime is not here.
const RUNS: [(&str, [usize; 2]); 9] = [
    ("null", [1, 1]),
    ("null-spin", [1, 1]),
    ("null-pageable", [1, 1]),
    ("tensorrt", [0, 3]),
    ("tensorrt-graph", [0, 1]),
    ("tensorrt-streams", [0, 1]),
    ("tensorrt-contexts", [0, 1]),
    ("tensorrt-range", [0, 1]),
    ("tensorrt-preprocess", [0, 1]),
];

#[test]
fn all_that_can_be_measured_is_and_the_rest_is_said() {
    let Some(kernels) = HostKernels::or_skip(common::skip) else { return };
    let machine = Machine::new(&computing(&kernels, two_cards()), RELEASE, Some(&kernels));
    let ran = machine.self_test();
    let findings = machine.said("findings.txt");
    assert_eq!(findings, "doctor: not everything fits, see doctor.txt\n", "{ran:#?}");
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    assert!(ran.out.contains("findings: 1\n  doctor: "), "{}", ran.out);
    for (name, expected) in RUNS {
        let run = Run::read(&machine.sandbox.path("out/runs").join(name)).unwrap();
        let on = |card: &Card| {
            let on_card = run.launches.iter().filter(|l| l.record.device.uuid == card.uuid);
            let outcomes = on_card.map(|launch| &launch.record.outcome);
            outcomes.filter(|outcome| matches!(outcome, RecordOutcome::Measured(_))).count()
        };
        assert_eq!(two_cards().each_ref().map(on), expected, "{name}: {ran:#?}");
        assert_eq!(run.launches.len(), expected[0] + expected[1], "{name}");
    }
    let devices = machine.said("devices.txt");
    assert!(two_cards().iter().all(|card| devices.contains(&card.name)), "{devices}");
    assert!(machine.said("doctor.txt").contains("compute capability 6.1"));
    assert!(machine.said("machine.txt").contains("Linux"));
    assert_skips(&ran.out);
    assert_trtexec(&machine, &ran);
    assert_packed(&machine);
    assert_all_freed(&machine.doubles);
}

/// That what is skipped is said with the card and the reason.
fn assert_skips(said: &str) {
    let skipped: Vec<&str> = said.lines().filter(|line| line.starts_with("skipped: ")).collect();
    let old = &two_cards()[0].name;
    let tensorrt = |line: &&&str| line.contains(old) && line.contains(RELEASE);
    assert!(skipped.iter().filter(tensorrt).count() >= 3, "{said}");
    let runtime = |line: &&&str| line.contains("there is no ONNX Runtime library for this card");
    assert!(skipped.iter().filter(runtime).count() >= 6, "three runs, two cards: {said}");
}

/// That a comparison that was not made is said.
fn assert_trtexec(machine: &Machine, ran: &Ran) {
    let packaged = Path::new("/usr/src/tensorrt/bin/trtexec").exists();
    let on_path =
        env::split_paths(&env::var_os("PATH").unwrap()).any(|at| at.join("trtexec").exists());
    if packaged || on_path {
        return println!("NOT COVERED: this machine has trtexec, so its absence is not tested");
    }
    let words = "trtexec is not installed: medians are not cross-checked\n";
    assert!(ran.out.contains(words) && machine.said("trtexec.txt") == words, "{}", ran.out);
}

/// That the archive holds what a report needs.
fn assert_packed(machine: &Machine) {
    let mut tar = Command::new("tar");
    let listed = tar.arg("-tzf").arg(machine.sandbox.path("out.tar.gz")).output().unwrap();
    assert!(listed.status.success(), "{listed:?}");
    let listed = String::from_utf8(listed.stdout).unwrap();
    let files: Vec<&str> = listed.lines().collect();
    for file in ["machine.txt", "devices.txt", "doctor.txt", "findings.txt", "selftest.toml"] {
        assert!(files.contains(&format!("out/{file}").as_str()), "no {file} in {files:?}");
    }
    for (run, _) in RUNS {
        for file in ["run.json", "results.csv"] {
            let path = format!("out/runs/{run}/{file}");
            assert!(files.contains(&path.as_str()), "no {path} in {files:?}");
        }
    }
}

#[test]
fn where_all_fits_and_runs_there_are_no_findings() {
    let Some(kernels) = HostKernels::or_skip(common::skip) else { return };
    // The one release for both cards.
    let machine = Machine::new(&computing(&kernels, two_cards()), "8.6.1", Some(&kernels));
    let ran = machine.self_test();
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert!(ran.out.contains("\nfindings: 0\nAttach "), "{}", ran.out);
    assert_eq!(machine.said("findings.txt"), "none\n");
    let run = Run::read(&machine.sandbox.path("out/runs/tensorrt")).unwrap();
    assert_eq!(run.launches.len(), 6, "two cards, three precisions");
}

#[test]
fn a_run_that_fails_is_a_finding_and_the_others_go_on() {
    let Some(kernels) = HostKernels::or_skip(common::skip) else { return };
    let [old, _] = two_cards();
    let fault = Fault::tensorrt("IParser::parseFromFile", 1).on(&old.uuid);
    let script = computing(&kernels, two_cards()).fault(fault);
    let machine = Machine::new(&script, "8.6.1", Some(&kernels));
    let ran = machine.self_test();
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    let findings = machine.said("findings.txt");
    let runs = RUNS.iter().map(|(run, _)| run).filter(|run| run.starts_with("tensorrt"));
    let expected: String =
        runs.map(|run| format!("{run}: exit code 1, see {run}.txt and {run}.err\n")).collect();
    assert_eq!(findings, expected);
    assert!(machine.said("tensorrt.txt").contains("the parser does not take"));
}

#[test]
fn a_folder_that_is_there_is_not_written_to() {
    let machine = Machine::new(&Script::with_cards(two_cards()), RELEASE, None);
    fs::create_dir(machine.sandbox.path("out")).unwrap();
    machine.self_test().fails(2, &["out is there already", "name another folder"]);
    assert_eq!(fs::read_dir(machine.sandbox.path("out")).unwrap().count(), 0);
}

/// Nanoseconds that an inference takes on the younger card: four layers, and the filling of the output.
fn inference() -> u64 {
    let [_, new] = two_cards();
    4 * new.timing.kernel_ns + new.timing.memset_ns
}

/// A run of engine `tensorrt` on the younger card, in batches of 1 and 8; none without Python, which
/// holds it against trtexec.
fn measured() -> Option<Machine> {
    if Command::new("python3").arg("--version").output().is_err() {
        common::skip("comparing with trtexec: python3 is missing (apt-get install python3)");
        return None;
    }
    let machine = Machine::new(&Script::with_cards(two_cards()), RELEASE, None);
    let axes = "device = [\"gpu:3070\"]\nbatch = [1, 8]";
    machine.sandbox.scenario("s.toml", &scenario("tensorrt", axes, FAST));
    let mut command = program(&machine.sandbox.path(""));
    machine.ran(command.args(["run", "s.toml", "--out", "out"])).succeeds();
    assert_eq!(launches(&machine.sandbox).len(), 4);
    Some(machine)
}

/// Holds the run against a trtexec that is `body`, a shell script that knows `$engine`, `$times`,
/// `$shapes` and `$CUDA_VISIBLE_DEVICES`.
fn held_against(machine: &Machine, body: &str) -> Ran {
    let trtexec = machine.sandbox.path("trtexec");
    let arguments = "for argument; do case $argument in\n\
                     --loadEngine=*) engine=${argument#*=} ;;\n\
                     --exportTimes=*) times=${argument#*=} ;;\n\
                     --shapes=*) shapes=${argument#*=} ;;\n\
                     esac; done\n";
    fs::write(&trtexec, format!("#!/bin/sh\n{arguments}{body}\n")).unwrap();
    fs::set_permissions(&trtexec, fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = Command::new("python3");
    command.arg(root().join("scripts/gpu_selftest_trtexec.py")).arg(trtexec);
    command.args(["0.10", "images:BATCHx3x256x256"]).arg(machine.sandbox.path("out"));
    Ran::from(command.output().unwrap())
}

/// A shell command that writes inferences of these nanoseconds in the format of trtexec's
/// `--exportTimes` (`exportJSONTrace` in samples/common/sampleReporting.cpp of NVIDIA's TensorRT).
fn export(nanos: [u64; 3]) -> String {
    let line = |nanos: u64| {
        let ms = nanos as f64 / 1e6;
        format!(
            "{{ \"startEnqMs\" : 1.5, \"endEnqMs\" : 1.6, \"startH2dMs\" : 1.5, \"endH2dMs\" : 1.7, \
             \"startComputeMs\" : 1.7, \"endComputeMs\" : 1.8, \"startD2hMs\" : 1.8, \"endD2hMs\" : 1.9, \
             \"h2dMs\" : 0.2, \"computeMs\" : {ms}, \"d2hMs\" : 0.1, \"latencyMs\" : 0.4 }}"
        )
    };
    let lines = nanos.map(line).join("\n, ");
    format!("cat >\"$times\" <<'END'\n[\n  {lines}\n]\nEND")
}

#[test]
fn medians_of_the_same_engine_on_the_same_card_in_the_same_batch_are_compared() {
    let Some(machine) = measured() else { return };
    let [_, new] = two_cards();
    let checks = format!(
        "[ \"$(head -c 4 \"$engine\")\" = ftrt ] || exit 7\n\
         [ \"$CUDA_VISIBLE_DEVICES\" = {} ] || exit 8\n\
         case $shapes in images:[18]x3x256x256) ;; *) exit 9 ;; esac\n\
         echo $shapes >>\"$0.shapes\"\n",
        new.uuid
    );
    let near = inference() * 105 / 100;
    let ran = held_against(&machine, &format!("{checks}{}", export([1, near, 99_000_000])));
    ran.succeeds();
    assert_eq!(ran.out.matches(": agrees").count(), 2, "a line for each cell: {ran:#?}");
    let ours = format!("ours {:.4} ms", inference() as f64 / 1e6);
    assert!(ran.out.contains(&ours) && ran.out.contains("ratio 0.952"), "{ours}: {}", ran.out);
    let mut shapes: Vec<String> = fs::read_to_string(machine.sandbox.path("trtexec.shapes"))
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect();
    shapes.sort();
    assert_eq!(shapes, ["images:1x3x256x256", "images:8x3x256x256"]);
}

#[test]
fn medians_that_differ_are_a_finding() {
    let Some(machine) = measured() else { return };
    let far = inference() * 125 / 100;
    let ran = held_against(&machine, &export([far; 3]));
    ran.fails(1, &[]);
    assert_eq!(ran.out.matches("ratio 0.800: DIFFERS").count(), 2, "{}", ran.out);
}

#[test]
fn a_trtexec_that_fails_is_quoted_and_nothing_is_compared() {
    let Some(machine) = measured() else { return };
    let refusal =
        "[E] Error[6]: The engine plan file is not compatible with this version of TensorRT";
    let ran =
        held_against(&machine, &format!("echo '[11/22/2026-10:00:00] {refusal}' >&2; exit 1"));
    ran.fails(2, &[]);
    assert_eq!(ran.out.matches(&format!("not compared: {refusal}")).count(), 2, "{}", ran.out);
    assert!(ran.out.ends_with("nothing could be compared\n"), "{}", ran.out);
    let silent = held_against(&machine, "exit 0");
    silent.fails(2, &[]);
    assert!(silent.out.contains("not compared: its times cannot be read"), "{}", silent.out);
    held_against(&machine, "kill -9 $$").fails(2, &[]);
}
