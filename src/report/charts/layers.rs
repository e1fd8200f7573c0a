//! Which layers take the time: a bar for each of the slowest layers of one cell, and one of all its
//! operators.

use super::{
    Figure,
    axis::{Axis, Scale, time},
    canvas::{Canvas, Problem, Style},
    frame::{Frame, LABEL, MARGIN, Mark, WIDTH},
    grid::{self, BELOW, Plot},
    letters, palette,
};
use crate::{
    analysis::{CellLayers, CellResult, LayerResult},
    report::words::{layer_name, layers_sum},
    store::RunInfo,
    unit::{Nanos, Share},
};
use plotters::prelude::{DrawingBackend, RGBColor, WHITE};

/// Most layers that get bars.
const MOST: usize = 15;
const ROW: f64 = 34.0;
const HALF: f64 = 9.0;
const SMALL: f64 = 10.0;
const LABEL_ROOM: f64 = 360.0;
/// Room for the bar of all operators.
const STRIP: f64 = 44.0;
/// The bar of all other layers may be so much longer than the longest of one; then it is cut.
const LONGER: f64 = 1.5;

/// See the file's head.
pub struct Layers<'a> {
    name: String,
    frame: Frame,
    all: &'a CellLayers,
    bars: Vec<Bar>,
    axis: Axis,
}

/// One row.
struct Bar {
    label: String,
    /// Below the label, smaller.
    detail: String,
    colour: RGBColor,
    time: Nanos,
    share: Share,
}

impl<'a> Layers<'a> {
    /// The chart of a cell; none where its layers are not known.
    pub fn new(run: &RunInfo, cell: &'a CellResult) -> Option<Self> {
        let all = cell.layers.as_ref()?.as_ref().ok()?;
        let slowest = all.slowest(MOST);
        let longest = slowest.first()?.median.0 as f64;
        let mut bars: Vec<Bar> = slowest.iter().map(|layer| bar(all, layer)).collect();
        bars.extend(rest(all, &slowest));
        let widest = |size: f64, text: fn(&Bar) -> &str| {
            bars.iter().map(|bar| letters::width(text(bar), size)).fold(0.0, f64::max)
        };
        let label = widest(LABEL, |bar| &bar.label).max(widest(SMALL, |bar| &bar.detail));
        let left = MARGIN + label.max(letters::width(STRIP_LABEL, LABEL)) + 12.0;
        let room = bars.iter().map(|bar| letters::width(&bar.end(), LABEL)).fold(0.0, f64::max);
        let over = bars.last().map_or(0.0, |bar| bar.time.0 as f64);
        let high = if over <= longest * LONGER { longest.max(over) } else { longest };
        let ends = (left, WIDTH - MARGIN - room - 12.0);
        Some(Self {
            name: format!("layers-{}", cell.hash),
            frame: frame(run, cell, all),
            axis: Axis::new(Scale::Linear, (0.0, high), ends),
            all,
            bars,
        })
    }

    /// All operators as parts of one bar, the slowest first.
    fn strip<B: DrawingBackend>(&self, on: &Canvas<B>, y: f64) -> Result<(), Problem> {
        let left = self.left();
        on.text(STRIP_LABEL, (left - 10.0, y), Style::left(LABEL, palette::INK).right())?;
        let mut done = 0.0;
        for found in &self.all.operators {
            let width = found.share.0 * (WIDTH - MARGIN - left);
            let (from, to) = (left + done, left + done + width);
            done += width;
            let colour = colour(self.all, &found.operator);
            on.rectangle((from, y - HALF), (to, y + HALF), colour.into())?;
            let texts = [format!("{} {}", found.operator, found.share), found.share.to_string()];
            let fits = |text: &&String| letters::width(text, SMALL) + 8.0 <= width;
            if let Some(text) = texts.iter().find(fits) {
                let style = Style::left(SMALL, palette::on(colour)).centred();
                on.text(&letters::printable(text), (f64::midpoint(from, to), y), style)?;
            }
        }
        Ok(())
    }

    fn bar<B: DrawingBackend>(&self, on: &Canvas<B>, bar: &Bar, y: f64) -> Result<(), Problem> {
        let left = self.left();
        let (ink, pale) = (Style::left(LABEL, palette::INK), Style::left(SMALL, palette::PALE));
        on.text(&bar.label, (left - 10.0, y - 6.0), ink.right())?;
        on.text(&bar.detail, (left - 10.0, y + 8.0), pale.right())?;
        let end = self.axis.at(bar.time.0 as f64);
        on.rectangle((left, y - HALF), (end, y + HALF), bar.colour.into())?;
        if !self.axis.holds(bar.time.0 as f64) {
            // Cut in two places: it is longer than the axis.
            for x in [end - 16.0, end - 9.0] {
                on.rectangle((x, y - HALF), (x + 3.0, y + HALF), WHITE.into())?;
            }
        }
        on.text(&bar.end(), (end + 8.0, y), ink)
    }

    fn left(&self) -> f64 {
        self.axis.at(0.0)
    }
}

const STRIP_LABEL: &str = "all layers, by operator";

impl Bar {
    /// What stands beside it.
    fn end(&self) -> String {
        format!("{} · {}", self.time, self.share)
    }
}

impl Figure for Layers<'_> {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn frame(&self) -> &Frame {
        &self.frame
    }

    fn inner(&self) -> f64 {
        STRIP + ROW * self.bars.len() as f64 + 8.0 + BELOW
    }

    fn draw<B: DrawingBackend>(&self, on: &Canvas<B>, top: f64) -> Result<(), Problem> {
        self.strip(on, top + STRIP / 2.0 - 6.0)?;
        let (top, bottom) = (top + STRIP, top + self.inner() - BELOW);
        let plot = Plot { left: self.left(), top, right: WIDTH - MARGIN, bottom };
        grid::upright(on, &plot, &self.axis, time)?;
        for (index, bar) in self.bars.iter().enumerate() {
            self.bar(on, bar, top + 4.0 + ROW * (index as f64 + 0.5))?;
        }
        Ok(())
    }
}

fn frame(run: &RunInfo, cell: &CellResult, all: &CellLayers) -> Frame {
    let title = format!("Slowest layers of {}", cell.cell);
    let subtitle = format!(
        "Median of {} runs under the engine's own profiler, apart from all other measurements · on {}",
        all.runs, cell.device.name
    );
    let mut frame = Frame::new(run, &title, &subtitle);
    for (index, found) in all.operators.iter().take(palette::count()).enumerate() {
        frame.mark(Mark::Area(palette::nth(index)), &found.operator);
    }
    if all.operators.len() > palette::count() {
        frame.mark(Mark::Area(palette::ASIDE), "other operators");
    }
    frame.note(&format!("{}.", layers_sum(cell, all)));
    frame
}

/// The slowest operators have colours of their own.
fn colour(all: &CellLayers, operator: &str) -> RGBColor {
    let rank = all.operators.iter().position(|found| found.operator == operator);
    rank.filter(|&rank| rank < palette::count()).map_or(palette::ASIDE, palette::nth)
}

fn bar(all: &CellLayers, found: &LayerResult) -> Bar {
    let layer = &found.layer;
    let places = all.layers.iter().any(|other| other.layer.place != layer.place);
    let place = layer.place.as_ref().filter(|_| places);
    let told = [Some(&layer.operator), layer.precision.as_ref(), place];
    let detail: Vec<&str> = told.into_iter().flatten().map(String::as_str).collect();
    let name = letters::printable(&layer.name);
    Bar {
        label: layer_name(&name, |text| letters::width(text, LABEL) <= LABEL_ROOM),
        detail: letters::shorten(&detail.join(" · "), SMALL, LABEL_ROOM),
        colour: colour(all, &layer.operator),
        time: found.median,
        share: found.share,
    }
}

/// All layers that have no bars of their own.
fn rest(all: &CellLayers, slowest: &[&LayerResult]) -> Option<Bar> {
    let count = all.layers.len() - slowest.len();
    let shown: Nanos = slowest.iter().map(|layer| layer.median).sum();
    let share = 1.0 - slowest.iter().map(|layer| layer.share.0).sum::<f64>();
    (count > 0).then(|| Bar {
        label: if count == 1 { "1 other".to_owned() } else { format!("{count} others") },
        detail: "none slower than these".to_owned(),
        colour: palette::ASIDE,
        time: all.sum.since(shown),
        share: Share(share.max(0.0)),
    })
}
