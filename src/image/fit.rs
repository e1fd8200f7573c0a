//! Where an image goes inside a model's input, and how boxes find back. Touches no pixels.

use super::Size;

/// How an image is brought to a model's input size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// Ratio kept, centred, the rest filled with one grey level: Ultralytics' `LetterBox`
    /// (`data/augment.py`) with `auto=False, center=True, scaleup=True`. Each side keeps at least one pixel.
    Letterbox {
        /// The grey level, before normalisation.
        pad: u8,
    },
    /// Ratio given up: the image fills the input.
    Stretch,
}

/// Where an image lies inside a model's input.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Placement {
    /// The original image's size.
    pub image: Size,
    /// Its size inside the input, at least one pixel each way.
    pub inner: Size,
    /// Input columns left of it.
    pub left: usize,
    /// Input rows above it.
    pub top: usize,
    /// Input pixels per image pixel, along x and y.
    pub scale: [f32; 2],
}

impl Fit {
    /// Where an image of size `image` lies inside an input of size `target`.
    pub fn place(self, image: Size, target: Size) -> Placement {
        let x = target.width as f64 / image.width as f64;
        let y = target.height as f64 / image.height as f64;
        match self {
            Self::Stretch => {
                let scale = [x as f32, y as f32];
                Placement { image, inner: target, left: 0, top: 0, scale }
            }
            Self::Letterbox { .. } => {
                let ratio = x.min(y);
                let inner = Size {
                    width: scaled(image.width, ratio, target.width),
                    height: scaled(image.height, ratio, target.height),
                };
                let left = margin(target.width - inner.width);
                let top = margin(target.height - inner.height);
                // Each side is rounded by itself, so that the axes' scales may differ a little.
                let scale = [
                    (inner.width as f64 / image.width as f64) as f32,
                    (inner.height as f64 / image.height as f64) as f32,
                ];
                Placement { image, inner, left, top, scale }
            }
        }
    }
}

/// `length * ratio`, rounded as Python rounds, at least one.
fn scaled(length: usize, ratio: f64, limit: usize) -> usize {
    ((length as f64 * ratio).round_ties_even() as usize).min(limit).max(1)
}

/// The left or top share of `spare` pixels: `round(spare / 2 - 0.1)`.
fn margin(spare: usize) -> usize {
    (spare as f64 / 2.0 - 0.1).round_ties_even() as usize
}

impl Size {
    /// A box (left, top, right, bottom), clipped to an area of this size. NaN stays NaN.
    pub fn clip(self, bounds: [f32; 4]) -> [f32; 4] {
        let x = |v: f32| v.clamp(0.0, self.width as f32);
        let y = |v: f32| v.clamp(0.0, self.height as f32);
        [x(bounds[0]), y(bounds[1]), x(bounds[2]), y(bounds[3])]
    }
}

impl Placement {
    /// A box in input pixels (left, top, right, bottom) → the same in image pixels, which may lie
    /// outside the image: Ultralytics' `ops.scale_boxes` before its clipping.
    pub fn to_image(&self, bounds: [f32; 4]) -> [f32; 4] {
        let x = |v: f32| (v - self.left as f32) / self.scale[0];
        let y = |v: f32| (v - self.top as f32) / self.scale[1];
        [x(bounds[0]), y(bounds[1]), x(bounds[2]), y(bounds[3])]
    }

    /// A box in image pixels → the same in input pixels.
    pub fn to_input(&self, bounds: [f32; 4]) -> [f32; 4] {
        let x = |v: f32| v * self.scale[0] + self.left as f32;
        let y = |v: f32| v * self.scale[1] + self.top as f32;
        [x(bounds[0]), y(bounds[1]), x(bounds[2]), y(bounds[3])]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SQUARE: Size = Size { width: 640, height: 640 };

    fn letterboxed(width: usize, height: usize) -> (Size, usize, usize) {
        let placement = Fit::Letterbox { pad: 114 }.place(Size { width, height }, SQUARE);
        (placement.inner, placement.left, placement.top)
    }

    #[test]
    fn a_letterbox_puts_the_odd_pixel_of_padding_right_and_below() {
        assert_eq!(letterboxed(1920, 1080), (Size { width: 640, height: 360 }, 0, 140));
        assert_eq!(letterboxed(640, 427), (Size { width: 640, height: 427 }, 0, 106));
        assert_eq!(letterboxed(427, 640), (Size { width: 427, height: 640 }, 106, 0));
    }

    #[test]
    fn an_image_too_thin_for_one_pixel_keeps_one() {
        assert_eq!(letterboxed(1, 5000), (Size { width: 1, height: 640 }, 319, 0));
    }
}
