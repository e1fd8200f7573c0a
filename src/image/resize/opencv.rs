//! `cv2.resize` on 8 bit images, a row at a time, into three planes of levels. Equals OpenCV's
//! portable code bit for bit; the closed IPP code in its wheels differs by up to one level where
//! bicubic.
//!
//! Source of the arithmetic: OpenCV `modules/imgproc/src/resize.cpp`. Weights are rounded to 11
//! bits, ties to even. Halving both ways takes the mean of four pixels there, and so it does here.

use super::{
    super::Size,
    separable::{Kernel, Separable, Taps},
    spread::{self, Columns, Source},
};
use crate::cpu::Instructions;

/// Weights of one sample sum to this.
const UNIT: f32 = 2048.0;

/// Levels that OpenCV's portable code blends at a time.
const VECTOR: usize = 8;

/// Added to a float between 0 and 2^22, leaves its nearest whole number, ties to even, in the low
/// bits: an addition instead of a call where the processor has no rounding instruction.
const ROUNDS: f32 = 12_582_912.0;

/// What a kernel weighs with.
trait Weights<const K: usize> {
    /// Whether a column beyond the outermost pixel's centre takes that pixel alone. (Rows weigh
    /// the edge with itself, which rounds differently.)
    const SNAPS_AT_EDGES: bool;

    /// Weights of the pixels from `K / 2 - 1` before the sample on; `fraction` is the sample's
    /// distance from the last pixel not after it.
    fn weights(fraction: f32) -> [f32; K];
}

/// The mean of two by two pixels, halves rounded up.
pub(super) struct Mean;

impl Kernel<2> for Mean {
    type Partial = i16;

    fn spread(
        columns: &Columns<2>,
        source: Source<'_>,
        instructions: Instructions,
        partials: &mut [i16],
    ) {
        spread::pairs::<0>(columns, source, instructions, partials);
    }

    #[inline(always)]
    fn blend([first, second]: [&[i16]; 2], _: [i16; 2], levels: &mut [u8]) {
        for ((level, &p), &q) in levels.iter_mut().zip(first).zip(second) {
            *level = ((p + q + 2) >> 2) as u8;
        }
    }
}

/// OpenCV's `VResizeLinearVec_32s8u`: partial sums of 15 bits, products truncated to 16.
pub(super) struct Bilinear;

impl Weights<2> for Bilinear {
    const SNAPS_AT_EDGES: bool = true;

    fn weights(fraction: f32) -> [f32; 2] {
        [1.0 - fraction, fraction]
    }
}

impl Kernel<2> for Bilinear {
    type Partial = i16;

    fn spread(
        columns: &Columns<2>,
        source: Source<'_>,
        instructions: Instructions,
        partials: &mut [i16],
    ) {
        spread::pairs::<4>(columns, source, instructions, partials);
    }

    #[inline(always)]
    fn blend([first, second]: [&[i16]; 2], [a, b]: [i16; 2], levels: &mut [u8]) {
        let high = |x: i16, y: i16| ((i32::from(x) * i32::from(y)) >> 16) as i16;
        for ((level, &p), &q) in levels.iter_mut().zip(first).zip(second) {
            *level = ((high(p, a) + high(q, b) + 2) >> 2) as u8;
        }
    }
}

/// OpenCV's `interpolateCubic` and `VResizeCubicVec_32s8u`.
pub(super) struct Bicubic;

impl Weights<4> for Bicubic {
    const SNAPS_AT_EDGES: bool = false;

    fn weights(x: f32) -> [f32; 4] {
        const A: f32 = -0.75;
        let y = 1.0 - x;
        let before = ((A * (x + 1.0) - 5.0 * A) * (x + 1.0) + 8.0 * A) * (x + 1.0) - 4.0 * A;
        let near = ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0;
        let far = ((A + 2.0) * y - (A + 3.0)) * y * y + 1.0;
        [before, near, far, 1.0 - before - near - far]
    }
}

impl Kernel<4> for Bicubic {
    type Partial = f32;

    fn spread(
        columns: &Columns<4>,
        source: Source<'_>,
        instructions: Instructions,
        partials: &mut [f32],
    ) {
        spread::quads(columns, source, instructions, partials);
    }

    #[inline(always)]
    fn blend(lines: [&[f32]; 4], weights: [i16; 4], levels: &mut [u8]) {
        let [a, b, c, d] = lines;
        let [wa, wb, wc, wd] = weights.map(|w| f32::from(w) / (UNIT * UNIT));
        for ((((level, &a), &b), &c), &d) in levels.iter_mut().zip(a).zip(b).zip(c).zip(d) {
            let sum = a * wa + (b * wb + (c * wc + d * wd));
            // What is beyond the levels is so by more than rounding could mend.
            *level = (sum.clamp(0.0, 255.0) + ROUNDS).to_bits() as u8;
        }
        // OpenCV takes eight levels at a time in floats, and what is left of a row of interleaved
        // pixels in integers, which rounds halves up.
        let width = levels.len() / 3;
        for last in levels.len() - levels.len() % VECTOR..levels.len() {
            let at = last % 3 * width + last / 3;
            let products =
                lines.iter().zip(weights).map(|(line, w)| line[at] as i64 * i64::from(w));
            let sum = (products.sum::<i64>() + (1 << 21)) >> 22;
            levels[at] = sum.clamp(0, 255) as u8;
        }
    }
}

/// The plan for images that become half as wide and half as high.
pub(super) fn halves(from: Size, to: Size) -> Separable<Mean, 2> {
    let axis = |output: usize| -> Vec<Taps<2>> {
        (0..output).map(|i| Taps { at: [2 * i, 2 * i + 1], weights: [1; 2] }).collect()
    };
    Separable::new(from.width, &axis(to.width), axis(to.height))
}

/// The plan of `cv2.INTER_LINEAR`.
pub(super) fn bilinear(from: Size, to: Size) -> Separable<Bilinear, 2> {
    plan(from, to)
}

/// The plan of `cv2.INTER_CUBIC`.
pub(super) fn bicubic(from: Size, to: Size) -> Separable<Bicubic, 4> {
    plan(from, to)
}

fn plan<F: Kernel<K> + Weights<K>, const K: usize>(from: Size, to: Size) -> Separable<F, K> {
    let columns = taps::<F, K>(from.width, to.width, F::SNAPS_AT_EDGES);
    Separable::new(from.width, &columns, taps::<F, K>(from.height, to.height, false))
}

/// Positions and weights of `output` samples along an axis of `input` pixels.
fn taps<F: Weights<K>, const K: usize>(input: usize, output: usize, snaps: bool) -> Vec<Taps<K>> {
    // OpenCV divides twice; the rounding is part of the result.
    let step = 1.0 / (output as f64 / input as f64);
    let last = input as i64 - 1;
    let sample = |index: usize| {
        let position = ((index as f64 + 0.5) * step - 0.5) as f32;
        let floor = position.floor();
        let pixel = floor as i64;
        let beyond = snaps && (pixel < 0 || pixel >= last);
        let fraction = if beyond { 0.0 } else { position - floor };
        let first = if beyond { pixel.clamp(0, last) } else { pixel } - (K as i64 / 2 - 1);
        Taps {
            at: std::array::from_fn(|tap| (first + tap as i64).clamp(0, last) as usize),
            weights: F::weights(fraction).map(|w| (w * UNIT).round_ties_even() as i16),
        }
    };
    (0..output).map(sample).collect()
}
