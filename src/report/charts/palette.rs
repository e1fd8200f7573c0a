//! Colours that people with any colour vision tell apart (Okabe and Ito, 2008), the same for a
//! stage in every chart.

use crate::timing::Span;
use plotters::style::{Color, RGBAColor, RGBColor};

/// Text and axes.
pub const INK: RGBColor = RGBColor(0x22, 0x22, 0x22);
/// Text that is less important.
pub const PALE: RGBColor = RGBColor(0x66, 0x66, 0x66);
/// Lines of the grid.
pub const GRID: RGBColor = RGBColor(0xe4, 0xe4, 0xe4);
/// Ground below what is not part of the result.
pub const SHADE: RGBColor = RGBColor(0xf0, 0xf0, 0xf0);
/// What is not part of the result itself.
pub const ASIDE: RGBColor = RGBColor(0x99, 0x99, 0x99);

const ORANGE: RGBColor = RGBColor(0xe6, 0x9f, 0x00);
const SKY: RGBColor = RGBColor(0x56, 0xb4, 0xe9);
const GREEN: RGBColor = RGBColor(0x00, 0x9e, 0x73);
const YELLOW: RGBColor = RGBColor(0xf0, 0xe4, 0x42);
const BLUE: RGBColor = RGBColor(0x00, 0x72, 0xb2);
const VERMILION: RGBColor = RGBColor(0xd5, 0x5e, 0x00);
const PURPLE: RGBColor = RGBColor(0xcc, 0x79, 0xa7);

const IN_TURN: [RGBColor; 6] = [BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY];

/// The colour of a span.
pub fn span(span: Span) -> RGBColor {
    match span {
        Span::Decode => ORANGE,
        Span::Preprocess => SKY,
        Span::HostToDevice => YELLOW,
        Span::Inference => BLUE,
        Span::DeviceToHost => PURPLE,
        Span::Postprocess => VERMILION,
        Span::Enqueue => GREEN,
        Span::EndToEnd => PALE,
        Span::Remainder => RGBColor(0xbb, 0xbb, 0xbb),
    }
}

/// The colour of the `n`-th of things that have no colour of their own; after six they repeat.
pub fn nth(n: usize) -> RGBColor {
    IN_TURN[n % IN_TURN.len()]
}

/// How many colours [`nth`] has.
pub const fn count() -> usize {
    IN_TURN.len()
}

/// Black or white, whichever is easier to read on `ground`.
pub fn on(ground: RGBColor) -> RGBColor {
    let RGBColor(r, g, b) = ground;
    let light = 0.299 * f64::from(r) + 0.587 * f64::from(g) + 0.114 * f64::from(b);
    if light > 140.0 { RGBColor(0, 0, 0) } else { RGBColor(255, 255, 255) }
}

/// `colour` that lets what is below shine through.
pub fn faint(colour: RGBColor, opacity: f64) -> RGBAColor {
    colour.mix(opacity)
}
