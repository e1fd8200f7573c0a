//! What an engine is built with: everything that makes it unfit for another use is in its key.

use super::library;
use crate::{
    engine::{Error, Feed, LoadSpec},
    model::{Model, Signature},
    scenario::{Precision, Profile},
    tensor::{DType, Dim, ModelIo, TensorInfo, TensorSet},
    tensorrt::{Abi, Described, Element, InputRange, Library, Typing},
    unit::Bytes,
};

/// How one engine is built.
#[derive(Clone, Debug)]
pub struct Recipe {
    /// Whether layers may be computed in 16 bit floats.
    pub fp16: bool,
    /// Whether they may be computed in 8 bit integers.
    pub int8: bool,
    /// Whether the ranges of these are to be found out from images.
    pub calibrates: bool,
    /// Whether 32 bit floats may be computed in TF32.
    pub tf32: bool,
    /// Memory for a layer.
    pub workspace: Option<Bytes>,
    /// How long faster kernels are looked for.
    pub optimization_level: Option<u8>,
    /// Shapes of the inputs that have no fixed ones.
    pub profile: Vec<InputRange>,
    /// Everything that tells this engine from others, a line each.
    pub key: String,
}

/// Where a precision comes from with that library.
pub fn typing(library: &Library) -> Typing {
    match library.abi() {
        Abi::Eight | Abi::Ten => Typing::Flags,
        Abi::Eleven => Typing::Graph,
    }
}

/// Inputs and outputs as TensorRT's parser sees them.
pub fn described(inputs: &[Described], outputs: &[Described]) -> ModelIo {
    let info = |tensor: &Described| TensorInfo {
        name: tensor.name.clone(),
        dtype: dtype(tensor.element),
        dims: Some(dims(&tensor.dims)),
    };
    ModelIo {
        inputs: inputs.iter().map(info).collect(),
        outputs: outputs.iter().map(info).collect(),
    }
}

/// The type of a tensor's elements; of one that no host has, a number.
pub fn dtype(element: Element) -> DType {
    element.dtype().unwrap_or(DType::Other(u32::MAX))
}

/// Dimensions as TensorRT writes them: negative where they are chosen at run time.
pub fn dims(lengths: &[i64]) -> Vec<Dim> {
    let dim = |&length: &i64| {
        usize::try_from(length).map_or_else(|_| Dim::Dynamic(String::new()), Dim::Fixed)
    };
    lengths.iter().map(dim).collect()
}

impl Recipe {
    /// The recipe for `model`, that of `spec`, which has these inputs and outputs.
    ///
    /// # Errors
    /// When the library cannot build the precision that is asked for, or the model does not fit its
    /// family or a batch.
    pub fn new(
        spec: &LoadSpec<'_>,
        model: &Model,
        library: &Library,
        io: &ModelIo,
        feed: &mut dyn Feed,
    ) -> Result<Self, Error> {
        let signature = &model.signature;
        let flags = typing(library) == Typing::Flags;
        let asked = spec.precision;
        if !flags {
            in_graph(asked, signature, library)?;
        }
        let options = &spec.place.options.tensorrt;
        let mut recipe = Self {
            fp16: flags && asked == Precision::Fp16,
            int8: flags && asked == Precision::Int8,
            calibrates: flags && asked == Precision::Int8 && signature.quantising == 0,
            tf32: options.tf32,
            workspace: options.workspace_mib.map(|mib| Bytes(mib.saturating_mul(1 << 20))),
            optimization_level: options.optimization_level,
            profile: profile(spec, library, io, feed)?,
            key: String::new(),
        };
        recipe.key = recipe.describe(spec, library, &model.sha256, &*feed);
        Ok(recipe)
    }

    fn describe(
        &self,
        spec: &LoadSpec<'_>,
        library: &Library,
        model: &str,
        feed: &dyn Feed,
    ) -> String {
        let place = spec.place;
        let images = if self.calibrates { feed.identity() } else { String::new() };
        let capability = place.capability.map(|capability| capability.to_string());
        [
            "1".to_owned(),
            model.to_owned(),
            library.release().to_string(),
            library::identity(library),
            place.device.product().to_owned(),
            capability.unwrap_or_default(),
            spec.precision.to_string(),
            format!("fp16 {} int8 {} tf32 {}", self.fp16, self.int8, self.tf32),
            format!("calibrated on {images}"),
            format!("workspace {:?} level {:?}", self.workspace, self.optimization_level),
            format!("{:?}", self.profile),
        ]
        .join("\n")
    }
}

/// Where types are those of the graph, the graph has to be of the precision that is asked for.
fn in_graph(asked: Precision, signature: &Signature, library: &Library) -> Result<(), Error> {
    let kept = match signature.quantising {
        0 => signature.weights.precision(),
        _ => Precision::Int8,
    };
    if asked == kept {
        return Ok(());
    }
    Err(Error::Unsupported(format!(
        "TensorRT {} computes in the types of the graph: precision {asked} is asked for, the model is \
         {kept}; give a model that was exported in {asked} (int8: with quantise and dequantise \
         nodes), or a TensorRT 8.6 or 10 as tensorrt_library, which makes it so by itself",
        library.release()
    )))
}

/// Images of a batch for each of the contexts that share it.
///
/// # Errors
/// [`Error::Unsupported`] where it cannot be shared evenly, or the release has one context alone.
pub fn part(spec: &LoadSpec<'_>, library: &Library) -> Result<usize, Error> {
    let contexts = spec.place.options.tensorrt.contexts as usize;
    let release = library.release();
    if contexts > 1 && release.major == 8 && release.minor < 6 {
        return Err(Error::Unsupported(format!(
            "engine.tensorrt.contexts = {contexts}: in TensorRT {release} a profile serves one context \
             alone; use TensorRT 8.6 or later, or contexts = 1"
        )));
    }
    if spec.batch.is_multiple_of(contexts) {
        return Ok(spec.batch / contexts);
    }
    Err(Error::Unsupported(format!(
        "engine.tensorrt.contexts = {contexts} share a batch evenly, and {} is no multiple of that",
        spec.batch
    )))
}

/// The shapes for which the engine is built: those of the cell's batch alone, or of all batches.
fn profile(
    spec: &LoadSpec<'_>,
    library: &Library,
    io: &ModelIo,
    feed: &mut dyn Feed,
) -> Result<Vec<InputRange>, Error> {
    let (part, options) = (part(spec, library)?, &spec.place.options.tensorrt);
    let contexts = options.contexts as usize;
    let all = spec.place.batches.iter().map(|&batch| (batch as usize).div_ceil(contexts));
    let batches = match options.profile {
        Profile::Batch => [part; 2],
        Profile::Range => {
            [all.clone().min().unwrap_or(part).min(part), all.max().unwrap_or(part).max(part)]
        }
    };
    let smallest = feed.inputs(io, batches[0])?;
    let largest = feed.inputs(io, batches[1])?;
    let dynamic =
        |info: &&TensorInfo| info.dims.iter().flatten().any(|dim| matches!(dim, Dim::Dynamic(_)));
    let range = |info: &TensorInfo| InputRange {
        name: info.name.clone(),
        min: lengths(&smallest, &info.name),
        opt: lengths(&largest, &info.name),
        max: lengths(&largest, &info.name),
    };
    Ok(io.inputs.iter().filter(dynamic).map(range).collect())
}

/// Lengths of the tensor that feeds that input; none if there is none.
fn lengths(tensors: &TensorSet, input: &str) -> Vec<i64> {
    let fed = tensors.iter().find(|tensor| tensor.name == input);
    fed.map_or_else(Vec::new, |tensor| tensor.shape.dims().iter().map(|&n| n as i64).collect())
}
