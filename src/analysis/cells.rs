//! The launches of a run, drawn together per cell.

use super::layers::{self, CellLayers};
use crate::{
    device::{Device, telemetry},
    engine::{Built, Placement, Runtime},
    runner::Reason,
    scenario::{CellId, Precision},
    stats::{self, Sorted},
    store::{Launch, MeasuredRecord, PlannedCell, RecordOutcome, Run},
    timing::{Sample, Span},
    unit::Nanos,
};
use std::collections::{BTreeMap, BTreeSet};

/// One cell of a run.
#[derive(Clone, Debug)]
pub struct CellResult {
    /// Id.
    pub cell: CellId,
    /// What it ran on.
    pub device: Device,
    /// Start of its file names.
    pub hash: String,
    /// What came of it.
    pub state: State,
    /// What was known about its card and libraries before the run, and of its engines after it.
    pub notes: Vec<String>,
    /// Launches that have numbers.
    pub measured: usize,
    /// Launches that failed.
    pub failed: usize,
    /// Launches that are not there, because the run was interrupted.
    pub missing: usize,
    /// Reasons of the failed launches, each once.
    pub failures: Vec<String>,
    /// What was measured; empty without numbers. Stages that do not exist are not in it.
    pub stages: BTreeMap<Span, StageResult>,
    /// What computed; a run's launches of a cell have one.
    pub runtime: Option<Runtime>,
    /// Precision that the engine computed in.
    pub executed_precision: Option<Precision>,
    /// Median CPU time per iteration.
    pub cpu_median: Option<Nanos>,
    /// Iterations after the warm-up that were preempted.
    pub preempted: Option<usize>,
    /// Iterations after the warm-up in which the card was held back; none where it was not watched.
    pub throttled: Option<usize>,
    /// How the card was doing, launch by launch.
    pub telemetry: Vec<telemetry::Summary>,
    /// Where the model's nodes ran, if that was found out.
    pub placement: Option<Placement>,
    /// What was built for it, by engines that build something.
    pub build: Option<Built>,
    /// Its layers, or why they are not known, if they were asked for.
    pub layers: Option<Result<CellLayers, Reason>>,
    /// Detections per image.
    pub detections_per_image: Option<f64>,
    /// Median time per iteration that the harness spent outside the timed region.
    pub harness: Option<Nanos>,
    /// Launches that had not settled when they were stopped.
    pub unsettled: usize,
    /// Launches that a bound stopped before the interval was narrow enough.
    pub unconverged: usize,
}

/// What came of a cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It has numbers, from at least one launch.
    Measured,
    /// It cannot run there.
    Skipped(Reason),
    /// It should have run; no launch has numbers.
    Failed(Reason),
}

/// One stage of a cell over all its launches.
#[derive(Clone, Debug, PartialEq)]
pub struct StageResult {
    /// Median of every launch that has numbers.
    pub launch_medians: Vec<Nanos>,
    /// With one launch its iterations after the warm-up, in order; else empty.
    pub only_series: Vec<Nanos>,
    /// Iterations behind it, warm-up left out.
    pub samples: usize,
    /// Geometric mean of the launch medians; with one launch its median.
    pub median: Nanos,
    /// Confidence interval of the median: between launches; with one launch within it, and none
    /// where that has too few samples for one.
    pub ci: Option<(Nanos, Nanos)>,
    /// The same median over the iterations that were neither preempted nor throttled.
    pub undisturbed_median: Option<Nanos>,
    /// Standard deviation of the logarithms of the launch medians; none with one launch.
    pub launch_spread: Option<f64>,
    /// Mean of all iterations.
    pub mean: Nanos,
    /// Median absolute deviation of all iterations.
    pub mad: Nanos,
    /// Shortest iteration.
    pub min: Nanos,
    /// Percentiles of all iterations, nearest rank; none where there are too few.
    pub p90: Option<Nanos>,
    /// See `p90`.
    pub p95: Option<Nanos>,
    /// See `p90`.
    pub p99: Option<Nanos>,
    /// Longest iteration.
    pub max: Nanos,
}

impl CellResult {
    /// Median over the launches of a figure that their telemetry has.
    pub fn telemetry_median(&self, pick: fn(&telemetry::Summary) -> Option<f64>) -> Option<f64> {
        let mut values: Vec<f64> = self.telemetry.iter().filter_map(pick).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied()
    }
}

impl StageResult {
    /// The interval as far as there is one: without, both ends are the median.
    pub fn bounds(&self) -> (Nanos, Nanos) {
        self.ci.unwrap_or((self.median, self.median))
    }
}

/// Draws a run's launches together, in plan order. Every planned cell is there.
pub fn cells(run: &Run) -> Vec<CellResult> {
    run.info.cells.iter().map(|planned| cell(run, planned)).collect()
}

fn cell(run: &Run, planned: &PlannedCell) -> CellResult {
    let mine: Vec<&Launch> =
        run.launches.iter().filter(|launch| launch.hash == planned.hash).collect();
    let measured: Vec<(&Launch, &MeasuredRecord)> =
        mine.iter().filter_map(|launch| Some((*launch, numbers(launch)?))).collect();
    let failures = failures(&mine);
    let level = run.info.measure.confidence;
    CellResult {
        cell: planned.cell.id.clone(),
        device: planned.cell.device.clone(),
        hash: planned.hash.clone(),
        state: state(planned, &measured, &failures),
        notes: planned.notes.iter().cloned().chain(several_engines(&measured)).collect(),
        measured: measured.len(),
        failed: mine
            .iter()
            .filter(|launch| matches!(launch.record.outcome, RecordOutcome::Failed(_)))
            .count(),
        missing: missing(run, planned, &mine),
        failures,
        stages: stages(&measured, level),
        runtime: measured.first().map(|(_, m)| m.facts.runtime.clone()),
        executed_precision: measured.first().and_then(|(_, m)| m.facts.executed_precision),
        cpu_median: Sorted::new(steady(&measured).map(|s| s.cpu).collect()).map(|s| s.median()),
        preempted: known_preempted(&measured),
        throttled: known_throttled(&measured),
        telemetry: measured.iter().filter_map(|(_, m)| m.facts.telemetry.clone()).collect(),
        placement: measured.iter().find_map(|(_, m)| m.facts.placement.clone()),
        build: measured.iter().find_map(|(_, m)| m.facts.build.clone()),
        layers: layers::layers(&mine, run.info.measure.layers && !measured.is_empty()),
        detections_per_image: mean(measured.iter().map(|(_, m)| m.facts.detections_per_image)),
        harness: Sorted::new(measured.iter().map(|(_, m)| m.facts.harness).collect())
            .map(|s| s.median()),
        unsettled: measured.iter().filter(|(_, m)| !m.facts.settled).count(),
        unconverged: measured
            .iter()
            .filter(|(_, m)| m.facts.stop != stats::Stop::Converged)
            .count(),
    }
}

/// A doubt about launches that did not run the same engine: a builder times kernels and may choose others
/// each time.
fn several_engines(measured: &[(&Launch, &MeasuredRecord)]) -> Option<String> {
    let engines = measured.iter().filter_map(|(_, m)| m.facts.build.as_ref());
    let distinct: BTreeSet<&str> = engines.map(|built| built.sha256.as_str()).collect();
    (distinct.len() > 1).then(|| {
        format!(
            "its launches ran {} engines, built anew in between: they may not have the same kernels",
            distinct.len()
        )
    })
}

fn numbers(launch: &Launch) -> Option<&MeasuredRecord> {
    match &launch.record.outcome {
        RecordOutcome::Measured(measured) => Some(measured),
        _ => None,
    }
}

fn failures(mine: &[&Launch]) -> Vec<String> {
    let mut reasons: Vec<String> = Vec::new();
    for launch in mine {
        if let RecordOutcome::Failed(failure) = &launch.record.outcome {
            let stage = failure.last_stage.map(|stage| format!(" in stage {stage}"));
            let reason = format!("{}{}", failure.reason, stage.unwrap_or_default());
            if !reasons.contains(&reason) {
                reasons.push(reason);
            }
        }
    }
    reasons
}

fn state(
    planned: &PlannedCell,
    measured: &[(&Launch, &MeasuredRecord)],
    failures: &[String],
) -> State {
    match (measured, failures, planned.skipped.as_ref()) {
        ([_, ..], _, _) => State::Measured,
        (_, _, Some(reason)) => State::Skipped(reason.clone()),
        (_, [_, ..], _) => State::Failed(Reason(failures.join("; "))),
        _ => State::Failed(Reason(
            "not measured yet: the run was interrupted; finish it with --resume".to_owned(),
        )),
    }
}

fn missing(run: &Run, planned: &PlannedCell, mine: &[&Launch]) -> usize {
    match planned.skipped {
        Some(_) => 0,
        None => (run.info.measure.launches as usize).saturating_sub(mine.len()),
    }
}

/// All iterations after the warm-up, launch by launch.
fn steady<'a>(
    measured: &'a [(&'a Launch, &'a MeasuredRecord)],
) -> impl Iterator<Item = &'a Sample> {
    measured
        .iter()
        .flat_map(|(launch, _)| launch.samples.iter())
        .filter(|sample| !sample.flags.warmup)
}

fn known_preempted(measured: &[(&Launch, &MeasuredRecord)]) -> Option<usize> {
    let known = !measured.is_empty() && measured.iter().all(|(_, m)| m.facts.knows_wait);
    known.then(|| measured.iter().map(|(_, m)| m.preempted).sum())
}

fn known_throttled(measured: &[(&Launch, &MeasuredRecord)]) -> Option<usize> {
    let known =
        |m: &MeasuredRecord| m.facts.telemetry.as_ref().is_some_and(|t| t.throttle.is_some());
    let all = !measured.is_empty() && measured.iter().all(|(_, m)| known(m));
    all.then(|| measured.iter().map(|(_, m)| m.throttled).sum())
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let values: Vec<f64> = values.collect();
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

fn stages(measured: &[(&Launch, &MeasuredRecord)], level: f64) -> BTreeMap<Span, StageResult> {
    Span::ALL.into_iter().filter_map(|span| Some((span, stage(measured, span, level)?))).collect()
}

fn stage(measured: &[(&Launch, &MeasuredRecord)], span: Span, level: f64) -> Option<StageResult> {
    let summaries: Vec<_> = measured.iter().filter_map(|(_, m)| m.stages.get(&span)).collect();
    let launch_medians: Vec<Nanos> = summaries.iter().map(|s| s.median).collect();
    let series: Vec<Nanos> = steady(measured).filter_map(|sample| sample.span(span)).collect();
    let only_series = if launch_medians.len() == 1 { series.clone() } else { Vec::new() };
    let all = Sorted::new(series)?;
    let first = summaries.first()?;
    let (median, ci, launch_spread) = match stats::across_launches(&launch_medians, level) {
        Some(across) => (across.median, Some((across.low, across.high)), Some(across.spread)),
        None => {
            let enough = first.samples >= stats::fewest_for_interval(level);
            (first.median, enough.then_some((first.ci_low, first.ci_high)), None)
        }
    };
    let undisturbed: Vec<Nanos> =
        measured.iter().filter_map(|(launch, _)| undisturbed_median(launch, span)).collect();
    let undisturbed_median = stats::across_launches(&undisturbed, level)
        .map(|across| across.median)
        .or(undisturbed.first().copied());
    let tail = |q| (all.len() >= stats::tail_minimum(q)).then(|| all.quantile(q));
    Some(StageResult {
        only_series,
        samples: all.len(),
        median,
        ci,
        undisturbed_median,
        launch_spread,
        mean: all.mean(),
        mad: all.mad(),
        min: all.min(),
        p90: tail(0.90),
        p95: tail(0.95),
        p99: tail(0.99),
        max: all.max(),
        launch_medians,
    })
}

fn undisturbed_median(launch: &Launch, span: Span) -> Option<Nanos> {
    let calm = launch.samples.iter().filter(|sample| {
        !(sample.flags.warmup || sample.flags.preempted || sample.flags.throttled)
    });
    Sorted::new(calm.filter_map(|sample| sample.span(span)).collect()).map(|all| all.median())
}
