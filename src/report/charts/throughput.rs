//! Images per second by batch size: one line per combination of everything else.

use super::{
    Figure,
    axis::{Axis, Scale, number},
    canvas::{Canvas, Point, Problem, Style},
    frame::{Frame, LABEL, MARGIN, Mark, WIDTH},
    grid::{self, Plot},
    palette,
};
use crate::{
    analysis::CellResult, device::Device, report::table::images_per_second, scenario::CellId,
    store::RunInfo, timing::Span, unit::Share,
};
use plotters::prelude::DrawingBackend;
use std::collections::BTreeSet;

const HEIGHT: f64 = 380.0;
const BELOW: f64 = 44.0;
/// Most lines that can be told apart: colours times shapes.
const MOST: usize = 4 * palette::count();

/// See the file's head.
pub struct Throughput {
    frame: Frame,
    series: Vec<Series>,
    batches: Vec<u32>,
    axis: Axis,
    left: f64,
}

struct Series {
    name: String,
    points: Vec<Rate>,
}

/// Images per second, with the ends of the interval.
struct Rate {
    batch: u32,
    median: f64,
    low: f64,
    high: f64,
    /// Whether there were samples enough for an interval.
    certain: bool,
}

impl Throughput {
    /// The chart; `None` unless something was measured with several batch sizes.
    pub fn new(run: &RunInfo, cells: &[&CellResult]) -> Option<Self> {
        let mut series = series(cells);
        if series.iter().all(|series| series.points.len() < 2) {
            return None;
        }
        let left_out = series.len().saturating_sub(MOST);
        series.truncate(MOST);
        let rates = || series.iter().flat_map(|series| &series.points);
        let batches: BTreeSet<u32> = rates().map(|rate| rate.batch).collect();
        let frame = frame(run, &series, left_out);
        let low = rates().map(|rate| rate.low.max(rate.median / 2.0)).fold(f64::INFINITY, f64::min);
        // An interval that is hardly one must not flatten the lines.
        let high = rates().map(|rate| rate.high.min(2.0 * rate.median)).fold(0.0, f64::max);
        let scale = Scale::fitting(low, high);
        let range = match scale {
            Scale::Linear => (0.0, high * 1.04),
            Scale::Log => (low / 1.2, high * 1.2),
        };
        let top = frame.top() + 24.0;
        let axis = Axis::new(scale, range, (top + HEIGHT, top));
        let left = MARGIN + grid::beside(&axis, number);
        Some(Self { frame, series, batches: batches.into_iter().collect(), axis, left })
    }

    /// Where the value of a batch is; lines stand a little apart so that no bar hides another.
    fn x(&self, batch: u32, series: usize) -> f64 {
        let step = (WIDTH - MARGIN - self.left) / self.batches.len() as f64;
        let index = self.batches.iter().position(|&b| b == batch).unwrap_or(0) as f64;
        let apart = (0.5 * step / self.series.len() as f64).min(8.0);
        let centre = (self.series.len() - 1) as f64 / 2.0;
        self.left + (index + 0.5) * step + (series as f64 - centre) * apart
    }

    fn line<B: DrawingBackend>(&self, on: &Canvas<B>, n: usize) -> Result<(), Problem> {
        let colour = palette::nth(n);
        let place = |rate: &Rate| (self.x(rate.batch, n), self.axis.at(rate.median));
        let points: Vec<Point> = self.series[n].points.iter().map(place).collect();
        if points.len() > 1 {
            on.line(&points, 2.0, colour.into())?;
        }
        for (rate, &(x, y)) in self.series[n].points.iter().zip(&points) {
            let (low, high) = (self.axis.at(rate.low), self.axis.at(rate.high));
            if rate.certain {
                on.rule((x, high), (x, low), 1.5, colour)?;
            }
            for (end, value) in [(low, rate.low), (high, rate.high)] {
                if !rate.certain || !self.axis.holds(value) {
                    continue;
                }
                on.rule((x - 4.0, end), (x + 4.0, end), 1.5, colour)?;
            }
            // Without an interval the mark must not look like one with a narrow interval.
            let mark = if rate.certain { Mark::of_line(n) } else { Mark::Ring(colour) };
            mark.draw(on, (x, y))?;
        }
        Ok(())
    }
}

impl Figure for Throughput {
    fn name(&self) -> String {
        "throughput".to_owned()
    }

    fn frame(&self) -> &Frame {
        &self.frame
    }

    fn inner(&self) -> f64 {
        24.0 + HEIGHT + BELOW
    }

    fn draw<B: DrawingBackend>(&self, on: &Canvas<B>, top: f64) -> Result<(), Problem> {
        let top = top + 24.0;
        let right = WIDTH - MARGIN;
        let plot = Plot { left: self.left, top, right, bottom: top + HEIGHT };
        let style = Style::left(LABEL, palette::PALE);
        on.text("images per second", (MARGIN, top - 16.0), style)?;
        grid::level(on, &plot, &self.axis, number)?;
        let step = (right - self.left) / self.batches.len() as f64;
        for (index, batch) in self.batches.iter().enumerate() {
            let x = self.left + step * (index as f64 + 0.5);
            let style = Style::left(LABEL, palette::INK).centred();
            on.text(&batch.to_string(), (x, plot.bottom + 14.0), style)?;
        }
        let middle = f64::midpoint(self.left, right);
        on.text("images per run (batch)", (middle, plot.bottom + 34.0), style.centred())?;
        (0..self.series.len()).try_for_each(|n| self.line(on, n))
    }
}

/// Cells that differ in nothing but the batch, in plan order; points in order of their batch.
fn series(cells: &[&CellResult]) -> Vec<Series> {
    let mut all: Vec<Series> = Vec::new();
    for cell in cells {
        let Some(rate) = rate(cell) else { continue };
        let name = format!("{}{}", without_batch(&cell.cell), device(cell, cells));
        match all.iter_mut().find(|series| series.name == name) {
            Some(series) => series.points.push(rate),
            None => all.push(Series { name, points: vec![rate] }),
        }
    }
    for series in &mut all {
        series.points.sort_by_key(|rate| rate.batch);
    }
    all
}

/// What tells a cell's device from the others', if there are others.
fn device(cell: &CellResult, cells: &[&CellResult]) -> String {
    let Device { name, uuid, .. } = &cell.device;
    let mut others = cells.iter().map(|other| &other.device).filter(|d| **d != cell.device);
    if others.clone().any(|other| other.name == *name) {
        return format!(" on {name} {uuid}");
    }
    others.next().map_or_else(String::new, |_| format!(" on {name}"))
}

fn rate(cell: &CellResult) -> Option<Rate> {
    let whole = cell.stages.get(&Span::EndToEnd)?;
    Some(Rate {
        batch: cell.cell.batch,
        median: images_per_second(cell, whole.median),
        low: images_per_second(cell, whole.bounds().1),
        high: images_per_second(cell, whole.bounds().0),
        certain: whole.ci.is_some(),
    })
}

fn without_batch(id: &CellId) -> String {
    let CellId { model, family, engine, precision, batch: _, mode, threads } = id;
    format!("{model}/{family}/{engine}/{precision}/{mode}/t{threads}")
}

fn frame(run: &RunInfo, series: &[Series], left_out: usize) -> Frame {
    let level = Share(run.measure.confidence);
    let subtitle = format!(
        "Images per second of one worker at the median end-to-end time, with {level} intervals"
    );
    let mut frame = Frame::new(run, "Throughput by batch size", &subtitle);
    for (n, series) in series.iter().enumerate() {
        frame.mark(Mark::Line(n), &series.name);
    }
    if series.iter().flat_map(|series| &series.points).any(|rate| !rate.certain) {
        frame.mark(Mark::Ring(palette::PALE), "no interval: too few samples");
    }
    if left_out > 0 {
        frame.note(&format!("{left_out} more lines are left out; results.csv has all values."));
    }
    frame
}
