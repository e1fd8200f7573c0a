//! ONNX files. Field numbers are those of onnx.proto (onnx/onnx, IR version 10).

mod parts;
mod reader;
mod signature;
mod tensor;

pub use reader::{Contents, External, read};
pub use signature::{Signature, Weights, dtype_of};
pub use tensor::half;

use super::{
    Format,
    anatomy::{self, Anatomy, File, Section, SectionKind},
    external,
    protobuf::Malformed,
    skim::Skim,
};
use crate::{os::printable, tensor::DType};
use std::path::Path;

/// Why bytes are no usable ONNX file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// Not even protobuf, or cut off.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// More elements than there can be.
    #[error("the tensor {name:?} declares the shape {shape:?}, which no memory holds")]
    Shape {
        /// The tensor.
        name: String,
        /// Its shape.
        shape: Vec<u64>,
    },
    /// Another number of bytes than the shape asks for.
    #[error("the tensor {name:?} declares the shape {shape:?} of {dtype} but holds {found} bytes")]
    Length {
        /// The tensor.
        name: String,
        /// Its shape.
        shape: Vec<u64>,
        /// Its element type.
        dtype: DType,
        /// Bytes that are there.
        found: u64,
    },
    /// Graphs in graphs in graphs.
    #[error("its graphs are nested deeper than {0}; no exporter does that")]
    Depth(usize),
}

/// What the ONNX file at `path`, whose bytes `skim` has, consists of, with the files that hold its
/// weights.
///
/// # Errors
/// What is wrong with it, for its user.
pub fn anatomy(path: &Path, skim: &Skim<'_>) -> Result<Anatomy, String> {
    let mut contents = read(skim).map_err(|problem| problem.to_string())?;
    let name = path.file_name().map(|name| printable(Path::new(name))).unwrap_or_default();
    let mut files = vec![File { name, bytes: skim.all().len() as u64 }];
    let section = |file, (kind, bytes)| Section { file, kind, bytes };
    let mut sections: Vec<Section> =
        contents.sections.iter().map(|(&kind, &bytes)| section(0, (kind, bytes))).collect();
    for (index, part) in contents.external.iter().enumerate() {
        let file = index + 1;
        let size = external(path, &part.location, part.needed)?.len() as u64;
        files.push(File { name: part.location.clone(), bytes: size });
        let held = anatomy::share(&mut contents.weights, file)?;
        sections.push(section(file, (SectionKind::Weights, held)));
        sections.push(section(file, (SectionKind::Padding, size.saturating_sub(held))));
    }
    Ok(Anatomy {
        format: Format::Onnx,
        files,
        sections,
        weights: contents.weights,
        producer: contents.producer,
        ir_version: contents.ir_version,
        opsets: contents.opsets,
        metadata: contents.metadata,
        graph: Some(contents.graph),
        lowered: None,
        remarks: Vec::new(),
    })
}
