//! Operators that pick elements or put some in their place, and those whose number of results only
//! the data tell.

use super::{
    MAX_RANK,
    call::{Call, Outcome, Reason, axes, axis, contradiction, length},
    elementwise::same,
    fact::{Fact, Length},
    operator::{Operator, Work},
};
use crate::tensor::DType;

/// The operators of this group.
pub fn find(name: &str) -> Option<Operator> {
    let (shape, work): (fn(&Call<'_>) -> Outcome, Work) = match name {
        "Slice" => (slice, Work::Pick),
        "Gather" => (gather, Work::Pick),
        "GatherElements" => (gather_elements, Work::Pick),
        "GatherND" => (gather_nd, Work::Pick),
        "Scatter" | "ScatterElements" | "ScatterND" => (same, Work::Move),
        "TopK" => (top_k, Work::PerInput),
        "OneHot" => (one_hot, Work::Move),
        "NonZero" => (non_zero, Work::PerInput),
        "NonMaxSuppression" => (suppression, Work::PerInput),
        "Compress" => (compress, Work::Move),
        "Unique" => (unique, Work::PerInput),
        _ => return None,
    };
    Operator::new(shape, work)
}

/// What a `Slice` takes along a dimension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The first element.
    pub start: u64,
    /// From one to the next.
    pub step: i64,
    /// How many.
    pub count: u64,
}

impl Range {
    /// From `start` to before `end`, both counted from the end where negative and clamped to what
    /// is there (ONNX, "Slice").
    ///
    /// # Errors
    /// When it does not step.
    pub fn of(length: u64, start: i64, end: i64, step: i64) -> Result<Self, Reason> {
        let length = i128::from(length);
        let counted = |number: i64| i128::from(number) + if number < 0 { length } else { 0 };
        // Backwards, the place before the first element is an end.
        let (low, high) = if step > 0 { (0, length) } else { (-1, length - 1) };
        let start = counted(start).clamp(low.max(0), high.max(0));
        let end = counted(end).clamp(low, high.max(low));
        let count = match i128::from(step) {
            0 => return contradiction("it does not step"),
            step @ 1.. => {
                (end - start).max(0).div_euclid(step) + i128::from((end - start).max(0) % step != 0)
            }
            step => (start - end).max(0) / -step + i128::from((start - end).max(0) % -step != 0),
        };
        let bounded = |number: i128| u64::try_from(number.min(length)).unwrap_or(0);
        Ok(Self { start: bounded(start), step, count: bounded(count) })
    }
}

/// What a `Slice` takes along each dimension; none along those it leaves alone.
///
/// # Errors
/// When its numbers are not known or make no sense.
pub fn ranges(call: &Call<'_>, dims: &[Length]) -> Result<Vec<Option<Range>>, Reason> {
    let starts = call.list("starts", 1)?.ok_or(Reason::Missing(1))?;
    let ends = call.list("ends", 2)?.ok_or(Reason::Missing(2))?;
    let axes = sliced(call, dims.len(), starts.len())?;
    let steps = call.list("steps", 4)?;
    let even = starts.len() == ends.len() && starts.len() == axes.len();
    if !even || steps.is_some_and(|steps| steps.len() != starts.len()) {
        return contradiction("its starts, ends, axes and steps are not equally many");
    }
    let mut ranges = vec![None; dims.len()];
    for (at, &axis) in axes.iter().enumerate() {
        let step = steps.map_or(1, |steps| steps[at]);
        // Of an unknown length everything may be taken or nothing.
        let Some(length) = dims[axis] else { return Err(Reason::Data) };
        ranges[axis] = Some(Range::of(length, starts[at], ends[at], step)?);
    }
    Ok(ranges)
}

fn sliced(call: &Call<'_>, rank: usize, count: usize) -> Result<Vec<usize>, Reason> {
    match call.list("axes", 3)? {
        Some(list) => axes(list, rank),
        None => Ok((0..rank.min(count)).collect()),
    }
}

fn slice(call: &Call<'_>) -> Outcome {
    let dims = call.dims(0)?;
    let dims = match ranges(call, dims) {
        Ok(ranges) => {
            let taken = |(range, &dim): (&Option<Range>, &Length)| {
                range.map_or(dim, |range| Some(range.count))
            };
            ranges.iter().zip(dims).map(taken).collect()
        }
        Err(Reason::Operand | Reason::Data) => partly(call, dims)?,
        Err(reason) => return Err(reason),
    };
    Ok(vec![Fact::new(call.dtype(0)?, dims)])
}

/// The shape where it is not known how much is taken: the other dimensions stay.
fn partly(call: &Call<'_>, dims: &[Length]) -> Result<Vec<Length>, Reason> {
    let count = call.given(1).and_then(Fact::elements);
    let count = count.and_then(|count| usize::try_from(count).ok()).unwrap_or(dims.len());
    let open = sliced(call, dims.len(), count).unwrap_or_else(|_| (0..dims.len()).collect());
    let mut dims = dims.to_vec();
    for axis in open {
        dims[axis] = None;
    }
    Ok(dims)
}

/// A shape of three parts, if it is not too long.
fn joined(parts: [&[Length]; 3]) -> Result<Vec<Length>, Reason> {
    let dims = parts.concat();
    if dims.len() > MAX_RANK {
        return contradiction(format!("{} dimensions are not supported", dims.len()));
    }
    Ok(dims)
}

fn gather(call: &Call<'_>) -> Outcome {
    let (data, indices) = (call.dims(0)?, call.dims(1)?);
    let axis = call.axis("axis", 0, data.len())?;
    let dims = joined([&data[..axis], indices, &data[axis + 1..]])?;
    Ok(vec![Fact::new(call.dtype(0)?, dims)])
}

fn gather_elements(call: &Call<'_>) -> Outcome {
    Ok(vec![Fact::new(call.dtype(0)?, call.dims(1)?.to_vec())])
}

fn gather_nd(call: &Call<'_>) -> Outcome {
    let (data, indices) = (call.dims(0)?, call.dims(1)?);
    let [places @ .., depth] = indices else {
        return contradiction("its indices are a single number");
    };
    let depth = usize::try_from(depth.ok_or(Reason::Operand)?).unwrap_or(usize::MAX);
    let batch = usize::try_from(call.int("batch_dims", 0)).unwrap_or(usize::MAX);
    match data.get(batch.saturating_add(depth)..) {
        Some(left) => Ok(vec![Fact::new(call.dtype(0)?, joined([places, left, &[]])?)]),
        None => contradiction("its indices are longer than its data has dimensions"),
    }
}

fn top_k(call: &Call<'_>) -> Outcome {
    let mut dims = call.dims(0)?.to_vec();
    let axis = call.axis("axis", -1, dims.len())?;
    let count = match call.node.int("k").map_or_else(|| call.integer(1), Ok) {
        Ok(count) => Some(length(count)?),
        Err(Reason::Operand) => None,
        Err(reason) => return Err(reason),
    };
    if let (Some(count), Some(there)) = (count, dims[axis])
        && count > there
    {
        return contradiction(format!("it asks for the best {count} of {there}"));
    }
    dims[axis] = count;
    Ok(vec![Fact::new(call.dtype(0)?, dims.clone()), Fact::new(DType::I64, dims)])
}

fn one_hot(call: &Call<'_>) -> Outcome {
    let indices = call.dims(0)?;
    let axis = axis(call.int("axis", -1), indices.len() + 1)?;
    let depth = call.fact(1)?.floats().and_then(|depth| depth.first().map(|&depth| depth as u64));
    let dims = joined([&indices[..axis], &[depth], &indices[axis..]])?;
    Ok(vec![Fact::new(call.dtype(2)?, dims)])
}

fn non_zero(call: &Call<'_>) -> Outcome {
    let rank = call.dims(0)?.len() as u64;
    let count = |numbers: &[f64]| numbers.iter().filter(|&&number| number != 0.0).count() as u64;
    let count = call.fact(0)?.floats().as_deref().map(count);
    Ok(vec![Fact::new(DType::I64, vec![Some(rank), count])])
}

fn suppression(call: &Call<'_>) -> Outcome {
    call.fact(1)?;
    Ok(vec![Fact::new(DType::I64, vec![None, Some(3)])])
}

fn compress(call: &Call<'_>) -> Outcome {
    let dims = call.dims(0)?;
    let dims = match call.node.int("axis") {
        None => vec![None],
        Some(number) => {
            let mut dims = dims.to_vec();
            let axis = axis(number, dims.len())?;
            dims[axis] = None;
            dims
        }
    };
    Ok(vec![Fact::new(call.dtype(0)?, dims)])
}

fn unique(call: &Call<'_>) -> Outcome {
    let places = Fact::new(DType::I64, vec![None]);
    let values = compress(call)?;
    Ok(values.into_iter().chain(std::iter::repeat_n(places, 3)).collect())
}
