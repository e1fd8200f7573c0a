//! Engines through their public interface: what they compute on a tiny model, and what they say
//! of files that are none.

#![cfg(all(feature = "ort", feature = "rten"))]
#![expect(clippy::unwrap_used, reason = "a test stops where it finds what it does not expect")]
#![expect(clippy::print_stderr, reason = "a skipped test has to be seen")]

mod onnx;

use std::{
    path::{Path, PathBuf},
    sync::atomic::AtomicU8,
};
use trtbench::{
    engine::{self, Engine, Error, LoadSpec, Place, Session, named},
    os::MonotonicClock,
    scenario::{EngineOptions, OrtOptions, Precision},
    tensor::{DType, Data, Dim, ModelIo, Shape, Tensor, TensorSet},
    timing::{Marks, Stage},
};

fn load(engine: &str, model: &Path, options: &EngineOptions) -> Result<Box<dyn Session>, Error> {
    named(engine).unwrap().load(&LoadSpec {
        model,
        threads: 1,
        batch: 2,
        precision: Precision::Fp32,
        launch: 0,
        place: &Place::cpu(options.clone()),
    })
}

fn model(folder: &Path, bytes: &[u8]) -> PathBuf {
    let path = folder.join("model.onnx");
    std::fs::write(&path, bytes).unwrap();
    path
}

fn run(session: &mut dyn Session, inputs: &TensorSet) -> Result<bool, Error> {
    let (clock, beacon) = (MonotonicClock::new(), AtomicU8::new(0));
    let mut marks = Marks::new(&clock, &beacon);
    marks.begin();
    session.run(inputs, &mut marks)?;
    Ok(marks.finish().stages[Stage::Inference as usize].is_some())
}

fn inputs(values: Data, dims: &[usize]) -> TensorSet {
    vec![Tensor { name: "x".into(), shape: Shape::new(dims).unwrap(), data: values }]
}

/// `y = 2x` on a tensor of the dynamic shape `[batch, 1, 1, 3]`, twice, so that outputs of an
/// earlier run are seen to be replaced.
fn doubles(engine: &str, options: &EngineOptions) {
    let folder = tempfile::tempdir().unwrap();
    let path = model(folder.path(), &onnx::doubling(onnx::FLOAT, None));
    let mut session = load(engine, &path, options).unwrap();
    let ModelIo { inputs: declared, outputs } = session.io().clone();
    assert_eq!(declared.len(), 1, "the initialiser that is listed as an input is none");
    assert_eq!((declared[0].name.as_str(), declared[0].dtype), ("x", DType::F32));
    assert_eq!(declared[0].dims.as_ref().unwrap()[0], Dim::Dynamic("batch".into()));
    assert_eq!(declared[0].dims.as_ref().unwrap()[3], Dim::Fixed(3));
    assert_eq!(outputs[0].name, "y");
    for start in [1.0, 10.0] {
        let given: Vec<f32> = (0..6).map(|i| start + i as f32).collect();
        let doubled: Vec<f32> = given.iter().map(|x| 2.0 * x).collect();
        assert!(run(&mut *session, &inputs(Data::F32(given), &[2, 1, 1, 3])).unwrap());
        let output = session.get(0).unwrap();
        assert_eq!(output.shape.dims(), [2, 1, 1, 3]);
        assert_eq!(output.floats().unwrap(), doubled);
    }
    assert!(session.count() == 1 && session.get(1).is_none());
}

/// Integers of 64 bits go in, and come out as whatever integers the engine has.
fn doubles_integers(engine: &str, options: &EngineOptions) -> Vec<i64> {
    use trtbench::tensor::Elements;
    let folder = tempfile::tempdir().unwrap();
    let path = model(folder.path(), &onnx::doubling(onnx::INT64, None));
    let mut session = load(engine, &path, options).unwrap();
    run(&mut *session, &inputs(Data::I64(vec![1, -2, 3]), &[1, 1, 1, 3])).unwrap();
    match session.get(0).unwrap().elements {
        Elements::I32(found) => found.iter().map(|&n| n.into()).collect(),
        Elements::I64(found) => found.to_vec(),
        Elements::F32(_) => panic!("integers became floats"),
    }
}

/// Every way in which a model file can be no model names the file and blames it.
fn refuses_files_that_are_no_models(engine: &str, options: &EngineOptions) {
    let folder = tempfile::tempdir().unwrap();
    let whole = onnx::doubling(onnx::FLOAT, None);
    let garbage: Vec<u8> =
        (0..4096_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let text = b"<!DOCTYPE html><html>not found</html>".to_vec();
    let mut broken = vec![Vec::new(), garbage, text];
    broken.extend((1..whole.len()).step_by(7).map(|end| whole[..end].to_vec()));
    for bytes in broken {
        let path = model(folder.path(), &bytes);
        match load(engine, &path, options) {
            Err(Error::Model(words)) => assert!(words.contains("model.onnx"), "{words}"),
            Err(other) => panic!("{} bytes: {other:?}", bytes.len()),
            // A cut in the right place leaves a smaller model.
            Ok(_) => assert!(bytes.len() > whole.len() / 2, "{} bytes", bytes.len()),
        }
    }
    for path in [folder.path().join("missing.onnx"), folder.path().to_owned()] {
        assert!(matches!(load(engine, &path, options), Err(Error::Model(_))));
    }
}

fn refuses_another_batch(engine: &str, options: &EngineOptions) {
    let folder = tempfile::tempdir().unwrap();
    let path = model(folder.path(), &onnx::doubling(onnx::FLOAT, Some(1)));
    let Err(Error::Unsupported(words)) = load(engine, &path, options) else {
        panic!("a batch of 2 was accepted by a model for 1")
    };
    assert!(words.contains("fixed at 1") && words.contains("batch = [1]"), "{words}");
}

fn refuses_wrong_inputs(engine: &str, options: &EngineOptions) {
    let folder = tempfile::tempdir().unwrap();
    let path = model(folder.path(), &onnx::doubling(onnx::FLOAT, None));
    let mut session = load(engine, &path, options).unwrap();
    assert!(matches!(run(&mut *session, &Vec::new()), Err(Error::Failed(_))));
    let integers = inputs(Data::I32(vec![1, 2, 3]), &[1, 1, 1, 3]);
    assert!(matches!(run(&mut *session, &integers), Err(Error::Failed(_))));
}

#[test]
fn every_engine_has_a_name_of_its_own_and_is_found_by_it() {
    let names: Vec<_> = engine::all().iter().map(|engine| engine.name()).collect();
    for name in &names {
        assert_eq!(names.iter().filter(|other| other == &name).count(), 1);
        assert_eq!(named(name).unwrap().name(), *name);
    }
    let Err(Error::Unavailable(words)) = named("tensorflow") else { panic!("found") };
    assert!(names.iter().all(|name| words.contains(name)), "{words}");
}

mod rten {
    use super::*;

    #[test]
    fn it_computes_floats() {
        doubles("rten", &EngineOptions::default());
    }

    #[test]
    fn it_computes_integers_but_none_beyond_32_bits() {
        let options = EngineOptions::default();
        assert_eq!(doubles_integers("rten", &options), [2, -4, 6]);
        let folder = tempfile::tempdir().unwrap();
        let path = model(folder.path(), &onnx::doubling(onnx::INT64, None));
        let mut session = load("rten", &path, &options).unwrap();
        let large = inputs(Data::I64(vec![1 << 40, 0, 0]), &[1, 1, 1, 3]);
        assert!(matches!(run(&mut *session, &large), Err(Error::Failed(_))));
    }

    #[test]
    fn it_refuses_files_that_are_no_models() {
        refuses_files_that_are_no_models("rten", &EngineOptions::default());
    }

    #[test]
    fn it_refuses_another_batch_than_the_models() {
        refuses_another_batch("rten", &EngineOptions::default());
    }

    #[test]
    fn it_refuses_wrong_inputs() {
        refuses_wrong_inputs("rten", &EngineOptions::default());
    }

    #[test]
    fn it_says_that_16_bits_are_computed_in_32() {
        let folder = tempfile::tempdir().unwrap();
        let path = model(folder.path(), &onnx::doubling(onnx::FLOAT, None));
        for precision in [Precision::Fp32, Precision::Fp16, Precision::Int8] {
            let place = Place::cpu(EngineOptions::default());
            let spec = LoadSpec {
                model: &path,
                threads: 1,
                batch: 2,
                precision,
                launch: 0,
                place: &place,
            };
            let session = named("rten").unwrap().load(&spec).unwrap();
            assert_eq!(session.executed_precision(), Some(Precision::Fp32));
        }
    }
}

mod ort {
    use super::*;
    use trtbench::engine::ort::{Ort, Source, locate};

    fn options(library: &Path) -> EngineOptions {
        let ort = OrtOptions { library: Some(library.into()), ..OrtOptions::default() };
        EngineOptions { ort, ..EngineOptions::default() }
    }

    /// Options that find a library as a user's would, unless there is none on this machine: then
    /// the test is skipped, in plain sight, but never where it was promised to run.
    fn installed() -> Option<EngineOptions> {
        let options = EngineOptions::default();
        match locate(&Place::cpu(options.clone())) {
            Ok(_) => Some(options),
            Err(error) => {
                assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "{error}");
                eprintln!("SKIPPED: {error}");
                None
            }
        }
    }

    fn refusal(library: &Path) -> String {
        match Ort.runtime(&Place::cpu(options(library))) {
            Err(Error::Unavailable(words)) => {
                assert!(words.contains("fetch runtime"), "says no cure: {words}");
                assert!(words.contains("engine.ort.library"), "says not who named it: {words}");
                words
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_profile_of_its_own_tells_which_provider_ran_which_nodes() {
        let Some(options) = installed() else { return };
        let folder = tempfile::tempdir().unwrap();
        let path = model(folder.path(), &onnx::doubling(onnx::FLOAT, None));
        let place = Place::cpu(options);
        let spec = LoadSpec {
            model: &path,
            threads: 1,
            batch: 2,
            precision: Precision::Fp32,
            launch: 0,
            place: &place,
        };
        let inputs = inputs(Data::F32(vec![0.5; 6]), &[2, 1, 1, 3]);
        let placement = Ort.placement(&spec, &inputs).unwrap().unwrap();
        let nodes: Vec<_> = placement.nodes.keys().collect();
        assert_eq!(nodes, ["CPUExecutionProvider"], "{placement:?}");
        assert!(placement.nodes["CPUExecutionProvider"] >= 1 && placement.problem.is_none());
        assert!(!placement.on_cpu.is_empty());
    }

    #[test]
    fn its_profiler_tells_every_layer_once_with_a_time_for_each_run() {
        let Some(options) = installed() else { return };
        let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/models/shapes.onnx");
        let place = Place::cpu(options);
        let spec = LoadSpec {
            model: &model,
            threads: 1,
            batch: 1,
            precision: Precision::Fp32,
            launch: 0,
            place: &place,
        };
        let image = inputs(Data::F32(vec![0.5; 3 * 256 * 256]), &[1, 3, 256, 256]);
        let layers = Ort.layers(&spec, &image, 12).unwrap().unwrap();
        assert!(layers.iter().all(|layer| layer.times.len() == 12 && !layer.name.is_empty()));
        let slowest = layers.iter().max_by_key(|layer| layer.times.iter().min()).unwrap();
        assert_eq!(
            (slowest.operator.as_str(), slowest.precision.as_deref()),
            ("Conv", Some("fp32"))
        );
        assert!(slowest.times.iter().all(|time| time.0 > 0), "{slowest:?}");
        assert_eq!(layers[0].place.as_deref(), Some("CPUExecutionProvider"));
        let Err(Error::Failed(_)) = Ort.layers(&spec, &Vec::new(), 12) else {
            panic!("ran without an input")
        };
        assert_eq!(named("null").unwrap().layers(&spec, &image, 12).unwrap(), None);
    }

    #[test]
    fn it_tells_its_version_and_library() {
        let Some(options) = installed() else { return };
        let runtime = Ort.runtime(&Place::cpu(options)).unwrap();
        assert!(runtime.version.starts_with("1."), "{runtime:?}");
        assert!(Path::new(&runtime.library.unwrap()).is_absolute());
    }

    #[test]
    fn it_computes_floats_and_integers() {
        let Some(options) = installed() else { return };
        doubles("ort", &options);
        assert_eq!(doubles_integers("ort", &options), [2, -4, 6]);
    }

    #[test]
    fn it_refuses_files_that_are_no_models() {
        let Some(options) = installed() else { return };
        refuses_files_that_are_no_models("ort", &options);
    }

    #[test]
    fn it_refuses_another_batch_than_the_models() {
        let Some(options) = installed() else { return };
        refuses_another_batch("ort", &options);
    }

    #[test]
    fn it_refuses_wrong_inputs() {
        let Some(options) = installed() else { return };
        refuses_wrong_inputs("ort", &options);
    }

    #[test]
    fn a_second_library_in_one_process_is_refused() {
        let Some(installed) = installed() else { return };
        let folder = tempfile::tempdir().unwrap();
        let path = model(folder.path(), &onnx::doubling(onnx::FLOAT, None));
        load("ort", &path, &installed).unwrap();
        let copy = folder.path().join("libonnxruntime.so");
        std::fs::copy(locate(&Place::cpu(installed.clone())).unwrap().path, &copy).unwrap();
        let Err(Error::Unavailable(words)) = load("ort", &path, &options(&copy)) else {
            panic!("a second library was accepted")
        };
        assert!(words.contains("another process"), "{words}");
    }

    #[test]
    fn a_library_named_by_the_scenario_is_the_one_taken() {
        let library = locate(&Place::cpu(options(Path::new("somewhere/lib.so")))).unwrap();
        assert_eq!(library.source, Source::Scenario);
        assert!(library.path.is_absolute());
    }

    #[test]
    fn a_missing_library_is_refused() {
        assert!(refusal(Path::new("/no/such/libonnxruntime.so")).contains("No such file"));
    }

    #[test]
    fn a_folder_is_refused_as_a_library() {
        let folder = tempfile::tempdir().unwrap();
        assert!(refusal(folder.path()).contains("not a file"));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn files_that_are_no_libraries_for_this_machine_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("libonnxruntime.so");
        let refusal = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            refusal(&path)
        };
        assert!(refusal(b"version https://git-lfs").contains("not a shared library"));
        assert!(refusal(b"").contains("not a shared library"));
        // ELF, 64 bit, little endian, a shared object for a machine that nobody has.
        let mut header = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0".to_vec();
        header.extend(999_u16.to_le_bytes());
        header.resize(64, 0);
        assert!(refusal(&header).contains("built for machine type 999, this machine is"));
    }

    /// The system's loader kills the process over such a file.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_library_cut_off_in_the_middle_is_refused() {
        let Some(installed) = installed() else { return };
        let bytes = std::fs::read(locate(&Place::cpu(installed.clone())).unwrap().path).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("libonnxruntime.so");
        for part in [2, 10, 100] {
            std::fs::write(&path, &bytes[..bytes.len() / part]).unwrap();
            assert!(refusal(&path).contains("cut off"));
        }
    }
}
