//! PNG of any colour type through the `png` crate, brought to 8 bit RGB.

use super::{
    Image, Size,
    decode::{self, DecodeError, Format},
    exif::Orientation,
};
use png::{ColorType, Decoder, DecodingError, Limits, Transformations};
use std::io::Cursor;

/// Most bytes the decoder may hold beside the pixels: rows and metadata.
const MAX_OVERHEAD: usize = 64 << 20;

/// Decodes `bytes` into `into` as stored and returns how it has to be turned; `scratch` receives
/// the pixels where they are not RGB.
pub(super) fn decode(
    bytes: &[u8],
    scratch: &mut Vec<u8>,
    into: &mut Image,
) -> Result<Orientation, DecodeError> {
    let mut decoder = Decoder::new_with_limits(Cursor::new(bytes), Limits { bytes: MAX_OVERHEAD });
    decoder.set_transformations(Transformations::EXPAND | Transformations::STRIP_16);
    let mut reader = decoder.read_info().map_err(explain)?;
    let info = reader.info();
    let size = Size { width: info.width as usize, height: info.height as usize };
    let orientation = info.exif_metadata.as_ref().and_then(|exif| Orientation::read(exif));
    decode::resize(into, size)?;
    match reader.output_color_type().0 {
        ColorType::Rgb => {
            reader.next_frame(&mut into.pixels).map_err(explain)?;
        }
        other => {
            scratch.resize(size.pixels() * other.samples(), 0);
            reader.next_frame(scratch).map_err(explain)?;
            spread(other, scratch, &mut into.pixels)?;
        }
    }
    Ok(orientation.unwrap_or(Orientation::UPRIGHT))
}

/// Copies pixels of one, two or four channels to three, leaving transparency out.
fn spread(colour: ColorType, from: &[u8], rgb: &mut [u8]) -> Result<(), DecodeError> {
    let channels = colour.samples();
    let pixels = from.chunks_exact(channels).zip(rgb.chunks_exact_mut(3));
    match colour {
        ColorType::Grayscale | ColorType::GrayscaleAlpha => pixels.for_each(|(p, q)| q.fill(p[0])),
        ColorType::Rgba => pixels.for_each(|(p, q)| q.copy_from_slice(&p[..3])),
        other => return Err(DecodeError::broken(Format::Png, format!("colour type {other:?}"))),
    }
    Ok(())
}

fn explain(error: DecodingError) -> DecodeError {
    match error {
        DecodingError::IoError(_) => DecodeError::Truncated(Format::Png),
        other => DecodeError::broken(Format::Png, other),
    }
}
