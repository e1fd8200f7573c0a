//! An order of a graph's operators in which each comes after all that it needs. Files may have them
//! in any.

use crate::model::graph::{Attribute, Graph, Node, Value, ValueId};
use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
};

/// Deepest nesting of graphs in graphs that is looked into.
pub const MAX_DEPTH: usize = 16;

/// Why a graph is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// Operators wait for each other.
    #[error("the operators around {0:?} wait for each other's results: the graph is cyclic")]
    Cyclic(String),
    /// Two operators make the same value.
    #[error("the value {0:?} is made twice")]
    Twice(String),
    /// An operator names a value that is not listed.
    #[error("an operator names the value {0}, but there are fewer")]
    Unlisted(u32),
}

/// Names of a graph's values.
pub type Names<'a> = HashMap<&'a str, ValueId>;

/// The names of the graph's values; empty where it has no graphs within, which alone ask for them.
pub fn names(graph: &Graph) -> Names<'_> {
    if !graph.nodes.iter().any(|node| bodies(node).next().is_some()) {
        return Names::new();
    }
    (graph.values.iter().enumerate())
        .map(|(at, value)| {
            (value.info.name.as_str(), ValueId(u32::try_from(at).unwrap_or(u32::MAX)))
        })
        .collect()
}

/// Graphs in an operator's attributes.
pub fn bodies(node: &Node) -> impl Iterator<Item = &Graph> {
    node.attributes.iter().filter_map(|(_, attribute)| match attribute {
        Attribute::Graph(body) => Some(body.as_ref()),
        _ => None,
    })
}

/// Which operator makes each value.
fn makers(graph: &Graph) -> Result<Vec<Option<usize>>, Broken> {
    let mut makers = vec![None; graph.values.len()];
    let listed = |id: ValueId| match graph.values.get(id.0 as usize) {
        Some(value) => Ok(value),
        None => Err(Broken::Unlisted(id.0)),
    };
    for &id in graph.inputs.iter().chain(&graph.outputs) {
        listed(id)?;
    }
    for (at, node) in graph.nodes.iter().enumerate() {
        for &id in node.inputs.iter().flatten() {
            listed(id)?;
        }
        for &id in node.outputs.iter().flatten() {
            let value = listed(id)?;
            if makers[id.0 as usize].replace(at).is_some() {
                return Err(Broken::Twice(value.info.name.clone()));
            }
        }
    }
    match graph.inputs.iter().find(|id| makers[id.0 as usize].is_some()) {
        Some(&id) => Err(Broken::Twice(graph.value(id).info.name.clone())),
        None => Ok(makers),
    }
}

/// Indices of the operators in an order in which each comes after what makes its operands; the
/// file's order wherever it is one.
///
/// # Errors
/// When there is no such order.
pub fn order(graph: &Graph, names: &Names<'_>) -> Result<Vec<usize>, Broken> {
    let makers = makers(graph)?;
    let mut waiting = vec![0_usize; graph.nodes.len()];
    let mut followers = vec![Vec::new(); graph.nodes.len()];
    for (at, node) in graph.nodes.iter().enumerate() {
        let captured = bodies(node).flat_map(|body| captures(body, 0));
        let captured = captured.filter_map(|name| names.get(name).copied());
        for id in node.inputs.iter().flatten().copied().chain(captured) {
            if let Some(maker) = makers[id.0 as usize] {
                waiting[at] += 1;
                followers[maker].push(at);
            }
        }
    }
    let mut ready: BinaryHeap<Reverse<usize>> =
        (0..waiting.len()).filter(|&at| waiting[at] == 0).map(Reverse).collect();
    let mut order = Vec::with_capacity(waiting.len());
    while let Some(Reverse(at)) = ready.pop() {
        order.push(at);
        for &follower in &followers[at] {
            waiting[follower] -= 1;
            if waiting[follower] == 0 {
                ready.push(Reverse(follower));
            }
        }
    }
    match waiting.iter().position(|&waits| waits > 0) {
        Some(at) => Err(Broken::Cyclic(called(graph, at))),
        None => Ok(order),
    }
}

/// What to call an operator: its name, or its first result's.
pub fn called(graph: &Graph, at: usize) -> String {
    let node = &graph.nodes[at];
    let result = || Some(graph.value((*node.outputs.first()?)?).info.name.clone());
    if node.name.is_empty() { result().unwrap_or_default() } else { node.name.clone() }
}

/// Names of values that a body takes from outside it.
fn captures(body: &Graph, depth: usize) -> Vec<&str> {
    if depth > MAX_DEPTH {
        return Vec::new();
    }
    let mut own = vec![false; body.values.len()];
    let made = body.nodes.iter().flat_map(|node| &node.outputs).flatten();
    for id in made.chain(&body.inputs) {
        if let Some(own) = own.get_mut(id.0 as usize) {
            *own = true;
        }
    }
    let outside = |(value, own): &(&Value, bool)| !own && value.constant.is_none();
    let mut captured: Vec<&str> = (body.values.iter().zip(own))
        .filter(outside)
        .map(|(value, _)| value.info.name.as_str())
        .collect();
    for inner in body.nodes.iter().flat_map(bodies) {
        captured.extend(captures(inner, depth + 1));
    }
    captured
}
