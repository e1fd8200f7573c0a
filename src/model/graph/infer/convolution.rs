//! Convolutions, their transposed, quantised, deformable and fused kin.

use super::{
    call::{Call, Outcome, Reason, agree, contradiction, shown},
    fact::{Fact, Length},
    operator::{Count, Operator, Work},
    window::Window,
};
use crate::tensor::DType;

/// The operators of this group.
pub fn find(name: &str) -> Option<Operator> {
    match name {
        "Conv" => Operator::new(conv, Work::Counted(work::<1, 2>)),
        "DeformConv" => Operator::new(conv, Work::Counted(work::<1, 3>)),
        "ConvInteger" => Operator::new(integer, Work::Counted(work::<1, NONE>)),
        "QLinearConv" => Operator::new(quantised, Work::Counted(work::<3, 8>)),
        "ConvTranspose" => Operator::new(transposed, Work::Counted(transposed_work)),
        _ => None,
    }
}

/// Fused operators of ONNX Runtime in this group.
pub fn fused(name: &str) -> Option<Operator> {
    (name == "FusedConv").then(|| find("Conv")).flatten()
}

/// No operand is the bias.
const NONE: usize = usize::MAX;

fn conv(call: &Call<'_>) -> Outcome {
    Ok(vec![Fact::new(call.dtype(0)?, convolved(call, 1)?)])
}

fn integer(call: &Call<'_>) -> Outcome {
    Ok(vec![Fact::new(DType::I32, convolved(call, 1)?)])
}

fn quantised(call: &Call<'_>) -> Outcome {
    Ok(vec![Fact::new(call.dtype(7)?, convolved(call, 3)?)])
}

/// The shape of a convolution whose kernels are operand `kernels`: M × C/group × spatial.
fn convolved(call: &Call<'_>, kernels: usize) -> Result<Vec<Length>, Reason> {
    let (image, kernels) = (call.dims(0)?, call.dims(kernels)?);
    let group = group(call)?;
    let ([batch, channels, image_size @ ..], [filters, inside, _size @ ..]) = (image, kernels)
    else {
        return contradiction("its operands have too few dimensions");
    };
    if !agree(*channels, inside.and_then(|inside| inside.checked_mul(group))) {
        let (image, kernels) = (shown(image), shown(kernels));
        return contradiction(format!(
            "an image of {image} does not fit kernels of {kernels} in {group} groups"
        ));
    }
    let window = Window::of(call, kernel(call, kernels)?)?;
    let mut dims = vec![*batch, *filters];
    dims.extend(window.slide(image_size)?);
    Ok(dims)
}

fn transposed(call: &Call<'_>) -> Outcome {
    let (image, kernels) = (call.dims(0)?, call.dims(1)?);
    let ([batch, channels, size @ ..], [inside, filters, ..]) = (image, kernels) else {
        return contradiction("its operands have too few dimensions");
    };
    if !agree(*channels, *inside) {
        let (image, kernels) = (shown(image), shown(kernels));
        return contradiction(format!("an image of {image} does not fit kernels of {kernels}"));
    }
    let group = group(call)?;
    let filters = filters.map(|filters| filters.saturating_mul(group));
    let mut dims = vec![*batch, filters];
    match call.node.ints("output_shape") {
        // Either with batch and channels or without.
        Some(shape) if shape.len() >= size.len() && !shape.is_empty() => {
            let shape = &shape[shape.len() - size.len()..];
            dims.extend(shape.iter().map(|&length| u64::try_from(length).ok()));
        }
        _ => {
            let window = Window::of(call, kernel(call, kernels)?)?;
            let added = call.node.ints("output_padding").unwrap_or_default();
            dims.extend(window.spread(size, added)?);
        }
    }
    Ok(vec![Fact::new(call.dtype(0)?, dims)])
}

fn group(call: &Call<'_>) -> Result<u64, Reason> {
    match u64::try_from(call.int("group", 1)) {
        Ok(group @ 1..) => Ok(group),
        _ => contradiction("it has no groups"),
    }
}

/// The kernel's size, from the shape of the kernels.
fn kernel(call: &Call<'_>, kernels: &[Length]) -> Result<Vec<u64>, Reason> {
    let size: Option<Vec<u64>> = kernels[2..].iter().copied().collect();
    let said = || {
        let said = call.node.ints("kernel_shape")?;
        said.iter().map(|&length| u64::try_from(length).ok()).collect()
    };
    size.or_else(said).ok_or(Reason::Operand)
}

/// For each element of the result one MAC for each element of a kernel; the bias is one operation
/// each.
fn work<const KERNELS: usize, const BIAS: usize>(
    call: &Call<'_>,
    results: &[&Fact],
) -> Option<Count> {
    let made = results.first()?.elements()?;
    let kernels = call.given(KERNELS)?.dims.as_ref()?;
    let each = product(kernels.get(1..)?)?;
    let bias = if call.given(BIAS).is_some() { made } else { 0 };
    Some(Count { macs: made.saturating_mul(each), elementwise: bias })
}

/// For each element of the operand one MAC for each element of a kernel.
fn transposed_work(call: &Call<'_>, results: &[&Fact]) -> Option<Count> {
    let made = results.first()?.elements()?;
    let each = product(call.given(1)?.dims.as_ref()?.get(1..)?)?;
    let bias = if call.given(2).is_some() { made } else { 0 };
    Some(Count { macs: call.given(0)?.elements()?.saturating_mul(each), elementwise: bias })
}

fn product(dims: &[Length]) -> Option<u64> {
    dims.iter().try_fold(1_u64, |product, &length| Some(product.saturating_mul(length?)))
}
