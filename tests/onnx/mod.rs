//! Writes tiny ONNX models, so that the tests need no file and no Python. Field numbers are those
//! of onnx.proto3; only what is needed.
#![allow(dead_code, reason = "each test binary uses a part")]

/// `TensorProto.DataType` of 32 bit floats.
pub const FLOAT: u64 = 1;
/// `TensorProto.DataType` of 16 bit floats.
pub const HALF: u64 = 10;
/// `TensorProto.DataType` of 8 bit integers.
pub const INT8: u64 = 3;
/// `TensorProto.DataType` of 32 bit integers.
const INT32: u64 = 6;
/// `TensorProto.DataType` of truth values.
const BOOL: u64 = 9;
/// `TensorProto.DataType` of 64 bit integers.
pub const INT64: u64 = 7;

/// A model of one operator: `y = x + x` for `x` of the shape `[batch, 1, 1, 3]` and the given
/// element type; the batch is dynamic unless it is given. An initialiser that nothing uses is
/// listed among the inputs, as exporters did before IR version 4.
pub fn doubling(dtype: u64, batch: Option<u64>) -> Vec<u8> {
    let node = [text(1, "x"), text(1, "x"), text(2, "y"), text(4, "Add")].concat();
    let one =
        [number(1, 1), number(2, FLOAT), message(9, &1_f32.to_le_bytes()), text(8, "w")].concat();
    let weight = value("w", FLOAT, &message(1, &number(1, 1)));
    let batch = batch.map_or_else(|| text(2, "batch"), |n| number(1, n));
    let dims = [batch, number(1, 1), number(1, 1), number(1, 3)];
    let shape: Vec<u8> = dims.iter().flat_map(|dim| message(1, dim)).collect();
    let graph = [
        message(1, &node),
        text(2, "doubling"),
        message(5, &one),
        message(11, &value("x", dtype, &shape)),
        message(11, &weight),
        message(12, &value("y", dtype, &shape)),
    ];
    let opset = number(2, 13);
    [number(1, 3), message(7, &graph.concat()), message(8, &opset)].concat()
}

/// A model of one operator that takes images of 32 × 32 in a batch, any if none is given, and
/// reshapes them to `lengths`, whatever the batch is; it declares `declared` (`None`: the batch).
pub fn reshaping(batch: Option<u64>, lengths: &[u64], declared: &[Option<u64>]) -> Vec<u8> {
    let node =
        [text(1, "images"), text(1, "shape"), text(2, "output"), text(4, "Reshape")].concat();
    let packed: Vec<u8> = lengths.iter().flat_map(|n| n.to_le_bytes()).collect();
    let size = number(1, lengths.len() as u64);
    let shape = [size, number(2, INT64), message(9, &packed), text(8, "shape")].concat();
    let images = [batch, Some(3), Some(32), Some(32)];
    let graph = [
        message(1, &node),
        text(2, "reshaping"),
        message(5, &shape),
        message(11, &value("images", FLOAT, &shape_of(&images))),
        message(12, &value("output", FLOAT, &shape_of(declared))),
    ];
    model(&graph.concat())
}

/// A model whose output's shape depends on its input's values: where `x` of `[batch, 4]` is not zero.
pub fn non_zero() -> Vec<u8> {
    let node = [text(1, "x"), text(2, "y"), text(4, "NonZero")].concat();
    let graph = [
        message(1, &node),
        text(2, "non_zero"),
        message(11, &value("x", FLOAT, &shape_of(&[None, Some(4)]))),
        message(12, &value("y", INT64, &shape_of(&[Some(2), None]))),
    ];
    model(&graph.concat())
}

/// A model that looks as if NMS, with a threshold of 0.025, were in its graph: images and scale
/// factors → rows and counts. It is there to be looked at and cannot run.
pub fn with_nms() -> Vec<u8> {
    let rows = [text(1, "image"), text(1, "shape"), text(2, "rows"), text(4, "Reshape")].concat();
    let counts = [text(1, "scale_factor"), text(2, "counts"), text(4, "Shape")].concat();
    let lengths: Vec<u8> = [512_u64, 6].iter().flat_map(|n| n.to_le_bytes()).collect();
    let shape = [number(1, 2), number(2, INT64), message(9, &lengths), text(8, "shape")].concat();
    let image = shape_of(&[None, Some(3), Some(32), Some(32)]);
    let score = [number(2, FLOAT), message(9, &0.025_f32.to_le_bytes())].concat();
    let value_of = [text(1, "value"), message(5, &score)].concat();
    let threshold = [text(2, "t"), text(4, "Constant"), message(5, &value_of)].concat();
    let inputs: Vec<u8> = ["b", "s", "m", "i", "t"].iter().flat_map(|name| text(1, name)).collect();
    let nms = [inputs, text(2, "kept"), text(4, "NonMaxSuppression")].concat();
    let graph = [
        message(1, &rows),
        message(1, &counts),
        message(1, &threshold),
        message(1, &nms),
        text(2, "nms"),
        message(5, &shape),
        message(11, &value("image", FLOAT, &image)),
        message(11, &value("scale_factor", FLOAT, &shape_of(&[None, Some(2)]))),
        message(12, &value("rows", FLOAT, &shape_of(&[None, Some(6)]))),
        message(12, &value("counts", INT64, &shape_of(&[None]))),
    ];
    model(&graph.concat())
}

/// Rows of detections of which as many are kept as the image makes it, as with NMS in the graph: images
/// of 32 × 32 and scale factors → rows and counts.
pub fn finding() -> Vec<u8> {
    let lengths: Vec<u8> = [512_u64, 6].iter().flat_map(|n| n.to_le_bytes()).collect();
    let axis = [text(1, "axis"), number(3, 0), number(20, 2)].concat();
    let keep = [operator("Compress", &["all", "kept"], "rows"), message(5, &axis)].concat();
    let type_of = [text(1, "to"), number(3, INT32), number(20, 2)].concat();
    let counted = [operator("Cast", &["count"], "counts"), message(5, &type_of)].concat();
    let graph = [
        message(1, &operator("Reshape", &["image", "shape"], "all")),
        message(1, &keep),
        message(1, &operator("Mul", &["scale_factor", "one"], "scaled")),
        message(1, &operator("Reshape", &["scaled", "flat"], "count")),
        message(1, &counted),
        text(2, "finding"),
        message(5, &initialiser("shape", INT64, &[2], &lengths)),
        message(5, &initialiser("flat", INT64, &[1], &u64::MAX.to_le_bytes())),
        message(5, &initialiser("one", FLOAT, &[], &1_f32.to_le_bytes())),
        message(5, &initialiser("kept", BOOL, &[512], &[1; 512])),
        message(11, &value("image", FLOAT, &shape_of(&[None, Some(3), Some(32), Some(32)]))),
        message(11, &value("scale_factor", FLOAT, &shape_of(&[None, Some(2)]))),
        message(12, &value("rows", FLOAT, &shape_of(&[None, Some(6)]))),
        message(12, &value("counts", INT32, &shape_of(&[None]))),
    ];
    model(&graph.concat())
}

/// A convolution of 3 × 3 with a bias over `x` of `[batch, 3, 16, 16]`, in that type throughout:
/// [`FLOAT`] or [`HALF`].
pub fn convolution(dtype: u64) -> Vec<u8> {
    let quarter = if dtype == HALF { vec![0x00, 0x34] } else { 0.25_f32.to_le_bytes().to_vec() };
    let graph = [
        message(1, &operator("Conv", &["x", "w", "b"], "y")),
        text(2, "convolution"),
        message(5, &initialiser("w", dtype, &[4, 3, 3, 3], &quarter.repeat(108))),
        message(5, &initialiser("b", dtype, &[4], &quarter.repeat(4))),
        message(11, &value("x", dtype, &shape_of(&[None, Some(3), Some(16), Some(16)]))),
        message(12, &value("y", dtype, &shape_of(&[None, Some(4), Some(14), Some(14)]))),
    ];
    model(&graph.concat())
}

/// The same in 8 bit integers, as quantising tools write it: input and weights through
/// `QuantizeLinear` and `DequantizeLinear`.
pub fn quantised_convolution() -> Vec<u8> {
    let scale = 0.05_f32.to_le_bytes();
    let graph = [
        message(1, &operator("QuantizeLinear", &["x", "s", "zero"], "xq")),
        message(1, &operator("DequantizeLinear", &["xq", "s", "zero"], "xd")),
        message(1, &operator("DequantizeLinear", &["w", "s", "zero"], "wd")),
        message(1, &operator("Conv", &["xd", "wd"], "y")),
        text(2, "quantised"),
        message(5, &initialiser("w", INT8, &[4, 3, 3, 3], &[5; 108])),
        message(5, &initialiser("s", FLOAT, &[], &scale)),
        message(5, &initialiser("zero", INT8, &[], &[0])),
        message(11, &value("x", FLOAT, &shape_of(&[None, Some(3), Some(16), Some(16)]))),
        message(12, &value("y", FLOAT, &shape_of(&[None, Some(4), Some(14), Some(14)]))),
    ];
    model(&graph.concat())
}

/// Non-maximum suppression of 8 boxes of 2 classes, complete: boxes and scores → indices of what is
/// kept.
pub fn suppressing() -> Vec<u8> {
    let float = |name: &str| initialiser(name, FLOAT, &[1], &0.5_f32.to_le_bytes());
    let inputs = ["boxes", "scores", "most", "overlap", "score"];
    let graph = [
        message(
            1,
            &[operator("NonMaxSuppression", &inputs, "kept"), text(3, "/head/nms")].concat(),
        ),
        text(2, "suppressing"),
        message(5, &initialiser("most", INT64, &[1], &4_u64.to_le_bytes())),
        message(5, &float("overlap")),
        message(5, &float("score")),
        message(11, &value("boxes", FLOAT, &shape_of(&[Some(1), Some(8), Some(4)]))),
        message(11, &value("scores", FLOAT, &shape_of(&[Some(1), Some(2), Some(8)]))),
        message(12, &value("kept", INT64, &shape_of(&[None, Some(3)]))),
    ];
    model(&graph.concat())
}

/// A model of one operator that only its maker knows.
pub fn private_operator() -> Vec<u8> {
    let node = [operator("Frobnicate", &["x"], "y"), text(3, "private"), text(7, "com.example")];
    let shape = shape_of(&[Some(1), Some(3)]);
    let graph = [
        message(1, &node.concat()),
        text(2, "private"),
        message(11, &value("x", FLOAT, &shape)),
        message(12, &value("y", FLOAT, &shape)),
    ];
    let domain = [text(1, "com.example"), number(2, 1)].concat();
    [model(&graph.concat()), message(8, &domain)].concat()
}

/// A `NodeProto` with one output.
pub fn operator(name: &str, inputs: &[&str], output: &str) -> Vec<u8> {
    let inputs: Vec<u8> = inputs.iter().flat_map(|input| text(1, input)).collect();
    [inputs, text(2, output), text(4, name)].concat()
}

/// A `TensorProto` of these bytes.
pub fn initialiser(name: &str, dtype: u64, dims: &[u64], bytes: &[u8]) -> Vec<u8> {
    let dims: Vec<u8> = dims.iter().flat_map(|&length| number(1, length)).collect();
    [dims, number(2, dtype), text(8, name), message(9, bytes)].concat()
}

/// A `ModelProto` of this graph, in operator set 13.
pub fn model(graph: &[u8]) -> Vec<u8> {
    [number(1, 8), message(7, graph), message(8, &number(2, 13))].concat()
}

/// A `TensorShapeProto`; what has no length is called `batch`.
pub fn shape_of(dims: &[Option<u64>]) -> Vec<u8> {
    let dim = |dim: &Option<u64>| dim.map_or_else(|| text(2, "batch"), |n| number(1, n));
    dims.iter().flat_map(|length| message(1, &dim(length))).collect()
}

/// A `ValueInfoProto` of a tensor.
pub fn value(name: &str, dtype: u64, shape: &[u8]) -> Vec<u8> {
    let tensor = [number(1, dtype), message(2, shape)].concat();
    [text(1, name), message(2, &message(1, &tensor))].concat()
}

/// A field that is a number.
pub fn number(field: u64, value: u64) -> Vec<u8> {
    [varint(field << 3), varint(value)].concat()
}

/// A field that is a text.
pub fn text(field: u64, value: &str) -> Vec<u8> {
    message(field, value.as_bytes())
}

/// A field that is a message, or bytes.
pub fn message(field: u64, content: &[u8]) -> Vec<u8> {
    [&varint(field << 3 | 2), &varint(content.len() as u64), content].concat()
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}
