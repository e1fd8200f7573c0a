//! Small models of every variant of every family, as they declare themselves. Fuzzing uses them too
//! (`fuzz/`).
#![allow(dead_code, reason = "not every user needs all of it")]

use D::{Any, Is};
use trtbench::tensor::{DType, Dim, ModelIo, TensorInfo};

/// The name of the batch's dimension.
pub const N: &str = "batch";

/// A dimension of a declared shape: a length, or a name.
#[derive(Clone, Copy)]
pub enum D {
    Is(usize),
    Any(&'static str),
}

pub fn info(name: &str, dtype: DType, dims: &[D]) -> TensorInfo {
    let dim = |dim: &D| match *dim {
        Is(length) => Dim::Fixed(length),
        Any(name) => Dim::Dynamic(name.to_owned()),
    };
    TensorInfo { name: name.to_owned(), dtype, dims: Some(dims.iter().map(dim).collect()) }
}

pub fn floats(name: &str, dims: &[D]) -> TensorInfo {
    info(name, DType::F32, dims)
}

pub fn image(name: &str, height: usize, width: usize) -> TensorInfo {
    floats(name, &[Any(N), Is(3), Is(height), Is(width)])
}

pub fn io(inputs: Vec<TensorInfo>, outputs: Vec<TensorInfo>) -> ModelIo {
    ModelIo { inputs, outputs }
}

pub fn scale_factor() -> TensorInfo {
    floats("scale_factor", &[Any(N), Is(2)])
}

/// Rows of detections and their numbers, as PaddleDetection's graphs return them.
fn rows() -> Vec<TensorInfo> {
    let counts = info("bbox_num", DType::I32, &[Any("images")]);
    vec![floats("rows", &[Any("detections"), Is(6)]), counts]
}

pub fn yolov8(classes: usize, anchors: usize) -> ModelIo {
    io(vec![image("images", 64, 64)], vec![floats("o", &[Any(N), Is(4 + classes), Is(anchors)])])
}

pub fn picodet_raw(height: usize, width: usize, classes: usize) -> ModelIo {
    let cells = [8, 16, 32, 64].map(|s: usize| width.div_ceil(s) * height.div_ceil(s));
    let level = |each: usize| cells.map(|n| floats("o", &[Any(N), Is(n), Is(each)]));
    io(vec![image("image", height, width)], [level(classes), level(32)].concat())
}

pub fn boxes_and_scores(anchors: usize, classes: usize) -> Vec<TensorInfo> {
    vec![
        floats("boxes", &[Any(N), Is(anchors), Is(4)]),
        floats("scores", &[Any(N), Is(classes), Is(anchors)]),
    ]
}

pub fn queries(logits: &str, boxes: &str, classes: usize) -> Vec<TensorInfo> {
    let queries = Any("queries");
    vec![
        floats(logits, &[Any(N), queries, Is(classes)]),
        floats(boxes, &[Any(N), queries, Any("four")]),
    ]
}

/// A model of every variant, small.
pub fn variants() -> Vec<(&'static str, &'static str, ModelIo)> {
    [detectors_with_anchors(), transformers()].concat()
}

fn detectors_with_anchors() -> Vec<(&'static str, &'static str, ModelIo)> {
    let alone = || vec![image("image", 64, 96)];
    let scaled = || vec![image("image", 64, 96), scale_factor()];
    let concatenated = vec![floats("o", &[Any(N), Is(126), Is(7)])];
    let raw = vec![
        floats("scores", &[Any(N), Is(126), Is(3)]),
        floats("distributions", &[Any(N), Is(126), Is(68)]),
    ];
    let cells = vec![floats("output", &[Any(N), Any("a"), Is(35)])];
    vec![
        ("yolov8", "without NMS", yolov8(3, 84)),
        ("ppyoloe", "NMS in the graph", io(scaled(), rows())),
        ("ppyoloe", "without NMS", io(scaled(), boxes_and_scores(126, 3))),
        ("ppyoloe", "without post-processing", io(alone(), concatenated)),
        ("ppyoloe", "raw head", io(alone(), raw)),
        ("picodet", "NMS in the graph", io(scaled(), rows())),
        ("picodet", "without NMS", io(alone(), boxes_and_scores(128, 3))),
        ("picodet", "raw head", picodet_raw(64, 96, 3)),
        ("picodet", "layout model", picodet_raw(800, 608, 10)),
        ("nanodet", "NanoDet-Plus", io(vec![image("data", 64, 64)], cells)),
    ]
}

fn transformers() -> Vec<(&'static str, &'static str, ModelIo)> {
    let alone = |name: &str| vec![image(name, 64, 64)];
    let sizes = info("orig_target_sizes", DType::I64, &[Any(N), Is(2)]);
    let post = vec![
        info("labels", DType::I64, &[Any(N), Is(9)]),
        floats("boxes", &[Any(N), Is(9), Is(4)]),
        floats("scores", &[Any(N), Is(9)]),
    ];
    let paddle = vec![floats("im_shape", &[Any(N), Is(2)]), image("image", 64, 64), scale_factor()];
    let rows_of = |columns: usize| vec![floats("o", &[Any(N), Is(9), Is(columns)])];
    let mut rfdetr = queries("labels", "dets", 91);
    rfdetr.reverse();
    let raw = queries("pred_logits", "pred_boxes", 3);
    let hugging_face = queries("logits", "pred_boxes", 3);
    let with_sizes = vec![image("images", 64, 64), sizes];
    vec![
        ("rtdetr", "lyuwenyu, without post-processing", io(alone("images"), raw)),
        ("rtdetr", "lyuwenyu, with post-processing", io(with_sizes, post)),
        ("rtdetr", "Hugging Face", io(alone("pixel_values"), hugging_face)),
        ("rtdetr", "Ultralytics", io(alone("images"), rows_of(6))),
        ("rtdetr", "Ultralytics", io(alone("images"), rows_of(7))),
        ("rtdetr", "PaddleDetection", io(paddle, rows())),
        ("rfdetr", "RF-DETR", io(vec![image("input", 56, 56)], rfdetr)),
    ]
}

/// Lengths of an output; those that it leaves open are what `open` says of their names.
pub fn lengths(info: &TensorInfo, open: impl Fn(&str) -> usize) -> Vec<usize> {
    let length = |dim: &Dim| match dim {
        Dim::Fixed(length) => *length,
        Dim::Dynamic(name) => open(name),
    };
    info.dims.iter().flatten().map(length).collect()
}

/// What is left open is the batch, 9 queries, or rows.
pub fn usual(name: &str, batch: usize) -> usize {
    match name {
        N | "images" => batch,
        "four" => 4,
        "detections" => 5 * batch,
        "a" => 85,
        _ => 9,
    }
}
