//! Sums, means, largest elements along dimensions. An operation for each element that goes in.

use super::{
    call::{Call, Outcome, Reason, axes},
    fact::{Fact, Length},
    operator::{Operator, Work},
};
use crate::tensor::DType;

/// The operators of this group.
pub fn find(name: &str) -> Option<Operator> {
    match name {
        "ReduceL1" | "ReduceL2" | "ReduceLogSum" | "ReduceLogSumExp" | "ReduceMax"
        | "ReduceMean" | "ReduceMin" | "ReduceProd" | "ReduceSum" | "ReduceSumSquare" => {
            Operator::new(reduce, Work::PerInput)
        }
        "ArgMax" | "ArgMin" => Operator::new(arg, Work::PerInput),
        _ => None,
    }
}

/// Which dimensions are drawn together; none where nothing is.
///
/// # Errors
/// When the operand with the axes is not known.
pub fn reduced(call: &Call<'_>, rank: usize) -> Result<Vec<usize>, Reason> {
    match call.list("axes", 1)? {
        Some(list @ [_, ..]) => axes(list, rank),
        _ if call.flag("noop_with_empty_axes", false) => Ok(Vec::new()),
        _ => Ok((0..rank).collect()),
    }
}

fn without(dims: &[Length], axes: &[usize], keep: bool) -> Vec<Length> {
    let one = |(at, &length): (usize, &Length)| match axes.contains(&at) {
        false => Some(length),
        true => keep.then_some(Some(1)),
    };
    dims.iter().enumerate().filter_map(one).collect()
}

fn reduce(call: &Call<'_>) -> Outcome {
    let dims = call.dims(0)?;
    let keep = call.flag("keepdims", true);
    let dims = match reduced(call, dims.len()) {
        Ok(axes) => without(dims, &axes, keep),
        Err(Reason::Operand) if keep => vec![None; dims.len()],
        Err(reason) => return Err(reason),
    };
    Ok(vec![Fact::new(call.dtype(0)?, dims)])
}

fn arg(call: &Call<'_>) -> Outcome {
    let dims = call.dims(0)?;
    let axis = call.axis("axis", 0, dims.len())?;
    Ok(vec![Fact::new(DType::I64, without(dims, &[axis], call.flag("keepdims", true)))])
}
