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
        run_options,
        session,
        executed: executed(spec.precision, options),
        batch: spec.batch,
        fixed_outputs: options.cuda_graph,
        io,
    };
    if model.fixed_outputs {
        model.fix_outputs()?;
    } else {
        for output in &model.io.outputs {
            let memory = memory().map_err(failed)?;
            model.binding.bind_output_to_device(&output.name, &memory).map_err(failed)?;
        }
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
                    "cuda_graph needs outputs of a fixed shape, `{}` has none; export the model \
                     with fixed shapes, or leave cuda_graph out",
                    output.name
                ))
            })?;
            let place: Tensor<f32> = Tensor::new(&self.allocator, dims).map_err(failed)?;
            self.binding.bind_output(&output.name, place).map_err(failed)?;
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

    fn executed_precision(&self) -> Precision {
        self.executed
    }

    fn prepare(&mut self, tensors: &TensorSet) -> Result<(), Error> {
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
