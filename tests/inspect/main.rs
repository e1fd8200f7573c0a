//! `trtbench inspect` and `diff` from the outside: what they say, as text, as JSON and as a chart, and
//! what they say of files that are damaged or were made to do harm.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may panic and print")]

#[path = "../common/mod.rs"]
mod common;
mod hostile;
#[path = "../onnx/mod.rs"]
mod onnx;

use common::{Ran, Sandbox, root};
use serde_json::Value;
use std::fs;

/// Writes a file and looks into it.
fn inspected(name: &str, bytes: &[u8]) -> (Sandbox, Ran) {
    let sandbox = Sandbox::new();
    fs::write(sandbox.path(name), bytes).unwrap();
    let ran = sandbox.run(&["inspect", name]);
    (sandbox, ran)
}

fn shapes() -> String {
    root().join("scenarios/models/shapes.onnx").to_str().unwrap().to_owned()
}

fn sum(of: &Value, key: &str) -> u64 {
    of.as_array().unwrap().iter().map(|entry| entry[key].as_u64().unwrap()).sum()
}

#[test]
fn json_holds_what_programs_read_and_its_sections_are_the_whole_file() {
    let json = Sandbox::new().run(&["inspect", &shapes(), "--json"]).succeeds().json();
    let bytes = fs::metadata(shapes()).unwrap().len();
    assert_eq!((&json["schema"], &json["format"]), (&1.into(), &"ONNX".into()));
    assert_eq!((json["bytes"].as_u64(), sum(&json["sections"], "bytes")), (Some(bytes), bytes));
    let weights = &json["sections"].as_array().unwrap()[0];
    assert_eq!(weights["name"], "weights");
    assert_eq!(weights["bytes"].as_u64(), Some(sum(&json["roles"], "bytes")));
    for role in json["roles"].as_array().unwrap() {
        assert_eq!(role["role"], "model", "{role}");
    }
    assert!(json["operators"]["Conv"].as_u64().unwrap() > 5, "{json:#}");
    assert!(json["opsets"]["ai.onnx"].as_u64().unwrap() >= 11);
    let input = &json["inputs"][0];
    assert_eq!((&input["dtype"], input["shape"].as_array().unwrap().len()), (&"float32".into(), 4));
    assert!(json["producer"].is_string() && json["outputs"].is_array());
}

#[test]
fn several_models_are_a_list_and_each_is_named() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.path("a.onnx"), onnx::convolution(onnx::FLOAT)).unwrap();
    fs::write(sandbox.path("b.onnx"), onnx::convolution(onnx::HALF)).unwrap();
    let json = sandbox.run(&["inspect", "a.onnx", "b.onnx", "--json"]).succeeds().json();
    let names: Vec<&str> =
        json.as_array().unwrap().iter().map(|one| one["model"].as_str().unwrap()).collect();
    assert_eq!(names, ["a.onnx", "b.onnx"]);
    let text = sandbox.run(&["inspect", "a.onnx", "b.onnx"]).succeeds().out.clone();
    for part in ["a.onnx\n", "b.onnx\n", "float32", "float16", "Where the bytes are", "1 Conv"] {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
}

#[test]
fn weights_in_another_file_belong_to_the_model() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.path("m.onnx"), hostile::beside("w.bin", 4, 8, &[2])).unwrap();
    fs::write(sandbox.path("w.bin"), [0; 20]).unwrap();
    let json = sandbox.run(&["inspect", "m.onnx", "--json"]).succeeds().json();
    let own = fs::metadata(sandbox.path("m.onnx")).unwrap().len();
    assert_eq!(json["bytes"].as_u64(), Some(own + 20));
    assert_eq!(sum(&json["sections"], "bytes"), own + 20);
    assert_eq!(json["files"][1]["name"], "w.bin");
    assert_eq!(json["roles"][0]["bytes"].as_u64(), Some(8));
}

#[test]
fn a_chart_is_drawn_in_the_format_that_its_name_asks_for() {
    let sandbox = Sandbox::new();
    for (file, begins) in [("c.svg", b"<svg".as_slice()), ("c.png", b"\x89PNG")] {
        sandbox.run(&["inspect", &shapes(), "--chart", file]).succeeds();
        assert!(fs::read(sandbox.path(file)).unwrap().starts_with(begins), "{file}");
    }
    let svg = fs::read_to_string(sandbox.path("c.svg")).unwrap();
    for part in ["all bytes", "other than weights", "shapes.onnx"] {
        assert!(svg.contains(part), "{part}");
    }
    let ran = sandbox.run(&["inspect", &shapes(), "--chart", "c.pdf"]);
    ran.fails(2, &["c.pdf", ".svg or .png"]);
    let ran = sandbox.run(&["inspect", &shapes(), &shapes(), "--chart", "c.png"]);
    ran.fails(2, &["--chart", "one model"]);
}

/// The difference of two files in `sandbox`, held to what must be true of any.
fn difference(sandbox: &Sandbox, first: &str, second: &str) -> Value {
    let json = sandbox.run(&["diff", first, second, "--json"]).succeeds().json();
    let parts = json["explanations"].as_array().unwrap();
    let sum: i64 = parts.iter().map(|part| part["bytes"].as_i64().unwrap()).sum();
    let size = |name: &str| i64::try_from(fs::metadata(sandbox.path(name)).unwrap().len()).unwrap();
    assert_eq!(sum, size(second) - size(first), "{json:#}");
    assert_eq!(json["bytes"].as_i64(), Some(sum));
    let worth: Vec<i64> = parts.iter().map(|part| part["bytes"].as_i64().unwrap().abs()).collect();
    assert!(worth.is_sorted_by(|a, b| a >= b), "{worth:?}");
    json
}

#[test]
fn a_difference_is_explained_to_the_byte_and_the_largest_part_comes_first() {
    let sandbox = Sandbox::new();
    let models = [
        ("fp32.onnx", onnx::convolution(onnx::FLOAT)),
        ("fp16.onnx", onnx::convolution(onnx::HALF)),
        ("int8.onnx", onnx::quantised_convolution()),
        ("nms.onnx", onnx::with_nms()),
        ("sum.onnx", onnx::doubling(onnx::FLOAT, None)),
    ];
    for (name, bytes) in &models {
        fs::write(sandbox.path(name), bytes).unwrap();
    }
    for (first, _) in &models {
        for (second, _) in &models {
            difference(&sandbox, first, second);
        }
    }
    let json = difference(&sandbox, "fp32.onnx", "fp16.onnx");
    assert_eq!(json["explanations"][0]["cause"], "precision", "{json:#}");
    assert_eq!(json["explanations"][0]["bytes"], -224);
    let json = difference(&sandbox, "sum.onnx", "nms.onnx");
    let causes: Vec<&str> = json["explanations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|part| part["cause"].as_str().unwrap())
        .collect();
    assert!(causes.contains(&"post_processing"), "{json:#}");
    let same = difference(&sandbox, "nms.onnx", "nms.onnx");
    assert_eq!(
        (&same["facts"], &same["explanations"]),
        (&Value::Array(vec![]), &Value::Array(vec![]))
    );
    let text = sandbox.run(&["diff", "fp32.onnx", "fp16.onnx"]).succeeds().out.clone();
    for part in ["smaller by", "float32 are float16", "−224"] {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
}

#[test]
fn a_run_records_what_its_network_costs_and_tells_how_fast_that_was_computed() {
    let sandbox = Sandbox::new();
    sandbox.scenario("s.toml", &common::scenario("rten", "batch = [1, 2]", common::FAST));
    sandbox.run(&["run", "s.toml", "--out", "r"]).succeeds();
    let json = sandbox.run(&["report", "r", "--json"]).succeeds().json();
    let network = &json["models"][0]["network"];
    let shape: Vec<String> =
        network["inputs"]["images"].as_array().unwrap().iter().map(ToString::to_string).collect();
    let given = format!("images={}", shape.join("x"));
    let own =
        sandbox.run(&["inspect", "shapes.onnx", "--json", "--input", &given]).succeeds().json();
    for key in ["macs", "flops", "parameters"] {
        assert_eq!(network[key], own[key], "{key}");
    }
    let macs = own["macs"].as_u64().unwrap();
    assert!(macs > 1_000_000);
    let rows = csv::Reader::from_path(sandbox.path("r/results.csv"))
        .unwrap()
        .into_deserialize::<std::collections::BTreeMap<String, String>>()
        .map(Result::unwrap)
        .filter(|row| row["stage"] == "inference")
        .collect::<Vec<_>>();
    assert_eq!(rows.len(), 2);
    for row in rows {
        let number = |key: &str| row[key].parse::<f64>().unwrap();
        assert_eq!(number("macs"), macs as f64 * number("batch"));
        let rate = 2.0 * number("macs") / (number("median_ns") / 1e9);
        assert!((number("flops_per_second") / rate - 1.0).abs() < 1e-9, "{row:?}");
    }
}

#[test]
fn a_shape_that_does_not_fit_is_an_error_that_names_the_inputs() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.path("m.onnx"), onnx::convolution(onnx::FLOAT)).unwrap();
    let with = |shape: &str| sandbox.run(&["inspect", "m.onnx", "--input", shape]);
    with("y=1x3x16x16").fails(2, &["m.onnx", "no input \"y\"", "x float32"]);
    with("x=1x3x16").fails(2, &["number of dimensions"]);
    with("x=1x3x17x16").fails(2, &["dimension 2", "fixed to 16", "17"]);
    with("x=large").fails(2, &["x=large", "images=1x3x640x640"]);
    assert!(with("x=2x3x16x16").succeeds().out.contains("2x3x16x16"));
}

fn fixture(name: &str) -> String {
    root().join("tests").join(name).to_str().unwrap().to_owned()
}

#[test]
fn a_lean_file_is_as_large_as_it_was_said_to_be_and_nothing_is_written_over() {
    let sandbox = Sandbox::new();
    let training = fixture("checkpoints/training.pt");
    let json = sandbox.run(&["inspect", &training, "--json"]).succeeds().json();
    let size = |name: &str| fs::metadata(sandbox.path(name)).unwrap().len();
    for (precision, key) in [("fp32", "fp32_bytes"), ("fp16", "fp16_bytes")] {
        let out = format!("{precision}.safetensors");
        let write = ["inspect", &training, "--write-lean", &out, "--precision", precision];
        sandbox.run(&write).succeeds();
        assert_eq!(json["lean"][key].as_u64(), Some(size(&out)), "{precision}");
    }
    let lean = sandbox.run(&["inspect", "fp32.safetensors", "--json"]).succeeds().json();
    assert_eq!(lean["parameters"], json["parameters"]);
    assert_eq!(
        lean["roles"].as_array().unwrap().iter().filter(|sum| sum["role"] != "model").count(),
        0
    );
    let before = fs::read(sandbox.path("fp32.safetensors")).unwrap();
    let again = sandbox.run(&["inspect", &training, "--write-lean", "fp32.safetensors"]);
    again.fails(2, &["fp32.safetensors", "exists already"]);
    assert_eq!(fs::read(sandbox.path("fp32.safetensors")).unwrap(), before);
    let two = sandbox.run(&["inspect", &training, &training, "--write-lean", "two.safetensors"]);
    two.fails(2, &["--write-lean", "one model"]);
}

#[test]
fn what_the_weights_themselves_tell_is_told_where_it_is_asked_for() {
    let sandbox = Sandbox::new();
    let name = |n: u64| format!("w{n}");
    let weight = |n: u64, value: f32| {
        let bytes = value.to_le_bytes().repeat(4);
        onnx::message(5, &onnx::initialiser(&name(n), onnx::FLOAT, &[4], &bytes))
    };
    let shape = onnx::shape_of(&[Some(4)]);
    let graph = [
        onnx::message(1, &onnx::operator("Sum", &["x", "w0", "w1", "w2", "w3"], "y")),
        onnx::text(2, "weights"),
        weight(0, 0.5),
        weight(1, 0.5),
        weight(2, -70000.0),
        weight(3, 1e-9),
        onnx::message(11, &onnx::value("x", onnx::FLOAT, &shape)),
        onnx::message(12, &onnx::value("y", onnx::FLOAT, &shape)),
    ];
    fs::write(sandbox.path("m.onnx"), onnx::model(&graph.concat())).unwrap();
    let json = sandbox.run(&["inspect", "m.onnx", "--deep", "--json"]).succeeds().json();
    let deep = &json["deep"];
    assert_eq!(deep["duplicate_bytes"], 16, "{deep:#}");
    assert_eq!(deep["duplicates"][0]["names"], serde_json::json!(["w0", "w1"]));
    assert_eq!(
        (&deep["ranges"][2]["least"], &deep["ranges"][2]["beyond_half"]),
        (&(-70000.0).into(), &4.into())
    );
    assert_eq!(deep["ranges"][3]["zero_in_half"], 4);
    let text = sandbox.run(&["inspect", "m.onnx", "--deep"]).succeeds().out.clone();
    for part in ["w0, w1", "w2 (4)", "65504", "w3 (4)"] {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
    let half = ["inspect", "m.onnx", "--write-lean", "h.safetensors", "--precision", "fp16"];
    sandbox.run(&half).fails(2, &["w2", "nothing is written"]);
    assert!(!sandbox.path("h.safetensors").exists());
    assert!(sandbox.run(&["inspect", "m.onnx", "--json"]).succeeds().json()["deep"].is_null());
}

#[test]
fn the_answer_for_a_release_names_its_reasons_and_decides_the_exit_code() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.path("m.onnx"), onnx::convolution(onnx::FLOAT)).unwrap();
    fs::write(sandbox.path("p.onnx"), onnx::private_operator()).unwrap();
    let ask = |model: &str, target: &str| sandbox.run(&["inspect", model, "--for", target]);
    assert!(
        ask("m.onnx", "onnxruntime:1.17").succeeds().out.contains("Runs on ONNX Runtime 1.17: yes")
    );
    let old = ask("m.onnx", "tensorrt:10.3,sm61");
    assert_eq!(old.code, Some(1), "{old:?}");
    for part in ["no", "6.1", "what helps", "from:"] {
        assert!(old.out.contains(part), "no {part:?} in {}", old.out);
    }
    assert_eq!(ask("p.onnx", "onnxruntime:1.17").code, Some(1));
    assert_eq!(ask("m.onnx", "paddle:2.6").code, Some(1));
    ask("m.onnx", "openvino:2024.1").fails(2, &["openvino", "onnxruntime", "tensorrt", "paddle"]);
    let program = fixture("paddle_files/program.pdmodel");
    let both = ["inspect", &program, "--json", "--for", "paddle:2.6", "--for", "paddle:2.3.2"];
    let json = sandbox.run(&both).json();
    assert_eq!(json["for"][0]["answer"], "yes", "{:#}", json["for"]);
    assert!(json["for"][1]["findings"].as_array().unwrap().len() > 1);
}
