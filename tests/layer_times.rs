//! Times of layers, from the flag to the files: with an engine that has a profiler, with engines that
//! have none, and where timing them goes wrong.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may panic and print")]

mod common;
use common::{FAST, Ran, Sandbox, root, scenario};
use serde_json::Value;
use std::{collections::BTreeSet, fs};

/// The table of layers by row and column name.
fn table(sandbox: &Sandbox) -> Vec<std::collections::BTreeMap<String, String>> {
    let reader = csv::Reader::from_path(sandbox.path("r/layers.csv")).unwrap();
    reader.into_deserialize().map(Result::unwrap).collect()
}

/// Runs the empty engine, told to fail where layers are timed.
fn with_fault(fault: &str) -> (Sandbox, Ran) {
    let sandbox = Sandbox::new();
    sandbox.null_scenario(&format!("[engine.null]\nfault = \"{fault}\"\nfault_layers = true\n"));
    let keys = ["--set", "measure.timeout_seconds=5", "--set", "matrix.batch=1"];
    let run = ["run", "null.toml", "--out", "r", "--layers"];
    let ran = sandbox.run(&[run.as_slice(), keys.as_slice()].concat());
    (sandbox, ran)
}

#[test]
fn without_being_asked_for_no_layers_are_timed() {
    let sandbox = Sandbox::new();
    sandbox.null_scenario("");
    let ran = sandbox.run(&["run", "null.toml", "--out", "r"]);
    assert!(!ran.succeeds().out.contains("layers"), "{}", ran.out);
    assert!(!sandbox.path("r/layers.csv").exists());
    let json = sandbox.run(&["report", "r", "--json"]).succeeds().json();
    assert_eq!(json["cells"][0]["layers"], Value::Null);
}

#[test]
fn an_engine_without_a_profiler_is_measured_all_the_same_and_the_cell_says_so() {
    let sandbox = Sandbox::new();
    sandbox.null_scenario("");
    let ran = sandbox.run(&["run", "null.toml", "--out", "r", "--layers"]);
    let note = "its layers are not known: engine `null` tells no times of layers";
    assert!(ran.succeeds().out.contains(note), "{}", ran.out);
    let rows = table(&sandbox);
    assert_eq!(rows.len(), 2, "{rows:?}");
    assert!(rows.iter().all(|row| row["reason"].contains("`null`") && row["index"].is_empty()));
    let json = sandbox.run(&["report", "r", "--json"]).succeeds().json();
    assert!(json["cells"][0]["layers"]["reason"].is_string(), "{json:#}");
    assert_eq!(json["cells"][0]["launches"], 2);
}

#[test]
fn whatever_goes_wrong_with_layers_takes_nothing_from_what_was_measured() {
    let faults = [
        ("error", "told to fail"),
        ("panic", "told to panic"),
        ("segfault", "SIGSEGV"),
        ("garbage", "no message"),
        ("exit", "before it had finished"),
    ];
    for (fault, words) in faults {
        let (sandbox, ran) = with_fault(fault);
        let json = sandbox.run(&["report", "r", "--json"]).succeeds().json();
        let cell = &json["cells"][0];
        assert_eq!((&cell["launches"], &cell["failed_launches"]), (&2.into(), &0.into()));
        let reason = cell["layers"]["reason"].as_str().unwrap();
        assert!(reason.contains(words), "{fault}: {reason}");
        assert!(ran.succeeds().out.contains("its layers are not known"), "{}", ran.out);
    }
}

#[test]
fn timing_layers_has_a_limit_that_is_named() {
    let (_, ran) = with_fault("hang");
    let limit = "took longer than 5.3 s (measure.max_seconds + measure.timeout_seconds)";
    assert!(ran.succeeds().out.contains(limit), "{}", ran.out);
}

#[test]
fn a_run_whose_layers_were_not_asked_for_is_not_resumed_with_them() {
    let sandbox = Sandbox::new();
    sandbox.null_scenario("");
    sandbox.run(&["run", "null.toml", "--out", "r"]).succeeds();
    let resumed = sandbox.run(&["run", "null.toml", "--out", "r", "--resume", "--layers"]);
    resumed.fails(2, &["cannot resume", "measure.layers (or --layers)"]);
}

/// Runs the demo model on ONNX Runtime; none where this machine has no library.
fn with_onnx_runtime() -> Option<(Sandbox, Ran)> {
    let (sandbox, library) = (Sandbox::new(), library()?);
    sandbox.scenario("s.toml", &scenario("ort", "batch = [2]", &format!("{FAST}layers = true\n")));
    let ran = sandbox.run(&["run", "s.toml", "--out", "r", "--ort-library", &library]);
    Some((sandbox, ran))
}

#[cfg(feature = "ort")]
fn library() -> Option<String> {
    use trtbench::{engine::Place, engine::ort::locate, scenario::EngineOptions};
    match locate(&Place::cpu(EngineOptions::default())) {
        Ok(library) => Some(library.path.to_str().unwrap().to_owned()),
        Err(error) => {
            common::skip(&error.to_string());
            None
        }
    }
}

#[cfg(not(feature = "ort"))]
fn library() -> Option<String> {
    println!("SKIPPED: built without engine `ort`");
    None
}

#[test]
fn every_layer_of_the_demo_model_has_a_row_in_the_order_of_execution() {
    let Some((sandbox, ran)) = with_onnx_runtime() else { return };
    assert!(ran.succeeds().out.contains("layers add up to"), "{}", ran.out);
    assert!(ran.out.contains("by operator: Conv"), "{}", ran.out);
    let rows = table(&sandbox);
    let number = |row: usize, name: &str| rows[row][name].parse::<f64>().unwrap();
    assert!(rows.len() > 20, "{}", rows.len());
    for (index, row) in rows.iter().enumerate() {
        assert_eq!(row["index"], index.to_string());
        assert!(number(index, "runs") >= 10.0 && row["reason"].is_empty());
        assert!(number(index, "min_ns") <= number(index, "median_ns"), "{row:?}");
        assert!(number(index, "median_ns") <= number(index, "max_ns"), "{row:?}");
        assert_eq!(row["place"], "CPUExecutionProvider");
    }
    let all = |name| (0..rows.len()).map(|row| number(row, name)).sum::<f64>();
    assert!((all("share") - 1.0).abs() < 1e-9);
    assert_eq!(all("median_ns"), number(0, "layers_sum_ns"));
    assert!(number(0, "layers_sum_ns") > 0.0 && number(0, "inference_median_ns") > 0.0);
    // The model begins with a convolution over the image; boxes and scores are drawn together last.
    let operators: Vec<&str> = rows.iter().map(|row| row["operator"].as_str()).collect();
    assert_eq!((operators[0], operators[operators.len() - 1]), ("Conv", "Concat"));
    let names: BTreeSet<&str> = rows.iter().map(|row| row["layer"].as_str()).collect();
    assert_eq!(names.len(), rows.len());
}

#[test]
fn layers_are_kept_with_the_first_launch_and_reports_of_them_are_made_again() {
    let Some((sandbox, ran)) = with_onnx_runtime() else { return };
    ran.succeeds();
    let files = |ending: &str| -> Vec<_> {
        let entries = fs::read_dir(sandbox.path("r/launches")).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        paths.filter(|path| path.to_str().unwrap().ends_with(ending)).collect()
    };
    let kept = files(".layers.csv");
    assert_eq!(kept, files("-0.layers.csv"));
    assert_eq!(kept.len(), 1);
    let before = fs::read(sandbox.path("r/layers.csv")).unwrap();
    let count = before.split(|&byte| byte == b'\n').count() - 1;
    fs::remove_file(sandbox.path("r/layers.csv")).unwrap();
    fs::remove_dir_all(sandbox.path("r/charts")).unwrap();
    let json = sandbox.run(&["report", "r", "--json"]).succeeds().json();
    assert_eq!(fs::read(sandbox.path("r/layers.csv")).unwrap(), before);
    fs::remove_file(kept[0].to_str().unwrap().replace("-0.layers.csv", "-1.json")).unwrap();
    let library = library().unwrap();
    let resume = ["run", "s.toml", "--out", "r", "--resume", "--ort-library", &library];
    sandbox.run(&resume).succeeds();
    assert_eq!(fs::read_to_string(sandbox.path("r/layers.csv")).unwrap().lines().count(), count);
    let layers = &json["cells"][0]["layers"];
    assert_eq!(layers["layers"][0]["operator"], "Conv", "{layers:#}");
    assert_eq!(layers["operators"][0]["operator"], "Conv");
    let charts = fs::read_dir(sandbox.path("r/charts")).unwrap();
    let names = charts.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(names.filter(|name| name.starts_with("layers-")).count(), 2);
    let whole = fs::read(&kept[0]).unwrap();
    fs::write(&kept[0], &whole[..whole.len() / 2]).unwrap();
    sandbox.run(&["report", "r"]).fails(2, &["-0.layers.csv", "damaged", "--resume"]);
}

#[test]
fn the_columns_are_those_that_the_page_explains_in_that_order() {
    let sandbox = Sandbox::new();
    sandbox.null_scenario("");
    sandbox.run(&["run", "null.toml", "--out", "r", "--layers"]).succeeds();
    let text = fs::read_to_string(sandbox.path("r/layers.csv")).unwrap();
    let header: Vec<&str> = text.lines().next().unwrap().split(',').collect();
    let page = fs::read_to_string(root().join("docs/RESULTS.md")).unwrap();
    assert_eq!(header, common::documented_columns(&page, "## layers.csv"));
}
