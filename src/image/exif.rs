//! The one EXIF field that changes pixels: which way up the image is. Source: Exif 2.32 (CIPA
//! DC-008), tag 0x0112, in a TIFF 6.0 directory.

use super::Image;

const TAG_ORIENTATION: u16 = 0x0112;

/// How the stored image has to be turned to be upright; 1 to 8 as in EXIF.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Orientation(u16);

impl Orientation {
    /// The image is stored upright.
    pub(super) const UPRIGHT: Self = Self(1);

    /// From an EXIF block beginning with its TIFF header; none where it does not say. What cannot
    /// be read is no reason to refuse an image, as in OpenCV.
    pub(super) fn read(exif: &[u8]) -> Option<Self> {
        orientation_tag(exif).filter(|value| (1..=8).contains(value)).map(Self)
    }

    /// Turns `image` upright; `scratch` receives the old pixels.
    pub(super) fn turn(self, image: &mut Image, scratch: &mut Vec<u8>) {
        let (width, height) = (image.width, image.height);
        let sideways = self.0 >= 5;
        let mirror_x = matches!(self.0, 2 | 3 | 7 | 8);
        let mirror_y = matches!(self.0, 3 | 4 | 6 | 7);
        std::mem::swap(&mut image.pixels, scratch);
        if sideways {
            (image.width, image.height) = (height, width);
        }
        image.pixels.clear();
        for y in 0..image.height {
            for x in 0..image.width {
                let (u, v) = if sideways { (y, x) } else { (x, y) };
                let u = if mirror_x { width - 1 - u } else { u };
                let v = if mirror_y { height - 1 - v } else { v };
                image.pixels.extend_from_slice(&scratch[3 * (v * width + u)..][..3]);
            }
        }
    }
}

/// The value of the orientation tag in the first directory.
fn orientation_tag(exif: &[u8]) -> Option<u16> {
    let order = match exif.get(..4)? {
        b"II*\0" => u16::from_le_bytes,
        b"MM\0*" => u16::from_be_bytes,
        _ => return None,
    };
    let short = |at: usize| Some(order(exif.get(at..at.checked_add(2)?)?.try_into().ok()?));
    let (first, second) = (short(4)?, short(6)?);
    let little = exif.starts_with(b"II");
    let (low, high) = if little { (first, second) } else { (second, first) };
    let directory = usize::from(low) | usize::from(high) << 16;
    (0..usize::from(short(directory)?))
        .map(|entry| directory + 2 + 12 * entry)
        .find(|&at| short(at) == Some(TAG_ORIENTATION))
        .and_then(|at| short(at + 8))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A 3 × 2 image whose pixels are numbered row by row.
    fn numbered() -> Image {
        Image { width: 3, height: 2, pixels: (0..6).flat_map(|n| [n, n, n]).collect() }
    }

    fn turned(orientation: u16) -> (usize, Vec<u8>) {
        let mut image = numbered();
        Orientation(orientation).turn(&mut image, &mut Vec::new());
        (image.width, image.pixels.iter().step_by(3).copied().collect())
    }

    #[test]
    fn each_orientation_is_turned_upright() {
        assert_eq!(turned(2), (3, vec![2, 1, 0, 5, 4, 3]));
        assert_eq!(turned(3), (3, vec![5, 4, 3, 2, 1, 0]));
        assert_eq!(turned(4), (3, vec![3, 4, 5, 0, 1, 2]));
        assert_eq!(turned(5), (2, vec![0, 3, 1, 4, 2, 5]));
        assert_eq!(turned(6), (2, vec![3, 0, 4, 1, 5, 2]));
        assert_eq!(turned(7), (2, vec![5, 2, 4, 1, 3, 0]));
        assert_eq!(turned(8), (2, vec![2, 5, 1, 4, 0, 3]));
    }

    #[test]
    fn the_tag_is_read_in_both_byte_orders() {
        let little = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0";
        let big = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0";
        assert_eq!([Orientation::read(little), Orientation::read(big)], [Some(Orientation(6)); 2]);
    }

    #[test]
    fn an_unreadable_block_says_nothing() {
        for exif in
            [&b""[..], b"II*\0", b"II*\0\xff\xff\xff\xff", b"MM\0*\0\0\0\x08\xff\xff\x01\x12"]
        {
            assert_eq!(Orientation::read(exif), None);
        }
    }
}
