//! The embedded font, how wide text is in it, and how text is made to fit.

use super::canvas::Problem;
use crate::report::words::shortened;
use plotters::style::{FontDesc, FontFamily, FontStyle, register_font};
use std::sync::OnceLock;

/// What charts ask for. Without the first, viewers of an SVG take the next that they have; the
/// embedded font is registered under the whole list.
pub const FAMILY: &str = "DejaVu Sans, Verdana, Arial, sans-serif";

/// Ascent plus descent of the embedded font per em.
pub const LINE: f64 = 1.1641;

const BYTES: &[u8] = include_bytes!("../font/DejaVuSans-subset.ttf");

/// Enlargement at which text is measured, because widths come back in whole units.
const MEASURED_AT: f64 = 64.0;

/// Makes the embedded font known to the drawing library; does nothing the second time.
pub fn register() -> Result<(), Problem> {
    static DONE: OnceLock<bool> = OnceLock::new();
    let done = DONE.get_or_init(|| register_font(FAMILY, FontStyle::Normal, BYTES).is_ok());
    done.then_some(()).ok_or_else(|| Problem("the embedded font cannot be used".to_owned()))
}

/// Width of `text` at `size`. Characters of East Asian scripts are not in the font; a viewer
/// that takes them from another one sets them a whole em wide.
pub fn width(text: &str, size: f64) -> f64 {
    let em = MEASURED_AT * LINE;
    let font = FontDesc::new(FontFamily::Name(FAMILY), em, FontStyle::Normal);
    let known = font.box_size(text).map_or(0.0, |(width, _)| f64::from(width)) / MEASURED_AT;
    let wide = text.chars().filter(|&c| c >= '\u{2e80}').count() as f64;
    (known + 0.4 * wide) * size
}

/// `text` with whatever cannot be drawn or written to XML made visible: control characters as
/// `\n` or `\u{7}`, characters that are none as a replacement.
pub fn printable(text: &str) -> String {
    let mut shown = String::new();
    for c in text.chars() {
        match c {
            c if c.is_control() => shown.extend(c.escape_default()),
            '\u{fffe}' | '\u{ffff}' | '\u{2028}' | '\u{2029}' => shown.push('\u{fffd}'),
            c => shown.push(c),
        }
    }
    shown
}

/// `text` with its middle left out if it is wider than `room`.
pub fn shorten(text: &str, size: f64, room: f64) -> String {
    shortened(&printable(text), |text| width(text, size) <= room)
}

/// `text` broken into lines no wider than `room`, at spaces and after slashes; what cannot be
/// broken or would need more than `most` lines is shortened.
pub fn wrap(text: &str, size: f64, room: f64, most: usize) -> Vec<String> {
    let text = printable(text);
    let mut lines = vec![String::new()];
    let mut pieces = text.split_inclusive([' ', '/']).peekable();
    while let Some(piece) = pieces.next() {
        let last = lines.len() - 1;
        let longer = format!("{}{piece}", lines[last]);
        if width(longer.trim_end(), size) <= room || lines[last].is_empty() {
            lines[last] = longer;
        } else if lines.len() < most {
            lines.push(piece.to_owned());
        } else {
            lines[last] = longer;
            lines[last].extend(pieces.by_ref());
        }
    }
    lines.iter().map(|line| shorten(line.trim_end(), size, room)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shortened_text_fits_and_keeps_both_ends() {
        register().unwrap();
        let name = "a_very_long_model_name/yolov8/onnxruntime/fp32/b1/serial/t1";
        let short = shorten(name, 12.0, 150.0);
        assert!(width(&short, 12.0) <= 150.0);
        assert!(short.starts_with("a_very") && short.ends_with("/t1") && short.contains('…'));
        assert_eq!(shorten(name, 12.0, 1e6), name);
        assert_eq!(shorten("abc", 12.0, 0.0), "…");
    }

    #[test]
    fn wrapped_text_loses_nothing_where_there_is_room() {
        register().unwrap();
        let text = "one two three four five six seven";
        let lines = wrap(text, 12.0, 90.0, 9);
        assert!(lines.len() > 2 && lines.iter().all(|line| width(line, 12.0) <= 90.0));
        assert_eq!(lines.join(" "), text);
        assert_eq!(wrap(text, 12.0, 90.0, 2).len(), 2);
    }

    #[test]
    fn control_characters_are_shown_not_drawn() {
        assert_eq!(printable("a\nb\u{7}\u{ffff}é"), "a\\nb\\u{7}\u{fffd}é");
    }
}
