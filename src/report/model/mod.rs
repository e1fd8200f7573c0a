//! What a model file holds, costs and fits, for people: text and a chart. Adds nothing up.

mod anatomy;
pub mod cost;
pub mod deep;
mod difference;
pub mod support;

pub use anatomy::{heading, role, text};
pub use difference::text as difference;

use crate::unit::{Bytes, Share};

/// Bytes, exactly where they are rounded.
fn exact(bytes: u64) -> String {
    if bytes < 1000 {
        return Bytes(bytes).to_string();
    }
    format!("{} ({} bytes)", Bytes(bytes), grouped(bytes))
}

/// A whole number with its thousands apart: 31 951 028.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut shown = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            shown.push(' ');
        }
        shown.push(digit);
    }
    shown
}

/// A count in thousands, millions or billions: 7.93 M.
pub fn count(number: u64) -> String {
    let value = number as f64;
    match number {
        0..10_000 => number.to_string(),
        10_000..1_000_000 => format!("{:.1} k", value / 1e3),
        1_000_000..1_000_000_000 => format!("{:.2} M", value / 1e6),
        _ => format!("{:.2} G", value / 1e9),
    }
}

/// A name out of a file from a stranger, on one line and without what a terminal would obey or what
/// turns the direction of writing.
pub fn clean(name: &str) -> String {
    let mut shown = String::with_capacity(name.len());
    for c in name.chars() {
        let turns = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}');
        if c.is_control() || turns { shown.extend(c.escape_default()) } else { shown.push(c) }
    }
    shown
}

fn share(part: u64, whole: u64) -> Share {
    Share(part as f64 / whole.max(1) as f64)
}

/// Rows of a name, a size and a share, each with a remark, in columns.
#[derive(Default)]
struct Rows(Vec<(usize, String, u64, String)>);

impl Rows {
    fn add(
        &mut self,
        depth: usize,
        name: impl Into<String>,
        bytes: u64,
        remark: impl Into<String>,
    ) {
        self.0.push((depth, name.into(), bytes, remark.into()));
    }

    /// The rows as lines; shares are of `whole`.
    fn lines(&self, whole: u64) -> Vec<String> {
        let names = self.0.iter().map(|(depth, name, ..)| 2 * depth + name.chars().count());
        let widest = names.max().unwrap_or(0);
        let line = |(depth, name, bytes, remark): &(usize, String, u64, String)| {
            let (indent, size, share) =
                (2 * depth, Bytes(*bytes).to_string(), share(*bytes, whole));
            let width = widest - indent;
            let line = format!("  {:indent$}{name:<width$}  {size:>9}  {share:>7}", "");
            format!("{line}  {remark}").trim_end().to_owned()
        };
        self.0.iter().map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_shown_as_people_read_them() {
        assert_eq!(grouped(31_951_028), "31 951 028");
        assert_eq!(grouped(7), "7");
        assert_eq!(grouped(100_000), "100 000");
        assert_eq!(exact(999), "999 B");
        assert_eq!(exact(1000), "1.0 kB (1 000 bytes)");
        assert_eq!(count(9_999), "9999");
        assert_eq!(count(3_151_904), "3.15 M");
        assert_eq!(count(25_000), "25.0 k");
        assert_eq!(count(8_634_000_000), "8.63 G");
        assert_eq!(clean("a\nb\u{202e}c\u{9b}"), "a\\nb\\u{202e}c\\u{9b}");
    }
}
