//! The layers of a cell: what each takes at the median, and what part of all that is.

use crate::{
    engine::Layer,
    runner::{LayerPass, Reason},
    stats::Sorted,
    store::Launch,
    unit::{Nanos, Share},
};
use std::collections::HashMap;

/// The layers of a cell under the engine's profiler.
#[derive(Clone, Debug, PartialEq)]
pub struct CellLayers {
    /// In the order of execution.
    pub layers: Vec<LayerResult>,
    /// The same by operator, the slowest first.
    pub operators: Vec<OperatorResult>,
    /// Runs behind each time.
    pub runs: usize,
    /// Sum of the medians; the whole of all shares.
    pub sum: Nanos,
}

/// One layer.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerResult {
    /// Place in the order of execution, from 0.
    pub index: usize,
    /// As the engine tells, times included.
    pub layer: Layer,
    /// Median over the runs.
    pub median: Nanos,
    /// Median absolute deviation.
    pub mad: Nanos,
    /// Shortest.
    pub min: Nanos,
    /// Longest.
    pub max: Nanos,
    /// The median's share of [`CellLayers::sum`].
    pub share: Share,
}

/// All layers of one operator.
#[derive(Clone, Debug, PartialEq)]
pub struct OperatorResult {
    /// Operator.
    pub operator: String,
    /// How many layers.
    pub layers: usize,
    /// Sum of their medians.
    pub sum: Nanos,
    /// Its share of [`CellLayers::sum`].
    pub share: Share,
}

impl CellLayers {
    /// The `count` slowest layers, the slowest first, of equal ones the earlier.
    pub fn slowest(&self, count: usize) -> Vec<&LayerResult> {
        let mut layers: Vec<&LayerResult> = self.layers.iter().collect();
        layers.sort_by_key(|layer| std::cmp::Reverse(layer.median));
        layers.truncate(count);
        layers
    }
}

/// What is known of a cell's layers by its launches; nothing where nobody has asked.
pub fn layers(launches: &[&Launch], asked: bool) -> Option<Result<CellLayers, Reason>> {
    let never = || {
        let reason = "they are timed after a cell's first launch, which has no numbers";
        Err(Reason(reason.to_owned()))
    };
    match launches.iter().find_map(|launch| launch.layers.as_ref()) {
        Some(LayerPass::Timed(timed)) => Some(Ok(summed(timed))),
        Some(LayerPass::Unknown(reason)) => Some(Err(reason.clone())),
        None => asked.then(never),
    }
}

fn summed(timed: &[Layer]) -> CellLayers {
    let mut layers: Vec<LayerResult> =
        timed.iter().enumerate().filter_map(|(index, layer)| one(index, layer)).collect();
    let sum: Nanos = layers.iter().map(|layer| layer.median).sum();
    for layer in &mut layers {
        layer.share = share(layer.median, sum);
    }
    let runs = timed.first().map_or(0, |layer| layer.times.len());
    CellLayers { operators: operators(&layers, sum), layers, runs, sum }
}

fn one(index: usize, layer: &Layer) -> Option<LayerResult> {
    let times = Sorted::new(layer.times.clone())?;
    Some(LayerResult {
        index,
        layer: layer.clone(),
        median: times.median(),
        mad: times.mad(),
        min: times.min(),
        max: times.max(),
        share: Share(0.0),
    })
}

fn share(part: Nanos, whole: Nanos) -> Share {
    Share(part.0 as f64 / whole.0.max(1) as f64)
}

fn operators(layers: &[LayerResult], whole: Nanos) -> Vec<OperatorResult> {
    let mut sums: HashMap<&str, (usize, Nanos)> = HashMap::new();
    for LayerResult { layer, median, .. } in layers {
        let (count, sum) = sums.entry(&layer.operator).or_default();
        (*count, *sum) = (*count + 1, *sum + *median);
    }
    let result = |(operator, (layers, sum)): (&str, (usize, Nanos))| OperatorResult {
        operator: operator.to_owned(),
        layers,
        sum,
        share: share(sum, whole),
    };
    let mut operators: Vec<OperatorResult> = sums.into_iter().map(result).collect();
    operators.sort_by(|a, b| b.sum.cmp(&a.sum).then_with(|| a.operator.cmp(&b.operator)));
    operators
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(name: &str, operator: &str, times: &[u64]) -> Layer {
        Layer {
            name: name.into(),
            operator: operator.into(),
            precision: None,
            place: None,
            times: times.iter().map(|&time| Nanos(time)).collect(),
        }
    }

    #[test]
    fn shares_are_of_the_medians_and_add_up() {
        let timed = [
            layer("a", "Conv", &[100, 300, 200]),
            layer("b", "Relu", &[50, 50, 9000]),
            layer("c", "Conv", &[550, 550, 1]),
        ];
        let found = summed(&timed);
        assert_eq!((found.sum, found.runs), (Nanos(800), 3));
        let names = |layers: Vec<&LayerResult>| {
            layers.into_iter().map(|layer| layer.layer.name.clone()).collect::<Vec<_>>()
        };
        assert_eq!(names(found.slowest(2)), ["c", "a"]);
        let shares: f64 = found.layers.iter().map(|layer| layer.share.0).sum();
        assert!((shares - 1.0).abs() < 1e-12);
        assert_eq!(found.operators[0].operator, "Conv");
        assert_eq!((found.operators[0].layers, found.operators[0].sum), (2, Nanos(750)));
        assert_eq!(found.layers[1].max, Nanos(9000));
    }

    #[test]
    fn layers_that_take_no_time_at_all_have_no_share() {
        let found = summed(&[layer("a", "Conv", &[0, 0])]);
        assert_eq!((found.sum, found.layers[0].share.0), (Nanos::ZERO, 0.0));
    }

    #[test]
    fn layers_that_were_asked_for_and_are_not_there_have_a_reason() {
        assert!(layers(&[], false).is_none());
        assert!(matches!(layers(&[], true), Some(Err(Reason(words))) if words.contains("first")));
    }
}
