//! NVIDIA's own compiled clients drive the stand-in for TensorRT: its Python bindings of five
//! releases, which were built from NVIDIA's headers. So the tables of slots are checked by code that
//! is not the project's. It takes Python and the bindings, but no card: scripts/test.sh brings them
//! and names their folder in `TRTBENCH_TENSORRT_BINDINGS`.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may panic and print")]

#[path = "../common/mod.rs"]
mod common;
#[path = "../doubles/mod.rs"]
mod doubles;
#[path = "../onnx/mod.rs"]
mod onnx;

use common::root;
use doubles::Doubles;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    env,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::Command,
};
use trtbench_double_script::{Card, Entry, Script};

/// The calls of `client.py`, each with the major versions in which it is made.
const CALLS: &str = include_str!("calls.txt");

/// How long a layer takes.
const LAYER_NS: u64 = 250_000;

/// A release's bindings after they have driven the stand-in.
struct Client {
    release: &'static str,
    /// What the client saw.
    saw: Value,
    doubles: Doubles,
}

impl Client {
    /// Runs `client.py` with the bindings of a release; none where they are not there.
    fn run(bindings: &str, release: &'static str, properties: bool) -> Option<Self> {
        let folder = bindings_folder(bindings)?;
        let mut card = Card::numbered(0);
        card.timing.kernel_ns = LAYER_NS;
        let doubles = Doubles::new(&Script::with_cards([card]).with_calls());
        let libraries = doubles.tensorrt(release);
        let mut command = Command::new("python3");
        doubles.prepare(&mut command);
        let script = doubles.script();
        let paths = [libraries.as_path(), script.parent().unwrap()];
        command.env("LD_LIBRARY_PATH", env::join_paths(paths).unwrap());
        command.arg("-I").arg(root().join("tests/tensorrt_clients/client.py")).arg(folder);
        command.arg(model()).arg(finding(&libraries, properties));
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        let complaints = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{:?} {said} {complaints}", output.status);
        Some(Self { release, saw: serde_json::from_str(&said).unwrap(), doubles })
    }

    fn major(&self) -> &str {
        self.release.split('.').next().unwrap()
    }

    /// The calls without their slots; addresses, sizes and the model's path are made equal.
    fn calls(&self) -> Vec<String> {
        let ledger = self.doubles.ledger();
        let calls = ledger.lines.iter().filter_map(|line| match &line.entry {
            Entry::Call { class, method, arguments, .. } => Some(called(class, method, arguments)),
            _ => None,
        });
        calls.collect()
    }

    /// The slot in which a method was called.
    fn slot(&self, class: &str, method: &str) -> Option<u32> {
        self.doubles.ledger().lines.iter().find_map(|line| match &line.entry {
            Entry::Call { class: of, method: name, slot, .. } if of == class && name == method => {
                *slot
            }
            _ => None,
        })
    }

    /// The arguments of all calls of a method.
    fn arguments(&self, method: &str) -> Vec<Vec<String>> {
        let ledger = self.doubles.ledger();
        let of_method = ledger.lines.into_iter().filter_map(|line| match line.entry {
            Entry::Call { method: name, arguments, .. } if name == method => Some(arguments),
            _ => None,
        });
        of_method.collect()
    }

    /// Checks what holds for all releases.
    fn check(&self, version: u32) {
        let wanted = expected(self.major(), version);
        assert_eq!(self.calls(), wanted);
        assert_eq!(self.doubles.ledger().unexpected(), <[&str; 0]>::default());
        assert_eq!(self.doubles.ledger().live(), BTreeMap::new());
        self.check_addresses();
        self.check_build();
        self.check_run();
        self.check_unknown_shape();
    }

    /// Addresses of memory and of the stream came as the client gave them.
    fn check_addresses(&self) {
        let hexadecimal = |value: &Value| format!("{:#x}", value.as_u64().unwrap());
        let stream = hexadecimal(&self.saw["stream"]);
        assert_eq!(self.arguments("enqueueV3"), vec![vec![stream]; 4]);
        for (name, address) in self.saw["addresses"].as_object().unwrap() {
            let call = vec![name.clone(), hexadecimal(address)];
            assert!(self.arguments("setTensorAddress").contains(&call), "{call:?}");
        }
        assert_eq!(self.saw["address_read"], self.saw["addresses"]["images"]);
    }

    /// What the client saw of network, configuration and plan.
    fn check_build(&self) {
        let saw = &self.saw;
        let shape = json!([-1, 3, 256, 256]);
        assert_eq!(saw["errors"], json!([[3, "Failed to parse the ONNX model."]]));
        assert_eq!((&saw["broken"], &saw["parsed"]), (&json!(false), &json!(true)));
        assert_eq!(saw["inputs"], json!([["images", "DataType.FLOAT", shape]]));
        assert_eq!(saw["outputs"], json!([["output0", "DataType.FLOAT", [-1, 10, 1344]]]));
        assert_eq!((&saw["workspace"], &saw["cache_set"]), (&json!(1 << 20), &json!(true)));
        assert_eq!(saw["profile"], saw["range"]);
        assert_eq!(saw["engine_profile"], saw["range"]);
        let numbers: Vec<u8> = self.release.split('.').map(|part| part.parse().unwrap()).collect();
        let numbers: String = numbers.iter().map(|number| format!("{number:02x}")).collect();
        let plan = saw["plan"].as_str().unwrap();
        assert!(plan.starts_with("66747274") && plan.ends_with(&format!("{numbers}00")), "{plan}");
        if self.major() != "8" {
            let first = json!(["start", "Building Engine", null, 2]);
            let last = json!(["finish", "Building Engine"]);
            let said = saw["progress"].as_array().unwrap();
            assert_eq!((said.first(), said.last()), (Some(&first), Some(&last)));
        }
    }

    /// What the client saw of the engine and its runs.
    fn check_run(&self) {
        let saw = &self.saw;
        let tensors = json!([
            ["images", "INPUT", "DataType.FLOAT", [-1, 3, 256, 256], "DEVICE"],
            ["output0", "OUTPUT", "DataType.FLOAT", [-1, 10, 1344], "DEVICE"],
        ]);
        assert_eq!(saw["tensors"], tensors);
        assert_eq!(saw["layer"]["Name"], saw["information"]["Layers"][0]["Name"]);
        assert_eq!((&saw["too_large"], &saw["shape_set"]), (&json!(false), &json!(true)));
        assert_eq!(saw["output_shape"], json!([2, 10, 1344]));
        assert_eq!((&saw["run"], &saw["profiled_run"]), (&json!(true), &json!(true)));
        assert_eq!((&saw["early"], &saw["reported"]), (&json!(0), &json!(true)));
        let layers = saw["profiled"].as_array().unwrap();
        assert_eq!(layers.len(), 4);
        assert!(layers.iter().all(|layer| layer[1] == json!(0.25)), "{layers:?}");
        let said = saw["said"].to_string();
        for words in ["Magic tag does not match", "Valid range for profile 0"] {
            assert!(said.contains(words), "{said}");
        }
    }

    /// A model whose output's shape is known after the run, with calibration where there is any.
    fn check_unknown_shape(&self) {
        let saw = &self.saw;
        assert_eq!(
            (&saw["without_profile"], &saw["without_allocator"]),
            (&json!(false), &json!(false))
        );
        assert_eq!((&saw["found_shape"], &saw["found_run"]), (&json!([2, -1]), &json!(true)));
        let found = saw["found"].as_array().unwrap();
        assert_eq!(
            (&found[0][0], &found[0][1], &found[0][4]),
            (&json!("reallocate"), &json!("y"), &json!(256))
        );
        assert_eq!(found[1], json!(["notify", "y", [2, 4]]));
        let stream = if self.major() == "8" { Value::Null } else { saw["stream"].clone() };
        assert_eq!(found[0].get(5).cloned().unwrap_or_default(), stream);
        self.check_strictness();
        if self.major() != "11" {
            assert_eq!(saw["without_calibrator"], json!(false));
            let steps: Vec<&Value> =
                saw["calibrated"].as_array().unwrap().iter().map(|step| &step[0]).collect();
            assert_eq!(steps, ["size", "read", "batch", "batch", "batch", "write"]);
        }
    }

    /// What TensorRT refuses: an odd address, a context of 8 without a profile, and a calibration
    /// of open lengths without a profile of its own.
    fn check_strictness(&self) {
        let saw = &self.saw;
        assert_eq!(saw["odd_address"], json!(false));
        let old = self.major() == "8";
        assert_eq!(saw["other_profile"], json!(if old { -1 } else { 0 }));
        assert_eq!(saw["shape_without_profile"], json!(!old));
        assert_eq!(
            (&saw["profile_chosen"], &saw["shape_with_profile"]),
            (&json!(true), &json!(true))
        );
        let said = saw["said"].to_string();
        assert_eq!(said.contains("No optimization profile has been chosen"), old, "{said}");
        if self.major() != "11" {
            assert_eq!(saw["without_calibration_profile"], json!(false));
            assert_eq!(saw["calibration_profile_set"], json!(true));
            assert!(said.contains("Calibration optimization profile must be set"), "{said}");
        }
    }
}

#[test]
fn nvidias_client_of_8_6_1_reaches_the_slots_of_the_table() {
    let Some(client) = Client::run("8.6.1", "8.6.1", false) else { return };
    client.check(8601);
    assert_eq!(client.slot("VExecutionContext", "enqueueV3"), Some(44));
    assert_eq!(client.slot("IParser", "setFlag"), Some(15));
}

#[test]
fn nvidias_client_of_10_0_1_reaches_the_slots_of_the_table() {
    let Some(client) = Client::run("10.0.1", "10.0.1", false) else { return };
    client.check(100_001);
    assert_eq!(client.slot("VExecutionContext", "enqueueV3"), Some(37));
    assert_eq!(client.slot("IParser", "setFlag"), Some(14));
}

#[test]
fn nvidias_client_of_10_16_1_reaches_the_slots_of_the_table() {
    let Some(client) = Client::run("10.16.1.11", "10.16.1", false) else { return };
    client.check(101_601);
    assert_eq!(client.slot("VExecutionContext", "enqueueV3"), Some(37));
}

#[test]
fn nvidias_client_of_11_1_reaches_the_slots_of_the_table() {
    let Some(client) = Client::run("11.1.0.106", "11.1.0", false) else { return };
    client.check(110_100);
    assert_eq!(client.slot("VExecutionContext", "enqueueV3"), Some(36));
    assert_eq!(client.slot("IParser", "setFlag"), Some(12));
}

#[test]
fn nvidias_client_of_11_4_reaches_the_slots_of_the_table_for_11_1() {
    let Some(client) = Client::run("11.4.0.106", "11.4.0", false) else { return };
    client.check(110_400);
    assert_eq!(client.slot("VExecutionContext", "enqueueV3"), Some(36));
}

#[test]
fn every_property_that_nvidias_clients_read_is_a_method_of_the_table() {
    let bindings = [
        ("8.6.1", "8.6.1"),
        ("10.0.1", "10.0.1"),
        ("10.16.1.11", "10.16.1"),
        ("11.1.0.106", "11.1.0"),
    ];
    for (bindings, release) in bindings {
        let Some(client) = Client::run(bindings, release, true) else { return };
        assert_eq!(unknown(&client), <[&str; 0]>::default(), "{release}");
        assert!(client.saw["read"].as_array().unwrap().len() > 60, "{}", client.saw);
    }
}

#[test]
fn later_releases_of_11_add_methods_at_the_end_of_the_table_for_11_1() {
    let Some(client) = Client::run("11.4.0.106", "11.4.0", true) else { return };
    assert_eq!(unknown(&client), ["VOptimizationProfile::? (slot 11)", "VRuntime::? (slot 24)"]);
}

/// Calls in slots for which the tables have no name.
fn unknown(client: &Client) -> Vec<String> {
    let ledger = client.doubles.ledger();
    let mut unknown: Vec<String> = ledger
        .unexpected()
        .into_iter()
        .filter(|what| what.contains('?'))
        .map(str::to_owned)
        .collect();
    unknown.sort();
    unknown
}

/// Where the bindings of a release are.
fn bindings_folder(release: &str) -> Option<PathBuf> {
    let Some(folder) = env::var_os("TRTBENCH_TENSORRT_BINDINGS") else {
        common::skip(
            "NVIDIA's clients of TensorRT: TRTBENCH_TENSORRT_BINDINGS names no folder with its Python bindings",
        );
        return None;
    };
    let folder = Path::new(&folder).join(release);
    if folder.join("tensorrt_bindings").is_dir() {
        return Some(folder);
    }
    common::skip(&format!("NVIDIA's client of TensorRT {release}: no bindings for this Python"));
    None
}

fn model() -> PathBuf {
    root().join("scenarios/models/shapes.onnx")
}

/// The last argument of `client.py`.
fn finding(folder: &Path, properties: bool) -> PathBuf {
    if properties {
        return "properties".into();
    }
    let path = folder.join("finding.onnx");
    fs::write(&path, onnx::non_zero()).unwrap();
    path
}

/// The calls that a client makes, from the list.
fn expected(major: &str, version: u32) -> Vec<String> {
    let lines = CALLS.lines().map(|line| line.split_at(6));
    let own = lines
        .filter(|(majors, _)| majors.trim() == "all" || majors.split(' ').any(|of| of == major));
    let parser = if version < 110_400 { "100" } else { "200" };
    let numbers = [("VERSION", version.to_string()), ("PARSER", parser.to_owned())];
    let fill = |call: &str| {
        numbers
            .iter()
            .fold(call.trim().to_owned(), |call, (name, number)| call.replace(name, number))
    };
    own.map(|(_, call)| fill(call)).collect()
}

/// A call as the list has it.
fn called(class: &str, method: &str, arguments: &[String]) -> String {
    let mut shown: Vec<&str> = Vec::new();
    for argument in arguments {
        let after_address = shown.last() == Some(&"address");
        shown.push(match argument.as_str() {
            text if text.starts_with("0x") => "address",
            text if Path::new(text).file_name() == Some(OsStr::new("shapes.onnx")) => "MODEL",
            text if after_address && text.parse::<u64>().is_ok() => "BYTES",
            text => text,
        });
    }
    let class = if class.is_empty() { String::new() } else { format!("{class}::") };
    format!("{class}{method}({})", shown.join(", "))
}
