//! The kernel that pre-processes on cards gives what the host's kernels give. It runs through the
//! project's own calls of driver and NVRTC, on a stand-in for the driver that computes with the kernel
//! compiled for the host.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may panic and print")]

mod common;
mod doubles;
mod host_kernels;
mod simulated;

use common::{Ran, Sandbox, program};
use doubles::Doubles;
use host_kernels::{HostKernels, computing};
use proptest::{
    prelude::*,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use simulated::{
    assert_all_freed, assert_preprocessed, card_of, launches, on_cards, run, two_cards,
};
use std::{env, process::Command};
use trtbench::{
    cpu::{Cpu, Instructions},
    cuda::{
        Context, DeviceMemory, Driver, Stream, Wait,
        nvrtc::Nvrtc,
        preprocess::{Plan, Preprocess},
    },
    image::{ChannelOrder, Fit, Image, Interpolation, Normalise, Preprocessor, Size},
    store::{Launch, RecordOutcome, Run},
};
use trtbench_double_script::{Card, Fault, Script};

/// Set for the process that finds stand-in and NVRTC.
const FOUND: &str = "TRTBENCH_CARD_PREPROCESS_FOUND";

#[test]
fn the_cards_kernel_gives_what_the_hosts_kernels_give() {
    const NAME: &str = "the_cards_kernel_gives_what_the_hosts_kernels_give";
    if env::var_os(FOUND).is_some() {
        return compare_all();
    }
    let Some(kernels) = HostKernels::or_skip(common::skip) else { return };
    let script = Script {
        kernels: Some(kernels.library.clone()),
        ..Script::with_cards([Card::numbered(1)])
    };
    let doubles = Doubles::new(&script);
    let mut again = Command::new(env::current_exe().unwrap());
    again.args(["--exact", NAME, "--nocapture"]);
    doubles.prepare(&mut again).env(FOUND, "1");
    again.env("LD_LIBRARY_PATH", kernels.search_path(doubles.folder()));
    let output = again.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    println!("{said}");
    assert!(output.status.success() && said.contains("1 passed"), "{output:?}");
    assert!(doubles.ledger().live().is_empty(), "{:?}", doubles.ledger().live());
}

/// The greatest difference that is allowed.
const TOLERANCE: f32 = 1e-6;

const INTERPOLATIONS: [Interpolation; 5] = [
    Interpolation::Linear,
    Interpolation::Cubic,
    Interpolation::Warp,
    Interpolation::Pillow,
    Interpolation::Torch,
];

/// A stand-in for a card, with the kernel.
struct OnCard {
    kernel: Preprocess,
    stream: Stream,
    context: Context,
}

impl OnCard {
    fn open() -> Self {
        let driver = Driver::open().unwrap();
        let card = driver.cards().unwrap().into_iter().flatten().next().unwrap();
        let context = Context::open(driver, card.ordinal, Wait::default()).unwrap();
        let kernel = Preprocess::new(&context, card.capability).unwrap();
        Self { kernel, stream: Stream::new(&context).unwrap(), context }
    }

    /// The input that the card makes of an image.
    fn apply(&self, preprocessor: &Preprocessor, image: &Image) -> Vec<f32> {
        let recipe = preprocessor.recipe(image.size());
        let plan = Plan::new(&self.context, &self.stream, &recipe).unwrap();
        let pixels = DeviceMemory::new(&self.context, image.pixels.len()).unwrap();
        let mut floats = vec![f32::NAN; preprocessor.floats()];
        let bytes: &mut [u8] = bytemuck::cast_slice_mut(&mut floats);
        let input = DeviceMemory::new(&self.context, bytes.len()).unwrap();
        self.context.scope(|scope| {
            scope.upload(&self.stream, &image.pixels, pixels.slice()).unwrap();
            scope.upload(&self.stream, bytes, input.slice()).unwrap();
        });
        self.kernel.launch(&self.stream, &plan, pixels.slice(), input.slice()).unwrap();
        self.context.scope(|scope| scope.download(&self.stream, input.slice(), bytes).unwrap());
        floats
    }
}

fn preprocessor(target: Size, fit: Fit, interpolation: Interpolation, map: u8) -> Preprocessor {
    let (mean, deviation) = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);
    let imagenet =
        move |plane: usize, level: u8| (f32::from(level) / 255.0 - mean[plane]) / deviation[plane];
    let normalise = match map {
        0 => Normalise::unit(ChannelOrder::Rgb),
        1 => Normalise::levels(ChannelOrder::Bgr),
        2 => Normalise::new(ChannelOrder::Bgr, imagenet),
        _ => Normalise::new(ChannelOrder::Rgb, imagenet),
    };
    Preprocessor::new(target, fit, interpolation, normalise)
}

/// The greatest difference between card and host.
fn difference(card: &OnCard, preprocessor: &mut Preprocessor, image: &Image) -> f32 {
    let cpu = Cpu::single(Instructions::best());
    let mut expected = vec![0.0; preprocessor.floats()];
    preprocessor.apply(std::slice::from_ref(image), &cpu, &mut expected);
    let found = card.apply(preprocessor, image);
    let differences = expected.iter().zip(&found).map(|(a, b)| (a - b).abs());
    differences.fold(0.0, |most, d| if d.is_nan() { f32::INFINITY } else { most.max(d) })
}

fn noise(size: Size, seed: u64) -> Image {
    let mut state = seed | 1;
    let byte = |_| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    let pixels = (0..3 * size.pixels()).map(byte).collect();
    Image { width: size.width, height: size.height, pixels }
}

fn size(width: usize, height: usize) -> Size {
    Size { width, height }
}

/// Each interpolation and fit on sizes at which kernels go wrong.
fn compare_edges(card: &OnCard) -> f32 {
    let target = size(64, 48);
    let images = [
        size(1, 1),
        size(2, 1),
        size(1, 7),
        size(3, 3),
        size(64, 48),
        size(128, 96),
        size(129, 95),
        size(31, 23),
        size(333, 7),
        size(5, 400),
    ];
    let mut most = 0.0_f32;
    for image in images {
        for interpolation in INTERPOLATIONS {
            for fit in [Fit::Stretch, Fit::Letterbox { pad: 114 }] {
                for map in 0..4 {
                    let mut preprocessor = preprocessor(target, fit, interpolation, map);
                    let noise = noise(image, 7 * image.pixels() as u64);
                    let found = difference(card, &mut preprocessor, &noise);
                    assert!(found <= TOLERANCE, "{image:?} {interpolation:?} {fit:?}: {found}");
                    most = most.max(found);
                }
            }
        }
    }
    most
}

fn compare_all() {
    let card = OnCard::open();
    let most = std::cell::Cell::new(compare_edges(&card));
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let config = Config { cases: 400, failure_persistence: None, ..Config::default() };
    let sides = || (1..90_usize, 1..90_usize).prop_map(|(width, height)| size(width, height));
    let any = (sides(), sides(), 0..5_usize, proptest::bool::ANY, 0..4_u8, any::<(u8, u64)>());
    let compared = TestRunner::new_with_rng(config, rng).run(&any, |drawn| {
        let (image, target, interpolation, stretches, map, (pad, seed)) = drawn;
        let fit = if stretches { Fit::Stretch } else { Fit::Letterbox { pad } };
        let mut preprocessor = preprocessor(target, fit, INTERPOLATIONS[interpolation], map);
        let found = difference(&card, &mut preprocessor, &noise(image, seed));
        most.set(most.get().max(found));
        prop_assert!(found <= TOLERANCE, "{found}");
        Ok(())
    });
    compared.unwrap();
    println!("greatest difference: {:e}", most.get());
}

/// A run of the empty engine on both cards, which find NVRTC.
fn play(sandbox: &Sandbox, doubles: &Doubles, kernels: &HostKernels, extra: &[&str]) -> Ran {
    let mut command = program(&sandbox.path(""));
    doubles.prepare(&mut command).args(["run", "cards.toml", "--out", "out"]).args(extra);
    command.env("LD_LIBRARY_PATH", kernels.search_path(doubles.folder()));
    Ran::from(command.output().unwrap())
}

#[test]
fn images_travel_and_are_preprocessed_in_the_time_that_the_card_says_to_the_nanosecond() {
    let Some(kernels) = HostKernels::or_skip(common::skip) else { return };
    let all = "streams = 3\nwait = \"block\"\ncuda_graph = true";
    for keys in ["", "transfers = \"pageable\"", all] {
        let (sandbox, script) = (Sandbox::new(), computing(&kernels, two_cards()));
        let doubles = Doubles::new(&script);
        on_cards(&sandbox, &format!("preprocess = \"gpu\"\n{keys}"));
        play(&sandbox, &doubles, &kernels, &["--set", "measure.max_samples=9"]).succeeds();
        let info = Run::read(&sandbox.path("out")).unwrap().info;
        let launches = launches(&sandbox);
        assert_eq!(launches.len(), 8, "two cards, two batches, two launches");
        for launch in &launches {
            assert!(matches!(launch.record.outcome, RecordOutcome::Measured(_)));
            let card = card_of(launch, &script.cards);
            let inference = card.timing.memset_ns;
            assert_preprocessed(launch, card, &info, inference, !keys.contains("pageable"));
        }
        let notes: Vec<&String> = info.cells.iter().flat_map(|cell| &cell.notes).collect();
        assert!(notes.iter().any(|note| note.contains("preprocess is the card's")), "{notes:?}");
        assert_all_freed(&doubles);
    }
}

#[test]
fn a_kernel_that_crashes_fails_the_launches_of_its_card_alone() {
    let Some(kernels) = HostKernels::or_skip(common::skip) else { return };
    let fault = Fault::cuda("cuLaunchKernel", 719).on(&two_cards()[0].uuid).from(5).sticky();
    let (sandbox, doubles) =
        (Sandbox::new(), Doubles::new(&computing(&kernels, two_cards()).fault(fault)));
    on_cards(&sandbox, "preprocess = \"gpu\"");
    let ran = play(&sandbox, &doubles, &kernels, &[]);
    ran.fails(1, &["cuLaunchKernel", "CUDA_ERROR_LAUNCH_FAILED", "a kernel crashed"]);
    let failed = |launch: &&Launch| matches!(launch.record.outcome, RecordOutcome::Failed(_));
    let launches = launches(&sandbox);
    assert_eq!(launches.iter().filter(failed).count(), 4, "those of one card");
    assert!(launches.iter().filter(failed).all(|l| l.record.device.uuid == two_cards()[0].uuid));
}

#[test]
fn without_nvrtc_the_cure_is_named() {
    if Nvrtc::open().is_ok() {
        return println!("this system has NVRTC where every program finds it");
    }
    let (sandbox, doubles) = (Sandbox::new(), Doubles::new(&Script::with_cards(two_cards())));
    on_cards(&sandbox, "preprocess = \"gpu\"");
    let ran = run(&sandbox, &doubles, &["run", "cards.toml", "--out", "out"]);
    ran.fails(1, &["there is no NVRTC", "pip install nvidia-cuda-nvrtc", "preprocess = \"cpu\""]);
    assert_all_freed(&doubles);
}

#[test]
fn the_cpu_does_not_preprocess_as_a_card_and_its_cell_says_so() {
    let sandbox = Sandbox::new();
    sandbox.null_scenario("[engine.null]\npreprocess = \"gpu\"\n");
    let ran = sandbox.run(&["check", "null.toml"]);
    let said = format!("{}{}", ran.out, ran.err);
    for part in ["pre-processes on a card", "device = [\"gpu:all\"]", "preprocess = \"cpu\""] {
        assert!(said.contains(part), "no `{part}` in {ran:#?}");
    }
}

#[test]
fn images_that_do_not_travel_cannot_be_preprocessed_on_the_card() {
    let sandbox = Sandbox::new();
    on_cards(&sandbox, "preprocess = \"gpu\"\ntransfers = \"none\"");
    let words = ["engine.null.preprocess", "transfers = \"none\"", "allowed with it: \"cpu\""];
    sandbox.run(&["check", "cards.toml"]).fails(2, &words);
}
