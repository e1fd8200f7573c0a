//! Scenario files: what is refused and how, `--set`, `list`, the schema and the documentation.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may panic and print")]

mod common;
use common::{FAST, Sandbox, root, scenario};
use std::{collections::BTreeSet, fs, path::Path};

/// A scenario in which `from` is replaced by `to` must be refused with all of `parts`.
#[track_caller]
fn refused(from: &str, to: &str, parts: &[&str]) {
    let sandbox = Sandbox::new();
    let text = scenario("null", "batch = [1, 2]\nthreads = [1]", FAST);
    assert!(text.contains(from), "{from}");
    sandbox.scenario("s.toml", &text.replace(from, to));
    sandbox.run(&["check", "s.toml"]).fails(2, parts);
    sandbox.run(&["run", "s.toml", "--out", "r"]).fails(2, parts);
    assert!(!sandbox.path("r").exists(), "a folder was made for a scenario that was refused");
}

#[test]
fn an_unknown_key_is_named_with_its_line_and_the_known_ones() {
    refused("batch = [1, 2]", "batchsize = [1]", &["s.toml:11", "matrix.batchsize", "`threads`"]);
}

#[test]
fn a_value_of_the_wrong_type_is_named_with_its_line() {
    refused("batch = [1, 2]", "batch = 8", &["s.toml:11", "matrix.batch", "sequence"]);
    refused("[1, 2]", "[1, \"two\"]", &["s.toml:11", "matrix.batch[1]", "u32"]);
}

#[test]
fn an_unsupported_precision_is_named_with_the_allowed_ones() {
    refused(
        "batch = [1, 2]",
        "precision = [\"fp8\"]",
        &["s.toml:11", "matrix.precision[0]", "fp32", "fp16", "int8"],
    );
}

#[test]
fn batch_zero_is_out_of_range() {
    refused(
        "[1, 2]",
        "[1, 0]",
        &["s.toml:11", "matrix.batch[1]", "0 is out of range", "1 to 4096"],
    );
}

#[test]
fn unknown_engines_families_and_devices_are_named_with_the_known_ones() {
    refused("\"null\"", "\"nul\"", &["s.toml:10", "matrix.engine[0]", "unknown `nul`", "rten"]);
    refused("yolov8", "yolo", &["s.toml:7", "model[0].family", "yolov8", "picodet"]);
    refused("batch = [1, 2]", "device = [\"tpu\"]", &["s.toml:11", "gpu:all", "gpu:<uuid>"]);
}

#[test]
fn a_billion_cells_are_refused_before_they_are_made() {
    let axis = (1..=1000).map(|n| n.to_string()).collect::<Vec<_>>().join(",");
    let model = "[[model]]\nname = \"N\"\npath = \"shapes.onnx\"\nfamily = \"yolov8\"\n";
    let models: String = (0..1000).map(|n| model.replace('N', &format!("m{n}"))).collect();
    let sandbox = Sandbox::new();
    let text = scenario("null", &format!("batch = [{axis}]\nthreads = [{axis}]"), FAST);
    sandbox.scenario("s.toml", &text.replace("[matrix]", &format!("{models}[matrix]")));
    sandbox.run(&["list", "s.toml"]).fails(2, &["matrix", "1001000000 cells", "at most 10000"]);
}

#[test]
fn values_that_are_there_twice_are_refused() {
    refused("[1, 2]", "[1, 1]", &["matrix.batch[1]", "twice"]);
}

#[test]
fn a_missing_model_is_named() {
    refused("shapes.onnx", "gone.onnx", &["s.toml:6", "model[0].path", "gone.onnx"]);
}

#[test]
fn a_model_that_is_not_fetched_yet_says_how_to_fetch_it() {
    refused(
        "path = \"shapes.onnx\"",
        "fetch = \"picodet-layout\"",
        &["model[0].fetch", "trtbench fetch models"],
    );
    refused("path = \"shapes.onnx\"", "fetch = \"x\"", &["unknown `x`", "picodet-layout"]);
}

#[test]
fn missing_and_empty_image_folders_are_named() {
    refused("\"images\"", "\"pictures\"", &["s.toml:15", "input.images", "pictures"]);
    refused("\"images\"", "\"images/*.bmp\"", &["input.images", "matches no file"]);
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.path("empty")).unwrap();
    let text = scenario("null", "", FAST).replace("\"images\"", "\"empty\"");
    sandbox.scenario("s.toml", &text);
    sandbox.run(&["check", "s.toml"]).fails(2, &["input.images", "holds no image", ".png"]);
}

#[test]
fn a_batch_larger_than_the_number_of_images_is_refused() {
    refused("[1, 2]", "[1, 9]", &["matrix.batch[1]", "9", "names 8"]);
}

#[test]
fn times_and_targets_out_of_range_are_refused() {
    refused("launches = 2", "launches = 0", &["measure.launches", "1 to 1000"]);
    refused("max_seconds = 0.3", "max_seconds = -1", &["measure.max_seconds", "out of range"]);
    refused("max_seconds = 0.3", "max_seconds = nan", &["measure.max_seconds", "out of range"]);
}

#[test]
fn text_that_is_no_toml_is_named_with_its_line() {
    refused("[matrix]", "[matrix", &["s.toml:9"]);
}

#[test]
fn a_missing_scenario_is_named() {
    Sandbox::new().run(&["check", "gone.toml"]).fails(2, &["gone.toml", "cannot read"]);
}

#[test]
fn set_overrides_a_key_and_is_checked_like_the_file() {
    let sandbox = Sandbox::new();
    sandbox.null_scenario("");
    let cells = |arguments: &[&str]| {
        let ran = sandbox.run(&[&["list", "null.toml", "--json"], arguments].concat());
        ran.succeeds().json()["cells"].as_array().unwrap().len()
    };
    assert_eq!(cells(&[]), 2);
    assert_eq!(cells(&["--set", "matrix.batch=[1,2,3]"]), 3);
    assert_eq!(cells(&["--set", "matrix.batch=1"]), 1);
    assert_eq!(cells(&["--set", "model.0.name=other"]), 2);
    let bad = |entry: &str, parts: &[&str]| {
        sandbox.run(&["list", "null.toml", "--set", entry]).fails(2, parts);
    };
    bad("matrix.batch=0", &["matrix.batch[0]", "out of range"]);
    bad("measure.lunches=3", &["--set measure.lunches=3", "unknown field", "launches"]);
    bad("model.7.name=x", &["--set model.7.name=x", "no index"]);
    bad("launches", &["key=value"]);
    bad(&format!("{}=1", ["a"; 50_000].join(".")), &["at most 16 parts"]);
}

#[test]
fn an_image_counts_once_however_it_is_reached_and_patterns_look_where_they_say() {
    let sandbox = Sandbox::new();
    let images = |pattern: &str| {
        let text = scenario("null", "", FAST).replace("\"images\"", pattern);
        sandbox.scenario("s.toml", &text);
        let ran = sandbox.run(&["check", "s.toml", "--json"]);
        ran.succeeds().json()["scenarios"][0]["images"].as_u64().unwrap()
    };
    fs::create_dir_all(sandbox.path("images/deep/deeper")).unwrap();
    let deep = sandbox.path("images/deep/deeper/other.jpg");
    fs::copy(sandbox.path("images/shape_000.jpg"), &deep).unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink(".", sandbox.path("images/deep/circle")).unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink("shape_001.jpg", sandbox.path("images/link.jpg")).unwrap();
    assert_eq!(images("\"images/*.jpg\""), 8);
    assert_eq!(images("[\"images\", \"images/shape_*\", \"./images/shape_000.jpg\"]"), 8);
    assert_eq!(images("\"images/**/*.jpg\""), 9);
    assert_eq!(images("\"im*/d*/**/*.{jpg,png}\""), 1);
}

#[test]
fn the_schema_in_the_repository_is_that_of_the_types() {
    let path = root().join("scenarios/schema.json");
    let now = format!("{:#}\n", trtbench::scenario::json_schema());
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        fs::write(&path, &now).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(kept, now, "run: UPDATE_SCHEMA=1 cargo test --test scenarios schema");
}

#[test]
fn every_key_of_the_schema_is_documented() {
    fn keys(
        schema: &serde_json::Value,
        root: &serde_json::Value,
        at: &str,
        found: &mut Vec<String>,
    ) {
        // A table whose keys are the user's own: the devices.
        let own = schema["additionalProperties"]["$ref"].as_str();
        let at = &if own.is_some() { format!("{at}.\"gpu:…\"") } else { at.to_owned() };
        let reference = schema["$ref"].as_str().or(schema["items"]["$ref"].as_str()).or(own);
        let schema = match reference {
            Some(path) => root.pointer(&path[1..]).unwrap(),
            None => schema,
        };
        match schema["properties"].as_object() {
            Some(properties) => {
                for (name, property) in properties {
                    let dot = if at.is_empty() { "" } else { "." };
                    keys(property, root, &format!("{at}{dot}{name}"), found);
                }
            }
            None => found.push(at.to_owned()),
        }
    }
    let schema = trtbench::scenario::json_schema();
    let mut found = Vec::new();
    keys(&schema, &schema, "", &mut found);
    assert!(found.len() > 25, "{found:?}");
    let page = fs::read_to_string(root().join("docs/SCENARIOS.md")).unwrap();
    for key in found {
        assert!(page.contains(&format!("| `{key}` |")), "docs/SCENARIOS.md lacks `{key}`");
    }
}

#[test]
fn all_scenarios_of_the_repository_are_fine_or_say_how_to_get_their_model() {
    let sandbox = Sandbox::new();
    let mut families = BTreeSet::new();
    for entry in fs::read_dir(root().join("scenarios")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let ran = sandbox.run(&["list", path.to_str().unwrap()]);
        let needs_fetch = ran.err.contains("run `trtbench fetch models`");
        let needs_export = ran.err.contains("docs/MODELS.md says how to export one");
        assert!(ran.code == Some(0) || needs_fetch || needs_export, "{ran:#?}");
        if needs_export {
            assert!(text.contains("python scripts/export/"), "{} says not how", path.display());
        }
        if !needs_fetch {
            let with_models = with_models_there(&path, &text);
            sandbox.run(&with_models.iter().map(String::as_str).collect::<Vec<_>>()).succeeds();
        }
        let family =
            |line: &str| Some(line.strip_prefix("family = ")?.trim_matches('"').to_owned());
        families.extend(text.lines().filter_map(family));
    }
    for family in trtbench::family::all() {
        assert!(families.contains(family.name()), "no scenario for `{}`", family.name());
    }
}

/// `list` of a scenario, with a model that is there in place of each that has to be exported.
fn with_models_there(scenario: &Path, text: &str) -> Vec<String> {
    let mut arguments = vec!["list".to_owned(), scenario.to_str().unwrap().to_owned()];
    for (index, _) in text.split("[[model]]").skip(1).enumerate() {
        let model = root().join("scenarios/models/shapes.onnx");
        arguments.extend(["--set".to_owned(), format!("model.{index}.path={model:?}")]);
    }
    arguments
}

/// A scenario with `more` in its model's table.
fn with_model_keys(sandbox: &Sandbox, more: &str) {
    let text = scenario("rten", "batch = [1]", FAST);
    sandbox.scenario("s.toml", &text.replace("family =", &format!("{more}\nfamily =")));
}

#[test]
fn thresholds_out_of_range_are_refused_by_key_for_all_models_and_for_one() {
    let sandbox = Sandbox::new();
    let refused = |table: &str, key: &str, parts: &[&str]| {
        let text = scenario("rten", "batch = [1]", FAST);
        let text = if table == "model" {
            text.replace("family =", &format!("postprocess = {{ {key} }}\nfamily ="))
        } else {
            format!("{text}\n[postprocess]\n{key}\n")
        };
        sandbox.scenario("s.toml", &text);
        sandbox.run(&["check", "s.toml"]).fails(2, parts);
    };
    refused("", "confidence = 1.5", &["postprocess.confidence", "1.5 is out of range", "0 to 1"]);
    refused("", "top_k = 0", &["postprocess.top_k", "out of range"]);
    refused("", "thresholds = \"strict\"", &["postprocess.thresholds", "deployment", "evaluation"]);
    refused("model", "iou = -1", &["s.toml:7", "model[0].postprocess.iou", "out of range"]);
    refused("model", "max_detections = 0", &["model[0].postprocess.max_detections"]);
}

#[test]
fn class_names_come_from_a_file_and_must_be_as_many_as_the_classes() {
    let sandbox = Sandbox::new();
    let names = |text: &str| fs::write(sandbox.path("names.txt"), text).unwrap();
    with_model_keys(&sandbox, "classes = \"names.txt\"");
    sandbox.run(&["check", "s.toml"]).fails(2, &["s.toml:7", "model[0].classes", "names.txt"]);
    names("one\ntwo\n");
    let parts = ["model `shapes`: the model has", "model.classes names 2; give one line per"];
    sandbox.run(&["check", "s.toml"]).fails(2, &parts);
    let own = sandbox_classes(&sandbox, "");
    names(&own.iter().map(|name| format!("my {name}\n")).collect::<String>());
    let mine = sandbox_classes(&sandbox, "classes = \"names.txt\"");
    assert_eq!(mine, own.iter().map(|name| format!("my {name}")).collect::<Vec<_>>());
}

/// The class names that a run would know.
fn sandbox_classes(sandbox: &Sandbox, keys: &str) -> Vec<String> {
    with_model_keys(sandbox, keys);
    let ran = sandbox.run(&["check", "s.toml", "--json"]);
    let json = ran.succeeds().json();
    assert_eq!(json["scenarios"][0]["models"][0]["variant"], "without NMS");
    serde_json::from_value(json["scenarios"][0]["models"][0]["classes"].clone()).unwrap()
}

#[test]
fn an_option_without_effect_and_a_foreign_model_are_refused_before_anything_is_measured() {
    let sandbox = Sandbox::new();
    with_model_keys(&sandbox, "normalize = \"unit\"");
    let parts = ["model `shapes`", "`normalize` has no effect on family `yolov8`, without NMS"];
    sandbox.run(&["check", "s.toml"]).fails(2, &parts);
    let text = scenario("rten", "batch = [1]", FAST).replace("yolov8", "nanodet");
    sandbox.scenario("s.toml", &text);
    let parts = ["does not fit family `nanodet`", "expected one input", "found output0 float32"];
    sandbox.run(&["run", "s.toml", "--out", "r"]).fails(2, &parts);
    assert!(!sandbox.path("r").exists());
}
