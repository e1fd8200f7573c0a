//! ONNX Runtime, loaded at run time, on the processor or on a card.
//!
//! Its own defaults are kept wherever the scenario says nothing, the spinning of its threads
//! between operators included: that is what its users get.

mod build;
mod card;
mod layers;
mod library;
mod profile;
mod sys;
mod value;

pub use library::{Library, Source, locate};

use super::{
    Engine, Error, Layer, LoadSpec, Place, Placement, Request, Runtime, Session, check_count,
    foreign::chain,
};
use crate::{
    device::{
        Kind,
        compatibility::{self, PrecisionBy, Wish},
    },
    os::printable,
    scenario::{Optimization, OrtOptions, Precision, PreprocessOn, Provider},
    tensor::{ModelIo, Outputs, TensorSet, TensorView},
    timing::{Marks, Stage},
};
use ::ort::{session, value::DynValue};

/// Runs ONNX files through the ONNX Runtime library that [`locate`] finds.
pub struct Ort;

struct OrtSession {
    session: session::Session,
    io: ModelIo,
    outputs: Vec<DynValue>,
    executed: Precision,
    threads: usize,
}

impl Engine for Ort {
    fn name(&self) -> &'static str {
        "ort"
    }

    fn runtime(&self, place: &Place) -> Result<Runtime, Error> {
        let library = locate(place)?;
        Ok(Runtime { version: library.version()?, library: Some(printable(&library.path)) })
    }

    /// TensorRT makes 16 bit floats of 32 bit ones by itself; everything else is computed in the
    /// precision of the graph.
    fn obstacle(&self, request: &Request<'_>) -> Option<String> {
        let tensorrt = request.device == Kind::Gpu
            && request.options.ort.provider == Provider::TensorRt
            && request.weights == Some(Precision::Fp32);
        let other = match request.precision {
            Precision::Fp16 if tensorrt => None,
            _ => request.other_weights(),
        };
        other.or_else(|| super::card::obstacle(request, request.options.ort.card()))
    }

    fn wish(&self, request: &Request<'_>) -> Option<Wish> {
        let flagged = request.weights.is_some_and(|weights| weights != request.precision);
        (request.device == Kind::Gpu).then(|| Wish {
            provider: match request.options.ort.provider {
                Provider::Cuda => compatibility::Provider::OrtCuda,
                Provider::TensorRt => compatibility::Provider::OrtTensorRt,
            },
            arithmetic: request.arithmetic(),
            precision_by: if flagged { PrecisionBy::Flag } else { PrecisionBy::Graph },
            opset: request.opset.and_then(|opset| u32::try_from(opset).ok()),
            own_kernels: request.options.ort.preprocess == PreprocessOn::Gpu,
        })
    }

    fn remarks(&self, request: &Request<'_>) -> Vec<String> {
        let options = &request.options.ort;
        if request.device == Kind::Cpu {
            return Vec::new();
        }
        let mut remarks: Vec<String> = super::card::remark(options.card()).into_iter().collect();
        remarks.extend(super::card::tf32_remark(request, options.tf32));
        if options.cuda_graph {
            remarks.push(
                "cuda_graph: ONNX Runtime waits for the card itself, so enqueue holds inference"
                    .into(),
            );
        }
        remarks
    }

    fn load(&self, spec: &LoadSpec<'_>) -> Result<Box<dyn Session>, Error> {
        if spec.place.device.kind == Kind::Gpu {
            return card::load(spec);
        }
        let environment = locate(spec.place)?.environment()?;
        spec.check_file()?;
        let session = build::session(&environment, spec, build::Extras::default())?;
        let io = value::describe(&session);
        spec.check_batch(&io)?;
        Ok(Box::new(OrtSession {
            outputs: Vec::with_capacity(io.outputs.len()),
            executed: executed(spec.precision, &spec.place.options.ort),
            threads: spec.threads,
            session,
            io,
        }))
    }

    fn tells_placement(&self) -> bool {
        true
    }

    fn placement(
        &self,
        spec: &LoadSpec<'_>,
        inputs: &TensorSet,
    ) -> Result<Option<Placement>, Error> {
        profile::placement(spec, inputs).map(Some)
    }

    fn layers(
        &self,
        spec: &LoadSpec<'_>,
        inputs: &TensorSet,
        runs: usize,
    ) -> Result<Option<Vec<Layer>>, Error> {
        layers::layers(spec, inputs, runs).map(Some)
    }

    /// ONNX Runtime's profile has the host's times alone: the host has to wait for each kernel.
    fn profiler_variables(&self, device: Kind) -> &'static [(&'static str, &'static str)] {
        match device {
            Kind::Cpu => &[],
            Kind::Gpu => &[("CUDA_LAUNCH_BLOCKING", "1")],
        }
    }
}

/// What ONNX Runtime computes in on a processor, given that the model's weights are of the
/// precision asked for (the caller has made sure): operators on 16 bit floats get casts around
/// them and run in 32; quantise/dequantise pairs become integer kernels, but only at the level of
/// optimisation that fuses operators.
fn executed(asked: Precision, options: &OrtOptions) -> Precision {
    let fuses = matches!(options.optimization, Optimization::Extended | Optimization::All);
    match asked {
        Precision::Int8 if fuses => Precision::Int8,
        Precision::Int8 | Precision::Fp16 | Precision::Fp32 => Precision::Fp32,
    }
}

impl Outputs for OrtSession {
    fn count(&self) -> usize {
        self.io.outputs.len()
    }

    fn get(&self, index: usize) -> Option<TensorView<'_>> {
        value::view(self.outputs.get(index)?)
    }
}

impl Session for OrtSession {
    fn io(&self) -> &ModelIo {
        &self.io
    }

    fn executed_precision(&self) -> Option<Precision> {
        Some(self.executed)
    }

    /// The calling thread is one of the threads asked for.
    fn uses_other_threads(&self) -> bool {
        self.threads > 1
    }

    fn run(&mut self, inputs: &TensorSet, marks: &mut Marks<'_>) -> Result<(), Error> {
        marks.enter(Stage::Inference);
        check_count(&self.io, inputs)?;
        // Given back first: the arena then serves the next outputs from the same memory.
        self.outputs.clear();
        self.compute(inputs)
            .map_err(|error| Error::Failed(format!("ONNX Runtime: {}", chain(&error))))?;
        marks.end(Stage::Inference);
        Ok(())
    }
}

impl OrtSession {
    /// Inputs are borrowed and outputs stay where ONNX Runtime put them: nothing is copied.
    fn compute(&mut self, inputs: &TensorSet) -> Result<(), ::ort::Error> {
        let feeds = inputs.iter().map(value::feed).collect::<Result<Vec<_>, _>>()?;
        let outputs = self.session.run(feeds.as_slice())?;
        self.outputs.extend(outputs.into_iter().map(|(_, value)| value));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_computed_in_only_where_operators_are_fused() {
        let at = |optimization| OrtOptions { optimization, ..OrtOptions::default() };
        assert_eq!(executed(Precision::Int8, &at(Optimization::All)), Precision::Int8);
        assert_eq!(executed(Precision::Int8, &at(Optimization::Basic)), Precision::Fp32);
        assert_eq!(executed(Precision::Fp16, &at(Optimization::All)), Precision::Fp32);
    }
}
