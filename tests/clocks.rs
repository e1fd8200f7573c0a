//! Clocks of cards, held while a run measures, against stand-ins for NVIDIA's libraries: let go
//! whatever ends the run. What the cards are set to is read from the stand-ins, not from the program.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may panic and print")]

mod common;
mod doubles;

use common::{FAST, Ran, Sandbox, program, scenario, wait_until};
use doubles::Doubles;
use rustix::process::{Pid, Signal, kill_process};
use std::{
    collections::BTreeMap,
    fs,
    process::{Child, Command, Stdio},
};
use trtbench::store::Run;
use trtbench_double_script::{Card, Entry, Fault, Kind, Line, Script};

/// What the scenario asks for; no card of a script has it by itself.
const MHZ: u64 = 1234;

/// NVML's codes.
const NOT_SUPPORTED: i32 = 3;
const NO_PERMISSION: i32 = 4;

/// Two cards with a scenario that holds the clock of the second.
struct Bench {
    sandbox: Sandbox,
    doubles: Doubles,
    cards: [Card; 2],
}

impl Bench {
    /// Every launch ends at once.
    fn fast() -> Self {
        Self::new(FAST, &[], &[1])
    }

    /// The first launch is long enough to be struck, and no test waits for its end.
    fn endless() -> Self {
        Self::new(
            "launches = 1\nmin_seconds = 60\nmax_seconds = 60\nmax_samples = 1000000",
            &[],
            &[1],
        )
    }

    /// A launch is long enough to be struck.
    fn short() -> Self {
        Self::new(
            "launches = 1\nmin_seconds = 2\nmax_seconds = 2\nmax_samples = 1000000",
            &[],
            &[1],
        )
    }

    /// With these faults, and the clocks of the cards with these numbers to be held.
    fn new(measure: &str, faults: &[Fault], held: &[usize]) -> Self {
        let cards = [1, 2].map(Card::numbered);
        let script = Script { faults: faults.to_vec(), ..Script::with_cards(cards.clone()) };
        let bench = Self { sandbox: Sandbox::new(), doubles: Doubles::new(&script), cards };
        bench.write(measure, held);
        bench
    }

    fn write(&self, measure: &str, held: &[usize]) {
        let mut text = scenario("null", "device = [\"gpu:all\"]", measure);
        for &card in held {
            let name = &self.cards[card].name;
            text.push_str(&format!("[device.\"gpu:{name}\"]\nlock_clock_mhz = {MHZ}\n"));
        }
        self.sandbox.scenario("cards.toml", &text);
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = program(&self.sandbox.path(""));
        self.doubles.prepare(&mut command).args(arguments);
        command
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        Ran::from(self.command(arguments).output().unwrap())
    }

    /// Starts a run and waits until it measures with the clock held.
    fn start(&self) -> Child {
        let mut command = self.command(&["run", "cards.toml", "--out", "out"]);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        wait_until("a worker measures", || self.sandbox.measures("out"));
        assert_eq!(self.doubles.held_clocks(), self.second_alone());
        child
    }

    /// The clock that the scenario asks for.
    fn second_alone(&self) -> BTreeMap<String, u64> {
        BTreeMap::from([(self.cards[1].uuid.clone(), MHZ)])
    }

    /// Process that held the clock last.
    fn holder(&self) -> Pid {
        let pids = self.pids(|entry| matches!(entry, Entry::Alloc { kind: Kind::ClockLock, .. }));
        Pid::from_raw(*pids.last().unwrap()).unwrap()
    }

    /// Processes that let a clock go.
    fn releasers(&self) -> Vec<i32> {
        self.pids(|entry| matches!(entry, Entry::Free { kind: Kind::ClockLock, .. }))
    }

    fn pids(&self, wanted: impl Fn(&Entry) -> bool) -> Vec<i32> {
        let lines = self.doubles.ledger().lines;
        let pid = |line: &Line| i32::try_from(line.pid).unwrap();
        lines.iter().filter(|line| wanted(&line.entry)).map(pid).collect()
    }

    /// Kills the process that holds the clock and waits until it is gone; the lock stays.
    fn kill_holder(&self) -> Pid {
        let holder = self.holder();
        kill_process(holder, Signal::KILL).unwrap();
        // A process that its parent has not asked for yet is a zombie without memory.
        let memory = format!("/proc/{}/statm", holder.as_raw_nonzero());
        wait_until("the holder is gone", || {
            fs::read_to_string(&memory).map_or(true, |text| text.starts_with("0 "))
        });
        assert_eq!(self.doubles.held_clocks(), self.second_alone(), "the lock outlives its holder");
        holder
    }

    /// Readings of the clock in each launch of the run in `out`, by the card's UUID.
    fn clocks(&self) -> BTreeMap<String, Vec<u64>> {
        let mut clocks: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        for launch in Run::read(&self.sandbox.path("out")).unwrap().launches {
            let name =
                format!("out/launches/{}-{}.telemetry.csv", launch.hash, launch.record.launch);
            let table = fs::read_to_string(self.sandbox.path(&name)).unwrap();
            let column = table.lines().next().unwrap().split(',').position(|c| c == "sm_clock_mhz");
            let clock =
                |row: &str| row.split(',').nth(column.unwrap()).unwrap().parse::<u64>().unwrap();
            let readings = table.lines().skip(1).map(clock);
            clocks.entry(launch.record.device.uuid.clone()).or_default().extend(readings);
        }
        clocks
    }

    /// Asserts that every reading of the second card is the locked clock, and none of the first.
    #[track_caller]
    fn assert_measured_at_the_locked_clock(&self) {
        let clocks = self.clocks();
        let of = |card: usize| clocks[&self.cards[card].uuid].clone();
        assert!(of(1).len() >= 4 && of(1).iter().all(|&mhz| mhz == MHZ), "{clocks:?}");
        assert!(of(0).len() >= 4 && of(0).iter().all(|&mhz| mhz != MHZ), "{clocks:?}");
    }

    /// Asserts that no clock is held, and that one was.
    #[track_caller]
    fn assert_let_go(&self) {
        assert_eq!(self.doubles.held_clocks(), BTreeMap::new());
        let ledger = self.doubles.ledger();
        assert!(ledger.allocated(Kind::ClockLock) > 0, "no clock was ever held");
        assert_eq!(ledger.live().get(&Kind::ClockLock), None);
    }
}

fn interrupt(child: &Child, times: usize) {
    for _ in 0..times {
        kill_process(Pid::from_child(child), Signal::INT).unwrap();
        // Two signals that arrive at once are one to the system.
        let status = format!("/proc/{}/status", child.id());
        wait_until("the signal has arrived", || {
            let status = fs::read_to_string(&status).unwrap_or_default();
            let pending = |line: &str| line.starts_with("ShdPnd") && !line.ends_with("0000");
            !status.lines().any(pending)
        });
    }
}

#[test]
fn a_card_is_measured_at_the_clock_that_is_asked_for_and_let_go_after_it() {
    let bench = Bench::fast();
    bench.run(&["run", "cards.toml", "--out", "out"]).succeeds();
    bench.assert_measured_at_the_locked_clock();
    bench.assert_let_go();
    assert_eq!(bench.releasers(), [bench.holder().as_raw_nonzero().get()]);
}

#[test]
fn a_run_without_the_key_sets_no_clock() {
    let bench = Bench::new(FAST, &[], &[]);
    bench.run(&["run", "cards.toml", "--out", "out"]).succeeds();
    assert_eq!(bench.doubles.ledger().allocated(Kind::ClockLock), 0);
    assert_eq!(bench.clocks().len(), 2);
}

#[test]
fn a_killed_run_lets_its_clock_go() {
    let bench = Bench::endless();
    let mut child = bench.start();
    child.kill().unwrap();
    child.wait().unwrap();
    // The ledger is written last.
    wait_until("the clock is let go", || !bench.releasers().is_empty());
    bench.assert_let_go();
}

#[test]
fn a_clock_whose_holder_was_killed_is_let_go_at_the_end_of_the_run() {
    let bench = Bench::short();
    let child = bench.start();
    let holder = bench.kill_holder();
    Ran::from(child.wait_with_output().unwrap()).succeeds();
    bench.assert_let_go();
    assert!(!bench.releasers().contains(&holder.as_raw_nonzero().get()));
}

#[test]
fn an_interrupted_run_lets_its_clock_go_and_holds_it_again_when_it_is_resumed() {
    let bench = Bench::short();
    let child = bench.start();
    // A terminal's Ctrl-C, or a service's end, may reach the holder: it waits for the program.
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        kill_process(bench.holder(), signal).unwrap();
    }
    interrupt(&child, 2);
    Ran::from(child.wait_with_output().unwrap()).fails(130, &["interrupted"]);
    bench.assert_let_go();
    assert_eq!(bench.releasers(), [bench.holder().as_raw_nonzero().get()]);
    bench.run(&["run", "cards.toml", "--out", "out", "--resume"]).succeeds();
    bench.assert_measured_at_the_locked_clock();
    bench.assert_let_go();
    assert_eq!(bench.doubles.ledger().allocated(Kind::ClockLock), 2);
    // There is nothing left to measure, so nothing is set.
    bench.run(&["run", "cards.toml", "--out", "out", "--resume"]).succeeds();
    assert_eq!(bench.doubles.ledger().allocated(Kind::ClockLock), 2);
}

#[test]
fn insisting_on_a_stop_does_not_leave_behind_the_clock_of_a_killed_holder() {
    let bench = Bench::endless();
    let child = bench.start();
    bench.kill_holder();
    interrupt(&child, 2);
    Ran::from(child.wait_with_output().unwrap()).fails(130, &["interrupted"]);
    bench.assert_let_go();
}

#[test]
fn a_clock_left_behind_by_a_run_killed_with_its_holder_is_let_go_by_the_next() {
    let bench = Bench::endless();
    let mut child = bench.start();
    bench.kill_holder();
    child.kill().unwrap();
    child.wait().unwrap();
    bench.write(FAST, &[1]);
    bench.run(&["run", "cards.toml", "--out", "next"]).succeeds();
    bench.assert_let_go();
}

#[test]
fn a_clock_that_cannot_be_held_is_an_error_before_anything_is_measured() {
    let set = "nvmlDeviceSetGpuLockedClocks";
    for (code, words) in [(NO_PERMISSION, "run as root"), (NOT_SUPPORTED, "Volta")] {
        let bench = Bench::new(FAST, &[Fault::nvml(set, code)], &[1]);
        let ran = bench.run(&["run", "cards.toml", "--out", "out"]);
        let name = &bench.cards[1].name;
        ran.fails(2, &["cards.toml", "lock_clock_mhz = 1234", name, words, "leave the key out"]);
        assert!(!bench.sandbox.path("out").exists(), "the cure can be tried in the same folder");
        assert_eq!(bench.doubles.ledger().allocated(Kind::DeviceMemory), 0);
        bench.write(FAST, &[]);
        bench.run(&["run", "cards.toml", "--out", "out"]).succeeds();
    }
}

#[test]
fn a_resumed_run_whose_clock_is_refused_keeps_its_launches() {
    let bench = Bench::fast();
    bench.run(&["run", "cards.toml", "--out", "out"]).succeeds();
    let whole = Run::read(&bench.sandbox.path("out")).unwrap().launches;
    let lost = whole.iter().find(|launch| launch.record.device.uuid == bench.cards[1].uuid);
    let (hash, launch) = lost.map(|lost| (&lost.hash, lost.record.launch)).unwrap();
    fs::remove_file(bench.sandbox.path(&format!("out/launches/{hash}-{launch}.json"))).unwrap();
    let fault = Fault::nvml("nvmlDeviceSetGpuLockedClocks", NO_PERMISSION);
    bench.doubles.rewrite(&Script::with_cards(bench.cards.clone()).fault(fault));
    bench.run(&["run", "cards.toml", "--out", "out", "--resume"]).fails(2, &["leave the key out"]);
    let kept = Run::read(&bench.sandbox.path("out")).unwrap().launches;
    assert_eq!(kept.len(), whole.len() - 1);
}

#[test]
fn where_one_card_refuses_the_clock_of_the_other_is_let_go() {
    let second = Card::numbered(2).uuid;
    let fault = Fault::nvml("nvmlDeviceSetGpuLockedClocks", NOT_SUPPORTED).on(&second);
    let bench = Bench::new(FAST, &[fault], &[0, 1]);
    bench.run(&["run", "cards.toml", "--out", "out"]).fails(2, &[&second, "leave the key out"]);
    bench.assert_let_go();
}

#[test]
fn a_clock_that_cannot_be_let_go_is_told_with_the_command_that_does() {
    let fault = Fault::nvml("nvmlDeviceResetGpuLockedClocks", NO_PERMISSION);
    let bench = Bench::new(FAST, &[fault], &[1]);
    let ran = bench.run(&["run", "cards.toml", "--out", "out", "--quiet"]);
    let cure = format!("nvidia-smi -i {} -rgc", bench.cards[1].uuid);
    ran.fails(0, &["warning", "1234 MHz", &cure]);
    assert_eq!(bench.doubles.held_clocks(), bench.second_alone());
}

#[test]
fn a_driver_that_hangs_when_a_clock_is_set_is_an_error_too() {
    let fault = Fault::nvml_hang("nvmlDeviceSetGpuLockedClocks");
    let bench = Bench::new(FAST, &[fault], &[1]);
    let ran = bench.run(&["run", "cards.toml", "--out", "out"]);
    ran.fails(2, &["lock_clock_mhz", "took longer than 10 s"]);
    assert!(!bench.sandbox.path("out").exists());
}
