//! Resizing as the projects' own libraries do it on 8 bit images, a row at a time. Knows nothing
//! of padding, normalisation or models.

use super::{Arithmetic, Image, Size, TapTable};
use crate::cpu::Instructions;
use opencv::{Bicubic, Bilinear, Mean};
use separable::{Lines, Separable};
use triangle::{Narrowed, Pillow, Torch};
use warp::Thirtyseconds;

mod opencv;
mod separable;
mod spread;
mod triangle;
mod warp;

/// How levels between pixels are found, and whose arithmetic finds them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interpolation {
    /// `cv2.resize` with `INTER_LINEAR`: from the two nearest pixels each way.
    Linear,
    /// `cv2.resize` with `INTER_CUBIC`: from the four nearest pixels each way, with a = −0.75.
    Cubic,
    /// `cv2.warpPerspective` with a matrix that only scales: `Linear` without the shift by half a
    /// pixel.
    Warp,
    /// `PIL.Image.resize` with `BILINEAR`: from all pixels under a triangle as wide as an output
    /// pixel, rounded to levels after each axis.
    Pillow,
    /// `torch.nn.functional.interpolate` of floats, bilinear with antialias: the same triangle,
    /// not rounded.
    Torch,
}

/// One row of an image brought to another width and height: a third per colour.
pub(super) enum Row<'a> {
    /// Rounded.
    Levels(&'a [u8]),
    /// Not rounded, less [`MIDDLE`](super::MIDDLE).
    Floats(&'a [f32]),
}

/// How an image of one size becomes one of another size.
pub(super) struct Resize(Plan);

enum Plan {
    Halve(Separable<Mean, 2>),
    Linear(Separable<Bilinear, 2>),
    Cubic(Separable<Bicubic, 4>),
    Warp(Separable<Thirtyseconds, 2>),
    Pillow(Pillow),
    Torch(Torch),
}

/// Buffers that are kept from image to image.
#[derive(Default)]
pub(super) struct Scratch {
    pairs: Lines<i16, 2>,
    quads: Lines<f32, 4>,
    narrowed_levels: Narrowed<u8, i32>,
    narrowed_floats: Narrowed<f32, f32>,
    /// The row that is handed on.
    levels: Vec<u8>,
    floats: Vec<f32>,
}

impl Resize {
    pub(super) fn new(from: Size, to: Size, interpolation: Interpolation) -> Self {
        let halves = from.width == 2 * to.width && from.height == 2 * to.height;
        Self(match interpolation {
            Interpolation::Linear if halves => Plan::Halve(opencv::halves(from, to)),
            Interpolation::Linear => Plan::Linear(opencv::bilinear(from, to)),
            Interpolation::Cubic => Plan::Cubic(opencv::bicubic(from, to)),
            Interpolation::Warp => Plan::Warp(warp::plan(from, to)),
            Interpolation::Pillow => Plan::Pillow(Pillow::new(from, to)),
            Interpolation::Torch => Plan::Torch(Torch::new(from, to)),
        })
    }

    /// How taps become levels, and the taps of columns and rows.
    pub(super) fn recipe(&self) -> (Arithmetic, [TapTable; 2]) {
        match &self.0 {
            Plan::Halve(plan) => (Arithmetic::Mean, plan.taps()),
            Plan::Linear(plan) => (Arithmetic::Bilinear, plan.taps()),
            Plan::Cubic(plan) => (Arithmetic::Bicubic, plan.taps()),
            Plan::Warp(plan) => (Arithmetic::Thirtyseconds, plan.taps()),
            Plan::Pillow(plan) => (Arithmetic::Pillow, plan.taps()),
            Plan::Torch(plan) => (Arithmetic::Floats, plan.taps()),
        }
    }

    /// Hands the rows of `image`, resized to `to`, to `take`, from the first to the last.
    pub(super) fn each_row(
        &self,
        image: &Image,
        to: Size,
        scratch: &mut Scratch,
        instructions: Instructions,
        take: &mut dyn FnMut(usize, Row<'_>),
    ) {
        scratch.begin(to.width);
        let Scratch { pairs, quads, narrowed_levels, narrowed_floats, levels, floats } = scratch;
        match &self.0 {
            Plan::Pillow(plan) => plan.begin(image, narrowed_levels),
            Plan::Torch(plan) => plan.begin(image, narrowed_floats),
            _ => {}
        }
        for y in 0..to.height {
            match &self.0 {
                Plan::Halve(plan) => plan.row(image, y, pairs, instructions, levels),
                Plan::Linear(plan) => plan.row(image, y, pairs, instructions, levels),
                Plan::Cubic(plan) => plan.row(image, y, quads, instructions, levels),
                Plan::Warp(plan) => plan.row(image, y, pairs, instructions, levels),
                Plan::Pillow(plan) => plan.row(image, y, narrowed_levels, instructions, levels),
                Plan::Torch(plan) => {
                    plan.row(image, y, narrowed_floats, instructions, floats);
                    take(y, Row::Floats(floats));
                    continue;
                }
            }
            take(y, Row::Levels(levels));
        }
    }
}

impl Scratch {
    /// Forgets the rows of the last image and makes room for rows of `width` pixels.
    fn begin(&mut self, width: usize) {
        self.pairs.forget();
        self.quads.forget();
        self.levels.resize(3 * width, 0);
        self.floats.resize(3 * width, 0.0);
    }
}

/// Three equal parts, one per colour.
pub(super) fn thirds<T>(line: &mut [T]) -> [&mut [T]; 3] {
    let width = line.len() / 3;
    let (red, rest) = line.split_at_mut(width);
    let (green, blue) = rest.split_at_mut(width);
    [red, green, blue]
}
