//! TensorRT driven without headers: NVIDIA's own TensorRT for RTX, which parses and builds with no card
//! and no driver, and whose binary interface is that of TensorRT 11. scripts/test.sh brings it
//! through pip and names its folder in `TRTBENCH_TENSORRT_RTX`; that of the lean runtime, which is
//! to be refused, in `TRTBENCH_TENSORRT_LEAN`.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may panic and print")]

mod common;
mod onnx;

use std::{
    env, fs,
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};
use trtbench::{
    family::{self, Family},
    fetch,
    scenario::FamilyOptions,
    tensor::{Dim, ModelIo, TensorInfo},
    tensorrt::{
        Abi, BuildRequest, Builder, Built, Described, Element, Error, InputRange, Library, Listen,
        Network, Progress, Typing, plan_header,
    },
    unit::Bytes,
};

/// What the library says belongs to the process: one test at a time, so that each reads its own.
static ONE: Mutex<()> = Mutex::new(());

const RTX: &str = "TRTBENCH_TENSORRT_RTX";
const LEAN: &str = "TRTBENCH_TENSORRT_LEAN";

/// The library, and a folder for models.
struct Rtx {
    library: Library,
    folder: tempfile::TempDir,
    _one: MutexGuard<'static, ()>,
}

/// The folder that a variable names, if something was brought there.
fn brought(variable: &str) -> Option<PathBuf> {
    let folder = env::var_os(variable).map(PathBuf::from);
    if folder.is_none() {
        common::skip(&format!("TensorRT: {variable} names no folder with the library"));
    }
    folder
}

fn rtx() -> Option<Rtx> {
    let one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let library = Library::open(&brought(RTX)?.join("libtensorrt_rtx.so.1")).unwrap();
    Some(Rtx { library, folder: tempfile::tempdir().unwrap(), _one: one })
}

impl Rtx {
    fn builder(&self) -> Builder {
        self.library.builder(None).unwrap()
    }

    fn parse(&self, bytes: &[u8]) -> Result<(Builder, Network), Error> {
        let path = self.folder.path().join("model.onnx");
        fs::write(&path, bytes).unwrap();
        let builder = self.builder();
        let network = builder.parse(&path, Typing::Graph)?;
        Ok((builder, network))
    }

    /// Parses, and builds with batches of 1 to 8.
    fn build(&self, bytes: &[u8]) -> Result<Built, Error> {
        let (builder, network) = self.parse(bytes)?;
        let profile = batches(&network, 64);
        builder.build(network, request(profile, &mut |_| ControlFlow::Continue(())))
    }

    /// Why a model cannot be built, in words.
    fn refused(&self, bytes: &[u8]) -> String {
        self.build(bytes).unwrap_err().to_string()
    }

    /// Why the demo model cannot be built with that profile.
    fn refused_profile(&self, change: impl FnOnce(&mut Vec<InputRange>)) -> Error {
        let (builder, network) = self.parse(&demo()).unwrap();
        let mut profile = batches(&network, 64);
        change(&mut profile);
        let built = builder.build(network, request(profile, &mut |_| ControlFlow::Continue(())));
        built.unwrap_err()
    }
}

/// Batches of 1 to 8, best at 4, for every dynamic input; other open lengths are `side`.
fn batches(network: &Network, side: i64) -> Vec<InputRange> {
    let lengths = |input: &Described, batch: i64| {
        let length = |(at, dim): (usize, &i64)| match (at, dim) {
            (0, -1) => batch,
            (_, -1) => side,
            (_, &dim) => dim,
        };
        input.dims.iter().enumerate().map(length).collect()
    };
    let range = |input: Described| InputRange {
        min: lengths(&input, 1),
        opt: lengths(&input, 4),
        max: lengths(&input, 8),
        name: input.name,
    };
    let dynamic = network.inputs().into_iter().filter(|input| input.dims.contains(&-1));
    dynamic.map(range).collect()
}

fn request<'a>(profile: Vec<InputRange>, progress: &'a mut Listen<'a>) -> BuildRequest<'a> {
    BuildRequest {
        profile,
        fp16: false,
        int8: false,
        tf32: true,
        workspace: None,
        optimization_level: None,
        timing_cache: None,
        calibrator: None,
        progress,
    }
}

fn demo() -> Vec<u8> {
    fs::read(common::root().join("scenarios/models/shapes.onnx")).unwrap()
}

#[test]
fn the_demo_model_is_parsed_and_built_with_a_dynamic_batch() {
    let Some(rtx) = rtx() else { return };
    assert_eq!(
        (rtx.library.abi(), &*rtx.library.release().to_string()),
        (Abi::Eleven, "RTX 1.7.1")
    );
    let (builder, network) = rtx.parse(&demo()).unwrap();
    let images =
        Described { name: "images".into(), element: Element::F32, dims: vec![-1, 3, 256, 256] };
    assert_eq!(network.inputs(), [images]);
    assert_eq!(network.outputs()[0].dims, [-1, 10, 1344]);
    assert!(network.layers() > 100);
    let profile = batches(&network, 0);
    let mut told = Vec::new();
    let mut listen = |progress: &Progress<'_>| {
        told.push((progress.phase.to_owned(), progress.step, progress.steps));
        ControlFlow::Continue(())
    };
    let mut request = request(profile, &mut listen);
    request.workspace = Some(Bytes(64 << 20));
    let built = builder.build(network, request).unwrap();
    assert!(built.engine.len() > 100_000, "{}", built.engine.len());
    assert_eq!(plan_header(&built.engine).unwrap().release, rtx.library.release());
    let engine = |step| ("Building engine".to_owned(), step, 6);
    assert!(told.contains(&engine(0)) && told.contains(&engine(5)), "{told:?}");
    assert!(told.iter().all(|(_, step, steps)| step <= steps), "{told:?}");
}

#[test]
fn the_trained_layout_model_is_built() {
    let Some(rtx) = rtx() else { return };
    let found =
        fetch::cache_dir().ok().and_then(|cache| fetch::model_path(&cache, "picodet-layout"));
    let Some(path) = found.filter(|path| path.exists()) else {
        return common::skip("the layout model: run `trtbench fetch models`");
    };
    let built = rtx.build(&fs::read(path).unwrap()).unwrap();
    assert!(built.engine.len() > 1_000_000);
}

#[test]
fn graphs_in_half_precision_and_with_quantised_nodes_are_built() {
    let Some(rtx) = rtx() else { return };
    let (_, half) = rtx.parse(&onnx::convolution(onnx::HALF)).unwrap();
    assert_eq!(half.inputs()[0].element, Element::F16);
    assert_eq!(half.outputs()[0].element, Element::F16);
    let models = [
        onnx::convolution(onnx::FLOAT),
        onnx::convolution(onnx::HALF),
        onnx::quantised_convolution(),
    ];
    for model in models {
        assert!(rtx.build(&model).unwrap().engine.len() > 1000);
    }
}

#[test]
fn timings_of_one_build_are_taken_by_the_next_and_broken_ones_are_left_out() {
    let Some(rtx) = rtx() else { return };
    let first = rtx.build(&onnx::convolution(onnx::FLOAT)).unwrap();
    for timings in [&first.timing_cache[..], b"broken"] {
        let (builder, network) = rtx.parse(&onnx::convolution(onnx::FLOAT)).unwrap();
        let profile = batches(&network, 0);
        let mut listen = |_: &Progress<'_>| ControlFlow::Continue(());
        let mut request = request(profile, &mut listen);
        request.timing_cache = Some(timings);
        let again = builder.build(network, request).unwrap();
        assert_eq!(again.timing_cache.len(), first.timing_cache.len());
    }
}

#[test]
fn a_layer_that_cannot_run_is_named_with_the_builder_s_words() {
    let Some(rtx) = rtx() else { return };
    let words = rtx.refused(&onnx::suppressing());
    assert!(words.starts_with("the builder: ") && words.contains("has no runners"), "{words}");
    assert!(words.contains("/head/nms") && words.contains("export the model"), "{words}");
}

#[test]
fn models_that_are_broken_or_not_supported_are_refused_with_the_parser_s_words() {
    let Some(rtx) = rtx() else { return };
    let whole = demo();
    let cut = rtx.refused(&whole[..whole.len() / 2]);
    assert!(cut.contains("model.onnx: ") && cut.contains("Failed to parse"), "{cut}");
    for broken in [&b"no model"[..], b"hello", b""] {
        let words = rtx.refused(broken);
        assert!(words.starts_with("the parser does not take "), "{words}");
    }
    let private = rtx.refused(&onnx::private_operator());
    assert!(private.contains("node 0, Frobnicate \"private\": "), "{private}");
    assert!(private.contains("Plugin not found") && private.contains("code 6"), "{private}");
    let Err(Error::Parser(refused)) = rtx.parse(&onnx::non_zero()).map(|_| ()) else { panic!() };
    assert_eq!((refused.faults[0].operator.as_str(), refused.faults[0].node), ("NonZero", Some(0)));
    let missing = rtx.builder().parse(&rtx.folder.path().join("none.onnx"), Typing::Flags);
    assert!(missing.unwrap_err().to_string().contains("none.onnx"));
}

#[test]
fn ranges_that_are_missing_or_make_no_sense_are_refused() {
    let Some(rtx) = rtx() else { return };
    let missing = rtx.refused_profile(Vec::clear).to_string();
    assert!(missing.contains("no optimization profile has been defined"), "{missing}");
    assert!(missing.contains("give every dynamic input a range"), "{missing}");
    assert!(!missing.contains(".cpp"), "{missing}");
    let other = rtx.refused_profile(|profile| profile[0].name = "pictures".into());
    assert!(other.to_string().contains("images"), "{other}");
    let channels = rtx.refused_profile(|profile| {
        let InputRange { min, opt, max, .. } = &mut profile[0];
        [min, opt, max].into_iter().for_each(|lengths| lengths[1] = 4);
    });
    assert!(matches!(channels, Error::Step(_)), "{channels}");
    let turned = rtx.refused_profile(|profile| profile[0].min[0] = 9);
    assert!(turned.to_string().contains("the range of the input \"images\""), "{turned}");
}

#[test]
fn what_the_release_cannot_do_is_refused_before_it_is_tried() {
    let Some(rtx) = rtx() else { return };
    let refused = |change: fn(&mut BuildRequest<'_>)| {
        let (builder, network) = rtx.parse(&onnx::convolution(onnx::FLOAT)).unwrap();
        let mut listen = |_: &Progress<'_>| ControlFlow::Continue(());
        let mut request = request(batches(&network, 0), &mut listen);
        change(&mut request);
        builder.build(network, request).unwrap_err().to_string()
    };
    let half = refused(|request| request.fp16 = true);
    assert!(half.contains("half precision") && half.contains("RTX 1.7.1"), "{half}");
    assert!(refused(|request| request.int8 = true).contains("convert the model"));
    assert!(refused(|request| request.optimization_level = Some(6)).contains("from 0 to 5"));
    let (_builder, network) = rtx.parse(&onnx::convolution(onnx::FLOAT)).unwrap();
    let mut listen = |_: &Progress<'_>| ControlFlow::Continue(());
    let other = rtx.builder().build(network, request(Vec::new(), &mut listen)).unwrap_err();
    assert!(other.to_string().contains("another builder"), "{other}");
}

#[test]
fn a_build_is_cancelled_in_its_first_steps_and_in_the_midst() {
    let Some(rtx) = rtx() else { return };
    for phase in ["Building engine", "Optimizing graph"] {
        let (builder, network) = rtx.parse(&demo()).unwrap();
        let profile = batches(&network, 0);
        let mut after = 0;
        let mut listen = |progress: &Progress<'_>| match progress.phase == phase {
            true => {
                after += 1;
                ControlFlow::Break(())
            }
            false => ControlFlow::Continue(()),
        };
        let begun = Instant::now();
        let built = builder.build(network, request(profile, &mut listen));
        assert_eq!(built, Err(Error::Cancelled), "{phase}");
        assert_eq!(after, 1, "nothing is told after a break");
        assert!(begun.elapsed().as_secs() < 5);
    }
    assert!(rtx.build(&onnx::convolution(onnx::FLOAT)).is_ok(), "the library works on");
}

#[test]
fn a_listener_that_panics_ends_the_build_and_not_the_process() {
    let Some(rtx) = rtx() else { return };
    let (builder, network) = rtx.parse(&demo()).unwrap();
    let profile = batches(&network, 0);
    let mut listen = |progress: &Progress<'_>| match progress.step {
        1.. => panic!("a listener panics"),
        0 => ControlFlow::Continue(()),
    };
    assert!(builder.build(network, request(profile, &mut listen)).is_err());
}

#[test]
fn objects_may_be_dropped_in_any_order_and_nothing_piles_up() {
    let Some(rtx) = rtx() else { return };
    let resident = || {
        let pages = fs::read_to_string("/proc/self/statm").unwrap();
        pages.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
    };
    let model = onnx::convolution(onnx::FLOAT);
    let mut after_warm_up = 0;
    for round in 0..25 {
        rtx.build(&model).unwrap();
        let (builder, network) = rtx.parse(&model).unwrap();
        drop(builder);
        assert_eq!(network.inputs().len(), 1, "the network keeps its builder");
        if round == 4 {
            after_warm_up = resident();
        }
    }
    let grown = resident().saturating_sub(after_warm_up);
    assert!(grown < 10 << 20, "{grown} bytes after 20 builds");
}

#[test]
fn libraries_that_cannot_be_used_are_refused_with_what_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |path: &Path| Library::open(path).unwrap_err().to_string();
    assert!(refused(&folder.path().join("libnvinfer.so.10")).contains("no such file"));
    let text = folder.path().join("libnvinfer.so.11");
    fs::write(&text, "INPUT(libnvinfer.so)").unwrap();
    assert!(refused(&text).contains("no ELF header"));
    let bare = refused(Path::new("libnvinfer.so.9999"));
    assert!(bare.contains("not where the system's loader looks"), "{bare}");
    let libc = trtbench::os::SearchPath::system().resolve("libc.so.6", &[]).unwrap();
    assert!(refused(&libc).contains("is no TensorRT: its name is neither"));
    let named = folder.path().join("libnvinfer.so.10");
    fs::copy(libc, &named).unwrap();
    let lacks = refused(&named);
    assert!(lacks.contains("lacks the function getInferLibVersion"), "{lacks}");
}

#[test]
fn the_lean_runtime_is_refused_by_its_name() {
    let Some(folder) = brought(LEAN) else { return };
    let path = folder.join("libnvinfer_lean.so.11");
    let words = Library::open(&path).unwrap_err().to_string();
    assert!(words.contains("lean runtime") && words.contains("the full libnvinfer"), "{words}");
    let mapped = fs::read_to_string("/proc/self/maps").unwrap();
    assert!(!mapped.contains("libnvinfer_lean"), "it was loaded");
}

#[test]
fn a_library_without_its_parser_is_missed_only_when_something_is_parsed() {
    let Some(rtx) = rtx() else { return };
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let folder = tempfile::tempdir_in(target).unwrap();
    let alone = folder.path().join("libtensorrt_rtx.so.1");
    if fs::hard_link(rtx.library.path(), &alone).is_err() {
        fs::copy(rtx.library.path(), &alone).unwrap();
    }
    let builder = Library::open(&alone).unwrap().builder(None).unwrap();
    let words = builder.parse(Path::new("x.onnx"), Typing::Graph).unwrap_err().to_string();
    assert!(words.contains("libtensorrt_onnxparser_rtx.so.1 lies neither beside"), "{words}");
}

/// Inputs and outputs as the parser tells them.
fn described(network: &Network) -> ModelIo {
    let info = |tensor: Described| TensorInfo {
        name: tensor.name,
        dtype: tensor.element.dtype().unwrap(),
        dims: Some(tensor.dims.iter().map(|&length| dim(length)).collect()),
    };
    ModelIo {
        inputs: network.inputs().into_iter().map(info).collect(),
        outputs: network.outputs().into_iter().map(info).collect(),
    }
}

fn dim(length: i64) -> Dim {
    usize::try_from(length).map_or_else(|_| Dim::Dynamic(String::new()), Dim::Fixed)
}

/// Families that take a model with these inputs and outputs, and as which variant.
fn taken_by(io: &ModelIo) -> Vec<String> {
    let batch =
        io.inputs.iter().find_map(|input| (input.rank() == Some(4)).then(|| input.fixed(0)));
    let batch = batch.flatten().unwrap_or(1);
    let variant = |family: &&dyn Family| {
        let adapter = family.adapt(io, batch, &FamilyOptions::default()).ok()?;
        Some(format!("{}: {}", family.name(), adapter.fitting().variant))
    };
    family::all().iter().filter_map(variant).collect()
}

#[test]
fn every_export_of_the_families_is_built_unless_it_has_nms_in_the_graph() {
    let Some(rtx) = rtx() else { return };
    let Some(folder) = env::var_os("TRTBENCH_REFERENCE").map(PathBuf::from) else {
        println!("NOT COVERED: set TRTBENCH_REFERENCE to a folder with the exports to build them");
        return;
    };
    let entries = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let mut exports: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|end| end == "onnx")).collect();
    exports.sort();
    assert!(!exports.is_empty(), "{} holds no exports", folder.display());
    for path in exports {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let builder = rtx.builder();
        let network = builder.parse(&path, Typing::Graph).unwrap();
        let declared = trtbench::model::open(&path).unwrap().signature.io;
        // Of a file that leaves lengths open that TensorRT infers, others may take the declaration, too.
        let own = |taken: Vec<String>| {
            let mut own = taken;
            own.retain(|variant| name.contains(variant.split(':').next().unwrap()));
            own
        };
        let families = own(taken_by(&declared));
        assert!(!families.is_empty(), "{name} is of no family");
        assert_eq!(own(taken_by(&described(&network))), families, "{name}");
        let nms = fs::read(&path).unwrap().windows(17).any(|bytes| bytes == b"NonMaxSuppression");
        let mut profile = batches(&network, 640);
        if nms {
            // Such a graph takes one image.
            for range in &mut profile {
                [range.opt, range.max] = [range.min.clone(), range.min.clone()];
            }
        }
        let begun = Instant::now();
        let mut listen = |_: &Progress<'_>| ControlFlow::Continue(());
        let built = builder.build(network, request(profile, &mut listen));
        let seconds = begun.elapsed().as_secs_f64();
        match built {
            Ok(built) => {
                let size = Bytes(built.engine.len() as u64);
                println!("{name}: {seconds:.2} s, {size}");
                assert!(size > Bytes(1_000_000) && !nms, "{name}");
            }
            Err(error) => {
                println!("{name}: {error}");
                assert!(nms && error.to_string().contains("has no runners"), "{name}: {error}");
            }
        }
    }
}
