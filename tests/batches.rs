//! Models that cannot do what is asked, a batch above all: said before measuring where the file
//! tells, else when it has run, and with what to do about it.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may panic and print")]

mod common;
mod onnx;
use common::{FAST, Sandbox, scenario};
use std::fs;

/// A scenario with that model and family in batches of 1 and 2, on the embedded engine.
fn sandbox(family: &str, model: &[u8]) -> Sandbox {
    let sandbox = Sandbox::new();
    fs::write(sandbox.path("shapes.onnx"), model).unwrap();
    let text = scenario("rten", "batch = [1, 2]", FAST).replace("yolov8", family);
    sandbox.scenario("s.toml", &text);
    sandbox
}

fn skipped(sandbox: &Sandbox) -> Vec<String> {
    let json = sandbox.run(&["check", "s.toml", "--json"]).succeeds().json();
    let skipped = json["scenarios"][0]["skipped"].as_array().unwrap().clone();
    skipped.iter().map(|cell| format!("{}: {}", cell["cell"], cell["reason"])).collect()
}

#[test]
fn nms_in_the_graph_that_would_drop_images_is_skipped_with_the_reason() {
    for family in ["ppyoloe", "picodet"] {
        let [reason] =
            <[String; 1]>::try_from(skipped(&sandbox(family, &onnx::with_nms()))).unwrap();
        assert!(reason.contains("/b2/") && reason.contains("use batch = [1]"), "{reason}");
        assert!(reason.contains("returns the detections of one image, whatever the batch"));
    }
}

#[test]
fn a_declared_fixed_batch_is_skipped_with_the_input_that_fixes_it() {
    let model = onnx::reshaping(Some(1), &[1, 6, 512], &[None, Some(6), Some(512)]);
    let [reason] = <[String; 1]>::try_from(skipped(&sandbox("yolov8", &model))).unwrap();
    assert!(
        reason.contains("the batch of input `images` is fixed at 1, 2 was asked for"),
        "{reason}"
    );
}

#[test]
fn a_batch_that_is_fixed_inside_the_graph_fails_with_what_may_help() {
    let model = onnx::reshaping(None, &[1, 6, 512], &[None, Some(6), Some(512)]);
    let sandbox = sandbox("yolov8", &model);
    assert!(skipped(&sandbox).is_empty());
    let ran = sandbox.run(&["run", "s.toml", "--out", "r", "--json"]);
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    let json = ran.json();
    let cells = json["cells"].as_array().unwrap();
    let cell = |batch: u64| cells.iter().find(|cell| cell["id"]["batch"] == batch).unwrap();
    assert_eq!(cell(1)["outcome"], "measured");
    assert_eq!(cell(2)["outcome"], "failed");
    let reason = cell(2)["reason"].as_str().unwrap();
    assert!(reason.contains("inference failed"), "{reason}");
    assert!(reason.contains("fix it inside the graph"), "{reason}");
    assert!(reason.contains("use batch = [1]"), "{reason}");
}

#[test]
fn names_that_are_not_those_of_the_classes_fail_when_the_model_has_told_them() {
    // Declares no lengths: that it has two classes shows when it runs.
    let model = onnx::reshaping(None, &[1, 6, 512], &[None, None, None]);
    let sandbox = sandbox("yolov8", &model);
    fs::write(sandbox.path("names.txt"), "one\ntwo\nthree\n").unwrap();
    let text = scenario("rten", "batch = [1]", FAST);
    sandbox.scenario("s.toml", &text.replace("family =", "classes = \"names.txt\"\nfamily ="));
    sandbox.run(&["check", "s.toml"]).succeeds();
    let ran = sandbox.run(&["run", "s.toml", "--out", "r", "--json"]);
    let json = ran.json();
    assert_eq!((ran.code, &json["cells"][0]["outcome"]), (Some(1), &"failed".into()));
    let reason = json["cells"][0]["reason"].as_str().unwrap();
    let words =
        "the model has 2 classes, the file of model.classes names 3; give one line per class";
    assert!(reason.contains(words), "{reason}");
}

#[test]
fn a_confidence_below_that_of_nms_in_the_graph_is_refused_with_both_numbers() {
    let sandbox = sandbox("picodet", &onnx::with_nms());
    let check = |confidence: &str| {
        sandbox.run(&["check", "s.toml", "--set", &format!("postprocess.confidence={confidence}")])
    };
    check("0.03").succeeds();
    let parts = ["model `shapes`", "`postprocess.confidence` = 0.01", "below 0.025", "raise it"];
    check("0.01").fails(2, &parts);
}
