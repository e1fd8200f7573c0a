//! Cells on two cards of which one goes wrong: its launches fail in words that name function, code
//! and cure, the other card's are measured as if nothing had happened, and what can be given back is.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may panic and print")]

mod common;
mod doubles;
mod simulated;

use common::{Ran, Sandbox, program};
use doubles::Doubles;
use simulated::{
    assert_all_freed, assert_times, launches, new, old, on_cards, run, script, two_cards,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    time::{Duration, Instant},
};
use trtbench::{
    device::telemetry::EnergyBy,
    os::SearchPath,
    runner::Failure,
    store::{Launch, MeasuredRecord, RecordOutcome},
    timing::Stage,
};
use trtbench_double_script::{Card, Entry, Fault, Library, Readings, Script, Series};

/// What a card answers through NVML that has fallen off the bus.
const GPU_IS_LOST: i32 = 15;

/// A run of the empty engine on both cards.
struct Played {
    sandbox: Sandbox,
    doubles: Doubles,
    ran: Ran,
}

/// Both cards, the older one with these readings.
fn with_readings(readings: Readings) -> Script {
    let [old, new] = two_cards();
    Script::with_cards([Card { readings, ..old }, new])
}

fn play(script: &Script, keys: &str, extra: &[&str]) -> Played {
    let doubles = Doubles::new(script);
    play_with(doubles, keys, extra)
}

fn play_with(doubles: Doubles, keys: &str, extra: &[&str]) -> Played {
    let sandbox = Sandbox::new();
    on_cards(&sandbox, keys);
    let mut arguments = vec!["run", "cards.toml", "--out", "out"];
    arguments.extend(extra);
    let ran = run(&sandbox, &doubles, &arguments);
    Played { sandbox, doubles, ran }
}

impl Played {
    /// All launches on this card.
    fn launches_on(&self, card: &Card) -> Vec<Launch> {
        let mut launches = launches(&self.sandbox);
        launches.retain(|launch| launch.record.device.uuid == card.uuid);
        launches
    }

    /// Why the launches on this card failed; all must have.
    #[track_caller]
    fn failures_on(&self, card: &Card) -> Vec<Failure> {
        let launches = self.launches_on(card);
        assert_eq!(launches.len(), 4, "two batches, two launches: {:#?}", self.ran);
        let failure = |launch: Launch| match launch.record.outcome {
            RecordOutcome::Failed(failure) => failure,
            RecordOutcome::Measured(_) => panic!("measured on a card that is broken"),
        };
        launches.into_iter().map(failure).collect()
    }

    /// Asserts that all launches on this card are there, with the times that it says.
    #[track_caller]
    fn assert_measured_on(&self, card: &Card) {
        let launches = self.launches_on(card);
        assert_eq!(launches.len(), 4, "two batches, two launches: {:#?}", self.ran);
        for launch in &launches {
            measured(launch);
        }
        assert_times(&launches, true);
    }

    /// Asserts that the older card's launches failed, each with one of `words`, that the terminal
    /// and the table have them too, that the newer card was measured, and that this is a finding.
    #[track_caller]
    fn assert_one_card_failed(&self, words: &[&str]) {
        self.ran.fails(1, words);
        for failure in self.failures_on(&old()) {
            for word in words {
                assert!(failure.reason.contains(word), "no `{word}` in {failure:#?}");
            }
            assert!(!failure.stderr_tail.contains("panicked"), "{failure:#?}");
        }
        self.assert_measured_on(&new());
        self.assert_no_panic();
        for row in self.rows("end_to_end") {
            let failed = row["device_uuid"] == old().uuid;
            assert_eq!(row["outcome"], if failed { "failed" } else { "measured" });
            let told = words.iter().all(|word| row["reason"].contains(word));
            assert_eq!(told, failed, "{row:#?}");
        }
    }

    #[track_caller]
    fn assert_no_panic(&self) {
        assert!(!self.ran.err.contains("panicked"), "{}", self.ran.err);
    }

    /// Asserts that nothing is held but by processes in which a fault struck: on a lost card even
    /// giving back fails, and a killed process gives nothing back; the driver does it for them.
    #[track_caller]
    fn assert_others_freed(&self) {
        let ledger = self.doubles.ledger();
        let struck =
            |line: &&trtbench_double_script::Line| matches!(line.entry, Entry::Fault { .. });
        let struck: BTreeSet<u32> = ledger.lines.iter().filter(struck).map(|l| l.pid).collect();
        let all: BTreeSet<u32> = ledger.lines.iter().map(|line| line.pid).collect();
        assert!(!struck.is_empty() && struck.len() < all.len(), "{struck:?} of {all:?}");
        for pid in all.difference(&struck) {
            assert!(ledger.live_in(*pid).is_empty(), "{pid}: {:?}", ledger.live_in(*pid));
        }
        assert!(ledger.swept().is_empty(), "{:?}", ledger.swept());
    }

    /// The rows of `results.csv` for this stage.
    fn rows(&self, stage: &str) -> Vec<BTreeMap<String, String>> {
        let mut reader = csv::Reader::from_path(self.sandbox.path("out/results.csv")).unwrap();
        let rows = reader.deserialize().map(|row| row.unwrap());
        rows.filter(|row: &BTreeMap<String, String>| row["stage"] == stage).collect()
    }

    /// The readings of every launch, by the names of their columns.
    fn telemetry(&self) -> Vec<Vec<BTreeMap<String, String>>> {
        let launches = fs::read_dir(self.sandbox.path("out/launches")).unwrap();
        let files = launches.map(|entry| entry.unwrap().path());
        let tables = files.filter(|file| file.to_string_lossy().ends_with("telemetry.csv"));
        let read = |file| {
            let mut reader = csv::Reader::from_path(file).unwrap();
            reader.deserialize().map(|row| row.unwrap()).collect()
        };
        tables.map(read).collect()
    }
}

#[track_caller]
fn measured(launch: &Launch) -> &MeasuredRecord {
    match &launch.record.outcome {
        RecordOutcome::Measured(measured) => measured,
        RecordOutcome::Failed(failure) => panic!("{failure:#?}"),
    }
}

#[test]
fn without_any_card_nothing_runs_and_the_drivers_word_says_why() {
    let played = play(&script().fault(Fault::cuda("cuInit", 100)), "", &[]);
    let words = ["no cell can run here", "cuInit failed with 100 (CUDA_ERROR_NO_DEVICE: no CUDA"];
    played.ran.fails(2, &words);
    played
        .ran
        .fails(2, &["CUDA cannot use NVIDIA GeForce GTX 1050 Ti", "look at CUDA_VISIBLE_DEVI"]);
    played.assert_no_panic();
    assert!(!played.sandbox.path("out").exists());
    let played = play(&Script::default(), "", &[]);
    played.ran.fails(2, &["no cell can run here", "no GPU here", "CUDA_ERROR_NO_DEVICE"]);
    played.assert_no_panic();
}

#[test]
fn a_card_that_does_not_answer_is_left_out_and_the_other_is_measured() {
    let played =
        play(&script().fault(Fault::cuda("cuDeviceGetName", 999).on(&old().uuid)), "", &[]);
    played.ran.succeeds();
    let words = "CUDA cannot use NVIDIA GeForce GTX 1050 Ti: cuDeviceGetName failed with 999";
    assert!(played.ran.out.contains(words), "{}", played.ran.out);
    played.assert_measured_on(&new());
    assert!(played.launches_on(&old()).is_empty());
    assert_all_freed(&played.doubles);
}

#[test]
fn a_full_card_fails_its_own_cells_and_says_what_frees_memory() {
    let played = play(&script().fault(Fault::cuda("cuMemAlloc_v2", 2).on(&old().uuid)), "", &[]);
    played.assert_one_card_failed(&[
        "cuMemAlloc_v2 failed with 2 (CUDA_ERROR_OUT_OF_MEMORY: out of memory)",
        "use a smaller batch",
    ]);
    assert_all_freed(&played.doubles);
}

#[test]
fn memory_of_the_host_that_cannot_be_locked_is_not_blamed_on_the_card() {
    for call in ["cuMemHostAlloc", "cuMemHostRegister_v2"] {
        let played = play(&script().fault(Fault::cuda(call, 2).on(&old().uuid)), "", &[]);
        let failed = format!("{call} failed with 2 (CUDA_ERROR_OUT_OF_MEMORY: out of memory)");
        played.assert_one_card_failed(&[&failed, "the host", "transfers = \"pageable\""]);
        assert!(!played.ran.err.contains("the card's memory is full"), "{}", played.ran.err);
        assert_all_freed(&played.doubles);
    }
}

#[test]
fn work_that_crashes_in_mid_run_fails_the_launch_and_not_the_model_is_blamed() {
    for (keys, call) in [("", "cuMemsetD8Async"), ("cuda_graph = true", "cuGraphLaunch")] {
        let fault = Fault::cuda(call, 719).on(&old().uuid).from(5).sticky();
        let played = play(&script().fault(fault), keys, &[]);
        let failed = format!("{call} failed with 719 (CUDA_ERROR_LAUNCH_FAILED: unspecified");
        played.assert_one_card_failed(&[&failed, "the context is lost"]);
        assert!(!played.ran.err.contains("export it with a dynamic batch"), "{}", played.ran.err);
        played.assert_others_freed();
    }
}

#[test]
fn a_card_that_is_lost_in_mid_run_fails_its_launches_alone() {
    for (code, name) in [(719, "CUDA_ERROR_LAUNCH_FAILED"), (999, "CUDA_ERROR_UNKNOWN")] {
        let lost = Fault::cuda("cuEventSynchronize", code).on(&old().uuid).from(5).sticky();
        // One reading when the program looks for cards, one when a launch begins.
        let unread = Fault::nvml("nvmlDeviceGetTemperature", GPU_IS_LOST).on(&old().uuid).from(1);
        let played = play(&script().fault(lost).fault(unread.sticky()), "", &[]);
        let failed = format!("cuEventSynchronize failed with {code} ({name}");
        played.assert_one_card_failed(&[&failed]);
        played.assert_others_freed();
    }
}

#[test]
fn a_memory_error_that_the_driver_reports_fails_the_launch() {
    let fault = Fault::cuda("cuEventSynchronize", 214).on(&old().uuid).from(5).sticky();
    let played = play(&script().fault(fault), "", &[]);
    played.assert_one_card_failed(&[
        "cuEventSynchronize failed with 214 (CUDA_ERROR_ECC_UNCORRECTABLE",
        "cannot be trusted",
        "nvidia-smi -q -d ECC",
    ]);
    played.assert_others_freed();
}

#[test]
fn a_memory_error_that_only_the_counter_shows_fails_the_launch() {
    let readings = Readings {
        ecc_enabled: [true].into(),
        ecc_uncorrected_errors: [3, 5].into(),
        ..Readings::default()
    };
    let played = play(&with_readings(readings), "", &[]);
    played.assert_one_card_failed(&["memory had 2 uncorrectable errors", "nvidia-smi -q -d ECC"]);
    assert_all_freed(&played.doubles);
}

#[test]
fn memory_errors_of_old_fail_nothing() {
    let readings = Readings {
        ecc_enabled: [true].into(),
        ecc_uncorrected_errors: [3].into(),
        ..Readings::default()
    };
    let played = play(&with_readings(readings), "", &[]);
    played.ran.succeeds();
    played.assert_measured_on(&old());
}

#[test]
fn a_card_that_hangs_is_given_up_in_the_stage_it_was_in() {
    for (keys, stage) in [("", Stage::DeviceToHost), ("transfers = \"none\"", Stage::Inference)] {
        let fault = Fault::cuda_hang("cuEventSynchronize").on(&old().uuid).from(5);
        let one = ["--set", "measure.timeout_seconds=1", "--set", "measure.launches=1"];
        let played = play(&script().fault(fault), keys, &one);
        played.ran.fails(1, &["took longer than 1.3 s (measure.max_seconds + measure.timeout_sec"]);
        let hung = played.launches_on(&old());
        assert_eq!(hung.len(), 2);
        for launch in hung {
            let RecordOutcome::Failed(failure) = launch.record.outcome else { panic!() };
            assert_eq!(failure.last_stage, Some(stage));
            assert!(failure.stderr_tail.is_empty(), "{failure:#?}");
        }
        let in_stage = format!("in stage {stage}");
        assert!(played.ran.out.contains(&in_stage), "{}", played.ran.out);
        let well = played.launches_on(&new());
        assert_eq!(well.len(), 2);
        assert_times(&well, stage == Stage::DeviceToHost);
        played.assert_no_panic();
        played.assert_others_freed();
    }
}

#[test]
fn a_driver_that_never_answers_is_given_up() {
    let sandbox = Sandbox::new();
    on_cards(&sandbox, "");
    let doubles = Doubles::new(&script().fault(Fault::cuda_hang("cuInit")));
    let began = Instant::now();
    let ran = run(&sandbox, &doubles, &["run", "cards.toml", "--out", "out"]);
    assert!(began.elapsed() < Duration::from_secs(50), "{:?}", began.elapsed());
    ran.fails(2, &["no cell can run here", "the NVIDIA driver's libraries do not answer", "dmesg"]);
    assert!(!ran.err.contains("panicked"), "{}", ran.err);
}

#[test]
fn a_card_that_another_process_has_for_itself_says_so() {
    let fault = Fault::cuda("cuDevicePrimaryCtxRetain", 46).on(&old().uuid);
    let played = play(&script().fault(fault), "", &[]);
    played
        .assert_one_card_failed(&["cuDevicePrimaryCtxRetain failed with 46", "EXCLUSIVE_PROCESS"]);
    assert_all_freed(&played.doubles);
}

#[test]
fn a_stub_of_the_driver_is_told_from_a_driver() {
    let played = play(&script().fault(Fault::cuda("cuInit", 34)), "", &[]);
    played.ran.fails(2, &["CUDA_ERROR_STUB_LIBRARY", "stubs", "LD_LIBRARY_PATH"]);
    played.assert_no_panic();
}

#[test]
fn a_card_that_is_hidden_from_the_program_is_skipped_by_the_name_of_the_variable() {
    let (sandbox, doubles) = (Sandbox::new(), Doubles::new(&script()));
    on_cards(&sandbox, "");
    let mut command = program(&sandbox.path(""));
    doubles.prepare(&mut command).env("CUDA_VISIBLE_DEVICES", new().uuid);
    let ran = Ran::from(command.args(["run", "cards.toml", "--out", "out"]).output().unwrap());
    ran.succeeds();
    let played = Played { sandbox, doubles, ran };
    let words = format!("CUDA_VISIBLE_DEVICES={} hides it", new().uuid);
    for text in [&played.ran.out, &played.ran.err] {
        assert!(text.contains(&words) && text.contains(&old().uuid), "{text}");
    }
    assert!(played.launches_on(&old()).is_empty());
    played.assert_measured_on(&new());
    assert_all_freed(&played.doubles);
}

#[test]
fn a_card_that_gets_hot_is_measured_with_its_iterations_flagged() {
    let hot = Readings { throttle_reasons: [0x40].into(), ..Readings::default() };
    let played = play(&with_readings(hot), "", &[]);
    played.ran.succeeds();
    played.assert_measured_on(&old());
    played.assert_measured_on(&new());
    let note = "the card was held back (hardware thermal limit)";
    assert!(played.ran.out.contains(note), "{}", played.ran.out);
    for row in played.rows("inference") {
        let hot = row["device_uuid"] == old().uuid;
        assert_eq!(row["throttled"].parse::<u32>().unwrap() > 0, hot, "{row:#?}");
        assert_eq!(row["throttle_reasons"], if hot { "hardware thermal limit" } else { "none" });
        if hot {
            assert_eq!(row["throttled"], row["samples"], "every reading says so");
            assert_eq!(row["undisturbed_median_ns"], "", "no iteration was undisturbed");
        } else {
            assert_eq!(row["undisturbed_median_ns"], row["median_ns"]);
        }
    }
    for launch in launches(&played.sandbox) {
        let hot = launch.record.device.uuid == old().uuid;
        assert!(launch.samples.iter().all(|sample| sample.flags.throttled == hot));
    }
    assert_all_freed(&played.doubles);
}

/// Asserts that all was measured and that the terminal says why clocks are not known.
#[track_caller]
fn assert_measured_without_clocks(played: &Played, why: &str) {
    played.ran.succeeds();
    played.assert_measured_on(&old());
    played.assert_measured_on(&new());
    let note = "clocks and temperature are not known throughout";
    assert!(played.ran.out.contains(note), "{}", played.ran.out);
    assert!(played.ran.out.contains(why), "no `{why}` in {}", played.ran.out);
    played.assert_no_panic();
}

#[test]
fn without_nvml_all_is_measured_and_the_clocks_are_not_known() {
    if !SearchPath::system().find("libnvidia-ml.so.1").is_empty() {
        println!("NOT COVERED: NVIDIA's own NVML is here");
        return;
    }
    let doubles = Doubles::only(&script(), &[Library::Cuda]);
    let played = play_with(doubles, "", &[]);
    assert_measured_without_clocks(&played, "libnvidia-ml.so.1 cannot be loaded");
    for row in played.rows("end_to_end") {
        for column in ["throttled", "sm_clock_mhz", "power_mw", "energy_per_image_mj"] {
            assert_eq!(row[column], "", "{column}");
        }
    }
    assert_all_freed(&played.doubles);
}

#[test]
fn with_nvml_that_does_not_start_all_is_measured_and_the_clocks_are_not_known() {
    for (code, why) in [(9, "kernel's NVIDIA module is not loaded"), (18, "different versions")] {
        let played = play(&script().fault(Fault::nvml("nvmlInit_v2", code)), "", &[]);
        assert_measured_without_clocks(&played, why);
        assert_all_freed(&played.doubles);
    }
}

#[test]
fn a_card_that_nvml_loses_in_mid_run_is_measured_up_to_the_end() {
    let fault = Fault::nvml("nvmlDeviceGetTemperature", GPU_IS_LOST).on(&old().uuid).from(1);
    let played = play(&script().fault(fault.sticky()), "", &[]);
    assert_measured_without_clocks(&played, "the card is lost");
    for launch in launches(&played.sandbox) {
        let telemetry = measured(&launch).facts.telemetry.clone().unwrap();
        let lost = launch.record.device.uuid == old().uuid;
        assert_eq!(telemetry.ended.is_some(), lost);
        assert!(telemetry.readings >= 1 && (lost || telemetry.readings >= 2));
    }
    assert_all_freed(&played.doubles);
}

#[test]
fn a_card_about_which_nvml_hangs_is_measured_up_to_the_end() {
    let fault = Fault::nvml_hang("nvmlDeviceGetTemperature").on(&old().uuid).from(1);
    let played = play(&script().fault(fault), "", &[]);
    assert_measured_without_clocks(&played, "NVML does not answer");
    for launch in launches(&played.sandbox) {
        let telemetry = measured(&launch).facts.telemetry.clone().unwrap();
        assert_eq!(telemetry.ended.is_some(), launch.record.device.uuid == old().uuid);
        assert!(telemetry.readings >= 1);
    }
    played.assert_others_freed();
}

#[test]
fn a_card_that_nvml_has_lost_before_the_run_is_measured_all_the_same() {
    let fault = Fault::nvml("nvmlDeviceGetName", GPU_IS_LOST).on(&old().uuid).sticky();
    let played = play(&script().fault(fault), "", &[]);
    played.ran.succeeds();
    played.assert_measured_on(&old());
    played.assert_measured_on(&new());
}

/// Long enough for several readings, in one launch.
const WATCHED: [&str; 6] = [
    "--set",
    "measure.min_seconds=0.45",
    "--set",
    "measure.max_seconds=0.6",
    "--set",
    "measure.launches=1",
];

/// Asserts that the energy of every row is what passed between two readings, shared by a whole
/// number of iterations that is one of those between them. `passed` tells it of two rows of the
/// readings.
fn assert_energy(
    played: &Played,
    by: EnergyBy,
    passed: impl Fn(&BTreeMap<String, String>, &BTreeMap<String, String>) -> f64,
) {
    played.ran.succeeds();
    let tables = played.telemetry();
    assert_eq!(tables.len(), 4, "two cards, two batches, one launch");
    let rows = played.rows("end_to_end");
    assert_eq!(rows.len(), 4);
    for row in rows {
        let energy: f64 = row["energy_per_image_mj"].parse().unwrap();
        let steady: f64 = row["samples"].parse().unwrap();
        let batch: f64 = row["batch"].parse().unwrap();
        let shares = tables.iter().map(|readings| {
            let last = readings.last().unwrap();
            // How many readings belong to the warm-up is for the program to find out.
            readings[1..readings.len() - 1].iter().any(|first| {
                let iterations = passed(first, last) / (energy * batch);
                let whole = (iterations - iterations.round()).abs() < 1e-6 * iterations;
                whole && iterations <= steady && iterations >= 0.3 * steady
            })
        });
        assert!(shares.into_iter().any(|share| share), "{row:#?}: {tables:#?}");
    }
    for launch in launches(&played.sandbox) {
        let telemetry = measured(&launch).facts.telemetry.clone().unwrap();
        assert_eq!(telemetry.energy_by, Some(by));
    }
}

fn number(row: &BTreeMap<String, String>, column: &str) -> f64 {
    row[column].parse().unwrap()
}

#[test]
fn energy_per_image_comes_from_the_cards_counter() {
    let counter: Series<u64> = (0..200).map(|n| 5_000_000 + 9_000 * n).collect::<Vec<_>>().into();
    let readings = Readings { energy_mj: counter, ..Readings::default() };
    let cards = two_cards().map(|card| Card { readings: readings.clone(), ..card });
    let played = play(&Script::with_cards(cards), "", &WATCHED);
    assert_energy(&played, EnergyBy::Counter, |first, last| {
        number(last, "energy_mj") - number(first, "energy_mj")
    });
    assert_all_freed(&played.doubles);
}

#[test]
fn energy_per_image_comes_from_power_where_there_is_no_counter() {
    let readings = Readings {
        energy_mj: Series::unsupported(),
        power_mw: [75_000].into(),
        ..Readings::default()
    };
    let cards = two_cards().map(|card| Card { readings: readings.clone(), ..card });
    let played = play(&Script::with_cards(cards), "", &WATCHED);
    assert_energy(&played, EnergyBy::Power, |first, last| {
        75_000.0 * (number(last, "at_ns") - number(first, "at_ns")) / 1e9
    });
    for row in played.rows("end_to_end") {
        assert_eq!(number(&row, "power_mw"), 75_000.0);
    }
}

#[test]
fn readings_are_kept_for_every_launch_with_the_columns_that_are_documented() {
    let played = play(&script(), "", &[]);
    played.ran.succeeds();
    let tables = played.telemetry();
    assert_eq!(tables.len(), 8, "two cards, two batches, two launches");
    let page = fs::read_to_string(common::root().join("docs/RESULTS.md")).unwrap();
    for readings in tables {
        assert!(readings.len() >= 2, "one when it begins and one when it ends");
        for reading in readings {
            assert_eq!(number(&reading, "sm_clock_mhz"), 1695.0);
            assert_eq!(reading["ecc_uncorrected"], "", "the card has no such counter");
            for column in reading.keys() {
                assert!(page.contains(&format!("`{column}`")), "{column} is not explained");
            }
        }
    }
}

#[test]
fn without_telemetry_no_card_is_watched_and_its_columns_are_empty() {
    let played = play(&script(), "", &["--no-telemetry"]);
    played.ran.succeeds();
    played.assert_measured_on(&old());
    played.assert_measured_on(&new());
    assert!(played.telemetry().is_empty());
    let columns = [
        "throttled",
        "sm_clock_mhz",
        "power_mw",
        "temperature_max_c",
        "throttle_reasons",
        "energy_per_image_mj",
    ];
    for row in played.rows("end_to_end") {
        for column in columns {
            assert_eq!(row[column], "", "{column}");
        }
    }
    assert!(!played.ran.out.contains("clocks and temperature"), "{}", played.ran.out);
    assert_all_freed(&played.doubles);
}
