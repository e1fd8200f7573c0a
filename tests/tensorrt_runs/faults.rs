//! What goes wrong on one card: the right outcome, in words that name the cure; the other card's cells
//! are all measured.

use super::{Machine, Ran, measured, new, old, program, script, simulated::assert_all_freed};
use std::{
    io::Read,
    process::Stdio,
    time::{Duration, Instant},
};
use trtbench::timing::Stage;
use trtbench_double_script::{Fault, Script};

/// A run in which that fault is on the older card.
fn with(fault: Fault, more: &[&str]) -> (Machine, Ran) {
    let machine = Machine::new(&script().fault(fault.on(&old().uuid)), "");
    let ran = machine.run("out", more);
    (machine, ran)
}

/// Asserts that the older card's launches have failed in these words, and the other's not.
fn assert_failed(machine: &Machine, ran: &Ran, words: &[&str]) {
    ran.fails(1, words);
    for reason in machine.failures_on(&old()) {
        for word in words {
            assert!(reason.contains(word), "no {word:?} in {reason}");
        }
    }
    assert_others_measured(machine);
}

fn assert_others_measured(machine: &Machine) {
    let others = machine.launches_on(&new());
    assert_eq!(others.len(), 4, "two batches, two launches");
    others.iter().for_each(|launch| assert!(measured(launch).iterations >= 3));
}

#[test]
fn out_of_memory_while_building() {
    let fault = Fault::tensorrt("IBuilder::buildSerializedNetwork", 2);
    let (machine, ran) = with(fault, &[]);
    assert_failed(&machine, &ran, &["the builder", "memory", "smaller batch"]);
    assert!(machine.failures_on(&old()).iter().all(|reason| !reason.contains("shapes.onnx")));
    assert_all_freed(&machine.doubles);
}

#[test]
fn a_resumed_run_tries_a_build_that_failed_again() {
    let fault = Fault::tensorrt("IBuilder::buildSerializedNetwork", 1);
    let (machine, ran) = with(fault, &[]);
    assert_failed(&machine, &ran, &["the builder"]);
    machine.doubles.rewrite(&script());
    machine.run("out", &["--resume"]).succeeds();
    assert_eq!(machine.launches_on(&old()).iter().map(measured).count(), 4);
}

#[test]
fn a_build_that_fails_is_not_tried_again_in_every_launch() {
    let fault = Fault::tensorrt("IBuilder::buildSerializedNetwork", 1);
    let machine = Machine::new(&script().with_calls().fault(fault.on(&old().uuid)), "");
    machine.run("out", &[]).fails(1, &["the builder"]);
    let ledger = machine.doubles.ledger();
    let faults = ledger
        .lines
        .iter()
        .filter(|line| matches!(line.entry, trtbench_double_script::Entry::Fault { .. }));
    assert_eq!(faults.count(), 2, "one for each batch");
    assert_eq!(machine.failures_on(&old()).len(), 4);
}

#[test]
fn out_of_memory_while_loading() {
    let fault = Fault::tensorrt("ICudaEngine::createExecutionContext", 2);
    let (machine, ran) = with(fault, &[]);
    assert_failed(&machine, &ran, &["memory", "smaller batch"]);
    assert_all_freed(&machine.doubles);
}

#[test]
fn a_model_that_the_parser_does_not_take() {
    let (machine, ran) = with(Fault::tensorrt("IParser::parseFromFile", 1), &[]);
    assert_failed(&machine, &ran, &["the parser does not take", "shapes.onnx"]);
    assert_all_freed(&machine.doubles);
}

#[test]
fn an_inference_that_fails() {
    let fault = Fault::tensorrt("IExecutionContext::enqueueV3", 1).from(2);
    let (machine, ran) = with(fault, &[]);
    assert_failed(&machine, &ran, &["the execution context"]);
    assert_all_freed(&machine.doubles);
}

#[test]
fn a_card_that_is_lost() {
    let fault = Fault::cuda("cuLaunchKernel", 719).from(9).sticky();
    let (machine, ran) = with(fault, &[]);
    ran.fails(1, &["719"]);
    assert!(machine.failures_on(&old()).iter().all(|reason| reason.contains("719")));
    assert_others_measured(&machine);
}

#[test]
fn an_inference_that_hangs_is_stopped() {
    let fault = Fault::tensorrt_hang("IExecutionContext::enqueueV3").from(2);
    let short = ["--set", "measure.timeout_seconds=3", "--set", "measure.launches=1"];
    let machine = Machine::new(&script().fault(fault.on(&old().uuid)), "");
    machine.run("out", &short).fails(1, &["took longer than", "measure.timeout_seconds"]);
    let failed = machine.launches_on(&old());
    assert_eq!(failed.len(), 2);
    for launch in failed {
        let trtbench::store::RecordOutcome::Failed(failure) = launch.record.outcome else {
            panic!("measured")
        };
        assert_eq!(failure.last_stage, Some(Stage::Inference));
    }
    assert_eq!(machine.launches_on(&new()).iter().map(measured).count(), 2);
}

#[test]
fn a_build_that_hangs_is_stopped() {
    let fault = Fault::tensorrt_hang("IBuilder::buildSerializedNetwork");
    let machine = Machine::new(&script().fault(fault.on(&old().uuid)), "build_timeout_seconds = 2");
    let ran = machine.run("out", &["--set", "measure.launches=1"]);
    ran.fails(1, &["while its engine was built", "2 s", "build_timeout_seconds"]);
    assert_eq!(machine.failures_on(&old()).len(), 2);
    assert_eq!(machine.launches_on(&new()).iter().map(measured).count(), 2);
}

#[test]
fn an_interrupt_ends_a_build_at_once_and_nothing_is_lost() {
    let fault = Fault::tensorrt_hang("IBuilder::buildSerializedNetwork");
    let machine = Machine::new(&script().fault(fault.on(&new().uuid)), "");
    let mut command = program(&machine.sandbox.path(""));
    machine.doubles.prepare(&mut command).args([
        "run",
        "cards.toml",
        "--out",
        "out",
        "--set",
        "measure.max_samples=5",
        "--set",
        "measure.max_seconds=4",
    ]);
    let mut child = command.stderr(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    let hangs = || {
        let ledger = machine.doubles.ledger();
        ledger.lines.iter().any(|line| {
            matches!(line.entry, trtbench_double_script::Entry::Fault { result: None, .. })
        })
    };
    while !hangs() {
        assert!(Instant::now() < deadline, "the build was never begun");
        std::thread::yield_now();
    }
    interrupt(child.id());
    let code = child.wait().unwrap().code();
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(code, Some(130), "{said}");
    assert!(said.contains("--resume"), "{said}");
    machine.doubles.rewrite(&script());
    machine.run("out", &["--resume"]).succeeds();
    assert_eq!(super::launches(&machine.sandbox).len(), 8);
}

/// Sends what Ctrl-C sends.
fn interrupt(process: u32) {
    let done = std::process::Command::new("kill").args(["-INT", &process.to_string()]).status();
    assert!(done.unwrap().success());
}

#[test]
fn a_release_without_a_table_is_refused_by_its_version() {
    for (release, words) in [("9.3.0", "9.3.0"), ("10.17.0", "10.17.0"), ("8.4.1", "8.4.1")] {
        let machine = Machine::with_axes(&script(), [release, "10.13.0"], "batch = [1]", "");
        let ran = machine.run("out", &[]);
        ran.succeeds();
        assert!(ran.out.contains(words) && ran.out.contains("8.5.1 to 8.6.1"), "{}", ran.out);
        assert!(machine.launches_on(&old()).is_empty(), "skipped");
        assert_eq!(machine.launches_on(&new()).len(), 2);
    }
}

#[test]
fn without_tensorrt_every_command_says_how_to_get_it() {
    let machine = Machine::with_axes(&script(), super::RELEASES, "batch = [1]", "");
    let text = super::scenario("tensorrt", "device = [\"gpu:all\"]", super::FAST);
    machine.sandbox.scenario("cards.toml", &text);
    for verb in [&["doctor", "cards.toml"][..], &["run", "cards.toml", "--out", "out"]] {
        let ran = machine.ran(verb);
        let said = format!("{}{}", ran.out, ran.err);
        assert!(
            said.contains("TensorRT was not found") && said.contains("LD_LIBRARY_PATH"),
            "{said}"
        );
    }
}

#[test]
fn a_library_that_is_none_is_named() {
    let machine = Machine::new(&script(), "");
    let path = machine.sandbox.path("libnvinfer.so.8");
    std::fs::write(&path, b"no library").unwrap();
    let set = format!("device.\"gpu:1050\".tensorrt_library={path:?}");
    let ran = machine.run("out", &["--set", &set]);
    let said = format!("{}{}", ran.out, ran.err);
    assert!(said.contains("libnvinfer.so.8") && said.contains("that the scenario names"), "{said}");
    assert_others_measured(&machine);
}

/// NVIDIA's own lean runtime of 11.4, in place of the older card's library.
#[test]
fn the_lean_runtime_is_refused_by_every_command() {
    let Some(folder) = std::env::var_os("TRTBENCH_TENSORRT_LEAN") else {
        return super::common::skip("TRTBENCH_TENSORRT_LEAN names no folder with the lean runtime");
    };
    let lean = std::path::Path::new(&folder).join("libnvinfer_lean.so.11");
    let machine = Machine::with_axes(&script(), super::RELEASES, "batch = [1]", "");
    let set = format!("device.\"gpu:1050\".tensorrt_library={lean:?}");
    let words = ["libnvinfer_lean.so.11", "is TensorRT's lean runtime, which cannot build engines"];
    for verb in [&["doctor", "cards.toml"][..], &["check", "cards.toml"], &["run", "cards.toml"]] {
        let out: &[&str] = if verb[0] == "run" { &["--out", "out"] } else { &[] };
        let ran = machine.ran(&[verb, out, &["--set", &set]].concat());
        assert_eq!(ran.code, Some(i32::from(verb[0] == "doctor")), "{ran:#?}");
        let said = format!("{}{}", ran.out, ran.err);
        assert!(words.iter().all(|part| said.contains(part)), "{verb:?}: {said}");
        assert!(said.contains("give the full libnvinfer of the same release"), "{said}");
    }
    assert!(machine.launches_on(&old()).is_empty(), "skipped");
    assert_eq!(machine.launches_on(&new()).iter().map(measured).count(), 2);
}

/// Both cards, as they are.
#[test]
fn doctor_names_the_release_that_fits_each_card() {
    let machine = Machine::with_axes(
        &Script::with_cards(super::two_cards()),
        ["10.13.0", "10.13.0"],
        "batch = [1]",
        "",
    );
    let ran = machine.ran(&["doctor", "cards.toml"]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.out.contains("compute capability 6.1"), "{}", ran.out);
    let run = machine.run("out", &[]);
    run.succeeds();
    assert!(machine.launches_on(&old()).is_empty(), "10 does not know compute capability 6.1");
    assert_eq!(machine.launches_on(&new()).len(), 2);
}

#[test]
fn a_missing_parser_is_found_before_anything_is_built() {
    let machine = Machine::new(&script(), "");
    let folder = machine.doubles.tensorrt("8.6.1");
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        if entry.file_name().to_string_lossy().starts_with("libnvonnxparser") {
            std::fs::remove_file(entry.path()).unwrap();
        }
    }
    let ran = machine.run("out", &[]);
    ran.succeeds();
    assert!(ran.out.contains("libnvonnxparser.so.8 lies neither beside"), "{}", ran.out);
    assert!(machine.launches_on(&old()).is_empty(), "skipped");
    assert_others_measured(&machine);
    let doctor = machine.ran(&["doctor", "cards.toml"]);
    assert!(doctor.out.contains("install it from the same package"), "{}", doctor.out);
}
