//! How often a comparison is wrong: a cell against itself, and against itself made 3 % slower.
//!
//! `aa PROGRAM COMPARISONS LAUNCHES`: each comparison is two runs of their own, as a user makes
//! them. Prints both figures; exit code 1 when they are out of bounds. scripts/aa.sh runs it.
#![allow(clippy::print_stdout, reason = "an example prints")]

use std::{
    error::Error,
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};
use trtbench::{analysis, store::Run, timing::Span};

/// Arithmetic steps of the compared cell: about 3 ms of inference.
const WORK: u64 = 3_000_000;

/// At most this share of the comparisons with itself may exclude 1.
const FALSE_SHARE: f64 = 5.0 / 40.0;

/// At least this share of the comparisons with the slower one must.
const FOUND_SHARE: f64 = 0.9;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, program, comparisons, launches] = arguments.as_slice() else {
        return Err("usage: aa PROGRAM COMPARISONS LAUNCHES".into());
    };
    let comparisons: usize = comparisons.parse()?;
    let folder = std::env::temp_dir().join(format!("trtbench-aa-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let bench = Bench { program: program.into(), launches: launches.clone(), folder };
    let mut excluded = [0_usize; 2];
    for number in 0..comparisons {
        for (kind, work) in [WORK, WORK / 100 * 103].into_iter().enumerate() {
            let ratio = bench.compare(number, work)?;
            excluded[kind] += usize::from(ratio.low.0 > 1.0 || ratio.high.0 < 1.0);
            println!(
                "{number:2} {}: {} in {} – {}, noise {:.2} %",
                ["itself ", "+3 %   "][kind],
                ratio.ratio,
                ratio.low,
                ratio.high,
                ratio.noise * 100.0
            );
        }
    }
    fs::remove_dir_all(&bench.folder)?;
    let share = |count: usize| count as f64 / comparisons as f64;
    println!("excluded 1 against itself: {} of {comparisons}", excluded[0]);
    println!("excluded 1 against 3 % slower: {} of {comparisons}", excluded[1]);
    let good = share(excluded[0]) <= FALSE_SHARE && share(excluded[1]) >= FOUND_SHARE;
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

struct Bench {
    program: PathBuf,
    launches: String,
    folder: PathBuf,
}

impl Bench {
    fn compare(
        &self,
        number: usize,
        work: u64,
    ) -> Result<trtbench::stats::RatioInterval, Box<dyn Error>> {
        let (base, new) = (self.folder.join("base"), self.folder.join("new"));
        // Which of the two comes first alternates, so that a drift of the machine favours neither.
        let mut sides = [(&base, WORK), (&new, work)];
        if number % 2 == 1 {
            sides.reverse();
        }
        for (out, work) in sides {
            self.run(out, work)?;
        }
        let comparison = analysis::compare(&Run::read(&base)?, &Run::read(&new)?);
        fs::remove_dir_all(base)?;
        fs::remove_dir_all(new)?;
        let whole = comparison.deltas.into_iter().find(|delta| delta.stage == Span::Inference);
        whole.and_then(|delta| delta.ratio).ok_or_else(|| "nothing to compare".into())
    }

    fn run(&self, out: &Path, work: u64) -> Result<(), Box<dyn Error>> {
        let status = Command::new(&self.program)
            .args(["run", "scenarios/harness.toml", "--quiet", "--json", "--out"])
            .arg(out)
            .args(["--set", &format!("measure.launches={}", self.launches)])
            .args(["--set", &format!("engine.null.work={work}")])
            .stdout(std::process::Stdio::null())
            .status()?;
        if status.success() { Ok(()) } else { Err(format!("a run ended with {status}").into()) }
    }
}
