//! What pre-processing does to images of one size, as numbers alone: for whoever computes it
//! elsewhere than on the host. The numbers are those that the host's kernels use. Computes nothing.

use super::{Placement, Size};

/// All that is done to images of one size.
#[derive(Clone, Debug, PartialEq)]
pub struct Recipe {
    /// Size of the input that they become.
    pub input: Size,
    /// Where the image lies in it; the rest is padding.
    pub placement: Placement,
    /// How taps become levels.
    pub arithmetic: Arithmetic,
    /// What the columns of the resized image are made of.
    pub columns: TapTable,
    /// What its rows are made of.
    pub rows: TapTable,
    /// The input's planes, in their order.
    pub planes: [PlaneTable; 3],
}

/// How weighted pixels become levels, first along x, then along y.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arithmetic {
    /// The mean of four pixels, halves rounded up: a quarter of sums of both ways.
    Mean,
    /// Weights of 11 bits; four bits are dropped after x, 16 of each product after y.
    Bilinear,
    /// Weights of 11 bits; whole numbers after x, after y floats, or whole numbers in what is left of a
    /// row of interleaved levels after its last eight.
    Bicubic,
    /// Weights in 32nds, rounded once.
    Thirtyseconds,
    /// Weights of 22 bits, rounded after each axis.
    Pillow,
    /// Floats, on levels less [`MIDDLE`](super::MIDDLE), never rounded.
    Floats,
}

/// For every sample of an axis the pixels that it is made of, and their weights.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TapTable {
    /// Where each sample's taps begin, and where the last one's end.
    pub starts: Vec<u32>,
    /// Columns or rows of the image, all inside it, in the order in which they are summed up.
    pub pixels: Vec<u32>,
    /// As many weights.
    pub weights: Weights,
}

/// Weights of taps.
#[derive(Clone, Debug, PartialEq)]
pub enum Weights {
    /// Parts of a unit that the arithmetic fixes.
    Whole(Vec<i32>),
    /// Parts of one.
    Floats(Vec<f32>),
}

/// What one plane of the input holds.
#[derive(Clone, Debug, PartialEq)]
pub struct PlaneTable {
    /// The image's colour in it: 0 red, 1 green, 2 blue.
    pub colour: u32,
    /// The value of every level.
    pub values: [f32; 256],
    /// The value of what surrounds the image.
    pub padding: f32,
    /// What one level adds where levels are no whole numbers.
    pub step: f32,
    /// The value of level [`MIDDLE`](super::MIDDLE) there.
    pub middle: f32,
}

impl Default for Weights {
    fn default() -> Self {
        Self::Whole(Vec::new())
    }
}

impl TapTable {
    /// From the taps of every sample, each a pixel and its weight.
    pub(super) fn whole(samples: impl Iterator<Item = impl Iterator<Item = (usize, i32)>>) -> Self {
        let (starts, pixels, weights) = gathered(samples);
        Self { starts, pixels, weights: Weights::Whole(weights) }
    }

    /// The same with weights that are floats.
    pub(super) fn floats(
        samples: impl Iterator<Item = impl Iterator<Item = (usize, f32)>>,
    ) -> Self {
        let (starts, pixels, weights) = gathered(samples);
        Self { starts, pixels, weights: Weights::Floats(weights) }
    }
}

fn gathered<T>(
    samples: impl Iterator<Item = impl Iterator<Item = (usize, T)>>,
) -> (Vec<u32>, Vec<u32>, Vec<T>) {
    let (mut starts, mut pixels, mut weights) = (vec![0], Vec::new(), Vec::new());
    for taps in samples {
        for (pixel, weight) in taps {
            pixels.push(pixel as u32);
            weights.push(weight);
        }
        starts.push(pixels.len() as u32);
    }
    (starts, pixels, weights)
}
