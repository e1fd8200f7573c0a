//! A file, decoded by every JPEG library that is built, then pre-processed by every instruction set.
//! The first eight bytes choose the way, the rest is the file.
#![no_main]

use libfuzzer_sys::{Corpus, fuzz_target};
use trtbench::image::{Decoder, Image, JpegLibrary, MAX_PIXELS, Size};
use trtbench_fuzz::{Choices, Way};

/// Larger images take long and show nothing new.
const MOST_PIXELS: usize = 1 << 18;

fuzz_target!(|data: &[u8]| -> Corpus {
    let Some((choices, file)) = data.split_first_chunk::<8>() else { return Corpus::Reject };
    // Beyond the limit of the harness no pixel is decoded.
    if claims(file).any(|size| (MOST_PIXELS + 1..=MAX_PIXELS).contains(&size.pixels())) {
        return Corpus::Reject;
    }
    let mut choices = Choices(choices);
    let target = choices.size(97);
    let way = Way::choose(target, &mut choices);
    let mut sizes = Vec::new();
    for library in JpegLibrary::ALL {
        let Ok(mut decoder) = Decoder::with(library) else { continue };
        let mut image = Image::default();
        match decoder.decode(file, &mut image) {
            Ok(()) => {
                assert_eq!(image.pixels.len(), 3 * image.size().pixels(), "{library}");
                sizes.push(image.size());
                if image.size().pixels() <= MOST_PIXELS {
                    way.check(&[image]);
                }
            }
            Err(error) => {
                assert_eq!(image, Image::default(), "{library} leaves pixels: {error}");
                assert!(!error.to_string().is_empty());
            }
        }
    }
    assert!(sizes.windows(2).all(|pair| pair[0] == pair[1]), "libraries differ: {sizes:?}");
    Corpus::Keep
});

/// The sizes that a header in `file` may claim: of a PNG, and after whatever looks like the marker
/// of a JPEG's frame.
fn claims(file: &[u8]) -> impl Iterator<Item = Size> {
    let number = |bytes: &[u8]| bytes.iter().fold(0, |all, &byte| all << 8 | usize::from(byte));
    let png = file.get(16..24).filter(|_| file.starts_with(b"\x89PNG"));
    let png = png.map(|bytes| Size { width: number(&bytes[..4]), height: number(&bytes[4..]) });
    let frames = file.windows(9).filter(|bytes| bytes[0] == 0xff && bytes[1] & 0xf0 == 0xc0);
    let jpeg =
        frames.map(move |bytes| Size { width: number(&bytes[7..9]), height: number(&bytes[5..7]) });
    png.into_iter().chain(jpeg.filter(|_| file.starts_with(b"\xff\xd8")))
}
