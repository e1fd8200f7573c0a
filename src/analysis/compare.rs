//! Two runs side by side: ratio of launch medians with its interval, and a verdict by one rule.
//! docs/METHODOLOGY.md, "Comparing", states the rule.

use super::{
    cells::{CellResult, StageResult, cells},
    differences::{device_changes, differences, doubts},
};
use crate::{
    stats::{self, RatioInterval},
    store::Run,
    timing::Span,
    unit::Nanos,
};
use serde::Serialize;

/// Changes smaller than this never count, however certain they are.
pub const FLOOR: f64 = 0.01;

/// Share of false findings that is accepted among the cells of one comparison.
const FALSE_DISCOVERY: f64 = 0.05;

/// What happened to a cell from one run to the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Less time, beyond floor and noise.
    Faster,
    /// More time, beyond floor and noise.
    Slower,
    /// The whole interval of the ratio lies within the floor.
    Same,
    /// The data do not decide.
    Ambiguous,
    /// No numbers on one side.
    Missing,
}

/// One side of a comparison.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Side {
    /// Device.
    pub device: String,
    /// Launches with numbers.
    pub launches: usize,
    /// Geometric mean of the launch medians.
    pub median_ns: Nanos,
}

/// One stage of one cell in both runs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Delta {
    /// Cell.
    pub cell: String,
    /// What was timed.
    pub stage: Span,
    /// The earlier run.
    pub base: Option<Side>,
    /// The later run.
    pub new: Option<Side>,
    /// New over base with its interval; below 1 is faster.
    pub ratio: Option<RatioInterval>,
    /// The interval is that of the samples of a single launch, not of launches: no verdict.
    pub within_one_launch: bool,
    /// Share of false findings at which this one would still be reported (Benjamini–Hochberg).
    pub q: Option<f64>,
    /// Exact p of Mann–Whitney on the launch medians, a check that assumes no distribution; none
    /// where there are too few launches for it to tell anything.
    pub mann_whitney_p: Option<f64>,
    /// Verdict.
    pub verdict: Verdict,
}

/// All cells of two runs.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// Rows by cell, in the order of the base run, then what is only in the new one.
    pub deltas: Vec<Delta>,
    /// What differs between the runs besides the numbers.
    pub differences: Vec<String>,
}

/// Joins two runs on the cell's id and judges every stage of every pair.
pub fn compare(base: &Run, new: &Run) -> Comparison {
    // The stricter of the two, so that it does not matter which run is the base.
    let level = base.info.measure.confidence.max(new.info.measure.confidence);
    let (olds, news) = (cells(base), cells(new));
    let mut deltas: Vec<Delta> =
        pairs(&olds, &news).into_iter().flat_map(|(old, new)| rows(old, new, level)).collect();
    judge(&mut deltas);
    let pairs = pairs(&olds, &news);
    let mut differences = differences(base, new, &pairs);
    differences.extend(device_changes(&pairs));
    if !pairs.iter().any(|(old, new)| old.is_some() && new.is_some()) {
        differences.push(
            "no cell is in both runs: cells join by model name, family, engine, precision, batch, \
             mode and threads"
                .to_owned(),
        );
    }
    differences.extend(pairs.into_iter().flat_map(|(old, new)| doubts(old, new)));
    Comparison { deltas, differences }
}

pub(super) type Pair<'a> = (Option<&'a CellResult>, Option<&'a CellResult>);

/// A full outer join: the same cell on the same device first, then, where a cell has one device
/// on each side, across devices.
fn pairs<'a>(olds: &'a [CellResult], news: &'a [CellResult]) -> Vec<Pair<'a>> {
    let mut used = vec![false; news.len()];
    let mut pairs: Vec<Pair<'a>> = Vec::new();
    for old in olds {
        let partner = partner(old, olds, news);
        if let Some(index) = partner {
            used[index] = true;
        }
        pairs.push((Some(old), partner.map(|index| &news[index])));
    }
    pairs.extend(news.iter().zip(used).filter(|(_, used)| !used).map(|(new, _)| (None, Some(new))));
    pairs
}

fn partner(old: &CellResult, olds: &[CellResult], news: &[CellResult]) -> Option<usize> {
    let count = |cells: &[CellResult]| cells.iter().filter(|c| c.cell == old.cell).count();
    let exact =
        news.iter().position(|new| new.cell == old.cell && new.device.uuid == old.device.uuid);
    let alone = count(olds) == 1 && count(news) == 1;
    exact.or_else(|| news.iter().position(|new| alone && new.cell == old.cell))
}

fn rows(old: Option<&CellResult>, new: Option<&CellResult>, level: f64) -> Vec<Delta> {
    let Some(cell) = old.or(new).map(|side| side.cell.to_string()) else { return Vec::new() };
    let has = |span| {
        let stage = |side: Option<&CellResult>| side.is_some_and(|c| c.stages.contains_key(&span));
        stage(old) || stage(new)
    };
    let mut spans: Vec<Span> = Span::ALL.into_iter().filter(|&span| has(span)).collect();
    if spans.is_empty() {
        spans.push(Span::EndToEnd);
    }
    spans.into_iter().map(|span| row(&cell, old, new, span, level)).collect()
}

fn row(
    cell: &str,
    old: Option<&CellResult>,
    new: Option<&CellResult>,
    span: Span,
    level: f64,
) -> Delta {
    let stage = |side: Option<&'_ CellResult>| side.and_then(|c| c.stages.get(&span).cloned());
    let (before, after) = (stage(old), stage(new));
    let within_one_launch = [&before, &after]
        .iter()
        .all(|side| side.as_ref().is_some_and(|s| s.launch_medians.len() == 1));
    let ratio = match (&before, &after) {
        (Some(before), Some(after)) if within_one_launch => {
            stats::block_bootstrap_ratio(&before.only_series, &after.only_series, level, SEED)
        }
        (Some(before), Some(after)) => {
            stats::launch_ratio(&before.launch_medians, &after.launch_medians, level)
        }
        _ => None,
    };
    Delta {
        cell: cell.to_owned(),
        stage: span,
        base: side(old, before.as_ref()),
        new: side(new, after.as_ref()),
        ratio,
        within_one_launch,
        q: None,
        mann_whitney_p: match (&before, &after) {
            (Some(before), Some(after)) => {
                let (old, new) = (&before.launch_medians, &after.launch_medians);
                stats::mann_whitney(old, new, FALSE_DISCOVERY)
            }
            _ => None,
        },
        verdict: Verdict::Missing,
    }
}

/// The bootstrap draws the same numbers each time, so that a comparison can be repeated.
const SEED: u64 = 1;

fn side(cell: Option<&CellResult>, stage: Option<&StageResult>) -> Option<Side> {
    let (cell, stage) = (cell?, stage?);
    Some(Side {
        device: cell.device.name.clone(),
        launches: stage.launch_medians.len(),
        median_ns: stage.median,
    })
}

/// Judges all rows together: with many cells some look different by chance alone. What the
/// stages leave unexplained is shown, not judged.
fn judge(deltas: &mut [Delta]) {
    let tested: Vec<usize> = (0..deltas.len())
        .filter(|&i| deltas[i].ratio.is_some() && !deltas[i].within_one_launch)
        .filter(|&i| deltas[i].stage != Span::Remainder)
        .collect();
    let p: Vec<f64> =
        tested.iter().filter_map(|&i| deltas[i].ratio.as_ref().map(|ratio| ratio.p)).collect();
    for (&i, q) in tested.iter().zip(stats::benjamini_hochberg(&p)) {
        deltas[i].q = Some(q);
    }
    for delta in deltas {
        delta.verdict = verdict(delta);
    }
}

fn verdict(delta: &Delta) -> Verdict {
    if delta.base.is_none() || delta.new.is_none() {
        return Verdict::Missing;
    }
    let (Some(ratio), Some(q)) = (&delta.ratio, delta.q) else { return Verdict::Ambiguous };
    let (low, high) = (ratio.low.0, ratio.high.0);
    let certain = q <= FALSE_DISCOVERY && (ratio.ratio.0 - 1.0).abs() >= FLOOR;
    if low >= 1.0 - FLOOR && high <= 1.0 + FLOOR {
        Verdict::Same
    } else if certain && high < 1.0 {
        Verdict::Faster
    } else if certain && low > 1.0 {
        Verdict::Slower
    } else {
        Verdict::Ambiguous
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::unit::Ratio;

    fn delta(ratio: [f64; 3], p: f64) -> Delta {
        let side = Side { device: "cpu".into(), launches: 5, median_ns: Nanos(1000) };
        let [ratio, low, high] = ratio.map(Ratio);
        Delta {
            cell: "cell".into(),
            stage: Span::Inference,
            base: Some(side.clone()),
            new: Some(side),
            ratio: Some(RatioInterval { ratio, low, high, p, noise: 0.01 }),
            within_one_launch: false,
            q: None,
            mann_whitney_p: None,
            verdict: Verdict::Missing,
        }
    }

    fn judged(ratio: [f64; 3], p: f64) -> Verdict {
        let mut deltas = [delta(ratio, p)];
        judge(&mut deltas);
        deltas[0].verdict
    }

    #[test]
    fn each_row_of_the_verdict_table_holds() {
        assert_eq!(judged([0.90, 0.88, 0.92], 0.001), Verdict::Faster);
        assert_eq!(judged([1.10, 1.08, 1.12], 0.001), Verdict::Slower);
        assert_eq!(judged([1.00, 0.995, 1.005], 0.9), Verdict::Same);
        // Excludes 1, but lies within the floor.
        assert_eq!(judged([1.005, 1.001, 1.009], 0.01), Verdict::Same);
        // Excludes 1 and reaches beyond the floor, but the change itself is below it.
        assert_eq!(judged([1.008, 1.001, 1.015], 0.03), Verdict::Ambiguous);
        // Holds 1 and changes above the floor.
        assert_eq!(judged([1.02, 0.98, 1.06], 0.3), Verdict::Ambiguous);
    }

    #[test]
    fn without_numbers_on_a_side_it_is_missing_and_without_launches_undecided() {
        let mut deltas = [delta([1.1, 1.08, 1.12], 0.001), delta([1.1, 1.08, 1.12], 0.001)];
        deltas[0].new = None;
        deltas[1].within_one_launch = true;
        judge(&mut deltas);
        assert_eq!(deltas[0].verdict, Verdict::Missing);
        assert_eq!((deltas[1].verdict, deltas[1].q), (Verdict::Ambiguous, None));
    }

    #[test]
    fn among_many_cells_a_chance_finding_is_not_reported() {
        let mut deltas: Vec<Delta> = (0..40).map(|_| delta([1.0, 0.97, 1.03], 0.8)).collect();
        deltas[7] = delta([1.03, 1.001, 1.06], 0.04);
        judge(&mut deltas);
        assert_eq!(deltas[7].verdict, Verdict::Ambiguous);
        assert!(deltas[7].q.unwrap() > FALSE_DISCOVERY);
        assert_eq!(judged([1.03, 1.001, 1.06], 0.04), Verdict::Slower);
    }

    #[test]
    fn the_remainder_is_shown_but_not_judged() {
        let mut deltas = [delta([1.5, 1.4, 1.6], 0.0001)];
        deltas[0].stage = Span::Remainder;
        judge(&mut deltas);
        assert_eq!((deltas[0].verdict, deltas[0].q), (Verdict::Ambiguous, None));
    }
}
