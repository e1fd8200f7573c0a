//! Operators that move elements or tell of shapes. They compute nothing and make nothing new.

use super::{Attributes, Call, int, text};
use crate::{
    model::graph::{Attribute, Numbers, ValueId},
    tensor::{DType, Dim},
};

/// Most operands of a mesh.
const MAX_MESH: usize = 8;

/// Adds the nodes for an operator of this group; none if it is of another or cannot be.
pub fn lower(call: &mut Call<'_, '_>) -> Option<()> {
    match call.kind() {
        // What is fed and fetched is said of the graph.
        "feed" | "fetch" | "data" => Some(()),
        "reshape2" | "reshape" => {
            let shape = lengths(call, "ShapeTensor", "Shape", "shape")?;
            call.last("Reshape", &[call.input("X")?, shape], vec![], "Out")
        }
        "transpose2" | "transpose" => {
            let order = ("perm".to_owned(), Attribute::Ints(call.ints("axis")?));
            call.last("Transpose", &[call.input("X")?], vec![order], "Out")
        }
        "flatten_contiguous_range" => flatten(call),
        "squeeze2" | "squeeze" => squeeze(call),
        "unsqueeze2" | "unsqueeze" => {
            let axes = lengths(call, "AxesTensorList", "AxesTensor", "axes")?;
            call.last("Unsqueeze", &[call.input("X")?, axes], vec![], "Out")
        }
        "concat" => {
            let axis = *call.known("AxisTensor", "axis")?.first()?;
            let operands = call.inputs("X");
            call.last("Concat", &operands, vec![int("axis", axis)], "Out")
        }
        "stack" => stack(call),
        "split" => split(call),
        "unstack" | "unbind" => unbind(call),
        "slice" | "strided_slice" => slice(call),
        "flip" => flip(call),
        "tile" => tile(call),
        "expand_v2" | "expand" => expand(call),
        "expand_as_v2" => {
            let shape = match call.input("Y") {
                Some(y) => call.inner("Shape", &[y], vec![]),
                None => call.vector(call.ints("target_shape")?),
            };
            call.last("Expand", &[call.input("X")?, shape], vec![], "Out")
        }
        "shape" => call.last("Shape", &[call.input("Input")?], vec![], "Out"),
        "meshgrid" => mesh(call),
        "pad3d" => pad(call),
        "pixel_shuffle" => {
            let block = int("blocksize", call.int("upscale_factor")?);
            let attributes = vec![block, text("mode", "CRD")];
            call.last("DepthToSpace", &[call.input("X")?], attributes, "Out")
        }
        _ => gathered(call),
    }
}

/// Tensors that are made of others by indices.
fn gathered(call: &mut Call<'_, '_>) -> Option<()> {
    let operands = |call: &Call<'_, '_>, names: [&str; 2]| {
        Some([call.input(names[0])?, call.input(names[1])?])
    };
    match call.kind() {
        "gather" => {
            let axis = call.known("Axis", "axis").and_then(|axis| axis.first().copied());
            let axis = int("axis", axis.unwrap_or(0));
            call.last("Gather", &operands(call, ["X", "Index"])?, vec![axis], "Out")
        }
        "gather_nd" => call.last("GatherND", &operands(call, ["X", "Index"])?, vec![], "Out"),
        "index_select" => {
            let axis = int("axis", call.int("dim").unwrap_or(0));
            call.last("Gather", &operands(call, ["X", "Index"])?, vec![axis], "Out")
        }
        "take_along_axis" => {
            let axis = int("axis", call.int("Axis")?);
            let operands = operands(call, ["Input", "Index"])?;
            call.last("GatherElements", &operands, vec![axis], "Result")
        }
        "where_index" => {
            let places = call.inner("NonZero", &[call.input("Condition")?], vec![]);
            call.last("Transpose", &[places], vec![], "Out")
        }
        "one_hot_v2" => {
            let depth = match call.input("depth_tensor") {
                Some(depth) => scalar(call, depth),
                None => call.scalar(DType::I64, call.int("depth")? as f64),
            };
            let numbers = Some(Numbers::Floats(vec![0.0, 1.0]));
            let values = call.constant(DType::F32, vec![2], numbers);
            call.last("OneHot", &[call.input("X")?, depth, values], vec![], "Out")
        }
        _ => None,
    }
}

/// A shape, axes or indices: from a list of tensors of one number each, else from a tensor, else
/// from an attribute.
pub fn lengths(call: &mut Call<'_, '_>, list: &str, tensor: &str, name: &str) -> Option<ValueId> {
    let parts = call.inputs(list);
    if !parts.is_empty() {
        return Some(joined(call, &parts));
    }
    match call.input(tensor) {
        Some(id) if call.rank(id) == Some(0) => Some(joined(call, &[id])),
        Some(id) => Some(id),
        None => call.ints(name).map(|numbers| call.vector(numbers)),
    }
}

/// One vector of tensors of one number each.
pub fn joined(call: &mut Call<'_, '_>, parts: &[ValueId]) -> ValueId {
    let known: Option<Vec<i64>> =
        parts.iter().map(|&part| call.numbers(part)?.first().copied()).collect();
    if let Some(numbers) = known {
        return call.vector(numbers);
    }
    let one = call.vector(vec![1]);
    let vectors: Vec<ValueId> =
        parts.iter().map(|&part| call.inner("Reshape", &[part, one], vec![])).collect();
    call.inner("Concat", &vectors, vec![int("axis", 0)])
}

/// A tensor of one number as ONNX's scalar.
pub fn scalar(call: &mut Call<'_, '_>, id: ValueId) -> ValueId {
    let constant = call.value(id).constant.as_ref();
    let number = constant.and_then(|constant| match constant.numbers.as_ref()? {
        Numbers::Integers(numbers) => numbers.first().map(|&n| (constant.dtype, n as f64)),
        Numbers::Floats(numbers) => numbers.first().map(|&n| (constant.dtype, n)),
    });
    match number {
        Some((dtype, number)) => call.scalar(dtype, number),
        None if call.rank(id) == Some(0) => id,
        None => call.inner("Squeeze", &[id], vec![]),
    }
}

/// Several dimensions become one. Those before it are copied, those after it have to be known.
fn flatten(call: &mut Call<'_, '_>) -> Option<()> {
    let x = call.input("X")?;
    let rank = call.rank(x)?;
    let start = call.axis(call.int("start_axis")?, rank)?;
    let end = call.axis(call.int("stop_axis")?, rank)?;
    let trailing = call.dims(x)?.get(end + 1..)?.to_vec();
    let fixed = |dim: &Dim| match dim {
        Dim::Fixed(length) => i64::try_from(*length).ok(),
        Dim::Dynamic(_) => None,
    };
    let known: Option<Vec<i64>> = trailing.iter().map(fixed).collect();
    let shape = match known {
        Some(known) => {
            let numbers = [vec![0; start], vec![-1], known].concat();
            call.vector(numbers)
        }
        None => {
            let head = call.vector([vec![0; start], vec![-1]].concat());
            let from = int("start", i64::try_from(end + 1).ok()?);
            let tail = call.inner("Shape", &[x], vec![from]);
            call.inner("Concat", &[head, tail], vec![int("axis", 0)])
        }
    };
    call.last("Reshape", &[x, shape], vec![], "Out")
}

/// Paddle leaves alone what is named but is not of length one.
fn squeeze(call: &mut Call<'_, '_>) -> Option<()> {
    let x = call.input("X")?;
    let mut axes = call.known("AxesTensor", "axes").unwrap_or_default();
    if axes.is_empty() {
        return call.last("Squeeze", &[x], vec![], "Out");
    }
    if let Some(rank) = call.rank(x) {
        let length = |axis| call.value(x).info.fixed(call.axis(axis, rank)?);
        axes.retain(|&axis| length(axis).is_none_or(|length| length == 1));
    }
    if axes.is_empty() {
        return call.last("Identity", &[x], vec![], "Out");
    }
    let axes = call.vector(axes);
    call.last("Squeeze", &[x, axes], vec![], "Out")
}

fn stack(call: &mut Call<'_, '_>) -> Option<()> {
    let axis = call.int("axis").unwrap_or(0);
    let place = call.vector(vec![axis]);
    let operands = call.inputs("X");
    let raised: Vec<ValueId> =
        operands.iter().map(|&x| call.inner("Unsqueeze", &[x, place], vec![])).collect();
    call.last("Concat", &raised, vec![int("axis", axis)], "Y")
}

fn split(call: &mut Call<'_, '_>) -> Option<()> {
    let x = call.input("X")?;
    let axis = *call.known("AxisTensor", "axis")?.first()?;
    let mut sections = call.ints("sections").unwrap_or_default();
    let tensors = call.inputs("SectionsTensorList");
    if !tensors.is_empty() {
        let known: Option<Vec<_>> = tensors.iter().map(|&tensor| call.numbers(tensor)).collect();
        sections = known?.concat();
    }
    if let Some(open) = sections.iter().position(|&length| length < 0) {
        let rank = call.rank(x)?;
        let whole = i64::try_from(call.value(x).info.fixed(call.axis(axis, rank)?)?).ok()?;
        let mut others = sections.iter().filter(|&&length| length >= 0);
        let others = others.try_fold(0_i64, |sum, &length| sum.checked_add(length))?;
        sections[open] = whole.checked_sub(others).filter(|&rest| rest >= 0)?;
    }
    let mut operands = vec![x];
    if !sections.is_empty() {
        operands.push(call.vector(sections));
    }
    call.all("Split", &operands, vec![int("axis", axis)], "Out");
    Some(())
}

/// Each step along an axis by itself.
fn unbind(call: &mut Call<'_, '_>) -> Option<()> {
    let x = call.input("X")?;
    let axis = call.int("axis").unwrap_or(0);
    let slot = if call.kind() == "unstack" { "Y" } else { "Out" };
    // One node for each result: only one of few can be named by its slot.
    let count = call.operator.output(slot).len();
    (count == 1).then_some(())?;
    let axes = call.vector(vec![axis]);
    call.last("Squeeze", &[x, axes], vec![], slot)
}

fn slice(call: &mut Call<'_, '_>) -> Option<()> {
    let x = call.input("Input")?;
    let starts = lengths(call, "StartsTensorList", "StartsTensor", "starts")?;
    let ends = lengths(call, "EndsTensorList", "EndsTensor", "ends")?;
    let axes = call.ints("axes")?;
    let mut operands = vec![x, starts, ends, call.vector(axes)];
    if call.kind() == "strided_slice" {
        operands.push(lengths(call, "StridesTensorList", "StridesTensor", "strides")?);
    }
    let mut dropped = call.ints("decrease_axis").unwrap_or_default();
    // Up to Paddle 2.4 what had lost all dimensions was a vector of one.
    let result = call.operator.output("Out").first().copied().flatten();
    if result.is_some_and(|id| call.rank(id) == Some(1)) && call.rank(x) == Some(dropped.len()) {
        dropped.pop();
    }
    if dropped.is_empty() {
        return call.last("Slice", &operands, vec![], "Out");
    }
    let cut = call.inner("Slice", &operands, vec![]);
    let dropped = call.vector(dropped);
    call.last("Squeeze", &[cut, dropped], vec![], "Out")
}

/// A slice backwards from the last element to beyond the first.
fn flip(call: &mut Call<'_, '_>) -> Option<()> {
    let axes = call.ints("axis")?;
    let of = |number| vec![number; axes.len()];
    let parts = [of(-1), of(i64::MIN), axes.clone(), of(-1)];
    let mut operands = vec![call.input("X")?];
    operands.extend(parts.map(|numbers| call.vector(numbers)));
    call.last("Slice", &operands, vec![], "Out")
}

/// ONNX wants as many repeats as dimensions; Paddle fills up with ones whichever has fewer.
fn tile(call: &mut Call<'_, '_>) -> Option<()> {
    let mut x = call.input("X")?;
    let repeats = lengths(call, "repeat_times_tensor", "RepeatTimes", "repeat_times")?;
    let listed = call.operator.input("repeat_times_tensor").len();
    let count = match (listed, call.numbers(repeats)) {
        (1.., _) => listed,
        (0, Some(numbers)) => numbers.len(),
        (0, None) => call.value(repeats).info.fixed(0)?,
    };
    let rank = call.rank(x)?;
    if count > rank {
        let axes = call.vector((0..(count - rank) as i64).collect());
        x = call.inner("Unsqueeze", &[x, axes], vec![]);
    }
    let repeats = match call.numbers(repeats) {
        Some(numbers) => {
            let ones = vec![1; rank.saturating_sub(count)];
            call.vector([ones, numbers].concat())
        }
        None if rank > count => {
            let ones = call.vector(vec![1; rank - count]);
            call.inner("Concat", &[ones, repeats], vec![int("axis", 0)])
        }
        None => repeats,
    };
    call.last("Tile", &[x, repeats], vec![], "Out")
}

/// What Paddle keeps with -1, ONNX keeps with 1.
fn expand(call: &mut Call<'_, '_>) -> Option<()> {
    let x = call.input("X")?;
    let listed = !call.operator.input("expand_shapes_tensor").is_empty();
    let known = call.known("Shape", "shape").filter(|_| !listed);
    let shape = match known {
        Some(known) => {
            let kept = known.into_iter().map(|length| length.max(1)).collect();
            call.vector(kept)
        }
        None => lengths(call, "expand_shapes_tensor", "Shape", "shape")?,
    };
    call.last("Expand", &[x, shape], vec![], "Out")
}

/// Each vector along its own dimension of what they span.
fn mesh(call: &mut Call<'_, '_>) -> Option<()> {
    let vectors = call.inputs("X");
    let results = call.operator.output("Out").to_vec();
    (vectors.len() <= MAX_MESH && vectors.len() == results.len()).then_some(())?;
    let lengths: Vec<ValueId> =
        vectors.iter().map(|&vector| call.inner("Shape", &[vector], vec![])).collect();
    let shape = call.inner("Concat", &lengths, vec![int("axis", 0)]);
    for (index, (&vector, result)) in vectors.iter().zip(results).enumerate() {
        let others = (0..vectors.len()).filter(|&other| other != index).map(|n| n as i64);
        let others = call.vector(others.collect());
        let raised = call.inner("Unsqueeze", &[vector, others], vec![]);
        let expanded = call.lowering.fresh(result?);
        let operands = vec![Some(raised), Some(shape)];
        let name = call.operator.name.clone();
        call.node(name, "Expand", operands, Attributes::new(), vec![Some(expanded)]);
    }
    Some(())
}

/// Of images in the order of channels first: Paddle counts from the last dimension.
fn pad(call: &mut Call<'_, '_>) -> Option<()> {
    let x = call.input("X")?;
    let first = matches!(call.text("data_format"), None | Some("NCDHW"));
    (first && call.rank(x)? == 5).then_some(())?;
    let given = call.known("Paddings", "paddings")?;
    let &[left, right, top, bottom, front, back] = given.as_slice() else { return None };
    let pads = call.vector(vec![0, 0, front, top, left, 0, 0, back, bottom, right]);
    let mode = match call.text("mode") {
        Some("reflect") => "reflect",
        Some("replicate") => "edge",
        None | Some("constant") => "constant",
        Some(_) => return None,
    };
    call.last("Pad", &[x, pads], vec![text("mode", mode)], "Out")
}
