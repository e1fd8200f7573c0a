//! The host's own stages on given inputs, one call after another: what scripts/peers/prepost.py
//! holds against the projects' own code. Uses what a launch uses, and nothing else of the crate.
//!
//! Usage: prepost FOLDER
//!
//! FOLDER holds `inputs.json` (the shapes), `image.jpg`, the same image as `image.rgb`, and raw
//! outputs of models as `NAME.f32`, one tensor after the other, little endian. First a line with
//! the tasks and one with the instruction sets there are; then each line of the standard input is
//! a request, answered by a line:
//!
//! - `TASK INSTRUCTIONS REPEAT`: CPU time of the thread for each of the repetitions, in nanoseconds;
//! - `TASK INSTRUCTIONS check FILE`: writes what the task computes, answers `written`. Inputs of
//!   models as 32 bit floats, pixels as bytes, detections as rows of six floats: left, top, right,
//!   bottom, score, class.

use anyhow::{Context, bail};
use serde::Deserialize;
use std::{
    collections::BTreeMap,
    env, fs,
    io::{self, BufRead, Write},
    path::Path,
};
use trtbench::{
    cpu::{Cpu, InstructionSet, Instructions},
    family::{self, Adapter, Detection},
    image::{
        ChannelOrder, Decoder, Fit, Image, Interpolation, JpegLibrary, Normalise, Preprocessor,
        Size,
    },
    os::Meter,
    scenario::{FamilyOptions, Postprocess, Thresholds},
    tensor::{DType, Data, Dim, ModelIo, Shape, Tensor, TensorInfo, TensorSet},
};

/// Input of the pre-processing tasks.
const SIDE: usize = 640;

/// What is timed.
trait Task {
    fn run(&mut self, cpu: &Cpu) -> anyhow::Result<()>;

    /// What the last run computed, for the script to compare.
    fn result(&self) -> Vec<u8>;
}

/// By name.
type Tasks = Vec<(&'static str, Box<dyn Task>)>;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [folder] = arguments.as_slice() else { bail!("usage: prepost FOLDER") };
    let mut tasks = tasks(Path::new(folder))?;
    let sets: Vec<_> = Instructions::available().map(|set| set.set().name()).collect();
    answer(&tasks.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(" "))?;
    answer(&sets.join(" "))?;
    for request in io::stdin().lock().lines() {
        let request = request?;
        answer(&reply(&mut tasks, &request).with_context(|| format!("request `{request}`"))?)?;
    }
    Ok(())
}

fn answer(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

fn reply(tasks: &mut [(&str, Box<dyn Task>)], request: &str) -> anyhow::Result<String> {
    let words: Vec<&str> = request.split_ascii_whitespace().collect();
    let [task, instructions, what, file @ ..] = words.as_slice() else {
        bail!("expected TASK INSTRUCTIONS REPEAT or TASK INSTRUCTIONS check FILE");
    };
    let (_, task) = tasks.iter_mut().find(|(name, _)| name == task).context("no such task")?;
    let set = InstructionSet::ALL.into_iter().find(|set| set.name() == *instructions);
    let cpu = Cpu::single(Instructions::named(set.context("no such instruction set")?)?);
    match (*what, file) {
        ("check", [file]) => {
            task.run(&cpu)?;
            fs::write(file, task.result())?;
            Ok("written".to_owned())
        }
        (repeat, []) => timed(&mut **task, &cpu, repeat.parse()?),
        _ => bail!("expected a number, or check FILE"),
    }
}

fn timed(task: &mut dyn Task, cpu: &Cpu, repeat: usize) -> anyhow::Result<String> {
    let meter = Meter::new(false);
    let mut times = Vec::with_capacity(repeat);
    for _ in 0..repeat {
        let before = meter.before();
        task.run(cpu)?;
        times.push(meter.after().since(before).cpu.0.to_string());
    }
    Ok(times.join(" "))
}

/// `inputs.json`.
#[derive(Deserialize)]
struct Inputs {
    /// Of `image.rgb`.
    image: Size,
    /// Shapes of the tensors in `NAME.f32`, by name.
    outputs: BTreeMap<String, Vec<Vec<usize>>>,
}

fn tasks(folder: &Path) -> anyhow::Result<Tasks> {
    let read = |name: &str| fs::read(folder.join(name)).with_context(|| format!("reading {name}"));
    let Inputs { image: Size { width, height }, outputs } =
        serde_json::from_slice(&read("inputs.json")?)?;
    let jpeg = read("image.jpg")?;
    let image = Image { width, height, pixels: read("image.rgb")? };
    let outputs = |name: &str| -> anyhow::Result<TensorSet> {
        let shapes = outputs.get(name).with_context(|| format!("inputs.json has no {name}"))?;
        tensors(shapes, &read(&format!("{name}.f32"))?)
    };
    let usual = Postprocess::default;
    let evaluation = Postprocess { thresholds: Some(Thresholds::Evaluation), ..usual() };
    // The defaults of deploy/python/picodet_postprocess.py.
    let picodet = Postprocess { confidence: Some(0.4), iou: Some(0.5), ..usual() };
    let find = |family, side, name, options| {
        Find::task(family, side, outputs(name)?, image.size(), options)
    };
    let prepare = |family, shapes| Prepare::task(family, shapes, image.clone());
    let decode = |library| anyhow::Ok(Decode::task(Decoder::with(library)?, &jpeg));
    let mut tasks: Tasks = vec![("decode-zune", decode(JpegLibrary::Zune)?)];
    if cfg!(feature = "turbojpeg") {
        tasks.push(("decode-turbojpeg", decode(JpegLibrary::Turbojpeg)?));
    }
    tasks.extend([
        ("letterbox", prepare("yolov8", &[&[1, 84, 8400]])?),
        ("stretch", Stretch::task(image.clone())),
        ("cubic", prepare("ppyoloe", &[&[1, 8400, 80], &[1, 8400, 68]])?),
        ("antialias", prepare("rfdetr", &[&[1, 300, 4], &[1, 300, 91]])?),
        ("yolov8-100", find("yolov8", 640, "yolov8-100", usual())?),
        ("yolov8-3330", find("yolov8", 640, "yolov8-3330", usual())?),
        ("yolov8-27000", find("yolov8", 640, "yolov8-27000", evaluation)?),
        ("picodet", find("picodet", 416, "picodet", picodet)?),
        ("rtdetr", find("rtdetr", 640, "rtdetr", usual())?),
    ]);
    Ok(tasks)
}

/// Tensors that lie one after the other.
fn tensors(shapes: &[Vec<usize>], bytes: &[u8]) -> anyhow::Result<TensorSet> {
    let (floats, _) = bytes.as_chunks();
    let mut floats = floats.iter().map(|bytes| f32::from_le_bytes(*bytes));
    let tensor = |lengths: &Vec<usize>| {
        let shape = Shape::new(lengths).context("too many dimensions")?;
        let values: Vec<f32> = floats.by_ref().take(shape.elements()).collect();
        anyhow::ensure!(values.len() == shape.elements(), "the file is too short");
        Ok(Tensor { name: String::new(), shape, data: Data::F32(values) })
    };
    shapes.iter().map(tensor).collect()
}

/// The family's adapter for a model of one square input and these outputs.
fn adapter(
    family: &str,
    side: usize,
    outputs: &[&[usize]],
    postprocess: Postprocess,
) -> anyhow::Result<Box<dyn Adapter>> {
    let info = |(number, lengths): (usize, &&[usize])| TensorInfo {
        name: format!("output{number}"),
        dtype: DType::F32,
        dims: Some(lengths.iter().map(|&length| Dim::Fixed(length)).collect()),
    };
    let input =
        TensorInfo { name: "images".to_owned(), ..info((0, &[1, 3, side, side].as_slice())) };
    let outputs = outputs.iter().enumerate().map(info).collect();
    let io = ModelIo { inputs: vec![input], outputs };
    let options = FamilyOptions { postprocess, ..FamilyOptions::default() };
    Ok(family::named(family)?.adapt(&io, 1, &options)?)
}

/// A file → pixels. The decoder's library chooses its own instructions.
struct Decode {
    decoder: Decoder,
    file: Vec<u8>,
    image: Image,
}

impl Decode {
    fn task(decoder: Decoder, file: &[u8]) -> Box<dyn Task> {
        Box::new(Self { decoder, file: file.to_owned(), image: Image::default() })
    }
}

impl Task for Decode {
    fn run(&mut self, _: &Cpu) -> anyhow::Result<()> {
        Ok(self.decoder.decode(&self.file, &mut self.image)?)
    }

    fn result(&self) -> Vec<u8> {
        self.image.pixels.clone()
    }
}

/// Pixels → a model's inputs, as a family does it.
struct Prepare {
    adapter: Box<dyn Adapter>,
    images: [Image; 1],
    inputs: TensorSet,
}

impl Prepare {
    fn task(family: &str, outputs: &[&[usize]], image: Image) -> anyhow::Result<Box<dyn Task>> {
        let adapter = adapter(family, SIDE, outputs, Postprocess::default())?;
        let inputs = adapter.inputs();
        Ok(Box::new(Self { adapter, images: [image], inputs }))
    }
}

impl Task for Prepare {
    fn run(&mut self, cpu: &Cpu) -> anyhow::Result<()> {
        self.adapter.preprocess(&self.images, cpu, &mut self.inputs);
        Ok(())
    }

    fn result(&self) -> Vec<u8> {
        self.inputs.first().and_then(|input| input.view().floats()).map(bytes).unwrap_or_default()
    }
}

/// Pixels → 0 to 1, resized linearly without regard to the ratio: Ultralytics' RT-DETR.
struct Stretch {
    preprocessor: Preprocessor,
    images: [Image; 1],
    input: Vec<f32>,
}

impl Stretch {
    fn task(image: Image) -> Box<dyn Task> {
        let target = Size { width: SIDE, height: SIDE };
        let unit = Normalise::unit(ChannelOrder::Rgb);
        let preprocessor = Preprocessor::new(target, Fit::Stretch, Interpolation::Linear, unit);
        let input = vec![0.0; preprocessor.floats()];
        Box::new(Self { preprocessor, images: [image], input })
    }
}

impl Task for Stretch {
    fn run(&mut self, cpu: &Cpu) -> anyhow::Result<()> {
        self.preprocessor.apply(&self.images, cpu, &mut self.input);
        Ok(())
    }

    fn result(&self) -> Vec<u8> {
        bytes(&self.input)
    }
}

/// A model's outputs → detections, as a family does it.
struct Find {
    adapter: Box<dyn Adapter>,
    outputs: TensorSet,
    sizes: [Size; 1],
    detections: Vec<Vec<Detection>>,
}

impl Find {
    fn task(
        family: &str,
        side: usize,
        outputs: TensorSet,
        size: Size,
        options: Postprocess,
    ) -> anyhow::Result<Box<dyn Task>> {
        let shapes: Vec<_> = outputs.iter().map(|output| output.shape.dims()).collect();
        let adapter = adapter(family, side, &shapes, options)?;
        Ok(Box::new(Self { adapter, outputs, sizes: [size], detections: Vec::new() }))
    }
}

impl Task for Find {
    fn run(&mut self, cpu: &Cpu) -> anyhow::Result<()> {
        Ok(self.adapter.postprocess(&self.outputs, &self.sizes, cpu, &mut self.detections)?)
    }

    fn result(&self) -> Vec<u8> {
        let row = |found: &Detection| {
            let [left, top, right, bottom] = found.bounds;
            bytes(&[left, top, right, bottom, found.score, found.class as f32])
        };
        self.detections.iter().flatten().flat_map(row).collect()
    }
}

fn bytes(floats: &[f32]) -> Vec<u8> {
    floats.iter().flat_map(|value| value.to_le_bytes()).collect()
}
