//! Families against the projects' own code: what `scripts/golden/*.py` made of images and of raw
//! outputs, ours has to make too.

#![expect(clippy::unwrap_used, reason = "a test stops where it finds what it does not expect")]

mod golden_files;

use golden_files::{Noise, golden, read, size};
use serde::Deserialize;
use std::{collections::BTreeMap, fs};
use trtbench::{
    cpu::{Cpu, Instructions},
    family::{self, Adapter, Detection},
    model::sha256,
    scenario::{FamilyOptions, Normalization, Postprocess},
    tensor::{DType, Data, Dim, ModelIo, Shape, Tensor, TensorInfo},
};

/// Largest difference of an edge, in pixels, and of a score.
const PIXELS: f32 = 0.01;
const SCORE: f32 = 1e-5;

#[derive(Deserialize)]
struct Case {
    family: String,
    variant: String,
    model: Model,
    options: BTreeMap<String, serde_json::Value>,
    #[serde(flatten)]
    work: Work,
}

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Work {
    Preprocess { image: Drawn, inputs: Vec<Input> },
    Postprocess { sizes: Vec<[usize; 2]>, outputs: Vec<Stored>, detections: Vec<Vec<Row>> },
}

#[derive(Deserialize)]
struct Model {
    inputs: Vec<(String, String, Vec<serde_json::Value>)>,
    outputs: Vec<(String, String, Vec<serde_json::Value>)>,
}

#[derive(Debug, Deserialize)]
struct Drawn {
    seed: u32,
    size: [usize; 2],
}

/// An input tensor: all of it, its hash, or where it is stored.
#[derive(Deserialize)]
struct Input {
    name: String,
    shape: Vec<usize>,
    values: Option<Vec<f64>>,
    sha256: Option<String>,
    stored_at: Option<usize>,
    /// Each of how many values is stored.
    every: Option<usize>,
    tolerance: Option<f32>,
}

#[derive(Deserialize)]
struct Stored {
    dtype: String,
    shape: Vec<usize>,
    stored_at: usize,
    /// How many elements are stored, after as many 32 bit places of theirs; without it, all.
    nonzero: Option<usize>,
}

/// Left, top, right, bottom, score, class.
type Row = (f32, f32, f32, f32, f32, u32);

#[test]
fn yolov8_equals_ultralytics() {
    check("yolov8");
}

#[test]
fn ppyoloe_equals_paddledetection() {
    check("ppyoloe");
}

#[test]
fn picodet_equals_paddledetection_and_rapid_layout() {
    check("picodet");
}

#[test]
fn nanodet_equals_nanodet() {
    check("nanodet");
}

#[test]
fn rtdetr_equals_lyuwenyu_and_hugging_face() {
    check("rtdetr");
}

#[test]
fn rtdetr_equals_ultralytics() {
    check("rtdetr_ultralytics");
}

#[test]
fn rtdetr_equals_paddledetection() {
    check("rtdetr_paddle");
}

#[test]
fn rfdetr_equals_rfdetr() {
    check("rfdetr");
}

/// Runs all cases of a file and reports all that differ.
fn check(name: &str) {
    let stored = fs::read(golden(&format!("{name}.bin"))).unwrap();
    let cases: Vec<Case> = read(&format!("{name}.json"));
    let (mut wrong, mut boxes) = (Vec::new(), 0);
    for (number, case) in cases.iter().enumerate() {
        let result = match &case.work {
            Work::Preprocess { image, inputs } => preprocess(case, image, inputs, &stored),
            Work::Postprocess { sizes, outputs, detections } => {
                boxes += detections.iter().map(Vec::len).sum::<usize>();
                postprocess(case, sizes, outputs, detections, &stored)
            }
        };
        if let Err(problem) = result {
            let options = serde_json::to_string(&case.options).unwrap();
            wrong.push(format!("case {number} ({}, {options}): {problem}", case.variant));
        }
    }
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    assert!(cases.len() >= 10 && boxes >= 100, "{} cases with {boxes} boxes", cases.len());
}

fn adapt(case: &Case, batch: usize) -> Result<Box<dyn Adapter>, String> {
    let mut keys = case.options.clone();
    let normalize: Option<Normalization> =
        keys.remove("normalize").map(|value| serde_json::from_value(value).unwrap());
    let keys = serde_json::to_value(keys).unwrap();
    let postprocess: Postprocess = serde_json::from_value(keys).unwrap();
    let infos = |infos: &[(String, String, Vec<serde_json::Value>)]| {
        infos.iter().map(|(name, dtype, dims)| info(name, dtype, dims)).collect()
    };
    let io = ModelIo { inputs: infos(&case.model.inputs), outputs: infos(&case.model.outputs) };
    let adapter = family::named(&case.family)
        .unwrap()
        .adapt(&io, batch, &FamilyOptions { postprocess, normalize })
        .map_err(|error| error.to_string())?;
    let (found, expected) = (adapter.fitting().variant, variant_of(case));
    if found == expected { Ok(adapter) } else { Err(format!("taken for {found}, not {expected}")) }
}

/// What ours is called of the variant that a golden script names.
fn variant_of(case: &Case) -> &'static str {
    match (case.family.as_str(), case.variant.as_str()) {
        ("yolov8", "") | (_, "no-nms") => "without NMS",
        ("nanodet", "") => "NanoDet-Plus",
        ("rfdetr", "") => "RF-DETR",
        ("rtdetr", "raw") => "lyuwenyu, without post-processing",
        ("rtdetr", "post") => "lyuwenyu, with post-processing",
        ("rtdetr", "huggingface") => "Hugging Face",
        ("rtdetr", "ultralytics") => "Ultralytics",
        ("rtdetr", "paddle") => "PaddleDetection",
        (_, "nms") => "NMS in the graph",
        (_, "concatenated") => "without post-processing",
        (_, "raw") => "raw head",
        (_, "layout") => "layout model",
        other => panic!("{other:?} in a golden file"),
    }
}

fn info(name: &str, dtype: &str, dims: &[serde_json::Value]) -> TensorInfo {
    let dim = |dim: &serde_json::Value| match dim.as_u64() {
        Some(length) => Dim::Fixed(length as usize),
        None => Dim::Dynamic(dim.as_str().unwrap().to_owned()),
    };
    let dtype = match dtype {
        "float32" => DType::F32,
        "int32" => DType::I32,
        "int64" => DType::I64,
        other => panic!("{other} in a golden file"),
    };
    TensorInfo { name: name.to_owned(), dtype, dims: Some(dims.iter().map(dim).collect()) }
}

fn preprocess(case: &Case, image: &Drawn, expected: &[Input], stored: &[u8]) -> Result<(), String> {
    Instructions::available().try_for_each(|instructions| {
        preprocess_with(instructions, case, image, expected, stored)
            .map_err(|problem| format!("{}: {problem}", instructions.set()))
    })
}

fn preprocess_with(
    instructions: Instructions,
    case: &Case,
    image: &Drawn,
    expected: &[Input],
    stored: &[u8],
) -> Result<(), String> {
    let mut adapter = adapt(case, 1)?;
    let mut inputs = adapter.inputs();
    let [width, height] = image.size;
    let cpu = Cpu::single(instructions);
    adapter.preprocess(&[Noise(image.seed).image(width, height)], &cpu, &mut inputs);
    for expected in expected {
        let found = inputs.iter().find(|tensor| tensor.name == expected.name);
        let found = found.ok_or_else(|| format!("no input {}", expected.name))?;
        same_input(found, expected, stored).map_err(|problem| format!("{image:?}: {problem}"))?;
    }
    (inputs.len() == expected.len()).then_some(()).ok_or_else(|| format!("{} inputs", inputs.len()))
}

fn same_input(found: &Tensor, expected: &Input, stored: &[u8]) -> Result<(), String> {
    let name = &expected.name;
    if found.shape.dims() != expected.shape {
        return Err(format!("{name} is {:?}, not {:?}", found.shape, expected.shape));
    }
    if let Some(values) = &expected.values {
        let found: Vec<f64> = match &found.data {
            Data::F32(numbers) => numbers.iter().map(|&n| f64::from(n)).collect(),
            Data::I32(numbers) => numbers.iter().map(|&n| f64::from(n)).collect(),
            Data::I64(numbers) => numbers.iter().map(|&n| n as f64).collect(),
        };
        let single = |numbers: &[f64]| numbers.iter().map(|&n| n as f32).collect::<Vec<_>>();
        let same = single(&found) == single(values);
        return if same { Ok(()) } else { Err(format!("{name}: {found:?}, {values:?}")) };
    }
    let Data::F32(found) = &found.data else { return Err(format!("{name} is no float32")) };
    if let Some(hash) = &expected.sha256 {
        let bytes: Vec<u8> = found.iter().flat_map(|value| value.to_le_bytes()).collect();
        return if &sha256(&bytes) == hash {
            Ok(())
        } else {
            Err(format!("{name} has other bits"))
        };
    }
    let start = expected.stored_at.unwrap();
    let found: Vec<f32> = found.iter().copied().step_by(expected.every.unwrap_or(1)).collect();
    let values = floats(&stored[start..start + 4 * found.len()]);
    let difference = |(a, b): (&f32, &f32)| (a - b).abs() / b.abs().max(1.0);
    let tolerance = expected.tolerance.unwrap();
    // NaN is in no tolerance.
    let near = |by: &f32| *by <= tolerance;
    let far = found.iter().zip(&values).map(difference).find(|by| !near(by));
    far.map_or(Ok(()), |by| Err(format!("{name} differs by {by:e}")))
}

fn postprocess(
    case: &Case,
    sizes: &[[usize; 2]],
    outputs: &[Stored],
    expected: &[Vec<Row>],
    stored: &[u8],
) -> Result<(), String> {
    let outputs: Vec<Tensor> = outputs.iter().map(|output| tensor(output, stored)).collect();
    Instructions::available().try_for_each(|instructions| {
        postprocess_with(instructions, case, sizes, &outputs, expected)
            .map_err(|problem| format!("{}: {problem}", instructions.set()))
    })
}

fn postprocess_with(
    instructions: Instructions,
    case: &Case,
    sizes: &[[usize; 2]],
    outputs: &Vec<Tensor>,
    expected: &[Vec<Row>],
) -> Result<(), String> {
    let mut adapter = adapt(case, sizes.len())?;
    let sizes: Vec<_> = sizes.iter().map(|&pair| size(pair)).collect();
    let mut detections = Vec::new();
    let cpu = Cpu::single(instructions);
    adapter
        .postprocess(outputs, &sizes, &cpu, &mut detections)
        .map_err(|error| error.to_string())?;
    if detections.len() != expected.len() {
        return Err(format!("{} images, not {}", detections.len(), expected.len()));
    }
    for (image, (found, expected)) in detections.iter().zip(expected).enumerate() {
        same_detections(found, expected).map_err(|problem| format!("image {image}: {problem}"))?;
    }
    Ok(())
}

fn same_detections(found: &[Detection], expected: &[Row]) -> Result<(), String> {
    for (number, (found, expected)) in found.iter().zip(expected).enumerate() {
        let &(left, top, right, bottom, score, class) = expected;
        let bounds = [left, top, right, bottom];
        let edges = found.bounds.iter().zip(bounds).map(|(a, b)| (a - b).abs());
        let near = edges.into_iter().all(|by| by <= PIXELS) && (found.score - score).abs() <= SCORE;
        if found.class != class || !near {
            return Err(format!("detection {number} is {found:?}, not {expected:?}"));
        }
    }
    let (found, expected) = (found.len(), expected.len());
    if found == expected { Ok(()) } else { Err(format!("{found} detections, not {expected}")) }
}

fn tensor(output: &Stored, stored: &[u8]) -> Tensor {
    let data = match output.dtype.as_str() {
        "float32" => Data::F32(elements(output, stored, f32::from_le_bytes)),
        "int32" => Data::I32(elements(output, stored, i32::from_le_bytes)),
        "int64" => Data::I64(elements(output, stored, i64::from_le_bytes)),
        other => panic!("{other} in a golden file"),
    };
    Tensor { name: String::new(), shape: Shape::new(&output.shape).unwrap(), data }
}

fn elements<T: Copy + Default, const N: usize>(
    output: &Stored,
    stored: &[u8],
    read: impl Fn([u8; N]) -> T,
) -> Vec<T> {
    let count = output.shape.iter().product();
    let stored = &stored[output.stored_at..];
    let Some(nonzero) = output.nonzero else { return chunks(&stored[..N * count], read) };
    let (places, values) = stored.split_at(4 * nonzero);
    let mut elements = vec![T::default(); count];
    let places: Vec<i32> = chunks(places, i32::from_le_bytes);
    for (place, value) in places.into_iter().zip(chunks(&values[..N * nonzero], read)) {
        elements[usize::try_from(place).unwrap()] = value;
    }
    elements
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    chunks(bytes, f32::from_le_bytes)
}

fn chunks<T, const N: usize>(bytes: &[u8], read: impl Fn([u8; N]) -> T) -> Vec<T> {
    bytes.chunks_exact(N).map(|chunk| read(chunk.try_into().unwrap())).collect()
}
