//! Parent and workers killed at random moments: what was finished stays readable, `--resume`
//! completes, nothing is counted twice. `KILLS=200` for the long version (scripts/kill.sh).
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may panic and print")]
#![cfg(unix)]

mod common;
use common::{FAST, Sandbox, program, scenario};
use rustix::process::{Pid, Signal, kill_process};
use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    process::{Child, Stdio},
    time::{Duration, SystemTime},
};

const LAUNCHES: usize = 6;

/// SplitMix64: the same moments in every run of the test.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}

#[test]
fn killing_parent_or_worker_loses_at_most_the_launch_in_hand() {
    let kills: usize = std::env::var("KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(12);
    let mut random = Random(20_261_122);
    let mut killed = [0, 0];
    let mut rounds = 0;
    while killed.iter().sum::<usize>() < kills {
        let sandbox = Sandbox::new();
        let budget = FAST.replace("launches = 2", &format!("launches = {LAUNCHES}"));
        sandbox.scenario("s.toml", &scenario("null", "batch = [1, 2]", &budget));
        rounds += 1;
        let mut kept = BTreeMap::new();
        let mut resume = false;
        loop {
            let left = kills - killed.iter().sum::<usize>();
            let victim = random.below(2) as usize;
            let child = start(&sandbox, resume);
            let hit = left > 0 && strike(&child, victim, Duration::from_millis(random.below(700)));
            let code = child.wait_with_output().unwrap().status.code();
            killed[victim] += usize::from(hit);
            resume = sandbox.path("r/run.json").exists();
            nothing_lost(&sandbox, &mut kept);
            if kept.len() == 2 * LAUNCHES && code.is_some() {
                break;
            }
        }
        complete(&sandbox);
    }
    println!("{rounds} runs, parents killed: {}, workers killed: {}", killed[0], killed[1]);
}

fn start(sandbox: &Sandbox, resume: bool) -> Child {
    let mut command = program(&sandbox.path("."));
    command.args(["run", "s.toml", "--out", "r", "--quiet"]);
    if resume {
        command.arg("--resume");
    }
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Kills the parent (0) or one of its workers (1) after `delay`; false if there was none left.
fn strike(parent: &Child, victim: usize, delay: Duration) -> bool {
    std::thread::sleep(delay);
    let pid = if victim == 0 { Some(parent.id()) } else { child_of(parent.id()) };
    let pid = pid.and_then(|pid| Pid::from_raw(i32::try_from(pid).unwrap()));
    pid.is_some_and(|pid| kill_process(pid, Signal::KILL).is_ok())
}

fn child_of(parent: u32) -> Option<u32> {
    let path = format!("/proc/{parent}/task/{parent}/children");
    fs::read_to_string(path).ok()?.split_whitespace().next()?.parse().ok()
}

fn records(sandbox: &Sandbox) -> Vec<PathBuf> {
    let entries = fs::read_dir(sandbox.path("r/launches")).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.path())
        .filter(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            name.ends_with(".json") && !name.starts_with('.')
        })
        .collect()
}

/// Every record that was ever there is there still, unchanged, and can be read.
fn nothing_lost(sandbox: &Sandbox, kept: &mut BTreeMap<PathBuf, SystemTime>) {
    let now: BTreeMap<PathBuf, SystemTime> = records(sandbox)
        .into_iter()
        .map(|path| (path.clone(), fs::metadata(&path).unwrap().modified().unwrap()))
        .collect();
    for (path, time) in kept.iter() {
        assert_eq!(now.get(path), Some(time), "{} was lost or written again", path.display());
    }
    *kept = now;
    if sandbox.path("r/run.json").exists() {
        let run = trtbench::store::Run::read(&sandbox.path("r")).unwrap();
        assert_eq!(run.launches.len(), kept.len());
    }
}

/// Each cell has each launch once; what was killed is a failed launch with its signal, or was
/// measured after all.
fn complete(sandbox: &Sandbox) {
    let run = trtbench::store::Run::read(&sandbox.path("r")).unwrap();
    let cells = trtbench::analysis::cells(&run);
    assert_eq!(cells.len(), 2);
    for cell in cells {
        assert_eq!((cell.measured + cell.failed, cell.missing), (LAUNCHES, 0));
        for reason in &cell.failures {
            assert!(reason.contains("SIGKILL"), "{reason}");
        }
    }
    assert_eq!(records(sandbox).len(), 2 * LAUNCHES);
}
