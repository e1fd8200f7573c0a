//! Operators that compute each element from the elements at the same place.

use super::{
    call::{Call, Outcome, Reason, agree, contradiction, shown},
    fact::{Fact, Length},
    operator::{Operator, Work},
};
use crate::{model::onnx::dtype_of, tensor::DType};

/// The operators of this group.
pub fn find(name: &str) -> Option<Operator> {
    let shape: fn(&Call<'_>) -> Outcome = match name {
        "Abs" | "Acos" | "Acosh" | "Asin" | "Asinh" | "Atan" | "Atanh" | "Bernoulli"
        | "BitwiseNot" | "Ceil" | "Celu" | "Clip" | "Cos" | "Cosh" | "CumSum" | "Elu" | "Erf"
        | "Exp" | "Floor" | "Gelu" | "HardSigmoid" | "HardSwish" | "LeakyRelu" | "Log" | "Mish"
        | "Neg" | "Not" | "Reciprocal" | "Relu" | "Round" | "Selu" | "Shrink" | "Sigmoid"
        | "Sign" | "Sin" | "Sinh" | "Softplus" | "Softsign" | "Sqrt" | "Swish" | "Tan" | "Tanh"
        | "ThresholdedRelu" => same,
        "Add" | "BitShift" | "BitwiseAnd" | "BitwiseOr" | "BitwiseXor" | "Div" | "Max" | "Mean"
        | "Min" | "Mod" | "Mul" | "PRelu" | "Pow" | "Sub" | "Sum" => together,
        "And" | "Equal" | "Greater" | "GreaterOrEqual" | "IsInf" | "IsNaN" | "Less"
        | "LessOrEqual" | "Or" | "Xor" => truth,
        "Where" => choose,
        "Cast" => cast,
        "CastLike" => cast_like,
        "Identity" => return Operator::new(same, Work::View),
        "Dropout" => return Operator::new(dropout, Work::View),
        _ => return None,
    };
    Operator::new(shape, Work::PerOutput)
}

/// Fused operators of ONNX Runtime in this group.
pub fn fused(name: &str) -> Option<Operator> {
    match name {
        "Gelu" | "FastGelu" | "QuickGelu" => Operator::new(same, Work::PerOutput),
        "BiasGelu" => Operator::new(together, Work::PerOutput),
        _ => None,
    }
}

/// A result like the first operand.
pub fn same(call: &Call<'_>) -> Outcome {
    Ok(vec![Fact::new(call.dtype(0)?, call.dims(0)?.to_vec())])
}

fn together(call: &Call<'_>) -> Outcome {
    let dims = broadcast_all(call)?;
    Ok(vec![Fact::new(call.dtype(0)?, dims)])
}

fn truth(call: &Call<'_>) -> Outcome {
    Ok(vec![Fact::new(DType::Bool, broadcast_all(call)?)])
}

fn choose(call: &Call<'_>) -> Outcome {
    call.fact(2)?;
    Ok(vec![Fact::new(call.dtype(1)?, broadcast_all(call)?)])
}

fn cast(call: &Call<'_>) -> Outcome {
    let to = u64::try_from(call.int("to", 0)).unwrap_or(0);
    Ok(vec![Fact::new(dtype_of(to), call.dims(0)?.to_vec())])
}

fn cast_like(call: &Call<'_>) -> Outcome {
    Ok(vec![Fact::new(call.dtype(1)?, call.dims(0)?.to_vec())])
}

fn dropout(call: &Call<'_>) -> Outcome {
    let dims = call.dims(0)?.to_vec();
    Ok(vec![Fact::new(call.dtype(0)?, dims.clone()), Fact::new(DType::Bool, dims)])
}

fn broadcast_all(call: &Call<'_>) -> Result<Vec<Length>, Reason> {
    let mut dims = call.dims(0)?.to_vec();
    for index in 1..call.operands.len() {
        dims = broadcast(&dims, call.dims(index)?)?;
    }
    Ok(dims)
}

/// The shape that two shapes make together: aligned at their ends, a dimension of length 1 fits
/// every other (ONNX, "Multidirectional Broadcasting").
///
/// # Errors
/// When two lengths do not fit.
pub fn broadcast(a: &[Length], b: &[Length]) -> Result<Vec<Length>, Reason> {
    let (long, short) = if a.len() >= b.len() { (a, b) } else { (b, a) };
    let mut dims = long.to_vec();
    let missing = long.len() - short.len();
    for (dim, &other) in dims[missing..].iter_mut().zip(short) {
        *dim = match (*dim, other) {
            (Some(1), length) | (length, Some(1)) => length,
            (length @ Some(_), other) if agree(length, other) => length,
            (None, length) => length,
            _ => {
                return contradiction(format!("{} and {} do not fit", shown(a), shown(b)));
            }
        };
    }
    Ok(dims)
}
