//! Operators that make tensors of numbers in the program. They take nothing but shapes.

use super::{
    Call,
    layout::{lengths, scalar},
};
use crate::{
    model::{
        graph::{Attribute, Constant, Numbers},
        paddle::types::{dtype_named, dtype_of},
    },
    tensor::DType,
};

/// Most elements of a filled tensor that are kept: shapes and indices have fewer.
const MAX_FILLED: u64 = 64;

/// Adds the nodes for an operator of this group; none if it is of another or cannot be.
pub fn lower(call: &mut Call<'_, '_>) -> Option<()> {
    match call.kind() {
        "fill_constant" => fill(call),
        "full_int_array" => {
            let numbers = call.ints("value")?;
            call.becomes("Out", vec![numbers.len() as u64], Some(Numbers::Integers(numbers)))
        }
        "fill_any_like" => {
            let shape = call.inner("Shape", &[call.input("X")?], vec![]);
            let value = filled(call)?;
            call.last("ConstantOfShape", &[shape], vec![value], "Out")
        }
        "assign_value" => assign(call),
        "range" => {
            let ends = [call.input("Start")?, call.input("End")?, call.input("Step")?];
            let ends = ends.map(|end| scalar(call, end));
            call.last("Range", &ends, vec![], "Out")
        }
        _ => None,
    }
}

/// A tensor of one number over and over: a constant where its shape is known.
fn fill(call: &mut Call<'_, '_>) -> Option<()> {
    let listed = !call.operator.input("ShapeTensorList").is_empty();
    let known = if listed { None } else { call.known("ShapeTensor", "shape") };
    let Some(known) = known else {
        let shape = lengths(call, "ShapeTensorList", "ShapeTensor", "shape")?;
        let value = filled(call)?;
        return call.last("ConstantOfShape", &[shape], vec![value], "Out");
    };
    let shape: Option<Vec<u64>> = known.iter().map(|&length| u64::try_from(length).ok()).collect();
    let shape = shape?;
    let count = shape.iter().try_fold(1_u64, |product, &n| product.checked_mul(n))?;
    let few = usize::try_from(count).ok().filter(|_| count <= MAX_FILLED);
    let numbers = few.zip(number(call)).map(|(count, (dtype, number))| {
        if dtype.is_float() {
            Numbers::Floats(vec![number; count])
        } else {
            Numbers::Integers(vec![number as i64; count])
        }
    });
    call.becomes("Out", shape, numbers)
}

/// Element type and number that a tensor is filled with. As text it is more exact.
fn number(call: &Call<'_, '_>) -> Option<(DType, f64)> {
    call.input("ValueTensor").is_none().then_some(())?;
    let exact = call.text("str_value").and_then(|text| text.parse().ok());
    Some((dtype(call, "dtype")?, exact.or_else(|| call.float("value"))?))
}

/// The attribute of a tensor that is filled once its shape is known. What it is filled with may be
/// unknown; its type is not.
fn filled(call: &Call<'_, '_>) -> Option<(String, Attribute)> {
    let declared = dtype(call, "dtype").unwrap_or(DType::Other(0));
    let known = number(call);
    let dtype = known.map_or(declared, |(dtype, _)| dtype);
    let numbers = known.map(|(dtype, number)| {
        if dtype.is_float() {
            Numbers::Floats(vec![number])
        } else {
            Numbers::Integers(vec![number as i64])
        }
    });
    Some(("value".to_owned(), Attribute::Tensor(Constant { dtype, shape: vec![1], numbers })))
}

/// A tensor whose elements are attributes.
fn assign(call: &mut Call<'_, '_>) -> Option<()> {
    let dtype = dtype(call, "dtype")?;
    let lists =
        ["values", "fp32_values", "fp64_values", "int32_values", "int64_values", "bool_values"];
    let floats = lists.iter().find_map(|list| call.floats(list).filter(|list| !list.is_empty()))?;
    let shape = call.ints("shape")?.into_iter().map(|n| u64::try_from(n).ok());
    let shape: Vec<u64> = shape.collect::<Option<_>>()?;
    let count = shape.iter().try_fold(1_u64, |product, &n| product.checked_mul(n))?;
    (count == floats.len() as u64).then_some(())?;
    let numbers = if dtype.is_float() {
        Numbers::Floats(floats)
    } else {
        Numbers::Integers(floats.into_iter().map(|number| number as i64).collect())
    };
    call.becomes("Out", shape, Some(numbers))
}

/// Element type that an attribute names: by number in a `.pdmodel`, by word in PIR.
pub fn dtype(call: &Call<'_, '_>, name: &str) -> Option<DType> {
    match call.operator.attribute(name)? {
        Attribute::Int(code) => Some(dtype_of(u64::try_from(*code).ok()?)),
        Attribute::Text(word) => Some(dtype_named(word)),
        _ => None,
    }
}
