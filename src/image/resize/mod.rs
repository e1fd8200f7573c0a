//! Resizing as the projects' own libraries do it on 8 bit images, a row at a time. Knows nothing
//! of padding, normalisation or models.

use super::{Image, Size};
use crate::cpu::Instructions;
use opencv::{Bicubic, Bilinear, Lines, Separable};
use triangle::{Narrowed, Pillow, Torch};
use warp::Warp;

mod opencv;
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
    /// Not rounded, 0 to 255.
    Floats(&'a [f32]),
}

/// How an image of one size becomes one of another size.
pub(super) enum Resize {
    Halve,
    Linear(Separable<Bilinear, 2>),
    Cubic(Separable<Bicubic, 4>),
    Warp(Warp),
    Pillow(Pillow),
    Torch(Torch),
}

/// Buffers that are kept from image to image.
#[derive(Default)]
pub(super) struct Scratch {
    linear: Lines<i16, 2>,
    cubic: Lines<f32, 4>,
    narrowed_levels: Narrowed<u8>,
    narrowed_floats: Narrowed<f32>,
    /// The row that is handed on.
    levels: Vec<u8>,
    floats: Vec<f32>,
}

impl Resize {
    pub(super) fn new(from: Size, to: Size, interpolation: Interpolation) -> Self {
        let halves = from.width == 2 * to.width && from.height == 2 * to.height;
        match interpolation {
            Interpolation::Linear if halves => Self::Halve,
            Interpolation::Linear => Self::Linear(Separable::new(from, to)),
            Interpolation::Cubic => Self::Cubic(Separable::new(from, to)),
            Interpolation::Warp => Self::Warp(Warp::new(from, to)),
            Interpolation::Pillow => Self::Pillow(Pillow::new(from, to)),
            Interpolation::Torch => Self::Torch(Torch::new(from, to)),
        }
    }

    /// Hands the rows of `image`, resized to `to`, to `take`, from the first to the last.
    pub(super) fn each_row(
        &self,
        image: &Image,
        to: Size,
        scratch: &mut Scratch,
        _: Instructions,
        take: &mut dyn FnMut(usize, Row<'_>),
    ) {
        scratch.begin(to.width);
        let Scratch { linear, cubic, narrowed_levels, narrowed_floats, levels, floats } = scratch;
        match self {
            Self::Pillow(plan) => plan.begin(narrowed_levels),
            Self::Torch(plan) => plan.begin(narrowed_floats),
            _ => {}
        }
        for y in 0..to.height {
            match self {
                Self::Halve => opencv::halve(image.row(2 * y), image.row(2 * y + 1), levels),
                Self::Linear(plan) => plan.row(image, y, linear, levels),
                Self::Cubic(plan) => plan.row(image, y, cubic, levels),
                Self::Warp(plan) => plan.row(image, y, levels),
                Self::Pillow(plan) => plan.row(image, y, narrowed_levels, levels),
                Self::Torch(plan) => {
                    plan.row(image, y, narrowed_floats, floats);
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
        self.linear.forget();
        self.cubic.forget();
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
