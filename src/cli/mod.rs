//! The command line: one file per verb. The only place that reads flags or prints.

mod check;
mod common;
mod compare;
mod devices;
mod diff;
mod doctor;
mod fetch;
mod folders;
mod inspect;
mod list;
mod report;
mod run;
mod screen;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Times every stage of a detection model apart (decode, pre-processing, transfer, inference,
/// post-processing) and says which one holds you back.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Measure scenarios, then report
    Run(run::Arguments),
    /// Look for mistakes in scenarios, their models, images and engines; measure nothing
    Check(check::Arguments),
    /// Print the cells that scenarios stand for
    List(list::Arguments),
    /// Rebuild table, CSV and charts of finished runs
    Report(report::Arguments),
    /// Compare two runs cell by cell
    Compare(compare::Arguments),
    /// Say what is in model files, what a network costs, and where it will run; runs nothing
    Inspect(inspect::Arguments),
    /// Say why one model file is larger than another
    Diff(diff::Arguments),
    /// Show processors, cards and the libraries that cards are used through
    Devices(devices::Arguments),
    /// Say whether cards, drivers, libraries and models fit, and what helps where they do not
    Doctor(doctor::Arguments),
    /// Bring ONNX Runtime or trained models from the package registry into the cache
    Fetch(fetch::Arguments),
    /// Print the JSON Schema of scenario files
    Schema,
    /// Do one task for a parent process
    #[command(hide = true)]
    Worker,
}

/// How a verb ended when it did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// All well.
    Complete,
    /// There is something to act on: a failed cell.
    Finding,
    /// The user stopped it.
    Interrupted,
}

/// Runs the program with its command line and returns its exit code.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match dispatch(arguments.verb) {
        Ok(End::Complete) => ExitCode::SUCCESS,
        Ok(End::Finding) => ExitCode::from(1),
        Ok(End::Interrupted) => ExitCode::from(130),
        Err(error) => {
            common::tell(&format!("error: {error:#}"));
            ExitCode::from(2)
        }
    }
}

fn dispatch(verb: Verb) -> anyhow::Result<End> {
    match verb {
        Verb::Run(arguments) => run::run(&arguments),
        Verb::Check(arguments) => check::run(&arguments),
        Verb::List(arguments) => list::run(&arguments),
        Verb::Report(arguments) => report::run(&arguments),
        Verb::Compare(arguments) => compare::run(&arguments),
        Verb::Inspect(arguments) => inspect::run(&arguments),
        Verb::Diff(arguments) => diff::run(&arguments),
        Verb::Devices(arguments) => devices::run(&arguments),
        Verb::Doctor(arguments) => doctor::run(&arguments),
        Verb::Fetch(arguments) => fetch::run(&arguments),
        Verb::Schema => {
            common::print(&format!("{:#}", crate::scenario::json_schema()))?;
            Ok(End::Complete)
        }
        Verb::Worker => {
            crate::runner::work(&mut std::io::stdout())?;
            // Nothing is torn down: a library that crashes on its way out takes no result along.
            std::process::exit(0)
        }
    }
}
