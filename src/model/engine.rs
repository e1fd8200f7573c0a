//! Engines of TensorRT: of their bytes only the release that wrote them is known.

use super::{
    Format,
    anatomy::{Anatomy, File, Section, SectionKind},
};
use crate::{os::printable, tensorrt::PlanHeader};
use std::{collections::BTreeMap, path::Path};

/// What is known of the engine of `bytes` bytes at `path`.
pub fn anatomy(path: &Path, bytes: u64, header: PlanHeader) -> Anatomy {
    let name = path.file_name().map(|name| printable(Path::new(name))).unwrap_or_default();
    let release = header.release;
    Anatomy {
        format: Format::TensorRtEngine(release),
        files: vec![File { name, bytes }],
        sections: vec![Section { file: 0, kind: SectionKind::Opaque, bytes }],
        weights: Vec::new(),
        producer: Some(format!("TensorRT {release}")),
        opsets: BTreeMap::new(),
        metadata: BTreeMap::new(),
        graph: None,
        lowered: None,
        ir_version: None,
        remarks: vec![format!(
            "An engine: only TensorRT {release} runs it, on the kind of GPU that it was built for. \
             What is in it only that library can read."
        )],
    }
}
