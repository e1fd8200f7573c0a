//! How many parameters a network has: what training sets, as papers count it. Reads no weights.

use super::{Attribute, Graph, Node, ValueId};
use crate::{
    model::anatomy::{Anatomy, Role, Weight},
    tensor::DType,
};

/// How many parameters the model of `anatomy` has.
///
/// Of a graph: the elements of every constant with more than one element that an operator takes as a
/// fraction, or as an integer that stands for one (`DequantizeLinear`, quantised convolutions and
/// products). Each constant counts once, however many operators take it, and once more for each
/// `Identity` of it that is taken: PyTorch's exporter merges tensors that are equal by chance, such
/// as biases that were never trained, and leaves that behind. Left out is what training
/// does not set: running means and variances of batch normalisations, scales and zero points, sizes,
/// indices and bounds. A table that was computed when the file was written, such as a grid of
/// anchors or a sinusoidal position embedding, is told from a learned one by nothing and counts.
///
/// Of a checkpoint without a graph: the elements of the network's own weights with a fraction, or of
/// their moving average where that is all there is; without the running means and variances.
pub fn parameters(anatomy: &Anatomy) -> u64 {
    // In ONNX's words, where the file has others.
    let lowered = anatomy.lowered.as_ref().map(|lowered| &lowered.graph);
    match lowered.or(anatomy.graph.as_ref()) {
        Some(graph) if graph.values.iter().any(|value| value.constant.is_some()) => of_graph(graph),
        _ => of_weights(&anatomy.weights),
    }
}

/// The same of a graph alone.
pub fn of_graph(graph: &Graph) -> u64 {
    let values = graph.values.len();
    // Which constant a value is or copies.
    let mut source: Vec<Option<u32>> = (0..)
        .zip(&graph.values)
        .map(|(at, value)| value.constant.is_some().then_some(at))
        .collect();
    let mut taken = vec![false; values];
    for node in &graph.nodes {
        let ids = node.inputs.iter().enumerate().filter_map(|(place, id)| Some((place, (*id)?)));
        for (place, ValueId(id)) in ids.filter(|(_, id)| (id.0 as usize) < values) {
            let Some(from) = source[id as usize] else { continue };
            match (node.operator.as_str(), node.outputs.first()) {
                ("Identity", Some(&Some(ValueId(copy)))) if (copy as usize) < values => {
                    source[copy as usize] = Some(from);
                }
                _ => taken[id as usize] |= trained(graph, node, place, from),
            }
        }
    }
    for name in captured(graph) {
        let at = graph.values.iter().position(|value| value.info.name == name);
        if let Some(at) = at.filter(|&at| is_trained_constant(graph, source[at])) {
            taken[at] = true;
        }
    }
    let elements = |from: u32| graph.values[from as usize].constant.as_ref()?.elements();
    let counted = source.iter().zip(taken).filter(|(_, taken)| *taken);
    let counted = counted.filter_map(|(from, _)| elements((*from)?)).filter(|&count| count > 1);
    let own = counted.fold(0, u64::saturating_add);
    let attributes = graph.nodes.iter().flat_map(|node| &node.attributes);
    attributes.fold(own, |sum, (_, attribute)| match attribute {
        Attribute::Graph(body) => sum.saturating_add(of_graph(body)),
        _ => sum,
    })
}

/// Names that the bodies of a graph's operators use and do not make themselves.
fn captured(graph: &Graph) -> Vec<&str> {
    let bodies =
        graph.nodes.iter().flat_map(|node| &node.attributes).filter_map(|(_, attribute)| {
            match attribute {
                Attribute::Graph(body) => Some(body.as_ref()),
                _ => None,
            }
        });
    let mut names: Vec<&str> = bodies
        .flat_map(|body| {
            let used = body.nodes.iter().flat_map(|node| node.inputs.iter().flatten());
            let used = used.map(|&id| body.value(id)).filter(|value| value.constant.is_none());
            used.map(|value| value.info.name.as_str()).chain(captured(body))
        })
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Whether a value is, or copies, a constant that training may have set.
fn is_trained_constant(graph: &Graph, source: Option<u32>) -> bool {
    let value = source.and_then(|from| graph.values.get(from as usize));
    value.is_some_and(|value| {
        let float = value.constant.as_ref().is_some_and(|constant| constant.dtype.is_float());
        float && !statistic(&value.info.name)
    })
}

/// Whether training sets the operand of `node` at `place`, which is the constant `from`.
fn trained(graph: &Graph, node: &Node, place: usize, from: u32) -> bool {
    let value = &graph.values[from as usize];
    let Some(constant) = &value.constant else { return false };
    let whole = matches!(constant.dtype, DType::I8 | DType::U8 | DType::Other(21 | 22));
    match (node.operator.as_str(), place) {
        ("BatchNormalization", 3 | 4) => false,
        ("Resize" | "Upsample" | "Clip" | "Pad" | "NonMaxSuppression" | "Range", 1..) => false,
        ("QuantizeLinear" | "DequantizeLinear", 1..) => false,
        ("QLinearConv" | "QLinearMatMul", 1 | 2 | 4..=7) => false,
        ("QLinearConv", 8) => true,
        (
            "DequantizeLinear" | "QLinearConv" | "QLinearMatMul" | "ConvInteger" | "MatMulInteger",
            0 | 1 | 3,
        ) => whole || constant.dtype.is_float() || constant.dtype == DType::I32,
        _ => constant.dtype.is_float() && !statistic(&value.info.name),
    }
}

fn of_weights(weights: &[Weight]) -> u64 {
    let of = |role| {
        let own = weights.iter().filter(|weight| weight.role == role);
        let set = own.filter(|weight| weight.dtype.is_float() && !statistic(&weight.name));
        set.map(|weight| weight.elements).fold(0, u64::saturating_add)
    };
    match of(Role::Model) {
        0 => of(Role::Ema),
        own => own,
    }
}

/// Whether a weight is a running mean or variance, by what PyTorch and Paddle call them.
fn statistic(name: &str) -> bool {
    let torch = ["running_mean", "running_var", "num_batches_tracked"];
    let paddle = ["._mean", "._variance"];
    let last = |words: &[&str]| words.iter().any(|word| name.ends_with(word));
    let numbered = name.contains("batch_norm") && last(&[".w_1", ".w_2", ".w_1_0", ".w_2_0"]);
    last(&torch) || last(&paddle) || numbered
}
