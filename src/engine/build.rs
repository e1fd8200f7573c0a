//! What some engines make of a model before they can load it: an engine of their own, fitted to a
//! card, which may take minutes. Says what a build is told and what comes of it; builds nothing.

use super::Error;
use crate::{
    os::FilePath,
    tensor::{ModelIo, TensorSet},
    unit::{Bytes, Nanos},
};
use serde::{Deserialize, Serialize};
use std::ops::ControlFlow;

/// What a model is fed with.
pub trait Feed {
    /// Tensors of the shapes and types that a model with these inputs and outputs takes for
    /// `batch` images; what is in them means nothing.
    ///
    /// # Errors
    /// [`Error::Unsupported`] when the model does not fit its family or the batch.
    fn inputs(&mut self, io: &ModelIo, batch: usize) -> Result<TensorSet, Error>;

    /// The next images, pre-processed, `batch` of them, the last batch filled up from the start; `None`
    /// when all have been taken. Starts again whenever [`Feed::inputs`] is called.
    ///
    /// # Errors
    /// [`Error::Failed`] names the image that cannot be decoded.
    fn next(&mut self) -> Result<Option<&TensorSet>, Error>;

    /// What tells these images from others, hexadecimal.
    fn identity(&self) -> String;
}

/// How far a build is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// What is being done, in the engine's words.
    pub phase: String,
    /// Steps of it that are done.
    pub step: u32,
    /// Steps that it has.
    pub steps: u32,
}

/// Hears how far a build is, on whatever thread, and says whether it is to go on.
pub type Report<'a> = dyn FnMut(&Progress) -> ControlFlow<()> + Send + 'a;

/// What came of a build.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Built {
    /// The file that holds it.
    pub file: FilePath,
    /// SHA-256 of that file, hexadecimal.
    pub sha256: String,
    /// Time that it took when it was built, parsing of the model and writing of files left out;
    /// none of an engine that somebody else has built.
    pub took: Option<Nanos>,
    /// Size of the engine.
    pub bytes: Bytes,
    /// Whether it was there already, from an earlier run.
    pub kept: bool,
    /// Whether times of kernels from earlier builds were at hand when it was built, which makes a build
    /// shorter.
    #[serde(default)]
    pub warm: bool,
    /// What should be known of it, such as an engine in the cache that was not usable.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<String>,
}
