//! Where the time goes: one bar per cell, made of the medians of its stages.

use super::{
    Figure,
    axis::{Axis, Scale, time},
    canvas::{Canvas, Problem, Style},
    frame::{Frame, LABEL, MARGIN, Mark, WIDTH},
    grid::{self, BELOW, Plot},
    letters, palette,
};
use crate::{
    analysis::{CellResult, StageResult},
    device::Kind,
    scenario::CellId,
    store::RunInfo,
    timing::Span,
    unit::{Nanos, Share},
};
use plotters::prelude::DrawingBackend;

/// Most bars in one chart.
const MOST: usize = 60;
const ROW: f64 = 30.0;
const HALF: f64 = 10.0;
const SMALL: f64 = 10.5;
const LABEL_ROOM: f64 = 330.0;

/// See the file's head.
pub struct Stages<'a> {
    name: String,
    frame: Frame,
    cells: &'a [&'a CellResult],
    axis: Axis,
    left: f64,
    devices: bool,
}

/// What a bar is made of, in order.
fn parts(cell: &CellResult) -> impl Iterator<Item = (Span, Nanos)> {
    Span::ALL
        .into_iter()
        .filter(|span| span.is_part())
        .filter_map(|span| Some((span, cell.stages.get(&span)?.median)))
}

/// The charts of all measured `cells`, several where one would be too long.
pub fn all<'a>(run: &RunInfo, cells: &'a [&'a CellResult]) -> Vec<Stages<'a>> {
    let count = cells.len().div_ceil(MOST);
    let chart = |(index, cells)| Stages::new(run, cells, (index, count));
    cells.chunks(MOST).enumerate().map(chart).collect()
}

impl<'a> Stages<'a> {
    fn new(run: &RunInfo, cells: &'a [&'a CellResult], (index, count): (usize, usize)) -> Self {
        let name = match index {
            0 => "stages".to_owned(),
            _ => format!("stages-{}", index + 1),
        };
        let devices = cells.iter().any(|cell| cell.device != cells[0].device);
        let label =
            |cell: &&CellResult| letters::width(&letters::printable(&cell.cell.to_string()), LABEL);
        let left = MARGIN + cells.iter().map(label).fold(0.0, f64::max).min(LABEL_ROOM) + 12.0;
        let longest = cells.iter().map(|cell| length(cell)).max().unwrap_or(Nanos::ZERO);
        let end = |cell: &&CellResult| cell.stages.get(&Span::EndToEnd).map(end_label);
        let room = cells.iter().filter_map(end).map(|text| letters::width(&text, LABEL));
        let right = WIDTH - MARGIN - room.fold(0.0, f64::max) - 12.0;
        Self {
            name,
            frame: frame(run, cells, (index, count), devices),
            cells,
            axis: Axis::new(Scale::Linear, (0.0, longest.0 as f64), (left, right)),
            left,
            devices,
        }
    }

    fn bar<B: DrawingBackend>(
        &self,
        on: &Canvas<B>,
        cell: &CellResult,
        y: f64,
    ) -> Result<(), Problem> {
        let whole = cell.stages.get(&Span::EndToEnd).map_or(Nanos::ZERO, |s| s.median);
        let mut done = Nanos::ZERO;
        for (span, time) in parts(cell) {
            let (from, to) = (self.axis.at(done.0 as f64), self.axis.at((done + time).0 as f64));
            done = done + time;
            let colour = palette::span(span);
            on.rectangle((from, y - HALF), (to, y + HALF), colour.into())?;
            if let Some(text) = inside(time, whole, to - from) {
                let style = Style::left(SMALL, palette::on(colour)).centred();
                on.text(&text, (f64::midpoint(from, to), y), style)?;
            }
        }
        self.end(on, cell, y)
    }

    /// The measured end to end, with its interval.
    fn end<B: DrawingBackend>(
        &self,
        on: &Canvas<B>,
        cell: &CellResult,
        y: f64,
    ) -> Result<(), Problem> {
        let Some(whole) = cell.stages.get(&Span::EndToEnd) else { return Ok(()) };
        let at = |time: Nanos| self.axis.at(time.0 as f64);
        let (low, end, high) = (at(whole.bounds().0), at(whole.median), at(reach(whole)));
        // Without an interval the mark must not look like a narrow one.
        let ink = if whole.ci.is_some() { palette::INK } else { palette::PALE };
        on.rule((end, y - HALF - 3.0), (end, y + HALF + 3.0), 2.0, ink)?;
        if high - low > 4.0 {
            // Below the middle, where it strikes out no text.
            let y = y + HALF;
            on.rule((low, y), (high, y), 1.0, palette::INK)?;
            on.rule((low, y - 3.0), (low, y + 3.0), 1.0, palette::INK)?;
            if reach(whole) == whole.bounds().1 {
                on.rule((high, y - 3.0), (high, y + 3.0), 1.0, palette::INK)?;
            }
        }
        let text = (at(length(cell)) + 8.0, y);
        on.text(&end_label(whole), text, Style::left(LABEL, palette::INK))
    }

    fn label<B: DrawingBackend>(
        &self,
        on: &Canvas<B>,
        cell: &CellResult,
        y: f64,
    ) -> Result<(), Problem> {
        let room = self.left - MARGIN - 12.0;
        let name = cell_name(&cell.cell, room);
        let style = Style::left(LABEL, palette::INK).right();
        if !self.devices {
            return on.text(&name, (self.left - 10.0, y), style);
        }
        on.text(&name, (self.left - 10.0, y - 6.0), style)?;
        let device = letters::shorten(&cell.device.name, SMALL - 1.0, room);
        let style = Style::left(SMALL - 1.0, palette::PALE).right();
        on.text(&device, (self.left - 10.0, y + 8.0), style)
    }

    fn row(&self) -> f64 {
        if self.devices { ROW + 6.0 } else { ROW }
    }
}

impl Figure for Stages<'_> {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn frame(&self) -> &Frame {
        &self.frame
    }

    fn inner(&self) -> f64 {
        self.row() * self.cells.len() as f64 + 8.0 + BELOW
    }

    fn draw<B: DrawingBackend>(&self, on: &Canvas<B>, top: f64) -> Result<(), Problem> {
        let bottom = top + self.inner() - BELOW;
        let right = WIDTH - MARGIN;
        let plot = Plot { left: self.left, top, right, bottom };
        grid::upright(on, &plot, &self.axis, time)?;
        for (index, cell) in self.cells.iter().enumerate() {
            let y = top + 4.0 + self.row() * (index as f64 + 0.5);
            self.label(on, cell, y)?;
            self.bar(on, cell, y)?;
        }
        Ok(())
    }
}

fn frame(
    run: &RunInfo,
    cells: &[&CellResult],
    (index, count): (usize, usize),
    devices: bool,
) -> Frame {
    let part = if count > 1 { format!(" ({} of {count})", index + 1) } else { String::new() };
    let device = if devices { "several devices" } else { cells[0].device.name.as_str() };
    let title = format!("Where the time goes{part}");
    let subtitle = format!("Median time per iteration, by stage · on {device}");
    let mut frame = Frame::new(run, &title, &subtitle);
    for span in Span::ALL {
        if span.is_part() && cells.iter().any(|cell| cell.stages.contains_key(&span)) {
            frame.mark(Mark::Area(palette::span(span)), &words(span));
        }
    }
    let level = Share(run.measure.confidence);
    frame.mark(Mark::Bar(palette::INK), &format!("end to end, with its {level} interval"));
    if cells.iter().any(|cell| preprocessed_by_card(run, cell)) {
        frame.note(
            "Where preprocess = \"gpu\", preprocess is the card's work and came after host to device; \
             the bars keep the order of the legend.",
        );
    }
    frame
}

/// Whether a card did the pre-processing of a cell.
fn preprocessed_by_card(run: &RunInfo, cell: &CellResult) -> bool {
    let options = serde_json::to_value(&run.engine).unwrap_or_default();
    cell.device.kind == Kind::Gpu && options[&cell.cell.engine]["preprocess"] == "gpu"
}

/// A span as people write it.
pub fn words(span: Span) -> String {
    span.name().replace('_', " ")
}

/// The cell's id, its model's name shortened where the whole is wider than `room`.
fn cell_name(id: &CellId, room: f64) -> String {
    let whole = id.to_string();
    let shown = letters::printable(&whole);
    if letters::width(&shown, LABEL) <= room + 0.5 {
        return shown;
    }
    let rest = whole.get(id.model.len()..).unwrap_or_default();
    let left = room - letters::width(&letters::printable(rest), LABEL);
    let model = letters::shorten(&id.model, LABEL, left);
    letters::shorten(&format!("{model}{rest}"), LABEL, room)
}

/// How far anything of a bar reaches. Medians of stages need not add up to that of the whole.
fn length(cell: &CellResult) -> Nanos {
    let whole = cell.stages.get(&Span::EndToEnd).map_or(Nanos::ZERO, reach);
    parts(cell).map(|(_, time)| time).sum::<Nanos>().max(whole)
}

/// What stands beside a bar.
fn end_label(whole: &StageResult) -> String {
    match whole.ci {
        Some(_) => whole.median.to_string(),
        None => format!("{}, no interval", whole.median),
    }
}

/// The upper end of an interval, but no more than twice the median: of two launches it can be so
/// wide that no bar would be left to see.
fn reach(whole: &StageResult) -> Nanos {
    whole.bounds().1.min(whole.median + whole.median).max(whole.median)
}

/// What is written into a part of a bar: its time and share, the share, or nothing.
fn inside(time: Nanos, whole: Nanos, room: f64) -> Option<String> {
    if whole == Nanos::ZERO {
        return None;
    }
    let share = Share(time.0 as f64 / whole.0 as f64);
    [format!("{time} · {share}"), share.to_string()]
        .into_iter()
        .find(|text| letters::width(text, SMALL) + 8.0 <= room)
}
