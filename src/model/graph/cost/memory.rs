//! How much memory activations need at once, where each is kept from when it is made until it was
//! last read and nothing is computed in place.

use crate::{
    model::graph::{
        Graph, ValueId,
        infer::{Inference, Work, find},
    },
    unit::Bytes,
};

/// The most bytes of activations at any time. Inputs and outputs belong to the caller: inputs are
/// there from the beginning, outputs stay to the end. Weights and what is computed from them
/// beforehand are not counted, nor is what has no known size; a view is its operand.
pub fn peak(graph: &Graph, inference: &Inference) -> Bytes {
    let end = inference.order.len();
    let bytes = |id: ValueId| {
        let fact = &inference.facts[id.0 as usize];
        if fact.settled() { 0 } else { fact.bytes().unwrap_or(0) }
    };
    // Per value: whose memory it is in, when that is first and last needed.
    let mut owner: Vec<u32> = (0..).take(graph.values.len()).collect();
    let mut spans: Vec<Option<(usize, usize)>> = vec![None; graph.values.len()];
    for &id in &graph.inputs {
        spans[id.0 as usize] = Some((0, end));
    }
    for (time, &at) in inference.order.iter().enumerate() {
        let node = &graph.nodes[at];
        for id in node.inputs.iter().flatten() {
            reach(&mut spans, owner[id.0 as usize], time);
        }
        let work = find(node).map(|operator| operator.work);
        for (place, &id) in node.outputs.iter().enumerate() {
            let Some(id) = id else { continue };
            match (work, node.inputs.first().copied().flatten()) {
                (Some(Work::View), Some(operand)) if place == 0 => {
                    owner[id.0 as usize] = owner[operand.0 as usize];
                }
                (Some(Work::Free | Work::View), _) => {}
                _ => spans[id.0 as usize] = Some((time, time)),
            }
        }
    }
    for id in &graph.outputs {
        reach(&mut spans, owner[id.0 as usize], end);
    }
    let mut changes = vec![(0_u64, 0_u64); end + 2];
    for (id, span) in (0..).map(ValueId).zip(&spans) {
        let Some((first, last)) = *span else { continue };
        let bytes = bytes(id);
        changes[first].0 = changes[first].0.saturating_add(bytes);
        changes[last + 1].1 = changes[last + 1].1.saturating_add(bytes);
    }
    let (mut now, mut peak) = (0_u64, 0);
    for (more, less) in changes {
        now = now.saturating_sub(less).saturating_add(more);
        peak = peak.max(now);
    }
    Bytes(peak)
}

fn reach(spans: &mut [Option<(usize, usize)>], owner: u32, time: usize) {
    if let Some((_, last)) = &mut spans[owner as usize] {
        *last = time.max(*last);
    }
}
