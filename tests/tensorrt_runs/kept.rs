//! Engines that are kept, given as files, damaged or foreign.

use super::{Machine, measured, new, old, script};
use std::{collections::BTreeSet, fs, path::PathBuf, process::Command};
use trtbench_double_script::{Card, Script};

/// Files in the cache that end so.
fn files(machine: &Machine, end: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(machine.kept()).unwrap().flatten().map(|entry| entry.path());
    let mut files: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|found| found == end)).collect();
    files.sort();
    files
}

#[test]
fn a_kept_engine_is_used_by_the_next_run() {
    let machine = Machine::new(&script().with_calls(), "");
    machine.run("first", &[]).succeeds();
    let builds = |calls: Vec<String>| {
        calls.iter().filter(|call| call.contains("::buildSerializedNetwork")).count()
    };
    assert_eq!(builds(machine.doubles.ledger().calls()), 4, "two cards, two batches");
    machine.run("out", &[]).succeeds();
    assert_eq!(builds(machine.doubles.ledger().calls()), 4);
    for launch in super::launches(&machine.sandbox) {
        assert!(measured(&launch).facts.build.as_ref().unwrap().kept);
    }
}

#[test]
fn without_a_cache_nothing_is_kept() {
    let machine = Machine::new(&script(), "engine_cache = false\ntiming_cache = false");
    machine.run("out", &[]).succeeds();
    assert!(!machine.kept().exists());
    assert!(!machine.sandbox.path("out/launches/.engines").exists());
    assert_eq!(super::launches(&machine.sandbox).len(), 8);
}

#[test]
fn a_kept_engine_that_is_damaged_is_built_anew_and_that_is_said() {
    let machine = Machine::new(&script(), "");
    machine.run("first", &[]).succeeds();
    for path in files(&machine, "engine") {
        let mut bytes = fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(&path, bytes).unwrap();
    }
    let ran = machine.run("out", &[]);
    ran.succeeds();
    assert!(ran.out.contains("not what was written"), "{}", ran.out);
    for launch in super::launches(&machine.sandbox) {
        let built = measured(&launch).facts.build.clone().unwrap();
        assert!(!built.kept && built.remarks.len() == 1);
    }
}

#[test]
fn an_engine_with_the_label_of_another_is_built_anew() {
    let machine = Machine::new(&script(), "");
    machine.run("first", &[]).succeeds();
    let labels = files(&machine, "json");
    fs::copy(&labels[0], &labels[1]).unwrap();
    let ran = machine.run("out", &[]);
    ran.succeeds();
    assert!(ran.out.contains("it was built otherwise"), "{}", ran.out);
}

#[test]
fn an_engine_that_was_built_anew_between_launches_is_noted() {
    let machine = Machine::new(&Script { engines_differ: true, ..script() }, "");
    machine.run("out", &["--set", "measure.launches=2"]).succeeds();
    // As after an interruption: the second launches are to be measured again, and the cache is gone.
    let launches = fs::read_dir(machine.sandbox.path("out/launches")).unwrap().flatten();
    for entry in launches.filter(|entry| entry.file_name().to_string_lossy().contains("-1.")) {
        fs::remove_file(entry.path()).unwrap();
    }
    fs::remove_dir_all(machine.kept()).unwrap();
    let ran = machine.run("out", &["--set", "measure.launches=2", "--resume"]);
    ran.succeeds();
    assert!(ran.out.contains("launches ran 2 engines, built anew in between"), "{}", ran.out);
}

#[test]
fn an_engine_file_runs_where_it_was_built_and_is_refused_elsewhere() {
    let machine = Machine::with_axes(&script(), ["8.6.1", "8.6.1"], "batch = [1]", "");
    machine.run("first", &[]).succeeds();
    let [one, other] = files(&machine, "engine").try_into().unwrap();
    let card_of = |path: &PathBuf| {
        let bytes = String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned();
        if bytes.contains("[6,1]") || bytes.contains("6.1") { old() } else { new() }
    };
    let engine = if card_of(&one).uuid == old().uuid { one } else { other };
    let text = fs::read_to_string(machine.sandbox.path("cards.toml")).unwrap();
    let given = text.replace("shapes.onnx", &engine.display().to_string());
    fs::write(machine.sandbox.path("cards.toml"), given).unwrap();
    machine.run("out", &[]).fails(1, &["incompatible device", "build it anew"]);
    for launch in machine.launches_on(&old()) {
        let built = measured(&launch).facts.build.clone().unwrap();
        assert!(built.took.is_none() && built.file.0 == engine);
    }
    for reason in machine.failures_on(&new()) {
        assert!(reason.contains("incompatible device"), "{reason}");
    }
}

#[test]
fn an_engine_file_runs_on_another_model_of_the_same_compute_capability() {
    let mut alike = script();
    alike.cards.iter_mut().for_each(|card| card.compute_capability = (8, 6));
    let machine = Machine::with_axes(&alike, ["8.6.1", "8.6.1"], "batch = [1]", "");
    machine.run("first", &["--set", "matrix.device=\"gpu:3070\""]).succeeds();
    let [engine] = files(&machine, "engine").try_into().unwrap();
    let text = fs::read_to_string(machine.sandbox.path("cards.toml")).unwrap();
    let given = text.replace("shapes.onnx", &engine.display().to_string());
    fs::write(machine.sandbox.path("cards.toml"), given).unwrap();
    machine.run("out", &[]).succeeds();
    for card in [old(), new()] {
        let launches = machine.launches_on(&card);
        assert_eq!(launches.iter().map(measured).count(), 2, "{}", card.name);
    }
}

#[test]
fn an_engine_file_of_another_release_or_for_another_batch_is_refused_before_it_is_loaded() {
    let machine = Machine::with_axes(&script(), ["8.6.1", "10.13.0"], "batch = [1]", "");
    machine.run("first", &["--set", "matrix.device=\"gpu:1050\""]).succeeds();
    let [engine] = files(&machine, "engine").try_into().unwrap();
    let text = fs::read_to_string(machine.sandbox.path("cards.toml")).unwrap();
    let given = text.replace("shapes.onnx", &engine.display().to_string());
    fs::write(machine.sandbox.path("cards.toml"), &given).unwrap();
    let ran = machine.run("out", &[]);
    ran.succeeds();
    let skipped = "was built by TensorRT 8.6.1, here is TensorRT 10.13.0";
    assert!(ran.out.contains(skipped) && ran.out.contains("tensorrt_library"), "{}", ran.out);
    assert!(ran.out.contains("an engine file: its precision"), "{}", ran.out);
    assert_eq!(machine.launches_on(&old()).iter().map(measured).count(), 2);
    assert!(machine.launches_on(&new()).is_empty());
    let larger = ["--set", "matrix.batch=4", "--set", "matrix.device=\"gpu:1050\""];
    machine.run("larger", &larger).fails(1, &["built for batches of 1, 4 were asked for"]);
}

#[test]
fn other_engines_do_not_take_an_engine_file() {
    let machine = Machine::with_axes(&script(), ["8.6.1", "8.6.1"], "batch = [1]", "");
    machine.run("first", &[]).succeeds();
    let engine = &files(&machine, "engine")[0];
    let text = super::scenario("rten", "", super::FAST);
    let text = text.replace("shapes.onnx", &engine.display().to_string());
    machine.sandbox.scenario("rten.toml", &text);
    let ran = machine.ran(&["run", "rten.toml", "--out", "rten"]);
    let said = format!("{}{}", ran.out, ran.err);
    assert!(said.contains("which `rten` does not load; use engine = [\"tensorrt\"]"), "{said}");
}

#[test]
fn cards_of_one_product_share_an_engine() {
    let twin = new();
    let mut other = Card { uuid: old().uuid, pci: old().pci, ..twin.clone() };
    (other.cuda_rank, other.nvml_rank) = (old().cuda_rank, old().nvml_rank);
    let machine = Machine::new(&Script::with_cards([other, twin]).with_calls(), "");
    let library = super::library(&machine.doubles, "10.13.0");
    let axes = "device = [\"gpu:all\"]\nbatch = [2]";
    let text = super::scenario("tensorrt", axes, super::FAST);
    let text = format!("{text}\n[engine.tensorrt]\nlibrary = {library:?}\n");
    machine.sandbox.scenario("cards.toml", &text);
    machine.run("out", &[]).succeeds();
    let launches = super::launches(&machine.sandbox);
    assert_eq!(launches.len(), 4, "two cards, two launches");
    assert_eq!(files(&machine, "engine").len(), 1);
    let names: BTreeSet<&str> =
        launches.iter().map(|launch| launch.record.device.name.as_str()).collect();
    assert_eq!(names.len(), 2, "told apart: {names:?}");
}

#[test]
fn where_engines_cannot_be_kept_the_run_goes_on_with_its_own() {
    let machine = Machine::new(&script(), "");
    fs::create_dir_all(machine.sandbox.path("cache")).unwrap();
    fs::write(machine.kept(), "a file where the folder should be").unwrap();
    let ran = machine.run("out", &[]);
    ran.succeeds();
    assert!(ran.out.contains("could not be kept for later runs"), "{}", ran.out);
    assert!(ran.out.contains("TRTBENCH_CACHE"), "{}", ran.out);
    assert_eq!(super::launches(&machine.sandbox).iter().map(measured).count(), 8);
    assert!(!machine.sandbox.path("out/launches/.engines").exists());
}

#[test]
fn a_full_disk_takes_no_engine_from_the_run() {
    let machine = Machine::new(&script(), "timing_cache = false");
    let cache = machine.sandbox.path("cache");
    fs::create_dir_all(&cache).unwrap();
    let script = format!(
        "mount -t tmpfs -o size=64k none {0} || exit 99\n\
         mkdir {0}/tensorrt\n\
         cat /dev/zero > {0}/filler 2> /dev/null\n\
         exec {1} run cards.toml --out out --set measure.max_samples=5 --set measure.max_seconds=4",
        cache.display(),
        env!("CARGO_BIN_EXE_trtbench"),
    );
    let mut command = Command::new("unshare");
    command.args(["-r", "-m", "sh", "-c", &script]).env("TRTBENCH_CACHE", &cache);
    machine.doubles.prepare(&mut command).current_dir(machine.sandbox.path(""));
    let ran = super::Ran::from(command.output().unwrap());
    if ran.code == Some(99) || ran.err.contains("unshare failed") {
        return super::common::skip("full disk: no test may mount a file system of its own here");
    }
    ran.succeeds();
    assert!(ran.out.contains("could not be kept for later runs"), "{}", ran.out);
    assert_eq!(super::launches(&machine.sandbox).iter().map(measured).count(), 8);
}
