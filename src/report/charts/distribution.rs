//! How the times of one cell's stages are distributed: a shape, a box and marks per stage, each
//! on an axis of its own, since on a common one the spread of every stage would be a hair's
//! breadth. How the stages compare is for the chart of stages to show.

use super::{
    Figure,
    axis::{Axis, Scale, time},
    canvas::{Canvas, Point, Problem, Style},
    frame::{Frame, LABEL, MARGIN, Mark, WIDTH},
    grid::{self, Plot},
    palette,
    stages::words,
};
use crate::{
    analysis::{CellResult, StageResult},
    stats::{self, Sorted},
    store::RunInfo,
    timing::{Sample, Span},
    unit::Nanos,
};
use plotters::prelude::DrawingBackend;

const ROW: f64 = 86.0;
/// Half the height of the highest shape.
const HALF: f64 = 23.0;
/// From the top of a row to the middle of its shape.
const MIDDLE: f64 = 32.0;
/// Numbers of places at which samples are counted, and how many there are per root of a sample.
const BINS: (f64, f64) = (20.0, 200.0);
const BINS_PER_ROOT: f64 = 4.0;
const LEFT: f64 = MARGIN + 120.0;
const RIGHT: f64 = WIDTH - MARGIN - 150.0;

/// See the file's head.
pub struct Distribution<'a> {
    cell: &'a CellResult,
    frame: Frame,
    rows: Vec<Row<'a>>,
}

struct Row<'a> {
    span: Span,
    result: &'a StageResult,
    sorted: Sorted,
    axis: Axis,
}

impl<'a> Distribution<'a> {
    /// The chart of a cell with all its samples; `None` if none is after the warm-up.
    pub fn new(run: &RunInfo, cell: &'a CellResult, samples: &[&Sample]) -> Option<Self> {
        let drawn = |span: &Span| *span != Span::Remainder;
        let row = |span| Row::new(span, cell.stages.get(&span)?, samples);
        let rows: Vec<Row> = Span::ALL.into_iter().filter(drawn).filter_map(row).collect();
        let frame = frame(run, cell, &rows);
        (!rows.is_empty()).then_some(Self { cell, frame, rows })
    }
}

impl<'a> Row<'a> {
    fn new(span: Span, result: &'a StageResult, samples: &[&Sample]) -> Option<Self> {
        let times = samples.iter().filter(|s| !s.flags.warmup).filter_map(|s| s.span(span));
        let sorted = Sorted::new(times.collect())?;
        let axis = Axis::new(Scale::Linear, range(&sorted, &sorted), (LEFT, RIGHT));
        Some(Self { span, result, sorted, axis })
    }

    fn at(&self, time: Nanos) -> f64 {
        self.axis.at(time.0 as f64)
    }

    /// Whether the longest times are off the axis.
    fn clipped(&self) -> bool {
        self.sorted.max().0 as f64 > self.axis.high()
    }

    fn draw<B: DrawingBackend>(&self, on: &Canvas<B>, top: f64) -> Result<(), Problem> {
        let bottom = top + MIDDLE + HALF + 5.0;
        let plot = Plot { left: LEFT, top: top + 4.0, right: RIGHT, bottom };
        grid::upright(on, &plot, &self.axis, time)?;
        let (y, colour) = (top + MIDDLE, palette::span(self.span));
        on.polygon(&self.shape(y), palette::faint(colour, 0.5))?;
        self.whiskers(on, y)?;
        let (low, high) =
            (self.at(self.sorted.quantile(0.25)), self.at(self.sorted.quantile(0.75)));
        on.rectangle((low - 0.5, y - 6.0), (high + 0.5, y + 6.0), palette::INK.into())?;
        on.rectangle((low + 0.5, y - 5.0), (high - 0.5, y + 5.0), colour.into())?;
        let median = self.at(self.result.median);
        on.rule((median, y - 10.0), (median, y + 10.0), 2.0, palette::INK)?;
        if let Some(p99) = self.result.p99 {
            Mark::Diamond(palette::INK).draw(on, (self.at(p99), y))?;
        }
        self.labels(on, y)
    }

    fn whiskers<B: DrawingBackend>(&self, on: &Canvas<B>, y: f64) -> Result<(), Problem> {
        let (min, max) = (self.at(self.sorted.min()), self.at(self.sorted.max()));
        on.rule((min, y), (max, y), 1.0, palette::INK)?;
        on.rule((min, y - 4.0), (min, y + 4.0), 1.0, palette::INK)?;
        if self.clipped() {
            let tip = [(max + 7.0, y), (max, y - 4.0), (max, y + 4.0)];
            return on.polygon(&tip, palette::INK.into());
        }
        on.rule((max, y - 4.0), (max, y + 4.0), 1.0, palette::INK)
    }

    fn labels<B: DrawingBackend>(&self, on: &Canvas<B>, y: f64) -> Result<(), Problem> {
        let style = Style::left(LABEL, palette::INK);
        on.text(&words(self.span), (LEFT - 14.0, y), style.right())?;
        let p99 = self.result.p99.map_or("–".to_owned(), |p99| p99.to_string());
        on.text(&format!("median {}", self.result.median), (RIGHT + 20.0, y - 17.0), style)?;
        let style = Style::left(LABEL, palette::PALE);
        on.text(&format!("p99 {p99}"), (RIGHT + 20.0, y), style)?;
        on.text(&format!("longest {}", self.sorted.max()), (RIGHT + 20.0, y + 17.0), style)
    }

    /// How many samples lie at each place, mirrored at `y`; the highest place fills the row.
    /// What is off the axis has no place.
    fn shape(&self, y: f64) -> Vec<Point> {
        let bins = ((self.sorted.len() as f64).sqrt() * BINS_PER_ROOT).clamp(BINS.0, BINS.1);
        let bins = bins as usize;
        let step = (RIGHT - LEFT) / bins as f64;
        let bin = |time: Nanos| (((self.at(time) - LEFT) / step) as usize).min(bins - 1);
        let mut counts = vec![0usize; bins];
        let times = (1..=self.sorted.len()).map(|rank| self.sorted.rank(rank));
        for time in times.filter(|time| time.0 as f64 <= self.axis.high()) {
            counts[bin(time)] += 1;
        }
        let most = counts.iter().max().copied().unwrap_or(0).max(1) as f64;
        let mut upper = Vec::new();
        let (first, last) = (bin(self.sorted.min()), bin(self.sorted.max()));
        for (index, &count) in counts.iter().enumerate().take(last + 1).skip(first) {
            let height = HALF * count as f64 / most;
            let x = LEFT + step * index as f64;
            upper.extend([(x, y - height), (x + step, y - height)]);
        }
        let lower: Vec<Point> = upper.iter().rev().map(|&(x, up)| (x, 2.0 * y - up)).collect();
        upper.extend(lower);
        upper
    }
}

impl Figure for Distribution<'_> {
    fn name(&self) -> String {
        format!("distribution-{}", self.cell.hash)
    }

    fn frame(&self) -> &Frame {
        &self.frame
    }

    fn inner(&self) -> f64 {
        ROW * self.rows.len() as f64 + 6.0
    }

    fn draw<B: DrawingBackend>(&self, on: &Canvas<B>, top: f64) -> Result<(), Problem> {
        let mut rows = self.rows.iter().enumerate();
        rows.try_for_each(|(index, row)| row.draw(on, top + ROW * index as f64))
    }
}

/// Times, in nanoseconds, between which an axis for `all` reaches: all but the few that would
/// flatten the rest, as judged by those of the `steady` state.
pub fn range(all: &Sorted, steady: &Sorted) -> (f64, f64) {
    let quantile = |q| steady.quantile(q).0 as f64;
    let fence = quantile(0.99).max(quantile(0.75) + 3.0 * (quantile(0.75) - quantile(0.25)));
    let (low, max) = (all.min().0 as f64, all.max().0 as f64);
    let high = if max <= low + 1.5 * (fence - low) { max } else { fence };
    // Not so narrow that labels of neighbouring steps would be the same.
    let spread = (high - low).max(low * 0.01).max(1.0);
    ((low - 0.05 * spread).max(0.0), low + 1.05 * spread)
}

fn frame(run: &RunInfo, cell: &CellResult, rows: &[Row]) -> Frame {
    let samples = rows.iter().map(|row| row.sorted.len()).max().unwrap_or(0);
    let subtitle = format!(
        "How long the stages take · {samples} iterations after the warm-up, {} · on {}",
        launches(cell),
        cell.device
    );
    let mut frame = Frame::new(run, &cell.cell.to_string(), &subtitle);
    frame.mark(Mark::Area(palette::ASIDE), "shape: how often a time was measured");
    frame.mark(Mark::Box(palette::ASIDE), "the middle half");
    frame.mark(Mark::Bar(palette::INK), "median");
    if rows.iter().any(|row| row.result.p99.is_some()) {
        frame.mark(Mark::Diamond(palette::INK), "99th percentile");
    } else {
        let least = stats::tail_minimum(0.99);
        frame.note(&format!("A 99th percentile is given from {least} iterations on."));
    }
    frame.note(
        "Each stage has an axis and a height of its own. Lines reach from shortest to longest.",
    );
    if rows.iter().any(Row::clipped) {
        frame.note("An arrow at the right edge stands for times beyond it, up to the longest.");
    }
    frame
}

/// How many launches a cell's numbers come from, in words.
pub fn launches(cell: &CellResult) -> String {
    match cell.measured {
        1 => "one launch".to_owned(),
        n => format!("{n} launches"),
    }
}
