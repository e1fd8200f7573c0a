//! The signature of an ONNX file: inputs, outputs, opset and the type of its weights. Weights are
//! walked over, not read. Field numbers are those of onnx.proto (onnx/onnx, IR version 10).

use super::{
    nms,
    protobuf::{Fields, Malformed, Value},
};
use crate::{
    scenario::Precision,
    tensor::{DType, Dim, ModelIo, TensorInfo},
};
use std::collections::{BTreeMap, HashSet};

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

impl Signature {
    /// Reads the signature of the ONNX model in `bytes`.
    ///
    /// # Errors
    /// [`Malformed`] when the bytes are truncated or no model.
    pub fn read(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut signature = Self::default();
        let mut graph = None;
        for field in Fields::of(bytes) {
            match field? {
                (7, value) => graph = Some(value.message()?),
                (8, value) => signature.opset(value.message()?)?,
                (14, value) => signature.metadata(value.message()?)?,
                _ => {}
            }
        }
        let graph = graph.ok_or(Malformed::NoMessage)?;
        signature.nms_threshold = nms::score_threshold(graph.clone())?;
        signature.graph(graph)?;
        if signature.io.outputs.is_empty() { Err(Malformed::NoMessage) } else { Ok(signature) }
    }

    fn metadata(&mut self, fields: Fields<'_>) -> Result<(), Malformed> {
        let (key, text) = entry(fields)?;
        if key == "names" {
            let names = class_names(&text).unwrap_or_default();
            // A network that was never trained calls its classes by their numbers.
            let numbered = names.iter().enumerate().all(|(n, name)| *name == n.to_string());
            self.classes = if numbered { Vec::new() } else { names };
        }
        Ok(())
    }

    fn opset(&mut self, fields: Fields<'_>) -> Result<(), Malformed> {
        let (mut domain, mut version) = (String::new(), None);
        for field in fields {
            match field? {
                (1, value) => domain = value.text()?,
                (2, value) => version = Some(value.number()?),
                _ => {}
            }
        }
        if domain.is_empty() || domain == "ai.onnx" {
            self.opset = version;
        }
        Ok(())
    }

    fn graph(&mut self, fields: Fields<'_>) -> Result<(), Malformed> {
        let mut initialisers = HashSet::new();
        for field in fields {
            match field? {
                (1, value) => {
                    self.nodes += 1;
                    self.quantising += usize::from(quantises(value.message()?)?);
                }
                (5, value) => {
                    initialisers.insert(self.initialiser(value.message()?)?);
                }
                (11, value) => self.io.inputs.push(value_info(value.message()?)?),
                (12, value) => self.io.outputs.push(value_info(value.message()?)?),
                _ => {}
            }
        }
        // Up to IR version 3 every initialiser is listed as an input too.
        self.io.inputs.retain(|input| !initialisers.contains(&input.name));
        Ok(())
    }

    /// Notes one TensorProto and returns its name.
    fn initialiser(&mut self, fields: Fields<'_>) -> Result<String, Malformed> {
        let (mut name, mut dtype, mut elements) = (String::new(), 0, 1_u64);
        let mut external = External::default();
        for field in fields {
            match field? {
                (1, Value::Varint(length)) => elements = elements.saturating_mul(length),
                (1, Value::Bytes(packed)) => elements = elements.saturating_mul(product(packed)),
                (2, value) => dtype = value.number()?,
                (8, value) => name = value.text()?,
                (13, value) => external.read(value.message()?)?,
                _ => {}
            }
        }
        if let Some(location) = external.location {
            let end = external.offset.saturating_add(external.length);
            let needed = self.external.entry(location).or_default();
            *needed = end.max(*needed);
        }
        let count = match dtype_of(dtype) {
            DType::F32 => &mut self.weights.fp32,
            DType::F16 | DType::BF16 => &mut self.weights.fp16,
            DType::I8 | DType::U8 => &mut self.weights.int8,
            _ => return Ok(name),
        };
        *count = count.saturating_add(elements);
        Ok(name)
    }
}

/// Where the weights of one initialiser lie, if not in the model file.
#[derive(Default)]
struct External {
    location: Option<String>,
    offset: u64,
    length: u64,
}

impl External {
    /// Takes one of the entries that together name the place.
    fn read(&mut self, fields: Fields<'_>) -> Result<(), Malformed> {
        let (key, text) = entry(fields)?;
        let number = || text.parse().map_err(|_| Malformed::NoMessage);
        match key.as_str() {
            "location" => self.location = Some(text),
            "offset" => self.offset = number()?,
            "length" => self.length = number()?,
            _ => {}
        }
        Ok(())
    }
}

/// Whether a NodeProto is one of the two operators that take floats to integers and back.
fn quantises(fields: Fields<'_>) -> Result<bool, Malformed> {
    for field in fields {
        if let (4, value) = field? {
            return Ok(matches!(value.text()?.as_str(), "QuantizeLinear" | "DequantizeLinear"));
        }
    }
    Ok(false)
}

/// A StringStringEntryProto.
fn entry(fields: Fields<'_>) -> Result<(String, String), Malformed> {
    let (mut key, mut text) = (String::new(), String::new());
    for field in fields {
        match field? {
            (1, value) => key = value.text()?,
            (2, value) => text = value.text()?,
            _ => {}
        }
    }
    Ok((key, text))
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

/// Product of packed varints; what cannot be read counts as 1.
fn product(packed: &[u8]) -> u64 {
    let mut product = 1_u64;
    let (mut value, mut shift) = (0_u64, 0);
    for &byte in packed {
        value |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
        shift += 7;
        if byte < 0x80 {
            product = product.saturating_mul(value);
            (value, shift) = (0, 0);
        }
    }
    product
}

fn value_info(fields: Fields<'_>) -> Result<TensorInfo, Malformed> {
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
