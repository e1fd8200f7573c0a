//! Messages within a ProgramDesc that stand for one value: of an attribute, of a type, of versions.
//! Knows nothing of blocks and operators.

use super::{Problem, types::dtype_of};
use crate::{
    model::{
        graph::Attribute,
        protobuf::{Fields, Malformed, Value as Field},
    },
    tensor::{DType, Dim},
};
use std::collections::BTreeMap;

/// What an attribute holds.
pub enum Found {
    /// A value.
    Attribute(Attribute),
    /// Indices of blocks.
    Blocks(Vec<u64>),
}

/// Reads the value of an OpDesc.Attr, whose kind (`AttrType`) says which field holds it.
pub fn attribute(fields: Fields<'_>) -> Result<Found, Problem> {
    let (mut kind, mut scalar, mut text) = (0, None, None);
    let (mut ints, mut floats, mut texts) = (Vec::<u64>::new(), Vec::new(), Vec::new());
    for field in fields {
        match field? {
            (2, value) => kind = value.number()?,
            (3 | 10 | 13, value) => scalar = Some(Attribute::Int(value.number()? as i64)),
            (4 | 19, value) => floats_of(value, &mut floats)?,
            (5 | 17, value) => text = Some(value.text()?),
            (6 | 11 | 15, value) => value.numbers(&mut ints)?,
            (7 | 16, value) => floats_of(value, &mut floats)?,
            (8 | 18, value) => texts.push(value.text()?),
            (12 | 14, value) => value.numbers(&mut ints)?,
            (20, value) => scalar = Some(number(value.message()?)?),
            (21, value) => match number(value.message()?)? {
                Attribute::Int(int) => ints.push(int as u64),
                Attribute::Float(float) => floats.push(float),
                _ => {}
            },
            _ => {}
        }
    }
    let wholes = |ints: Vec<u64>| Attribute::Ints(ints.into_iter().map(|n| n as i64).collect());
    Ok(Found::Attribute(match kind {
        8 | 10 => return Ok(Found::Blocks(ints)),
        0 | 6 | 9 | 16 => scalar.unwrap_or(Attribute::Int(0)),
        1 | 15 => Attribute::Float(floats.first().copied().unwrap_or(0.0)),
        2 | 13 => Attribute::Text(text.unwrap_or_default()),
        3 | 7 | 11 => wholes(ints),
        4 | 12 => Attribute::Floats(floats),
        5 | 14 => Attribute::Texts(texts),
        17 if floats.is_empty() => wholes(ints),
        17 => Attribute::Floats(floats),
        _ => Attribute::Other,
    }))
}

fn floats_of(value: Field<'_>, into: &mut Vec<f64>) -> Result<(), Malformed> {
    match value {
        Field::Fixed32(bits) => into.push(f64::from(f32::from_bits(bits))),
        Field::Fixed64(bits) => into.push(f64::from_bits(bits)),
        _ => return Err(Malformed::NoMessage),
    }
    Ok(())
}

/// Reads a Scalar.
fn number(fields: Fields<'_>) -> Result<Attribute, Malformed> {
    let mut found = Attribute::Other;
    for field in fields {
        match field? {
            (2 | 3, value) => found = Attribute::Int(value.number()? as i64),
            (4, Field::Fixed64(bits)) => found = Attribute::Float(f64::from_bits(bits)),
            _ => {}
        }
    }
    Ok(found)
}

/// What a VarType declares.
pub struct Declared {
    /// `VarType.Type` of the variable.
    pub kind: u64,
    /// Element type of the tensor.
    pub dtype: DType,
    /// Lengths of its dimensions; -1 for any.
    pub dims: Option<Vec<i64>>,
}

/// Reads a VarType: of tensors (field 3) and arrays of them (4) with a desc within.
pub fn variable_type(fields: Fields<'_>) -> Result<Declared, Malformed> {
    let mut declared = Declared { kind: 0, dtype: DType::Other(0), dims: None };
    for field in fields {
        match field? {
            (1, value) => declared.kind = value.number()?,
            (2, value) => tensor(value.message()?, &mut declared)?,
            (3 | 4, value) => {
                for field in value.message()? {
                    if let (1, value) = field? {
                        tensor(value.message()?, &mut declared)?;
                    }
                }
            }
            _ => {}
        }
    }
    Ok(declared)
}

/// Reads a VarType.TensorDesc.
fn tensor(fields: Fields<'_>, declared: &mut Declared) -> Result<(), Malformed> {
    let mut dims = Vec::<u64>::new();
    for field in fields {
        match field? {
            (1, value) => declared.dtype = dtype_of(value.number()?),
            (2, value) => value.numbers(&mut dims)?,
            _ => {}
        }
    }
    declared.dims = Some(dims.into_iter().map(|length| length as i64).collect());
    Ok(())
}

/// Declared lengths; -1 is for any.
pub fn dims(lengths: &[i64]) -> Vec<Dim> {
    let dim = |&length: &i64| {
        usize::try_from(length).map_or_else(|_| Dim::Dynamic(String::new()), Dim::Fixed)
    };
    lengths.iter().map(dim).collect()
}

/// The first number of a message of one number.
pub fn only(fields: Fields<'_>) -> Result<u64, Malformed> {
    for field in fields {
        if let (1, value) = field? {
            return value.number();
        }
    }
    Ok(0)
}

/// Reads an OpVersionMap.
pub fn operator_versions(fields: Fields<'_>) -> Result<BTreeMap<String, u64>, Malformed> {
    let mut versions = BTreeMap::new();
    for field in fields {
        let (1, pair) = field? else { continue };
        let (mut name, mut version) = (String::new(), 0);
        for field in pair.message()? {
            match field? {
                (1, value) => name = value.text()?,
                (2, value) => version = only(value.message()?)?,
                _ => {}
            }
        }
        versions.insert(name, version);
    }
    Ok(versions)
}
