//! What is inside a model file. Runs nothing and executes nothing that a file holds.

mod onnx;
mod protobuf;

pub use onnx::{Signature, Weights};

use crate::os::MappedFile;
use sha2::{Digest, Sha256};
use std::path::Path;

/// A model file that was looked into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model {
    /// Inputs, outputs and weights.
    pub signature: Signature,
    /// Size of the file in bytes.
    pub bytes: u64,
    /// SHA-256 of the file, hexadecimal.
    pub sha256: String,
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
/// When it cannot be read, is truncated, is no ONNX, or lacks a file with its weights.
pub fn open(path: &Path) -> Result<Model, Error> {
    let refuse = |problem: String| Error { file: path.display().to_string(), problem };
    let bytes =
        MappedFile::open(path).map_err(|error| refuse(format!("cannot be read: {error}")))?;
    if bytes.is_empty() {
        return Err(refuse("the file is empty; export or copy it again".to_owned()));
    }
    let signature = Signature::read(&bytes).map_err(|error| {
        refuse(format!("no usable ONNX file: {error}; export or copy it again"))
    })?;
    for name in &signature.external {
        let beside = path.with_file_name(name);
        if !beside.is_file() {
            return Err(refuse(format!("its weights are missing: {}", beside.display())));
        }
    }
    Ok(Model { signature, bytes: bytes.len() as u64, sha256: sha256(&bytes) })
}

/// SHA-256 in hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
