//! Real architectures through both engines, every stage timed: `TRTBENCH_REFERENCE` names a
//! folder with exports of the projects' own models (`scripts/export`); without it nothing is run.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may panic and print")]

mod common;
use common::{Ran, Sandbox};
use std::{collections::BTreeSet, path::Path, process::Command};

/// File, family and the variant it must be taken for.
const MODELS: [(&str, &str, &str); 10] = [
    ("yolov8n_640_dyn", "yolov8", "without NMS"),
    ("nanodet_plus_m_320", "nanodet", "NanoDet-Plus"),
    ("picodet_s_320_raw", "picodet", "raw head"),
    ("picodet_s_320_nms", "picodet", "NMS in the graph"),
    ("ppyoloe_plus_s_640_exclude_nms", "ppyoloe", "without NMS"),
    ("ppyoloe_plus_s_640_nms", "ppyoloe", "NMS in the graph"),
    ("rtdetrv2_r18vd_640_raw", "rtdetr", "lyuwenyu, without post-processing"),
    ("rtdetrv2_r18vd_640_post", "rtdetr", "lyuwenyu, with post-processing"),
    ("hf_rtdetr_r18", "rtdetr", "Hugging Face"),
    ("rfdetr_nano_384", "rfdetr", "RF-DETR"),
];

fn scenario(folder: &Path) -> String {
    let model = |(file, family, _): &(&str, &str, &str)| {
        let path = folder.join(format!("{file}.onnx"));
        format!("[[model]]\nname = \"{file}\"\npath = {path:?}\nfamily = \"{family}\"\n")
    };
    let models: String = MODELS.iter().map(model).collect();
    format!(
        "schema = 1\nname = \"reference\"\n{models}[matrix]\nengine = [\"rten\", \"ort\"]\n\
         threads = [2]\n[input]\nimages = \"images\"\n[measure]\nlaunches = 1\nmin_seconds = 0\n\
         max_seconds = 0.01\nmin_samples = 1\n"
    )
}

#[test]
fn every_reference_model_runs_on_both_engines_with_its_stages_timed() {
    let Some(folder) = std::env::var_os("TRTBENCH_REFERENCE") else {
        println!("SKIPPED: set TRTBENCH_REFERENCE to a folder with the exports to run them");
        return;
    };
    let sandbox = Sandbox::new();
    sandbox.scenario("reference.toml", &scenario(Path::new(&folder)));
    // With the user's own cache: that is where ONNX Runtime is.
    let output = Command::new(env!("CARGO_BIN_EXE_trtbench"))
        .args(["run", "reference.toml", "--out", "r", "--json"])
        .current_dir(sandbox.path("."))
        .output()
        .unwrap();
    let results = Ran::from(output).json();
    let mut seen = BTreeSet::new();
    for cell in results["cells"].as_array().unwrap() {
        let id = &cell["id"];
        let key = (id["model"].as_str().unwrap(), id["engine"].as_str().unwrap());
        let reason = cell["reason"].as_str().unwrap_or_default();
        assert_eq!(cell["outcome"], "measured", "{key:?}: {reason}");
        for stage in ["decode", "preprocess", "inference", "postprocess", "end_to_end"] {
            let median = cell["stages"][stage]["median_ns"].as_f64();
            assert!(median.is_some_and(|median| median > 0.0), "{key:?} {stage}: {cell:#}");
        }
        seen.insert((key.0.to_owned(), key.1.to_owned()));
    }
    assert_eq!(seen.len(), 2 * MODELS.len());
    let run: serde_json::Value =
        serde_json::from_slice(&std::fs::read(sandbox.path("r/run.json")).unwrap()).unwrap();
    for (file, _, variant) in MODELS {
        let models = run["models"].as_array().unwrap();
        let model = models.iter().find(|model| model["name"] == file).unwrap();
        assert_eq!(model["variant"], variant, "{file}");
    }
}
