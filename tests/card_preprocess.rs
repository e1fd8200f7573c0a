//! The kernel that pre-processes on cards gives what the host's kernels give. It runs through the
//! project's own calls of driver and NVRTC, on a stand-in for the driver that computes with the kernel
//! compiled for the host.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may panic and print")]

mod common;
mod doubles;
mod host_kernels;

use doubles::Doubles;
use host_kernels::HostKernels;
use proptest::{
    prelude::*,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use std::{env, process::Command};
use trtbench::{
    cpu::{Cpu, Instructions},
    cuda::{
        Context, DeviceMemory, Driver, Stream, Wait,
        preprocess::{Plan, Preprocess},
    },
    image::{ChannelOrder, Fit, Image, Interpolation, Normalise, Preprocessor, Size},
};
use trtbench_double_script::{Card, Script};

/// Set for the process that finds stand-in and NVRTC.
const FOUND: &str = "TRTBENCH_CARD_PREPROCESS_FOUND";

#[test]
fn the_cards_kernel_gives_what_the_hosts_kernels_give() {
    const NAME: &str = "the_cards_kernel_gives_what_the_hosts_kernels_give";
    if env::var_os(FOUND).is_some() {
        return compare_all();
    }
    let kernels = match HostKernels::build() {
        Ok(kernels) => kernels,
        Err(missing) => return common::skip(&missing),
    };
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
