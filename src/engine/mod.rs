//! Engines: load a model, run tensors. Know nothing of detections, and of images only what a card needs
//! to pre-process them, and never fall back to another engine, device or precision: that is an error
//! with a reason.
//!
//! A new engine is one folder here and one line in [`all`].

mod asked;
mod build;
pub mod card;
#[cfg(any(feature = "ort", feature = "rten"))]
mod foreign;
pub mod null;
#[cfg(feature = "ort")]
pub mod ort;
#[cfg(feature = "rten")]
pub mod rten;
pub mod tensorrt;

pub use asked::{LoadSpec, Place, Request};
pub use build::{Built, Feed, Progress, Report};

use crate::{
    cuda,
    device::{Kind, compatibility::Wish},
    family::ImageInput,
    image::Image,
    model::Format,
    scenario::Precision,
    tensor::{ModelIo, Outputs, TensorSet},
    timing::Marks,
    unit::Nanos,
};

/// Loads models.
pub trait Engine {
    /// Name in scenarios and results.
    fn name(&self) -> &'static str;

    /// Whether it looks into the model file at all.
    fn reads_model(&self) -> bool {
        true
    }

    /// Whether it loads model files of this format.
    fn loads(&self, format: Format) -> bool {
        format == Format::Onnx
    }

    /// What is used, for the run's record: crate or library version and, if any, its path.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when a library is missing, too old or made for another machine.
    fn runtime(&self, place: &Place) -> Result<Runtime, Error>;

    /// Why it cannot do what a cell asks for, if it cannot, whatever library is there.
    fn obstacle(&self, request: &Request<'_>) -> Option<String>;

    /// What it asks of a card, of the driver and of libraries; `None` where it asks for the driver
    /// alone, or computes on the CPU.
    fn wish(&self, _request: &Request<'_>) -> Option<Wish> {
        None
    }

    /// What should be known of a cell's figures before they are believed.
    fn remarks(&self, _request: &Request<'_>) -> Vec<String> {
        Vec::new()
    }

    /// Seconds that [`Engine::build`] may take; `None` for an engine that builds nothing there.
    fn build_limit(&self, _place: &Place) -> Option<f64> {
        None
    }

    /// Whether [`Engine::placement`] has anything to tell.
    fn tells_placement(&self) -> bool {
        false
    }

    /// Makes what [`Engine::load`] then needs of a model, unless it is there already. Engines
    /// without a [`Engine::build_limit`] are not asked.
    ///
    /// # Errors
    /// As [`Engine::load`]; [`Error::Failed`] when `report` wants it to end.
    fn build(
        &self,
        _spec: &LoadSpec<'_>,
        _feed: &mut dyn Feed,
        _report: &mut Report<'_>,
    ) -> Result<Option<Built>, Error> {
        Ok(None)
    }

    /// Loads a model for runs of one batch size.
    ///
    /// # Errors
    /// [`Error`] says whether the engine, the model or the request is at fault.
    fn load(&self, spec: &LoadSpec<'_>) -> Result<Box<dyn Session>, Error>;

    /// Where the parts of the model really run, found out in a session of its own on inputs of
    /// these shapes; `None` for an engine that has one place only.
    ///
    /// # Errors
    /// As [`Engine::load`] and [`Session::run`].
    fn placement(
        &self,
        _spec: &LoadSpec<'_>,
        _inputs: &TensorSet,
    ) -> Result<Option<Placement>, Error> {
        Ok(None)
    }

    /// How long each layer takes in each of `runs` runs on `inputs` after a warm-up, by the engine's
    /// own profiler in a session of its own, in the order of execution; `None` for an engine that has
    /// none. A layer is what the engine runs as one, after all rewriting of the graph.
    ///
    /// # Errors
    /// As [`Engine::load`] and [`Session::run`].
    fn layers(
        &self,
        _spec: &LoadSpec<'_>,
        _inputs: &TensorSet,
        _runs: usize,
    ) -> Result<Option<Vec<Layer>>, Error> {
        Ok(None)
    }

    /// Environment variables that a process needs from its start for [`Engine::layers`] to tell the
    /// truth on such a device. No other process gets them.
    fn profiler_variables(&self, _device: Kind) -> &'static [(&'static str, &'static str)] {
        &[]
    }
}

/// A loaded model. The outputs of the last [`Session::run`] are read through [`Outputs`].
pub trait Session: Outputs {
    /// Inputs and outputs as the engine sees them.
    fn io(&self) -> &ModelIo;

    /// The precision that the engine really computes in; none where it does not tell.
    fn executed_precision(&self) -> Option<Precision>;

    /// Whether other threads than the one that calls [`Session::run`] compute, so that the CPU
    /// time of the calling thread does not tell what a run costs.
    fn uses_other_threads(&self) -> bool {
        false
    }

    /// Runs the model once on `inputs`, given in the order of [`Session::io`], and ends the stages
    /// it walked through ([`crate::timing::Stage::Inference`] at least) at `marks`.
    ///
    /// # Errors
    /// [`Error::Failed`] with the engine's own words.
    fn run(&mut self, inputs: &TensorSet, marks: &mut Marks<'_>) -> Result<(), Error>;

    /// The session as one that pre-processes, where it was loaded to do so: images are then handed to
    /// that, and [`Session::run`] is not called.
    fn preprocesses(&mut self) -> Option<&mut dyn RunsImages> {
        None
    }
}

/// A session that makes the input of images by itself.
pub trait RunsImages {
    /// Runs the model once on `inputs` as [`Session::run`] does, but for the one that `images` become;
    /// ends [`crate::timing::Stage::Preprocess`], too.
    ///
    /// # Errors
    /// As [`Session::run`].
    fn run_images(
        &mut self,
        images: Pixels<'_>,
        inputs: &TensorSet,
        marks: &mut Marks<'_>,
    ) -> Result<(), Error>;
}

/// Decoded images, and what is to become of them.
#[derive(Clone, Copy)]
pub struct Pixels<'a> {
    /// As many as the batch has.
    pub images: &'a [Image],
    /// The input that they become.
    pub input: ImageInput<'a>,
}

/// What an engine consists of on this machine.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Runtime {
    /// Version of the library or crate that computes.
    pub version: String,
    /// The library's path where one was loaded at run time.
    pub library: Option<String>,
}

/// Where the nodes of a model ran.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Placement {
    /// The part of the engine that was asked for.
    #[serde(default)]
    pub asked: String,
    /// Number of nodes, after all rewriting of the graph, by the part of the engine that ran them.
    pub nodes: std::collections::BTreeMap<String, usize>,
    /// Operators that ran on the CPU, each once.
    pub on_cpu: Vec<String>,
    /// Why this is not known, if it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// One layer and its times under the engine's own profiler.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Layer {
    /// Name that the engine gives it; of several layers run as one, what the engine makes of theirs.
    pub name: String,
    /// What it does, as the engine calls it: `Conv`, say.
    pub operator: String,
    /// Type of the numbers it yields, where the engine tells: `fp32`, `fp16`, `int8`, or the engine's
    /// own word for another.
    pub precision: Option<String>,
    /// Part of the engine that ran it, where there are several.
    pub place: Option<String>,
    /// Its time in each run, in order; zero in a run that did not need it, or where it took less than
    /// the profiler can tell.
    pub times: Vec<Nanos>,
}

/// Why an engine did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The engine cannot be used on this machine. Found out by a probe, its cells are skipped.
    #[error("{0}")]
    Unavailable(String),
    /// The engine cannot do what the cell asks for.
    #[error("{0}")]
    Unsupported(String),
    /// The model file is at fault: the cell failed.
    #[error("{0}")]
    Model(String),
    /// A run failed: the cell failed.
    #[error("{0}")]
    Failed(String),
    /// The card or its driver failed, whatever the model: the cell failed.
    #[error("{0}")]
    Card(cuda::Error),
}

/// Refuses a run whose number of inputs is not the model's.
fn check_count(io: &ModelIo, inputs: &TensorSet) -> Result<(), Error> {
    if io.inputs.len() == inputs.len() {
        return Ok(());
    }
    let (wanted, given) = (io.inputs.len(), inputs.len());
    Err(Error::Failed(format!("the model has {wanted} inputs, {given} were given")))
}

/// The engines of this build.
pub fn all() -> Vec<Box<dyn Engine>> {
    vec![
        #[cfg(feature = "rten")]
        Box::new(rten::Rten),
        #[cfg(feature = "ort")]
        Box::new(ort::Ort),
        Box::new(tensorrt::TensorRt),
        Box::new(null::Null),
    ]
}

/// The engine of that name.
///
/// # Errors
/// [`Error::Unavailable`] names the engines this build has.
pub fn named(name: &str) -> Result<Box<dyn Engine>, Error> {
    let engines = all();
    let known = engines.iter().map(|e| e.name()).collect::<Vec<_>>().join(", ");
    engines.into_iter().find(|e| e.name() == name).ok_or_else(|| {
        Error::Unavailable(format!("this build has no engine `{name}`; it has: {known}"))
    })
}
