//! JPEG through `zune-jpeg`, plus the one check it leaves out: that the image ends. Its pixels
//! differ from libjpeg-turbo's by up to four levels, as both round their transforms differently;
//! by more at steep colours of images of at most four pixels' width, where libjpeg-turbo repeats
//! subsampled chroma instead of interpolating it.

use super::{
    Image, Size,
    decode::{self, DecodeError, Format},
    exif::Orientation,
};
use zune_core::{bytestream::ZCursor, colorspace::ColorSpace, options::DecoderOptions};
use zune_jpeg::{JpegDecoder, errors::DecodeErrors};

const START_OF_IMAGE: usize = 2;
const START_OF_SCAN: u8 = 0xda;
const END_OF_IMAGE: [u8; 2] = [0xff, 0xd9];
/// The format stores both lengths in 16 bits.
const MAX_LENGTH: usize = 0xffff;

/// Decodes `bytes` into `into` as stored and returns how it has to be turned.
pub(super) fn decode(bytes: &[u8], into: &mut Image) -> Result<Orientation, DecodeError> {
    let options = DecoderOptions::new_fast()
        .set_strict_mode(true)
        .set_max_width(MAX_LENGTH)
        .set_max_height(MAX_LENGTH)
        .jpeg_set_out_colorspace(ColorSpace::RGB);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(explain)?;
    let (width, height) = decoder.dimensions().unwrap_or_default();
    if !is_complete(bytes) {
        return Err(DecodeError::Truncated(Format::Jpeg));
    }
    decode::resize(into, Size { width, height })?;
    decoder.decode_into(&mut into.pixels).map_err(explain)?;
    Ok(decoder.exif().map_or(Orientation::UPRIGHT, |exif| Orientation::read(exif)))
}

fn explain(error: DecodeErrors) -> DecodeError {
    match error {
        DecodeErrors::ExhaustedData | DecodeErrors::IoErrors(_) => {
            DecodeError::Truncated(Format::Jpeg)
        }
        other => DecodeError::broken(Format::Jpeg, other),
    }
}

/// Whether an end marker follows the first scan's header. `zune-jpeg` looks for the end of the
/// data only between rows of blocks and would make up the rest of the last one; and an end marker
/// before the scan would be that of an embedded thumbnail.
fn is_complete(bytes: &[u8]) -> bool {
    scan_start(bytes)
        .and_then(|start| bytes.get(start..))
        .is_some_and(|scan| scan.windows(2).rev().any(|pair| pair == END_OF_IMAGE))
}

/// Where the first scan's header begins: skips the segments before it by their lengths.
fn scan_start(bytes: &[u8]) -> Option<usize> {
    let mut at = START_OF_IMAGE;
    loop {
        match *bytes.get(at..at + 2)? {
            [0xff, START_OF_SCAN] => return Some(at),
            [0xff, fill] if fill == 0xff || fill == 0 => at += 1,
            [0xff, _] => {
                let length = bytes.get(at + 2..at + 4)?;
                at += 2 + usize::from(u16::from_be_bytes([length[0], length[1]]));
            }
            _ => at += 1,
        }
    }
}
