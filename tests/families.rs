//! Which variant of a family a model is, what is refused, and what hostile outputs do.

#![expect(clippy::unwrap_used, reason = "a test stops where it finds what it does not expect")]

mod family_models;

use family_models::{
    D::{Any, Is},
    N, boxes_and_scores, floats, image, io, lengths, picodet_raw, queries, scale_factor, usual,
    variants, yolov8,
};
use proptest::prelude::*;
use trtbench::{
    cpu::{Cpu, Instructions, Threads},
    family::{self, Adapter, Detection},
    image::{Image, Size},
    scenario::{FamilyOptions, Normalization, Postprocess, Thresholds},
    tensor::{DType, Data, Dim, ModelIo, Shape, Tensor, TensorInfo},
};

fn cpu() -> Cpu {
    Cpu::single(Instructions::best())
}

fn adapt_with(
    name: &str,
    io: &ModelIo,
    batch: usize,
    options: &FamilyOptions,
) -> Result<Box<dyn Adapter>, String> {
    let family = family::named(name).unwrap();
    family.adapt(io, batch, options).map_err(|misfit| misfit.to_string())
}

fn adapt(name: &str, io: &ModelIo, batch: usize) -> Result<Box<dyn Adapter>, String> {
    adapt_with(name, io, batch, &FamilyOptions::default())
}

fn refused(name: &str, io: &ModelIo, batch: usize) -> String {
    adapt(name, io, batch).err().unwrap()
}

fn asking(postprocess: Postprocess) -> FamilyOptions {
    FamilyOptions { postprocess, normalize: None }
}

mod recognising {
    use super::*;

    #[test]
    fn every_variant_is_known_by_its_inputs_and_outputs() {
        for (family, variant, io) in variants() {
            let adapter = adapt(family, &io, 1).unwrap();
            assert_eq!(adapter.fitting().variant, variant, "{family}");
            assert_eq!(adapter.inputs().len(), io.inputs.len());
        }
    }

    /// What inputs and outputs cannot tell apart, until the model has run or for good.
    const ALIKE: [(&str, &str, &str); 9] = [
        ("ppyoloe", "NMS in the graph", "picodet"),
        ("picodet", "NMS in the graph", "ppyoloe"),
        ("rtdetr", "lyuwenyu, without post-processing", "rfdetr"),
        ("rtdetr", "Hugging Face", "rfdetr"),
        ("rfdetr", "RF-DETR", "rtdetr"),
        // These are small here; real ones have more anchors than RT-DETR queries.
        ("yolov8", "without NMS", "rtdetr"),
        ("ppyoloe", "without post-processing", "rtdetr"),
        ("nanodet", "NanoDet-Plus", "rtdetr"),
        ("nanodet", "NanoDet-Plus", "yolov8"),
    ];

    #[test]
    fn a_model_of_another_family_is_refused_with_what_was_expected_and_found() {
        for (own, variant, io) in variants() {
            for other in family::all() {
                let fits = other.name() == own || ALIKE.contains(&(own, variant, other.name()));
                match adapt(other.name(), &io, 1) {
                    Ok(_) => assert!(fits, "{own}, {variant}, was taken for {}", other.name()),
                    Err(error) => {
                        assert!(!fits, "{error}");
                        let full = error.contains("; expected ") && error.contains("; found ");
                        assert!(full, "{error}");
                    }
                }
            }
        }
    }

    #[test]
    fn outputs_of_a_transformer_without_names_or_lengths_are_ambiguous() {
        let any = || floats("x", &[Any(N), Any("a"), Any("b")]);
        let io = io(vec![image("images", 64, 64)], vec![any(), any()]);
        for family in ["rtdetr", "rfdetr"] {
            assert!(refused(family, &io, 1).contains("those of no variant"));
        }
    }

    #[test]
    fn an_input_that_nobody_knows_is_named() {
        let (_, _, mut io) = variants().remove(11);
        io.inputs[1].name = "mystery".to_owned();
        let error = refused("rtdetr", &io, 1);
        assert!(
            error.contains("input `mystery` is none of: the image, orig_target_sizes"),
            "{error}"
        );
    }

    #[test]
    fn a_lone_extra_input_of_paddledetection_may_have_any_name() {
        let (_, _, mut io) = variants().remove(1);
        io.inputs[1].name = "x2paddle_0".to_owned();
        assert!(adapt("ppyoloe", &io, 1).is_ok());
        io.inputs[1].dtype = DType::I64;
        assert!(refused("ppyoloe", &io, 1).contains("is not batch × 2 of float32"));
    }

    #[test]
    fn what_does_not_fit_is_refused_with_the_reason() {
        let says = |name: &str, io: &ModelIo, batch: usize, words: &str| {
            let error = refused(name, io, batch);
            assert!(error.contains(words), "{error}");
        };
        says("yolov8", &yolov8(500, 80), 1, "look transposed");
        says("yolov8", &yolov8(0, 80), 1, "none for classes");
        says("yolov8", &ModelIo::default(), 1, "no input takes images");
        let two = io(vec![image("i", 64, 64)], boxes_and_scores(84, 3));
        says("yolov8", &two, 1, "it has 2 outputs, not one");
        let yolo = io(vec![image("i", 640, 640)], yolov8(80, 8400).outputs);
        says("rtdetr", &yolo, 1, "those of no variant");
        let mut other = io(vec![image("i", 64, 96), scale_factor()], boxes_and_scores(126, 3));
        other.inputs[1].name = "im_shape".to_owned();
        says("ppyoloe", &other, 1, "input `im_shape` is none of: the image, scale_factor");
        let empty = io(vec![image("i", 64, 96), scale_factor()], boxes_and_scores(126, 0));
        says("ppyoloe", &empty, 1, "leave no classes");
        let end_to_end = floats("o", &[Any(N), Is(300), Is(6)]);
        says("yolov8", &io(vec![image("i", 64, 64)], vec![end_to_end]), 1, "export with nms=False");
        let mut fixed = yolov8(3, 84);
        fixed.inputs[0].dims.as_mut().unwrap()[0] = Dim::Fixed(1);
        says("yolov8", &fixed, 2, "the batch of input `images` is fixed at 1, 2 was asked for");
        says("yolov8", &yolov8(3, 84), 0, "a batch of no images");
        let mut half = yolov8(3, 84);
        half.inputs[0].dtype = DType::F16;
        says("yolov8", &half, 1, "input `images` is not float32");
        let mut swapped = picodet_raw(320, 320, 80);
        swapped.outputs.swap(0, 1);
        says("picodet", &swapped, 1, "is not float32 batch × 1600 × 80");
        let mut open = picodet_raw(320, 320, 80);
        open.inputs[0].dims.as_mut().unwrap()[2] = Dim::Dynamic("h".into());
        says("picodet", &open, 1, "height or width is not fixed");
        let cells = floats("output", &[Any(N), Is(2100), Is(112)]);
        says("nanodet", &io(vec![image("data", 320, 320)], vec![cells]), 1, "batch × 2125 × ?");
        let masks = floats("masks", &[Any(N), Is(300), Is(96), Is(96)]);
        let mut segmentation = queries("labels", "dets", 91);
        segmentation.push(masks);
        says("rfdetr", &io(vec![image("input", 56, 56)], segmentation), 1, "those of no variant");
        let bare = io(vec![image("image", 64, 96)], boxes_and_scores(126, 3));
        says("ppyoloe", &bare, 1, "without an input scale_factor");
    }

    #[test]
    fn nms_in_the_graph_takes_one_image_where_it_drops_the_others() {
        for (family, variant, io) in variants() {
            let two = adapt(family, &io, 2);
            if variant == "NMS in the graph" {
                let error = two.err().unwrap();
                assert!(error.contains("returns the detections of one image"), "{error}");
                assert!(error.contains("use batch = [1]"), "{error}");
            } else {
                assert!(two.is_ok(), "{family} {variant}");
            }
        }
    }

    #[test]
    fn class_names_are_those_of_the_data_set() {
        let name = |io: &ModelIo, family: &str, class: usize| {
            adapt(family, io, 1).unwrap().class_names().map(|names| names[class])
        };
        assert_eq!(name(&yolov8(80, 8400), "yolov8", 79), Some("toothbrush"));
        assert_eq!(name(&yolov8(3, 84), "yolov8", 0), None);
        assert_eq!(name(&picodet_raw(800, 608, 10), "picodet", 9), Some("equation"));
        assert_eq!(name(&picodet_raw(320, 320, 10), "picodet", 9), None);
        let (family, _, rfdetr) = variants().pop().unwrap();
        assert_eq!(name(&rfdetr, family, 90), Some("toothbrush"));
    }

    #[test]
    fn a_dynamic_model_takes_any_batch_at_640_and_learns_its_classes_from_its_outputs() {
        let size = [Any(N), Is(3), Any("h"), Any("w")];
        let output = floats("output0", &[Any(N), Any(""), Any("a")]);
        let io = io(vec![floats("images", &size)], vec![output]);
        let mut adapter = adapt("yolov8", &io, 3).unwrap();
        assert_eq!(adapter.inputs()[0].shape.dims(), [3, 3, 640, 640]);
        assert_eq!((adapter.classes(), adapter.class_names()), (None, None));
        let outputs = vec![Tensor::zeros("", Shape::new(&[1, 84, 100]).unwrap())];
        adapter
            .postprocess(&outputs, &[Size { width: 9, height: 9 }], &cpu(), &mut Vec::new())
            .unwrap();
        assert_eq!(adapter.classes(), Some(80));
    }
}

mod reading {
    use super::*;

    /// A model that declares nothing, and outputs that are not the family's.
    fn misread(name: &str, io: &ModelIo, outputs: Vec<Tensor>, words: &str) {
        let mut adapter = adapt(name, io, 1).unwrap();
        let size = Size { width: 64, height: 64 };
        let error = adapter.postprocess(&outputs, &[size], &cpu(), &mut Vec::new()).unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
    }

    fn open_output() -> ModelIo {
        let output = floats("o", &[Any(N), Any("rows"), Any("columns")]);
        io(vec![image("images", 64, 64)], vec![output])
    }

    #[test]
    fn a_yolo_that_declares_no_lengths_is_no_transformer_when_it_has_run() {
        let outputs = vec![Tensor::zeros("", Shape::new(&[1, 84, 8400]).unwrap())];
        misread("rtdetr", &open_output(), outputs, "thousands of rows or columns");
    }

    #[test]
    fn scores_above_1_are_those_of_another_task() {
        let pose = vec![tensor(&[1, 56, 100], Data::F32(vec![300.0; 5600]))];
        misread("yolov8", &open_output(), pose, "above 1: the model is of another family");
        let (_, _, rows) = variants().remove(1);
        let counts = tensor(&[1], Data::I32(vec![1]));
        let row = |class: f32, score: f32| {
            vec![tensor(&[1, 6], Data::F32(vec![class, score, 0.0, 0.0, 9.0, 9.0])), counts.clone()]
        };
        misread("ppyoloe", &rows, row(1.0, 55.0), "above 1");
        misread("ppyoloe", &rows, row(1.7, 0.5), "the first column is no class number");
    }

    #[test]
    fn outputs_that_contradict_each_other_are_refused() {
        let (_, _, rows) = variants().remove(1);
        let two_rows =
            || tensor(&[2, 6], Data::F32(vec![0.5; 12].into_iter().map(f32::round).collect()));
        let with = |counts: Vec<i32>| vec![two_rows(), tensor(&[counts.len()], Data::I32(counts))];
        misread("ppyoloe", &rows, with(vec![-1]), "is said to have -1 detections");
        misread("ppyoloe", &rows, with(vec![3]), "is said to have 3 detections");
        misread("ppyoloe", &rows, with(vec![1]), "more rows of detections than its counts");
        misread("ppyoloe", &rows, with(vec![2, 0]), "output 1 is not of the shape [1]");
        let (_, _, post) = variants().remove(11);
        let outputs = vec![
            tensor(&[1, 8], Data::I64(vec![0; 8])),
            tensor(&[1, 9, 4], Data::F32(vec![0.0; 36])),
            tensor(&[1, 9], Data::F32(vec![0.5; 9])),
        ];
        misread("rtdetr", &post, outputs, "output 0 is not of the shape [1, 9]");
    }
}

mod options {
    use super::*;

    /// Detections in the outputs of a YOLOv8: pairs of overlapping boxes, of two classes.
    fn found(postprocess: Postprocess) -> Vec<Detection> {
        let mut values = vec![0.0_f32; 7 * 84];
        for anchor in 0..40 {
            let at = |row: usize| row * 84 + anchor;
            values[at(0)] = 20.0 * (anchor / 4) as f32;
            values[at(1)] = 10.0 + (anchor % 2) as f32;
            (values[at(2)], values[at(3)]) = (10.0, 10.0);
            values[at(4 + anchor % 4 / 2)] = 0.9 - 0.01 * anchor as f32;
            values[at(6)] = 0.3;
        }
        let outputs = vec![tensor(&[1, 7, 84], Data::F32(values))];
        let options = asking(postprocess);
        let mut adapter = adapt_with("yolov8", &yolov8(3, 84), 1, &options).unwrap();
        detect(adapter.as_mut(), &outputs, 1).remove(0)
    }

    #[test]
    fn options_replace_defaults() {
        let count = |postprocess: Postprocess| found(postprocess).len();
        let all = Postprocess::default();
        assert_eq!(count(all.clone()), 20);
        assert_eq!(count(Postprocess { max_detections: Some(7), ..all.clone() }), 7);
        assert_eq!(count(Postprocess { confidence: Some(1.0), ..all.clone() }), 0);
        assert_eq!(count(Postprocess { iou: Some(1.0), ..all.clone() }), 40);
        assert_eq!(count(Postprocess { top_k: Some(8), ..all.clone() }), 4);
        assert_eq!(count(Postprocess { class_agnostic: Some(true), ..all.clone() }), 10);
        // Every second box is kept a second time for its class with 0.3.
        assert_eq!(count(Postprocess { multi_label: Some(true), ..all.clone() }), 20 + 10);
        let evaluation = Some(Thresholds::Evaluation);
        assert_eq!(count(Postprocess { thresholds: evaluation, ..all.clone() }), 20 + 10);
        let single = Postprocess { thresholds: evaluation, multi_label: Some(false), ..all };
        assert_eq!(count(single), 20);
    }

    #[test]
    fn an_option_without_effect_is_refused_by_name() {
        let with = |key: &str| {
            let flag = Some(true);
            match key {
                "iou" => Postprocess { iou: Some(0.5), ..Postprocess::default() },
                "top_k" => Postprocess { top_k: Some(9), ..Postprocess::default() },
                "class_agnostic" => Postprocess { class_agnostic: flag, ..Postprocess::default() },
                _ => Postprocess { multi_label: flag, ..Postprocess::default() },
            }
        };
        for (family, variant, io) in variants() {
            let nms = ["iou", "class_agnostic", "multi_label"];
            let transformer = ["rtdetr", "rfdetr"].contains(&family);
            let in_graph = variant == "NMS in the graph";
            for key in nms {
                let taken = adapt_with(family, &io, 1, &asking(with(key)));
                assert_eq!(taken.is_ok(), !transformer && !in_graph, "{family} {variant} {key}");
                if let Err(error) = taken {
                    let start = format!("`postprocess.{key}` has no effect on family `{family}`");
                    assert!(error.starts_with(&start), "{error}");
                    assert!(error.contains(&format!("(`model.postprocess.{key}`)")), "{error}");
                }
            }
            let normalize = Some(Normalization::Unit);
            let options = FamilyOptions { normalize, ..FamilyOptions::default() };
            let taken = adapt_with(family, &io, 1, &options).is_ok();
            assert_eq!(taken, family == "ppyoloe", "{family} {variant}");
        }
    }

    #[test]
    fn a_pp_yoloe_plus_takes_levels_scaled_to_1() {
        let (family, _, io) = variants().remove(2);
        let first = |normalize: Option<Normalization>| {
            let options = FamilyOptions { normalize, ..FamilyOptions::default() };
            let mut adapter = adapt_with(family, &io, 1, &options).unwrap();
            let mut inputs = adapter.inputs();
            let white = Image { width: 1, height: 1, pixels: vec![255; 3] };
            adapter.preprocess(&[white], &cpu(), &mut inputs);
            inputs[0].floats_mut().unwrap()[0]
        };
        assert_eq!(first(Some(Normalization::Unit)), 1.0);
        assert!((first(None) - (1.0 - 0.485) / 0.229).abs() < 1e-6);
    }
}

fn tensor(dims: &[usize], data: Data) -> Tensor {
    Tensor { name: String::new(), shape: Shape::new(dims).unwrap(), data }
}

fn detect(adapter: &mut dyn Adapter, outputs: &Vec<Tensor>, images: usize) -> Vec<Vec<Detection>> {
    let sizes: Vec<Size> = (0..images).map(size_of).collect();
    let mut detections = Vec::new();
    let cpu = Cpu { threads: Threads::new(images).unwrap(), ..cpu() };
    adapter.postprocess(outputs, &sizes, &cpu, &mut detections).unwrap();
    detections
}

fn size_of(image: usize) -> Size {
    Size { width: 100 + 31 * image, height: 80 + 7 * image }
}

/// Outputs of one image, from a source of floats; counts say that there are five rows.
fn outputs_of(io: &ModelIo, mut value: impl FnMut() -> f32) -> Vec<Tensor> {
    let make = |info: &TensorInfo| {
        let dims = lengths(info, |name| usual(name, 1));
        let count = dims.iter().product();
        let mut values = (0..count).map(|_| value());
        let data = match info.dtype {
            DType::I32 => Data::I32(vec![5; count]),
            DType::I64 => Data::I64(values.by_ref().map(|v| (v * 3.0) as i64).collect()),
            _ => Data::F32(values.by_ref().collect()),
        };
        drop(values);
        tensor(&dims, data)
    };
    io.outputs.iter().map(make).collect()
}

/// Outputs of several images, one after the other.
fn stacked(io: &ModelIo, images: &[Vec<Tensor>]) -> Vec<Tensor> {
    let stack = |(index, info): (usize, &TensorInfo)| {
        let mut parts = images.iter().map(|image| image[index].data.clone());
        let first = parts.next().unwrap();
        let data = parts.fold(first, |all, part| match (all, part) {
            (Data::F32(a), Data::F32(b)) => Data::F32([a, b].concat()),
            (Data::I32(a), Data::I32(b)) => Data::I32([a, b].concat()),
            (Data::I64(a), Data::I64(b)) => Data::I64([a, b].concat()),
            _ => unreachable!("outputs of one model have one type"),
        });
        tensor(&lengths(info, |name| usual(name, images.len())), data)
    };
    io.outputs.iter().enumerate().map(stack).collect()
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

fn any_variant() -> impl Strategy<Value = (&'static str, &'static str, ModelIo)> {
    prop::sample::select(variants())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn where_in_a_batch_an_image_is_does_not_matter(
        (family, variant, io) in any_variant(),
        units in prop::collection::vec(0..64_u8, 1511),
        first in 0..2_usize,
    ) {
        prop_assume!(variant != "NMS in the graph");
        let mut cycle = units.iter().cycle();
        let mut unit = || f32::from(*cycle.next().unwrap()) / 64.0;
        let mut images = [(); 2].map(|()| outputs_of(&io, &mut unit));
        match variant {
            "Ultralytics" => whole_classes(&mut images, 3, 5),
            "PaddleDetection" => whole_classes(&mut images, 2, 0),
            _ => {}
        }
        let together = stacked(&io, &images);
        let both = detect(adapt(family, &io, 2).unwrap().as_mut(), &together, 2);
        let sizes = [size_of(first)];
        let mut alone = Vec::new();
        let mut adapter = adapt(family, &io, 1).unwrap();
        adapter.postprocess(&images[first], &sizes, &cpu(), &mut alone).unwrap();
        prop_assert_eq!(&alone[0], &both[first]);
    }

    #[test]
    fn outputs_of_any_values_never_panic(
        (family, _, io) in any_variant(),
        values in prop::collection::vec(awkward(), 997),
        image in (0..3000_usize, 0..3000_usize),
    ) {
        let mut adapter = adapt(family, &io, 1).unwrap();
        let mut cycle = values.iter().copied().cycle();
        let outputs = outputs_of(&io, || cycle.next().unwrap());
        let size = Size { width: image.0, height: image.1 };
        let mut detect = |instructions: Instructions| {
            let (cpu, mut detections) = (Cpu::single(instructions), Vec::new());
            adapter.postprocess(&outputs, &[size], &cpu, &mut detections).map(|()| detections)
        };
        let all: Vec<_> = Instructions::available().map(&mut detect).collect();
        prop_assert!(all.iter().all(|found| found == &all[0]), "{:?}", all);
        if let Ok(detections) = &all[0] {
            for detection in &detections[0] {
                prop_assert!(detection.score.is_finite());
                prop_assert!(detection.bounds.iter().all(|edge| edge.is_finite()));
            }
        }
    }

    #[test]
    fn outputs_of_any_shape_never_panic(
        (family, _, io) in any_variant(),
        shapes in prop::collection::vec((prop::collection::vec(0..40_usize, 0..5), 0..3_u8), 0..9),
        images in 0..3_usize,
        fill in -5..400_i32,
    ) {
        let Ok(mut adapter) = adapt(family, &io, images.max(1)) else { return Ok(()) };
        let make = |(dims, kind): &(Vec<usize>, u8)| {
            let count = dims.iter().product();
            tensor(dims, match kind {
                0 => Data::F32(vec![0.7; count]),
                1 => Data::I32(vec![fill; count]),
                _ => Data::I64(vec![i64::from(fill) << 30; count]),
            })
        };
        let outputs: Vec<Tensor> = shapes.iter().map(make).collect();
        let sizes = vec![Size { width: 10, height: 10 }; images];
        // Whatever it answers, it answers.
        let _ = adapter.postprocess(&outputs, &sizes, &cpu(), &mut Vec::new());
    }
}

/// Makes a column of what has that many dimensions and six columns class numbers.
fn whole_classes(images: &mut [Vec<Tensor>], rank: usize, column: usize) {
    let of_six = |tensor: &&mut Tensor| {
        let dims = tensor.shape.dims();
        dims.len() == rank && dims[rank - 1] == 6
    };
    for tensor in images.iter_mut().flatten().filter(of_six) {
        for row in tensor.floats_mut().unwrap().chunks_exact_mut(6) {
            row[column] = (row[column] * 8.0).floor();
        }
    }
}
