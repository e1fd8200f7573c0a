//! Builds an engine: checks what TensorRT checks, calls the client back as TensorRT does, and takes
//! memory of the card meanwhile. It takes no time.

use crate::{
    claims::Sharing,
    client::{Calibrator, Logger, ProgressMonitor},
    config::{Config, WORKSPACE},
    driver::{self, Memory},
    element::Element,
    network::Network,
    object::Object,
    onnx::{Length, Model, Value},
    plan::{Layer, Plan, Range, Tensor},
    player,
    precision::{self, Allowed},
};
use std::{
    collections::BTreeMap,
    hash::{BuildHasher, Hasher, RandomState},
};

/// `PreviewFeature::kPROFILE_SHARING_0806`, of 8.6.
const PROFILE_SHARING: i32 = 2;
/// `BuilderFlag::kFP16`, of 8 and 10.
const FP16: i32 = 0;
/// `BuilderFlag::kINT8`, of 8 and 10.
const INT8: i32 = 1;
/// A build takes no more memory than this, whatever the workspace.
const MOST_WORKSPACE: u64 = 16 << 20;
/// What a context takes of the card's memory, for each layer.
const LAYER_BYTES: u64 = 256 << 10;

/// Why there is no engine.
#[derive(Debug, PartialEq, Eq)]
pub enum Failure {
    /// The client wanted no more.
    Cancelled,
    /// What TensorRT says.
    Error(String),
}

impl<T: ToString> From<T> for Failure {
    fn from(text: T) -> Self {
        Self::Error(text.to_string())
    }
}

/// What is to be built.
#[derive(Clone, Copy, Debug)]
pub struct Job<'a> {
    pub network: &'a Object<Network>,
    pub config: &'a Object<Config>,
    pub logger: Logger,
}

impl Job<'_> {
    /// Builds it.
    ///
    /// # Errors
    /// When TensorRT would not build it, and when the client cancels.
    pub fn run(self) -> Result<Plan, Failure> {
        let model = self.network.state().model.clone();
        if model.outputs.is_empty() {
            return Err(
                "Error Code 4: Internal Error (Network must have at least one output)".into()
            );
        }
        let inputs = self.inputs(&model);
        let profiles = self.profiles(&inputs)?;
        self.calibrate(&model, &inputs, &profiles)?;
        let workspace = self.config.state().pool(WORKSPACE) as u64;
        let _workspace = match workspace.min(MOST_WORKSPACE) {
            0 => None,
            bytes => Some(Memory::new(bytes)?),
        };
        let layers = layers(&model, self.allowed());
        self.progress(&layers)?;
        self.remember(&layers);
        self.plan(&model, inputs, profiles, layers)
    }

    fn inputs(self, model: &Model) -> Vec<Tensor> {
        let network = self.network.state();
        let shape = |place| network.input_shape(place);
        let inputs = model.inputs.iter().enumerate();
        inputs.map(|(place, value)| tensor(value, true, shape(place))).collect()
    }

    /// The ranges of all inputs in all profiles; one profile with all lengths fixed where none is
    /// set and none is needed.
    fn profiles(self, inputs: &[Tensor]) -> Result<Vec<BTreeMap<String, Range>>, Failure> {
        let set = self.config.state().profiles.clone();
        if set.is_empty() {
            return match inputs.iter().find(|input| dynamic(input)) {
                Some(_) => Err(NO_PROFILE.into()),
                None => Ok(vec![inputs.iter().map(fixed).collect()]),
            };
        }
        let ranges = |profile: &crate::object::Ref<crate::profile::Profile>| {
            let range = |input: &Tensor| {
                let given = profile.object().and_then(|profile| profile.state().range(&input.name));
                let range = if dynamic(input) { given } else { Some(fixed(input).1) };
                let range =
                    range.filter(|range| range.iter().all(|shape| fits(shape, &input.shape)));
                Ok((input.name.clone(), range.ok_or_else(|| missing(&input.name))?))
            };
            inputs.iter().map(range).collect()
        };
        set.iter().map(ranges).collect()
    }

    /// The types that flags allow, which count where the graph does not decide.
    fn allowed(self) -> Allowed {
        if self.network.state().is_strongly_typed() {
            return Allowed::default();
        }
        let config = self.config.state();
        Allowed { half: config.flag(FP16), int8: config.flag(INT8) }
    }

    /// Whether inputs with open lengths can be calibrated. NVIDIA's headers want a profile for that
    /// alone to be set: real builders may make do with the first one and a warning, this one does not.
    fn check_calibration(self, inputs: &[Tensor]) -> Result<(), Failure> {
        let profile = self.config.state().calibration_profile;
        let range = |input: &Tensor| {
            profile.object().and_then(|profile| profile.state().range(&input.name))
        };
        let fits =
            |input: &Tensor| range(input).is_some_and(|[_, best, _]| fits(&best, &input.shape));
        if inputs.iter().all(|input| !dynamic(input) || fits(input)) {
            return Ok(());
        }
        Err(NO_CALIBRATION_PROFILE.into())
    }

    fn calibrate(
        self,
        model: &Model,
        inputs: &[Tensor],
        profiles: &[BTreeMap<String, Range>],
    ) -> Result<(), Failure> {
        if !self.allowed().int8 || model.is_quantised() {
            return Ok(());
        }
        let calibrator = self.config.state().calibrator.given();
        let Some(calibrator) = calibrator.map(Calibrator) else { return Err(NO_SCALES.into()) };
        self.check_calibration(inputs)?;
        let names: Vec<String> = profiles.iter().flat_map(BTreeMap::keys).cloned().collect();
        self.logger.info(&format!("Calibrating with batches of {}.", calibrator.batch_size()));
        if calibrator.read_cache().is_some() {
            return Ok(());
        }
        let mut bindings = vec![0; names.len()];
        let mut batches = 0;
        while calibrator.batch(&names, &mut bindings) {
            if bindings.contains(&0) {
                return Err(
                    "Error Code 2: Internal Error (Assertion bindings.at(i) != nullptr failed. )"
                        .into(),
                );
            }
            batches += 1;
        }
        if batches == 0 {
            return Err(NO_SCALES.into());
        }
        calibrator
            .write_cache(format!("TRT-{}-EntropyCalibration2\n", player::release()).as_bytes());
        Ok(())
    }

    /// Tells the client's monitor of each layer.
    fn progress(self, layers: &[Layer]) -> Result<(), Failure> {
        const WHOLE: &str = "Building Engine";
        const PART: &str = "Compiling Layers";
        let monitor = self.config.state().monitor.given();
        let Some(monitor) = monitor.map(ProgressMonitor) else { return Ok(()) };
        monitor.start(WHOLE, None, 2);
        let mut goes_on = monitor.step(WHOLE, 0);
        if goes_on {
            monitor.start(PART, Some(WHOLE), i32::try_from(layers.len()).unwrap_or(0));
            goes_on = (0..).zip(layers).all(|(step, _)| monitor.step(PART, step));
            monitor.finish(PART);
        }
        let goes_on = goes_on && monitor.step(WHOLE, 1);
        monitor.finish(WHOLE);
        if goes_on { Ok(()) } else { Err(Failure::Cancelled) }
    }

    fn remember(self, layers: &[Layer]) {
        let cache = self.config.state().cache;
        if let Some(cache) = cache.object() {
            layers.iter().for_each(|layer| cache.state().add(&layer.operator));
        }
    }

    fn plan(
        self,
        model: &Model,
        inputs: Vec<Tensor>,
        profiles: Vec<BTreeMap<String, Range>>,
        layers: Vec<Layer>,
    ) -> Result<Plan, Failure> {
        let output = |value| tensor(value, false, model.output_shape(value));
        let outputs = model.outputs.iter().map(output);
        let sharing = self.sharing(&inputs);
        let differs = player::script().is_some_and(|script| script.engines_differ);
        let config = self.config.state();
        Ok(Plan {
            name: self.network.state().name(),
            tensors: inputs.into_iter().chain(outputs).collect(),
            profiles,
            device_bytes: LAYER_BYTES * layers.len() as u64,
            layers,
            flags: config.flags,
            verbosity: config.verbosity(),
            compute_capability: driver::compute_capability()?,
            card: driver::card().map(|card| card.name.clone()).unwrap_or_default(),
            sharing,
            // A hasher's keys are other ones every time.
            nonce: differs.then(|| RandomState::new().build_hasher().finish()),
        })
    }

    fn sharing(self, inputs: &[Tensor]) -> Sharing {
        let asked = self.config.state().preview(PROFILE_SHARING);
        Sharing::of(player::release(), asked, inputs.iter().any(dynamic))
    }
}

const NO_PROFILE: &str = "Error Code 4: Internal Error (Network has dynamic or shape inputs, but no \
                          optimization profile has been defined.)";
const NO_CALIBRATION_PROFILE: &str = "Error Code 4: API Usage Error (Calibration optimization profile must be set if int8 calibration \
     is used to set scales for a network with runtime dimensions.)";
const NO_SCALES: &str = "Error Code 4: Internal Error (Calibration failure occurred with no scaling factors detected. \
     This could be due to no int8 calibrator or insufficient custom scales for network layers. \
     Please see int8 sample to setup calibration correctly.)";

fn missing(input: &str) -> Failure {
    format!(
        "Error Code 4: API Usage Error (Network has dynamic or shape inputs, but the optimization \
         profile has no valid dimensions for input {input}.)"
    )
    .into()
}

fn tensor(value: &Value, input: bool, shape: Vec<Length>) -> Tensor {
    let element = Element::from_onnx(value.element, player::release()).unwrap_or(Element::FLOAT);
    Tensor { name: value.name.clone(), input, element, shape }
}

/// Whether lengths of an input are open.
fn dynamic(input: &Tensor) -> bool {
    input.shape.iter().any(|length| length.number() < 0)
}

/// The range of an input whose lengths are all known.
fn fixed(input: &Tensor) -> (String, Range) {
    let lengths: Vec<i64> = input.shape.iter().map(Length::number).collect();
    (input.name.clone(), [lengths.clone(), lengths.clone(), lengths])
}

/// Whether lengths are those of a shape, where it knows them.
fn fits(lengths: &[i64], shape: &[Length]) -> bool {
    lengths.len() == shape.len()
        && lengths
            .iter()
            .zip(shape)
            .all(|(&length, known)| known.number() < 0 || known.number() == length)
}

/// The first nodes, as many as the script says.
fn layers(model: &Model, allowed: Allowed) -> Vec<Layer> {
    let most = player::script().map_or(0, |script| script.engine_layers);
    let elements = precision::of_layers(model, allowed, most.min(model.nodes.len()));
    let layer = |(number, (node, element)): (usize, (&crate::onnx::Node, Element))| {
        let name = if node.name.is_empty() {
            format!("{}_{number}", node.operator)
        } else {
            node.name.clone()
        };
        Layer { name, operator: node.operator.clone(), element }
    };
    model.nodes.iter().zip(elements).enumerate().map(layer).collect()
}

/// Whether the card's arithmetic of 16 bits is fast: not on 6.1.
pub fn has_fast_fp16() -> bool {
    driver::compute_capability().is_ok_and(|card| card >= (5, 3) && card != (6, 1))
}

/// Whether the card multiplies 8 bit integers.
pub fn has_fast_int8() -> bool {
    driver::compute_capability().is_ok_and(|card| card >= (6, 1) && card != (6, 2))
}

/// Whether the card has TF32.
pub fn has_tf32() -> bool {
    driver::compute_capability().is_ok_and(|card| card >= (8, 0))
}
