//! The difference of two models as text.

use super::{clean, exact, grouped};
use crate::{model::difference::Difference, unit::Bytes};

/// Most operators whose numbers are listed.
const MOST_OPERATORS: usize = 20;

/// Why the second is larger or smaller than the first.
pub fn text(first: &str, second: &str, difference: &Difference) -> String {
    let mut lines = vec![
        format!("first   {first}: {}", exact(difference.first_bytes)),
        format!("second  {second}: {}", exact(difference.second_bytes)),
        String::new(),
        headline(difference),
    ];
    lines.extend(causes(difference));
    if !difference.facts.is_empty() {
        lines.extend([String::new(), "What else differs".to_owned()]);
        for fact in &difference.facts {
            lines.push(format!("  {}", fact.name));
            lines.push(format!("    first   {}", clean(&fact.first)));
            lines.push(format!("    second  {}", clean(&fact.second)));
        }
    }
    lines.extend(operators(difference));
    lines.join("\n")
}

fn headline(difference: &Difference) -> String {
    let by = exact(difference.bytes.unsigned_abs());
    match difference.bytes {
        0 if difference.explanations.is_empty() => "They have the same size.".to_owned(),
        0 => "They have the same size, by chance:".to_owned(),
        1.. => format!("The second is larger by {by}, because of:"),
        _ => format!("The second is smaller by {by}, because of:"),
    }
}

fn causes(difference: &Difference) -> Vec<String> {
    let row = |bytes: i64, words: &str| {
        let sign = if bytes < 0 { '−' } else { '+' };
        let size = format!("{sign}{}", Bytes(bytes.unsigned_abs()));
        let whole = format!("{sign}{}", grouped(bytes.unsigned_abs()));
        format!("  {size:>10}  {whole:>14}  {words}")
    };
    let mut lines: Vec<String> = difference
        .explanations
        .iter()
        .map(|found| row(found.bytes, &clean(&found.words)))
        .collect();
    if lines.len() > 1 {
        lines.push(row(difference.bytes, "in all"));
    }
    lines
}

fn operators(difference: &Difference) -> Vec<String> {
    let mut all: Vec<_> = difference.operators.iter().collect();
    if all.is_empty() {
        return Vec::new();
    }
    all.sort_by_key(|(_, (first, second))| std::cmp::Reverse(first.abs_diff(*second)));
    let mut lines = vec![String::new(), "Operators".to_owned()];
    let line = |(name, (first, second)): &(&String, &(u64, u64))| {
        format!("  {first:>6} → {second:<6} {name}")
    };
    lines.extend(all.iter().take(MOST_OPERATORS).map(line));
    if all.len() > MOST_OPERATORS {
        lines.push(format!("  and {} kinds more", all.len() - MOST_OPERATORS));
    }
    lines
}
