//! Images resized, and sampled where a grid says.

use super::{
    call::{Call, Outcome, Reason, axes, contradiction, length},
    fact::{Fact, Length},
    operator::{Count, Operator, Work},
};

/// The operators of this group.
pub fn find(name: &str) -> Option<Operator> {
    match name {
        "Resize" | "Upsample" => Operator::new(resize, Work::PerOutput),
        "GridSample" => Operator::new(sample, Work::Sampled(sample_work)),
        "AffineGrid" => Operator::new(affine_grid, Work::PerOutput),
        _ => None,
    }
}

/// Where an operator says how large its result is.
enum Target<'a> {
    /// Factors, by dimension.
    Scales(Vec<f64>),
    /// Lengths, by dimension.
    Sizes(&'a [i64]),
}

/// `Resize` has either scales or sizes; the other is left out or has no elements, as `roi` often
/// has. Before ONNX 11 there were scales alone.
fn target<'a>(call: &Call<'a>) -> Result<Target<'a>, Reason> {
    use crate::model::graph::Attribute;
    if let Some(Attribute::Floats(scales)) = call.node.attribute("scales") {
        return Ok(Target::Scales(scales.clone()));
    }
    let filled =
        |index| call.given(index).filter(|fact| fact.elements().is_none_or(|count| count > 0));
    let old = call.node.operator == "Upsample" || call.opset < 11;
    let scales = if old { call.given(1) } else { filled(2) };
    if let Some(scales) = scales {
        return scales.floats().map(Target::Scales).ok_or(Reason::Operand);
    }
    match filled(3) {
        Some(_) => call.integers(3).map(Target::Sizes),
        None => contradiction("it says neither scales nor sizes"),
    }
}

fn resize(call: &Call<'_>) -> Outcome {
    let dims = call.dims(0)?;
    let target = match target(call) {
        Ok(target) => target,
        Err(Reason::Operand) => {
            return Ok(vec![Fact::new(call.dtype(0)?, vec![None; dims.len()])]);
        }
        Err(reason) => return Err(reason),
    };
    let axes = match call.node.ints("axes") {
        Some(list) => axes(list, dims.len())?,
        None => (0..dims.len()).collect(),
    };
    let count = match &target {
        Target::Scales(scales) => scales.len(),
        Target::Sizes(sizes) => sizes.len(),
    };
    if count != axes.len() {
        return contradiction("it does not say how large each dimension becomes");
    }
    if let Target::Scales(scales) = &target
        && !scales.iter().all(|&scale| scale > 0.0 && scale <= MOST_SCALE)
    {
        return contradiction("it scales by what is no usable number");
    }
    let lengths = match target {
        Target::Scales(scales) => {
            let scale = |(&at, &scale): (&usize, &f64)| dims[at].map(|n| scaled(n, scale));
            axes.iter().zip(&scales).map(scale).collect()
        }
        Target::Sizes(sizes) => fitted(call, dims, &axes, sizes)?,
    };
    let mut dims = dims.to_vec();
    for (&at, length) in axes.iter().zip(lengths) {
        dims[at] = length;
    }
    Ok(vec![Fact::new(call.dtype(0)?, dims)])
}

/// More than any network enlarges.
const MOST_SCALE: f64 = 1e6;

/// The largest whole number below the product, which runtimes compute in single precision.
fn scaled(length: u64, scale: f64) -> u64 {
    (length as f32 * scale as f32).floor() as u64
}

/// Sizes as they are, or the scale that keeps the proportions (ONNX 18).
fn fitted(
    call: &Call<'_>,
    dims: &[Length],
    axes: &[usize],
    sizes: &[i64],
) -> Result<Vec<Length>, Reason> {
    let keeps: fn(f64, f64) -> f64 = match call.node.text("keep_aspect_ratio_policy") {
        Some("not_larger") => f64::min,
        Some("not_smaller") => f64::max,
        _ => return sizes.iter().map(|&size| length(size).map(Some)).collect(),
    };
    let lengths: Option<Vec<u64>> = axes.iter().map(|&at| dims[at]).collect();
    let Some(lengths) = lengths else { return Ok(vec![None; axes.len()]) };
    let scales = sizes.iter().zip(&lengths).map(|(&size, &length)| size as f64 / length as f64);
    let scale = scales.reduce(keeps).unwrap_or(1.0);
    Ok(lengths.into_iter().map(|length| Some((length as f64 * scale).round() as u64)).collect())
}

fn sample(call: &Call<'_>) -> Outcome {
    let (image, grid) = (call.dims(0)?, call.dims(1)?);
    let ([batch, channels, size @ ..], [_, places @ .., _]) = (image, grid) else {
        return contradiction("its operands have too few dimensions");
    };
    if size.len() != places.len() {
        return contradiction("its grid has other dimensions than its image");
    }
    let dims = [&[*batch, *channels], places].concat();
    Ok(vec![Fact::new(call.dtype(0)?, dims)])
}

/// An operation for each neighbour that is weighed: 2 or 4 along each dimension, or 1 altogether.
fn sample_work(call: &Call<'_>, results: &[&Fact]) -> Option<Count> {
    let result = results.first()?;
    let spatial = u32::try_from(result.dims.as_ref()?.len().saturating_sub(2)).ok()?;
    let along: u64 = match call.node.text("mode") {
        Some("nearest") => 1,
        Some("cubic" | "bicubic") => 4,
        _ => 2,
    };
    let neighbours = along.saturating_pow(spatial);
    Some(Count { macs: 0, elementwise: result.elements()?.saturating_mul(neighbours) })
}

fn affine_grid(call: &Call<'_>) -> Outcome {
    let [batch, _, places @ ..] = call.integers(1)? else {
        return contradiction("its size has too few dimensions");
    };
    let mut dims = vec![Some(length(*batch)?)];
    for &place in places.iter().take(3) {
        dims.push(Some(length(place)?));
    }
    dims.push(Some(places.len() as u64));
    Ok(vec![Fact::new(call.dtype(0)?, dims)])
}
