//! Operators that arrange elements anew, or add and repeat some, without computing.

use super::{
    MAX_RANK,
    call::{Call, Outcome, Reason, agree, axes, axis, contradiction, length, shown},
    elementwise::{broadcast, same},
    fact::{Fact, Length},
    generate,
    operator::{Operator, Work},
};

/// The operators of this group.
pub fn find(name: &str) -> Option<Operator> {
    let (shape, work): (fn(&Call<'_>) -> Outcome, Work) = match name {
        "Reshape" => (reshape, Work::View),
        "Flatten" => (flatten, Work::View),
        "Squeeze" => (squeeze, Work::View),
        "Unsqueeze" => (unsqueeze, Work::View),
        "Transpose" => (transpose, Work::Move),
        "Expand" => (expand, Work::Move),
        "Tile" => (tile, Work::Move),
        "Concat" => (concat, Work::Move),
        "Split" => (split, Work::Move),
        "DepthToSpace" => (depth_to_space, Work::Move),
        "SpaceToDepth" => (space_to_depth, Work::Move),
        "Pad" => (pad, Work::Move),
        "ReverseSequence" | "Trilu" => (same, Work::Move),
        _ => return None,
    };
    Operator::new(shape, work)
}

fn one(call: &Call<'_>, dims: Vec<Length>) -> Outcome {
    Ok(vec![Fact::new(call.dtype(0)?, dims)])
}

/// As many unknown lengths as the operand at `index` has elements.
fn unknown(call: &Call<'_>, index: usize) -> Result<Vec<Length>, Reason> {
    let rank = call.fact(index)?.elements().ok_or(Reason::Operand)?;
    match usize::try_from(rank) {
        Ok(rank) if rank <= MAX_RANK => Ok(vec![None; rank]),
        _ => contradiction(format!("a shape of {rank} dimensions is not supported")),
    }
}

fn reshape(call: &Call<'_>) -> Outcome {
    let dims = match call.list("shape", 1) {
        Ok(Some(target)) => reshaped(call, target)?,
        Ok(None) => return Err(Reason::Missing(1)),
        Err(Reason::Operand) => unknown(call, 1)?,
        Err(reason) => return Err(reason),
    };
    one(call, dims)
}

/// 0 stands for the operand's length at that place, -1 for what is left over.
fn reshaped(call: &Call<'_>, target: &[i64]) -> Result<Vec<Length>, Reason> {
    let operand = call.fact(0)?;
    let (mut dims, mut rest) = (Vec::new(), None);
    if target.len() > MAX_RANK {
        return contradiction(format!("a shape of {} dimensions is not supported", target.len()));
    }
    for (at, &number) in target.iter().enumerate() {
        dims.push(match number {
            0 if !call.flag("allowzero", false) => match operand.dims.as_ref() {
                Some(dims) => match dims.get(at) {
                    Some(&length) => length,
                    None => return contradiction("it keeps a dimension that is not there"),
                },
                None => None,
            },
            -1 if rest.replace(at).is_some() => {
                return contradiction("its shape leaves two lengths open");
            }
            -1 => Some(1),
            number => Some(length(number)?),
        });
    }
    let total = operand.elements();
    let known = Fact::new(operand.dtype, dims.clone()).elements();
    let misfit = || contradiction(format!("{total:?} elements do not fill the shape {target:?}"));
    match (rest, total, known) {
        (Some(at), Some(total), Some(known @ 1..)) if total.is_multiple_of(known) => {
            dims[at] = Some(total / known);
        }
        (Some(_), Some(_), Some(1..)) => return misfit(),
        (Some(at), _, _) => dims[at] = None,
        (None, Some(total), Some(known)) if total != known => return misfit(),
        (None, _, _) => {}
    }
    Ok(dims)
}

fn flatten(call: &Call<'_>) -> Outcome {
    let dims = call.dims(0)?;
    // Unlike other operators it may name the place after the last dimension.
    let rank = dims.len();
    let at = call.int("axis", 1);
    let at = if at == rank as i64 { rank } else { axis(at, rank)? };
    let product =
        |dims: &[Length]| dims.iter().try_fold(1_u64, |product, &n| product.checked_mul(n?));
    one(call, vec![product(&dims[..at]), product(&dims[at..])])
}

fn squeeze(call: &Call<'_>) -> Outcome {
    let dims = call.dims(0)?;
    let gone = match call.list("axes", 1)? {
        Some(list) => axes(list, dims.len())?,
        None if dims.contains(&None) => return Err(Reason::Operand),
        None => (0..dims.len()).filter(|&at| dims[at] == Some(1)).collect(),
    };
    if let Some(&at) = gone.iter().find(|&&at| !agree(dims[at], Some(1))) {
        return contradiction(format!("dimension {at} of {} is not 1 long", shown(dims)));
    }
    let kept = dims.iter().enumerate().filter(|(at, _)| !gone.contains(at));
    one(call, kept.map(|(_, &length)| length).collect())
}

fn unsqueeze(call: &Call<'_>) -> Outcome {
    let mut left = call.dims(0)?.iter();
    let list = call.list("axes", 1)?.ok_or(Reason::Missing(1))?;
    let rank = left.len() + list.len();
    if rank > MAX_RANK {
        return contradiction(format!("a shape of {rank} dimensions is not supported"));
    }
    let added = axes(list, rank)?;
    let length =
        |at: usize| if added.contains(&at) { Some(1) } else { left.next().copied().flatten() };
    one(call, (0..rank).map(length).collect())
}

/// The order of the operand's dimensions in the result.
///
/// # Errors
/// When it is none.
pub fn permutation(call: &Call<'_>, rank: usize) -> Result<Vec<usize>, Reason> {
    match call.node.ints("perm") {
        None => Ok((0..rank).rev().collect()),
        Some(order) if order.len() == rank => axes(order, rank),
        Some(order) => contradiction(format!("it orders {} of {rank} dimensions", order.len())),
    }
}

fn transpose(call: &Call<'_>) -> Outcome {
    let dims = call.dims(0)?;
    one(call, permutation(call, dims.len())?.into_iter().map(|at| dims[at]).collect())
}

fn expand(call: &Call<'_>) -> Outcome {
    let dims = call.dims(0)?;
    let target = match call.integers(1) {
        Ok(target) if target.len() > MAX_RANK => {
            return contradiction(format!("{} dimensions are not supported", target.len()));
        }
        Ok(target) => generate::lengths(target)?,
        Err(Reason::Operand) => {
            let target = unknown(call, 1)?;
            return one(call, vec![None; target.len().max(dims.len())]);
        }
        Err(reason) => return Err(reason),
    };
    one(call, broadcast(dims, &target)?)
}

fn tile(call: &Call<'_>) -> Outcome {
    let dims = call.dims(0)?;
    let repeats = match call.integers(1) {
        Ok(repeats) if repeats.len() == dims.len() => repeats,
        Ok(_) => return contradiction("it does not say how often each dimension is repeated"),
        Err(Reason::Operand) => return one(call, vec![None; dims.len()]),
        Err(reason) => return Err(reason),
    };
    let times = |(&dim, &often): (&Length, &i64)| match (dim, length(often)?) {
        (Some(dim), often) => dim.checked_mul(often).map(Some).ok_or(Reason::Overflow),
        (None, _) => Ok(None),
    };
    one(call, dims.iter().zip(repeats).map(times).collect::<Result<_, _>>()?)
}

fn concat(call: &Call<'_>) -> Outcome {
    let mut dims = call.dims(0)?.to_vec();
    let axis = call.axis("axis", 1, dims.len())?;
    for index in 1..call.operands.len() {
        let other = call.dims(index)?;
        let fits = |at: usize| at == axis || agree(dims[at], other[at]);
        if other.len() != dims.len() || !(0..dims.len()).all(fits) {
            let (a, b) = (shown(&dims), shown(other));
            return contradiction(format!("{a} and {b} cannot be joined along dimension {axis}"));
        }
        for (at, dim) in dims.iter_mut().enumerate() {
            *dim = match (*dim, other[at]) {
                (Some(a), Some(b)) if at == axis => Some(a.checked_add(b).ok_or(Reason::Overflow)?),
                (_, _) if at == axis => None,
                (known, other) => known.or(other),
            };
        }
    }
    one(call, dims)
}

/// How long the parts of a `Split` are.
///
/// # Errors
/// When they do not make up the whole, or are not known.
pub fn parts(call: &Call<'_>, whole: Length) -> Result<Vec<Length>, Reason> {
    let count = call.node.outputs.len() as u64;
    if let Some(parts) = call.list("split", 1)? {
        let parts: Vec<_> = parts.iter().map(|&part| length(part)).collect::<Result<_, _>>()?;
        let sum = parts.iter().fold(0_u64, |sum, &part| sum.saturating_add(part));
        if !agree(whole, Some(sum)) {
            return contradiction(format!("{whole:?} elements are not split into {parts:?}"));
        }
        return Ok(parts.into_iter().map(Some).collect());
    }
    let Some(whole) = whole else { return Ok(vec![None; call.node.outputs.len()]) };
    let uneven = call.node.int("num_outputs").is_some();
    if count == 0 || !(uneven || whole.is_multiple_of(count)) {
        return contradiction(format!("{whole} elements are not split evenly into {count}"));
    }
    // The last part may be shorter (ONNX 18).
    let each = whole.div_ceil(count);
    let rest = |at: u64| Some(each.min(whole.saturating_sub(each.saturating_mul(at))));
    Ok((0..count).map(rest).collect())
}

fn split(call: &Call<'_>) -> Outcome {
    let dims = call.dims(0)?;
    let axis = call.axis("axis", 0, dims.len())?;
    let dtype = call.dtype(0)?;
    let parts = match parts(call, dims[axis]) {
        Err(Reason::Operand) => vec![None; call.node.outputs.len()],
        parts => parts?,
    };
    // No more than are asked for: a list of parts may be longer.
    let parts = parts.into_iter().take(call.node.outputs.len());
    let part = |part| {
        let mut dims = dims.to_vec();
        dims[axis] = part;
        Fact::new(dtype, dims)
    };
    Ok(parts.map(part).collect())
}

fn blocks(call: &Call<'_>) -> Result<u64, Reason> {
    match length(call.int("blocksize", 0))? {
        0 => contradiction("its blocks have no size"),
        size => size.checked_mul(1).ok_or(Reason::Overflow),
    }
}

fn depth_to_space(call: &Call<'_>) -> Outcome {
    let (&[batch, channels, height, width], size) = (call.dims(0)?, blocks(call)?) else {
        return contradiction("its operand is no image");
    };
    let square = size.checked_mul(size).ok_or(Reason::Overflow)?;
    let (high, wide) =
        (height.map(|n| n.saturating_mul(size)), width.map(|n| n.saturating_mul(size)));
    one(call, vec![batch, divided(channels, square)?, high, wide])
}

fn space_to_depth(call: &Call<'_>) -> Outcome {
    let (&[batch, channels, height, width], size) = (call.dims(0)?, blocks(call)?) else {
        return contradiction("its operand is no image");
    };
    let square = size.checked_mul(size).ok_or(Reason::Overflow)?;
    let channels = channels.map(|channels| channels.saturating_mul(square));
    one(call, vec![batch, channels, divided(height, size)?, divided(width, size)?])
}

fn divided(length: Length, by: u64) -> Result<Length, Reason> {
    match length {
        Some(length) if !length.is_multiple_of(by) => {
            contradiction(format!("{length} is no multiple of {by}"))
        }
        length => Ok(length.map(|length| length / by)),
    }
}

fn pad(call: &Call<'_>) -> Outcome {
    let dims = call.dims(0)?;
    let rank = dims.len();
    let pads = match call.list("pads", 1) {
        Ok(Some(pads)) => pads,
        Ok(None) => return Err(Reason::Missing(1)),
        Err(Reason::Operand) => return one(call, vec![None; rank]),
        Err(reason) => return Err(reason),
    };
    let axes = match call.given(3) {
        Some(_) => axes(call.integers(3)?, rank)?,
        None => (0..rank).collect(),
    };
    if pads.len() != 2 * axes.len() {
        return contradiction("its pads do not fit its operand");
    }
    let mut dims = dims.to_vec();
    for (at, &axis) in axes.iter().enumerate() {
        let Some(length) = dims[axis] else { continue };
        let (before, after) = (pads[at], pads[at + axes.len()]);
        let padded = i128::from(length) + i128::from(before) + i128::from(after);
        let Ok(padded) = u64::try_from(padded) else {
            return contradiction("its pads cut off more than there is");
        };
        dims[axis] = Some(padded);
    }
    one(call, dims)
}
