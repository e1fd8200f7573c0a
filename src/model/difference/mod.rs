//! Why one model's files are larger than another's: the difference in bytes taken apart by cause. The
//! causes sum to the whole difference. Puts nothing into sentences for a terminal.

mod post;
mod weights;

use super::{
    anatomy::{Anatomy, SectionKind},
    graph::Graph,
};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// What makes files differ in size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The same weights in another element type.
    Precision,
    /// State of the optimizer.
    OptimizerState,
    /// Moving averages of the weights.
    EmaState,
    /// State of the learning-rate schedule.
    SchedulerState,
    /// Tensors that belong to none of those.
    OtherState,
    /// Batch normalisation that one of them has folded into its convolutions.
    BatchNormalisation,
    /// Tensors of the same name and another shape: another number of classes, another width.
    Shapes,
    /// Tensors that only one of them has.
    Weights,
    /// Post-processing that only one of them has in its graph.
    PostProcessing,
    /// Operators, what connects them, and the format's own framing.
    Structure,
    /// Names of operators, values and tensors.
    Names,
    /// Parameters of operators.
    Attributes,
    /// Declared types and shapes.
    Types,
    /// Stack traces of the exporting program, with the paths on its machine.
    CallStacks,
    /// Descriptive entries and documentation texts.
    Descriptions,
    /// Python objects, source code.
    Objects,
    /// Archive headers and filling.
    Container,
    /// Elements that no tensor refers to.
    Unreferenced,
    /// What only the library that wrote it can read.
    Opaque,
}

/// One cause, and what it is worth.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// What it is.
    pub cause: Cause,
    /// What is meant in these two files, in plain words.
    pub words: String,
    /// Bytes that the second has more; negative where it has fewer.
    pub bytes: i64,
}

/// A fact in which the two differ and that has no bytes of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fact {
    /// What, such as `producer`.
    pub name: String,
    /// In the first.
    pub first: String,
    /// In the second.
    pub second: String,
}

/// How two models differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Bytes of the first, with all its files.
    pub first_bytes: u64,
    /// Bytes of the second, with all its files.
    pub second_bytes: u64,
    /// Bytes that the second has more.
    pub bytes: i64,
    /// Causes, the one that is worth most first. They sum to `bytes`.
    pub explanations: Vec<Explanation>,
    /// What else differs.
    pub facts: Vec<Fact>,
    /// Operators of which the two have different numbers, by operator: how many in either.
    pub operators: BTreeMap<String, (u64, u64)>,
}

/// Compares two models.
pub fn difference(first: &Anatomy, second: &Anatomy) -> Difference {
    let bytes = signed(second.bytes()) - signed(first.bytes());
    let operators = operators(first.graph.as_ref(), second.graph.as_ref());
    let mut explanations = weights::explain(first, second);
    explanations.extend(sections(first, second, &operators));
    explanations.retain(|explanation| explanation.bytes != 0);
    explanations.sort_by_key(|found| (std::cmp::Reverse(found.bytes.unsigned_abs()), found.cause));
    let (first_bytes, second_bytes) = (first.bytes(), second.bytes());
    let facts = facts(first, second);
    Difference { first_bytes, second_bytes, bytes, explanations, facts, operators }
}

fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

/// How many of each operator a graph has; those of another domain with its name.
pub fn counted(graph: &Graph) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for node in &graph.nodes {
        let name = match node.domain.as_str() {
            "" => node.operator.clone(),
            domain => format!("{domain}::{}", node.operator),
        };
        *counts.entry(name).or_default() += 1;
    }
    counts
}

fn operators(first: Option<&Graph>, second: Option<&Graph>) -> BTreeMap<String, (u64, u64)> {
    let (Some(first), Some(second)) = (first, second) else { return BTreeMap::new() };
    let (first, second) = (counted(first), counted(second));
    let names: BTreeSet<&String> = first.keys().chain(second.keys()).collect();
    let of = |counts: &BTreeMap<String, u64>, name| counts.get(name).copied().unwrap_or(0);
    let pairs = names.into_iter().map(|name| (name.clone(), (of(&first, name), of(&second, name))));
    pairs.filter(|(_, (first, second))| first != second).collect()
}

/// Under which cause a heading that is not weights goes.
fn cause(kind: SectionKind) -> Option<Cause> {
    Some(match kind {
        SectionKind::Weights => return None,
        SectionKind::Unreferenced => Cause::Unreferenced,
        SectionKind::Structure => Cause::Structure,
        SectionKind::Attributes => Cause::Attributes,
        SectionKind::Names => Cause::Names,
        SectionKind::Types => Cause::Types,
        SectionKind::CallStacks => Cause::CallStacks,
        SectionKind::Metadata | SectionKind::DocStrings => Cause::Descriptions,
        SectionKind::Objects | SectionKind::Code => Cause::Objects,
        SectionKind::Container | SectionKind::Padding => Cause::Container,
        SectionKind::Opaque => Cause::Opaque,
    })
}

fn sections(
    first: &Anatomy,
    second: &Anatomy,
    operators: &BTreeMap<String, (u64, u64)>,
) -> Vec<Explanation> {
    let mut sums: BTreeMap<Cause, i64> = BTreeMap::new();
    for (anatomy, sign) in [(first, -1), (second, 1)] {
        for section in &anatomy.sections {
            if let Some(cause) = cause(section.kind) {
                *sums.entry(cause).or_default() += sign * signed(section.bytes);
            }
        }
    }
    // What post-processing takes is taken out of the headings that it is under.
    let parts = [post::parts(first), post::parts(second)];
    let mut processing = 0;
    for (cause, bytes) in post::difference(&parts) {
        *sums.entry(cause).or_default() -= bytes;
        processing += bytes;
    }
    let mut explanations: Vec<Explanation> = sums
        .into_iter()
        .map(|(cause, bytes)| Explanation { cause, words: section_words(cause, operators), bytes })
        .collect();
    explanations.push(Explanation {
        cause: Cause::PostProcessing,
        words: post::words(&parts),
        bytes: processing,
    });
    // What the format says its weights take, and what the weights that have names take.
    let unnamed = |anatomy: &Anatomy| {
        let held = anatomy.sections.iter().filter(|section| section.kind == SectionKind::Weights);
        let held: u64 = held.map(|section| section.bytes).sum();
        signed(held) - signed(anatomy.weights.iter().map(|weight| weight.bytes).sum())
    };
    explanations.push(Explanation {
        cause: Cause::OtherState,
        words: "elements of tensors without a name".to_owned(),
        bytes: unnamed(second) - unnamed(first),
    });
    explanations
}

fn section_words(cause: Cause, operators: &BTreeMap<String, (u64, u64)>) -> String {
    let text = match cause {
        Cause::Structure if !operators.is_empty() => return changed(operators),
        Cause::Structure => "how operators are connected, and the format's framing",
        Cause::Attributes => "parameters of operators",
        Cause::Names => "names of operators, values and tensors",
        Cause::Types => "declared types and shapes of values",
        Cause::CallStacks => {
            "stack traces of the program that exported it, with paths on its machine"
        }
        Cause::Descriptions => "descriptive entries and documentation texts",
        Cause::Objects => "Python objects around the tensors, and source code",
        Cause::Container => "headers of the archive, and filling between tensors",
        Cause::Unreferenced => "elements that no tensor refers to",
        Cause::Opaque => "what only the library that wrote it can read",
        _ => "",
    };
    text.to_owned()
}

/// Most operators that are named in a sentence.
const NAMED: usize = 6;

/// Operators that are more or fewer, those that changed most first.
fn changed(operators: &BTreeMap<String, (u64, u64)>) -> String {
    let mut all: Vec<_> = operators.iter().collect();
    all.sort_by_key(|(_, (first, second))| std::cmp::Reverse(first.abs_diff(*second)));
    let word = |(name, (first, second)): &(&String, &(u64, u64))| match second.checked_sub(*first) {
        Some(more) => format!("{more} more {name}"),
        None => format!("{} fewer {name}", first - second),
    };
    let mut words: Vec<String> = all.iter().take(NAMED).map(word).collect();
    if all.len() > NAMED {
        words.push(format!("{} operators more", all.len() - NAMED));
    }
    format!("operators and what connects them: {}", words.join(", "))
}

fn facts(first: &Anatomy, second: &Anatomy) -> Vec<Fact> {
    let opsets = |anatomy: &Anatomy| {
        let all = anatomy.opsets.iter().map(|(domain, version)| format!("{domain} {version}"));
        all.collect::<Vec<_>>().join(", ")
    };
    let ends = |anatomy: &Anatomy, inputs: bool| {
        let graph = anatomy.graph.as_ref();
        let of = graph.map(|graph| {
            let ids = if inputs { &graph.inputs } else { &graph.outputs };
            ids.iter().map(|&id| graph.value(id).info.to_string()).collect::<Vec<_>>()
        });
        of.unwrap_or_default().join(", ")
    };
    let told = |name: &str, of: &dyn Fn(&Anatomy) -> String| {
        let (first, second) = (of(first), of(second));
        let shown = |text: String| if text.is_empty() { "not told".to_owned() } else { text };
        (first != second).then(|| Fact {
            name: name.to_owned(),
            first: shown(first),
            second: shown(second),
        })
    };
    [
        told("format", &|anatomy| anatomy.format.to_string()),
        told("written by", &|anatomy| anatomy.producer.clone().unwrap_or_default()),
        told("operator sets", &opsets),
        told("inputs", &|anatomy| ends(anatomy, true)),
        told("outputs", &|anatomy| ends(anatomy, false)),
        told("post-processing in the graph", &post::in_words),
    ]
    .into_iter()
    .flatten()
    .collect()
}
