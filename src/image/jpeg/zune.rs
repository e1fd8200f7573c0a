//! JPEG through `zune-jpeg`. Its pixels differ from libjpeg-turbo's by up to four levels, as both
//! round their transforms differently; by more at steep colours of images of at most four pixels'
//! width, where libjpeg-turbo repeats subsampled chroma instead of interpolating it.

use super::make_room;
use crate::image::{
    Image, Size,
    decode::{DecodeError, Format},
};
use zune_core::{bytestream::ZCursor, colorspace::ColorSpace, options::DecoderOptions};
use zune_jpeg::{JpegDecoder, errors::DecodeErrors};

/// The format stores both lengths in 16 bits.
const MAX_LENGTH: usize = 0xffff;

/// Decodes `bytes` into `into` as stored.
pub(super) fn decode(bytes: &[u8], into: &mut Image) -> Result<(), DecodeError> {
    let options = DecoderOptions::new_fast()
        .set_strict_mode(true)
        .set_max_width(MAX_LENGTH)
        .set_max_height(MAX_LENGTH)
        .jpeg_set_out_colorspace(ColorSpace::RGB);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(explain)?;
    let (width, height) = decoder.dimensions().unwrap_or_default();
    make_room(bytes, Size { width, height }, into)?;
    decoder.decode_into(&mut into.pixels).map_err(explain)
}

fn explain(error: DecodeErrors) -> DecodeError {
    match error {
        DecodeErrors::ExhaustedData | DecodeErrors::IoErrors(_) => {
            DecodeError::Truncated(Format::Jpeg)
        }
        other => DecodeError::broken(Format::Jpeg, other),
    }
}
