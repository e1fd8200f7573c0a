//! What is asked of an engine: where, by which cell, which model. Engines are in the folders beside.

use super::Built;
#[cfg(any(feature = "ort", feature = "rten"))]
use super::Error;
use crate::{
    cuda::ComputeCapability,
    device::{Device, Kind, compatibility::Arithmetic},
    os::{FilePath, Host},
    scenario::{DeviceOptions, EngineOptions, Precision},
};
#[cfg(any(feature = "ort", feature = "rten"))]
use crate::{os::printable, tensor::ModelIo};
use std::path::Path;

/// Where an engine is to compute, and what the scenario says about engine and device.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Place {
    /// Device.
    pub device: Device,
    /// Compute capability of a card; none of a CPU, and where it is not known.
    #[serde(default)]
    pub capability: Option<ComputeCapability>,
    /// The scenario's keys for that device.
    pub device_options: DeviceOptions,
    /// The scenario's keys for engines.
    pub options: EngineOptions,
    /// All batches of the scenario, for engines that are built for several at once.
    #[serde(default)]
    pub batches: Vec<u32>,
    /// A folder for what is built and not to outlive the run; it need not be there yet.
    #[serde(default)]
    pub scratch: Option<FilePath>,
    /// What was built for the cell that is to run there.
    #[serde(default)]
    pub built: Option<Built>,
}

/// What a cell asks of an engine.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Model's name in the scenario.
    pub model: &'a str,
    /// Family.
    pub family: &'a str,
    /// Kind of device.
    pub device: Kind,
    /// Compute capability of a card, if known.
    pub capability: Option<ComputeCapability>,
    /// Precision asked for.
    pub precision: Precision,
    /// Precision that most of the model's weights are kept in; none where the engine reads no
    /// model.
    pub weights: Option<Precision>,
    /// Whether the model is an engine that was built before, with what it was built with.
    pub built: bool,
    /// Whether the graph quantises and dequantises.
    pub quantised: bool,
    /// Version of the model's default operator set.
    pub opset: Option<u64>,
    /// The scenario's keys for engines.
    pub options: &'a EngineOptions,
}

/// What to load and how.
#[derive(Clone, Copy, Debug)]
pub struct LoadSpec<'a> {
    /// Model file.
    pub model: &'a Path,
    /// Threads within an operator, the calling thread included; at least 1.
    pub threads: usize,
    /// Images per run; at least 1.
    pub batch: usize,
    /// Precision asked for.
    pub precision: Precision,
    /// Number of this launch, from 0.
    pub launch: u32,
    /// Where, and what the scenario says about it.
    pub place: &'a Place,
}

impl Place {
    /// The host's processors.
    pub fn cpu(options: EngineOptions) -> Self {
        let device = Device::cpu(&Host::read());
        Self::on(device, options)
    }

    /// A device of which the scenario says nothing.
    pub fn on(device: Device, options: EngineOptions) -> Self {
        Self {
            device,
            capability: None,
            device_options: DeviceOptions::default(),
            options,
            batches: Vec::new(),
            scratch: None,
            built: None,
        }
    }
}

impl LoadSpec<'_> {
    /// Refuses what cannot be a model file at all, in the same words for every engine.
    #[cfg(any(feature = "ort", feature = "rten"))]
    pub(super) fn check_file(&self) -> Result<(), Error> {
        let problem = match std::fs::metadata(self.model) {
            Err(error) => error.to_string(),
            Ok(found) if !found.is_file() => "is not a file".into(),
            Ok(found) if found.len() == 0 => "is empty".into(),
            Ok(_) => return Ok(()),
        };
        Err(self.model_error(&problem))
    }

    /// Refuses a model whose images have another batch size than the one asked for. Only inputs
    /// of four dimensions are images; what the first dimension of others means is the family's
    /// business.
    #[cfg(any(feature = "ort", feature = "rten"))]
    pub(super) fn check_batch(&self, io: &ModelIo) -> Result<(), Error> {
        let images = io.inputs.iter().filter(|input| input.rank() == Some(4));
        match images.filter_map(|input| input.fixed(0)).find(|&fixed| fixed != self.batch) {
            None => Ok(()),
            Some(fixed) => Err(Error::Unsupported(format!(
                "model `{}` has its batch fixed at {fixed}; re-export it with a dynamic batch or \
                 use batch = [{fixed}]",
                printable(self.model)
            ))),
        }
    }

    /// An error that the model file is to blame for.
    #[cfg(any(feature = "ort", feature = "rten"))]
    pub(super) fn model_error(&self, words: &str) -> Error {
        Error::Model(format!("model `{}`: {words}", printable(self.model)))
    }
}

impl Request<'_> {
    /// What the tables of what fits what call the precision.
    pub(super) fn arithmetic(&self) -> Arithmetic {
        match self.precision {
            Precision::Fp32 => Arithmetic::Fp32,
            Precision::Fp16 => Arithmetic::Fp16,
            Precision::Int8 => Arithmetic::Int8,
        }
    }

    /// Refuses a model whose weights are kept in another precision than the one asked for: for
    /// engines that compute in the precision of the graph.
    #[cfg(any(feature = "ort", feature = "rten"))]
    pub(super) fn other_weights(&self) -> Option<String> {
        let (asked, kept) = (self.precision, self.weights?);
        (asked != kept).then(|| {
            format!(
                "precision {asked} is asked for, but the weights of model `{}` are {kept}; give a \
                 model that was exported in {asked}, or ask for {kept}",
                self.model
            )
        })
    }
}
