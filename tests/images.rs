//! Decoding and resizing against OpenCV (`tests/golden`, written by `scripts/golden/images.py`) and
//! against hostile input.

#![expect(clippy::unwrap_used, reason = "a test stops where it finds what it does not expect")]

mod golden_files;

use golden_files::{Noise, golden, read, size};
use proptest::prelude::*;
use serde::Deserialize;
use std::fs;
use trtbench::{
    cpu::{Cpu, Instructions},
    image::{
        ChannelOrder, DecodeError, Decoder, Fit, Image, Interpolation, JpegLibrary, Normalise,
        Preprocessor, Size,
    },
};

mod resizing {
    use super::*;

    #[derive(Debug, Deserialize)]
    struct Case {
        mode: String,
        source: [usize; 2],
        target: [usize; 2],
        seed: u32,
        stored_at: Option<usize>,
        digest: Option<String>,
    }

    /// The input's levels, interleaved as OpenCV has them.
    fn resized(case: &Case, instructions: Instructions) -> Vec<u8> {
        let cpu = Cpu::single(instructions);
        let (fit, interpolation) = match case.mode.as_str() {
            "letterbox" => (Fit::Letterbox { pad: 114 }, Interpolation::Linear),
            "linear" => (Fit::Stretch, Interpolation::Linear),
            _ => (Fit::Stretch, Interpolation::Cubic),
        };
        let image = Noise(case.seed).image(case.source[0], case.source[1]);
        let levels = Normalise::levels(ChannelOrder::Rgb);
        let mut planes = vec![f32::NAN; 3 * size(case.target).pixels()];
        Preprocessor::new(size(case.target), fit, interpolation, levels).apply(
            &[image],
            &cpu,
            &mut planes,
        );
        let plane = planes.len() / 3;
        (0..planes.len()).map(|i| planes[i % 3 * plane + i / 3] as u8).collect()
    }

    /// 64 bit FNV-1a.
    fn digest(bytes: &[u8]) -> String {
        let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, &byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        format!("{hash:016x}")
    }

    #[test]
    fn resizing_equals_opencv() {
        let stored = fs::read(golden("resize.bin")).unwrap();
        for case in read::<Case>("resize.json") {
            for instructions in Instructions::available() {
                let result = resized(&case, instructions);
                if let Some(start) = case.stored_at {
                    let expected = &stored[start..start + result.len()];
                    assert_eq!(&result, expected, "{instructions:?} {case:?}");
                }
                if let Some(expected) = &case.digest {
                    assert_eq!(&digest(&result), expected, "{instructions:?} {case:?}");
                }
            }
        }
    }

    #[test]
    fn a_preprocessor_that_has_seen_other_sizes_gives_the_same_result() {
        let target = Size { width: 40, height: 40 };
        let unit = Normalise::unit(ChannelOrder::Bgr);
        let fit = Fit::Letterbox { pad: 114 };
        let fresh = || Preprocessor::new(target, fit, Interpolation::Linear, unit.clone());
        let mut used = fresh();
        let cpu = Cpu::single(Instructions::best());
        let (mut left, mut right) = (vec![0.0; used.floats()], vec![1.0; used.floats()]);
        for n in 0..300 {
            let image = [Noise(n).image(1 + 7 * n as usize % 90, 1 + 11 * n as usize % 80)];
            used.apply(&image, &cpu, &mut left);
            fresh().apply(&image, &cpu, &mut right);
            assert_eq!(left, right);
        }
    }

    proptest! {
        #[test]
        fn stretching_to_its_own_size_changes_nothing(
            width in 1..40_usize,
            height in 1..40_usize,
            seed: u32,
            cubic: bool,
        ) {
            let mode = if cubic { "cubic" } else { "linear" }.to_owned();
            let (source, target) = ([width, height], [width, height]);
            let case = Case { mode, source, target, seed, stored_at: None, digest: None };
            prop_assert_eq!(resized(&case, Instructions::best()), Noise(seed).image(width, height).pixels);
        }

        #[test]
        fn a_placement_maps_corners_there_and_back(
            width in 1..5000_usize,
            height in 1..5000_usize,
            letterbox: bool,
        ) {
            let fit = if letterbox { Fit::Letterbox { pad: 0 } } else { Fit::Stretch };
            let placement = fit.place(size([width, height]), size([640, 480]));
            let corners = [0.0, 0.0, width as f32, height as f32];
            let inside = placement.to_input(corners);
            let (left, top) = (placement.left as f32, placement.top as f32);
            let right = left + placement.inner.width as f32;
            let bottom = top + placement.inner.height as f32;
            for (found, expected) in inside.into_iter().zip([left, top, right, bottom]) {
                prop_assert!((found - expected).abs() <= 1e-3, "{found} is not {expected}");
            }
            prop_assert!(right <= 640.0 && bottom <= 480.0);
            for (there, back) in corners.into_iter().zip(placement.to_image(inside)) {
                prop_assert!((there - back).abs() <= 0.01, "{back} is not {there}");
            }
        }
    }
}

mod decoding {
    use super::*;

    const FILES: [&str; 26] = [
        "baseline.jpg",
        "half.jpg",
        "full.jpg",
        "restarts.jpg",
        "progressive.jpg",
        "grey.jpg",
        "rgb.jpg",
        "upside_down.jpg",
        "sideways.jpg",
        "cmyk.jpg",
        "ycck.jpg",
        "rgb.png",
        "rgba.png",
        "grey.png",
        "grey_alpha.png",
        "bilevel.png",
        "palette.png",
        "sideways.png",
        "deep.png",
        "one.png",
        "one.jpg",
        "tall.png",
        "tall.jpg",
        "wide.png",
        "wide.jpg",
        STEEP,
    ];

    /// Steep colours in four columns, which zune interpolates and libjpeg-turbo does not.
    const STEEP: &str = "steep.jpg";

    fn file(name: &str) -> Vec<u8> {
        fs::read(golden("files").join(name)).unwrap()
    }

    /// A decoder for each JPEG library that is built.
    fn decoders() -> impl Iterator<Item = (JpegLibrary, Decoder)> {
        JpegLibrary::ALL
            .into_iter()
            .filter_map(|library| Some((library, Decoder::with(library).ok()?)))
    }

    fn decode_with(decoder: &mut Decoder, bytes: &[u8]) -> Result<Image, DecodeError> {
        let mut image = Image::default();
        decoder.decode(bytes, &mut image).map(|()| image)
    }

    fn decode(bytes: &[u8]) -> Result<Image, DecodeError> {
        decode_with(&mut Decoder::new(), bytes)
    }

    /// By how many levels that library's image of this file may differ from OpenCV's.
    fn tolerance(library: JpegLibrary, name: &str) -> u8 {
        match library {
            JpegLibrary::Zune if name == STEEP => u8::MAX,
            JpegLibrary::Zune if name.ends_with(".jpg") => 4,
            _ => 0,
        }
    }

    #[test]
    fn files_of_every_kind_decode_as_opencv_decodes_them() {
        for (library, mut decoder) in decoders() {
            let mut image = Image::default();
            for name in FILES {
                decoder.decode(&file(name), &mut image).unwrap();
                let expected = decode(&file(&format!("{name}.expected.png"))).unwrap();
                assert_eq!(image.size(), expected.size(), "{name}");
                let differences =
                    image.pixels.iter().zip(&expected.pixels).map(|(a, b)| a.abs_diff(*b));
                let worst = differences.max().unwrap();
                let most = tolerance(library, name);
                assert!(worst <= most, "{name} by {library} differs by {worst} levels");
            }
        }
    }

    #[test]
    fn only_the_library_that_opencv_has_too_gives_its_steep_colours_in_four_columns() {
        let expected = decode(&file(&format!("{STEEP}.expected.png"))).unwrap();
        for (library, mut decoder) in decoders() {
            let image = decode_with(&mut decoder, &file(STEEP)).unwrap();
            assert_eq!(image == expected, library == JpegLibrary::Turbojpeg, "{library}");
        }
    }

    #[test]
    fn a_library_is_there_or_named_with_the_way_to_have_it() {
        assert!(Decoder::with(JpegLibrary::Zune).is_ok());
        let turbojpeg = Decoder::with(JpegLibrary::Turbojpeg);
        assert_eq!(turbojpeg.is_ok(), cfg!(feature = "turbojpeg"));
        if let Err(missing) = turbojpeg {
            let text = missing.to_string();
            for part in ["without turbojpeg", "--features turbojpeg", "decoder = \"zune\""] {
                assert!(text.contains(part), "{text}");
            }
        }
    }

    #[test]
    fn a_file_cut_anywhere_is_an_error() {
        for (library, mut decoder) in decoders() {
            for name in FILES {
                let whole = file(name);
                // A PNG is whole once its pixels are; what follows is a checksum and the end chunk.
                let needed = if name.ends_with(".png") { whole.len() - 20 } else { whole.len() };
                for length in 0..needed {
                    let cut = decode_with(&mut decoder, &whole[..length]);
                    assert!(cut.is_err(), "{name} cut to {length} bytes, by {library}");
                }
            }
        }
    }

    #[test]
    fn a_failed_decode_leaves_no_pixels() {
        let mut image = decode(&file("rgb.png")).unwrap();
        assert!(Decoder::new().decode(b"no image", &mut image).is_err());
        assert_eq!(image, Image::default());
    }

    #[test]
    fn a_file_after_a_broken_one_decodes_as_if_it_were_the_first() {
        let whole = file("baseline.jpg");
        for (library, decoder) in decoders() {
            let expected = decode_with(&mut decoder.clone(), &whole).unwrap();
            let mut used = decoder;
            for length in 0..whole.len() {
                assert!(decode_with(&mut used, &whole[..length]).is_err());
                assert_eq!(decode_with(&mut used, &whole).unwrap(), expected, "{library}");
            }
            assert!(decode_with(&mut used, &file("cmyk.jpg")).is_ok());
            assert_eq!(decode_with(&mut used.clone(), &whole).unwrap(), expected, "{library}");
        }
    }

    #[cfg(feature = "turbojpeg")]
    #[test]
    fn damage_that_libjpeg_turbo_only_warns_of_is_an_error() {
        let mut decoder = Decoder::with(JpegLibrary::Turbojpeg).unwrap();
        let mut bytes = file("baseline.jpg");
        let scan = bytes.windows(2).position(|pair| pair == [0xff, 0xda]).unwrap();
        // An end of the image in its middle.
        let middle = (scan + bytes.len()) / 2;
        bytes[middle..middle + 2].copy_from_slice(&[0xff, 0xd9]);
        let error = decode_with(&mut decoder, &bytes).unwrap_err().to_string();
        assert!(error.contains("Corrupt JPEG data"), "{error}");
    }

    #[test]
    fn an_unknown_format_is_answered_with_the_known_ones() {
        let error = decode(b"GIF89a").unwrap_err().to_string();
        assert!(error.contains("47 49 46 38 39 61") && error.contains("JPEG and PNG"), "{error}");
    }

    #[test]
    fn a_header_that_claims_too_much_is_refused_before_allocating() {
        let mut jpeg = file("baseline.jpg");
        let frame = jpeg.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
        jpeg[frame + 5..frame + 9].copy_from_slice(&[0xea, 0x60, 0xea, 0x60]);
        for (library, mut decoder) in decoders() {
            let refused = decode_with(&mut decoder, &jpeg);
            assert!(matches!(refused, Err(DecodeError::TooLarge(_))), "{library}");
        }
        let mut header = Vec::new();
        drop(png::Encoder::new(&mut header, 60_000, 60_000).write_header().unwrap());
        // The end chunk makes room for one of pixels.
        header.truncate(header.len() - 12);
        header.extend(b"\0\0\0\0IDAT\x35\xaf\x06\x1e");
        assert!(matches!(decode(&header), Err(DecodeError::TooLarge(_))));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn a_mutated_file_never_panics(
            name in prop::sample::select(&FILES[..]),
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
            cut in prop::option::weighted(0.1, any::<prop::sample::Index>()),
        ) {
            let mut bytes = file(name);
            for (at, byte) in changes {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            if let Some(cut) = cut {
                bytes.truncate(cut.index(bytes.len()));
            }
            for (_, mut decoder) in decoders() {
                if let Ok(image) = decode_with(&mut decoder, &bytes) {
                    prop_assert_eq!(image.pixels.len(), 3 * image.size().pixels());
                }
            }
        }
    }
}
