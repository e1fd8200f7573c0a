//! `results.csv`: one row per cell × device × stage. docs/RESULTS.md explains each column.

use crate::{
    analysis::{CellResult, StageResult, State},
    store::RunInfo,
    timing::Span,
    unit::Nanos,
};
use serde::Serialize;

/// One row; the fields are the columns, in this order. New columns come last.
#[derive(Debug, Default, Serialize)]
struct Row<'a> {
    run: &'a str,
    cell: String,
    model: &'a str,
    family: &'a str,
    engine: &'a str,
    device: &'a str,
    device_uuid: &'a str,
    precision: &'a str,
    executed_precision: Option<&'a str>,
    batch: u32,
    mode: &'a str,
    threads: u32,
    stage: &'a str,
    outcome: &'a str,
    reason: String,
    launches: usize,
    samples: Option<usize>,
    median_ns: Option<Nanos>,
    ci_low_ns: Option<Nanos>,
    ci_high_ns: Option<Nanos>,
    mean_ns: Option<Nanos>,
    mad_ns: Option<Nanos>,
    min_ns: Option<Nanos>,
    p90_ns: Option<Nanos>,
    p95_ns: Option<Nanos>,
    p99_ns: Option<Nanos>,
    max_ns: Option<Nanos>,
    launch_spread: Option<f64>,
    cpu_median_ns: Option<Nanos>,
    preempted: Option<usize>,
    throttled: Option<usize>,
    failed_launches: usize,
    missing_launches: usize,
    unsettled_launches: usize,
    unconverged_launches: usize,
    detections_per_image: Option<f64>,
    harness_median_ns: Option<Nanos>,
    undisturbed_median_ns: Option<Nanos>,
    decoder: Option<&'a str>,
    instructions: Option<&'a str>,
}

/// The whole file. A cell without numbers has one row, for `end_to_end`, with its reason.
///
/// # Errors
/// When a row cannot be encoded.
pub fn csv(run: &RunInfo, cells: &[CellResult]) -> Result<Vec<u8>, csv::Error> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for cell in cells {
        if cell.stages.is_empty() {
            writer.serialize(row(run, cell, Span::EndToEnd, None))?;
        }
        for (span, stage) in &cell.stages {
            writer.serialize(row(run, cell, *span, Some(stage)))?;
        }
    }
    writer.into_inner().map_err(|error| error.into_error().into())
}

fn row<'a>(
    run: &'a RunInfo,
    cell: &'a CellResult,
    span: Span,
    stage: Option<&'a StageResult>,
) -> Row<'a> {
    let whole = span == Span::EndToEnd;
    Row {
        stage: span.name(),
        samples: stage.map(|s| s.samples),
        median_ns: stage.map(|s| s.median),
        ci_low_ns: stage.and_then(|s| s.ci).map(|ci| ci.0),
        ci_high_ns: stage.and_then(|s| s.ci).map(|ci| ci.1),
        mean_ns: stage.map(|s| s.mean),
        mad_ns: stage.map(|s| s.mad),
        min_ns: stage.map(|s| s.min),
        p90_ns: stage.and_then(|s| s.p90),
        p95_ns: stage.and_then(|s| s.p95),
        p99_ns: stage.and_then(|s| s.p99),
        max_ns: stage.map(|s| s.max),
        launch_spread: stage.and_then(|s| s.launch_spread),
        cpu_median_ns: cell.cpu_median.filter(|_| whole),
        undisturbed_median_ns: stage.and_then(|s| s.undisturbed_median),
        ..identity(run, cell)
    }
}

fn identity<'a>(run: &'a RunInfo, cell: &'a CellResult) -> Row<'a> {
    let id = &cell.cell;
    let (outcome, reason) = outcome(cell);
    Row {
        run: &run.run,
        cell: id.to_string(),
        model: &id.model,
        family: &id.family,
        engine: &id.engine,
        device: &cell.device.name,
        device_uuid: &cell.device.uuid,
        precision: id.precision.name(),
        executed_precision: cell.executed_precision.map(|precision| precision.name()),
        batch: id.batch,
        mode: id.mode.name(),
        threads: id.threads,
        outcome,
        reason,
        launches: cell.measured,
        preempted: cell.preempted,
        failed_launches: cell.failed,
        missing_launches: cell.missing,
        unsettled_launches: cell.unsettled,
        unconverged_launches: cell.unconverged,
        detections_per_image: cell.detections_per_image,
        harness_median_ns: cell.harness,
        decoder: run.host_stages.map(|host| host.decoder.name()),
        instructions: run.host_stages.map(|host| host.instructions.name()),
        ..Row::default()
    }
}

/// Outcome and reason as written to results; a measured cell's reason names its failed launches.
pub fn outcome(cell: &CellResult) -> (&'static str, String) {
    match &cell.state {
        State::Measured => ("measured", cell.failures.join("; ")),
        State::Skipped(reason) => ("skipped", reason.0.clone()),
        State::Failed(reason) => ("failed", reason.0.clone()),
    }
}
