//! Boxes as distances from an anchor to four sides, each a distribution over bins: the generalised
//! focal loss heads of PP-YOLOE, PicoDet and NanoDet. Source: Li et al., "Generalized Focal Loss",
//! 2020, equation 5 (`Integral`).

use crate::{
    cpu::{Instructions, Work},
    image::Size,
};

pub(super) const SIDES: usize = 4;

/// Exponentials computed side by side.
const LANES: usize = 8;

/// The cells of all levels of a head.
#[derive(Clone)]
pub(super) struct Grid {
    levels: Vec<Level>,
    /// Where in a cell its anchor is, 0 to 1 from its left and upper edge.
    offset: f32,
}

/// The cells of one level, row by row.
#[derive(Clone, Copy)]
struct Level {
    stride: usize,
    columns: usize,
    cells: usize,
}

/// A cell's anchor in input pixels.
#[derive(Clone, Copy)]
pub(super) struct Anchor {
    x: f32,
    y: f32,
    stride: f32,
}

impl Grid {
    /// The grid of inputs of `size` pixels with levels of these strides, in this order.
    pub fn new(size: Size, strides: &[usize], offset: f32) -> Self {
        let level = |&stride: &usize| {
            let columns = size.width.div_ceil(stride);
            Level { stride, columns, cells: columns.saturating_mul(size.height.div_ceil(stride)) }
        };
        Self { levels: strides.iter().map(level).collect(), offset }
    }

    /// Cells per level.
    pub fn cells(&self) -> impl Iterator<Item = usize> {
        self.levels.iter().map(|level| level.cells)
    }

    /// Cells of all levels.
    pub fn len(&self) -> usize {
        self.cells().fold(0, usize::saturating_add)
    }

    /// The level and the number in it of a cell counted through all levels.
    pub fn find(&self, mut cell: usize) -> (usize, usize) {
        for (number, level) in self.levels.iter().enumerate() {
            if cell < level.cells {
                return (number, cell);
            }
            cell -= level.cells;
        }
        (self.levels.len(), cell)
    }

    /// The anchor of a cell counted through all levels.
    pub fn anchor(&self, cell: usize) -> Anchor {
        let (number, cell) = self.find(cell);
        let Some(level) = self.levels.get(number) else {
            return Anchor { x: f32::NAN, y: f32::NAN, stride: f32::NAN };
        };
        let stride = level.stride as f32;
        Anchor {
            x: ((cell % level.columns) as f32 + self.offset) * stride,
            y: ((cell / level.columns) as f32 + self.offset) * stride,
            stride,
        }
    }
}

impl Anchor {
    /// The box (left, top, right, bottom) around this anchor. `logits` are those of the distances
    /// to left, top, right and bottom, side by side.
    pub fn bounds(self, logits: &[f32], instructions: Instructions) -> [f32; 4] {
        let [left, top, right, bottom] =
            instructions.run(MeanBins { logits }).map(|bin| bin * self.stride);
        [self.x - left, self.y - top, self.x + right, self.y + bottom]
    }
}

/// The mean of bin numbers for each side, weighted by the softmax of their logits.
struct MeanBins<'a> {
    logits: &'a [f32],
}

impl Work for MeanBins<'_> {
    type Output = [f32; SIDES];

    #[inline(always)]
    fn work(self) -> [f32; SIDES] {
        let bins = self.logits.len() / SIDES;
        let mut means = [f32::NAN; SIDES];
        for (side, mean) in means.iter_mut().enumerate() {
            *mean = mean_bin(&self.logits[side * bins..][..bins]);
        }
        means
    }
}

#[inline(always)]
fn mean_bin(logits: &[f32]) -> f32 {
    let highest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let (mut total, mut weighted, mut bin) = (0.0, 0.0, 0.0);
    // Exponentials side by side, sums in order: as many lanes as a register has, whichever it is.
    let (wholes, rest) = logits.as_chunks::<LANES>();
    for logits in wholes {
        let mut weights = *logits;
        for weight in &mut weights {
            *weight = exponential(*weight - highest);
        }
        for weight in weights {
            (total, weighted, bin) = (total + weight, weighted + weight * bin, bin + 1.0);
        }
    }
    for &logit in rest {
        let weight = exponential(logit - highest);
        (total, weighted, bin) = (total + weight, weighted + weight * bin, bin + 1.0);
    }
    weighted / total
}

/// e to the power of `x`, which is not above 0, to about 2 in 10 million; NaN stays NaN. A
/// function of the system's library would be called for each value, and rounds differently from
/// system to system.
///
/// Multiples of ln 2 become the exponent, the rest goes into the series.
#[inline(always)]
fn exponential(x: f32) -> f32 {
    /// ln 2 in two parts, the first so short that its multiples are exact.
    const LN_2: [f32; 2] = [0.693_359_4, -0.000_212_194_44];
    /// Added to a float of moderate size, leaves its nearest whole number in the low bits.
    const ROUNDS: f32 = 12_582_912.0;
    // Below, the result is no normal number and weighs nothing beside the highest, which is 1.
    let x = x.clamp(-87.0, 0.0);
    let shifted = x * std::f32::consts::LOG2_E + ROUNDS;
    let exponent = shifted - ROUNDS;
    let x = (x - exponent * LN_2[0]) - exponent * LN_2[1];
    let series = 1.0 / 120.0 + x * (1.0 / 720.0);
    let series = 1.0 + x * (1.0 + x * (0.5 + x * (1.0 / 6.0 + x * (1.0 / 24.0 + x * series))));
    f32::from_bits(series.to_bits().wrapping_add(shifted.to_bits() << 23))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn cells_are_found_in_their_level() {
        let grid = Grid::new(Size { width: 20, height: 9 }, &[8, 16], 0.5);
        assert_eq!(grid.cells().collect::<Vec<_>>(), [6, 2]);
        assert_eq!((grid.find(5), grid.find(6), grid.find(8)), ((0, 5), (1, 0), (2, 0)));
    }

    #[test]
    fn a_box_is_its_anchor_and_the_mean_distances() {
        let grid = Grid::new(Size { width: 32, height: 32 }, &[8], 0.5);
        let sure = 100.0;
        // Distances 0, 1, 0.5 and 1 strides.
        let logits = [sure, 0.0, 0.0, sure, 0.0, 0.0, 0.0, sure];
        for instructions in Instructions::available() {
            let bounds = grid.anchor(5).bounds(&logits, instructions);
            assert_eq!(bounds, [12.0, 4.0, 16.0, 20.0]);
        }
    }

    #[test]
    fn exponentials_are_near_those_of_the_library() {
        for step in 0..=87_000 {
            let x = -(step as f32) / 1000.0;
            let (found, expected) = (exponential(x), x.exp());
            assert!((found - expected).abs() <= 3e-7 * expected, "{x}: {found}, {expected}");
        }
        assert!(exponential(f32::NAN).is_nan());
        assert!(exponential(f32::NEG_INFINITY) < 1e-37);
    }

    proptest! {
        #[test]
        fn every_instruction_set_gives_the_same_bits(
            logits in prop::collection::vec((-99_000..99_000).prop_map(|n| n as f32 / 1000.0), SIDES * 17),
            bins in 1..=17_usize,
        ) {
            let grid = Grid::new(Size { width: 32, height: 32 }, &[8], 0.5);
            let bounds = |instructions: Instructions| {
                grid.anchor(3).bounds(&logits[..SIDES * bins], instructions).map(f32::to_bits)
            };
            let all: Vec<_> = Instructions::available().map(bounds).collect();
            prop_assert!(all.iter().all(|found| found == &all[0]), "{:?}", all);
        }
    }
}
