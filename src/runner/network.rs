//! What one inference of a scenario's model costs, as run.json records it. Runs nothing.

use crate::{
    model::{
        Model,
        graph::{cost::cost, parameters_of_graph},
    },
    tensor::TensorSet,
    unit::{Bytes, Flops, Macs, Operations},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Arithmetic and memory of one inference of a model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkCost {
    /// The inputs' shapes that this is for.
    pub inputs: BTreeMap<String, Vec<u64>>,
    /// Images in them.
    pub batch: u32,
    /// Numbers that training sets.
    pub parameters: u64,
    /// Multiplications with an addition each, of convolutions and matrix products; none where an
    /// operator is unknown that may have some.
    pub macs: Option<Macs>,
    /// Floating-point operations: two for each of them.
    pub flops: Option<Flops>,
    /// Operations besides.
    pub elementwise: Operations,
    /// Bytes that all operators read and write if none are fused.
    pub traffic_bytes: Bytes,
    /// The most bytes of activations at any time.
    pub peak_activation_bytes: Bytes,
    /// Operators that are in none of these figures.
    pub unknown_operators: u64,
}

impl NetworkCost {
    /// Of a model that is given such inputs, of which there are `batch` images; none of a file that
    /// does not show its graph.
    pub fn of(model: &Model, inputs: &TensorSet, batch: usize) -> Option<Self> {
        let graph = model.graph.as_ref()?;
        let lengths = |shape: &[usize]| shape.iter().map(|&length| length as u64).collect();
        let inputs: BTreeMap<String, Vec<u64>> =
            inputs.iter().map(|input| (input.name.clone(), lengths(input.shape.dims()))).collect();
        let found = cost(graph, model.signature.opset.unwrap_or(1), &inputs).ok()?;
        let macs = found.has_all_macs().then_some(found.macs);
        Some(Self {
            inputs,
            batch: u32::try_from(batch).ok()?,
            parameters: parameters_of_graph(graph),
            macs,
            flops: macs.map(Macs::flops),
            elementwise: found.elementwise,
            traffic_bytes: found.traffic,
            peak_activation_bytes: found.peak_activations,
            unknown_operators: found.unknown.iter().map(|unknown| unknown.count).sum(),
        })
    }

    /// The MACs of a batch of another size: every operator that has some does the same for each image.
    pub fn macs_of_batch(&self, batch: u32) -> Option<Macs> {
        let each = self.macs?.0 / u64::from(self.batch.max(1));
        Some(Macs(each.saturating_mul(u64::from(batch))))
    }
}
