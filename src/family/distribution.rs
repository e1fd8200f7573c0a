//! Boxes as distances from an anchor to four sides, each a distribution over bins: the generalised
//! focal loss heads of PP-YOLOE, PicoDet and NanoDet. Source: Li et al., "Generalized Focal Loss",
//! 2020, equation 5 (`Integral`).

use crate::image::Size;

pub(super) const SIDES: usize = 4;

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
    pub fn bounds(self, logits: &[f32]) -> [f32; 4] {
        let bins = logits.len() / SIDES;
        let distance = |side: usize| mean_bin(&logits[side * bins..][..bins]) * self.stride;
        let [left, top, right, bottom] = std::array::from_fn(distance);
        [self.x - left, self.y - top, self.x + right, self.y + bottom]
    }
}

/// The mean of bin numbers, weighted by the softmax of their logits.
fn mean_bin(logits: &[f32]) -> f32 {
    let highest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let (mut total, mut weighted) = (0.0, 0.0);
    for (bin, &logit) in (0_u8..).zip(logits) {
        let weight = (logit - highest).exp();
        total += weight;
        weighted += weight * f32::from(bin);
    }
    weighted / total
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(grid.anchor(5).bounds(&logits), [12.0, 4.0, 16.0, 20.0]);
    }
}
