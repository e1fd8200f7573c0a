//! Operators that work on each element by itself, and those that reduce. No layers and no shapes.

use super::{Call, filled, float, int, ints, layout};
use crate::{model::paddle::types::onnx_code, tensor::DType};

/// Of one operand `X`, with the same meaning.
const UNARY: [(&str, &str); 22] = [
    ("relu", "Relu"),
    ("sigmoid", "Sigmoid"),
    ("tanh", "Tanh"),
    ("exp", "Exp"),
    ("log", "Log"),
    ("sqrt", "Sqrt"),
    ("abs", "Abs"),
    ("floor", "Floor"),
    ("ceil", "Ceil"),
    ("round", "Round"),
    ("sin", "Sin"),
    ("cos", "Cos"),
    ("tan", "Tan"),
    ("atan", "Atan"),
    ("erf", "Erf"),
    ("sign", "Sign"),
    ("softplus", "Softplus"),
    ("reciprocal", "Reciprocal"),
    ("logical_not", "Not"),
    ("assign", "Identity"),
    ("share_data", "Identity"),
    ("isnan_v2", "IsNaN"),
];

/// Of two operands `X` and `Y`, with the same meaning.
const BINARY: [(&str, &str); 16] = [
    ("elementwise_add", "Add"),
    ("elementwise_sub", "Sub"),
    ("elementwise_mul", "Mul"),
    ("elementwise_div", "Div"),
    ("elementwise_pow", "Pow"),
    ("elementwise_max", "Max"),
    ("elementwise_min", "Min"),
    ("elementwise_mod", "Mod"),
    ("equal", "Equal"),
    ("greater_than", "Greater"),
    ("greater_equal", "GreaterOrEqual"),
    ("less_than", "Less"),
    ("less_equal", "LessOrEqual"),
    ("logical_and", "And"),
    ("logical_or", "Or"),
    ("logical_xor", "Xor"),
];

/// Of `X` along axes, with the same meaning.
const REDUCTIONS: [(&str, &str); 5] = [
    ("reduce_mean", "ReduceMean"),
    ("reduce_sum", "ReduceSum"),
    ("reduce_max", "ReduceMax"),
    ("reduce_min", "ReduceMin"),
    ("reduce_prod", "ReduceProd"),
];

fn found(table: &[(&str, &'static str)], kind: &str) -> Option<&'static str> {
    table.iter().find(|(paddle, _)| *paddle == kind).map(|&(_, onnx)| onnx)
}

/// Adds the nodes for an operator of this group; none if it is of another or cannot be.
pub fn lower(call: &mut Call<'_, '_>) -> Option<()> {
    if let Some(onnx) = found(&UNARY, call.kind()) {
        return call.last(onnx, &[call.input("X")?], vec![], "Out");
    }
    if let Some(onnx) = found(&BINARY, call.kind()) {
        return binary(call, onnx);
    }
    if let Some(onnx) = found(&REDUCTIONS, call.kind()) {
        return reduction(call, onnx);
    }
    match call.kind() {
        "elementwise_floordiv" => floor_division(call),
        "not_equal" => {
            let equal = call.inner("Equal", &[call.input("X")?, call.input("Y")?], vec![]);
            call.last("Not", &[equal], vec![], "Out")
        }
        "scale" => scale(call),
        "cast" => cast(call),
        "clip" => clip(call),
        "pow" => power(call),
        "square" => {
            let x = call.input("X")?;
            call.last("Mul", &[x, x], vec![], "Out")
        }
        "rsqrt" => {
            let root = call.inner("Sqrt", &[call.input("X")?], vec![]);
            call.last("Reciprocal", &[root], vec![], "Out")
        }
        "where" => {
            let inputs = [call.input("Condition")?, call.input("X")?, call.input("Y")?];
            call.last("Where", &inputs, vec![], "Out")
        }
        "sum" => sum(call),
        "cumsum" => cumulative(call),
        "arg_max" | "arg_min" => arg(call),
        "top_k_v2" => top(call),
        "dropout" => dropout(call),
        _ => activation(call),
    }
}

fn activation(call: &mut Call<'_, '_>) -> Option<()> {
    let x = call.input("X")?;
    match call.kind() {
        "hard_sigmoid" => {
            let slope = call.float("slope").unwrap_or(0.2);
            let offset = call.float("offset").unwrap_or(0.5);
            let attributes = vec![float("alpha", slope), float("beta", offset)];
            call.last("HardSigmoid", &[x], attributes, "Out")
        }
        "hard_swish" => {
            let usual = [("threshold", 6.0), ("scale", 6.0), ("offset", 3.0)];
            let same = |&(name, number)| call.float(name).is_none_or(|given| given == number);
            usual.iter().all(same).then_some(())?;
            call.last("HardSwish", &[x], vec![], "Out")
        }
        "silu" | "swish" => {
            call.float("beta").is_none_or(|beta| beta == 1.0).then_some(())?;
            let gate = call.inner("Sigmoid", &[x], vec![]);
            call.last("Mul", &[x, gate], vec![], "Out")
        }
        "mish" => {
            let soft = call.inner("Softplus", &[x], vec![]);
            let gate = call.inner("Tanh", &[soft], vec![]);
            call.last("Mul", &[x, gate], vec![], "Out")
        }
        "gelu" => gelu(call),
        "relu6" => {
            let dtype = call.value(x).info.dtype;
            let bounds = [call.scalar(dtype, 0.0), call.scalar(dtype, 6.0)];
            call.last("Clip", &[x, bounds[0], bounds[1]], vec![], "Out")
        }
        "leaky_relu" => {
            let alpha = call.float("alpha").unwrap_or(0.02);
            call.last("LeakyRelu", &[x], vec![float("alpha", alpha)], "Out")
        }
        "elu" => {
            let alpha = call.float("alpha").unwrap_or(1.0);
            call.last("Elu", &[x], vec![float("alpha", alpha)], "Out")
        }
        "softmax" | "log_softmax" => {
            let onnx = if call.kind() == "softmax" { "Softmax" } else { "LogSoftmax" };
            let axis = call.int("axis").unwrap_or(-1);
            call.last(onnx, &[x], vec![int("axis", axis)], "Out")
        }
        _ => None,
    }
}

/// x · ½ · (1 + erf(x / √2)). The approximation by tanh has other operators.
fn gelu(call: &mut Call<'_, '_>) -> Option<()> {
    (!call.flag("approximate")).then_some(())?;
    let x = call.input("X")?;
    let dtype = call.value(x).info.dtype;
    let root = call.scalar(dtype, std::f64::consts::SQRT_2);
    let scaled = call.inner("Div", &[x, root], vec![]);
    let error = call.inner("Erf", &[scaled], vec![]);
    let one = call.scalar(dtype, 1.0);
    let shifted = call.inner("Add", &[error, one], vec![]);
    let weighted = call.inner("Mul", &[x, shifted], vec![]);
    let half = call.scalar(dtype, 0.5);
    call.last("Mul", &[weighted, half], vec![], "Out")
}

/// The second operand is laid along the first from an axis on: ONNX has to be told by dimensions of
/// one.
fn binary(call: &mut Call<'_, '_>, onnx: &str) -> Option<()> {
    let (x, mut y) = (call.input("X")?, call.input("Y")?);
    if let Some(axis @ 0..) = call.int("axis") {
        let (of_x, of_y) = (call.rank(x)?, call.rank(y)?);
        let trailing = of_x.checked_sub(usize::try_from(axis).ok()?.checked_add(of_y)?)?;
        if trailing > 0 {
            let axes = (0..trailing).map(|n| (of_y + n) as i64).collect();
            let axes = call.vector(axes);
            y = call.inner("Unsqueeze", &[y, axes], vec![]);
        }
    }
    call.last(onnx, &[x, y], vec![], "Out")
}

/// ONNX divides integers towards zero, as nothing here has a sign; floats it does not round.
fn floor_division(call: &mut Call<'_, '_>) -> Option<()> {
    let (x, y) = (call.input("X")?, call.input("Y")?);
    if !call.value(x).info.dtype.is_float() {
        return call.last("Div", &[x, y], vec![], "Out");
    }
    let quotient = call.inner("Div", &[x, y], vec![]);
    call.last("Floor", &[quotient], vec![], "Out")
}

fn reduction(call: &mut Call<'_, '_>, onnx: &str) -> Option<()> {
    let x = call.input("X")?;
    let axes = call.known("AxisTensor", "dim").unwrap_or_default();
    let all = call.flag("reduce_all") || axes.is_empty();
    let keep = int("keepdims", i64::from(call.flag("keep_dim")));
    match (onnx, all) {
        (_, true) => call.last(onnx, &[x], vec![keep], "Out"),
        // Alone among them to take its axes as an operand in operator set 17.
        ("ReduceSum", false) => {
            let axes = call.vector(axes);
            call.last(onnx, &[x, axes], vec![keep], "Out")
        }
        (_, false) => call.last(onnx, &[x], vec![ints("axes", axes), keep], "Out"),
    }
}

/// scale · x + bias, or scale · (x + bias).
fn scale(call: &mut Call<'_, '_>) -> Option<()> {
    let x = call.input("X")?;
    let dtype = call.value(x).info.dtype;
    let factor = match call.input("ScaleTensor") {
        Some(tensor) => Some(tensor),
        None => {
            let factor = call.float("scale").filter(|&factor| factor != 1.0);
            factor.map(|factor| call.scalar(dtype, factor))
        }
    };
    let bias = call.float("bias").filter(|&bias| bias != 0.0).map(|bias| call.scalar(dtype, bias));
    let after = call.int("bias_after_scale") != Some(0);
    match (factor, bias) {
        (None, None) => call.last("Identity", &[x], vec![], "Out"),
        (Some(factor), None) => call.last("Mul", &[x, factor], vec![], "Out"),
        (None, Some(bias)) => call.last("Add", &[x, bias], vec![], "Out"),
        (Some(factor), Some(bias)) if after => {
            let scaled = call.inner("Mul", &[x, factor], vec![]);
            call.last("Add", &[scaled, bias], vec![], "Out")
        }
        (Some(factor), Some(bias)) => {
            let shifted = call.inner("Add", &[x, bias], vec![]);
            call.last("Mul", &[shifted, factor], vec![], "Out")
        }
    }
}

fn cast(call: &mut Call<'_, '_>) -> Option<()> {
    let x = call.input("X")?;
    let to = filled::dtype(call, "out_dtype")?;
    let to = int("to", i64::from(onnx_code(to)));
    call.last("Cast", &[x], vec![to], "Out")
}

fn clip(call: &mut Call<'_, '_>) -> Option<()> {
    let x = call.input("X")?;
    let dtype = call.value(x).info.dtype;
    let mut bound = |slot, name| match call.input(slot) {
        Some(bound) => Some(bound),
        None => call.float(name).map(|bound| call.scalar(dtype, bound)),
    };
    let inputs = vec![Some(x), bound("Min", "min"), bound("Max", "max")];
    call.last_of("Clip", inputs, vec![], &["Out"])
}

fn power(call: &mut Call<'_, '_>) -> Option<()> {
    let x = call.input("X")?;
    let exponent = match call.input("FactorTensor") {
        Some(tensor) => tensor,
        None => {
            let factor = call.float("factor")?;
            call.scalar(call.value(x).info.dtype, factor)
        }
    };
    call.last("Pow", &[x, exponent], vec![], "Out")
}

fn sum(call: &mut Call<'_, '_>) -> Option<()> {
    let operands = call.inputs("X");
    let (&first, rest) = operands.split_first()?;
    let Some((&end, middle)) = rest.split_last() else {
        return call.last("Identity", &[first], vec![], "Out");
    };
    let mut total = first;
    for &operand in middle {
        total = call.inner("Add", &[total, operand], vec![]);
    }
    call.last("Add", &[total, end], vec![], "Out")
}

fn cumulative(call: &mut Call<'_, '_>) -> Option<()> {
    (!call.flag("flatten")).then_some(())?;
    let axis = call.known("AxisTensor", "axis")?;
    let axis = call.scalar(DType::I64, *axis.first()? as f64);
    let flags = ["exclusive", "reverse"].map(|name| int(name, i64::from(call.flag(name))));
    call.last("CumSum", &[call.input("X")?, axis], flags.to_vec(), "Out")
}

fn arg(call: &mut Call<'_, '_>) -> Option<()> {
    (!call.flag("flatten")).then_some(())?;
    let onnx = if call.kind() == "arg_max" { "ArgMax" } else { "ArgMin" };
    let axis = *call.known("AxisTensor", "axis")?.first()?;
    let attributes = vec![int("axis", axis), int("keepdims", i64::from(call.flag("keepdims")))];
    call.last(onnx, &[call.input("X")?], attributes, "Out")
}

fn top(call: &mut Call<'_, '_>) -> Option<()> {
    let x = call.input("X")?;
    let count = match call.input("K") {
        Some(tensor) => layout::joined(call, &[tensor]),
        None => call.vector(vec![call.int("k")?]),
    };
    let flag = |name| int(name, i64::from(call.int(name) != Some(0)));
    let axis = int("axis", call.int("axis").unwrap_or(-1));
    let attributes = vec![axis, flag("largest"), flag("sorted")];
    call.last_of("TopK", vec![Some(x), Some(count)], attributes, &["Out", "Indices"])
}

/// In inference either nothing, or a scale by what would have been kept.
fn dropout(call: &mut Call<'_, '_>) -> Option<()> {
    let x = call.input("X")?;
    if call.text("dropout_implementation") == Some("upscale_in_train") {
        return call.last("Identity", &[x], vec![], "Out");
    }
    let kept = 1.0 - call.float("dropout_prob").unwrap_or(0.5);
    let kept = call.scalar(call.value(x).info.dtype, kept);
    call.last("Mul", &[x, kept], vec![], "Out")
}
