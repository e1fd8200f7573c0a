//! The end-to-end time of every iteration of one cell, launch after launch: drift, warm-up,
//! outliers and disturbances.

use super::{
    Figure,
    axis::{Axis, Scale, number, time},
    canvas::{Canvas, Problem, Style},
    distribution::{launches, range},
    frame::{Frame, LABEL, MARGIN, Mark, WIDTH, triangle},
    grid::{self, Plot},
    letters, palette,
};
use crate::{
    analysis::CellResult,
    stats::Sorted,
    store::{Launch, RunInfo},
    timing::Sample,
    unit::Nanos,
};
use plotters::{prelude::DrawingBackend, style::RGBColor};

const HEIGHT: f64 = 330.0;
const BELOW: f64 = 42.0;
/// Room above the highest place, for marks of what is higher.
const ABOVE: f64 = 12.0;
/// Most iterations that are drawn one by one; an SVG of more would be megabytes.
const MOST_DOTS: usize = 2500;
/// Iterations up to which dots are large.
const FEW: usize = 300;

/// See the file's head.
pub struct Latency<'a> {
    cell: &'a CellResult,
    frame: Frame,
    launches: Vec<&'a Launch>,
    axis: Axis,
    left: f64,
    total: usize,
}

/// The samples of one launch and where they are drawn.
struct Panel<'a> {
    samples: &'a [Sample],
    axis: Axis,
    colour: RGBColor,
    from: f64,
    to: f64,
}

/// What neighbouring samples that share a column of pixels come to.
struct Column {
    x: f64,
    values: Vec<f64>,
    /// The longest that was preempted.
    preempted: Option<f64>,
}

impl<'a> Latency<'a> {
    /// The chart of a cell; `None` without samples.
    pub fn new(run: &RunInfo, cell: &'a CellResult, launches: &[&'a Launch]) -> Option<Self> {
        let launches: Vec<&Launch> =
            launches.iter().copied().filter(|launch| !launch.samples.is_empty()).collect();
        let total = launches.iter().map(|launch| launch.samples.len()).sum();
        let range = times(&launches)?;
        let axis = |top: f64| Axis::new(Scale::Linear, range, (top + HEIGHT, top + ABOVE));
        let left = MARGIN + grid::beside(&axis(0.0), time);
        let frame = frame(run, cell, &launches, range.1);
        let axis = axis(frame.top());
        Some(Self { cell, frame, launches, axis, left, total })
    }

    fn panels(&self) -> Vec<Panel<'a>> {
        let across = WIDTH - MARGIN - self.left;
        let mut done = 0;
        let place = |n: usize| self.left + across * n as f64 / self.total as f64;
        let mut panels = Vec::new();
        for launch in &self.launches {
            let count = launch.samples.len();
            let (from, to) = (place(done), place(done + count));
            done += count;
            panels.push(Panel {
                samples: &launch.samples,
                axis: Axis::new(Scale::Linear, (0.0, count as f64), (from, to)),
                colour: palette::nth(launch.record.launch as usize),
                from,
                to,
            });
        }
        panels
    }

    fn panel<B: DrawingBackend>(&self, on: &Canvas<B>, panel: &Panel) -> Result<(), Problem> {
        if self.total <= MOST_DOTS { self.dots(on, panel) } else { self.columns(on, panel) }?;
        let steady = steady(panel.samples);
        let warmup = panel.samples.iter().take_while(|sample| sample.flags.warmup).count();
        if let Some(sorted) = Sorted::new(steady) {
            let y = self.axis.at(sorted.median().0 as f64);
            let from = panel.axis.at(warmup as f64);
            on.rule((from, y), (panel.to - 1.0, y), 1.5, palette::INK)?;
        }
        Ok(())
    }

    fn dots<B: DrawingBackend>(&self, on: &Canvas<B>, panel: &Panel) -> Result<(), Problem> {
        let radius = if self.total <= FEW { 2.5 } else { 1.5 };
        for (index, sample) in panel.samples.iter().enumerate() {
            let value = sample.end_to_end.0 as f64;
            let at = (panel.axis.at(index as f64 + 0.5), self.axis.at(value));
            if value > self.axis.high() {
                let colour = if sample.flags.warmup { palette::ASIDE } else { panel.colour };
                on.polygon(&self.beyond(at.0), colour.into())?;
            } else if sample.flags.warmup {
                on.ring(at, 2.0, palette::ASIDE.into())?;
            } else {
                on.dot(at, radius, palette::faint(panel.colour, 0.8))?;
            }
            if sample.flags.preempted && !sample.flags.warmup {
                on.ring(at, 3.5, palette::INK.into())?;
            }
        }
        Ok(())
    }

    fn columns<B: DrawingBackend>(&self, on: &Canvas<B>, panel: &Panel) -> Result<(), Problem> {
        for (warmup, colour) in [(true, palette::ASIDE), (false, panel.colour)] {
            let columns = panel.columns(warmup);
            let ends = |c: &Column| [c.low(), c.high()].map(|value| (c.x, self.axis.at(value)));
            let extent: Vec<_> = columns.iter().flat_map(ends).collect();
            let medians: Vec<_> = columns.iter().map(|c| (c.x, self.axis.at(c.median()))).collect();
            if !columns.is_empty() {
                on.line(&extent, 1.0, palette::faint(colour, 0.4))?;
                on.line(&medians, 1.0, colour.into())?;
            }
            columns.iter().try_for_each(|column| self.marks(on, column, colour))?;
        }
        Ok(())
    }

    fn marks<B: DrawingBackend>(
        &self,
        on: &Canvas<B>,
        column: &Column,
        colour: RGBColor,
    ) -> Result<(), Problem> {
        if column.high() > self.axis.high() {
            on.polygon(&self.beyond(column.x), colour.into())?;
        }
        match column.preempted {
            Some(value) => on.ring((column.x, self.axis.at(value)), 3.0, palette::INK.into()),
            None => Ok(()),
        }
    }

    /// The mark at the upper edge for something that is longer than the chart is high.
    fn beyond(&self, x: f64) -> [(f64, f64); 3] {
        triangle((x, self.axis.at(f64::INFINITY) - 5.0), 4.0)
    }

    fn labels<B: DrawingBackend>(
        &self,
        on: &Canvas<B>,
        panel: &Panel,
        launch: u32,
        bottom: f64,
    ) -> Result<(), Problem> {
        let room = panel.to - panel.from;
        let style = Style::left(LABEL - 1.0, palette::PALE).centred();
        let mut free = panel.from;
        // No more than there are iterations: between two of them is nothing to mark.
        for tick in panel.axis.ticks(panel.samples.len().min((room / 45.0) as usize)) {
            let (x, text) = (panel.axis.at(tick), number(tick));
            let half = letters::width(&text, LABEL - 1.0) / 2.0;
            if x - half >= free && x + half <= panel.to {
                on.rule((x, bottom), (x, bottom + 4.0), 1.0, palette::PALE)?;
                on.text(&text, (x, bottom + 12.0), style)?;
                free = x + half + 6.0;
            }
        }
        let style = Style::left(LABEL, panel.colour).centred();
        let full = format!("launch {launch}");
        let short = launch.to_string();
        let middle = f64::midpoint(panel.from, panel.to);
        match [full, short].into_iter().find(|t| letters::width(t, LABEL) + 6.0 <= room) {
            Some(text) => on.text(&text, (middle, bottom + 30.0), style),
            None => Ok(()),
        }
    }

    fn ground<B: DrawingBackend>(
        &self,
        on: &Canvas<B>,
        panel: &Panel,
        plot: &Plot,
    ) -> Result<(), Problem> {
        let warmup = panel.samples.iter().take_while(|sample| sample.flags.warmup).count();
        let end = panel.axis.at(warmup as f64);
        on.rectangle((panel.from, plot.top), (end, plot.bottom), palette::SHADE.into())
    }
}

impl Panel<'_> {
    fn columns(&self, warmup: bool) -> Vec<Column> {
        let mut columns: Vec<Column> = Vec::new();
        for (index, sample) in self.samples.iter().enumerate() {
            if sample.flags.warmup != warmup {
                continue;
            }
            let x = self.axis.at(index as f64 + 0.5).floor() + 0.5;
            if columns.last().is_none_or(|column| column.x != x) {
                columns.push(Column { x, values: Vec::new(), preempted: None });
            }
            if let Some(column) = columns.last_mut() {
                column.add(sample);
            }
        }
        for column in &mut columns {
            column.values.sort_by(f64::total_cmp);
        }
        columns
    }
}

impl Column {
    fn add(&mut self, sample: &Sample) {
        let value = sample.end_to_end.0 as f64;
        self.values.push(value);
        if sample.flags.preempted && !sample.flags.warmup {
            self.preempted = Some(self.preempted.map_or(value, |longest| longest.max(value)));
        }
    }

    fn low(&self) -> f64 {
        self.values.first().copied().unwrap_or(0.0)
    }

    fn high(&self) -> f64 {
        self.values.last().copied().unwrap_or(0.0)
    }

    fn median(&self) -> f64 {
        self.values.get(self.values.len() / 2).copied().unwrap_or(0.0)
    }
}

impl Figure for Latency<'_> {
    fn name(&self) -> String {
        format!("latency-{}", self.cell.hash)
    }

    fn frame(&self) -> &Frame {
        &self.frame
    }

    fn inner(&self) -> f64 {
        HEIGHT + BELOW
    }

    fn draw<B: DrawingBackend>(&self, on: &Canvas<B>, top: f64) -> Result<(), Problem> {
        let plot = Plot { left: self.left, top, right: WIDTH - MARGIN, bottom: top + HEIGHT };
        let panels = self.panels();
        for panel in &panels {
            self.ground(on, panel, &plot)?;
        }
        grid::level(on, &plot, &self.axis, time)?;
        for (panel, launch) in panels.iter().zip(&self.launches) {
            on.rule((panel.from, top), (panel.from, plot.bottom + 4.0), 1.0, palette::ASIDE)?;
            self.panel(on, panel)?;
            self.labels(on, panel, launch.record.launch, plot.bottom)?;
        }
        Ok(())
    }
}

fn steady(samples: &[Sample]) -> Vec<Nanos> {
    samples.iter().filter(|s| !s.flags.warmup).map(|s| s.end_to_end).collect()
}

/// Times, in nanoseconds, between which the chart reaches; `None` without samples.
fn times(launches: &[&Launch]) -> Option<(f64, f64)> {
    let all: Vec<&Sample> = launches.iter().flat_map(|launch| &launch.samples).collect();
    let every = Sorted::new(all.iter().map(|s| s.end_to_end).collect())?;
    let after = all.iter().filter(|s| !s.flags.warmup).map(|s| s.end_to_end);
    let steady = Sorted::new(after.collect());
    Some(range(&every, steady.as_ref().unwrap_or(&every)))
}

fn frame(run: &RunInfo, cell: &CellResult, used: &[&Launch], limit: f64) -> Frame {
    let all: Vec<&Sample> = used.iter().flat_map(|launch| &launch.samples).collect();
    let subtitle = format!(
        "End-to-end time of each iteration · {}{} · on {}",
        launches(cell),
        if used.len() > 1 { ", one after the other" } else { "" },
        cell.device
    );
    let mut frame = Frame::new(run, &cell.cell.to_string(), &subtitle);
    frame.mark(Mark::Bar(palette::INK), "median of a launch (level line)");
    if all.iter().any(|sample| sample.flags.warmup) {
        frame.mark(Mark::Ring(palette::ASIDE), "warm-up (grey ground): in no result");
    }
    if all.iter().any(|sample| sample.flags.preempted && !sample.flags.warmup) {
        frame.mark(Mark::Ring(palette::INK), "had to wait for a processor");
    }
    let beyond: Vec<&&Sample> = all.iter().filter(|s| s.end_to_end.0 as f64 > limit).collect();
    if let Some(longest) = beyond.iter().map(|sample| sample.end_to_end).max() {
        frame.mark(Mark::Triangle(palette::PALE), "longer than the chart is high");
        let warmup = beyond.iter().filter(|sample| sample.flags.warmup).count();
        frame.note(&format!(
            "{} of {} iterations are longer than the chart is high, {warmup} of them in the \
             warm-up; the longest took {longest}.",
            number(beyond.len() as f64),
            number(all.len() as f64)
        ));
    }
    if all.len() > MOST_DOTS {
        frame.note(&format!(
            "{} iterations are too many to be drawn one by one: the pale ground reaches from the \
             shortest to the longest of those that fall on a column, the line is their median.",
            number(all.len() as f64)
        ));
    }
    frame
}
