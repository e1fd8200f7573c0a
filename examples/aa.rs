//! How often a comparison is wrong: a cell against itself, and against itself made 3 % slower.
//!
//! `aa PROGRAM COMPARISONS LAUNCHES`: each comparison is one run of scenarios/harness.toml, whose
//! cells are launched in turn, judged pair by pair; beside it the same data judged as if they came
//! from two runs. Prints all figures; exit code 1 when the first are out of bounds.
//! scripts/aa.sh runs it.
#![allow(clippy::print_stdout, reason = "an example prints")]

use std::{
    error::Error,
    path::Path,
    process::{Command, ExitCode, Stdio},
};
use trtbench::{
    analysis,
    stats::{RatioInterval, launch_ratio, paired_ratio},
    store::Run,
    timing::Span,
    unit::Nanos,
};

/// Level of the intervals.
const LEVEL: f64 = 0.95;

/// At most this share of the comparisons with itself may exclude 1.
const FALSE_SHARE: f64 = 5.0 / 40.0;

/// At least this share of the comparisons with the slower one must.
const FOUND_SHARE: f64 = 0.9;

/// Launch medians of inference by model.
type Medians = Vec<(String, Vec<Nanos>)>;

type Judge = fn(&[Nanos], &[Nanos], f64) -> Option<RatioInterval>;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, program, comparisons, launches] = arguments.as_slice() else {
        return Err("usage: aa PROGRAM COMPARISONS LAUNCHES".into());
    };
    let comparisons: usize = comparisons.parse()?;
    let folder = std::env::temp_dir().join(format!("trtbench-aa-{}", std::process::id()));
    // Against itself and against the slower one; pair by pair and as two runs.
    let mut excluded = [[0_usize; 2]; 2];
    for number in 0..comparisons {
        let medians = measure(program, launches, &folder)?;
        for (kind, other) in ["same", "slow"].into_iter().enumerate() {
            for (way, judge) in [paired_ratio as Judge, launch_ratio].into_iter().enumerate() {
                let find = |name: &str| medians.iter().find(|(model, _)| model == name);
                let (Some((_, base)), Some((_, new))) = (find("base"), find(other)) else {
                    return Err("a cell has no numbers".into());
                };
                let ratio = judge(base, new, LEVEL).ok_or("too few launches")?;
                let excludes = ratio.low.0 > 1.0 || ratio.high.0 < 1.0;
                excluded[kind][way] += usize::from(excludes);
                if way == 0 {
                    let RatioInterval { ratio, low, high, noise, .. } = ratio;
                    let noise = noise * 100.0;
                    println!("{number:2} {other}: {ratio} in {low} – {high}, noise {noise:.2} %");
                }
            }
        }
    }
    let [[itself, itself_runs], [slower, slower_runs]] = excluded;
    println!("against itself 1 is excluded in {itself} of {comparisons}");
    println!("against 3 % slower 1 is excluded in {slower} of {comparisons}");
    println!("not paired: {itself_runs} and {slower_runs} of {comparisons}");
    let share = |count: usize| count as f64 / comparisons as f64;
    let good = share(itself) <= FALSE_SHARE && share(slower) >= FOUND_SHARE;
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs the scenario once.
fn measure(program: &str, launches: &str, folder: &Path) -> Result<Medians, Box<dyn Error>> {
    let status = Command::new(program)
        .args(["run", "scenarios/harness.toml", "--quiet", "--json", "--out"])
        .arg(folder)
        .args(["--set", &format!("measure.launches={launches}")])
        .stdout(Stdio::null())
        .status()?;
    if !status.success() {
        return Err(format!("a run ended with {status}").into());
    }
    let cells = analysis::cells(&Run::read(folder)?);
    std::fs::remove_dir_all(folder)?;
    let inference = |cell: analysis::CellResult| {
        let stage = cell.stages.get(&Span::Inference)?;
        Some((cell.cell.model.clone(), stage.launch_medians.clone()))
    };
    Ok(cells.into_iter().filter_map(inference).collect())
}
