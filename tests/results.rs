//! What a run leaves: columns as documented, files as described, several runs, reports made again.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may panic and print")]

mod common;
use common::{Sandbox, root};
use std::{collections::BTreeSet, fs};
use trtbench::cpu::Instructions;

#[test]
fn the_columns_are_those_that_the_page_explains_in_that_order() {
    let sandbox = Sandbox::new();
    sandbox.null_scenario("");
    sandbox.run(&["run", "null.toml", "--out", "r"]).succeeds();
    let text = fs::read_to_string(sandbox.path("r/results.csv")).unwrap();
    let header: Vec<&str> = text.lines().next().unwrap().split(',').collect();
    let page = fs::read_to_string(root().join("docs/RESULTS.md")).unwrap();
    assert_eq!(header, common::documented_columns(&page, "## results.csv"));
    let fixed = "run,cell,model,family,engine,device,device_uuid,precision,executed_precision,batch,\
                 mode,threads,stage,outcome,reason,launches,samples,median_ns,ci_low_ns,ci_high_ns,\
                 mean_ns,mad_ns,min_ns,p90_ns,p95_ns,p99_ns,max_ns,launch_spread,cpu_median_ns,\
                 preempted,throttled";
    assert!(text.starts_with(fixed), "{}", text.lines().next().unwrap());
}

#[test]
fn every_stage_of_every_cell_has_a_row_with_ordered_numbers() {
    let sandbox = Sandbox::new();
    sandbox.null_scenario("");
    sandbox.run(&["run", "null.toml", "--out", "r"]).succeeds();
    let mut reader = csv::Reader::from_path(sandbox.path("r/results.csv")).unwrap();
    let header = reader.headers().unwrap().clone();
    let mut seen = BTreeSet::new();
    for row in reader.records().map(Result::unwrap) {
        let get = |name: &str| &row[header.iter().position(|h| h == name).unwrap()];
        let number = |name: &str| get(name).parse::<u64>().unwrap();
        assert_eq!(get("outcome"), "measured");
        assert!(number("ci_low_ns") <= number("median_ns"));
        assert!(number("median_ns") <= number("ci_high_ns"));
        assert!(number("min_ns") <= number("median_ns") && number("mean_ns") <= number("max_ns"));
        seen.insert((get("batch").to_owned(), get("stage").to_owned()));
    }
    let stages = ["decode", "preprocess", "inference", "postprocess", "end_to_end", "remainder"];
    let expected = ["1", "2"]
        .into_iter()
        .flat_map(|batch| stages.map(|stage| (batch.to_owned(), stage.to_owned())))
        .collect();
    assert_eq!(seen, expected);
}

#[test]
fn a_report_is_made_again_from_the_results_alone() {
    let sandbox = Sandbox::new();
    sandbox.null_scenario("");
    sandbox.run(&["run", "null.toml", "--out", "r"]).succeeds();
    let csv = fs::read(sandbox.path("r/results.csv")).unwrap();
    fs::remove_file(sandbox.path("r/results.csv")).unwrap();
    fs::remove_dir_all(sandbox.path("r/charts")).unwrap();
    fs::remove_dir_all(sandbox.path("images")).unwrap();
    fs::remove_file(sandbox.path("shapes.onnx")).unwrap();
    sandbox.run(&["report", "r"]).succeeds();
    assert_eq!(fs::read(sandbox.path("r/results.csv")).unwrap(), csv);
    let charts: Vec<_> = fs::read_dir(sandbox.path("r/charts")).unwrap().collect();
    assert!(charts.len() >= 4, "{charts:?}");
    let json = sandbox.run(&["report", "r", "--json"]).succeeds().json();
    assert_eq!(json["schema"], 1);
    assert!(json["cells"][0]["stages"]["inference"]["median_ns"].is_u64(), "{json:#}");
}

#[test]
fn a_damaged_or_later_result_is_named_not_misread() {
    let sandbox = Sandbox::new();
    sandbox.null_scenario("");
    sandbox.run(&["run", "null.toml", "--out", "r"]).succeeds();
    let samples = fs::read_dir(sandbox.path("r/launches"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|e| e == "samples"))
        .unwrap();
    let whole = fs::read(&samples).unwrap();
    fs::write(&samples, &whole[..whole.len() / 2]).unwrap();
    sandbox.run(&["report", "r"]).fails(2, &[".samples", "damaged"]);
    fs::write(&samples, &whole).unwrap();
    let run = fs::read_to_string(sandbox.path("r/run.json")).unwrap();
    fs::write(sandbox.path("r/run.json"), run.replacen("\"schema\": 1", "\"schema\": 9", 1))
        .unwrap();
    sandbox.run(&["report", "r"]).fails(2, &["run.json", "schema 9", "reads 1"]);
    sandbox.run(&["report", "nowhere"]).fails(2, &["nowhere", "no run"]);
}

#[test]
fn a_run_compared_with_itself_has_no_verdict_but_same() {
    let sandbox = Sandbox::new();
    sandbox.null_scenario("");
    sandbox.run(&["run", "null.toml", "--out", "r"]).succeeds();
    let json = sandbox.run(&["compare", "r", "r", "--json"]).succeeds().json();
    assert_eq!(json["differences"].as_array().unwrap().len(), 0, "{json:#}");
    for row in json["rows"].as_array().unwrap() {
        assert_eq!(row["ratio"]["ratio"], 1.0, "{row:#}");
        let verdict = row["verdict"].as_str().unwrap();
        assert!(matches!(verdict, "same" | "ambiguous"), "{row:#}");
    }
}

#[test]
fn a_large_slowdown_is_found_and_a_cell_of_one_side_is_missing() {
    let sandbox = Sandbox::new();
    // So large, and of so many launches, that whatever else the machine does cannot hide it.
    let measure = |spin_us: u32, out: &str, batch: &str| {
        sandbox.null_scenario(&format!("[engine.null]\nspin_us = {spin_us}\n"));
        let batch = format!("matrix.batch={batch}");
        let keys = ["--set", &batch, "--set", "measure.launches=5"];
        let run = ["run", "null.toml", "--out", out];
        sandbox.run(&[run.as_slice(), keys.as_slice()].concat()).succeeds();
    };
    measure(50_000, "a", "[1,2]");
    measure(500_000, "b", "1");
    let json = sandbox.run(&["compare", "a", "b", "--json"]).succeeds().json();
    let rows = json["rows"].as_array().unwrap();
    let verdict = |cell: &str, stage: &str| {
        let row = rows
            .iter()
            .find(|row| row["cell"].as_str().unwrap().contains(cell) && row["stage"] == stage);
        row.unwrap()["verdict"].clone()
    };
    assert_eq!(verdict("/b1/", "inference"), "slower", "{json:#}");
    assert_eq!(verdict("/b2/", "inference"), "missing");
    assert!(json.to_string().contains("engine.null.spin_us: 50000 → 500000"), "{json:#}");
    measure(1, "c", "3");
    let json = sandbox.run(&["compare", "b", "c", "--json"]).succeeds().json();
    assert!(json.to_string().contains("no cell is in both runs"), "{json:#}");
}

#[test]
fn an_engine_is_compared_on_the_device_that_ran_it_and_changed_device_keys_are_named() {
    let sandbox = Sandbox::new();
    sandbox.null_scenario("");
    sandbox.run(&["run", "null.toml", "--out", "a"]).succeeds();
    let path = sandbox.path("a/run.json");
    let run: serde_json::Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    let device = run["cells"][0]["device"]["name"].as_str().unwrap();
    let version = run["runtimes"]["null"]["version"].as_str().unwrap();
    let copy = |name: &str, here: &str, keys: serde_json::Value| {
        sandbox.run(&["run", "null.toml", "--out", name]).succeeds();
        let mut run = run.clone();
        run["run"] = name.into();
        let runtime = |version: &str| serde_json::json!({ "version": version, "library": null });
        run["runtimes"] = serde_json::json!({
            "null on another card": runtime("1.2.3"), format!("null on {device}"): runtime(here),
        });
        run["device"] = keys;
        fs::write(sandbox.path(&format!("{name}/run.json")), run.to_string()).unwrap();
        let json = sandbox.run(&["compare", "a", name, "--json"]).succeeds().json();
        let mut differences = json["differences"].as_array().unwrap().clone();
        differences.retain(|line| !line.to_string().contains("detections per image"));
        serde_json::Value::from(differences)
    };
    let none = serde_json::json!({});
    assert_eq!(copy("same", version, none.clone()), serde_json::json!([]));
    let newer = format!("engine null: {version} → 9.9");
    assert_eq!(copy("newer", "9.9", none), serde_json::json!([newer]));
    let keys = serde_json::json!({ "gpu:9": { "lock_clock_mhz": 1000 } });
    let named = "device.\"gpu:9\".lock_clock_mhz: not set → 1000";
    assert_eq!(copy("keys", version, keys), serde_json::json!([named]));
}

/// Held by the sample: a change of the format that forgets to raise the schema shows here.
#[test]
fn the_sample_run_of_the_repository_is_read_and_gives_its_own_csv() {
    let folder = root().join("results/sample");
    let run = trtbench::store::Run::read(&folder).unwrap();
    let cells = trtbench::analysis::cells(&run);
    assert!(cells.iter().all(|cell| cell.measured == 5));
    let csv = trtbench::report::csv::csv(&run.info, &cells).unwrap();
    assert_eq!(csv, fs::read(folder.join("results.csv")).unwrap());
}

#[test]
fn a_changed_threshold_is_named_by_compare_and_keeps_a_run_from_being_resumed() {
    let sandbox = Sandbox::new();
    sandbox.null_scenario("");
    sandbox.run(&["run", "null.toml", "--out", "a"]).succeeds();
    sandbox.null_scenario("[postprocess]\nconfidence = 0.3\n");
    sandbox.run(&["run", "null.toml", "--out", "b"]).succeeds();
    let json = sandbox.run(&["compare", "a", "b", "--json"]).succeeds().json();
    let named = "model shapes: postprocess.confidence default → 0.3";
    assert!(json["differences"].to_string().contains(named), "{json:#}");
    let resumed = sandbox.run(&["run", "null.toml", "--out", "a", "--resume"]);
    resumed.fails(2, &["cannot resume", named]);
    fs::write(sandbox.path("other.toml"), {
        let text = fs::read_to_string(sandbox.path("null.toml")).unwrap();
        text.replace("name = \"test\"", "name = \"other\"")
    })
    .unwrap();
    let resumed = sandbox.run(&["run", "other.toml", "--out", "a", "--resume"]);
    resumed.fails(2, &["it is a run of `test`, not of `other`"]);
}

#[test]
fn decoder_and_instructions_are_kept_and_a_change_is_named_and_keeps_a_run_from_being_resumed() {
    let sandbox = Sandbox::new();
    sandbox.null_scenario("");
    sandbox.run(&["run", "null.toml", "--out", "a"]).succeeds();
    let kept = |run: &str| {
        let text = fs::read_to_string(sandbox.path(&format!("{run}/run.json"))).unwrap();
        serde_json::from_str::<serde_json::Value>(&text).unwrap()["host_stages"].clone()
    };
    let best = Instructions::best().set().name();
    assert_eq!(kept("a"), serde_json::json!({ "decoder": "zune", "instructions": best }));
    let mut others = vec![("instructions", best, "portable")];
    if cfg!(feature = "turbojpeg") {
        others.push(("decoder", "zune", "turbojpeg"));
    }
    for (key, before, after) in others {
        sandbox.null_scenario(&format!("[host]\n{key} = \"{after}\"\n"));
        sandbox.run(&["run", "null.toml", "--out", key]).succeeds();
        assert_eq!(kept(key)[key], after);
        let csv = fs::read_to_string(sandbox.path(&format!("{key}/results.csv"))).unwrap();
        let column = csv.lines().next().unwrap().split(',').position(|name| name == key).unwrap();
        assert_eq!(csv.lines().last().unwrap().split(',').nth(column), Some(after));
        if before == after {
            continue;
        }
        let json = sandbox.run(&["compare", "a", key, "--json"]).succeeds().json();
        assert_eq!(json["differences"], serde_json::json!([format!("{key}: {before} → {after}")]));
        let resumed = sandbox.run(&["run", "null.toml", "--out", "a", "--resume"]);
        resumed.fails(2, &["cannot resume", "the decoder or the instructions"]);
    }
}
