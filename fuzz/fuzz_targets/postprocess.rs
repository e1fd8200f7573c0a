//! Outputs of any shape and value of a model of any variant, post-processed by every instruction set.
#![no_main]

#[path = "../../tests/family_models/mod.rs"]
mod family_models;

use family_models::{N, lengths, variants};
use libfuzzer_sys::{Corpus, fuzz_target};
use std::sync::LazyLock;
use trtbench::{
    cpu::{Cpu, Instructions},
    family::{self, Detection},
    image::Size,
    scenario::{FamilyOptions, Normalization, Postprocess, Thresholds},
    tensor::{DType, Data, Dim, ModelIo, Shape, Tensor, TensorInfo},
};
use trtbench_fuzz::{Choices, portable};

/// Most elements of an output whose shape is open.
const MOST_ELEMENTS: usize = 1 << 13;

/// Lengths of sides that images may claim.
const SIDES: [usize; 12] =
    [0, 1, 2, 97, 640, 1080, 1920, 32_767, 1 << 24, (1 << 24) + 1, u32::MAX as usize, usize::MAX];

/// Thresholds, sensible and not.
const THRESHOLDS: [f32; 14] = [
    0.0,
    0.001,
    0.25,
    0.5,
    0.75,
    1.0,
    1.0 - f32::EPSILON / 2.0,
    1e-40,
    -0.0,
    -1.0,
    f32::NAN,
    f32::INFINITY,
    f32::NEG_INFINITY,
    f32::MAX,
];

/// Values that arithmetic may not like.
const HOSTILE: [f32; 32] = [
    f32::NAN,
    -f32::NAN,
    f32::INFINITY,
    f32::NEG_INFINITY,
    f32::MAX,
    f32::MIN,
    f32::MIN_POSITIVE,
    f32::MIN_POSITIVE / 2.0,
    -1e-45,
    1e-45,
    -0.0,
    0.0,
    1.0,
    1.0 - f32::EPSILON / 2.0,
    1.0 + f32::EPSILON,
    1.001,
    1.0011,
    0.25,
    0.5,
    0.3,
    1e19,
    1e20,
    -1e20,
    1e38,
    -1e38,
    88.0,
    -87.0,
    -88.8,
    -104.0,
    7.995,
    16.7,
    1e9,
];

type Model = (&'static str, &'static str, ModelIo);

static MODELS: LazyLock<Vec<Model>> = LazyLock::new(variants);

fuzz_target!(|data: &[u8]| -> Corpus {
    let mut choices = Choices(data);
    let (family, variant, io) = &MODELS[usize::from(choices.byte()) % MODELS.len()];
    // A hundred times as large as the others.
    if *variant == "layout model" && !choices.byte().is_multiple_of(16) {
        return Corpus::Reject;
    }
    let family = family::named(family).expect("a family of the list");
    let options = options(&mut choices);
    let batch = choices.of(&[1, 1, 1, 2, 3]);
    let open = choices.byte();
    let declared = if open.is_multiple_of(4) { opened(io, open / 4) } else { io.clone() };
    let Ok(mut adapter) = family.adapt(&declared, batch, &options) else { return Corpus::Keep };
    let images =
        if choices.byte().is_multiple_of(16) { choices.byte() as usize % 4 } else { batch };
    let sizes: Vec<Size> = (0..images).map(|_| size(&mut choices)).collect();
    let outputs = outputs(io, &declared, batch, &mut choices);

    let mut run = |instructions: Instructions| {
        let mut found = vec![vec![Detection { bounds: [0.0; 4], score: 9.0, class: 9 }]; 2];
        let result = adapter.postprocess(&outputs, &sizes, &Cpu::single(instructions), &mut found);
        result.map(|()| found).map_err(|mismatch| mismatch.to_string())
    };
    let expected = run(portable());
    if let Ok(found) = &expected {
        assert_eq!(found.len(), sizes.len());
        let most = options.postprocess.max_detections.map_or(usize::MAX, |most| most as usize);
        for found in found {
            assert!(found.len() <= most, "{} detections", found.len());
            assert!(found.iter().all(is_finite), "{found:?}");
            assert!(found.is_sorted_by(|a, b| a.score >= b.score), "{found:?}");
        }
    }
    // By the same adapter: what it keeps from image to image must not show.
    for instructions in Instructions::available() {
        assert_same(&run(instructions), &expected, instructions);
    }
    Corpus::Keep
});

type Found = Result<Vec<Vec<Detection>>, String>;

fn assert_same(found: &Found, expected: &Found, instructions: Instructions) {
    let same = match (found, expected) {
        (Ok(found), Ok(expected)) => bits(found) == bits(expected),
        (Err(found), Err(expected)) => found == expected,
        _ => false,
    };
    assert!(same, "{instructions:?} gives {found:?} instead of {expected:?}");
}

fn bits(found: &[Vec<Detection>]) -> Vec<Vec<([u32; 4], u32, u32)>> {
    let one = |d: &Detection| (d.bounds.map(f32::to_bits), d.score.to_bits(), d.class);
    found.iter().map(|found| found.iter().map(one).collect()).collect()
}

fn is_finite(detection: &Detection) -> bool {
    detection.score.is_finite() && detection.bounds.iter().all(|edge| edge.is_finite())
}

/// Mostly the defaults; otherwise any.
fn options(choices: &mut Choices<'_>) -> FamilyOptions {
    let given = choices.byte();
    let some = |bit: usize| given >> bit & 1 == 1;
    let given: [bool; 8] = std::array::from_fn(some);
    let threshold = |choices: &mut Choices<'_>| match choices.byte() {
        byte @ 0..128 => f32::from(byte) / 127.0,
        byte => THRESHOLDS[usize::from(byte) % THRESHOLDS.len()],
    };
    let number = |choices: &mut Choices<'_>| match choices.byte() {
        byte @ 0..250 => u32::from(byte),
        _ => choices.word(),
    };
    FamilyOptions {
        postprocess: Postprocess {
            thresholds: given[0].then_some(Thresholds::Evaluation),
            confidence: given[1].then(|| threshold(choices)),
            iou: given[2].then(|| threshold(choices)),
            top_k: given[3].then(|| number(choices)),
            max_detections: given[4].then(|| number(choices)),
            class_agnostic: given[5].then_some(true),
            multi_label: given[6].then(|| choices.byte() & 1 == 1),
        },
        normalize: given[7].then_some(Normalization::Unit),
    }
}

/// The model as it would be if it left open which lengths of its outputs `which` says.
fn opened(io: &ModelIo, which: u8) -> ModelIo {
    let mut io = io.clone();
    for dims in io.outputs.iter_mut().filter_map(|output| output.dims.as_mut()) {
        for (axis, dim) in dims.iter_mut().enumerate().filter(|&(axis, _)| which >> axis & 1 == 1) {
            *dim = Dim::Dynamic(format!("open {axis}"));
        }
    }
    if which >> 5 & 1 == 1 {
        io.outputs.iter_mut().for_each(|output| output.dims = None);
    }
    io
}

fn size(choices: &mut Choices<'_>) -> Size {
    let mut side = || match choices.byte() {
        0..128 => choices.length(5000),
        byte => SIDES[usize::from(byte) % SIDES.len()],
    };
    Size { width: side(), height: side() }
}

/// Outputs, usually such as the model has. Their shapes come first, then their values.
fn outputs(
    io: &ModelIo,
    declared: &ModelIo,
    batch: usize,
    choices: &mut Choices<'_>,
) -> Vec<Tensor> {
    let few = |byte: u8| if byte < 128 { usize::from(byte % 12) } else { usize::from(byte) * 2 };
    let [rows, queries, anchors] = [(); 3].map(|()| few(choices.byte()));
    let open = |name: &str| match name {
        N | "images" => batch,
        "four" => 4,
        "detections" => rows,
        "a" => 85,
        _ => queries,
    };
    let mut makers = Vec::new();
    for (info, declared) in io.outputs.iter().zip(&declared.outputs) {
        let mut dims = lengths(info, open);
        // What the model leaves open now may be of another length.
        for (axis, length) in dims.iter_mut().enumerate().skip(1) {
            let is_open = declared.fixed(axis).is_none() && info.fixed(axis).is_some();
            if is_open && choices.byte().is_multiple_of(4) {
                *length = if axis == 1 { few(choices.byte()) } else { anchors };
            }
        }
        let mut dtype = info.dtype;
        let oddity = choices.byte();
        match oddity {
            250 => (dims, dtype) = any_shape(choices),
            251 => dims.clear(),
            252 => dims = vec![0],
            253 => dims[0] = 0,
            254 => drop(dims.pop()),
            255 => continue,
            _ => {}
        }
        let size = dims.iter().try_fold(1_usize, |all, &n| all.checked_mul(n));
        let most = if dims == lengths(info, open) { usize::MAX } else { MOST_ELEMENTS };
        let fits = size.is_some_and(|size| size <= most);
        let shape = Shape::new(&dims).filter(|_| fits);
        let shape = shape.unwrap_or_else(|| Shape::new(&[0]).expect("a shape"));
        makers.push((info, shape, dtype, oddity, choices.byte()));
    }
    let count = match choices.byte() {
        byte @ 240.. => i32::from(byte as i8),
        200..240 => choices.word() as i32,
        _ => (rows / batch) as i32,
    };
    let mut values = Values { data: choices.0, rest: choices.0 };
    makers
        .into_iter()
        .map(|(info, shape, dtype, oddity, kind)| {
            // Fewer elements than the shape says, now and then.
            let elements = shape.elements().saturating_sub(usize::from(oddity == 249));
            let data = match dtype {
                DType::I32 => Data::I32(vec![count; elements]),
                DType::I64 => Data::I64((0..elements).map(|_| values.label()).collect()),
                _ => Data::F32(values.floats(info, shape, elements, kind)),
            };
            Tensor { name: String::new(), shape, data }
        })
        .collect()
}

fn any_shape(choices: &mut Choices<'_>) -> (Vec<usize>, DType) {
    let rank = choices.byte() % 7;
    let lengths = [0, 1, 2, 4, 5, 6, 9, 68, 300, 2000, usize::MAX];
    let dims = (0..rank).map(|_| choices.of(&lengths)).collect();
    (dims, choices.of(&[DType::F32, DType::I32, DType::I64]))
}

/// Values out of bytes, over and over.
struct Values<'a> {
    data: &'a [u8],
    rest: &'a [u8],
}

impl Values<'_> {
    fn byte(&mut self) -> u8 {
        if self.rest.is_empty() {
            self.rest = self.data;
        }
        let Some((&first, rest)) = self.rest.split_first() else { return 0 };
        self.rest = rest;
        first
    }

    /// A score, a coordinate, a hostile value, or any bits.
    fn float(&mut self) -> f32 {
        match self.byte() {
            byte @ 0..128 => f32::from(byte) / 127.0,
            byte @ 128..192 => HOSTILE[usize::from(byte) % HOSTILE.len()],
            byte @ 192..240 => f32::from(byte - 192) * 4.0 - 40.0,
            _ => f32::from_bits(u32::from_le_bytes([(); 4].map(|()| self.byte()))),
        }
    }

    /// A class number, mostly.
    fn label(&mut self) -> i64 {
        match self.byte() {
            250 => i64::MAX,
            251 => i64::MIN,
            252 => -1,
            253 => i64::from(u32::MAX),
            254 => i64::from(u32::MAX) + 1,
            byte => i64::from(byte),
        }
    }

    /// The elements of an output; `kind` says which of them are plausible scores, and whether
    /// columns of class numbers hold such.
    fn floats(&mut self, info: &TensorInfo, shape: Shape, elements: usize, kind: u8) -> Vec<f32> {
        let columns = shape.dims().last().copied().unwrap_or(1).max(1);
        let (rank, boxes) = (shape.dims().len(), elements / columns.max(7) * 4);
        let plain = kind & 1 == 1;
        let class_column = if rank == 2 { 0 } else { 5 };
        let has_classes = kind & 2 == 0 && columns == 6 && info.name != "boxes";
        (0..elements)
            .map(|index| {
                let column = index % columns;
                if has_classes && column == class_column {
                    return f32::from(self.byte() % 9) - f32::from(kind >> 7);
                }
                let value = if plain { f32::from(self.byte()) / 255.0 } else { self.float() };
                let is_score = match kind >> 2 & 3 {
                    0 => true,
                    1 => false,
                    2 => index >= boxes,
                    _ => column >= 4,
                };
                // Above 1 the whole image would be refused.
                if is_score && value > 1.001 { 1.0 / value } else { value }
            })
            .collect()
    }
}
