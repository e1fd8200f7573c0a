//! `cv2.warpPerspective` on 8 bit images with a matrix that only scales, bilinear, black beyond
//! the image. Equals OpenCV 4.5 to 4.14 bit for bit; 5.0 computes in floats and differs.
//!
//! Source of the arithmetic: OpenCV `modules/imgproc/src/imgwarp.cpp` (`warpPerspective`,
//! `WarpPerspectiveInvoker`, `remapBilinear`). Positions are rounded to 1/32 of a pixel. There is
//! no shift by half a pixel, so that the last column and row fade into black.

use super::{
    super::Size,
    separable::{Kernel, Separable, Taps},
    spread::{self, Columns, Source},
};
use crate::cpu::Instructions;

/// Fractions of a pixel that are told apart.
const STEPS: i16 = 32;

/// OpenCV computes positions in blocks of this many rows and pixels.
const BLOCK_ROWS: usize = 16;
const BLOCK_PIXELS: usize = 1024;

/// Weights in 32nds along each axis.
pub(super) struct Thirtyseconds;

impl Kernel<2> for Thirtyseconds {
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
    fn blend([above, below]: [&[i16]; 2], weights: [i16; 2], levels: &mut [u8]) {
        const AREA: i32 = STEPS as i32 * STEPS as i32;
        let [a, b] = weights.map(i32::from);
        for ((level, &p), &q) in levels.iter_mut().zip(above).zip(below) {
            *level = ((i32::from(p) * a + i32::from(q) * b + AREA / 2) / AREA) as u8;
        }
    }
}

/// The plan of a matrix that scales `from` to `to`.
pub(super) fn plan(from: Size, to: Size) -> Separable<Thirtyseconds, 2> {
    let x = to.width as f64 / from.width as f64;
    let y = to.height as f64 / from.height as f64;
    // The inverse by cofactors. Its last element is not always 1, divides all positions, and
    // decides where one lies between two 32nds.
    let inverse = 1.0 / (x * y);
    let unit = f64::from(STEPS) / (x * y * inverse);
    let block = (BLOCK_PIXELS / BLOCK_ROWS.min(to.height)).min(to.width);
    let column = |index: usize| {
        let start = index / block * block;
        let scale = y * inverse;
        taps((scale * start as f64 + scale * (index - start) as f64) * unit, from.width)
    };
    let row = |index: usize| taps(x * inverse * index as f64 * unit, from.height);
    let columns: Vec<_> = (0..to.width).map(column).collect();
    Separable::new(from.width, &columns, (0..to.height).map(row).collect())
}

/// The pixel at or before a position in 32nds of a pixel, and the one after it; what lies beyond
/// the last of `pixels` weighs nothing, which is black.
fn taps(position: f64, pixels: usize) -> Taps<2> {
    let fixed = position.round_ties_even() as i32;
    let pixel = (fixed >> STEPS.ilog2()).max(0) as usize;
    let fraction = (fixed & i32::from(STEPS - 1)) as i16;
    let inside = |pixel: usize, weight: i16| if pixel < pixels { weight } else { 0 };
    Taps {
        at: [pixel.min(pixels - 1), (pixel + 1).min(pixels - 1)],
        weights: [inside(pixel, STEPS - fraction), inside(pixel + 1, fraction)],
    }
}
