//! The threshold that an ONNX graph with NMS was exported with: what a scenario cannot lower.

use super::protobuf::{Fields, Malformed, Value};
use std::collections::HashMap;

/// Which input of `NonMaxSuppression` is its score threshold (ONNX operator set 10).
const SCORE_THRESHOLD: usize = 4;

/// The score threshold of the graph's `NonMaxSuppression`, if it has one with a constant threshold.
///
/// # Errors
/// [`Malformed`] when the bytes are no graph.
pub(super) fn score_threshold(graph: Fields<'_>) -> Result<Option<f32>, Malformed> {
    let (mut constants, mut wanted) = (HashMap::new(), None);
    for field in graph {
        match field? {
            (1, value) => {
                let node = Node::read(value.message()?)?;
                match node.operator {
                    b"NonMaxSuppression" => wanted = node.inputs.get(SCORE_THRESHOLD).copied(),
                    b"Constant" => constants.extend(node.output.zip(node.constant)),
                    _ => {}
                }
            }
            (5, value) => constants.extend(constant(value.message()?)?),
            _ => {}
        }
    }
    Ok(wanted.and_then(|name| constants.get(name).copied()))
}

/// What matters of a NodeProto.
#[derive(Default)]
struct Node<'a> {
    operator: &'a [u8],
    inputs: Vec<&'a [u8]>,
    output: Option<&'a [u8]>,
    /// The tensor in its attributes, if that is one float.
    constant: Option<f32>,
}

impl<'a> Node<'a> {
    fn read(fields: Fields<'a>) -> Result<Self, Malformed> {
        let mut node = Self::default();
        for field in fields {
            match field? {
                (1, value) => node.inputs.push(value.bytes()?),
                (2, value) => node.output = Some(value.bytes()?),
                (4, value) => node.operator = value.bytes()?,
                (5, value) => {
                    for field in value.message()? {
                        if let (5, tensor) = field? {
                            node.constant = constant(tensor.message()?)?.map(|(_, value)| value);
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(node)
    }
}

/// Name and value of a TensorProto that is one 32 bit float.
fn constant(fields: Fields<'_>) -> Result<Option<(&[u8], f32)>, Malformed> {
    const FLOAT: u64 = 1;
    let (mut name, mut dtype, mut value) = (&[][..], 0, None);
    for field in fields {
        match field? {
            (2, number) => dtype = number.number()?,
            (4, Value::Fixed32(bits)) => value = Some(bits.to_le_bytes()),
            (4 | 9, Value::Bytes(bytes)) => value = bytes.try_into().ok(),
            (8, text) => name = text.bytes()?,
            _ => {}
        }
    }
    Ok(value.filter(|_| dtype == FLOAT).map(|bytes| (name, f32::from_le_bytes(bytes))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
        [&[number << 3 | 2, bytes.len() as u8], bytes].concat()
    }

    fn node(operator: &str, inputs: &[&str], attribute: &[u8]) -> Vec<u8> {
        let inputs: Vec<u8> = inputs.iter().flat_map(|name| field(1, name.as_bytes())).collect();
        let rest = [field(2, b"t"), field(4, operator.as_bytes()), attribute.to_vec()].concat();
        field(1, &[inputs, rest].concat())
    }

    fn threshold(nodes: &[Vec<u8>]) -> Option<f32> {
        score_threshold(Fields::of(&nodes.concat())).unwrap()
    }

    #[test]
    fn the_threshold_is_found_where_exporters_put_it() {
        let raw = [vec![0x10, 1], field(9, &0.025_f32.to_le_bytes())].concat();
        let packed = [vec![0x10, 1], field(4, &0.01_f32.to_le_bytes())].concat();
        let nms = || node("NonMaxSuppression", &["b", "s", "m", "i", "t"], &[]);
        let in_node = |tensor: &[u8]| node("Constant", &[], &field(5, &field(5, tensor)));
        assert_eq!(threshold(&[in_node(&raw), nms()]), Some(0.025));
        assert_eq!(threshold(&[nms(), in_node(&packed)]), Some(0.01));
        let initialiser = field(5, &[raw.as_slice(), &field(8, b"t")].concat());
        assert_eq!(threshold(&[initialiser, nms()]), Some(0.025));
        assert_eq!(threshold(&[nms()]), None);
        assert_eq!(threshold(&[in_node(&raw)]), None);
        assert_eq!(threshold(&[in_node(&raw), node("NonMaxSuppression", &["b", "s"], &[])]), None);
    }
}
