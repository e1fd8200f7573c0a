//! Axes with their grid and labels.

use super::{
    axis::Axis,
    canvas::{Canvas, Problem, Style},
    frame::LABEL,
    letters, palette,
};
use plotters::prelude::DrawingBackend;

/// The rectangle that data is drawn in.
#[derive(Clone, Copy, Debug)]
pub struct Plot {
    /// Left edge.
    pub left: f64,
    /// Upper edge.
    pub top: f64,
    /// Right edge.
    pub right: f64,
    /// Lower edge.
    pub bottom: f64,
}

/// Room that labels of a level axis take below the plot.
pub const BELOW: f64 = 26.0;

/// Upright grid lines with labels below, for values along a level `axis`.
pub fn upright<B: DrawingBackend>(
    on: &Canvas<B>,
    plot: &Plot,
    axis: &Axis,
    label: fn(f64) -> String,
) -> Result<(), Problem> {
    let style = Style::left(LABEL, palette::INK).centred();
    let mut free = f64::NEG_INFINITY;
    for tick in axis.ticks(8) {
        let x = axis.at(tick);
        on.rule((x, plot.top), (x, plot.bottom), 1.0, palette::GRID)?;
        let text = label(tick);
        let half = letters::width(&text, LABEL) / 2.0;
        if x - half >= free {
            on.text(&text, (x, plot.bottom + 15.0), style)?;
            free = x + half + 8.0;
        }
    }
    on.rule((plot.left, plot.bottom), (plot.right, plot.bottom), 1.0, palette::INK)
}

/// Level grid lines with labels to the left, for values along an upright `axis`.
pub fn level<B: DrawingBackend>(
    on: &Canvas<B>,
    plot: &Plot,
    axis: &Axis,
    label: fn(f64) -> String,
) -> Result<(), Problem> {
    let style = Style::left(LABEL, palette::INK).right();
    for tick in axis.ticks(6) {
        let y = axis.at(tick);
        on.rule((plot.left, y), (plot.right, y), 1.0, palette::GRID)?;
        on.text(&label(tick), (plot.left - 8.0, y), style)?;
    }
    on.rule((plot.left, plot.bottom), (plot.right, plot.bottom), 1.0, palette::INK)
}

/// Room that the labels of an upright `axis` take beside the plot.
pub fn beside(axis: &Axis, label: fn(f64) -> String) -> f64 {
    axis.ticks(6).into_iter().map(|t| letters::width(&label(t), LABEL)).fold(0.0, f64::max) + 12.0
}
