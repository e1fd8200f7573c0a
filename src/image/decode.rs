//! The bytes of an image file → pixels, as `cv2.imdecode(…, IMREAD_COLOR)` sees them: three
//! channels of 8 bits, transparency dropped, turned upright by the EXIF orientation. Stricter in
//! one point: a truncated file is an error here, not a half-grey image. So is damage that the
//! decoder notices; JPEG has no checksum, so that some damage only changes pixels.

use super::{
    Image, Size,
    exif::Orientation,
    jpeg::{Codec, JpegLibrary, NotBuilt},
    png,
};

/// Most pixels an image may have; a header that claims more is refused before any allocation.
pub const MAX_PIXELS: usize = 100_000_000;

/// Most pixels a side may have: positions in OpenCV's `warpPerspective` have 16 bits.
pub const MAX_SIDE: usize = 32_767;

/// Formats that can be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// JPEG: baseline or progressive; grey, `YCbCr`, RGB, CMYK or YCCK.
    Jpeg,
    /// PNG of any colour type and depth.
    Png,
}

/// Decodes files one after another, reusing its buffers.
#[derive(Clone)]
pub struct Decoder {
    jpeg: Codec,
    /// Pixels that are still to be turned, or have other than three channels.
    scratch: Vec<u8>,
}

/// A file that is no image, a broken one, or one that is not supported.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The first bytes are those of no known format.
    #[error("unknown image format (first bytes: {first}); supported are JPEG and PNG")]
    UnknownFormat {
        /// The file's first bytes in hexadecimal, at most eight.
        first: String,
    },
    /// The header claims more pixels than are accepted.
    #[error(
        "the image claims {} × {} pixels; the limit is {MAX_PIXELS} pixels, and {MAX_SIDE} a side",
        .0.width, .0.height
    )]
    TooLarge(Size),
    /// The file ends too early.
    #[error("truncated {0}: the file ends before the image does")]
    Truncated(Format),
    /// The contents contradict the format, or use a part of it that is not supported.
    #[error("broken or unsupported {format}: {reason}")]
    Broken {
        /// Format by its first bytes.
        format: Format,
        /// What the format's decoder says.
        reason: String,
    },
}

impl Format {
    /// The format whose signature `bytes` begin with.
    pub fn detect(bytes: &[u8]) -> Option<Self> {
        if bytes.starts_with(b"\xff\xd8\xff") {
            Some(Self::Jpeg)
        } else if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
            Some(Self::Png)
        } else {
            None
        }
    }
}

impl std::fmt::Display for Format {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Jpeg => "JPEG",
            Self::Png => "PNG",
        })
    }
}

impl Decoder {
    /// A decoder without buffers yet, with the JPEG library that every build has.
    pub fn new() -> Self {
        Self { jpeg: Codec::Zune, scratch: Vec::new() }
    }

    /// A decoder without buffers yet, with this JPEG library. A clone shares nothing with it.
    ///
    /// # Errors
    /// [`NotBuilt`] if this build lacks the library.
    pub fn with(library: JpegLibrary) -> Result<Self, NotBuilt> {
        Ok(Self { jpeg: Codec::new(library)?, scratch: Vec::new() })
    }

    /// Decodes `bytes`, reusing the allocation of `into`.
    ///
    /// # Errors
    /// [`DecodeError`]; `into` is then left without pixels.
    pub fn decode(&mut self, bytes: &[u8], into: &mut Image) -> Result<(), DecodeError> {
        let decoded = self.decode_upright(bytes, into);
        if decoded.is_err() {
            (into.width, into.height) = (0, 0);
            into.pixels.clear();
        }
        decoded
    }

    fn decode_upright(&mut self, bytes: &[u8], into: &mut Image) -> Result<(), DecodeError> {
        let orientation = match Format::detect(bytes) {
            Some(Format::Jpeg) => self.jpeg.decode(bytes, &mut self.scratch, into)?,
            Some(Format::Png) => png::decode(bytes, &mut self.scratch, into)?,
            None => return Err(DecodeError::unknown(bytes)),
        };
        if orientation != Orientation::UPRIGHT {
            orientation.turn(into, &mut self.scratch);
        }
        Ok(())
    }
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

impl DecodeError {
    fn unknown(bytes: &[u8]) -> Self {
        let shown: Vec<String> = bytes.iter().take(8).map(|b| format!("{b:02x}")).collect();
        let first = if shown.is_empty() { "none".to_owned() } else { shown.join(" ") };
        Self::UnknownFormat { first }
    }

    pub(super) fn broken(format: Format, reason: impl ToString) -> Self {
        Self::Broken {
            format,
            reason: reason.to_string().trim_matches(['"', ' ', '\n']).to_owned(),
        }
    }
}

/// Gives `image` the size a header claims, or refuses it.
pub(super) fn resize(image: &mut Image, size: Size) -> Result<(), DecodeError> {
    if size.pixels() > MAX_PIXELS || size.width.max(size.height) > MAX_SIDE {
        return Err(DecodeError::TooLarge(size));
    }
    (image.width, image.height) = (size.width, size.height);
    image.pixels.resize(3 * size.pixels(), 0);
    Ok(())
}
