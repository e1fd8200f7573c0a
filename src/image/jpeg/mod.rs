//! JPEG through one of two libraries. What they share is here: the walk over the segments, the
//! check that an image ends, and which way up it is.

#[cfg(feature = "turbojpeg")]
mod turbo;
mod zune;

use super::{
    Image, Size,
    decode::{self, DecodeError, Format},
    exif::Orientation,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

const START_OF_IMAGE: usize = 2;
const START_OF_SCAN: u8 = 0xda;
const END_OF_IMAGE: [u8; 2] = [0xff, 0xd9];
const APPLICATION_1: u8 = 0xe1;
/// What an application segment with EXIF data begins with.
const EXIF: &[u8] = b"Exif\0\0";

/// Environment variables by which libjpeg-turbo takes other instructions or less memory.
pub const ENVIRONMENT: [&str; 7] = [
    "JPEGMEM",
    "JSIMD_FASTLD3",
    "JSIMD_FASTST3",
    "JSIMD_FORCEAVX2",
    "JSIMD_FORCENEON",
    "JSIMD_FORCENONE",
    "JSIMD_FORCESSE2",
];

/// Libraries that decode JPEG.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum JpegLibrary {
    /// `zune-jpeg`, in Rust; in every build. Levels mostly differ from OpenCV's by a few.
    #[default]
    Zune,
    /// libjpeg-turbo, which OpenCV has too: equal levels. Only in builds with the feature
    /// `turbojpeg`.
    Turbojpeg,
}

/// A library that this build lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "this trtbench was built without {0}; build it with `cargo build --release --features {0}` \
     (needs cmake, make and nasm), or use decoder = \"{default}\"",
    default = JpegLibrary::default()
)]
pub struct NotBuilt(pub JpegLibrary);

impl JpegLibrary {
    /// All, built or not.
    pub const ALL: [Self; 2] = [Self::Zune, Self::Turbojpeg];

    /// Name in scenarios and results.
    pub fn name(self) -> &'static str {
        match self {
            Self::Zune => "zune",
            Self::Turbojpeg => "turbojpeg",
        }
    }
}

impl fmt::Display for JpegLibrary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A library with what it keeps from image to image.
#[derive(Clone)]
pub(super) enum Codec {
    Zune,
    #[cfg(feature = "turbojpeg")]
    Turbojpeg(turbo::Turbo),
}

impl Codec {
    /// That of `library`.
    ///
    /// # Errors
    /// [`NotBuilt`] if this build lacks it.
    pub(super) fn new(library: JpegLibrary) -> Result<Self, NotBuilt> {
        match library {
            JpegLibrary::Zune => Ok(Self::Zune),
            #[cfg(feature = "turbojpeg")]
            JpegLibrary::Turbojpeg => Ok(Self::Turbojpeg(turbo::Turbo::default())),
            #[cfg(not(feature = "turbojpeg"))]
            JpegLibrary::Turbojpeg => Err(NotBuilt(library)),
        }
    }

    /// Decodes `bytes` into `into` as stored and returns how it has to be turned; `scratch`
    /// receives pixels that are not RGB.
    #[cfg_attr(
        not(feature = "turbojpeg"),
        expect(unused_variables, clippy::ptr_arg, reason = "zune gives RGB")
    )]
    pub(super) fn decode(
        &mut self,
        bytes: &[u8],
        scratch: &mut Vec<u8>,
        into: &mut Image,
    ) -> Result<Orientation, DecodeError> {
        match self {
            Self::Zune => zune::decode(bytes, into)?,
            #[cfg(feature = "turbojpeg")]
            Self::Turbojpeg(turbo) => turbo.decode(bytes, scratch, into)?,
        }
        Ok(orientation(bytes))
    }
}

/// Makes room in `into` for an image whose header claims `size`.
///
/// # Errors
/// When the image does not end, or is larger than accepted.
fn make_room(bytes: &[u8], size: Size, into: &mut Image) -> Result<(), DecodeError> {
    if !is_complete(bytes) {
        return Err(DecodeError::Truncated(Format::Jpeg));
    }
    decode::resize(into, size)
}

/// Whether an end marker follows the first scan's header. Neither library looks for it where it has
/// all rows, or makes up the missing ones; and an end marker before the scan would be that of an
/// embedded thumbnail.
fn is_complete(bytes: &[u8]) -> bool {
    segments(bytes)
        .find(|segment| segment.marker == START_OF_SCAN)
        .and_then(|scan| bytes.get(scan.end..))
        .is_some_and(|data| data.windows(2).rev().any(|pair| pair == END_OF_IMAGE))
}

/// What the first EXIF segment says that says anything, as in OpenCV.
fn orientation(bytes: &[u8]) -> Orientation {
    segments(bytes)
        .filter(|segment| segment.marker == APPLICATION_1)
        .filter_map(|segment| segment.contents.strip_prefix(EXIF))
        .find_map(Orientation::read)
        .unwrap_or(Orientation::UPRIGHT)
}

/// A marker with what belongs to it.
struct Segment<'a> {
    marker: u8,
    contents: &'a [u8],
    /// Where in the file the next one begins.
    end: usize,
}

/// The segments up to the first scan's header, skipped from one to the next by their lengths.
fn segments(bytes: &[u8]) -> impl Iterator<Item = Segment<'_>> {
    let mut at = Some(START_OF_IMAGE);
    std::iter::from_fn(move || {
        let segment = next_segment(bytes, at?);
        at = segment.as_ref().filter(|found| found.marker != START_OF_SCAN).map(|found| found.end);
        segment
    })
}

/// The first segment from `start` on; what lies before its marker is skipped.
fn next_segment(bytes: &[u8], start: usize) -> Option<Segment<'_>> {
    let mut at = start;
    loop {
        match *bytes.get(at..at + 2)? {
            [0xff, 0 | 0xff] => at += 1,
            // Markers that stand alone.
            [0xff, 0x01 | 0xd0..=0xd9] => at += 2,
            [0xff, marker] => {
                let length = bytes.get(at + 2..at + 4)?;
                let end = at + 2 + usize::from(u16::from_be_bytes([length[0], length[1]]));
                let contents = bytes.get(at + 4..end)?;
                return Some(Segment { marker, contents, end });
            }
            _ => at += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(marker: u8, contents: &[u8]) -> Vec<u8> {
        let length = (contents.len() as u16 + 2).to_be_bytes();
        [&[0xff, marker], length.as_slice(), contents].concat()
    }

    fn exif(orientation: u8) -> Vec<u8> {
        let tiff = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0";
        segment(APPLICATION_1, &[EXIF, tiff, &[orientation, 0, 0, 0]].concat())
    }

    /// A file of these segments, a scan and its end.
    fn file(parts: &[Vec<u8>]) -> Vec<u8> {
        let scan = segment(START_OF_SCAN, &[0; 4]);
        [&[0xff, 0xd8], parts.concat().as_slice(), &scan, &[1, 2, 3], &END_OF_IMAGE].concat()
    }

    #[test]
    fn the_first_readable_exif_segment_counts() {
        let read = |parts: &[Vec<u8>]| orientation(&file(parts));
        let other = || segment(APPLICATION_1, b"http://ns.adobe.com/xap/1.0/\0<x>");
        let broken = || segment(APPLICATION_1, &[EXIF, b"zz"].concat());
        let turned = |bytes: &[u8]| Orientation::read(&bytes[10..]).unwrap();
        assert_eq!(read(&[]), Orientation::UPRIGHT);
        assert_eq!(read(&[other(), exif(6)]), turned(&exif(6)));
        assert_eq!(read(&[broken(), exif(6), exif(3)]), turned(&exif(6)));
    }

    #[test]
    fn an_end_marker_counts_only_after_the_first_scans_header() {
        let thumbnail = segment(APPLICATION_1, &END_OF_IMAGE);
        let whole = file(&[thumbnail]);
        assert!(is_complete(&whole));
        assert!((0..whole.len()).all(|length| !is_complete(&whole[..length])));
    }

    #[test]
    fn a_length_below_that_of_its_own_field_ends_the_walk() {
        assert_eq!(segments(&[0xff, 0xd8, 0xff, 0xe0, 0, 1, 0xff, 0xda, 0, 2]).count(), 0);
    }
}
