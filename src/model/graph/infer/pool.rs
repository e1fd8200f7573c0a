//! Pools: the largest or the mean element of each window.

use super::{
    call::{Call, Outcome, Reason, contradiction, length},
    fact::{Fact, Length},
    operator::{Count, Operator, Work},
    window::Window,
};
use crate::tensor::DType;

/// The operators of this group.
pub fn find(name: &str) -> Option<Operator> {
    match name {
        "MaxPool" | "AveragePool" | "LpPool" => Operator::new(pool, Work::Counted(window_work)),
        "GlobalAveragePool" | "GlobalMaxPool" | "GlobalLpPool" => {
            Operator::new(global, Work::PerInput)
        }
        "RoiAlign" => Operator::new(regions, Work::Sampled(regions_work)),
        _ => None,
    }
}

fn window(call: &Call<'_>) -> Result<Window, Reason> {
    let kernel = call.node.ints("kernel_shape").unwrap_or_default();
    Window::of(call, kernel.iter().map(|&number| length(number)).collect::<Result<_, _>>()?)
}

fn pool(call: &Call<'_>) -> Outcome {
    let [batch, channels, size @ ..] = call.dims(0)? else {
        return contradiction("its operand has too few dimensions");
    };
    let mut dims = vec![*batch, *channels];
    dims.extend(window(call)?.slide(size)?);
    Ok(vec![Fact::new(call.dtype(0)?, dims.clone()), Fact::new(DType::I64, dims)])
}

fn global(call: &Call<'_>) -> Outcome {
    let dims = call.dims(0)?;
    let one = |(at, &length): (usize, &Length)| if at < 2 { length } else { Some(1) };
    Ok(vec![Fact::new(call.dtype(0)?, dims.iter().enumerate().map(one).collect())])
}

/// An operation for each element of a window.
fn window_work(call: &Call<'_>, results: &[&Fact]) -> Option<Count> {
    let elementwise = results.first()?.elements()?.saturating_mul(window(call).ok()?.elements());
    Some(Count { macs: 0, elementwise })
}

fn regions(call: &Call<'_>) -> Outcome {
    let (image, regions) = (call.dims(0)?, call.dims(1)?);
    let ([_, channels, ..], [count, ..]) = (image, regions) else {
        return contradiction("its operands have too few dimensions");
    };
    let side = |name| length(call.int(name, 1)).map(Some);
    let dims = vec![*count, *channels, side("output_height")?, side("output_width")?];
    Ok(vec![Fact::new(call.dtype(0)?, dims)])
}

/// Four neighbours for each element; samples in a bin are not counted where their number depends
/// on the regions.
fn regions_work(call: &Call<'_>, results: &[&Fact]) -> Option<Count> {
    let ratio = u64::try_from(call.int("sampling_ratio", 0)).ok()?.max(1);
    let samples = ratio.saturating_mul(ratio).saturating_mul(4);
    Some(Count { macs: 0, elementwise: results.first()?.elements()?.saturating_mul(samples) })
}
