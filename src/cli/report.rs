//! `trtbench report`: everything that is made from a run's results, made again.

use super::{End, common};
use crate::{
    analysis::{self, CellResult, State},
    os, report,
    store::Run,
};
use anyhow::Context;
use std::{
    fs,
    path::{Path, PathBuf},
};

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Run folders
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<End> {
    let mut end = End::Complete;
    let (mut values, mut read) = (Vec::new(), Vec::new());
    for path in &arguments.runs {
        let run = Run::read(path)?;
        let cells = analysis::cells(&run);
        if finding(&cells) {
            end = End::Finding;
        }
        if arguments.json {
            values.push(report::json::run(&run.info, &cells));
        } else {
            common::print(&format!("{}\n{}", run.info.run, tables(&cells)))?;
        }
        read.push((run, cells));
    }
    if arguments.json {
        common::print_json(&one_or_all(values))?;
    }
    // Last, so that the results are shown even where the folder cannot be written.
    for (run, cells) in &read {
        write(run, cells)?;
    }
    Ok(end)
}

/// One run is an object of its own, several are a list in one.
pub fn one_or_all(mut values: Vec<serde_json::Value>) -> serde_json::Value {
    match values.len() {
        1 => values.remove(0),
        _ => serde_json::json!({ "schema": crate::store::SCHEMA, "runs": values }),
    }
}

/// Whether there is something to act on.
pub fn finding(cells: &[CellResult]) -> bool {
    cells
        .iter()
        .any(|cell| matches!(cell.state, State::Failed(_)) || cell.failed > 0 || cell.missing > 0)
}

/// What a terminal shows of a run: its cells, and their layers where those were timed.
pub fn tables(cells: &[CellResult]) -> String {
    report::table::run(cells) + &report::layers::table(cells)
}

/// Writes tables and charts into the run's folder.
pub fn write(run: &Run, cells: &[CellResult]) -> anyhow::Result<()> {
    os::write_atomic(&run.path.join("results.csv"), &report::csv::csv(&run.info, cells)?)?;
    if let Some(table) = report::layers::csv(&run.info, cells)? {
        os::write_atomic(&run.path.join("layers.csv"), &table)?;
    }
    let folder = run.path.join("charts");
    fs::create_dir_all(&folder)
        .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    for chart in report::charts::all(run, cells)? {
        write_chart(&folder, &chart)?;
    }
    Ok(())
}

fn write_chart(folder: &Path, chart: &report::charts::Chart) -> anyhow::Result<()> {
    os::write_atomic(&folder.join(format!("{}.svg", chart.name)), chart.svg.as_bytes())?;
    os::write_atomic(&folder.join(format!("{}.png", chart.name)), &chart.png)?;
    Ok(())
}
