//! Images and families against fixed references (`tests/golden`, written by
//! `scripts/golden/make_golden.py` with OpenCV and numpy) and against hostile input.

#![expect(clippy::unwrap_used, reason = "a test stops where it finds what it does not expect")]

use proptest::prelude::*;
use serde::Deserialize;
use std::{fs, path::PathBuf};
use trtbench::{
    family::{self, Adapter, Detection, FamilyOptions},
    image::{
        ChannelOrder, DecodeError, Decoder, Fit, Image, Interpolation, Normalise, Preprocessor,
        Size,
    },
    tensor::{DType, Dim, ModelIo, Shape, Tensor, TensorInfo},
};

const STRIDES: [usize; 4] = [8, 16, 32, 64];

/// The generator that the golden script draws inputs from.
struct Noise(u32);

impl Noise {
    fn draw(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        self.0
    }

    fn image(&mut self, width: usize, height: usize) -> Image {
        let pixels = (0..3 * width * height).map(|_| (self.draw() >> 24) as u8).collect();
        Image { width, height, pixels }
    }

    fn units(&mut self, count: usize) -> Vec<f32> {
        (0..count).map(|_| (self.draw() >> 8) as f32 / (1 << 24) as f32).collect()
    }
}

fn golden(name: &str) -> PathBuf {
    // The crate's root, wherever this file is built from.
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden")).join(name)
}

fn read<T: serde::de::DeserializeOwned>(name: &str) -> Vec<T> {
    serde_json::from_slice(&fs::read(golden(name)).unwrap()).unwrap()
}

fn size([width, height]: [usize; 2]) -> Size {
    Size { width, height }
}

fn fixed(name: &str, dims: &[usize]) -> TensorInfo {
    let dims = Some(dims.iter().map(|&n| Dim::Fixed(n)).collect());
    TensorInfo { name: name.into(), dtype: DType::F32, dims }
}

fn tensor(dims: &[usize], values: Vec<f32>) -> Tensor {
    let mut tensor = Tensor::zeros("", Shape::new(dims).unwrap());
    tensor.floats_mut().unwrap().copy_from_slice(&values);
    tensor
}

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
    fn resized(case: &Case) -> Vec<u8> {
        let (fit, interpolation) = match case.mode.as_str() {
            "letterbox" => (Fit::Letterbox { pad: 114 }, Interpolation::Linear),
            "linear" => (Fit::Stretch, Interpolation::Linear),
            _ => (Fit::Stretch, Interpolation::Cubic),
        };
        let image = Noise(case.seed).image(case.source[0], case.source[1]);
        let levels = Normalise::levels(ChannelOrder::Rgb);
        let mut planes = vec![f32::NAN; 3 * size(case.target).pixels()];
        Preprocessor::new(size(case.target), fit, interpolation, levels).apply(&image, &mut planes);
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
            let result = resized(&case);
            // Bit for bit where linear; bicubic within one level.
            let tolerance = u8::from(case.mode == "cubic");
            if let Some(start) = case.stored_at {
                let expected = &stored[start..start + result.len()];
                let close = result.iter().zip(expected).all(|(a, b)| a.abs_diff(*b) <= tolerance);
                assert!(close, "{case:?}");
            }
            if let Some(expected) = &case.digest {
                assert_eq!(&digest(&result), expected, "{case:?}");
            }
        }
    }

    #[test]
    fn a_preprocessor_that_has_seen_other_sizes_gives_the_same_result() {
        let target = Size { width: 40, height: 40 };
        let unit = Normalise::unit(ChannelOrder::Bgr);
        let fit = Fit::Letterbox { pad: 114 };
        let fresh = || Preprocessor::new(target, fit, Interpolation::Linear, unit);
        let mut used = fresh();
        let (mut left, mut right) = (vec![0.0; used.floats()], vec![1.0; used.floats()]);
        for n in 0..300 {
            let image = Noise(n).image(1 + 7 * n as usize % 90, 1 + 11 * n as usize % 80);
            used.apply(&image, &mut left);
            fresh().apply(&image, &mut right);
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
            prop_assert_eq!(resized(&case), Noise(seed).image(width, height).pixels);
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
            let back = placement.to_image(placement.to_input(corners));
            for (there, back) in corners.into_iter().zip(back) {
                // Half an input pixel's precision would be the scale's inverse; this is far finer.
                prop_assert!((there - back).abs() <= 1e-3 * width.max(height) as f32, "{back}");
            }
        }
    }
}

mod decoding {
    use super::*;

    const FILES: [&str; 16] = [
        "baseline.jpg",
        "full.jpg",
        "restarts.jpg",
        "progressive.jpg",
        "grey.jpg",
        "upside_down.jpg",
        "sideways.jpg",
        "cmyk.jpg",
        "rgb.png",
        "rgba.png",
        "grey.png",
        "grey_alpha.png",
        "bilevel.png",
        "palette.png",
        "sideways.png",
        "deep.png",
    ];

    fn file(name: &str) -> Vec<u8> {
        fs::read(golden("files").join(name)).unwrap()
    }

    fn decode(bytes: &[u8]) -> Result<Image, DecodeError> {
        let mut image = Image::default();
        Decoder::new().decode(bytes, &mut image).map(|()| image)
    }

    #[test]
    fn files_of_every_kind_decode_as_opencv_decodes_them() {
        let (mut decoder, mut image) = (Decoder::new(), Image::default());
        for name in FILES {
            decoder.decode(&file(name), &mut image).unwrap();
            let expected = decode(&file(&format!("{name}.expected.png"))).unwrap();
            assert_eq!(image.size(), expected.size(), "{name}");
            let differences =
                image.pixels.iter().zip(&expected.pixels).map(|(a, b)| a.abs_diff(*b));
            let tolerance = if name.ends_with(".jpg") { 4 } else { 0 };
            let worst = differences.max().unwrap();
            assert!(worst <= tolerance, "{name} differs by {worst} levels");
        }
    }

    #[test]
    fn a_file_cut_anywhere_is_an_error() {
        for name in FILES {
            let whole = file(name);
            // A PNG is whole once its pixels are; what follows is a checksum and the end chunk.
            let needed = if name.ends_with(".png") { whole.len() - 20 } else { whole.len() };
            for length in 0..needed {
                assert!(decode(&whole[..length]).is_err(), "{name} cut to {length} bytes");
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
    fn an_unknown_format_is_answered_with_the_known_ones() {
        let error = decode(b"GIF89a").unwrap_err().to_string();
        assert!(error.contains("47 49 46 38 39 61") && error.contains("JPEG and PNG"), "{error}");
    }

    #[test]
    fn a_header_that_claims_too_much_is_refused_before_allocating() {
        let mut jpeg = file("baseline.jpg");
        let frame = jpeg.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
        jpeg[frame + 5..frame + 9].copy_from_slice(&[0xea, 0x60, 0xea, 0x60]);
        assert!(matches!(decode(&jpeg), Err(DecodeError::TooLarge(_))));
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
            if let Ok(image) = decode(&bytes) {
                prop_assert_eq!(image.pixels.len(), 3 * image.size().pixels());
            }
        }
    }
}

#[derive(Deserialize)]
struct DetectionCase {
    seed: u32,
    classes: usize,
    anchors: Option<usize>,
    input: Option<[usize; 2]>,
    image: [usize; 2],
    detections: Vec<Detection>,
}

fn assert_same(found: &[Detection], expected: &[Detection]) {
    assert_eq!(found.len(), expected.len());
    for (a, b) in found.iter().zip(expected) {
        assert_eq!((a.class, a.score), (b.class, b.score));
        for (a, b) in a.bounds.iter().zip(b.bounds) {
            assert!((a - b).abs() < 5e-3, "{a} is not {b}");
        }
    }
}

fn detect(adapter: &mut dyn Adapter, outputs: &Vec<Tensor>, sizes: &[Size]) -> Vec<Vec<Detection>> {
    let mut detections = Vec::new();
    adapter.postprocess(outputs, sizes, &mut detections).unwrap();
    detections
}

fn adapt(name: &str, io: &ModelIo, batch: usize) -> Result<Box<dyn Adapter>, String> {
    let family = family::named(name).unwrap();
    family.adapt(io, batch, &FamilyOptions::default()).map_err(|error| error.to_string())
}

fn yolov8_io(batch: usize, classes: usize, anchors: usize) -> ModelIo {
    ModelIo {
        inputs: vec![fixed("images", &[batch, 3, 640, 640])],
        outputs: vec![fixed("output0", &[batch, 4 + classes, anchors])],
    }
}

fn picodet_io(batch: usize, classes: usize, input: Size) -> ModelIo {
    let cells = STRIDES.map(|s| input.width.div_ceil(s) * input.height.div_ceil(s));
    let outputs = |each: usize| cells.map(|n| fixed("out", &[batch, n, each]));
    ModelIo {
        inputs: vec![fixed("image", &[batch, 3, input.height, input.width])],
        outputs: [outputs(classes), outputs(32)].concat(),
    }
}

/// Tensors of the declared shapes from a source of values.
fn outputs(io: &ModelIo, mut values: impl FnMut(usize) -> Vec<f32>) -> Vec<Tensor> {
    let shape = |info: &TensorInfo| (0..3).map(|axis| info.fixed(axis).unwrap()).collect();
    let make = |info: &TensorInfo| {
        let dims: Vec<usize> = shape(info);
        tensor(&dims, values(dims.iter().product()))
    };
    io.outputs.iter().map(make).collect()
}

mod yolov8 {
    use super::*;

    fn output(seed: u32, classes: usize, anchors: usize) -> Vec<f32> {
        let mut values = Noise(seed).units((4 + classes) * anchors);
        let (boxes, scores) = values.split_at_mut(4 * anchors);
        let (centres, sizes) = boxes.split_at_mut(2 * anchors);
        centres.iter_mut().for_each(|v| *v = (*v * 8.0).floor() * 80.0 + 40.0);
        sizes.iter_mut().for_each(|v| *v = 40.0 + (*v * 8.0).floor() * 8.0);
        scores.iter_mut().for_each(|v| *v = (*v * *v * *v * 64.0).floor() / 64.0);
        values
    }

    #[test]
    fn detections_equal_the_reference() {
        for case in read::<DetectionCase>("yolov8.json") {
            let anchors = case.anchors.unwrap();
            let mut adapter = adapt("yolov8", &yolov8_io(1, case.classes, anchors), 1).unwrap();
            let values = output(case.seed, case.classes, anchors);
            let outputs = vec![tensor(&[1, 4 + case.classes, anchors], values)];
            let found = detect(adapter.as_mut(), &outputs, &[size(case.image)]);
            assert_same(&found[0], &case.detections);
        }
    }

    #[test]
    fn images_of_a_batch_do_not_mix() {
        let mut adapter = adapt("yolov8", &yolov8_io(2, 3, 500), 2).unwrap();
        let (first, second) = (output(1, 3, 500), output(2, 3, 500));
        let sizes = [size([300, 200]), size([640, 640])];
        let both = vec![tensor(&[2, 7, 500], [first.clone(), second.clone()].concat())];
        let together = detect(adapter.as_mut(), &both, &sizes);
        let mut alone = adapt("yolov8", &yolov8_io(1, 3, 500), 1).unwrap();
        for ((values, &size), found) in [first, second].into_iter().zip(&sizes).zip(together) {
            let one = vec![tensor(&[1, 7, 500], values)];
            assert_eq!(detect(alone.as_mut(), &one, &[size]), [found]);
        }
    }

    #[test]
    fn inputs_hold_the_letterboxed_image_in_rgb() {
        let mut adapter = adapt("yolov8", &yolov8_io(1, 3, 500), 1).unwrap();
        let mut inputs = adapter.inputs();
        let pixels = [255, 0, 51].repeat(64 * 32);
        adapter.preprocess(&[Image { width: 64, height: 32, pixels }], &mut inputs);
        let values = inputs[0].floats_mut().unwrap();
        let at = |plane: usize, y: usize| values[plane * 640 * 640 + y * 640 + 320];
        assert_eq!([at(0, 320), at(1, 320), at(2, 320)], [1.0, 0.0, 0.2]);
        assert_eq!([at(0, 100), at(2, 639)], [114.0 / 255.0; 2]);
    }

    #[test]
    fn a_dynamic_model_takes_any_batch_at_640() {
        let dynamic = |name: &str| Dim::Dynamic(name.into());
        let info = |name: &str, dims: Vec<Dim>| TensorInfo {
            name: name.into(),
            dtype: DType::F32,
            dims: Some(dims),
        };
        let image = vec![dynamic("n"), Dim::Fixed(3), dynamic("h"), dynamic("w")];
        let io = ModelIo {
            inputs: vec![info("images", image)],
            outputs: vec![info("output0", vec![dynamic("n"), dynamic(""), dynamic("a")])],
        };
        let mut adapter = adapt("yolov8", &io, 3).unwrap();
        assert_eq!(adapter.inputs()[0].shape.dims(), [3, 3, 640, 640]);
        assert_eq!(adapter.class_names(), None);
        let outputs = vec![tensor(&[1, 84, 100], output(1, 80, 100))];
        detect(adapter.as_mut(), &outputs, &[size([10, 10])]);
        assert_eq!(adapter.class_names().unwrap()[79], "toothbrush");
    }

    #[test]
    fn what_does_not_fit_is_refused_with_the_reason() {
        let refused = |io: ModelIo, batch| adapt("yolov8", &io, batch).err().unwrap();
        assert!(refused(yolov8_io(1, 500, 80), 1).contains("look transposed"));
        assert!(refused(yolov8_io(1, 0, 80), 1).contains("none for classes"));
        assert!(refused(yolov8_io(1, 3, 80), 2).contains("fixed at 1, not 2"));
        assert!(refused(ModelIo::default(), 1).contains("0 inputs, not one"));
        let size = Size { width: 64, height: 64 };
        assert!(refused(picodet_io(1, 3, size), 1).contains("8 outputs, not one"));
    }

    #[test]
    fn options_replace_defaults() {
        let io = yolov8_io(1, 3, 500);
        let outputs = vec![tensor(&[1, 7, 500], output(7, 3, 500))];
        let count = |options| {
            let mut adapter = family::named("yolov8").unwrap().adapt(&io, 1, &options).unwrap();
            detect(adapter.as_mut(), &outputs, &[size([640, 640])])[0].len()
        };
        let defaults = FamilyOptions::default();
        assert_eq!(count(FamilyOptions { max_detections: Some(7), ..defaults }), 7);
        assert_eq!(count(FamilyOptions { confidence: Some(1.0), ..defaults }), 0);
        assert!(count(FamilyOptions { iou: Some(0.1), ..defaults }) < count(defaults));
    }
}

mod picodet {
    use super::*;

    fn golden_outputs(case: &DetectionCase) -> (ModelIo, Vec<Tensor>) {
        let io = picodet_io(1, case.classes, size(case.input.unwrap()));
        let mut noise = Noise(case.seed);
        let (mut scores, mut distributions) = (Vec::new(), Vec::new());
        for info in &io.outputs[..4] {
            let cells = info.fixed(1).unwrap();
            let mut raw = noise.units(cells * case.classes);
            for score in &mut raw {
                (0..5).for_each(|_| *score *= *score);
                *score = (*score * 256.0).floor() / 256.0;
            }
            scores.push(tensor(&[1, cells, case.classes], raw));
            let logits = noise.units(cells * 32).iter().map(|v| v * 6.0).collect();
            distributions.push(tensor(&[1, cells, 32], logits));
        }
        (io, [scores, distributions].concat())
    }

    #[test]
    fn detections_equal_the_reference() {
        for case in read::<DetectionCase>("picodet.json") {
            let (io, outputs) = golden_outputs(&case);
            let mut adapter = adapt("picodet", &io, 1).unwrap();
            let found = detect(adapter.as_mut(), &outputs, &[size(case.image)]);
            assert_same(&found[0], &case.detections);
        }
    }

    #[test]
    fn the_layout_model_is_known_by_its_input_and_takes_bgr() {
        let planes = |input: Size| {
            let mut adapter = adapt("picodet", &picodet_io(1, 10, input), 1).unwrap();
            let mut inputs = adapter.inputs();
            let image = Image { width: 1, height: 1, pixels: vec![255, 0, 0] };
            adapter.preprocess(&[image], &mut inputs);
            let values = inputs[0].floats_mut().unwrap();
            let first = [values[0], values[2 * input.pixels()]];
            (first.map(|v| (v * 1e4).round() / 1e4), adapter.class_names().map(|names| names[9]))
        };
        let low = (-0.485_f32 / 0.229 * 1e4).round() / 1e4;
        let high = ((1.0_f32 - 0.406) / 0.225 * 1e4).round() / 1e4;
        assert_eq!(planes(size([608, 800])), ([low, high], Some("equation")));
        let (high, low) = (2.2489, -1.8044);
        assert_eq!(planes(size([320, 320])), ([high, low], None));
    }

    #[test]
    fn what_does_not_fit_is_refused_with_the_reason() {
        let size = Size { width: 320, height: 320 };
        let mut io = picodet_io(1, 80, size);
        io.outputs.swap(0, 1);
        let error = adapt("picodet", &io, 1).err().unwrap();
        assert!(error.contains("is not float32 batch × 1600 × 80"), "{error}");
        let mut io = picodet_io(1, 80, size);
        io.inputs[0].dims.as_mut().unwrap()[2] = Dim::Dynamic("h".into());
        assert!(adapt("picodet", &io, 1).err().unwrap().contains("not fixed"));
    }
}

/// Any float, the awkward ones often.
fn awkward() -> impl Strategy<Value = f32> {
    prop_oneof![
        Just(f32::NAN),
        Just(f32::INFINITY),
        Just(f32::NEG_INFINITY),
        Just(f32::MIN_POSITIVE / 2.0),
        Just(f32::MAX),
        Just(0.9),
        Just(0.3),
        -700.0..700.0_f32,
        any::<f32>(),
    ]
}

proptest! {
    #[test]
    fn outputs_of_any_values_never_panic(
        values in prop::collection::vec(awkward(), 997),
        picodet: bool,
        image in (0..3000_usize, 0..3000_usize),
    ) {
        let input = Size { width: 96, height: 64 };
        let (name, io) = if picodet {
            ("picodet", picodet_io(1, 3, input))
        } else {
            ("yolov8", yolov8_io(1, 3, 150))
        };
        let mut adapter = adapt(name, &io, 1).unwrap();
        let mut cycle = values.iter().copied().cycle();
        let outputs = outputs(&io, |count| cycle.by_ref().take(count).collect());
        let size = Size { width: image.0, height: image.1 };
        for detection in &detect(adapter.as_mut(), &outputs, &[size])[0] {
            prop_assert!(detection.score.is_finite());
            prop_assert!(detection.bounds.iter().all(|edge| edge.is_finite()));
        }
    }

    #[test]
    fn outputs_of_any_shape_never_panic(
        shapes in prop::collection::vec(prop::collection::vec(0..40_usize, 0..5), 0..9),
        picodet: bool,
        images in 0..3_usize,
    ) {
        let (name, io) = if picodet {
            ("picodet", picodet_io(1, 3, Size { width: 64, height: 64 }))
        } else {
            ("yolov8", yolov8_io(1, 3, 50))
        };
        let mut adapter = adapt(name, &io, 1).unwrap();
        let outputs: Vec<Tensor> = shapes
            .iter()
            .map(|dims| Tensor::zeros("", Shape::new(dims).unwrap()))
            .collect();
        let sizes = vec![Size { width: 10, height: 10 }; images];
        // Whatever it answers, it answers.
        let _ = adapter.postprocess(&outputs, &sizes, &mut Vec::new());
    }
}
