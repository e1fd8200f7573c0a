//! What a model file consists of: every byte of it under one heading, every weight under its name.
//! The same for every format.

use super::{Format, graph::Graph};
use crate::tensor::DType;
use serde::Serialize;
use std::collections::BTreeMap;

/// What a model consists of, with the files that belong to it.
#[derive(Clone, Debug)]
pub struct Anatomy {
    /// What it is.
    pub format: Format,
    /// Its files; the first is the one that was asked for.
    pub files: Vec<File>,
    /// Where the bytes are. They sum to the bytes of the files.
    pub sections: Vec<Section>,
    /// What the files store, in their order.
    pub weights: Vec<Weight>,
    /// Who wrote it, such as `pytorch 2.8.0` or `paddle 2.6.2`, where the file says so.
    pub producer: Option<String>,
    /// The version of the file format itself (ONNX's IR version), where it has one.
    pub ir_version: Option<u64>,
    /// Versions of the operator sets that the graph is written in, by domain: `ai.onnx` → 17. For
    /// Paddle the versions of the operators that the graph uses, by operator.
    pub opsets: BTreeMap<String, u64>,
    /// Entries of the file's own description, such as `stride` → `32`.
    pub metadata: BTreeMap<String, String>,
    /// The network, where the file holds one.
    pub graph: Option<Graph>,
    /// The same network in ONNX's words, where the file has words of its own.
    pub lowered: Option<Lowered>,
    /// What a reader should know, in whole sentences.
    pub remarks: Vec<String>,
}

/// ONNX's operator set that [`Lowered`] is written in.
pub const LOWERED_OPSET: u64 = 17;

/// A network in ONNX's words ([`LOWERED_OPSET`]), for what is said of those once: shapes and cost.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lowered {
    /// The network. What ONNX has no words for keeps its own, in a domain of its own.
    pub graph: Graph,
    /// For each node of it, the index of the node in [`Anatomy::graph`] that it comes from.
    pub origins: Vec<usize>,
}

/// One of a model's files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct File {
    /// Its name, without its folder.
    pub name: String,
    /// Its size.
    pub bytes: u64,
}

/// A heading under which bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SectionKind {
    /// Elements of tensors.
    Weights,
    /// Elements that no tensor of the file refers to.
    Unreferenced,
    /// Operators, what connects them, and the format's own framing.
    Structure,
    /// Parameters of operators.
    Attributes,
    /// Names of operators, values and tensors.
    Names,
    /// Declared types and shapes of values and tensors.
    Types,
    /// Stack traces of the program that built the graph (Paddle's `op_callstack`).
    CallStacks,
    /// Descriptive entries.
    Metadata,
    /// Documentation texts.
    DocStrings,
    /// Python objects around the tensors: keys, hyperparameters, epoch.
    Objects,
    /// Source code that was stored along (TorchScript).
    Code,
    /// Directory and headers of an archive.
    Container,
    /// Filling, so that tensors begin at round offsets.
    Padding,
    /// What only the library that wrote it can read.
    Opaque,
}

/// Bytes under a heading in one of the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Section {
    /// Index of the file in [`Anatomy::files`].
    pub file: usize,
    /// The heading.
    pub kind: SectionKind,
    /// How many.
    pub bytes: u64,
}

/// What a weight is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The network itself.
    Model,
    /// The moving average of the network's weights.
    Ema,
    /// State of the optimizer: moments, variances.
    Optimizer,
    /// State of the learning-rate schedule.
    Scheduler,
    /// Anything else.
    Other,
}

/// A tensor that a file stores.
#[derive(Clone, Debug, PartialEq)]
pub struct Weight {
    /// Its name in the file.
    pub name: String,
    /// Element type.
    pub dtype: DType,
    /// Lengths of its dimensions, outermost first.
    pub shape: Vec<u64>,
    /// Elements that it adds to the file: none where another weight has the same storage.
    pub elements: u64,
    /// Bytes that it adds to the file: none where another weight has the same storage.
    pub bytes: u64,
    /// What it is there for.
    pub role: Role,
    /// Where its elements lie as they are in memory; none where they are stored in another way.
    pub place: Option<Place>,
    /// How they lie there.
    pub layout: Layout,
}

/// How the elements of a tensor lie at their place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Layout {
    /// Without gaps, those of the last dimension side by side.
    #[default]
    RowMajor,
    /// As many elements apart, per dimension. From the first to the last they take the bytes of
    /// the place, of which other tensors may use some.
    Strided(Vec<u64>),
    /// As row-major bytes, each of which is a character of a text in UTF-8: what Python 3 makes of
    /// bytes in a pickle of protocol 2.
    Latin1,
}

/// Where elements lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Index of the file in [`Anatomy::files`].
    pub file: usize,
    /// First byte.
    pub offset: u64,
    /// How many bytes.
    pub bytes: u64,
}

impl Anatomy {
    /// Bytes of all files.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    /// Bytes under each heading over all files, most first.
    pub fn by_section(&self) -> Vec<(SectionKind, u64)> {
        let mut sums = BTreeMap::new();
        for section in &self.sections {
            *sums.entry(section.kind).or_default() += section.bytes;
        }
        let mut sums: Vec<_> = sums.into_iter().filter(|&(_, bytes)| bytes > 0).collect();
        sums.sort_by_key(|&(kind, bytes)| (std::cmp::Reverse(bytes), kind));
        sums
    }
}

/// Lets weights of one file that have the same place count once, and returns the bytes that all of
/// the file's weights take.
///
/// # Errors
/// When weights overlap without being the same, which no writer does.
pub fn share(weights: &mut [Weight], file: usize) -> Result<u64, String> {
    let mut all: Vec<(Place, &mut Weight)> = weights
        .iter_mut()
        .filter_map(|weight| Some((weight.place.filter(|place| place.file == file)?, weight)))
        .filter(|(place, _)| place.bytes > 0)
        .collect();
    all.sort_by_key(|(place, _)| (place.offset, place.bytes));
    let (mut held, mut last): (u64, Option<Place>) = (0, None);
    for (place, weight) in all {
        match last {
            Some(last) if last == place => (weight.bytes, weight.elements) = (0, 0),
            Some(last) if place.offset < last.offset.saturating_add(last.bytes) => {
                return Err(format!(
                    "the weight {:?} overlaps another one in part: the file was tampered with or is \
                     damaged; export or copy it again",
                    weight.name
                ));
            }
            _ => held = held.saturating_add(place.bytes),
        }
        last = Some(place);
    }
    Ok(held)
}
