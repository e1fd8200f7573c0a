//! Launches that go wrong cost themselves and nothing else; interrupted runs are taken up again.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may panic and print")]

mod common;
use common::{Ran, Sandbox, program, wait_until};
use serde_json::Value;
use std::{
    fs,
    time::{Duration, Instant},
};

/// Runs the empty engine with a fault in its second launch and returns the failure's record.
#[track_caller]
fn failure(fault: &str, extra: &str) -> Value {
    let sandbox = Sandbox::new();
    sandbox.null_scenario(&format!(
        "[engine.null]\nfault = \"{fault}\"\nfault_launches = [1]\nfault_iteration = 2\n"
    ));
    let mut arguments = vec!["run", "null.toml", "--out", "r", "--set", "matrix.batch=[1,2]"];
    arguments.extend(extra.split_whitespace());
    let ran = sandbox.run(&arguments);
    ran.fails(1, &[]);
    let records = records(&sandbox);
    assert_eq!(records.len(), 4, "two cells of two launches each: {ran:#?}");
    let failed: Vec<&Value> =
        records.iter().filter(|record| record["outcome"]["failed"].is_object()).collect();
    assert_eq!(failed.len(), 2, "one launch of each cell: {records:#?}");
    assert!(ran.out.contains("1 of 2 launches"), "{}", ran.out);
    failed[0]["outcome"]["failed"].clone()
}

fn records(sandbox: &Sandbox) -> Vec<Value> {
    fs::read_dir(sandbox.path("r/launches"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .map(|path| serde_json::from_slice(&fs::read(path).unwrap()).unwrap())
        .collect()
}

#[track_caller]
fn says(failure: &Value, parts: &[&str]) {
    for part in parts {
        assert!(failure["reason"].as_str().unwrap().contains(part), "no `{part}`: {failure:#}");
    }
}

#[test]
fn an_error_of_the_engine_is_recorded() {
    says(&failure("error", ""), &["inference failed"]);
}

#[test]
fn a_panic_is_recorded_with_its_words() {
    let failure = failure("panic", "");
    says(&failure, &["exited with code 101"]);
    assert!(failure["stderr_tail"].as_str().unwrap().contains("panicked"), "{failure:#}");
    assert_eq!(failure["last_stage"], "inference");
}

#[cfg(unix)]
#[test]
fn signals_are_recorded_with_the_stage_they_hit() {
    for (fault, name, number) in [("segfault", "SIGSEGV", 11), ("kill", "SIGKILL", 9)] {
        let failure = failure(fault, "");
        says(&failure, &[name]);
        assert_eq!(failure["ending"]["killed"], number);
        assert_eq!(failure["last_stage"], "inference", "{failure:#}");
    }
}

#[test]
fn a_worker_that_hangs_is_stopped_at_the_time_out() {
    let began = Instant::now();
    let failure = failure("hang", "--set measure.timeout_seconds=1");
    says(&failure, &["took longer than 1.3 s", "timeout_seconds"]);
    assert_eq!(failure["last_stage"], "inference");
    assert!(began.elapsed() < Duration::from_secs(60));
}

#[cfg(unix)]
#[test]
fn a_worker_that_exhausts_its_memory_is_recorded() {
    let failure = failure("exhaust-memory", "--set measure.max_memory_mib=2048");
    says(&failure, &["SIGABRT"]);
    assert!(failure["stderr_tail"].as_str().unwrap().contains("memory"), "{failure:#}");
}

#[test]
fn garbage_on_standard_output_is_recorded() {
    says(&failure("garbage", ""), &["no message"]);
}

#[test]
fn a_worker_that_leaves_without_a_word_is_recorded() {
    says(&failure("exit", ""), &["exited with code 0 before it had finished"]);
}

#[test]
fn a_cell_whose_every_launch_fails_is_a_row_with_a_reason() {
    let sandbox = Sandbox::new();
    sandbox.null_scenario("[engine.null]\nfault = \"panic\"\n");
    let ran = sandbox.run(&["run", "null.toml", "--out", "r", "--json"]);
    ran.fails(1, &[]);
    let cell = &ran.json()["cells"][0];
    assert_eq!(cell["outcome"], "failed");
    assert!(cell["reason"].as_str().unwrap().contains("101"), "{cell:#}");
    let csv = fs::read_to_string(sandbox.path("r/results.csv")).unwrap();
    assert_eq!(csv.lines().count(), 3, "a header and one row a cell:\n{csv}");
}

#[test]
fn launches_are_interleaved_across_cells() {
    let sandbox = Sandbox::new();
    sandbox.null_scenario("");
    let ran = sandbox.run(&["run", "null.toml", "--out", "r"]);
    let order: Vec<&str> =
        ran.err.lines().filter_map(|line| line.split("/fp32/").nth(1)?.split(':').next()).collect();
    let expected = [
        "b1/serial/t1 launch 1/2",
        "b2/serial/t1 launch 1/2",
        "b1/serial/t1 launch 2/2",
        "b2/serial/t1 launch 2/2",
    ];
    assert_eq!(order, expected);
}

#[test]
fn a_second_run_into_a_folder_is_refused_and_so_is_one_beside_a_run() {
    let sandbox = Sandbox::new();
    sandbox.null_scenario("[engine.null]\nspin_us = 10000\n");
    sandbox.run(&["run", "null.toml", "--out", "r"]).succeeds();
    sandbox.run(&["run", "null.toml", "--out", "r"]).fails(2, &["not empty", "--resume", "--out"]);
    let held = trtbench::os::lock(&sandbox.path("r/run.lock")).unwrap();
    let ran = sandbox.run(&["run", "null.toml", "--out", "r", "--resume"]);
    ran.fails(2, &["in use by another trtbench"]);
    drop(held);
}

#[test]
fn resume_measures_what_is_missing_and_nothing_else() {
    let sandbox = Sandbox::new();
    sandbox.null_scenario("");
    sandbox.run(&["run", "null.toml", "--out", "r"]).succeeds();
    let mut files: Vec<_> =
        fs::read_dir(sandbox.path("r/launches")).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    let lost = files.iter().find(|path| path.extension().is_some_and(|e| e == "json")).unwrap();
    fs::remove_file(lost).unwrap();
    fs::write(sandbox.path("r/launches/.writing-1-x"), "half").unwrap();
    let kept = |path: &std::path::PathBuf| fs::metadata(path).unwrap().modified().unwrap();
    let others: Vec<_> = files
        .iter()
        .filter(|path| path.with_extension("") != lost.with_extension(""))
        .map(|path| (path, kept(path)))
        .collect();
    let ran = sandbox.run(&["run", "null.toml", "--out", "r", "--resume"]);
    assert!(ran.succeeds().err.contains("3 of them done"), "{}", ran.err);
    assert!(lost.exists());
    assert!(others.into_iter().all(|(path, time)| kept(path) == time));
    assert!(!sandbox.path("r/launches/.writing-1-x").exists());
}

#[test]
fn a_damaged_launch_is_named_and_not_measured_again_in_silence() {
    let sandbox = Sandbox::new();
    sandbox.null_scenario("");
    sandbox.run(&["run", "null.toml", "--out", "r"]).succeeds();
    let samples = fs::read_dir(sandbox.path("r/launches"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|extension| extension == "samples"))
        .unwrap();
    let whole = fs::read(&samples).unwrap();
    fs::write(&samples, &whole[1..]).unwrap();
    let resume = || sandbox.run(&["run", "null.toml", "--out", "r", "--resume"]);
    resume().fails(2, &[".samples", "damaged", "--resume"]);
    fs::write(&samples, whole).unwrap();
    let mut records: Vec<_> = fs::read_dir(sandbox.path("r/launches"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    records.sort();
    fs::copy(&records[0], &records[1]).unwrap();
    resume().fails(2, &["the record of another launch"]);
}

#[test]
fn an_image_that_changes_during_a_run_fails_the_launches_after_it() {
    let sandbox = Sandbox::new();
    sandbox.null_scenario("[engine.null]\nspin_us = 1000\n");
    let child = program(&sandbox.path("."))
        .args(["run", "null.toml", "--out", "r", "--set", "matrix.batch=1"])
        .args(["--set", "measure.max_seconds=2", "--set", "measure.min_seconds=2"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    wait_until("the first launch has read its images", || sandbox.measures("r"));
    fs::copy(sandbox.path("images/shape_001.jpg"), sandbox.path("images/shape_000.jpg")).unwrap();
    let ran = Ran::from(child.wait_with_output().unwrap());
    ran.fails(1, &["shape_000.jpg has changed since the run began"]);
}

#[test]
fn several_scenarios_are_taken_up_again_where_they_were_left() {
    let sandbox = Sandbox::new();
    sandbox.null_scenario("");
    let other = fs::read_to_string(sandbox.path("null.toml")).unwrap();
    sandbox.scenario("b.toml", &other.replace("\"test\"", "\"b\""));
    sandbox.run(&["run", "null.toml", "--out", "r/test"]).succeeds();
    sandbox.run(&["run", "null.toml", "b.toml", "--out", "r", "--resume"]).succeeds();
    assert!(sandbox.path("r/b/results.csv").exists());
    sandbox.scenario("b.toml", &other.replace("\"test\"", "\"te:st\""));
    sandbox.scenario("c.toml", &other.replace("\"test\"", "\"te st\""));
    sandbox.run(&["list", "b.toml", "c.toml"]).fails(2, &["two scenarios have the name"]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_standard_error_that_takes_nothing_stops_no_run() {
    let sandbox = Sandbox::new();
    sandbox.null_scenario("");
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let mut command = program(&sandbox.path("."));
    let status = command.args(["run", "null.toml", "--out", "r"]).stderr(full).output().unwrap();
    assert_eq!(status.status.code(), Some(0));
}

#[test]
fn resume_refuses_to_pool_launches_of_different_things() {
    let sandbox = Sandbox::new();
    sandbox.null_scenario("");
    sandbox.run(&["run", "null.toml", "--out", "r"]).succeeds();
    let resume =
        |set: &str| sandbox.run(&["run", "null.toml", "--out", "r", "--resume", "--set", set]);
    resume("measure.target=0.5").fails(2, &["cannot resume", "[measure]"]);
    resume("matrix.batch=1").fails(2, &["cannot resume", "the matrix"]);
    fs::copy(sandbox.path("images/shape_001.jpg"), sandbox.path("images/shape_000.jpg")).unwrap();
    resume("measure.launches=2").fails(2, &["cannot resume", "the images"]);
    sandbox.run(&["run", "null.toml", "--resume"]).fails(2, &["no run of `test`"]);
}

#[cfg(unix)]
#[test]
fn an_interrupt_keeps_the_launch_in_hand_and_two_stop_at_once() {
    use rustix::process::{Pid, Signal, kill_process};
    for (interrupts, more) in [(1, 1), (2, 0)] {
        let sandbox = Sandbox::new();
        sandbox.null_scenario("[engine.null]\nspin_us = 1000\n");
        let slow = ["--set", "measure.min_seconds=2", "--set", "measure.max_seconds=2"];
        let arguments = [&["run", "null.toml", "--out", "r"][..], &slow].concat();
        let child = program(&sandbox.path("."))
            .args(arguments)
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        wait_until("a worker measures", || sandbox.measures("r"));
        let pid = Pid::from_child(&child);
        for _ in 0..interrupts {
            kill_process(pid, Signal::INT).unwrap();
            std::thread::sleep(Duration::from_millis(300));
        }
        let ran = Ran::from(child.wait_with_output().unwrap());
        ran.fails(130, &["interrupted", "finish it with: trtbench run null.toml"]);
        let whole = records(&sandbox).len();
        assert_eq!(whole, more, "{ran:#?}");
        let said = ran.err.matches("finishing this launch; Ctrl-C again stops it now").count();
        assert!(said == more || interrupts == 2, "{ran:#?}");
        // The command that was printed, word for word.
        let command = ran.err.split("finish it with: trtbench ").nth(1).unwrap().trim();
        let resumed = sandbox.run(&command.split_whitespace().collect::<Vec<_>>());
        resumed.succeeds();
        assert_eq!(records(&sandbox).len(), 4);
    }
}
