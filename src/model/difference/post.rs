//! Which operators of a graph are post-processing: those that suppress overlapping boxes, and all that
//! comes after them or after the inputs that tell the size of an image.

use super::{Cause, signed};
use crate::model::{
    anatomy::Anatomy,
    graph::{Graph, Node, ValueId},
};
use std::collections::HashSet;

/// Inputs that tell an image's size, in the words of PaddleDetection and RT-DETR.
const SIZES: [&str; 4] = ["im_shape", "scale_factor", "orig_target_sizes", "target_sizes"];

/// Post-processing of one graph.
#[derive(Default)]
pub struct Parts {
    /// How many operators.
    operators: usize,
    /// What suppresses boxes, if something does.
    suppression: Option<String>,
    structure: u64,
    names: u64,
    attributes: u64,
}

/// What a model has of it.
pub fn parts(anatomy: &Anatomy) -> Parts {
    let mut parts = Parts::default();
    let Some(graph) = &anatomy.graph else { return parts };
    for node in processing(graph) {
        let names = names(graph, node);
        parts.operators += 1;
        parts.names += names;
        parts.attributes += node.attribute_bytes;
        parts.structure += node.bytes.saturating_sub(names + node.attribute_bytes);
        if parts.suppression.is_none() && suppresses(node) {
            parts.suppression = Some(node.operator.clone());
        }
    }
    parts
}

/// Bytes that the second has more, by the heading that they are under.
pub fn difference([first, second]: &[Parts; 2]) -> [(Cause, i64); 3] {
    let more = |first: u64, second: u64| signed(second) - signed(first);
    [
        (Cause::Structure, more(first.structure, second.structure)),
        (Cause::Names, more(first.names, second.names)),
        (Cause::Attributes, more(first.attributes, second.attributes)),
    ]
}

/// What either has.
pub fn words([first, second]: &[Parts; 2]) -> String {
    format!(
        "post-processing in the graph: {} in the first, {} in the second",
        first.shown(),
        second.shown()
    )
}

/// What a model has, in a few words.
pub fn in_words(anatomy: &Anatomy) -> String {
    parts(anatomy).shown()
}

impl Parts {
    fn shown(&self) -> String {
        match (self.operators, &self.suppression) {
            (0, _) => "none".to_owned(),
            (count, Some(suppression)) => format!("{suppression} and {} operators", count - 1),
            (count, None) => format!("{count} operators, no NMS"),
        }
    }
}

/// Bytes of the names that a node holds.
fn names(graph: &Graph, node: &Node) -> u64 {
    let edges = node.inputs.iter().chain(&node.outputs).flatten();
    let edges: usize = edges.map(|&id| graph.value(id).info.name.len()).sum();
    (node.name.len() + edges) as u64
}

fn suppresses(node: &Node) -> bool {
    let operator = node.operator.to_ascii_lowercase();
    operator.contains("nms") || operator.contains("nonmaxsuppression")
}

/// Files keep their operators in the order in which they run, so once through is enough.
fn processing(graph: &Graph) -> Vec<&Node> {
    let sized = |id: &&ValueId| SIZES.contains(&graph.value(**id).info.name.as_str());
    let mut reached: HashSet<ValueId> = graph.inputs.iter().filter(sized).copied().collect();
    let mut found = Vec::new();
    for node in &graph.nodes {
        let after = node.inputs.iter().flatten().any(|id| reached.contains(id));
        if after || suppresses(node) {
            reached.extend(node.outputs.iter().flatten());
            found.push(node);
        }
    }
    found
}
