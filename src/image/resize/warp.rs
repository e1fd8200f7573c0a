//! `cv2.warpPerspective` on 8 bit images with a matrix that only scales, bilinear, black beyond
//! the image. Equals OpenCV 4.5 to 4.14 bit for bit; 5.0 computes in floats and differs.
//!
//! Source of the arithmetic: OpenCV `modules/imgproc/src/imgwarp.cpp` (`warpPerspective`,
//! `WarpPerspectiveInvoker`, `remapBilinear`). Positions are rounded to 1/32 of a pixel. There is
//! no shift by half a pixel, so that the last column and row fade into black.

use super::{
    super::{Image, Size},
    thirds,
};

/// Fractions of a pixel that are told apart.
const STEPS: i32 = 32;

/// OpenCV computes positions in blocks of this many rows and pixels.
const BLOCK_ROWS: usize = 16;
const BLOCK_PIXELS: usize = 1024;

/// Source positions of every output column and row.
pub(in crate::image) struct Warp {
    columns: Vec<Position>,
    rows: Vec<Position>,
}

/// The pixel at or before a sample, and the 32nds of the next one in it.
#[derive(Clone, Copy)]
struct Position {
    pixel: usize,
    fraction: i32,
}

impl Warp {
    pub(super) fn new(from: Size, to: Size) -> Self {
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
            Position::new((scale * start as f64 + scale * (index - start) as f64) * unit)
        };
        let row = |index: usize| Position::new(x * inverse * index as f64 * unit);
        Self {
            columns: (0..to.width).map(column).collect(),
            rows: (0..to.height).map(row).collect(),
        }
    }

    /// Writes output row `y` of `image`: a third of it per colour.
    pub(super) fn row(&self, image: &Image, y: usize, levels: &mut [u8]) {
        let row = self.rows[y];
        let line = |y: usize| if y < image.height { image.row(y) } else { &[] };
        let (upper, lower) = (line(row.pixel), line(row.pixel + 1));
        let mut planes = thirds(levels);
        for (x, column) in self.columns.iter().enumerate() {
            for (colour, plane) in planes.iter_mut().enumerate() {
                let above = column.blend(upper, colour);
                let below = column.blend(lower, colour);
                let sum = above * (STEPS - row.fraction) + below * row.fraction;
                plane[x] = ((sum + STEPS * STEPS / 2) / (STEPS * STEPS)) as u8;
            }
        }
    }
}

impl Position {
    /// From a position in 32nds of a pixel.
    fn new(position: f64) -> Self {
        let fixed = position.round_ties_even() as i32;
        let pixel = (fixed >> STEPS.ilog2()).max(0) as usize;
        Self { pixel, fraction: fixed & (STEPS - 1) }
    }

    /// 32 times the level of a colour at this position of a row; black beyond its end.
    fn blend(self, row: &[u8], colour: usize) -> i32 {
        let level = |pixel: usize| row.get(3 * pixel + colour).copied().map_or(0, i32::from);
        level(self.pixel) * (STEPS - self.fraction) + level(self.pixel + 1) * self.fraction
    }
}
