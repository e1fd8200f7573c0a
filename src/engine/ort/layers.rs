//! How long each node took in each run, from ONNX Runtime's own profile. Judges nothing.

use super::{Error, profile};
use crate::{
    engine::{Layer, LoadSpec},
    tensor::TensorSet,
    unit::Nanos,
};
use profile::Event;
use std::{cmp::Reverse, collections::HashMap};

/// Runs before those that count: memory is taken in the first, and processors wake up.
const WARMUP: usize = 3;

/// Runs the model with a profile and reads how long each node took, in `runs` runs after the warm-up.
///
/// # Errors
/// When it does not load or run, or the profile cannot be read or tells of no nodes.
pub fn layers(spec: &LoadSpec<'_>, inputs: &TensorSet, runs: usize) -> Result<Vec<Layer>, Error> {
    let layers = read(&profile::recorded(spec, inputs, WARMUP + runs)?, runs);
    if layers.is_empty() {
        return Err(Error::Failed("ONNX Runtime's profile tells of no layers".to_owned()));
    }
    Ok(layers)
}

/// The nodes of the last `runs` runs, in the order in which they first ran.
fn read(events: &[Event], runs: usize) -> Vec<Layer> {
    let mut whole: Vec<&Event> = events.iter().filter(|event| event.is_run()).collect();
    whole.sort_by_key(|run| run.ts);
    let whole = &whole[whole.len().saturating_sub(runs)..];
    let mut nodes: Vec<&Event> = events.iter().filter(|event| event.node().is_some()).collect();
    // A node that holds others comes before them.
    nodes.sort_by_key(|node| (node.ts, Reverse(node.dur)));
    let mut layers = Vec::new();
    let mut known = HashMap::new();
    for (number, run) in whole.iter().enumerate() {
        let first = nodes.partition_point(|node| node.ts < run.ts);
        let end = nodes.partition_point(|node| node.ts <= run.ts + run.dur);
        let mine = &nodes[first..end];
        for (node, time) in mine.iter().zip(own_times(mine)) {
            let key = (node.name.as_str(), node.args.node_index.as_str());
            let index = *known.entry(key).or_insert_with(|| {
                layers.push(layer(node, whole.len()));
                layers.len() - 1
            });
            // A node in a loop runs several times.
            let total: &mut Nanos = &mut layers[index].times[number];
            *total = *total + time;
        }
    }
    layers
}

/// The time of each node without that of the nodes within it: a loop's event holds those of its body.
fn own_times(nodes: &[&Event]) -> Vec<Nanos> {
    let mut own: Vec<u64> = nodes.iter().map(|node| node.dur).collect();
    let mut around: Vec<usize> = Vec::new();
    for (index, node) in nodes.iter().enumerate() {
        // Whole microseconds, the rest cut off: one that begins later than another has ended never
        // seems to begin within it.
        around.retain(|&outer| nodes[outer].ts + nodes[outer].dur > node.ts);
        if let Some(&outer) = around.last() {
            own[outer] = own[outer].saturating_sub(node.dur);
        }
        around.push(index);
    }
    own.into_iter().map(|micros| Nanos(micros.saturating_mul(1000))).collect()
}

fn layer(node: &Event, runs: usize) -> Layer {
    let told = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let yields = node.args.output_type_shape.first().and_then(|output| output.keys().next());
    Layer {
        name: node.node().unwrap_or_default().to_owned(),
        operator: node.args.op_name.clone(),
        precision: yields.and_then(|word| told(precision(word))),
        place: told(&node.args.provider),
        times: vec![Nanos::ZERO; runs],
    }
}

/// ONNX Runtime's word for a type as scenarios write it, where they do.
fn precision(word: &str) -> &str {
    match word {
        "float" => "fp32",
        "float16" => "fp16",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        engine::Place,
        scenario::{EngineOptions, Precision},
        tensor::{Shape, Tensor},
    };
    use std::path::Path;

    fn run(ts: u64, dur: u64) -> String {
        format!(r#"{{"cat":"Session","name":"model_run","ts":{ts},"dur":{dur},"args":{{}}}}"#)
    }

    fn node(name: &str, operator: &str, ts: u64, dur: u64) -> String {
        format!(
            r#"{{"cat":"Node","name":"{name}_kernel_time","ts":{ts},"dur":{dur},"args":{{
            "op_name":"{operator}","provider":"CPUExecutionProvider","node_index":"7",
            "output_type_shape":[{{"float":[1,3]}}]}}}}"#
        )
    }

    fn layers(events: &[String], runs: usize) -> Vec<(String, Vec<u64>)> {
        let events: Vec<Event> = serde_json::from_str(&format!("[{}]", events.join(","))).unwrap();
        let micros = |times: Vec<Nanos>| times.into_iter().map(|time| time.0 / 1000).collect();
        read(&events, runs).into_iter().map(|layer| (layer.name, micros(layer.times))).collect()
    }

    #[test]
    fn layers_are_in_the_order_of_execution_and_the_warm_up_is_left_out() {
        let mut events = Vec::new();
        for (ts, slow) in [(100, 900), (2000, 0), (3000, 5)] {
            // Written as they end, the run last.
            events.push(node("z", "Conv", ts + 1, 20 + slow));
            events.push(node("a", "Relu", ts + 21 + slow, 3));
            events.push(run(ts, 30 + slow));
        }
        let expected = [("z".to_owned(), vec![20, 25]), ("a".to_owned(), vec![3, 3])];
        assert_eq!(layers(&events, 2), expected);
    }

    #[test]
    fn a_node_that_holds_others_has_its_own_time_alone_and_a_loop_adds_up() {
        let events = [
            node("body", "Mul", 10, 15),
            node("body", "Mul", 25, 15),
            node("loop", "Loop", 8, 40),
            node("next", "Add", 48, 2),
            run(5, 50),
        ];
        let expected = [("loop", 10), ("body", 30), ("next", 2)]
            .map(|(name, time)| (name.to_owned(), vec![time]));
        assert_eq!(layers(&events, 1), expected);
    }

    #[test]
    fn a_layer_that_one_run_does_without_took_no_time_there() {
        let events = [node("a", "If", 1, 5), run(0, 9), node("b", "If", 21, 4), run(20, 9)];
        let expected = [("a".to_owned(), vec![5, 0]), ("b".to_owned(), vec![0, 4])];
        assert_eq!(layers(&events, 2), expected);
    }

    #[test]
    fn what_the_profile_says_of_a_node_is_kept() {
        let event = serde_json::from_str(&node("a", "Conv", 1, 5)).unwrap();
        let layer = layer(&event, 1);
        assert_eq!((layer.operator.as_str(), layer.precision.as_deref()), ("Conv", Some("fp32")));
        assert_eq!(layer.place.as_deref(), Some("CPUExecutionProvider"));
    }

    /// The library as a user would have it, or none on this machine; where it was promised there is
    /// one.
    fn library() -> Option<Place> {
        let place = Place::cpu(EngineOptions::default());
        match super::super::locate(&place) {
            Ok(_) => Some(place),
            Err(error) => {
                assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "{error}");
                None
            }
        }
    }

    #[test]
    fn the_layers_of_a_real_run_are_most_of_it_and_no_more() {
        let Some(place) = library() else { return };
        let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/models/shapes.onnx");
        let spec = LoadSpec {
            model: &model,
            threads: 1,
            batch: 1,
            precision: Precision::Fp32,
            launch: 0,
            place: &place,
        };
        let shape = Shape::new(&[1, 3, 256, 256]).unwrap();
        let events = profile::recorded(&spec, &vec![Tensor::zeros("images", shape)], 8).unwrap();
        let runs: Vec<Nanos> =
            events.iter().filter(|e| e.is_run()).map(|e| Nanos(e.dur * 1000)).collect();
        let layers = read(&events, 8);
        let sum = |run: usize| layers.iter().map(|layer| layer.times[run]).sum::<Nanos>();
        assert_eq!(runs.len(), 8);
        assert!((0..8).all(|run| sum(run) <= runs[run]), "{runs:?}");
        // Other work on this machine makes gaps; hardly in all runs.
        assert!((0..8).any(|run| sum(run) + sum(run) > runs[run]), "{runs:?}");
    }
}
