//! A model in numbers that can be printed: what [`Anatomy`] holds, added up. Holds no weights and no
//! graph.

use super::{
    anatomy::{Anatomy, File, Role, SectionKind, Weight},
    checkpoint::{Precision, lean_bytes},
    components::{self, Component},
    difference::counted,
    graph::{Graph, ValueId, parameters},
};
use crate::{
    tensor::{Dim, TensorInfo},
    unit::Bytes,
};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};

/// What a model file holds, added up.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// What it is, such as `ONNX`.
    pub format: String,
    /// Bytes of all its files.
    pub bytes: u64,
    /// The files.
    pub files: Vec<File>,
    /// Who wrote it.
    pub producer: Option<String>,
    /// Versions of operator sets by domain; of Paddle of operators by name.
    pub opsets: BTreeMap<String, u64>,
    /// Version of ONNX's format.
    pub ir_version: Option<u64>,
    /// The file's own description.
    pub metadata: BTreeMap<String, String>,
    /// What the caller fills.
    pub inputs: Vec<End>,
    /// What the caller reads.
    pub outputs: Vec<End>,
    /// Numbers that training sets; [`parameters`] says what counts.
    pub parameters: u64,
    /// Weights by role and type, most bytes first.
    pub roles: Vec<RoleSum>,
    /// The network's weights by part.
    pub components: Vec<ComponentSum>,
    /// Bytes by heading, most first; they sum to `bytes`.
    pub sections: Vec<SectionSum>,
    /// How many of each operator.
    pub operators: BTreeMap<String, u64>,
    /// The largest tensors, largest first.
    pub largest: Vec<TensorSum>,
    /// Size of the network's weights alone, as `--write-lean` writes them; none where it would not.
    pub lean: Option<Lean>,
    /// What a reader should know, in whole sentences.
    pub remarks: Vec<String>,
}

/// An input or output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct End {
    /// Its name.
    pub name: String,
    /// Its element type.
    pub dtype: String,
    /// Its dimensions: a number, or the name of one that is chosen at run time; none where the file
    /// declares none.
    pub shape: Option<Vec<Axis>>,
}

/// A dimension.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Axis {
    /// Fixed.
    Length(u64),
    /// Chosen at run time.
    Name(String),
}

/// Weights of one role in one type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RoleSum {
    /// What they are there for.
    pub role: Role,
    /// Their element type.
    pub dtype: String,
    /// How many tensors.
    pub tensors: u64,
    /// Their elements.
    pub parameters: u64,
    /// Their bytes in the file.
    pub bytes: u64,
}

/// Weights of one part of the network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ComponentSum {
    /// Such as `backbone`.
    pub name: String,
    /// Their elements.
    pub parameters: u64,
    /// Their bytes in the file.
    pub bytes: u64,
}

/// Bytes under a heading.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SectionSum {
    /// The heading.
    pub name: SectionKind,
    /// How many bytes.
    pub bytes: u64,
}

/// One tensor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TensorSum {
    /// Its name.
    pub name: String,
    /// Its element type.
    pub dtype: String,
    /// Its dimensions.
    pub shape: Vec<u64>,
    /// What it is there for.
    pub role: Role,
    /// Its bytes in the file.
    pub bytes: u64,
    /// The first operator of the graph that uses it, where it has a name.
    pub used_by: Option<String>,
}

/// The weights of the network, or of its average where that is all there is, as safetensors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Lean {
    /// Bytes in 32 bit floats.
    pub fp32_bytes: Bytes,
    /// Bytes in 16 bit floats.
    pub fp16_bytes: Bytes,
}

/// Most tensors that are named as the largest.
const LARGEST: usize = 12;

impl Summary {
    /// Adds up what a model holds.
    pub fn of(anatomy: &Anatomy) -> Self {
        let sections = anatomy.by_section().into_iter();
        Self {
            format: anatomy.format.to_string(),
            bytes: anatomy.bytes(),
            files: anatomy.files.clone(),
            producer: anatomy.producer.clone(),
            opsets: anatomy.opsets.clone(),
            ir_version: anatomy.ir_version,
            metadata: anatomy.metadata.clone(),
            inputs: ends(anatomy, true),
            outputs: ends(anatomy, false),
            parameters: parameters(anatomy),
            roles: roles(&anatomy.weights),
            components: components(anatomy),
            sections: sections.map(|(name, bytes)| SectionSum { name, bytes }).collect(),
            operators: anatomy.graph.as_ref().map(counted).unwrap_or_default(),
            largest: largest(anatomy),
            lean: lean(anatomy),
            remarks: anatomy.remarks.clone(),
        }
    }
}

fn ends(anatomy: &Anatomy, inputs: bool) -> Vec<End> {
    let Some(graph) = &anatomy.graph else { return Vec::new() };
    let ids: &[ValueId] = if inputs { &graph.inputs } else { &graph.outputs };
    ids.iter().map(|&id| end(&graph.value(id).info)).collect()
}

fn end(info: &TensorInfo) -> End {
    let axis = |dim: &Dim| match dim {
        Dim::Fixed(length) => Axis::Length(*length as u64),
        Dim::Dynamic(name) if name.is_empty() => Axis::Name("?".to_owned()),
        Dim::Dynamic(name) => Axis::Name(name.clone()),
    };
    End {
        name: info.name.clone(),
        dtype: info.dtype.to_string(),
        shape: info.dims.as_ref().map(|dims| dims.iter().map(axis).collect()),
    }
}

fn lean(anatomy: &Anatomy) -> Option<Lean> {
    let bytes = |precision| lean_bytes(anatomy, None, precision).ok();
    Some(Lean { fp32_bytes: bytes(Precision::F32)?, fp16_bytes: bytes(Precision::F16)? })
}

/// The network's weights by part; nothing where no name tells.
fn components(anatomy: &Anatomy) -> Vec<ComponentSum> {
    let weights: Vec<&Weight> =
        anatomy.weights.iter().filter(|weight| weight.role == Role::Model).collect();
    let users = anatomy.graph.as_ref().map(users).unwrap_or_default();
    let names: Vec<&str> = weights.iter().map(|&weight| told_by(weight, &users)).collect();
    let parts = components::components(&names);
    if parts.iter().all(|&part| part == Component::Unnamed) {
        return Vec::new();
    }
    let sum = |wanted: Component| {
        let of: Vec<&&Weight> = weights
            .iter()
            .zip(&parts)
            .filter(|(_, part)| **part == wanted)
            .map(|(weight, _)| weight)
            .collect();
        ComponentSum {
            name: wanted.to_string(),
            parameters: of.iter().map(|weight| weight.elements).sum(),
            bytes: of.iter().map(|weight| weight.bytes).sum(),
        }
    };
    Component::ALL.into_iter().map(sum).filter(|sum| sum.parameters > 0).collect()
}

/// The name that may tell the part of a weight: what an exporter has folded it has also renamed, and
/// then the operator's tells more.
fn told_by<'a>(weight: &'a Weight, users: &HashMap<&str, &'a str>) -> &'a str {
    let own = weight.name.as_str();
    match users.get(own) {
        Some(user) if components::components(&[own]) == [Component::Unnamed] => user,
        _ => own,
    }
}

/// For each weight the first operator with a name that uses it.
fn users(graph: &Graph) -> HashMap<&str, &str> {
    let mut users = HashMap::new();
    for node in graph.nodes.iter().filter(|node| !node.name.is_empty()) {
        for &id in node.inputs.iter().flatten() {
            let value = graph.value(id);
            if value.constant.is_some() {
                users.entry(value.info.name.as_str()).or_insert(node.name.as_str());
            }
        }
    }
    users
}

fn roles(weights: &[Weight]) -> Vec<RoleSum> {
    let mut sums: BTreeMap<(Role, String), RoleSum> = BTreeMap::new();
    for weight in weights {
        let key = (weight.role, weight.dtype.to_string());
        let sum = sums.entry(key.clone()).or_insert(RoleSum {
            role: key.0,
            dtype: key.1,
            tensors: 0,
            parameters: 0,
            bytes: 0,
        });
        sum.tensors += 1;
        sum.parameters = sum.parameters.saturating_add(weight.elements);
        sum.bytes = sum.bytes.saturating_add(weight.bytes);
    }
    let mut sums: Vec<RoleSum> = sums.into_values().collect();
    sums.sort_by_key(|sum| (sum.role, std::cmp::Reverse(sum.bytes)));
    sums
}

fn largest(anatomy: &Anatomy) -> Vec<TensorSum> {
    let users = anatomy.graph.as_ref().map(users).unwrap_or_default();
    let mut all: Vec<&Weight> = anatomy.weights.iter().filter(|weight| weight.bytes > 0).collect();
    all.sort_by_key(|weight| std::cmp::Reverse(weight.bytes));
    let sum = |weight: &&Weight| TensorSum {
        name: weight.name.clone(),
        dtype: weight.dtype.to_string(),
        shape: weight.shape.clone(),
        role: weight.role,
        bytes: weight.bytes,
        used_by: users.get(weight.name.as_str()).map(|&user| user.to_owned()),
    };
    all.iter().take(LARGEST).map(sum).collect()
}
