//! TensorRT itself, 8.5 to 11, whatever release a card's library is of: loaded at run time, an
//! engine built beforehand and kept, its tensors in memory of ours, its work in a stream of ours.

mod calibration;
mod construct;
mod keep;
mod lanes;
mod layers;
mod library;
mod recipe;
mod session;

use super::{
    Built, Engine, Error, Feed, Layer, LoadSpec, Place, Report, Request, Runtime, Session,
    card::Card,
};
use crate::{
    device::{
        Kind,
        compatibility::{self, PrecisionBy, Wish},
    },
    model::Format,
    os::printable,
    scenario::{Precision, PreprocessOn},
    tensor::TensorSet,
    tensorrt,
};

/// Its name in scenarios and results.
const NAME: &str = "tensorrt";

/// Builds engines of ONNX files through the TensorRT that a card's library is, and runs them.
pub struct TensorRt;

impl Engine for TensorRt {
    fn name(&self) -> &'static str {
        NAME
    }

    fn loads(&self, _: Format) -> bool {
        true
    }

    fn runtime(&self, place: &Place) -> Result<Runtime, Error> {
        if place.device.kind == Kind::Cpu {
            return Err(Error::Unavailable(ONLY_CARDS.to_owned()));
        }
        let library = library::open(place)?;
        let version = library.release().to_string();
        Ok(Runtime { version, library: Some(printable(library.path())) })
    }

    fn obstacle(&self, request: &Request<'_>) -> Option<String> {
        if request.device == Kind::Cpu {
            return Some(ONLY_CARDS.to_owned());
        }
        let (asked, kept, model) = (request.precision, request.weights?, request.model);
        // From 32 bit floats a builder makes what it is told to; nothing makes floats of less.
        let possible = kept == Precision::Fp32 && !request.quantised || kept == asked;
        let quantised = request.quantised && asked == Precision::Int8;
        (!possible && !quantised).then(|| {
            let kept = if request.quantised { Precision::Int8 } else { kept };
            let fp32 = if asked == Precision::Fp32 { "" } else { " or in fp32" };
            format!(
                "precision {asked} is asked for, but model `{model}` is {kept}; give a model that \
                 was exported in {asked}{fp32}, or ask for {kept}"
            )
        })
    }

    fn wish(&self, request: &Request<'_>) -> Option<Wish> {
        let in_graph = request.weights.is_none_or(|kept| kept == request.precision)
            || request.quantised && request.precision == Precision::Int8;
        (request.device == Kind::Gpu).then(|| Wish {
            provider: compatibility::Provider::TensorRt,
            arithmetic: request.arithmetic(),
            precision_by: if in_graph { PrecisionBy::Graph } else { PrecisionBy::Flag },
            opset: request.opset.and_then(|opset| u32::try_from(opset).ok()),
            own_kernels: request.options.tensorrt.preprocess == PreprocessOn::Gpu,
        })
    }

    fn remarks(&self, request: &Request<'_>) -> Vec<String> {
        let options = &request.options.tensorrt;
        let mut remarks: Vec<String> = super::card::remark(options.card()).into_iter().collect();
        if request.built {
            remarks.push(BUILT.to_owned());
            return remarks;
        }
        remarks.extend(super::card::tf32_remark(request, options.tf32));
        remarks.extend(match request.precision {
            Precision::Fp32 => None,
            Precision::Fp16 => Some(FP16.to_owned()),
            Precision::Int8 => Some(INT8.to_owned()),
        });
        remarks
    }

    fn build_limit(&self, place: &Place) -> Option<f64> {
        Some(place.options.tensorrt.build_timeout_seconds)
    }

    fn build(
        &self,
        spec: &LoadSpec<'_>,
        feed: &mut dyn Feed,
        report: &mut Report<'_>,
    ) -> Result<Option<Built>, Error> {
        construct::build(spec, feed, report).map(Some)
    }

    fn load(&self, spec: &LoadSpec<'_>) -> Result<Box<dyn Session>, Error> {
        session::load(spec)
    }

    fn layers(
        &self,
        spec: &LoadSpec<'_>,
        inputs: &TensorSet,
        runs: usize,
    ) -> Result<Option<Vec<Layer>>, Error> {
        layers::layers(spec, inputs, runs)
    }
}

/// What is to be known of an engine that was given as a file.
const BUILT: &str = "an engine file: its precision, TF32, shapes and memory are those it was built with, \
                     whatever the scenario says; executed_precision is what its layers tell";
const FP16: &str = "fp16 is allowed to TensorRT 8 and 10, not asked for: each layer runs in the faster of \
                    FP16 and FP32; executed_precision is the lowest of any layer, measure.layers = true \
                    shows each";
const INT8: &str = "int8 is allowed to TensorRT 8 and 10, not asked for: each layer runs in the faster of \
                    INT8 and FP32, without FP16 (as trtexec --int8); executed_precision is the lowest of any \
                    layer, measure.layers = true shows each";

const ONLY_CARDS: &str = "engine `tensorrt` computes on NVIDIA's cards alone; use device = [\"gpu:all\"], \
                          or the engines `ort` or `rten` on the CPU";

/// The card of a cell, opened as its scenario says.
fn open_card(spec: &LoadSpec<'_>) -> Result<Card, Error> {
    Card::open(&spec.place.device, spec.place.options.tensorrt.card())
}

impl From<tensorrt::Error> for Error {
    fn from(error: tensorrt::Error) -> Self {
        match error {
            tensorrt::Error::Unavailable(words) => Self::Unavailable(words),
            tensorrt::Error::Card(error) => error.into(),
            other => Self::Failed(other.to_string()),
        }
    }
}
