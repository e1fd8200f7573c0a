//! The small parts of an ONNX file: constant operators, operator sets, functions.

use crate::{
    model::{
        graph::{Attribute, Constant, Graph, Node, Numbers},
        protobuf::{Fields, Malformed},
    },
    tensor::DType,
};

/// Lets the value that a constant operator makes be a constant.
pub fn constant(node: &Node, graph: &mut Graph) {
    let Some(&Some(id)) = node.outputs.first() else { return };
    let constant = node.attributes.iter().find_map(|(key, attribute)| {
        let of = |dtype, shape, numbers| Constant { dtype, shape, numbers: Some(numbers) };
        Some(match (key.as_str(), attribute) {
            ("value", Attribute::Tensor(constant)) => constant.clone(),
            ("value_int", &Attribute::Int(n)) => of(DType::I64, vec![], Numbers::Integers(vec![n])),
            ("value_float", &Attribute::Float(n)) => {
                of(DType::F32, vec![], Numbers::Floats(vec![n]))
            }
            ("value_ints", Attribute::Ints(n)) => {
                of(DType::I64, vec![n.len() as u64], Numbers::Integers(n.clone()))
            }
            ("value_floats", Attribute::Floats(n)) => {
                of(DType::F32, vec![n.len() as u64], Numbers::Floats(n.clone()))
            }
            _ => return None,
        })
    });
    let value = &mut graph.values[id.0 as usize];
    if let Some(constant) = &constant {
        value.info.dtype = constant.dtype;
    }
    value.constant = constant;
}

/// Domain and name of a FunctionProto.
pub fn function(fields: Fields<'_>) -> Result<(String, String), Malformed> {
    let (mut domain, mut name) = (String::new(), String::new());
    for field in fields {
        match field? {
            (1, value) => name = value.text()?,
            (10, value) => domain = value.text()?,
            _ => {}
        }
    }
    Ok((domain, name))
}

/// Domain and version of an OperatorSetIdProto.
pub fn opset(fields: Fields<'_>) -> Result<Option<(String, u64)>, Malformed> {
    let (mut domain, mut version) = (String::new(), None);
    for field in fields {
        match field? {
            (1, value) => domain = value.text()?,
            (2, value) => version = Some(value.number()?),
            _ => {}
        }
    }
    if domain.is_empty() {
        domain.push_str("ai.onnx");
    }
    Ok(version.map(|version| (domain, version)))
}
