//! A surface to draw on, the same for every back end of `plotters`: lengths are in points of the
//! finished chart, text is placed by its middle. Knows nothing of charts.

use super::letters;
use plotters::{
    coord::Shift,
    prelude::*,
    style::{
        FontTransform,
        text_anchor::{HPos, Pos, VPos},
    },
};
use std::fmt;

/// What the drawing library says when it fails.
#[derive(Debug)]
pub struct Problem(pub String);

/// A place on the canvas: to the right of the left edge, below the upper edge.
pub type Point = (f64, f64);

/// How a back end sets text. The two differ in what a font's size means and in how far below the
/// given place the base line lies (both read off the sources of plotters 0.3.7).
#[derive(Clone, Copy, Debug)]
pub struct Lettering {
    /// Size to ask for per em.
    per_em: f64,
    /// What is missing, in em, to bring the middle of a capital letter to the given place.
    drop: f64,
    /// Whether sizes are made even: of others it sets low letters, a full stop say, a pixel higher
    /// than tall ones.
    even: bool,
}

/// How a text looks.
#[derive(Clone, Copy)]
pub struct Style {
    /// Em, in points.
    pub size: f64,
    /// Colour.
    pub colour: RGBColor,
    /// Which part of the text is at the given place.
    pub align: HPos,
}

/// See the file's head.
pub struct Canvas<B: DrawingBackend> {
    area: DrawingArea<B, Shift>,
    scale: f64,
    lettering: Lettering,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Lettering {
    /// Of plotters' SVG back end: its size is 1.24 em, its base line half an x-height down.
    pub const SVG: Self = Self { per_em: 1.24, drop: 0.0865, even: false };
    /// Of plotters' bitmap back end: its size is ascent plus descent, its base line 0.113 em down.
    pub const BITMAP: Self = Self { per_em: letters::LINE, drop: 0.247, even: true };
}

impl Style {
    /// Text of `size` that begins at its place.
    pub fn left(size: f64, colour: RGBColor) -> Self {
        Self { size, colour, align: HPos::Left }
    }

    /// The same text, ending at its place.
    pub fn right(self) -> Self {
        Self { align: HPos::Right, ..self }
    }

    /// The same text, with its middle at its place.
    pub fn centred(self) -> Self {
        Self { align: HPos::Center, ..self }
    }
}

impl<B: DrawingBackend> Canvas<B> {
    /// A canvas of which one point is `scale` units of `backend`.
    pub fn new(backend: B, scale: f64, lettering: Lettering) -> Self {
        Self { area: backend.into_drawing_area(), scale, lettering }
    }

    /// Covers everything with white.
    pub fn clear(&self) -> Result<(), Problem> {
        self.area.fill(&WHITE).map_err(problem)
    }

    /// Brings what was drawn to its destination.
    pub fn finish(&self) -> Result<(), Problem> {
        self.area.present().map_err(problem)
    }

    /// A filled rectangle; what has no area is not drawn.
    pub fn rectangle(&self, from: Point, to: Point, fill: RGBAColor) -> Result<(), Problem> {
        let (from, to) = (self.place(from), self.place(to));
        if from.0 == to.0 || from.1 == to.1 {
            return Ok(());
        }
        self.area.draw(&Rectangle::new([from, to], fill.filled())).map_err(problem)
    }

    /// A level or upright line, exact to the pixel.
    pub fn rule(&self, from: Point, to: Point, width: f64, c: RGBColor) -> Result<(), Problem> {
        let half = width / 2.0;
        let (dx, dy) = if from.1 == to.1 { (0.0, half) } else { (half, 0.0) };
        self.rectangle((from.0 - dx, from.1 - dy), (to.0 + dx, to.1 + dy), c.into())
    }

    /// A line through all `points`.
    pub fn line(&self, points: &[Point], width: f64, colour: RGBAColor) -> Result<(), Problem> {
        let style = colour.stroke_width(self.length(width));
        self.area.draw(&PathElement::new(self.places(points), style)).map_err(problem)
    }

    /// A filled polygon.
    pub fn polygon(&self, corners: &[Point], fill: RGBAColor) -> Result<(), Problem> {
        self.area.draw(&Polygon::new(self.places(corners), fill)).map_err(problem)
    }

    /// A filled circle.
    pub fn dot(&self, centre: Point, radius: f64, fill: RGBAColor) -> Result<(), Problem> {
        let circle = Circle::new(self.place(centre), self.length(radius), fill.filled());
        self.area.draw(&circle).map_err(problem)
    }

    /// An empty circle.
    pub fn ring(&self, centre: Point, radius: f64, colour: RGBAColor) -> Result<(), Problem> {
        let style = colour.stroke_width(self.length(1.0));
        let circle = Circle::new(self.place(centre), self.length(radius), style);
        self.area.draw(&circle).map_err(problem)
    }

    /// Text whose capital letters have their middle at the height of `at`.
    pub fn text(&self, text: &str, at: Point, style: Style) -> Result<(), Problem> {
        let mut size = style.size * self.scale * self.lettering.per_em;
        if self.lettering.even {
            size = (size / 2.0).round().max(1.0) * 2.0;
        }
        let font = FontDesc::new(FontFamily::Name(letters::FAMILY), size, FontStyle::Normal)
            .transform(FontTransform::None);
        let place = self.place((at.0, at.1 + style.size * self.lettering.drop));
        let style =
            TextStyle::from(font).color(&style.colour).pos(Pos::new(style.align, VPos::Center));
        self.area.draw_text(text, &style, place).map_err(problem)
    }

    fn places(&self, points: &[Point]) -> Vec<(i32, i32)> {
        points.iter().map(|&point| self.place(point)).collect()
    }

    fn place(&self, (x, y): Point) -> (i32, i32) {
        ((x * self.scale).round() as i32, (y * self.scale).round() as i32)
    }

    fn length(&self, length: f64) -> u32 {
        (length * self.scale).round().max(1.0) as u32
    }
}

fn problem<E: std::error::Error + Send + Sync>(error: DrawingAreaErrorKind<E>) -> Problem {
    Problem(error.to_string())
}
