//! One model as text: what it is, where its bytes are, what it takes in and gives out.

use super::{Rows, clean, count, exact};
use crate::model::{
    anatomy::{Role, SectionKind},
    summary::{Axis, End, RoleSum, Summary},
};

/// What a file holds.
pub fn text(name: &str, summary: &Summary) -> String {
    let mut lines = vec![name.to_owned(), head(summary), String::new()];
    lines.extend(ends(summary));
    lines.push("Where the bytes are".to_owned());
    lines.extend(bytes(summary).lines(summary.bytes));
    lines.push(String::new());
    if !summary.operators.is_empty() {
        lines.push(operators(summary));
        lines.push(String::new());
    }
    lines.extend(metadata(summary));
    lines.extend(lean(summary));
    lines.extend(summary.remarks.iter().map(|remark| clean(remark)));
    lines.join("\n").trim_end().to_owned()
}

fn head(summary: &Summary) -> String {
    let mut parts = vec![format!("{}, {}", summary.format, exact(summary.bytes))];
    if summary.files.len() > 1 {
        parts.push(format!("in {} files", summary.files.len()));
    }
    parts.extend(
        summary.producer.as_ref().map(|producer| format!("written by {}", clean(producer))),
    );
    let sets =
        summary.opsets.iter().map(|(domain, version)| format!("{} {version}", clean(domain)));
    let sets: Vec<String> = sets.collect();
    if (1..=MOST_SETS).contains(&sets.len()) {
        parts.push(format!("operator set {}", sets.join(", ")));
    }
    parts.extend(summary.ir_version.map(|version| format!("IR {version}")));
    parts.join("; ")
}

/// Most operator sets in one line; Paddle has a version for each operator.
const MOST_SETS: usize = 4;

fn ends(summary: &Summary) -> Vec<String> {
    let all = summary.inputs.iter().map(|end| ("input", end));
    let all: Vec<(&str, &End)> =
        all.chain(summary.outputs.iter().map(|end| ("output", end))).collect();
    let widest = all.iter().map(|(_, end)| clean(&end.name).chars().count()).max().unwrap_or(0);
    let line = |(kind, end): &(&str, &End)| {
        format!("  {kind:<6}  {:<widest$}  {} {}", clean(&end.name), end.dtype, shape(end))
    };
    let mut lines: Vec<String> = all.iter().map(line).collect();
    if !lines.is_empty() {
        lines.push(String::new());
    }
    lines
}

fn shape(end: &End) -> String {
    let Some(axes) = &end.shape else { return "of a shape that is not declared".to_owned() };
    let axis = |axis: &Axis| match axis {
        Axis::Length(length) => length.to_string(),
        Axis::Name(name) => clean(name),
    };
    format!("[{}]", axes.iter().map(axis).collect::<Vec<_>>().join(", "))
}

fn bytes(summary: &Summary) -> Rows {
    let mut rows = Rows::default();
    for section in &summary.sections {
        rows.add(0, heading(section.name), section.bytes, explained(section.name));
        if section.name == SectionKind::Weights {
            roles(summary, &mut rows);
        }
    }
    rows
}

fn roles(summary: &Summary, rows: &mut Rows) {
    for sum in &summary.roles {
        let s = if sum.tensors == 1 { "" } else { "s" };
        let remark = format!("{} numbers in {} tensor{s}", count(sum.parameters), sum.tensors);
        rows.add(1, format!("{}, {}", role(sum.role), sum.dtype), sum.bytes, remark);
        let last = |other: &&RoleSum| other.role == sum.role;
        if sum.role == Role::Model && summary.roles.iter().rfind(last) == Some(sum) {
            for part in &summary.components {
                let remark = format!("{} numbers", count(part.parameters));
                rows.add(2, part.name.clone(), part.bytes, remark);
            }
        }
    }
}

/// A role in words.
pub fn role(role: Role) -> &'static str {
    match role {
        Role::Model => "network",
        Role::Ema => "moving average (EMA)",
        Role::Optimizer => "optimizer",
        Role::Scheduler => "scheduler",
        Role::Other => "other",
    }
}

/// A heading in words.
pub fn heading(kind: SectionKind) -> &'static str {
    match kind {
        SectionKind::Weights => "weights",
        SectionKind::Unreferenced => "unreferenced",
        SectionKind::Structure => "structure",
        SectionKind::Attributes => "attributes",
        SectionKind::Names => "names",
        SectionKind::Types => "types and shapes",
        SectionKind::CallStacks => "call stacks",
        SectionKind::Metadata => "metadata",
        SectionKind::DocStrings => "documentation",
        SectionKind::Objects => "Python objects",
        SectionKind::Code => "source code",
        SectionKind::Container => "container",
        SectionKind::Padding => "padding",
        SectionKind::Opaque => "opaque",
    }
}

fn explained(kind: SectionKind) -> &'static str {
    match kind {
        SectionKind::Weights => "",
        SectionKind::Unreferenced => "elements that no tensor of the file refers to",
        SectionKind::Structure => "operators, what connects them, the format's framing",
        SectionKind::Attributes => "parameters of operators",
        SectionKind::Names => "of operators, values and tensors",
        SectionKind::Types => "declared for values and tensors",
        SectionKind::CallStacks => {
            "where the exporting program was, with its paths; nothing needs them"
        }
        SectionKind::Metadata => "descriptive entries",
        SectionKind::DocStrings => "texts for people",
        SectionKind::Objects => "keys, hyperparameters and the like around the tensors",
        SectionKind::Code => "stored along; never executed here",
        SectionKind::Container => "directory and headers of the archive",
        SectionKind::Padding => "so that tensors begin at round offsets",
        SectionKind::Opaque => "only the library that wrote it can read it",
    }
}

/// Most kinds of operators that are named.
const MOST_OPERATORS: usize = 12;

fn operators(summary: &Summary) -> String {
    let mut all: Vec<(&String, &u64)> = summary.operators.iter().collect();
    all.sort_by_key(|(name, number)| (std::cmp::Reverse(**number), name.as_str()));
    let total: u64 = summary.operators.values().sum();
    let named: Vec<String> = all
        .iter()
        .take(MOST_OPERATORS)
        .map(|(name, number)| format!("{number} {}", clean(name)))
        .collect();
    let more = match all.len().saturating_sub(MOST_OPERATORS) {
        0 => String::new(),
        more => format!(" and {more} kinds more"),
    };
    format!("{total} operators: {}{more}", named.join(", "))
}

/// What is left when all but the network's weights is taken away.
fn lean(summary: &Summary) -> Option<String> {
    summary.lean.map(|lean| {
        format!(
            "The network's weights alone are {} as FP32 and {} as FP16: --write-lean OUT.safetensors",
            lean.fp32_bytes, lean.fp16_bytes
        )
    })
}

/// Longest entry of the description that is shown whole.
const LONGEST: usize = 100;

fn metadata(summary: &Summary) -> Vec<String> {
    let line = |(key, text): (&String, &String)| {
        let mut shown: String = text.chars().take(LONGEST).collect();
        if shown.len() < text.len() {
            shown.push('…');
        }
        format!("  {}: {}", clean(key), clean(&shown))
    };
    let mut lines: Vec<String> = summary.metadata.iter().map(line).collect();
    if !lines.is_empty() {
        lines.insert(0, "Description".to_owned());
        lines.push(String::new());
    }
    lines
}
