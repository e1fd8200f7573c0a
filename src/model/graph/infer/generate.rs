//! Operators that make values from a shape or from nothing.

use super::{
    MAX_RANK,
    call::{Call, Outcome, Reason, contradiction, length},
    elementwise::same,
    fact::{Fact, Length},
    operator::{Operator, Work},
};
use crate::{
    model::{
        graph::{Attribute, Constant},
        onnx::dtype_of,
    },
    tensor::DType,
};

/// The operators of this group.
pub fn find(name: &str) -> Option<Operator> {
    let (shape, work): (fn(&Call<'_>) -> Outcome, Work) = match name {
        "Shape" => (shape, Work::Free),
        "Size" => (size, Work::Free),
        "Constant" => (constant, Work::Free),
        "ConstantOfShape" => (filled, Work::Move),
        "Range" => (range, Work::PerOutput),
        "EyeLike" => (eye, Work::Move),
        "RandomNormal" | "RandomUniform" => (random, Work::PerOutput),
        "RandomNormalLike" | "RandomUniformLike" => (same, Work::PerOutput),
        _ => return None,
    };
    Operator::new(shape, work)
}

/// Which dimensions `Shape` tells.
pub fn told(call: &Call<'_>, rank: usize) -> std::ops::Range<usize> {
    let bound = |name, default: i64| {
        let number = call.int(name, default);
        let counted = if number < 0 { number.saturating_add(rank as i64) } else { number };
        usize::try_from(counted.max(0)).map_or(rank, |at| at.min(rank))
    };
    let (start, end) = (bound("start", 0), bound("end", rank as i64));
    start..end.max(start)
}

fn shape(call: &Call<'_>) -> Outcome {
    let rank = call.dims(0)?.len();
    Ok(vec![Fact::new(DType::I64, vec![Some(told(call, rank).len() as u64)])])
}

fn size(call: &Call<'_>) -> Outcome {
    call.fact(0)?;
    Ok(vec![Fact::new(DType::I64, Vec::new())])
}

/// Only those whose kind the reader of the file does not know come here.
fn constant(_: &Call<'_>) -> Outcome {
    Err(Reason::Operand)
}

/// What `ConstantOfShape` fills with, where it is not zero.
pub fn filling<'a>(call: &Call<'a>) -> Option<&'a Constant> {
    match call.node.attribute("value") {
        Some(Attribute::Tensor(constant)) => Some(constant),
        _ => None,
    }
}

fn filled(call: &Call<'_>) -> Outcome {
    let dtype = filling(call).map_or(DType::F32, |constant| constant.dtype);
    let dims = match call.integers(0) {
        Ok(dims) if dims.len() > MAX_RANK => {
            return contradiction(format!("{} dimensions are not supported", dims.len()));
        }
        Ok(dims) => lengths(dims)?,
        Err(reason) => match call.fact(0)?.elements() {
            Some(rank) if rank <= MAX_RANK as u64 => (0..rank).map(|_| None).collect(),
            _ => return Err(reason),
        },
    };
    Ok(vec![Fact::new(dtype, dims)])
}

/// Lengths that numbers say.
///
/// # Errors
/// When one is negative.
pub fn lengths(numbers: &[i64]) -> Result<Vec<Length>, Reason> {
    numbers.iter().map(|&number| length(number).map(Some)).collect()
}

fn range(call: &Call<'_>) -> Outcome {
    let facts = [call.fact(0)?, call.fact(1)?, call.fact(2)?];
    let count = match facts.map(|fact| fact.integers().and_then(|numbers| numbers.first())) {
        [Some(&start), Some(&limit), Some(&delta)] => Some(steps(start, limit, delta)?),
        _ => match facts.map(|fact| fact.floats().and_then(|n| n.first().copied())) {
            [_, _, Some(0.0)] => return contradiction("its steps are 0"),
            // A cast to an integer saturates and makes zero of what is no number.
            [Some(start), Some(limit), Some(delta)] => {
                Some(((limit - start) / delta).ceil() as u64)
            }
            _ => None,
        },
    };
    Ok(vec![Fact::new(call.dtype(0)?, vec![count])])
}

/// How many steps lie before a limit.
fn steps(start: i64, limit: i64, delta: i64) -> Result<u64, Reason> {
    let way = i128::from(limit) - i128::from(start);
    let steps = match i128::from(delta) {
        0 => return contradiction("its steps are 0"),
        delta @ 1.. => (way + delta - 1) / delta,
        delta => (-way - delta - 1) / -delta,
    };
    u64::try_from(steps.max(0)).map_err(|_| Reason::Overflow)
}

fn typed(call: &Call<'_>, default: DType) -> DType {
    call.node.int("dtype").and_then(|code| u64::try_from(code).ok()).map_or(default, dtype_of)
}

fn eye(call: &Call<'_>) -> Outcome {
    let dtype = typed(call, call.dtype(0)?);
    Ok(vec![Fact::new(dtype, call.dims(0)?.to_vec())])
}

fn random(call: &Call<'_>) -> Outcome {
    let dims = call.node.ints("shape").unwrap_or_default();
    if dims.len() > MAX_RANK {
        return contradiction(format!("{} dimensions are not supported", dims.len()));
    }
    Ok(vec![Fact::new(typed(call, DType::F32), lengths(dims)?)])
}
