//! Why bytes are no usable model of Paddle, and what helps. Reads nothing.

use crate::{model::protobuf::Malformed, os::printable, tensor::DType};
use std::path::Path;

/// What is wrong with a program or its parameters.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// Not even protobuf, or cut off.
    #[error("no usable program of Paddle: {0}; export or copy it again")]
    Malformed(#[from] Malformed),
    /// Blocks in blocks in blocks.
    #[error("its blocks are nested deeper than {0}; no exporter does that")]
    Depth(usize),
    /// No JSON, or not as PIR has it.
    #[error("no usable PIR program: {0}; export or copy it again")]
    Json(String),
    /// JSON of something else.
    #[error(
        "it is JSON but no program of Paddle, which has a `base_code` with the magic `pir`; name \
         the model.json that paddle.jit.save wrote"
    )]
    NoPir,
    /// Not as a tensor begins.
    #[error(
        "at tensor {index}, counted from 0, it is no file of parameters as Paddle's \
         save_inference_model writes it; copy it again, or name the .pdiparams"
    )]
    NoParameters {
        /// The tensor, counted from 0.
        index: usize,
    },
    /// It ends within a tensor.
    #[error(
        "the parameters end inside tensor {index}, counted from 0: {missing} bytes are missing; copy the file again"
    )]
    CutOff {
        /// The tensor, counted from 0.
        index: usize,
        /// Bytes that should still come.
        missing: u64,
    },
    /// A length below zero.
    #[error(
        "tensor {index} of the parameters, counted from 0, is stored with the shape {dims:?}; export it again"
    )]
    Negative {
        /// The tensor, counted from 0.
        index: usize,
        /// Its shape.
        dims: Vec<i64>,
    },
    /// More elements than there can be, or of no size.
    #[error(
        "tensor {index} of the parameters, counted from 0, is stored with the shape {shape:?} of {dtype}, which no memory holds; export it again"
    )]
    Shape {
        /// The tensor, counted from 0.
        index: usize,
        /// Its element type.
        dtype: DType,
        /// Its shape.
        shape: Vec<u64>,
    },
    /// Parameters of another program.
    #[error(
        "tensor {index}, counted from 0, is stored with the shape {shape:?} of {dtype}, but the program declares {declared}"
    )]
    Foreign {
        /// The tensor, counted from 0.
        index: usize,
        /// Its element type.
        dtype: DType,
        /// Its shape.
        shape: Vec<u64>,
        /// Name, element type and shape that the program has there.
        declared: String,
    },
    /// Parameters of another program.
    #[error("it holds {stored} tensors, but the program declares {declared}")]
    Count {
        /// Parameters of the program.
        declared: usize,
        /// Tensors in the file.
        stored: usize,
    },
}

impl Problem {
    /// The same of the parameters in `file`, which were looked for because of `program`.
    pub fn of_file(&self, file: &Path, program: &Path) -> String {
        let name = |path: &Path| path.file_name().map(|name| printable(Path::new(name)));
        let (file, program) = (name(file).unwrap_or_default(), name(program).unwrap_or_default());
        match self {
            Self::Foreign { .. } | Self::Count { .. } => format!(
                "{file} belongs to another model than {program}: {self}; copy the .pdiparams that \
                 was saved with this program beside it"
            ),
            Self::Malformed(malformed) => {
                format!("{file} is no usable file of parameters: {malformed}; copy it again")
            }
            other => format!("{file} beside it: {other}"),
        }
    }
}
