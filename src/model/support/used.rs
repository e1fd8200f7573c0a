//! What a graph uses: its operators, how often, and the element types that they are given. Judges
//! nothing.

use crate::{
    model::graph::{Attribute, Graph, Node},
    tensor::DType,
};
use std::collections::BTreeMap;

/// One operator of a graph.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Use {
    /// How often it occurs, bodies of loops and branches included.
    pub count: usize,
    /// Element types of its first operands, as far as the file declares them.
    pub types: Vec<DType>,
}

/// An operator: its domain, empty for the format's own, and its name.
pub type Operator<'a> = (&'a str, &'a str);

/// The operators of a graph and of all graphs in it.
pub fn operators(graph: &Graph) -> BTreeMap<Operator<'_>, Use> {
    let mut used: BTreeMap<Operator<'_>, Use> = BTreeMap::new();
    let defined = |node: &Node| {
        let is =
            |(domain, name): &(String, String)| *domain == node.domain && *name == node.operator;
        graph.functions.iter().any(is)
    };
    for (graph, node) in nodes(graph).into_iter().filter(|(_, node)| !defined(node)) {
        let entry = used.entry((own(&node.domain), node.operator.as_str())).or_default();
        entry.count += 1;
        let first = node.inputs.first().copied().flatten();
        let dtype = first.and_then(|id| graph.values.get(id.0 as usize)).map(|value| {
            value.constant.as_ref().map_or(value.info.dtype, |constant| constant.dtype)
        });
        entry.types.extend(dtype.filter(|dtype| known(*dtype) && !entry.types.contains(dtype)));
    }
    used
}

/// All nodes, each with the graph that its values belong to.
pub fn nodes(graph: &Graph) -> Vec<(&Graph, &Node)> {
    let (mut graphs, mut found) = (vec![graph], Vec::new());
    while let Some(graph) = graphs.pop() {
        for node in &graph.nodes {
            found.push((graph, node));
            graphs.extend(node.attributes.iter().filter_map(|(_, attribute)| match attribute {
                Attribute::Graph(inner) => Some(inner.as_ref()),
                _ => None,
            }));
        }
    }
    found
}

/// Whether the file says which type it is.
pub fn known(dtype: DType) -> bool {
    dtype != DType::Other(0)
}

/// The default domain has two names.
fn own(domain: &str) -> &str {
    if domain == "ai.onnx" { "" } else { domain }
}

/// Of each value whether it follows from what the caller fills in, so that nothing can compute it
/// before; by index. Operators are taken to be in an order in which they can run.
pub fn depends_on_inputs(graph: &Graph) -> Vec<bool> {
    let mut depends = vec![false; graph.values.len()];
    let mark = |depends: &mut Vec<bool>, index: u32| {
        if let Some(flag) = depends.get_mut(index as usize) {
            *flag = true;
        }
    };
    for input in &graph.inputs {
        mark(&mut depends, input.0);
    }
    for node in &graph.nodes {
        let given = node.inputs.iter().flatten();
        if given.into_iter().any(|id| depends.get(id.0 as usize).copied().unwrap_or_default()) {
            for output in node.outputs.iter().flatten() {
                mark(&mut depends, output.0);
            }
        }
    }
    depends
}
