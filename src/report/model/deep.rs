//! What the weights themselves tell, as text. The JSON is the data itself.

use super::{clean, exact};
use crate::{
    model::deep::{Deep, Range},
    unit::Bytes,
};

/// Most weights or groups of them that are named.
const MOST: usize = 8;

/// Duplicates, and what half precision does to the weights.
pub fn text(deep: &Deep) -> String {
    let mut lines = vec!["In the weights themselves".to_owned()];
    if !deep.unread.is_empty() {
        let names: Vec<String> = deep.unread.iter().take(3).map(|name| clean(name)).collect();
        let more = if deep.unread.len() > 3 { ", …" } else { "" };
        let count = deep.unread.len();
        lines.push(format!("  not read        {count} tensors of a type or storage that is not read here: {}{more}", names.join(", ")));
    }
    if deep.ranges.is_empty() {
        lines.push("  no weight with a fraction was read".to_owned());
        return lines.join("\n");
    }
    lines.extend(duplicates(deep));
    let extremes = deep.ranges.iter().map(|range| range.least.abs().max(range.greatest.abs()));
    let most = extremes.fold(0.0, f64::max);
    lines.push(format!(
        "  values          at most {} in magnitude, over {} tensors",
        magnitude(most),
        deep.ranges.len()
    ));
    let count = |of: fn(&Range) -> u64| deep.ranges.iter().map(of).sum::<u64>();
    if count(|range| range.not_finite) > 0 {
        lines.push(named(deep, "infinite or no number", |range| range.not_finite));
    }
    match count(|range| range.beyond_half) {
        0 => lines.push("  half precision  no value is beyond its range".to_owned()),
        _ => lines.push(named(deep, "beyond the range of half precision (65504)", |range| {
            range.beyond_half
        })),
    }
    if count(|range| range.zero_in_half) > 0 {
        lines.push(named(deep, "so small that half precision makes them zero", |range| {
            range.zero_in_half
        }));
    }
    lines.join("\n")
}

/// A number that may be very large or very small.
fn magnitude(value: f64) -> String {
    if value == 0.0 || (1e-3..1e6).contains(&value) {
        format!("{value:.4}")
    } else {
        format!("{value:.3e}")
    }
}

fn duplicates(deep: &Deep) -> Vec<String> {
    if deep.duplicates.is_empty() {
        return vec!["  duplicates      none: no tensor is stored twice".to_owned()];
    }
    let mut lines =
        vec![format!("  duplicates      {} could be saved:", exact(deep.duplicate_bytes))];
    for found in deep.duplicates.iter().take(MOST) {
        let names: Vec<String> = found.names.iter().take(3).map(|name| clean(name)).collect();
        let more = if found.names.len() > 3 { ", …" } else { "" };
        let (times, size) = (found.names.len(), Bytes(found.bytes));
        lines.push(format!("    {times} times {size}: {}{more}", names.join(", ")));
    }
    if deep.duplicates.len() > MOST {
        lines.push(format!("    and {} groups more", deep.duplicates.len() - MOST));
    }
    lines
}

/// How many values are such, and in which weights.
fn named(deep: &Deep, what: &str, of: fn(&Range) -> u64) -> String {
    let found: Vec<(&str, u64)> = deep
        .ranges
        .iter()
        .map(|range| (range.name.as_str(), of(range)))
        .filter(|(_, n)| *n > 0)
        .collect();
    let total: u64 = found.iter().map(|(_, count)| count).sum();
    let names: Vec<String> =
        found.iter().take(3).map(|(name, count)| format!("{} ({count})", clean(name))).collect();
    let more = if found.len() > 3 {
        format!(" and {} tensors more", found.len() - 3)
    } else {
        String::new()
    };
    format!("  {total} values are {what}, in {}{more}", names.join(", "))
}
