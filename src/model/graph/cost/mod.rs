//! What one inference of a graph in ONNX's words costs: arithmetic, memory traffic, memory. Runs
//! nothing and times nothing.
//!
//! * [`Macs`] are those of convolutions and matrix products, transposed, quantised and fused ones
//!   among them, and of contractions by `Einsum`. Biases are none. As in published figures every
//!   product in the graph counts, also one of constants that a runtime computes once.
//! * Elementwise operations are everything else: one for each element of a result; of pools and
//!   samplings one for each element of a window; of reductions one for each element that goes in.
//!   Softmax and normalisations count like other functions, one for each element. What only moves
//!   elements is no operation. Sampling (`GridSample`, `RoiAlign`) is listed apart as well.
//! * Traffic is what an operator reads and writes where each reads its operands once and nothing
//!   stays in a cache or is fused. Views (`Reshape`, `Flatten`, `Squeeze`, `Unsqueeze`, `Identity`,
//!   `Dropout`) move nothing; what picks elements reads as many as it writes.
//! * Work on weights alone, and on the few numbers that tell of shapes, is done before the first
//!   inference: it is counted apart, as folded, is no layer, and its results are weights to the
//!   others. Of all sums only that of the MACs includes it. Work on
//!   more than a few numbers that follow from an input's shape, such as anchors of a dynamic model,
//!   is done each time.
//! * What is not known is listed with the reason and is in no sum.

mod inputs;
mod memory;

pub use inputs::{GivenInputs, InputShape, given};

use super::{
    Attribute, Graph, Node, ValueId,
    infer::{self, Broken, Count, Fact, Inference, Length, Reason, Work},
};
use crate::{
    tensor::DType,
    unit::{Bytes, Flops, Intensity, Macs, Operations},
};
use std::collections::BTreeMap;

/// Why a graph's cost cannot be told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A shape in no known notation.
    #[error("{0:?} gives no shape of an input; write it like images=1x3x640x640")]
    Notation(String),
    /// No input has that name.
    #[error("there is no input {name:?}; the inputs are: {known}")]
    Name {
        /// What was given.
        name: String,
        /// The inputs that there are.
        known: String,
    },
    /// Another number of dimensions.
    #[error("the shape {given:?} has another number of dimensions than the input {input}")]
    Rank {
        /// The input as the file declares it.
        input: String,
        /// What was given.
        given: Vec<u64>,
    },
    /// Another length than the file fixes.
    #[error(
        "dimension {axis} of the input {input} is fixed to {fixed}, not {given}; give {fixed} or \
         export the model with this dimension dynamic"
    )]
    Length {
        /// The input as the file declares it.
        input: String,
        /// The dimension, from 0.
        axis: usize,
        /// Its length in the file.
        fixed: u64,
        /// What was given.
        given: u64,
    },
    /// An input of which not even the number of dimensions is known.
    #[error("the file declares no shape of the input {0:?}; give it, like {0}=1x3x640x640")]
    Undeclared(String),
    /// The graph is none.
    #[error(transparent)]
    Broken(#[from] Broken),
}

/// What one inference costs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cost {
    /// The inputs' shapes that this is for.
    pub inputs: Vec<InputShape>,
    /// The outputs as far as they are known, in the graph's order.
    pub outputs: Vec<OutputShape>,
    /// Multiplications with an addition each; those of [`Cost::folded`] included.
    pub macs: Macs,
    /// Operations besides, sampling included.
    pub elementwise: Operations,
    /// Of them, sampling at computed places: deformable attention.
    pub sampling: Operations,
    /// Bytes that all operators read and write.
    pub traffic: Bytes,
    /// The most bytes of activations at any time.
    pub peak_activations: Bytes,
    /// Operators that work, in an order in which they can run.
    pub layers: Vec<LayerCost>,
    /// Work that is done before the first inference.
    pub folded: Folded,
    /// What is not known, and so in no sum.
    pub unknown: Vec<Unknown>,
}

/// What is known of an output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputShape {
    /// Its name.
    pub name: String,
    /// Type of its elements.
    pub dtype: DType,
    /// Lengths of its dimensions, outermost first, none where it depends on the data; none at all
    /// where not even their number is known.
    pub dims: Option<Vec<Length>>,
}

/// What an operator costs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerCost {
    /// Index of the operator in [`Graph::nodes`]; inside a branch, of the operator with the branch.
    pub node: usize,
    /// Its name, or that of its first result.
    pub name: String,
    /// What it computes.
    pub operator: String,
    /// Shape of its first result.
    pub shape: Vec<u64>,
    /// Multiplications with an addition each.
    pub macs: Macs,
    /// Operations besides.
    pub elementwise: Operations,
    /// Bytes of weights that it reads.
    pub weights: Bytes,
    /// Bytes that it reads, weights included.
    pub read: Bytes,
    /// Bytes that it writes.
    pub written: Bytes,
}

/// Work that is done once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Folded {
    /// Operators.
    pub operators: u64,
    /// Their multiplications with an addition each.
    pub macs: Macs,
    /// Their operations besides.
    pub elementwise: Operations,
}

/// Operators whose cost is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown {
    /// Operator set; empty for ONNX's own.
    pub domain: String,
    /// What they are called there.
    pub operator: String,
    /// How many.
    pub count: u64,
    /// Why.
    pub reason: Reason,
}

impl Cost {
    /// Whether [`Cost::macs`] are all there are: nothing that may multiply is unknown.
    pub fn has_all_macs(&self) -> bool {
        self.unknown.iter().all(|unknown| {
            let (domain, operator) = (unknown.domain.clone(), unknown.operator.clone());
            let known = infer::find(&Node { domain, operator, ..Node::default() });
            known.is_some_and(|known| !matches!(known.work, Work::Counted(_)))
        })
    }

    /// Floating-point operations: two for each MAC, nothing else.
    pub fn flops(&self) -> Flops {
        self.macs.flops()
    }

    /// Floating-point operations for each byte of traffic; none where there is no traffic.
    pub fn intensity(&self) -> Option<Intensity> {
        self.flops().for_each(self.traffic)
    }
}

impl LayerCost {
    /// Bytes that it reads and writes.
    pub fn traffic(&self) -> Bytes {
        Bytes(self.read.0.saturating_add(self.written.0))
    }

    /// Floating-point operations for each byte of traffic; none where there is no traffic.
    pub fn intensity(&self) -> Option<Intensity> {
        self.macs.flops().for_each(self.traffic())
    }
}

/// What one inference of `graph`, written in that version of ONNX's operator set, costs where the
/// inputs have the shapes in `given`. Of what the file leaves open and nobody gives, batches are 1,
/// images 640 × 640, and all else 1 long; [`InputShape::assumed`] says where.
///
/// # Errors
/// When `given` does not fit the inputs, or the graph is none.
pub fn cost(graph: &Graph, opset: u64, given: &GivenInputs) -> Result<Cost, Error> {
    let inputs = inputs::shapes(graph, given)?;
    let facts = inputs.iter().map(InputShape::fact);
    let seeds: Vec<(ValueId, Fact)> = graph.inputs.iter().copied().zip(facts).collect();
    let inference = infer::infer(graph, opset, &seeds)?;
    let mut tally = Tally { opset, ..Tally::default() };
    tally.graph(graph, &inference, None);
    let outputs = graph.outputs.iter().map(|id| {
        let Fact { dtype, dims, .. } = inference.facts[id.0 as usize].clone();
        OutputShape { name: graph.value(*id).info.name.clone(), dtype, dims }
    });
    Ok(Cost {
        inputs,
        outputs: outputs.collect(),
        peak_activations: memory::peak(graph, &inference),
        ..tally.cost()
    })
}

/// Sums while the operators are walked over.
#[derive(Default)]
struct Tally {
    opset: u64,
    layers: Vec<LayerCost>,
    sampling: u64,
    folded: Folded,
    unknown: BTreeMap<(String, String, Reason), u64>,
}

impl Tally {
    /// Counts the operators of a graph; of a body `at` is the operator with it.
    fn graph(&mut self, graph: &Graph, inference: &Inference, at: Option<usize>) {
        for &node in &inference.order {
            let index = at.unwrap_or(node);
            match inference.branches.get(&node) {
                None => self.operator(graph, inference, node, index),
                Some(branch) => {
                    let body = graph.nodes[node].attribute(branch.attribute);
                    if let Some(Attribute::Graph(body)) = body {
                        self.graph(body, &branch.inference, Some(index));
                    }
                }
            }
        }
    }

    fn operator(&mut self, graph: &Graph, inference: &Inference, at: usize, index: usize) {
        let node = &graph.nodes[at];
        let operator = infer::find(node);
        let free = operator.is_some_and(|known| matches!(known.work, Work::View | Work::Free));
        match &inference.reasons[at] {
            // What tells of a value or calls it by another name is no work, whatever its size.
            Some(Reason::Operand | Reason::Data) if free => return,
            Some(reason) => return self.unknown(node, reason.clone()),
            None if free => return,
            None => {}
        }
        let Some(operator) = operator else { return };
        let call = infer::call(&inference.facts, node, self.opset);
        let none = Fact::UNKNOWN;
        let result = |id: &Option<ValueId>| id.map_or(&none, |id| &inference.facts[id.0 as usize]);
        let results: Vec<&Fact> = node.outputs.iter().map(result).collect();
        let Some(count) = count(operator.work, &call, &results) else {
            return self.unknown(node, Reason::Data);
        };
        if results.iter().all(|fact| fact.settled()) {
            return self.folded.add(count);
        }
        let Some(moved) = moved(operator.work, node, &call.operands, &results) else {
            return self.unknown(node, Reason::Operand);
        };
        if matches!(operator.work, Work::Sampled(_)) {
            self.sampling = self.sampling.saturating_add(count.elementwise);
        }
        self.layers.push(LayerCost {
            node: index,
            name: infer::called(graph, at),
            operator: node.operator.clone(),
            shape: results.first().and_then(|fact| fact.shape()).unwrap_or_default(),
            macs: Macs(count.macs),
            elementwise: Operations(count.elementwise),
            weights: moved.weights,
            read: moved.read,
            written: moved.written,
        });
    }

    fn unknown(&mut self, node: &Node, reason: Reason) {
        let key = (node.domain.clone(), node.operator.clone(), reason);
        *self.unknown.entry(key).or_default() += 1;
    }

    fn cost(self) -> Cost {
        let sum = |of: fn(&LayerCost) -> u64| {
            self.layers.iter().fold(0_u64, |sum, layer| sum.saturating_add(of(layer)))
        };
        let unknown =
            |((domain, operator, reason), count)| Unknown { domain, operator, count, reason };
        Cost {
            macs: Macs(sum(|layer| layer.macs.0).saturating_add(self.folded.macs.0)),
            elementwise: Operations(sum(|layer| layer.elementwise.0)),
            sampling: Operations(self.sampling),
            traffic: Bytes(sum(|layer| layer.traffic().0)),
            folded: self.folded,
            unknown: self.unknown.into_iter().map(unknown).collect(),
            layers: self.layers,
            ..Cost::default()
        }
    }
}

impl Folded {
    fn add(&mut self, count: Count) {
        self.operators += 1;
        self.macs.0 = self.macs.0.saturating_add(count.macs);
        self.elementwise.0 = self.elementwise.0.saturating_add(count.elementwise);
    }
}

/// An operator's arithmetic; none where a size that it depends on is not known.
fn count(work: Work, call: &infer::Call<'_>, results: &[&Fact]) -> Option<Count> {
    let each = |elementwise| Count { macs: 0, elementwise };
    // Of several results some may not be wanted.
    let made = || results.iter().find_map(|fact| fact.elements());
    match work {
        Work::View | Work::Free => Some(Count::default()),
        // How much is moved has to be known all the same.
        Work::Move | Work::Pick => made().map(|_| Count::default()),
        Work::PerOutput => made().map(each),
        // Not known where the result is not: an operator whose work depends on the data.
        Work::PerInput => made().and(call.given(0)?.elements()).map(each),
        Work::Counted(rule) | Work::Sampled(rule) => rule(call, results),
    }
}

/// Bytes that an operator moves.
struct Moved {
    weights: Bytes,
    read: Bytes,
    written: Bytes,
}

/// Bytes that an operator moves; none where a type or a size is not known.
fn moved(work: Work, node: &Node, operands: &[Option<&Fact>], results: &[&Fact]) -> Option<Moved> {
    let wanted = |(id, fact): (&Option<ValueId>, &&Fact)| id.map(|_| fact.bytes());
    let mut written = node.outputs.iter().zip(results).filter_map(wanted);
    let written = written.try_fold(0_u64, |sum, bytes| Some(sum.saturating_add(bytes?)))?;
    // An operand that is named twice is read once.
    let mut operands: Vec<(ValueId, usize, &Fact)> = (node.inputs.iter().zip(operands).enumerate())
        .filter_map(|(place, (id, fact))| Some(((*id)?, place, (*fact)?)))
        .collect();
    operands.sort_by_key(|&(id, place, _)| (id, place));
    operands.dedup_by_key(|(id, _, _)| *id);
    let (mut read, mut weights) = (0_u64, 0_u64);
    for (_, place, fact) in operands {
        let picked = matches!(work, Work::Pick) && place == 0;
        let bytes = if picked { written.min(fact.bytes()?) } else { fact.bytes()? };
        read = read.saturating_add(bytes);
        weights = weights.saturating_add(if fact.settled() { bytes } else { 0 });
    }
    Some(Moved { weights: Bytes(weights), read: Bytes(read), written: Bytes(written) })
}

#[cfg(test)]
mod tests;
