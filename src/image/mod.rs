//! Decoded images and the kernels between a file's bytes and a model's input. Knows no model.

use serde::{Deserialize, Serialize};

mod decode;
mod exif;
mod fit;
mod jpeg;
mod normalise;
mod png;
mod preprocess;
mod recipe;
mod resize;

pub use decode::{DecodeError, Decoder, Format, MAX_PIXELS};
pub use fit::{Fit, Placement};
pub use jpeg::{ENVIRONMENT as JPEG_ENVIRONMENT, JpegLibrary, NotBuilt};
pub use normalise::{ChannelOrder, Normalise};
pub use preprocess::Preprocessor;
pub use recipe::{Arithmetic, PlaneTable, Recipe, TapTable, Weights};
pub use resize::Interpolation;

/// Level taken off where levels are computed with as floats: about the mean of what models are trained
/// on.
pub const MIDDLE: f32 = 128.0;

/// 8 bit RGB pixels, rows top to bottom without gaps, three bytes a pixel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Image {
    /// Pixels in a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// `3 * width * height` bytes.
    pub pixels: Vec<u8>,
}

/// Width and height in pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Size {
    /// Pixels in a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
}

impl Image {
    /// Width and height.
    pub fn size(&self) -> Size {
        Size { width: self.width, height: self.height }
    }

    /// The bytes of row `y`.
    fn row(&self, y: usize) -> &[u8] {
        let bytes = 3 * self.width;
        &self.pixels[y * bytes..][..bytes]
    }
}

impl Size {
    /// Number of pixels, or the greatest number if there are more.
    pub fn pixels(self) -> usize {
        self.width.saturating_mul(self.height)
    }
}
