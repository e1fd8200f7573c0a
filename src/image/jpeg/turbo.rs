//! JPEG through libjpeg-turbo, set as OpenCV sets it: the accurate transform, chroma interpolated.
//! So the pixels equal those of `cv2.imdecode` to the bit. Stricter than OpenCV in one point: what
//! the library warns of is damage, and an error here.

use super::make_room;
use crate::image::{
    Image, Size,
    decode::{DecodeError, Format},
};
use turbojpeg::{Colorspace, Decompressor, Error, PixelFormat};

/// The library's handle, which keeps its tables and buffers from image to image.
#[derive(Default)]
pub(in crate::image) struct Turbo {
    /// Made by the first image, and anew after one that failed: the library may have stopped in the
    /// middle of a header, where it would go on with the next image.
    handle: Option<Decompressor>,
}

impl Clone for Turbo {
    /// One of its own: a handle serves one thread.
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Turbo {
    /// Decodes `bytes` into `into` as stored; `scratch` receives CMYK.
    pub(super) fn decode(
        &mut self,
        bytes: &[u8],
        scratch: &mut Vec<u8>,
        into: &mut Image,
    ) -> Result<(), DecodeError> {
        let mut handle = match self.handle.take() {
            Some(handle) => handle,
            None => Decompressor::new().map_err(explain)?,
        };
        decode(&mut handle, bytes, scratch, into)?;
        self.handle = Some(handle);
        Ok(())
    }
}

fn decode(
    handle: &mut Decompressor,
    bytes: &[u8],
    scratch: &mut Vec<u8>,
    into: &mut Image,
) -> Result<(), DecodeError> {
    let header = handle.read_header(bytes).map_err(explain)?;
    let size = Size { width: header.width, height: header.height };
    make_room(bytes, size, into)?;
    let mut read = |pixels: &mut [u8], format: PixelFormat| {
        let (width, height) = (size.width, size.height);
        let pitch = width * format.size();
        let image = turbojpeg::Image { pixels, width, pitch, height, format };
        handle.decompress(bytes, image).map_err(explain)
    };
    if !matches!(header.colorspace, Colorspace::CMYK | Colorspace::YCCK) {
        return read(&mut into.pixels, PixelFormat::RGB);
    }
    scratch.resize(4 * size.pixels(), 0);
    read(scratch, PixelFormat::CMYK)?;
    for (cmyk, rgb) in scratch.chunks_exact(4).zip(into.pixels.chunks_exact_mut(3)) {
        let black = u16::from(cmyk[3]);
        for (ink, level) in cmyk.iter().zip(rgb) {
            *level = mixed(u16::from(*ink), black);
        }
    }
    Ok(())
}

/// One channel of RGB from the inverted CMYK that files hold. Source: `icvCvt_CMYK2BGR_8u_C4C3R` in
/// OpenCV's `modules/imgcodecs/src/utils.cpp`.
fn mixed(ink: u16, black: u16) -> u8 {
    (black - (((255 - ink) * black) >> 8)) as u8
}

fn explain(error: Error) -> DecodeError {
    match error {
        // `JERR_INPUT_EOF` and `JWRN_JPEG_EOF`, of which the text is all that comes through.
        Error::TurboJpegError(reason) if reason.starts_with("Premature end of") => {
            DecodeError::Truncated(Format::Jpeg)
        }
        Error::TurboJpegError(reason) => DecodeError::broken(Format::Jpeg, reason),
        other => DecodeError::broken(Format::Jpeg, other),
    }
}
