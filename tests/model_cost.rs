//! What whole models cost: the project's own, and real architectures, whose figures others have
//! counted. `TRTBENCH_REFERENCE` names a folder with exports of the projects' own models
//! (`scripts/export`); without it those are not looked at.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may panic and print")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};
use trtbench::{
    model::{
        self, Anatomy,
        graph::{
            self,
            cost::{Cost, GivenInputs, cost},
            infer::{Fact, Reason, infer},
        },
    },
    tensor::DType,
};

fn opset(anatomy: &Anatomy) -> u64 {
    anatomy.opsets["ai.onnx"]
}

fn look(path: &Path, given: &GivenInputs) -> (Anatomy, Cost) {
    let anatomy = model::inspect(path).unwrap();
    let found = cost(anatomy.graph.as_ref().unwrap(), opset(&anatomy), given).unwrap();
    (anatomy, found)
}

fn layout_model() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/models/shapes.onnx")
}

#[test]
fn the_demo_model_costs_what_was_counted_by_hand_and_by_others() {
    let (anatomy, cost) = look(&layout_model(), &GivenInputs::new());
    // onnx-tool 1.0.1 counts the same products.
    assert_eq!(cost.macs.0, 46_840_320);
    assert_eq!(cost.unknown, []);
    assert_eq!(cost.outputs[0].dims, Some(vec![Some(1), Some(10), Some(1344)]));
    assert_eq!(graph::parameters(&anatomy), 65_990);
    let twice = GivenInputs::from([("images".to_owned(), vec![2, 3, 256, 256])]);
    let (_, twice) = look(&layout_model(), &twice);
    assert_eq!(twice.macs.0, 2 * cost.macs.0);
    assert_eq!(twice.outputs[0].dims, Some(vec![Some(2), Some(10), Some(1344)]));
}

#[test]
fn the_demo_models_layers_sum_to_the_whole() {
    let (_, cost) = look(&layout_model(), &GivenInputs::new());
    assert_eq!(cost.layers.iter().map(|layer| layer.macs.0).sum::<u64>(), cost.macs.0);
    assert_eq!(cost.layers.iter().map(|layer| layer.traffic().0).sum::<u64>(), cost.traffic.0);
    let convolutions = cost.layers.iter().filter(|layer| layer.operator == "Conv");
    assert_eq!(convolutions.count(), 51);
    let image = 4 * 3 * 256 * 256;
    assert!(cost.peak_activations.0 > image && cost.peak_activations.0 < cost.traffic.0);
}

/// The folder with the exports, where there is one.
fn reference() -> Option<PathBuf> {
    let folder = std::env::var_os("TRTBENCH_REFERENCE").map(PathBuf::from);
    if folder.is_none() {
        println!("SKIPPED: set TRTBENCH_REFERENCE to a folder with the exports to look at them");
    }
    folder
}

/// File; giga-MACs that were counted for it; giga-FLOPs and millions of parameters as its project
/// publishes them.
type Figures = (&'static str, f64, Option<f64>, Option<f64>);

/// RF-DETR's published 30.5 million parameters include 12 groups of queries with heads of their own
/// that are there for training alone and that no export has: 3.6 million.
const FIGURES: [Figures; 9] = [
    ("yolov8n_640_dyn", 4.372, Some(8.7), Some(3.2)),
    ("nanodet_plus_m_320", 0.451, Some(0.9), Some(1.17)),
    ("picodet_s_320_raw", 0.481, Some(0.97), Some(1.18)),
    ("ppyoloe_plus_s_640_exclude_nms", 8.634, Some(17.36), Some(7.93)),
    ("rtdetrv2_r18vd_640_raw", 30.252, Some(60.0), Some(20.0)),
    ("rtdetrv2_r18vd_640_post", 30.252, Some(60.0), Some(20.0)),
    ("hf_rtdetr_r18", 30.756, Some(60.0), Some(20.0)),
    ("rfdetr_nano_384", 15.913, None, Some(30.5 - 3.6)),
    ("ppyoloe_plus_s_640_nms", 8.634, Some(17.36), Some(7.93)),
];

fn near(found: u64, unit: f64, expected: f64, tolerance: f64) -> bool {
    (found as f64 / unit / expected - 1.0).abs() < tolerance
}

#[test]
fn real_architectures_cost_what_was_counted_and_what_their_projects_publish() {
    let Some(folder) = reference() else { return };
    for (file, macs, flops, parameters) in FIGURES {
        let path = folder.join(format!("{file}.onnx"));
        let (anatomy, cost) = look(&path, &GivenInputs::new());
        assert!(near(cost.macs.0, 1e9, macs, 0.001), "{file}: {}", cost.macs);
        if let Some(flops) = flops {
            assert!(near(cost.flops().0, 1e9, flops, 0.03), "{file}: {}", cost.flops());
        }
        let found = graph::parameters(&anatomy);
        if let Some(millions) = parameters {
            assert!(near(found, 1e6, millions, 0.03), "{file}: {found} parameters");
        }
    }
}

#[test]
fn nothing_of_real_architectures_is_unknown_but_what_follows_nms_in_the_graph() {
    let Some(folder) = reference() else { return };
    for (file, ..) in FIGURES {
        let path = folder.join(format!("{file}.onnx"));
        let (_, cost) = look(&path, &GivenInputs::new());
        let names: BTreeSet<_> = cost.unknown.iter().map(|known| known.operator.as_str()).collect();
        assert_eq!(!names.is_empty(), names.contains("NonMaxSuppression"), "{file}: {names:?}");
        let follows = |reason: &Reason| matches!(reason, Reason::Data | Reason::Operand);
        assert!(cost.unknown.iter().all(|unknown| follows(&unknown.reason)), "{file}");
        assert!(cost.unknown.iter().map(|unknown| unknown.count).sum::<u64>() < 30, "{file}");
    }
}

/// What `scripts/peers/flops.py shapes` wrote: inputs by name, and of every value what ONNX Runtime
/// made of it.
#[derive(serde::Deserialize)]
struct Seen {
    inputs: GivenInputs,
    values: std::collections::BTreeMap<String, SeenValue>,
}

#[derive(serde::Deserialize)]
struct SeenValue {
    shape: Vec<u64>,
    dtype: String,
}

#[test]
fn every_value_has_the_shape_that_onnx_runtime_gives_it() {
    let Some(folder) = reference() else { return };
    let files = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    for path in files.filter(|path| path.extension().is_some_and(|ending| ending == "onnx")) {
        let Ok(text) = fs::read_to_string(path.with_extension("shapes.json")) else {
            println!("SKIPPED: {}: no shapes of scripts/peers/flops.py", path.display());
            continue;
        };
        let seen: Seen = serde_json::from_str(&text).unwrap();
        compare(&path, &seen);
    }
}

fn compare(path: &Path, seen: &Seen) {
    let (anatomy, cost) = look(path, &seen.inputs);
    let graph = anatomy.graph.as_ref().unwrap();
    let facts = cost.inputs.iter().map(|input| input.fact());
    let given: Vec<(_, Fact)> = graph.inputs.iter().copied().zip(facts).collect();
    let inference = infer(graph, opset(&anatomy), &given).unwrap();
    let mut same = 0;
    for (value, fact) in graph.values.iter().zip(&inference.facts) {
        let Some(seen) = seen.values.get(&value.info.name) else { continue };
        let Some(dims) = &fact.dims else { continue };
        let name = format!("{}: {}", path.display(), value.info.name);
        assert_eq!(dims.len(), seen.shape.len(), "{name}");
        for (length, seen) in dims.iter().zip(&seen.shape) {
            assert!(length.is_none_or(|length| length == *seen), "{name}: {dims:?}");
        }
        // After NMS not even every type is known.
        let known = cost.unknown.is_empty() || fact.dtype != DType::Other(0);
        assert!(!known || fact.dtype.to_string() == seen.dtype, "{name}: {}", fact.dtype);
        same += usize::from(!dims.contains(&None));
    }
    // Where there is no NMS, of every value.
    let all = cost.unknown.is_empty();
    assert!(if all { same == seen.values.len() } else { same > 700 }, "{}: {same}", path.display());
}
