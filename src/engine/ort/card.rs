//! ONNX Runtime on a card: its inputs and outputs stay in the card's memory (IoBinding) and it
//! computes in a stream of ours, so that transfers and inference can be told apart.

use super::{Error, build, chain, locate, sys, value};
use crate::{
    cuda::{DeviceSlice, Stream},
    engine::{
        LoadSpec, Session,
        card::{Card, CardSession, OnCard, Output},
    },
    scenario::{OrtOptions, Precision, Provider},
    tensor::{Data, Dim, ModelIo, TensorInfo, TensorSet},
};
use ort::{
    memory::{AllocationDevice, Allocator, AllocatorType, MemoryInfo, MemoryType},
    session::{self, IoBinding, RunOptions},
    value::{DynTensor, DynTensorValueType, PrimitiveTensorElementType, Tensor},
};

/// Fields are dropped in order: values before the session whose memory they are.
struct OrtOnCard {
    outputs: Vec<DynTensor>,
    inputs: Vec<DynTensor>,
    binding: IoBinding,
    allocator: Allocator,
    /// Where outputs are to be.
    memory: MemoryInfo<'static>,
    run_options: RunOptions,
    session: session::Session,
    io: ModelIo,
    executed: Precision,
    batch: usize,
    /// A graph is recorded once and reads and writes the same places for ever.
    fixed_outputs: bool,
}

/// A session on the card of `spec`.
pub fn load(spec: &LoadSpec<'_>) -> Result<Box<dyn Session>, Error> {
    let options = &spec.place.options.ort;
    let card = Card::open(&spec.place.device, options.card())?;
    let memory = (AllocationDevice::CUDA, MemoryType::Default);
    let model = on_card(spec, Some(&card.stream), memory)?;
    Ok(Box::new(CardSession::new(card, model, options.card())?))
}

fn on_card(
    spec: &LoadSpec<'_>,
    stream: Option<&Stream>,
    (device, kind): (AllocationDevice<'static>, MemoryType),
) -> Result<OrtOnCard, Error> {
    let options = &spec.place.options.ort;
    let environment = locate(spec.place)?.environment()?;
    spec.check_file()?;
    let extras = build::Extras { stream, ..build::Extras::default() };
    let session = build::session(&environment, spec, extras)?;
    let io = value::describe(&session);
    spec.check_batch(&io)?;
    let memory = || MemoryInfo::new(device.clone(), 0, AllocatorType::Device, kind);
    let mut run_options = RunOptions::new().map_err(failed)?;
    // The stream is waited for by whoever gave it.
    run_options.disable_device_sync().map_err(failed)?;
    let mut model = OrtOnCard {
        outputs: Vec::with_capacity(io.outputs.len()),
        inputs: Vec::new(),
        binding: session.create_binding().map_err(failed)?,
        allocator: Allocator::new(&session, memory().map_err(failed)?).map_err(failed)?,
        memory: memory().map_err(failed)?,
        run_options,
        session,
        executed: executed(spec.precision, options),
        batch: spec.batch,
        fixed_outputs: options.cuda_graph,
        io,
    };
    if model.fixed_outputs {
        model.fix_outputs()?;
    }
    Ok(model)
}

/// What is computed in on a card, given that the model's weights are of the precision asked for
/// unless TensorRT makes them so. The CUDA provider has no integer convolutions: it computes
/// between quantise and dequantise in floats.
fn executed(asked: Precision, options: &OrtOptions) -> Precision {
    match (asked, options.provider) {
        (Precision::Int8, Provider::Cuda) => Precision::Fp32,
        (asked, _) => asked,
    }
}

fn failed(error: ort::Error) -> Error {
    Error::Failed(format!("ONNX Runtime: {}", chain(&error)))
}

impl OrtOnCard {
    /// Binds every output to a place of its own that stays.
    fn fix_outputs(&mut self) -> Result<(), Error> {
        for output in &self.io.outputs {
            let dims = fixed_dims(output, self.batch).ok_or_else(|| {
                Error::Unsupported(format!(
                    "cuda_graph needs outputs of 32 bit floats and of a fixed shape, `{}` is \
                     otherwise; export the model so, or leave cuda_graph out",
                    output.name
                ))
            })?;
            let place: Tensor<f32> = Tensor::new(&self.allocator, dims).map_err(failed)?;
            self.binding.bind_output(&output.name, place).map_err(failed)?;
        }
        Ok(())
    }

    /// Lets ONNX Runtime make room for the outputs of the next run. Bound once, it would keep the
    /// places of the first, into which another number of detections does not fit.
    fn bind_outputs(&mut self) -> Result<(), Error> {
        for output in &self.io.outputs {
            self.binding.bind_output_to_device(&output.name, &self.memory).map_err(failed)?;
        }
        Ok(())
    }

    /// Room on the card for one input.
    fn room<T>(&self, dims: Vec<i64>) -> Result<DynTensor, Error>
    where
        T: PrimitiveTensorElementType + std::fmt::Debug,
    {
        let place: Tensor<T> = Tensor::new(&self.allocator, dims).map_err(failed)?;
        Ok(place.upcast())
    }
}

/// The dimensions of an output of 32 bit floats, if all but the batch are fixed.
fn fixed_dims(output: &TensorInfo, batch: usize) -> Option<Vec<i64>> {
    let dims = output.dims.as_ref()?.iter().enumerate().map(|(axis, dim)| match dim {
        Dim::Fixed(length) => i64::try_from(*length).ok(),
        Dim::Dynamic(_) if axis == 0 => i64::try_from(batch).ok(),
        Dim::Dynamic(_) => None,
    });
    (output.dtype == crate::tensor::DType::F32).then(|| dims.collect())?
}

impl OnCard for OrtOnCard {
    fn io(&self) -> &ModelIo {
        &self.io
    }

    fn executed_precision(&self) -> Option<Precision> {
        Some(self.executed)
    }

    fn prepare(&mut self, tensors: &TensorSet) -> Result<(), Error> {
        if self.fixed_outputs && !self.inputs.is_empty() {
            let words = "a recorded graph reads one place for ever: with cuda_graph no input may \
                         change its shape";
            return Err(Error::Failed(words.to_owned()));
        }
        self.inputs.clear();
        for (tensor, info) in tensors.iter().zip(&self.io.inputs) {
            let dims: Vec<i64> = tensor.shape.dims().iter().map(|&n| n as i64).collect();
            let place = match &tensor.data {
                Data::F32(_) => self.room::<f32>(dims)?,
                Data::I32(_) => self.room::<i32>(dims)?,
                Data::I64(_) => self.room::<i64>(dims)?,
            };
            self.binding.bind_input(&info.name, &place).map_err(failed)?;
            self.inputs.push(place);
        }
        Ok(())
    }

    fn input(&self, index: usize) -> Result<DeviceSlice<'_>, Error> {
        let place = self.inputs.get(index).map(sys::memory_of);
        place.ok_or_else(|| Error::Failed(format!("there is no input {index}")))
    }

    fn enqueue(&mut self, _: &Stream) -> Result<(), Error> {
        // Given back first: the next outputs then take the same memory.
        self.outputs.clear();
        if !self.fixed_outputs {
            self.bind_outputs()?;
        }
        let outputs = self.session.run_binding_with_options(&self.binding, &self.run_options);
        for (_, value) in outputs.map_err(failed)? {
            self.outputs.push(value.downcast::<DynTensorValueType>().map_err(failed)?);
        }
        Ok(())
    }

    fn output(&self, index: usize) -> Result<Output<'_>, Error> {
        let place = self.outputs.get(index).and_then(value::place);
        place.ok_or_else(|| {
            let name = self.io.outputs.get(index).map_or("", |output| output.name.as_str());
            Error::Failed(format!("ONNX Runtime: output `{name}` is no tensor of a known type"))
        })
    }
}

#[cfg(test)]
#[path = "../../../tests/onnx/mod.rs"]
mod onnx;

#[cfg(test)]
#[path = "../../../tests/host_kernels/mod.rs"]
mod host_kernels;

#[cfg(test)]
mod tests {
    use super::{host_kernels::HostKernels, *};
    use crate::{
        cpu::{Cpu, Instructions},
        device::Device,
        engine::{Engine, Pixels, Place, ort::Ort},
        family,
        image::{Image, Size},
        os::MonotonicClock,
        scenario::{CardOptions, EngineOptions, FamilyOptions, PreprocessOn},
        tensor::{Outputs, Shape, Tensor},
        timing::{Marks, Span},
    };
    use std::{path::Path, process::Command, sync::atomic::AtomicU8};
    use trtbench_double_script::{ENVIRONMENT, Script};

    const BATCH: usize = 2;

    fn card() -> trtbench_double_script::Card {
        trtbench_double_script::Card::numbered(1)
    }

    /// Runs this test again in a process that finds a stand-in for the driver, and, with kernels that
    /// compute, NVRTC.
    fn again(test: &str, kernels: Option<&HostKernels>) {
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("script.json");
        let library = kernels.map(|kernels| kernels.library.clone());
        let cards = Script::with_cards([card()]);
        let text = Script { foreign_memory: true, kernels: library, ..cards };
        text.write(&script).unwrap();
        let program = std::env::current_exe().unwrap();
        let built = program.with_file_name("libtrtbench_double_cuda.so");
        std::os::unix::fs::symlink(built, folder.path().join("libcuda.so.1")).unwrap();
        let name = format!("{}::{test}", module_path!().split_once("::").unwrap().1);
        let mut child = Command::new(program);
        child.args(["--exact", &name, "--nocapture"]);
        let path = folder.path();
        let path = kernels.map_or(path.into(), |kernels| kernels.search_path(path));
        child.env("LD_LIBRARY_PATH", path).env(ENVIRONMENT, script);
        let output = child.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.contains("1 passed"), "{output:?}");
    }

    fn inputs() -> TensorSet {
        let shape = Shape::new(&[BATCH, 3, 256, 256]).unwrap();
        let mut tensor = Tensor::zeros("images", shape);
        for (index, value) in tensor.floats_mut().unwrap().iter_mut().enumerate() {
            *value = (index * 7919 % 255) as f32 / 255.0;
        }
        vec![tensor]
    }

    fn marked(work: impl FnOnce(&mut Marks<'_>)) -> crate::timing::Sample {
        let (clock, beacon) = (MonotonicClock::new(), AtomicU8::new(0));
        let mut marks = Marks::new(&clock, &beacon);
        marks.begin();
        work(&mut marks);
        marks.finish()
    }

    fn run(session: &mut dyn Session, inputs: &TensorSet) -> crate::timing::Sample {
        marked(|marks| session.run(inputs, marks).unwrap())
    }

    /// The same model twice: bound, as on a card, and run in the ordinary way. ONNX Runtime's own
    /// kernels compute in memory of the host, which the stand-in takes for a card's: bindings, places,
    /// copies and events are those of a card.
    fn loaded(model: &Path, options: CardOptions) -> (CardSession<OrtOnCard>, Box<dyn Session>) {
        let place = Place::cpu(EngineOptions::default());
        let spec = LoadSpec {
            model,
            threads: 1,
            batch: BATCH,
            precision: Precision::Fp32,
            launch: 0,
            place: &place,
        };
        let uuid = card().uuid;
        let device = Device { kind: crate::device::Kind::Gpu, name: "card".into(), uuid };
        let card = Card::open(&device, options).unwrap();
        let loaded = on_card(&spec, None, (AllocationDevice::CPU, MemoryType::Default)).unwrap();
        (CardSession::new(card, loaded, options).unwrap(), Ort.load(&spec).unwrap())
    }

    /// Runs both on the same tensors and compares all outputs, whose shapes it gives.
    fn both(model: &Path, turns: &[TensorSet]) -> Vec<Vec<usize>> {
        let (mut bound, mut ordinary) = loaded(model, CardOptions::default());
        let mut shapes = Vec::new();
        for inputs in turns {
            let sample = run(&mut bound, inputs);
            assert!(sample.span(Span::HostToDevice) >= Some(crate::unit::Nanos(8_000)));
            run(&mut *ordinary, inputs);
            assert_eq!(bound.count(), ordinary.count());
            for index in 0..ordinary.count() {
                assert_eq!(bound.get(index), ordinary.get(index));
                shapes.push(bound.get(index).unwrap().shape.dims().to_vec());
            }
        }
        shapes
    }

    /// Whether this test is to go on here: with ONNX Runtime, and in a process with a stand-in.
    fn goes_on(test: &str) -> bool {
        if locate(&Place::cpu(EngineOptions::default())).is_err() {
            assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "there is no ONNX Runtime");
            return false;
        }
        let here = std::env::var_os(ENVIRONMENT).is_some();
        if !here {
            again(test, None);
        }
        here
    }

    #[test]
    fn what_is_bound_and_copied_gives_the_outputs_of_an_ordinary_run() {
        if goes_on("what_is_bound_and_copied_gives_the_outputs_of_an_ordinary_run") {
            let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/models/shapes.onnx");
            let shapes = both(&model, &[inputs(), inputs(), inputs()]);
            assert!(shapes.len() == 3 && shapes.iter().all(|shape| shape[0] == BATCH));
        }
    }

    /// The images of a batch, of sizes that change from turn to turn.
    fn images(turn: usize) -> Vec<Image> {
        let image = |index: usize| {
            let (width, height) = (201 + 130 * index + 7 * turn, 317 - 40 * turn);
            let byte = |at: usize| (at * 7919 / (3 + index) % 251) as u8;
            Image { width, height, pixels: (0..3 * width * height).map(byte).collect() }
        };
        (0..BATCH).map(image).collect()
    }

    #[test]
    fn what_the_card_preprocesses_gives_the_detections_of_an_ordinary_run() {
        const NAME: &str = "what_the_card_preprocesses_gives_the_detections_of_an_ordinary_run";
        if std::env::var_os(ENVIRONMENT).is_none() {
            let skip = |missing: &str| {
                assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{missing}");
            };
            let ort = locate(&Place::cpu(EngineOptions::default())).is_ok();
            match HostKernels::or_skip(skip).filter(|_| ort) {
                Some(kernels) => return again(NAME, Some(&kernels)),
                None => {
                    return assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "no runtime");
                }
            }
        }
        let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/models/shapes.onnx");
        let options = CardOptions { preprocess: PreprocessOn::Gpu, ..CardOptions::default() };
        let (mut bound, mut ordinary) = loaded(&model, options);
        let keys = FamilyOptions::default();
        let family = family::named("yolov8").unwrap();
        let mut adapter = family.adapt(ordinary.io(), BATCH, &keys).unwrap();
        let cpu = Cpu::single(Instructions::best());
        let (mut inputs, unread) = (adapter.inputs(), adapter.inputs());
        for turn in 0..4 {
            let images = images(turn);
            adapter.preprocess(&images, &cpu, &mut inputs);
            run(&mut *ordinary, &inputs);
            let pixels = Pixels { images: &images, input: adapter.image_input().unwrap() };
            let sample = marked(|marks| {
                let session = bound.preprocesses().unwrap();
                session.run_images(pixels, &unread, marks).unwrap();
            });
            assert!(sample.span(Span::Preprocess) > Some(crate::unit::Nanos::ZERO));
            let sizes: Vec<Size> = images.iter().map(Image::size).collect();
            let mut detections = |outputs: &dyn Outputs| {
                let mut found = Vec::new();
                adapter.postprocess(outputs, &sizes, &cpu, &mut found).unwrap();
                found
            };
            assert_eq!(detections(&bound), detections(&*ordinary), "{turn}");
            assert_eq!(bound.get(0), ordinary.get(0), "{turn}");
        }
    }

    #[test]
    fn an_output_may_have_another_shape_in_every_run() {
        if goes_on("an_output_may_have_another_shape_in_every_run") {
            let folder = tempfile::tempdir().unwrap();
            let model = folder.path().join("model.onnx");
            std::fs::write(&model, onnx::non_zero()).unwrap();
            let turn = |filled: usize| {
                let mut tensor = Tensor::zeros("x", Shape::new(&[BATCH, 4]).unwrap());
                tensor.floats_mut().unwrap()[..filled].fill(1.0);
                vec![tensor]
            };
            let shapes = both(&model, &[3, 3, 2, 8, 1].map(turn));
            assert_eq!(shapes, [[2, 3], [2, 3], [2, 2], [2, 8], [2, 1]]);
        }
    }

    #[test]
    fn integers_are_computed_in_by_tensorrt_alone() {
        let with = |provider| OrtOptions { provider, ..OrtOptions::default() };
        assert_eq!(executed(Precision::Int8, &with(Provider::Cuda)), Precision::Fp32);
        assert_eq!(executed(Precision::Int8, &with(Provider::TensorRt)), Precision::Int8);
        assert_eq!(executed(Precision::Fp16, &with(Provider::Cuda)), Precision::Fp16);
    }
}
