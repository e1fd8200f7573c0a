//! The operators that are known: how their results are shaped and what work they are. Each group
//! has a file of its own; this one only finds the group.

use super::{
    call::{Call, Outcome},
    convolution, elementwise,
    fact::Fact,
    generate, layout, matrix, normalise, pool, quantised, reduce, resize, select,
};
use crate::model::graph::Node;

/// What is known of an operator.
#[derive(Clone, Copy, Debug)]
pub struct Operator {
    /// From operands to results.
    pub shape: fn(&Call<'_>) -> Outcome,
    /// What it costs.
    pub work: Work,
}

/// How the work of an operator is counted.
#[derive(Clone, Copy, Debug)]
pub enum Work {
    /// None: its result is its first operand in other words, in the same memory.
    View,
    /// None: it tells of its operand without reading it.
    Free,
    /// Moves all it is given.
    Move,
    /// Moves a part of its first operand, as much as its results are.
    Pick,
    /// An operation for each element of its first result.
    PerOutput,
    /// An operation for each element of its first operand.
    PerInput,
    /// By a rule of its own, from its results; none where a shape is not known.
    Counted(fn(&Call<'_>, &[&Fact]) -> Option<Count>),
    /// Samples at places that are computed, by a rule of its own.
    Sampled(fn(&Call<'_>, &[&Fact]) -> Option<Count>),
}

/// Arithmetic of an operator.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Multiplications with an addition each.
    pub macs: u64,
    /// Operations besides.
    pub elementwise: u64,
}

impl Operator {
    /// The operator with that shape function and that work.
    pub fn new(shape: fn(&Call<'_>) -> Outcome, work: Work) -> Option<Self> {
        Some(Self { shape, work })
    }
}

/// What is known of the operator of `node`.
pub fn find(node: &Node) -> Option<Operator> {
    let name = node.operator.as_str();
    match node.domain.as_str() {
        "" | "ai.onnx" => elementwise::find(name)
            .or_else(|| layout::find(name))
            .or_else(|| select::find(name))
            .or_else(|| generate::find(name))
            .or_else(|| convolution::find(name))
            .or_else(|| matrix::find(name))
            .or_else(|| reduce::find(name))
            .or_else(|| pool::find(name))
            .or_else(|| normalise::find(name))
            .or_else(|| resize::find(name))
            .or_else(|| quantised::find(name)),
        // What ONNX Runtime's optimiser writes into files.
        "com.microsoft" => convolution::fused(name)
            .or_else(|| matrix::fused(name))
            .or_else(|| quantised::fused(name))
            .or_else(|| elementwise::fused(name)),
        _ => None,
    }
}
