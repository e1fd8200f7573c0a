//! `results.csv`: one row per cell × device × stage. docs/RESULTS.md explains each column.

use crate::{
    analysis::{CellResult, StageResult, State},
    cuda::nvml::ThrottleReasons,
    engine::Placement,
    store::RunInfo,
    timing::Span,
    unit::{Bytes, Macs, Nanos},
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
    sm_clock_mhz: Option<f64>,
    power_mw: Option<f64>,
    temperature_max_c: Option<u32>,
    throttle_reasons: Option<String>,
    energy_per_image_mj: Option<f64>,
    placement: Option<String>,
    build_ns: Option<Nanos>,
    engine_bytes: Option<Bytes>,
    build_kept: Option<bool>,
    build_warm: Option<bool>,
    runtime: Option<&'a str>,
    runtime_library: Option<&'a str>,
    macs: Option<Macs>,
    flops_per_second: Option<f64>,
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
        flops_per_second: stage
            .filter(|_| span == Span::Inference)
            .and_then(|stage| flops_per_second(run, cell, stage.median)),
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
        throttled: cell.throttled,
        failed_launches: cell.failed,
        missing_launches: cell.missing,
        unsettled_launches: cell.unsettled,
        unconverged_launches: cell.unconverged,
        detections_per_image: cell.detections_per_image,
        harness_median_ns: cell.harness,
        decoder: run.host_stages.map(|host| host.decoder.name()),
        instructions: run.host_stages.map(|host| host.instructions.name()),
        sm_clock_mhz: cell.telemetry_median(|told| told.sm_clock_mhz.map(f64::from)),
        power_mw: cell.telemetry_median(|told| told.power_mw.map(f64::from)),
        temperature_max_c: cell.telemetry.iter().filter_map(|told| told.temperature_max_c).max(),
        throttle_reasons: throttle_reasons(cell).map(|reasons| reasons.to_string()),
        energy_per_image_mj: cell.telemetry_median(|told| told.energy_per_image_mj),
        placement: cell.placement.as_ref().map(placement),
        build_ns: cell.build.as_ref().and_then(|built| built.took),
        engine_bytes: cell.build.as_ref().map(|built| built.bytes),
        build_kept: cell.build.as_ref().map(|built| built.kept),
        build_warm: cell.build.as_ref().map(|built| built.warm),
        runtime: cell.runtime.as_ref().map(|runtime| runtime.version.as_str()),
        runtime_library: cell.runtime.as_ref().and_then(|runtime| runtime.library.as_deref()),
        macs: macs(run, cell),
        ..Row::default()
    }
}

/// MACs of one inference of a cell, a whole batch, where its graph tells.
pub fn macs(run: &RunInfo, cell: &CellResult) -> Option<Macs> {
    let model = run.models.iter().find(|model| model.name == cell.cell.model)?;
    model.network.as_ref()?.macs_of_batch(cell.cell.batch)
}

/// Floating-point operations in a second of inference, two for each MAC.
pub fn flops_per_second(run: &RunInfo, cell: &CellResult, inference: Nanos) -> Option<f64> {
    let flops = macs(run, cell)?.flops().0 as f64;
    (inference > Nanos::ZERO).then(|| flops / inference.seconds())
}

/// All reasons for which the card's clock was not higher, in any launch.
pub fn throttle_reasons(cell: &CellResult) -> Option<ThrottleReasons> {
    let reasons = cell.telemetry.iter().filter_map(|told| told.throttle);
    reasons.reduce(|all, more| ThrottleReasons(all.0 | more.0))
}

/// Where the model's nodes ran, the most first, as in `CUDAExecutionProvider 200, …`.
pub fn placement(placement: &Placement) -> String {
    if let Some(problem) = &placement.problem {
        return format!("unknown: {problem}");
    }
    let mut parts: Vec<_> = placement.nodes.iter().collect();
    parts.sort_by_key(|(_, nodes)| std::cmp::Reverse(**nodes));
    let words: Vec<String> = parts.iter().map(|(name, nodes)| format!("{name} {nodes}")).collect();
    words.join(", ")
}

/// Outcome and reason as written to results; a measured cell's reason names its failed launches.
pub fn outcome(cell: &CellResult) -> (&'static str, String) {
    match &cell.state {
        State::Measured => ("measured", cell.failures.join("; ")),
        State::Skipped(reason) => ("skipped", reason.0.clone()),
        State::Failed(reason) => ("failed", reason.0.clone()),
    }
}
