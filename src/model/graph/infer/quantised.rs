//! Operators that take floats to integers and back, and arithmetic on the integers.

use super::{
    call::{Call, Outcome, Reason},
    elementwise::broadcast,
    fact::Fact,
    operator::{Operator, Work},
};
use crate::{model::onnx::dtype_of, tensor::DType};

/// The operators of this group.
pub fn find(name: &str) -> Option<Operator> {
    let shape: fn(&Call<'_>) -> Outcome = match name {
        "QuantizeLinear" => quantize,
        "DequantizeLinear" => dequantize,
        "DynamicQuantizeLinear" => dynamic,
        _ => return None,
    };
    Operator::new(shape, Work::PerOutput)
}

/// Fused operators of ONNX Runtime in this group.
pub fn fused(name: &str) -> Option<Operator> {
    match name {
        "QLinearAdd" | "QLinearMul" => Operator::new(both, Work::PerOutput),
        "QLinearLeakyRelu" | "QLinearSigmoid" => Operator::new(alone, Work::PerOutput),
        _ => find(name),
    }
}

/// The type of the zero point, or what the attribute says (ONNX 21), or bytes.
fn quantize(call: &Call<'_>) -> Outcome {
    let said = call.node.int("output_dtype").and_then(|code| u64::try_from(code).ok());
    let said = said.filter(|&code| code > 0).map_or(DType::U8, dtype_of);
    let dtype = call.given(2).map_or(said, |zero| zero.dtype);
    Ok(vec![Fact::new(dtype, call.dims(0)?.to_vec())])
}

fn dequantize(call: &Call<'_>) -> Outcome {
    Ok(vec![Fact::new(call.dtype(1)?, call.dims(0)?.to_vec())])
}

fn dynamic(call: &Call<'_>) -> Outcome {
    let bytes = Fact::new(DType::U8, call.dims(0)?.to_vec());
    Ok(vec![bytes, Fact::new(DType::F32, vec![]), Fact::new(DType::U8, vec![])])
}

/// A, its scale and zero point, B and its own, the result's.
fn both(call: &Call<'_>) -> Outcome {
    let dims = broadcast(call.dims(0)?, call.dims(3)?)?;
    Ok(vec![Fact::new(call.dtype(0)?, dims)])
}

fn alone(call: &Call<'_>) -> Result<Vec<Fact>, Reason> {
    super::elementwise::same(call)
}
