//! Every instruction set gives the same bits, and every number of threads the same results.

use proptest::prelude::*;
use trtbench::{
    cpu::{Cpu, Instructions, Threads},
    image::{ChannelOrder, Fit, Image, Interpolation, Normalise, Preprocessor, Size},
};

const INTERPOLATIONS: [Interpolation; 5] = [
    Interpolation::Linear,
    Interpolation::Cubic,
    Interpolation::Warp,
    Interpolation::Pillow,
    Interpolation::Torch,
];

/// How levels become values: by one factor, by a line, by a line with the rounding of numpy, and by
/// no line at all.
#[derive(Clone, Copy, Debug)]
enum Values {
    Levels,
    Unit,
    Standard,
    Squares,
}

impl Values {
    fn normalise(self, order: ChannelOrder) -> Normalise {
        match self {
            Self::Levels => Normalise::levels(order),
            Self::Unit => Normalise::unit(order),
            Self::Standard => Normalise::new(order, |plane, level| {
                let (mean, deviation) =
                    ([0.485, 0.456, 0.406][plane], [0.229, 0.224, 0.225][plane]);
                let unit = f32::from(level) * (1.0 / 255.0) as f32;
                let centred = (f64::from(unit) - mean) as f32;
                (f64::from(centred) / deviation) as f32
            }),
            Self::Squares => Normalise::new(order, |plane, level| {
                (f32::from(level) - 40.0 * plane as f32).powi(2)
            }),
        }
    }
}

/// Lengths around the blocks of the kernels, and others.
fn length() -> impl Strategy<Value = usize> {
    prop_oneof![6 => 1..80_usize, 2 => 80..300_usize, 1 => 900..2000_usize]
}

fn target() -> impl Strategy<Value = Size> {
    (1..150_usize, 1..60_usize).prop_map(|(width, height)| Size { width, height })
}

/// Noise, one level, and the two outermost levels in turn, which overshoot where cubic.
fn image(width: usize, height: usize, kind: u8, seed: u32) -> Image {
    let mut state = seed;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    let pixels = (0..3 * width * height).map(|index| match kind {
        0 => seed as u8,
        1 => [0, 255][index / 3 % 2],
        _ => noise(),
    });
    Image { width, height, pixels: pixels.collect() }
}

fn bits(preprocessor: &mut Preprocessor, images: &[Image], cpu: &Cpu) -> Vec<u32> {
    let mut input = vec![f32::NAN; images.len() * preprocessor.floats()];
    preprocessor.apply(images, cpu, &mut input);
    input.into_iter().map(f32::to_bits).collect()
}

/// Every width up to where a block of columns no longer fits a window of the widest registers.
#[test]
fn every_instruction_set_makes_the_same_input_of_every_width() {
    for interpolation in INTERPOLATIONS {
        for (target, width) in
            [8, 9, 16, 23, 40].into_iter().flat_map(|t| (1..=420).map(move |w| (t, w)))
        {
            for (height, rows) in [(1, 1), (2, 1), (3, 5)] {
                let images = [image(width, height, 2, 7)];
                let make = |instructions: Instructions| {
                    let target = Size { width: target, height: rows };
                    let levels = Normalise::levels(ChannelOrder::Rgb);
                    let mut preprocessor =
                        Preprocessor::new(target, Fit::Stretch, interpolation, levels);
                    bits(&mut preprocessor, &images, &Cpu::single(instructions))
                };
                let all: Vec<_> = Instructions::available().map(make).collect();
                let same = all.iter().all(|bits| bits == &all[0]);
                assert!(same, "{interpolation:?}: {width} × {height} to {target} × {rows}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn every_instruction_set_makes_the_same_input(
        width in length(),
        height in length(),
        target in target(),
        letterbox: bool,
        interpolation in prop::sample::select(&INTERPOLATIONS[..]),
        values in prop::sample::select(
            &[Values::Levels, Values::Unit, Values::Standard, Values::Squares][..],
        ),
        swapped: bool,
        kind in 0..4_u8,
        seed: u32,
    ) {
        // A strip of some width in an input of another: the rows' places have any alignment.
        let fit = if letterbox { Fit::Letterbox { pad: 114 } } else { Fit::Stretch };
        let order = if swapped { ChannelOrder::Bgr } else { ChannelOrder::Rgb };
        let images = [image(width, height, kind, seed)];
        let make = |instructions: Instructions| {
            let normalise = values.normalise(order);
            let mut preprocessor = Preprocessor::new(target, fit, interpolation, normalise);
            bits(&mut preprocessor, &images, &Cpu::single(instructions))
        };
        let mut sets = Instructions::available();
        let portable = sets.next().map(make);
        for instructions in sets {
            // Not by assert_eq, which would print all of both.
            prop_assert!(Some(make(instructions)) == portable, "{:?}", instructions);
        }
    }

    #[test]
    fn a_batch_is_the_same_on_any_number_of_threads(
        sizes in prop::collection::vec((1..60_usize, 1..60_usize), 1..9),
        interpolation in prop::sample::select(&INTERPOLATIONS[..]),
        threads in 2..5_usize,
    ) {
        let target = Size { width: 33, height: 20 };
        let images: Vec<Image> =
            sizes.iter().zip(0..).map(|(&(w, h), seed)| image(w, h, 2, seed)).collect();
        let unit = Normalise::unit(ChannelOrder::Rgb);
        let mut preprocessor = Preprocessor::new(target, Fit::Stretch, interpolation, unit);
        let alone = bits(&mut preprocessor, &images, &Cpu::single(Instructions::best()));
        let threads = Threads::new(threads).expect("threads");
        let cpu = Cpu { instructions: Instructions::best(), threads };
        prop_assert!(bits(&mut preprocessor, &images, &cpu) == alone);
        let each: Vec<u32> = images
            .iter()
            .flat_map(|image| bits(&mut preprocessor, std::slice::from_ref(image), &cpu))
            .collect();
        prop_assert!(each == alone);
    }
}
