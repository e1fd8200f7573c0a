//! What is inside a model file. Runs nothing and executes nothing that a file holds.

pub mod anatomy;
pub mod checkpoint;
pub mod components;
pub mod deep;
pub mod difference;
mod engine;
pub mod graph;
pub mod onnx;
pub mod paddle;
mod protobuf;
pub mod skim;
pub mod summary;
pub mod support;

pub use anatomy::Anatomy;
pub use graph::cost::{Cost, GivenInputs};
pub use onnx::{Signature, Weights};
pub use protobuf::Malformed;

use crate::{
    os::{MappedFile, printable},
    tensorrt::{PlanHeader, Release, plan_header},
};
use graph::Graph;
use sha2::{Digest, Sha256};
use skim::Skim;
use std::{
    fmt,
    path::{Component, Path, PathBuf},
};

/// What a model file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// ONNX.
    Onnx,
    /// Paddle's program: a `.pdmodel`, with the `.pdiparams` beside it.
    PaddleProgram,
    /// Paddle's intermediate representation: a `.json`, with the `.pdiparams` beside it.
    PaddlePir,
    /// Parameters of a Paddle program alone: a `.pdiparams`.
    PaddleParameters,
    /// A state that Paddle saved: `.pdparams`, `.pdopt`.
    PaddleState,
    /// What `torch.save` writes since 1.6: an archive.
    PyTorch,
    /// What `torch.save` wrote before 1.6.
    PyTorchLegacy,
    /// Safetensors.
    Safetensors,
    /// An engine that this release of TensorRT has built.
    TensorRtEngine(Release),
}

/// A model file that was looked into.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// What it is.
    pub format: Format,
    /// Inputs, outputs and weights; empty of an engine, which only its library can read.
    pub signature: Signature,
    /// The network; none of an engine.
    pub graph: Option<Graph>,
    /// Size in bytes, with the files that hold its weights.
    pub bytes: u64,
    /// SHA-256 of the file, hexadecimal; with weights in other files, of the chain of all their
    /// SHA-256.
    pub sha256: String,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Onnx => "ONNX",
            Self::PaddleProgram => "Paddle program",
            Self::PaddlePir => "Paddle PIR program",
            Self::PaddleParameters => "Paddle parameters",
            Self::PaddleState => "Paddle state",
            Self::PyTorch => "PyTorch checkpoint",
            Self::PyTorchLegacy => "PyTorch checkpoint (legacy)",
            Self::Safetensors => "safetensors",
            Self::TensorRtEngine(release) => return write!(f, "TensorRT engine ({release})"),
        };
        f.pad(name)
    }
}

/// Why a model file cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the model {file}: {problem}")]
pub struct Error {
    file: String,
    problem: String,
}

/// Looks into the ONNX file at `path`.
///
/// # Errors
/// When it cannot be read, is truncated, is no ONNX, or a file with its weights is missing, too
/// short or outside the model's folder.
pub fn open(path: &Path) -> Result<Model, Error> {
    let refuse = |problem: String| Error { file: printable(path), problem };
    let bytes = mapped(path).map_err(refuse)?;
    if let Some(header) = plan_header(&bytes) {
        return Ok(engine_file(header, &bytes));
    }
    let contents = onnx::read(&Skim::bytes(&bytes))
        .map_err(|error| refuse(format!("no usable ONNX file: {error}; {}", cure(path))))?;
    let signature = Signature::of(&contents);
    let mut identity = sha256(&bytes);
    let mut size = bytes.len() as u64;
    for (name, &needed) in &signature.external {
        let weights = external(path, name, needed).map_err(refuse)?;
        size += weights.len() as u64;
        identity = sha256(format!("{identity}{}", sha256(&weights)).as_bytes());
    }
    let graph = Some(contents.graph);
    Ok(Model { format: Format::Onnx, signature, graph, bytes: size, sha256: identity })
}

fn engine_file(header: PlanHeader, bytes: &[u8]) -> Model {
    Model {
        format: Format::TensorRtEngine(header.release),
        signature: Signature::default(),
        graph: None,
        bytes: bytes.len() as u64,
        sha256: sha256(bytes),
    }
}

/// What to do about a file that is no ONNX.
fn cure(path: &Path) -> &'static str {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("pdmodel" | "pdiparams" | "json") => {
            "a model of Paddle has to be exported to ONNX: docs/MODELS.md"
        }
        Some("engine" | "plan" | "trt") => {
            "an engine of TensorRT begins with `ftrt`, this file does not: build it again"
        }
        Some("pt" | "pth" | "ckpt" | "safetensors") => {
            "a checkpoint has to be exported to ONNX: docs/MODELS.md"
        }
        _ => "export or copy it again",
    }
}

/// A file with weights beside the model. A model comes from a stranger: it may not name files
/// elsewhere.
fn external(model: &Path, name: &str, needed: u64) -> Result<MappedFile, String> {
    let beside = Path::new(name);
    if !beside.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)) {
        return Err(format!("its weights are outside its own folder: {name:?}; this is refused"));
    }
    let plain: PathBuf = beside.components().filter(|part| *part != Component::CurDir).collect();
    let file = model.with_file_name(plain);
    if file == model {
        return Err("it says that its weights are beside it, in itself; export it again".to_owned());
    }
    let shown = printable(&file);
    if file.exists() && !file.is_file() {
        return Err(format!("its weights are no file: {shown}"));
    }
    let weights = MappedFile::open(&file)
        .map_err(|error| format!("its weights are missing: {shown}: {error}"))?;
    if (weights.len() as u64) < needed {
        return Err(format!(
            "its weights are cut off: {shown} has {} bytes, {needed} are needed; copy it again",
            weights.len()
        ));
    }
    Ok(weights)
}

/// The bytes of a file that holds some.
fn mapped(path: &Path) -> Result<MappedFile, String> {
    if !path.is_file() {
        return Err("is no file".to_owned());
    }
    let bytes = MappedFile::open(path).map_err(|error| format!("cannot be read: {error}"))?;
    if bytes.is_empty() {
        return Err("the file is empty; export or copy it again".to_owned());
    }
    Ok(bytes)
}

/// What the model at `path` consists of. Weights are not read, and nothing that a file holds is
/// executed.
///
/// # Errors
/// When it cannot be read, is none of the formats, is truncated or contradicts itself.
pub fn inspect(path: &Path) -> Result<Anatomy, Error> {
    let refuse = |problem: String| Error { file: printable(path), problem };
    let bytes = mapped(path).map_err(refuse)?;
    if let Some(header) = plan_header(&bytes) {
        return Ok(engine::anatomy(path, bytes.len() as u64, header));
    }
    if let Some(checkpoint) = checkpoint::anatomy(path, &bytes) {
        return checkpoint.map_err(refuse);
    }
    let skim = Skim::file(&bytes);
    let paddle = paddle::anatomy(path, &skim);
    paddle.unwrap_or_else(|| onnx::anatomy(path, &skim)).map_err(refuse)
}

/// What one inference of a model costs; none of a file without a graph.
///
/// # Errors
/// When `given` does not fit the model's inputs, or the graph is none.
pub fn cost(anatomy: &Anatomy, given: &GivenInputs) -> Option<Result<Cost, graph::cost::Error>> {
    if let Some(lowered) = &anatomy.lowered {
        return Some(graph::cost::cost(&lowered.graph, anatomy::LOWERED_OPSET, given));
    }
    let graph = anatomy.graph.as_ref()?;
    let opset = anatomy.opsets.get("ai.onnx").copied().unwrap_or(1);
    (anatomy.format == Format::Onnx).then(|| graph::cost::cost(graph, opset, given))
}

/// SHA-256 in hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
