//! Times of layers: TensorRT's profiler tells what the script says, its inspector what the layers are,
//! both in processes of their own, and what goes wrong with them takes nothing from what was measured.

use super::{
    Machine, measured, new, old, script, simulated::assert_all_freed, times::assert_times,
};
use std::collections::{BTreeMap, BTreeSet};
use trtbench_double_script::{Entry, Fault, Script};

/// What the layers take on the older and the younger card.
const LAYERS_NS: [[u64; 4]; 2] =
    [[1_234_567, 98_765_432, 765_433, 333_333], [123_457, 9_876_543, 76_543, 3_333]];

/// The operators of the demo model's first nodes.
const OPERATORS: [&str; 4] = ["Conv", "Relu", "Conv", "Relu"];

/// Both cards, with a time for each layer.
fn timed() -> Script {
    let mut script = script().with_calls();
    for (card, layers) in script.cards.iter_mut().zip(LAYERS_NS) {
        let names = (0..).map(|number| format!("tensorrt_layer_{number}"));
        card.timing.named_kernel_ns.extend(names.zip(layers));
    }
    script
}

/// The rows of the table of layers.
fn table(machine: &Machine) -> Vec<BTreeMap<String, String>> {
    let reader = csv::Reader::from_path(machine.sandbox.path("out/layers.csv")).unwrap();
    reader.into_deserialize().map(Result::unwrap).collect()
}

/// The processes that have called these methods, and how often.
fn callers(machine: &Machine, method: &str) -> BTreeMap<u32, usize> {
    let mut callers = BTreeMap::new();
    for line in machine.doubles.ledger().lines {
        if matches!(&line.entry, Entry::Call { method: called, .. } if called == method) {
            *callers.entry(line.pid).or_default() += 1;
        }
    }
    callers
}

#[test]
fn every_layer_has_its_time_its_operator_and_its_precision_on_both_cards() {
    for releases in [super::RELEASES, ["8.5.3", "11.1.0"]] {
        let machine = Machine::with_axes(&timed(), releases, "batch = [1, 2]", "");
        let ran = machine.run("out", &["--set", "measure.layers=true"]);
        assert!(ran.succeeds().out.contains("layers add up to"), "{}", ran.out);
        let rows = table(&machine);
        assert_eq!(rows.len(), 16, "two cards, two batches, four layers");
        for (card, layers) in [old(), new()].iter().zip(LAYERS_NS) {
            let of_card: Vec<_> =
                rows.iter().filter(|row| row["device_uuid"] == card.uuid).collect();
            assert_eq!(of_card.len(), 8);
            for (place, row) in of_card.into_iter().enumerate() {
                assert_row(row, layers[place % 4], OPERATORS[place % 4], "fp32");
            }
        }
        let charts = std::fs::read_dir(machine.sandbox.path("out/charts")).unwrap();
        let names = charts.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let layers = |name: &String| name.starts_with("layers-") && name.ends_with(".svg");
        assert_eq!(names.filter(layers).count(), 4, "one for each cell");
        assert_all_freed(&machine.doubles);
    }
}

#[test]
fn layers_that_are_left_in_32_bits_are_told_from_those_in_16() {
    let axes = "precision = [\"fp16\"]";
    let machine = Machine::with_axes(&timed(), super::RELEASES, axes, "");
    machine.run("out", &["--set", "measure.layers=true"]).succeeds();
    let rows = table(&machine);
    assert_eq!(rows.len(), 8, "two cards, four layers");
    for (card, layers) in [old(), new()].iter().zip(LAYERS_NS) {
        let of_card: Vec<_> = rows.iter().filter(|row| row["device_uuid"] == card.uuid).collect();
        for (place, precision) in ["fp16", "fp16", "fp32", "fp32"].iter().enumerate() {
            assert_eq!(of_card[place]["precision"], "fp16", "what was asked for");
            assert_row(of_card[place], layers[place], OPERATORS[place], precision);
        }
    }
}

/// Asserts that a row is of a layer that takes so many nanoseconds.
fn assert_row(row: &BTreeMap<String, String>, programmed: u64, operator: &str, precision: &str) {
    for column in ["min_ns", "median_ns", "max_ns"] {
        let told: u64 = row[column].parse().unwrap();
        // The profiler tells milliseconds in single precision; parts of a nanosecond are cut.
        let precision = 1 + (programmed >> 24);
        assert!(told.abs_diff(programmed) <= precision, "{told} of {programmed}");
    }
    assert_eq!((&*row["operator"], &*row["layer_precision"]), (operator, precision), "{row:?}");
    assert!(row["runs"].parse::<u32>().unwrap() >= 10 && row["reason"].is_empty());
}

#[test]
fn nothing_that_is_measured_runs_under_the_profiler() {
    let machine = Machine::new(&timed(), "");
    machine.run("out", &["--set", "measure.layers=true"]).succeeds();
    let enqueuing = callers(&machine, "enqueueV3");
    let profiling = callers(&machine, "setProfiler");
    assert_eq!(profiling.len(), 4, "a process for each cell");
    let profiled: BTreeSet<&u32> = profiling.keys().collect();
    let measuring: Vec<&u32> = enqueuing.keys().filter(|pid| !profiled.contains(pid)).collect();
    assert_eq!(measuring.len(), 8, "two cards, two batches, two launches");
    let reporting = callers(&machine, "reportToProfiler");
    for (pid, set) in profiling {
        assert_eq!(set, 2 * enqueuing[&pid], "set before each run and taken away after it");
        assert_eq!(reporting[&pid], enqueuing[&pid]);
    }
    assert_eq!(machine.doubles.ledger().unexpected(), Vec::<&str>::new());
}

#[test]
fn a_profiler_that_fails_takes_nothing_from_what_was_measured() {
    let fault = Fault::tensorrt("IExecutionContext::reportToProfiler", 1).from(5).on(&old().uuid);
    let script = script().fault(fault);
    let machine = Machine::new(&script, "");
    let ran = machine.run("out", &["--set", "measure.layers=true"]);
    let note = "its layers are not known: the execution context";
    assert!(ran.succeeds().out.contains(note), "{}", ran.out);
    let launches = super::launches(&machine.sandbox);
    assert_eq!(launches.iter().map(measured).count(), 8);
    assert_times(&launches, &script.cards, true);
    let (failed, told): (Vec<_>, Vec<_>) =
        table(&machine).into_iter().partition(|row| row["device_uuid"] == old().uuid);
    assert_eq!((failed.len(), told.len()), (2, 8));
    assert!(failed.iter().all(|row| row["reason"].contains("the execution context")), "{failed:?}");
    assert!(told.iter().all(|row| row["reason"].is_empty()));
    assert_all_freed(&machine.doubles);
}

#[test]
fn an_inspector_that_fails_leaves_the_times_of_layers_without_operators() {
    let fault = Fault::tensorrt("ICudaEngine::createEngineInspector", 1);
    let machine = Machine::new(&script().fault(fault), "");
    machine.run("out", &["--set", "measure.layers=true"]).succeeds();
    let rows = table(&machine);
    assert_eq!(rows.len(), 16);
    assert!(rows.iter().all(|row| row["operator"] == "unknown" && row["median_ns"] != "0"));
}
