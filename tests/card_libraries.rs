//! NVIDIA's libraries missing, broken or too old: every verb that looks for cards says which library
//! it is and what helps, and ends with the exit code that it promises.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may panic and print")]

mod common;
mod doubles;
mod simulated;

use common::{FAST, Ran, Sandbox, program, scenario, skip};
use doubles::{Doubles, built_library};
use simulated::{launches, two_cards};
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};
use trtbench::{
    device::{Device, Kind},
    engine::{self, Error, LoadSpec, Place},
    fetch::{self, GpuRuntime},
    os::SearchPath,
    scenario::{EngineOptions, Precision},
};
use trtbench_double_script::{Library, Script};

/// Set in a child that this test starts of itself, to the ONNX Runtime that it is to load.
const PART: &str = "TRTBENCH_TEST_RUNTIME";

/// What a child says begins with it, so that it is told from what the test harness says.
const SAYS: &str = "says ";

/// Both libraries as they are in one test, with scenarios for the empty engine and ONNX Runtime.
struct Bench {
    sandbox: Sandbox,
    doubles: Doubles,
}

/// What a verb is to do.
struct Expected {
    code: i32,
    words: Vec<String>,
}

/// None where this machine has a library of NVIDIA's own, which would be found instead.
fn bench(libraries: &[Library]) -> Option<Bench> {
    let system = SearchPath { first: Vec::new(), ..SearchPath::system() };
    let own = ["libcuda.so.1", "libnvidia-ml.so.1"];
    if let Some(name) = own.into_iter().find(|name| !system.find(name).is_empty()) {
        println!("NOT COVERED: this machine has a {name} of its own");
        return None;
    }
    let sandbox = Sandbox::new();
    for engine in ["null", "ort"] {
        let text = scenario(engine, "device = [\"gpu:all\"]\nbatch = [1]", FAST);
        sandbox.scenario(&format!("{engine}.toml"), &text);
    }
    Some(Bench { sandbox, doubles: Doubles::only(&Script::with_cards(two_cards()), libraries) })
}

fn expect(code: i32, words: &[&str]) -> Expected {
    Expected { code, words: words.iter().map(ToString::to_string).collect() }
}

impl Bench {
    fn command(&self) -> Command {
        let mut command = program(&self.sandbox.path(""));
        self.doubles.prepare(&mut command);
        command
    }

    /// Runs a verb and holds it to code and words; its JSON is read, and nothing panics.
    #[track_caller]
    fn holds(&self, arguments: &[&str], expected: &Expected) -> Ran {
        let ran = Ran::from(self.command().args(arguments).output().unwrap());
        assert_eq!(ran.code, Some(expected.code), "{arguments:?}: {ran:#?}");
        let said = format!("{}{}", ran.out, ran.err);
        for word in &expected.words {
            assert!(said.contains(word), "{arguments:?}: no `{word}` in\n{said}");
        }
        assert!(!said.contains("panicked"), "{arguments:?}: {said}");
        if arguments.contains(&"--json") && expected.code != 2 {
            ran.json();
        }
        ran
    }

    /// Holds all verbs that look for cards: `devices` says `words`, and where no card can be used
    /// the others say them too.
    #[track_caller]
    fn holds_all(&self, usable: bool, words: &[&str]) {
        self.holds(&["devices"], &expect(0, words));
        let devices = self.holds(&["devices", "--json"], &expect(0, words));
        assert_eq!(devices.json()["schema"], 1);
        // Nobody has brought an ONNX Runtime.
        let runtime = ["trtbench fetch runtime --gpu"];
        let ort = if usable { &runtime[..] } else { words };
        self.holds(&["doctor"], &expect(1, ort));
        self.holds(&["doctor", "--json"], &expect(1, ort));
        self.holds(&["doctor", "ort.toml"], &expect(1, ort));
        self.holds(&["doctor", "ort.toml", "--json"], &expect(1, ort));
        let null = if usable { expect(0, &[]) } else { expect(1, words) };
        self.holds(&["doctor", "null.toml"], &null);
        self.holds(&["doctor", "null.toml", "--json"], &null);
        let none = |words: &[&str]| expect(2, &[words, &["no cell can run here"]].concat());
        self.holds(&["run", "ort.toml", "--out", "ort"], &none(ort));
        let null = if usable { expect(0, words) } else { none(words) };
        self.holds(&["run", "null.toml", "--out", "out"], &null);
        self.holds(&["run", "null.toml", "--json"], &if usable { expect(0, &[]) } else { null });
        let measured = self.sandbox.path("out/run.json").exists();
        assert_eq!(measured, usable);
        if usable {
            assert_eq!(launches(&self.sandbox).len(), 4, "two cards, two launches");
        }
    }
}

/// The stand-in for a library, told to be for another machine.
fn foreign(library: Library) -> Vec<u8> {
    let mut bytes = fs::read(built_library(library)).unwrap();
    let other: u16 = if cfg!(target_arch = "aarch64") { 62 } else { 183 };
    bytes[18..20].copy_from_slice(&other.to_le_bytes());
    bytes
}

/// The stand-in for a library, cut off within its code: behind that there is only what a debugger
/// reads.
fn cut_off(library: Library) -> Vec<u8> {
    let mut bytes = fs::read(built_library(library)).unwrap();
    bytes.truncate(64 << 10);
    bytes
}

/// A library that has one function only; none where there is no C compiler.
fn with_only(function: &str) -> Option<Vec<u8>> {
    let folder = tempfile::tempdir().unwrap();
    let (source, library) = (folder.path().join("old.c"), folder.path().join("old.so"));
    fs::write(&source, format!("int {function}(void);\nint {function}(void) {{ return 0; }}\n"))
        .unwrap();
    let mut compiler = Command::new(env::var_os("CC").unwrap_or("cc".into()));
    compiler.args(["-shared", "-fPIC", "-o"]).args([&library, &source]);
    match compiler.output() {
        Ok(output) if output.status.success() => fs::read(library).ok(),
        _ => {
            println!("NOT COVERED: no C compiler makes a library that is too old");
            None
        }
    }
}

/// What `devices` says where a file is broken in each of the ways, and the file.
fn broken(library: Library) -> [(&'static str, Vec<u8>); 3] {
    [
        ("it is built for ", foreign(library)),
        ("it is cut off: ", cut_off(library)),
        ("it is not a shared library", b"# apt-get install nvidia-driver\n".to_vec()),
    ]
}

#[test]
fn without_any_library_there_is_no_card_and_the_cure_is_named() {
    let Some(bench) = bench(&[]) else { return };
    let words =
        ["there is no CUDA driver: libcuda.so.1 cannot be loaded", "install NVIDIA's driver"];
    bench.holds_all(false, &words);
    bench.holds(&["devices"], &expect(0, &["there is no NVML: libnvidia-ml.so.1", "no GPU"]));
}

#[test]
fn without_nvml_cards_are_measured_and_without_clocks() {
    let Some(bench) = bench(&[Library::Cuda]) else { return };
    bench.holds_all(true, &["there is no NVML: libnvidia-ml.so.1 cannot be loaded", "`utility`"]);
    let devices = bench.holds(&["devices"], &expect(0, &["GTX 1050 Ti", "RTX 3070"]));
    assert!(!devices.out.contains("CUDA: "), "{}", devices.out);
}

#[test]
fn without_cuda_cards_are_shown_and_cannot_be_used() {
    let Some(bench) = bench(&[Library::Nvml]) else { return };
    let words = ["CUDA cannot use NVIDIA GeForce RTX 3070: there is no CUDA driver", "`compute`"];
    let devices = bench.holds(&["devices"], &expect(0, &words));
    assert!(devices.out.contains("NVIDIA driver 535.104.05"), "{}", devices.out);
    bench.holds_all(false, &["libcuda.so.1 cannot be loaded", "`compute`"]);
}

#[test]
fn a_broken_libcuda_is_named_with_what_is_wrong_with_it() {
    let Some(bench) = bench(&[Library::Nvml]) else { return };
    for (problem, bytes) in broken(Library::Cuda) {
        bench.doubles.put(Library::Cuda, &bytes);
        bench.holds_all(false, &["libcuda.so.1 cannot be loaded", "is there, but", problem]);
    }
}

#[test]
fn a_broken_nvml_is_named_and_takes_no_card_along() {
    let Some(bench) = bench(&[Library::Cuda]) else { return };
    for (problem, bytes) in broken(Library::Nvml) {
        bench.doubles.put(Library::Nvml, &bytes);
        bench.holds_all(true, &["libnvidia-ml.so.1 cannot be loaded", "is there, but", problem]);
        fs::remove_dir_all(bench.sandbox.path("out")).unwrap();
    }
}

#[test]
fn a_driver_that_is_too_old_is_named_with_what_it_lacks() {
    let Some(bench) = bench(&[Library::Nvml]) else { return };
    let Some(library) = with_only("cuInit") else { return };
    bench.doubles.put(Library::Cuda, &library);
    bench.holds_all(false, &["libcuda.so.1 is too old", "it lacks cuDriverGetVersion", "470.42"]);
}

#[test]
fn an_nvml_that_is_too_old_is_named_and_takes_no_card_along() {
    let Some(bench) = bench(&[Library::Cuda]) else { return };
    let Some(library) = with_only("nvmlInit_v2") else { return };
    bench.doubles.put(Library::Nvml, &library);
    bench.holds_all(true, &["libnvidia-ml.so.1 is too old", "nvmlShutdown", "install a newer"]);
}

/// The folder of a build of ONNX Runtime for cards that was brought by hand; its CUDA libraries are
/// not.
fn runtime() -> Option<PathBuf> {
    let cache = fetch::cache_dir().ok();
    let found = cache.and_then(|cache| {
        GpuRuntime::ALL.into_iter().find_map(|build| fetch::gpu_runtime_path(&cache, build))
    });
    if found.is_none() {
        skip("there is no ONNX Runtime for cards; run `trtbench fetch runtime --gpu`");
    }
    let system = SearchPath::system();
    if ["libcublasLt.so.12", "libcudart.so.12"].iter().any(|name| !system.find(name).is_empty()) {
        println!("NOT COVERED: this machine has a CUDA of its own");
        return None;
    }
    found
}

#[test]
fn what_onnx_runtime_lacks_on_a_card_is_named_before_anything_runs() {
    let Some(bench) = bench(&[Library::Cuda, Library::Nvml]) else { return };
    let Some(runtime) = runtime() else { return };
    let runtime = runtime.to_str().unwrap();
    let words = ["libcublas", "libcudnn.so.9", "libcudart.so.12", "LD_LIBRARY_PATH"];
    let with = |arguments: &[&str], expected: &Expected| {
        bench.holds(&[arguments, &["--ort-library", runtime]].concat(), expected)
    };
    for verb in [&["doctor"][..], &["doctor", "ort.toml"]] {
        with(verb, &expect(1, &words));
        with(&[verb, &["--json"]].concat(), &expect(1, &words));
    }
    let none = expect(2, &[&words[..], &["no cell can run here"]].concat());
    with(&["run", "ort.toml", "--out", "out"], &none);
    assert!(!bench.sandbox.path("out").exists());
    assert!(bench.doubles.ledger().live().is_empty());
}

/// Whatever looks beforehand may be wrong: ONNX Runtime's own default would be a session on the CPU.
#[test]
fn onnx_runtime_without_its_libraries_is_an_error_and_never_a_session_on_the_cpu() {
    const NAME: &str =
        "onnx_runtime_without_its_libraries_is_an_error_and_never_a_session_on_the_cpu";
    // This test again, where the stand-ins are.
    if let Some(library) = env::var_os(PART) {
        return load_on_a_card(library.into());
    }
    let Some(bench) = bench(&[Library::Cuda, Library::Nvml]) else { return };
    let Some(runtime) = runtime() else { return };
    for provider in ["cuda", "tensorrt"] {
        let mut child = Command::new(env::current_exe().unwrap());
        child.args(["--exact", "--nocapture", NAME]);
        bench.doubles.prepare(&mut child);
        child.env(PART, &runtime).env("TRTBENCH_TEST_PROVIDER", provider);
        // What a worker sees: its own card.
        child.env("CUDA_VISIBLE_DEVICES", &two_cards()[1].uuid);
        let ran = Ran::from(child.current_dir(bench.sandbox.path("")).output().unwrap());
        let said = ran.out.split_once(SAYS).map(|(_, said)| said.lines().next().unwrap());
        let said = said.unwrap_or_else(|| panic!("{ran:#?}"));
        let begin = format!("unavailable: ONNX Runtime's {provider} provider does not load");
        assert!(said.starts_with(&begin) && said.contains("trtbench doctor"), "{said}");
        assert!(said.contains("libcu") || said.contains("libnvinfer"), "{said}");
        assert!(bench.doubles.ledger().live().is_empty(), "{:?}", bench.doubles.ledger().live());
    }
}

/// Loads a model through that ONNX Runtime without any check before, and says what came of it.
fn load_on_a_card(library: PathBuf) {
    let card = &two_cards()[1];
    let mut options = EngineOptions::default();
    options.ort.library = Some(library);
    if env::var("TRTBENCH_TEST_PROVIDER").as_deref() == Ok("tensorrt") {
        options.ort.provider = trtbench::scenario::Provider::TensorRt;
    }
    let device = Device { kind: Kind::Gpu, name: card.name.clone(), uuid: card.uuid.clone() };
    let place = Place::on(device, options);
    let loaded = engine::named("ort").unwrap().load(&LoadSpec {
        model: Path::new("shapes.onnx"),
        threads: 1,
        batch: 1,
        precision: Precision::Fp32,
        launch: 0,
        place: &place,
    });
    match loaded {
        Err(Error::Unavailable(words)) => println!("{SAYS}unavailable: {words}"),
        Err(error) => println!("{SAYS}another error: {error}"),
        Ok(_) => println!("{SAYS}a session"),
    }
}
