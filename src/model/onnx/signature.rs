//! The signature of an ONNX file: inputs, outputs, opset and the type of its weights. Weights are
//! walked over, not read. Field numbers are those of onnx.proto (onnx/onnx, IR version 10).

use super::{Contents, Problem, read};
use crate::{
    model::{
        anatomy::Weight,
        graph::{Graph, Node, Numbers, ValueId},
        protobuf::{Fields, Malformed},
        skim::Skim,
    },
    scenario::Precision,
    tensor::{DType, Dim, ModelIo, TensorInfo},
};
use std::collections::BTreeMap;

/// What a runner has to know of a model before it loads it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Signature {
    /// Inputs to fill and outputs to read.
    pub io: ModelIo,
    /// Version of the default operator set.
    pub opset: Option<u64>,
    /// Operators of the graph, counted.
    pub nodes: usize,
    /// Those of them that quantise or dequantise.
    pub quantising: usize,
    /// Files beside the model that hold weights, by relative name, with the bytes each must have.
    pub external: BTreeMap<String, u64>,
    /// Numbers in weights by type.
    pub weights: Weights,
    /// Score threshold of an NMS in the graph.
    pub nms_threshold: Option<f32>,
    /// Class names from the metadata entry `names`, as YOLO exports write them; empty without.
    pub classes: Vec<String>,
}

/// How many numbers the weights hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weights {
    /// 32 bit floats.
    pub fp32: u64,
    /// 16 bit floats of either kind.
    pub fp16: u64,
    /// 8 bit integers.
    pub int8: u64,
}

impl Weights {
    fn of(weights: &[Weight]) -> Self {
        let mut counts = Self::default();
        for weight in weights {
            let count = match weight.dtype {
                DType::F32 => &mut counts.fp32,
                DType::F16 | DType::BF16 => &mut counts.fp16,
                DType::I8 | DType::U8 => &mut counts.int8,
                _ => continue,
            };
            *count = count.saturating_add(weight.elements);
        }
        counts
    }

    /// The precision that most of the weights are kept in; without weights FP32.
    pub fn precision(&self) -> Precision {
        let most = self.fp32.max(self.fp16).max(self.int8);
        match most {
            0 => Precision::Fp32,
            n if n == self.int8 => Precision::Int8,
            n if n == self.fp16 => Precision::Fp16,
            _ => Precision::Fp32,
        }
    }
}

/// Which input of `NonMaxSuppression` is its score threshold (ONNX operator set 10).
const SCORE_THRESHOLD: usize = 4;

impl Signature {
    /// Reads the signature of the ONNX model in `bytes`.
    ///
    /// # Errors
    /// [`Problem`] when the bytes are truncated or no model.
    pub fn read(bytes: &[u8]) -> Result<Self, Problem> {
        Ok(Self::of(&read(&Skim::bytes(bytes))?))
    }

    /// The signature of what was read.
    pub fn of(contents: &Contents) -> Self {
        let graph = &contents.graph;
        let infos = |ids: &[ValueId]| ids.iter().map(|&id| graph.value(id).info.clone()).collect();
        let named = contents.metadata.get("names").and_then(|text| class_names(text));
        // A network that was never trained calls its classes by their numbers.
        let trained =
            |names: &Vec<String>| names.iter().enumerate().any(|(n, name)| *name != n.to_string());
        Self {
            io: ModelIo { inputs: infos(&graph.inputs), outputs: infos(&graph.outputs) },
            opset: contents.opsets.get("ai.onnx").copied(),
            nodes: graph.nodes.len(),
            quantising: graph.nodes.iter().filter(|node| quantises(node)).count(),
            external: contents
                .external
                .iter()
                .map(|file| (file.location.clone(), file.needed))
                .collect(),
            weights: Weights::of(&contents.weights),
            nms_threshold: nms_threshold(graph),
            classes: named.filter(trained).unwrap_or_default(),
        }
    }
}

/// Whether a node is one of the two operators that take floats to integers and back.
fn quantises(node: &Node) -> bool {
    matches!(node.operator.as_str(), "QuantizeLinear" | "DequantizeLinear")
}

/// The score threshold of the graph's `NonMaxSuppression`, if it has one with a constant threshold:
/// what a scenario cannot lower.
fn nms_threshold(graph: &Graph) -> Option<f32> {
    let node = graph.nodes.iter().rfind(|node| node.operator == "NonMaxSuppression")?;
    let id = node.inputs.get(SCORE_THRESHOLD).copied()??;
    match graph.value(id).constant.as_ref()?.numbers.as_ref()? {
        Numbers::Floats(numbers) => numbers.first().map(|&number| number as f32),
        Numbers::Integers(_) => None,
    }
}

/// Most class names that are taken for meant.
const MAX_CLASSES: usize = 10_000;

/// Reads the Python dict literal `{0: 'person', 1: "driver's cab"}` with keys counting from 0.
/// Anything else is no list of names.
fn class_names(text: &str) -> Option<Vec<String>> {
    let mut rest = text.trim().strip_prefix('{')?.trim_start();
    let mut names = Vec::new();
    while !rest.starts_with('}') {
        let (key, after) = rest.split_once(':')?;
        if key.trim().parse() != Ok(names.len()) || names.len() == MAX_CLASSES {
            return None;
        }
        let after = after.trim_start();
        let quote = after.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
        let (name, after) = after[1..].split_once(quote)?;
        names.push(name.to_owned());
        rest = after.trim_start().trim_start_matches(',').trim_start();
    }
    Some(names)
}

/// Reads ValueInfoProto.
pub(super) fn value_info(fields: Fields<'_>) -> Result<TensorInfo, Malformed> {
    let mut info = TensorInfo { name: String::new(), dtype: DType::Other(0), dims: None };
    for field in fields {
        match field? {
            (1, value) => info.name = value.text()?,
            (2, value) => tensor_type(value.message()?, &mut info)?,
            _ => {}
        }
    }
    Ok(info)
}

/// Reads TypeProto and, within it, TypeProto.Tensor.
fn tensor_type(fields: Fields<'_>, info: &mut TensorInfo) -> Result<(), Malformed> {
    for field in fields {
        let (1, value) = field? else { continue };
        for field in value.message()? {
            match field? {
                (1, value) => info.dtype = dtype_of(value.number()?),
                (2, value) => info.dims = Some(shape(value.message()?)?),
                _ => {}
            }
        }
    }
    Ok(())
}

fn shape(fields: Fields<'_>) -> Result<Vec<Dim>, Malformed> {
    let mut dims = Vec::new();
    for field in fields {
        if let (1, value) = field? {
            dims.push(dim(value.message()?)?);
        }
    }
    Ok(dims)
}

fn dim(fields: Fields<'_>) -> Result<Dim, Malformed> {
    let mut dim = Dim::Dynamic(String::new());
    for field in fields {
        match field? {
            // Some exporters write -1 or 0 for "not known".
            (1, value) => {
                let length = value.number()? as i64;
                if let Ok(length @ 1..) = usize::try_from(length) {
                    dim = Dim::Fixed(length);
                }
            }
            (2, value) => dim = Dim::Dynamic(value.text()?),
            _ => {}
        }
    }
    Ok(dim)
}

/// From ONNX's `TensorProto.DataType`.
pub fn dtype_of(code: u64) -> DType {
    match code {
        1 => DType::F32,
        2 => DType::U8,
        3 => DType::I8,
        6 => DType::I32,
        7 => DType::I64,
        9 => DType::Bool,
        10 => DType::F16,
        11 => DType::F64,
        16 => DType::BF16,
        other => DType::Other(u32::try_from(other).unwrap_or(u32::MAX)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
        [&[number << 3 | 2, bytes.len() as u8], bytes].concat()
    }

    fn model() -> Vec<u8> {
        let dims = [field(1, &field(2, b"n")), field(1, &[0x08, 3])].concat();
        let tensor = [vec![0x08, 1], field(2, &dims)].concat();
        let value = |name: &[u8]| [field(1, name), field(2, &field(1, &tensor))].concat();
        let weight = [vec![0x08, 4, 0x10, 10], field(8, b"w")].concat();
        let graph = [
            field(1, b""),
            field(5, &weight),
            field(11, &value(b"x")),
            field(11, &value(b"w")),
            field(12, &value(b"y")),
        ];
        [field(8, &[0x10, 13]), field(7, &graph.concat())].concat()
    }

    #[test]
    fn a_signature_has_inputs_without_initialisers_and_the_weights_type() {
        let signature = Signature::read(&model()).unwrap();
        assert_eq!(signature.io.inputs.len(), 1);
        assert_eq!(signature.io.inputs[0].to_string(), "x float32 [n, 3]");
        assert_eq!(signature.opset, Some(13));
        assert_eq!(signature.weights, Weights { fp16: 4, ..Weights::default() });
        assert_eq!(signature.weights.precision(), Precision::Fp16);
    }

    #[test]
    fn class_names_are_read_from_a_dict_literal_and_nothing_else() {
        let names = |text| class_names(text);
        assert_eq!(names("{0: 'a b', 1: \"c's\"}").unwrap(), ["a b", "c's"]);
        assert_eq!(names("{}").unwrap().len(), 0);
        for bad in ["", "[1]", "{1: 'a'}", "{0: a}", "{0: 'a", "{0: 'a' 1}"] {
            assert_eq!(names(bad), None, "{bad}");
        }
    }

    #[test]
    fn every_truncation_of_a_model_is_an_error() {
        let whole = model();
        for length in 0..whole.len() {
            // A cut between the two outermost fields leaves a message without a graph.
            assert!(Signature::read(&whole[..length]).is_err(), "{length} bytes");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_signature_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = Signature::read(&bytes);
        }
    }
}
