//! Normalisations and softmax: results like the operand. An operation for each element: a fixed
//! number of them more would say no more about where the work is.

use super::{
    call::{Call, Outcome, axis},
    elementwise::same,
    fact::{Fact, Length},
    operator::{Operator, Work},
};
use crate::tensor::DType;

/// The operators of this group.
pub fn find(name: &str) -> Option<Operator> {
    let shape: fn(&Call<'_>) -> Outcome = match name {
        "GroupNormalization"
        | "Hardmax"
        | "InstanceNormalization"
        | "LRN"
        | "LogSoftmax"
        | "LpNormalization"
        | "MeanVarianceNormalization"
        | "RMSNormalization"
        | "Softmax" => same,
        "BatchNormalization" => batch,
        "LayerNormalization" => layer,
        _ => return None,
    };
    Operator::new(shape, Work::PerOutput)
}

/// Besides the image what training needs: one number for each channel.
fn batch(call: &Call<'_>) -> Outcome {
    let dims = call.dims(0)?;
    let dtype = call.dtype(0)?;
    let channels = Fact::new(dtype, vec![dims.get(1).copied().unwrap_or(Some(1))]);
    let mut facts = vec![Fact::new(dtype, dims.to_vec())];
    facts.extend(std::iter::repeat_n(channels, 4));
    Ok(facts)
}

fn layer(call: &Call<'_>) -> Outcome {
    let dims = call.dims(0)?;
    let first = axis(call.int("axis", -1), dims.len())?;
    let one = |(at, &length): (usize, &Length)| if at < first { length } else { Some(1) };
    let statistics = Fact::new(DType::F32, dims.iter().enumerate().map(one).collect());
    Ok(vec![Fact::new(call.dtype(0)?, dims.to_vec()), statistics.clone(), statistics])
}
