//! What all charts have around their data: title, legend, notes, what made them.

use super::{
    canvas::{Canvas, Point, Problem, Style},
    letters, palette,
};
use crate::{engine::Runtime, store::RunInfo};
use plotters::prelude::{DrawingBackend, RGBColor};

/// Width of every chart in points.
pub const WIDTH: f64 = 1000.0;
/// Room at all edges.
pub const MARGIN: f64 = 20.0;
/// Size of labels.
pub const LABEL: f64 = 12.0;

const TITLE: f64 = 19.0;
const SMALL: f64 = 10.5;
const INSIDE: f64 = WIDTH - 2.0 * MARGIN;
const LINES_OF_TITLE: usize = 3;

/// A mark in the legend.
#[derive(Clone, Copy, Debug)]
pub enum Mark {
    /// A filled square.
    Area(RGBColor),
    /// A box with an edge.
    Box(RGBColor),
    /// A filled circle.
    Dot(RGBColor),
    /// An empty circle.
    Ring(RGBColor),
    /// An upright line.
    Bar(RGBColor),
    /// A triangle pointing up.
    Triangle(RGBColor),
    /// A diamond.
    Diamond(RGBColor),
    /// The mark of the `n`-th line of a chart, with a piece of the line.
    Line(usize),
}

/// See the file's head.
#[derive(Clone, Debug, Default)]
pub struct Frame {
    title: Vec<String>,
    subtitle: Vec<String>,
    legend: Vec<Vec<(Mark, String, f64)>>,
    notes: Vec<String>,
    footer: Vec<String>,
}

impl Frame {
    /// The frame of a chart of a run.
    pub fn new(run: &RunInfo, title: &str, subtitle: &str) -> Self {
        let made = format!(
            "run {} · {} · scenario {} · trtbench {}",
            run.run, run.created, run.scenario.name, run.trtbench
        );
        let host = &run.host;
        let machine = format!(
            "{} · {} processors · {} · {} · host {}",
            host.cpu, host.processors, host.system, host.architecture, host.name
        );
        let footer: Vec<String> = [made, machine].into_iter().chain(engines(run)).collect();
        Self::around(title, subtitle, &footer)
    }

    /// A frame with these lines at its foot.
    pub fn around(title: &str, subtitle: &str, footer: &[String]) -> Self {
        Self {
            title: letters::wrap(title, TITLE, INSIDE, LINES_OF_TITLE),
            subtitle: letters::wrap(subtitle, LABEL, INSIDE, 2),
            footer: footer.iter().map(|line| letters::shorten(line, SMALL, INSIDE)).collect(),
            ..Self::default()
        }
    }

    /// Adds an entry to the legend, in a new row where the last one is full.
    pub fn mark(&mut self, mark: Mark, text: &str) {
        let text = letters::shorten(text, LABEL, INSIDE - 24.0);
        let width = letters::width(&text, LABEL) + 42.0;
        let room = |row: &Vec<(Mark, String, f64)>| {
            row.iter().map(|entry| entry.2).sum::<f64>() + width <= INSIDE + 20.0
        };
        match self.legend.last_mut().filter(|row| room(row)) {
            Some(row) => row.push((mark, text, width)),
            None => self.legend.push(vec![(mark, text, width)]),
        }
    }

    /// Adds a sentence below the chart.
    pub fn note(&mut self, text: &str) {
        self.notes.extend(letters::wrap(text, LABEL - 1.0, INSIDE, 4));
    }

    /// Where the chart itself begins.
    pub fn top(&self) -> f64 {
        let legend = if self.legend.is_empty() { 0.0 } else { 10.0 };
        MARGIN
            + 25.0 * self.title.len() as f64
            + 18.0 * self.subtitle.len() as f64
            + 20.0 * self.legend.len() as f64
            + legend
            + 6.0
    }

    /// Height of the finished picture if the chart itself takes `inner`.
    pub fn height(&self, inner: f64) -> f64 {
        let notes = if self.notes.is_empty() { 0.0 } else { 16.0 * self.notes.len() as f64 + 6.0 };
        self.top() + inner + notes + 14.0 + 15.0 * self.footer.len() as f64 + MARGIN / 2.0
    }

    /// Draws everything around a chart that takes `inner`.
    pub fn draw<B: DrawingBackend>(&self, on: &Canvas<B>, inner: f64) -> Result<(), Problem> {
        on.clear()?;
        let mut y = MARGIN;
        y = lines(on, &self.title, y, 25.0, Style::left(TITLE, palette::INK))?;
        y = lines(on, &self.subtitle, y, 18.0, Style::left(LABEL, palette::PALE))?;
        self.draw_legend(on, y + 10.0)?;
        let mut y = self.top() + inner;
        if !self.notes.is_empty() {
            let style = Style::left(LABEL - 1.0, palette::INK);
            y = lines(on, &self.notes, y + 6.0, 16.0, style)?;
        }
        on.rule((MARGIN, y + 8.0), (WIDTH - MARGIN, y + 8.0), 1.0, palette::GRID)?;
        lines(on, &self.footer, y + 14.0, 15.0, Style::left(SMALL, palette::PALE))?;
        Ok(())
    }

    fn draw_legend<B: DrawingBackend>(&self, on: &Canvas<B>, top: f64) -> Result<(), Problem> {
        for (row, entries) in self.legend.iter().enumerate() {
            let y = top + 20.0 * row as f64 + 6.0;
            let mut x = MARGIN;
            for (mark, text, width) in entries {
                mark.draw(on, (x + 8.0, y))?;
                on.text(text, (x + 22.0, y), Style::left(LABEL, palette::INK))?;
                x += width;
            }
        }
        Ok(())
    }
}

/// The engines of a run and their releases, where they are recorded.
fn engines(run: &RunInfo) -> Option<String> {
    let release = |(name, runtime): (&String, &Runtime)| match name.split_once(" on ") {
        Some((engine, device)) => format!("{engine} {} on {device}", runtime.version),
        None => format!("{name} {}", runtime.version),
    };
    let all: Vec<String> = run.runtimes.iter().map(release).collect();
    (!all.is_empty()).then(|| format!("engines: {}", all.join(" · ")))
}

/// Lines of text from `top` down; returns where the next thing may begin.
fn lines<B: DrawingBackend>(
    on: &Canvas<B>,
    lines: &[String],
    top: f64,
    step: f64,
    style: Style,
) -> Result<f64, Problem> {
    let mut y = top;
    for line in lines {
        on.text(line, (MARGIN, y + step / 2.0), style)?;
        y += step;
    }
    Ok(y)
}

impl Mark {
    /// Draws the mark with its middle at `at`.
    pub fn draw<B: DrawingBackend>(self, on: &Canvas<B>, at: Point) -> Result<(), Problem> {
        let (x, y) = at;
        match self {
            Self::Area(c) => on.rectangle((x - 6.0, y - 6.0), (x + 6.0, y + 6.0), c.into()),
            Self::Box(c) => {
                on.rectangle((x - 7.0, y - 6.0), (x + 7.0, y + 6.0), palette::INK.into())?;
                on.rectangle((x - 6.0, y - 5.0), (x + 6.0, y + 5.0), c.into())
            }
            Self::Dot(c) => on.dot(at, 4.0, c.into()),
            Self::Ring(c) => on.ring(at, 3.5, c.into()),
            Self::Bar(c) => on.rule((x, y - 7.0), (x, y + 7.0), 2.0, c),
            Self::Triangle(c) => on.polygon(&triangle(at, 4.5), c.into()),
            Self::Diamond(c) => on.polygon(&diamond(at, 5.0), c.into()),
            Self::Line(n) => {
                on.rule((x - 9.0, y), (x + 9.0, y), 2.0, palette::nth(n))?;
                Self::of_line(n).draw(on, at)
            }
        }
    }

    /// The mark of the `n`-th line's values: colours first, then shapes.
    pub fn of_line(n: usize) -> Self {
        let colour = palette::nth(n);
        match n / palette::count() % 4 {
            0 => Self::Dot(colour),
            1 => Self::Triangle(colour),
            2 => Self::Diamond(colour),
            _ => Self::Ring(colour),
        }
    }
}

/// A triangle pointing up around `(x, y)`.
pub fn triangle((x, y): Point, r: f64) -> [Point; 3] {
    [(x, y - r), (x + r, y + r * 0.8), (x - r, y + r * 0.8)]
}

fn diamond((x, y): Point, r: f64) -> [Point; 4] {
    [(x, y - r), (x + r * 0.8, y), (x, y + r), (x - r * 0.8, y)]
}
