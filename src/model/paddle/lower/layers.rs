//! Layers: convolution, matrix products, normalisation, pooling, resizing, suppression. Nothing that
//! works on each element by itself.

use super::{Attributes, Call, float, int, ints, layout, text};
use crate::{
    model::graph::{Numbers, ValueId},
    tensor::{DType, Dim},
};

/// Adds the nodes for an operator of this group; none if it is of another or cannot be.
pub fn lower(call: &mut Call<'_, '_>) -> Option<()> {
    match call.kind() {
        "conv2d" | "depthwise_conv2d" | "conv3d" => convolution(call),
        "conv2d_transpose" | "depthwise_conv2d_transpose" => transposed(call),
        "matmul_v2" => product(call, ["trans_x", "trans_y"]),
        "matmul" => {
            call.float("alpha").is_none_or(|alpha| alpha == 1.0).then_some(())?;
            product(call, ["transpose_X", "transpose_Y"])
        }
        "mul" => fully_connected(call),
        "batch_norm" | "sync_batch_norm" => batch_normalisation(call),
        "layer_norm" => layer_normalisation(call),
        "instance_norm" => {
            let inputs = [call.input("X")?, call.input("Scale")?, call.input("Bias")?];
            let epsilon = float("epsilon", call.float("epsilon").unwrap_or(1e-5));
            call.last("InstanceNormalization", &inputs, vec![epsilon], "Y")
        }
        "pool2d" => pool(call),
        "nearest_interp_v2" | "nearest_interp" | "bilinear_interp_v2" | "bilinear_interp"
        | "bicubic_interp_v2" => resize(call),
        "grid_sampler" => grid(call),
        "multiclass_nms3" | "multiclass_nms2" | "multiclass_nms" => suppression(call),
        _ => None,
    }
}

/// Whether dimensions are in ONNX's order. Others are left alone.
fn channels_first(call: &Call<'_, '_>, attribute: &str) -> bool {
    matches!(call.text(attribute), None | Some("NCHW" | "AnyLayout" | "NCDHW" | "kNCHW"))
}

/// Padding of a window: of both sides alike, or of each.
fn padding(call: &Call<'_, '_>, spatial: usize) -> Option<Attributes> {
    match call.text("padding_algorithm") {
        Some("SAME") => return Some(vec![text("auto_pad", "SAME_UPPER")]),
        Some("VALID") => return Some(vec![ints("pads", vec![0; 2 * spatial])]),
        _ => {}
    }
    let given = call.ints("paddings")?;
    let pads = if given.len() == spatial {
        given.repeat(2)
    } else if given.len() == 2 * spatial {
        given.iter().step_by(2).chain(given.iter().skip(1).step_by(2)).copied().collect()
    } else {
        return None;
    };
    Some(vec![ints("pads", pads)])
}

/// What convolutions and their transposed kin have in common.
fn window(call: &Call<'_, '_>) -> Option<Attributes> {
    let strides = call.ints("strides")?;
    let mut attributes = padding(call, strides.len())?;
    attributes.push(ints("strides", strides));
    attributes.extend(call.ints("dilations").map(|dilations| ints("dilations", dilations)));
    attributes.push(int("group", call.int("groups").unwrap_or(1).max(1)));
    Some(attributes)
}

fn operands(call: &Call<'_, '_>) -> Option<Vec<ValueId>> {
    let mut inputs = vec![call.input("Input")?, call.input("Filter")?];
    inputs.extend(call.input("Bias"));
    Some(inputs)
}

fn convolution(call: &mut Call<'_, '_>) -> Option<()> {
    let fused = call.input("ResidualData").is_some();
    (channels_first(call, "data_format") && !fused).then_some(())?;
    let (inputs, attributes) = (operands(call)?, window(call)?);
    call.last("Conv", &inputs, attributes, "Output")
}

fn transposed(call: &mut Call<'_, '_>) -> Option<()> {
    (channels_first(call, "data_format") && call.input("OutputSizeTensor").is_none())
        .then_some(())?;
    let (inputs, mut attributes) = (operands(call)?, window(call)?);
    let beyond = call.ints("output_padding").filter(|beyond| !beyond.is_empty());
    attributes.extend(beyond.map(|beyond| ints("output_padding", beyond)));
    let size = call.known("OutputSize", "output_size").filter(|size| !size.is_empty());
    if let Some(size) = size {
        // ONNX then chooses the padding.
        attributes.retain(|(name, _)| name != "pads");
        attributes.push(ints("output_shape", size));
    }
    call.last("ConvTranspose", &inputs, attributes, "Output")
}

/// A product of matrices, either of which may be transposed first.
fn product(call: &mut Call<'_, '_>, flags: [&str; 2]) -> Option<()> {
    let mut operands = [call.input("X")?, call.input("Y")?];
    for (operand, flag) in operands.iter_mut().zip(flags) {
        if call.flag(flag) {
            let rank = call.rank(*operand)?;
            let mut order: Vec<i64> = (0..rank as i64).collect();
            // Of a vector Paddle transposes nothing.
            if rank >= 2 {
                order.swap(rank - 2, rank - 1);
                *operand = call.inner("Transpose", &[*operand], vec![ints("perm", order)]);
            }
        }
    }
    call.last("MatMul", &operands, vec![], "Out")
}

/// A product after the first operand was made a matrix; where that is its last dimension alone,
/// the shape comes back by itself.
fn fully_connected(call: &mut Call<'_, '_>) -> Option<()> {
    let (x, y) = (call.input("X")?, call.input("Y")?);
    let columns = usize::try_from(call.int("x_num_col_dims").unwrap_or(1)).ok()?;
    let simple = call.rank(x)? == columns.checked_add(1)? && call.rank(y)? == 2;
    (simple && call.int("y_num_col_dims").is_none_or(|n| n == 1)).then_some(())?;
    call.last("MatMul", &[x, y], vec![], "Out")
}

fn batch_normalisation(call: &mut Call<'_, '_>) -> Option<()> {
    channels_first(call, "data_layout").then_some(())?;
    let mut inputs = Vec::with_capacity(5);
    for slot in ["X", "Scale", "Bias", "Mean", "Variance"] {
        inputs.push(call.input(slot)?);
    }
    let epsilon = float("epsilon", call.float("epsilon").unwrap_or(1e-5));
    call.last("BatchNormalization", &inputs, vec![epsilon], "Y")
}

fn layer_normalisation(call: &mut Call<'_, '_>) -> Option<()> {
    let (x, scale) = (call.input("X")?, call.input("Scale")?);
    let mut inputs = vec![x, scale];
    inputs.extend(call.input("Bias"));
    let axis = int("axis", call.int("begin_norm_axis").unwrap_or(1));
    let epsilon = float("epsilon", call.float("epsilon").unwrap_or(1e-5));
    call.last("LayerNormalization", &inputs, vec![axis, epsilon], "Y")
}

fn pool(call: &mut Call<'_, '_>) -> Option<()> {
    channels_first(call, "data_format").then_some(())?;
    let x = call.input("X")?;
    let max = call.text("pooling_type") != Some("avg");
    let mut kernel = call.known("KernelSize", "ksize")?;
    if kernel.len() == 1 {
        kernel = kernel.repeat(2);
    }
    let adaptive = call.flag("adaptive");
    if call.flag("global_pooling") || (adaptive && kernel == [1, 1]) {
        let onnx = if max { "GlobalMaxPool" } else { "GlobalAveragePool" };
        return call.last(onnx, &[x], vec![], "Out");
    }
    let mut attributes = if adaptive {
        kernel = divided(call, x, &kernel)?;
        vec![ints("strides", kernel.clone())]
    } else {
        let mut attributes = padding(call, 2)?;
        attributes.push(ints("strides", call.ints("strides")?));
        attributes.push(int("ceil_mode", i64::from(call.flag("ceil_mode"))));
        attributes
    };
    attributes.push(ints("kernel_shape", kernel));
    if max {
        return call.last("MaxPool", &[x], attributes, "Out");
    }
    attributes.push(int("count_include_pad", i64::from(call.int("exclusive") == Some(0))));
    call.last("AveragePool", &[x], attributes, "Out")
}

/// The window that makes as many results of an image as are asked for, where they are all alike.
fn divided(call: &Call<'_, '_>, x: ValueId, results: &[i64]) -> Option<Vec<i64>> {
    let image = call.dims(x)?.get(2..)?;
    (image.len() == results.len()).then_some(())?;
    let part = |(dim, &results): (&Dim, &i64)| match dim {
        Dim::Fixed(length) => {
            let length = i64::try_from(*length).ok()?;
            (results > 0 && length % results == 0).then(|| length / results)
        }
        Dim::Dynamic(_) => None,
    };
    image.iter().zip(results).map(part).collect()
}

fn resize(call: &mut Call<'_, '_>) -> Option<()> {
    channels_first(call, "data_layout").then_some(())?;
    let x = call.input("X")?;
    (call.rank(x)? == 4).then_some(())?;
    let nearest = call.kind().starts_with("nearest");
    let (corners, half) = (call.flag("align_corners"), call.int("align_mode") == Some(0));
    let transform = match (corners, half && !nearest) {
        (true, _) => "align_corners",
        (false, true) => "half_pixel",
        (false, false) => "asymmetric",
    };
    let mode = match call.kind().split('_').next() {
        Some("nearest") => "nearest",
        Some("bilinear") => "linear",
        _ => "cubic",
    };
    let mut attributes =
        vec![text("mode", mode), text("coordinate_transformation_mode", transform)];
    if nearest {
        attributes.push(text("nearest_mode", "floor"));
    }
    let (scales, sizes) = target(call, x)?;
    call.last_of("Resize", vec![Some(x), None, scales, sizes], attributes, &["Out"])
}

/// Scales or sizes of a resized image. Paddle looks at tensors first, at scales then.
fn target(call: &mut Call<'_, '_>, x: ValueId) -> Option<(Option<ValueId>, Option<ValueId>)> {
    let outer = call.ints("out_h").zip(call.ints("out_w"));
    let fixed = outer.map(|(h, w)| [h, w].concat()).filter(|sides| sides.iter().all(|&n| n > 0));
    let given = call.inputs("SizeTensor");
    let sides = if !given.is_empty() {
        layout::joined(call, &given)
    } else if let Some(size) = call.input("OutSize") {
        size
    } else if let Some(scales) = factors(call) {
        let numbers = Numbers::Floats([&[1.0, 1.0], scales.as_slice()].concat());
        return Some((Some(call.constant(DType::F32, vec![4], Some(numbers))), None));
    } else {
        call.vector(fixed?)
    };
    // ONNX wants batch and channels too.
    let shape = call.inner("Shape", &[x], vec![int("start", 0), int("end", 2)]);
    Some((None, Some(call.inner("Concat", &[shape, sides], vec![int("axis", 0)]))))
}

fn factors(call: &Call<'_, '_>) -> Option<Vec<f64>> {
    // A tensor of scales is not known.
    if call.input("Scale").is_some() {
        return None;
    }
    let scales = call.floats("scale")?;
    let scales = if scales.len() == 1 { scales.repeat(2) } else { scales };
    (scales.len() == 2 && scales.iter().all(|&scale| scale > 0.0)).then_some(scales)
}

/// The choice of boxes by ONNX's operator, and the rows (class, score, box) that Paddle makes of it:
/// how many there are depends on the image.
fn suppression(call: &mut Call<'_, '_>) -> Option<()> {
    let (boxes, scores) = (call.input("BBoxes")?, call.input("Scores")?);
    (call.rank(boxes)? == 3 && call.rank(scores)? == 3).then_some(())?;
    let most = call.int("nms_top_k").filter(|&most| most > 0).unwrap_or(i64::MAX);
    let most = call.vector(vec![most]);
    let overlap = call.float("nms_threshold").unwrap_or(0.3);
    let overlap = call.scalar(DType::F32, overlap);
    let least = call.float("score_threshold").unwrap_or(0.0);
    let least = call.scalar(DType::F32, least);
    let inputs = [boxes, scores, most, overlap, least];
    let chosen = call.inner("NonMaxSuppression", &inputs, vec![]);
    let column = |call: &mut Call<'_, '_>, columns: Vec<i64>| {
        let columns = call.vector(columns);
        call.inner("Gather", &[chosen, columns], vec![int("axis", 1)])
    };
    let places = column(call, vec![0, 2]);
    let corners = call.inner("GatherND", &[boxes, places], vec![]);
    let confidence = call.inner("GatherND", &[scores, chosen], vec![]);
    let last = call.vector(vec![1]);
    let confidence = call.inner("Unsqueeze", &[confidence, last], vec![]);
    let class = column(call, vec![1]);
    let class = call.inner("Cast", &[class], vec![int("to", 1)]);
    // Optional results: where each box was, and how many of each image are left.
    if !call.operator.output("Index").is_empty() {
        let index = column(call, vec![2]);
        call.last("Cast", &[index], vec![int("to", 6)], "Index")?;
    }
    if !call.operator.output("NmsRoisNum").is_empty() {
        let count = call.inner("Shape", &[chosen], vec![int("start", 0), int("end", 1)]);
        call.last("Cast", &[count], vec![int("to", 6)], "NmsRoisNum")?;
    }
    call.last("Concat", &[class, confidence, corners], vec![int("axis", 1)], "Out")
}

/// Sampling at given places.
fn grid(call: &mut Call<'_, '_>) -> Option<()> {
    let mode = call.text("mode").unwrap_or("bilinear").to_owned();
    let padding = call.text("padding_mode").unwrap_or("zeros").to_owned();
    let corners = call.int("align_corners").unwrap_or(1);
    let attributes =
        vec![text("mode", &mode), text("padding_mode", &padding), int("align_corners", corners)];
    call.last("GridSample", &[call.input("X")?, call.input("Grid")?], attributes, "Output")
}
