//! Results as JSON, for programs. The names are those of the CSV's columns.

use super::{
    csv::{flops_per_second, macs, outcome},
    layers,
};
use crate::{
    analysis::{CellResult, Comparison, StageResult},
    store::{RunInfo, SCHEMA},
    timing::Span,
};
use serde_json::{Map, Value, json};

/// One run.
pub fn run(info: &RunInfo, cells: &[CellResult]) -> Value {
    json!({
        "schema": SCHEMA,
        "run": info.run,
        "created": info.created,
        "trtbench": info.trtbench,
        "host": info.host,
        "host_stages": info.host_stages,
        "runtimes": info.runtimes,
        "models": info.models,
        "cells": cells.iter().map(|found| cell(info, found)).collect::<Vec<_>>(),
    })
}

/// A comparison.
pub fn comparison(base: &RunInfo, new: &RunInfo, comparison: &Comparison) -> Value {
    json!({
        "schema": SCHEMA,
        "base": base.run,
        "new": new.run,
        "differences": comparison.differences,
        "rows": comparison.deltas,
    })
}

fn cell(info: &RunInfo, cell: &CellResult) -> Value {
    let (outcome, reason) = outcome(cell);
    let stages: Map<String, Value> =
        cell.stages.iter().map(|(span, result)| (span.name().to_owned(), stage(result))).collect();
    json!({
        "cell": cell.cell.to_string(),
        "id": cell.cell,
        "device": cell.device,
        "outcome": outcome,
        "reason": reason,
        "notes": cell.notes,
        "runtime": cell.runtime,
        "executed_precision": cell.executed_precision,
        "launches": cell.measured,
        "failed_launches": cell.failed,
        "missing_launches": cell.missing,
        "unsettled_launches": cell.unsettled,
        "unconverged_launches": cell.unconverged,
        "cpu_median_ns": cell.cpu_median,
        "preempted": cell.preempted,
        "throttled": cell.throttled,
        "telemetry": cell.telemetry,
        "placement": cell.placement,
        "build": cell.build,
        "macs": macs(info, cell),
        "flops_per_second": cell
            .stages
            .get(&Span::Inference)
            .and_then(|stage| flops_per_second(info, cell, stage.median)),
        "layers": layers::json(cell),
        "detections_per_image": cell.detections_per_image,
        "harness_median_ns": cell.harness,
        "stages": stages,
    })
}

fn stage(result: &StageResult) -> Value {
    json!({
        "samples": result.samples,
        "median_ns": result.median,
        "ci_low_ns": result.ci.map(|ci| ci.0),
        "ci_high_ns": result.ci.map(|ci| ci.1),
        "mean_ns": result.mean,
        "mad_ns": result.mad,
        "min_ns": result.min,
        "p90_ns": result.p90,
        "p95_ns": result.p95,
        "p99_ns": result.p99,
        "max_ns": result.max,
        "undisturbed_median_ns": result.undisturbed_median,
        "launch_spread": result.launch_spread,
        "launch_medians_ns": result.launch_medians,
    })
}
