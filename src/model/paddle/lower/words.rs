//! PIR's operators in the words of a `.pdmodel`: names, slots and attributes. A `.pdmodel`'s own
//! operators stay as they are.
//!
//! Slots of PIR are the arguments of paddle/phi/ops/yaml/ops.yaml in their order; what they are called
//! in a `.pdmodel` is in op_compat.yaml beside it (Paddle 3.0).

use crate::model::{
    graph::ValueId,
    paddle::program::{Operator, Program, Slot},
};
use std::{borrow::Cow, collections::HashMap};

/// PIR's name, the name in a `.pdmodel`, slots of operands, slots of results, attributes that are
/// called otherwise.
type Row = (
    &'static str,
    &'static str,
    &'static [&'static str],
    &'static [&'static str],
    &'static [(&'static str, &'static str)],
);

const X: &[&str] = &["X"];
const XY: &[&str] = &["X", "Y"];
const OUT: &[&str] = &["Out"];
const CONVOLUTION: &[&str] = &["Input", "Filter"];
const TRANSPOSED: &[&str] = &["Input", "Filter", "OutputSize"];
const NORMALISED: &[&str] = &["X", "Mean", "Variance", "Scale", "Bias"];
const AFFINE: &[&str] = &["X", "Scale", "Bias"];
const RESIZED: &[&str] = &["X", "OutSize", "SizeTensor", "Scale"];
const REDUCED: &[(&str, &str)] = &[("axis", "dim"), ("keepdim", "keep_dim")];
const LAYOUT: &[(&str, &str)] = &[("data_format", "data_layout")];
const ALONG: &[&str] = &["X", "AxisTensor"];

const ROWS: &[Row] = &[
    ("conv2d", "conv2d", CONVOLUTION, &["Output"], &[]),
    ("depthwise_conv2d", "depthwise_conv2d", CONVOLUTION, &["Output"], &[]),
    ("conv3d", "conv3d", CONVOLUTION, &["Output"], &[]),
    ("conv2d_transpose", "conv2d_transpose", TRANSPOSED, &["Output"], &[]),
    ("depthwise_conv2d_transpose", "depthwise_conv2d_transpose", TRANSPOSED, &["Output"], &[]),
    ("matmul", "matmul_v2", XY, OUT, &[("transpose_x", "trans_x"), ("transpose_y", "trans_y")]),
    ("batch_norm", "batch_norm", NORMALISED, &["Y"], LAYOUT),
    ("layer_norm", "layer_norm", AFFINE, &["Y"], &[]),
    ("instance_norm", "instance_norm", AFFINE, &["Y"], &[]),
    ("pool2d", "pool2d", &["X", "KernelSize"], OUT, &[]),
    ("nearest_interp", "nearest_interp_v2", RESIZED, OUT, LAYOUT),
    ("bilinear_interp", "bilinear_interp_v2", RESIZED, OUT, LAYOUT),
    ("bicubic_interp", "bicubic_interp_v2", RESIZED, OUT, LAYOUT),
    ("grid_sample", "grid_sampler", &["X", "Grid"], &["Output"], &[]),
    (
        "multiclass_nms3",
        "multiclass_nms3",
        &["BBoxes", "Scores", "RoisNum"],
        &["Out", "Index", "NmsRoisNum"],
        &[],
    ),
    ("add", "elementwise_add", XY, OUT, &[]),
    ("subtract", "elementwise_sub", XY, OUT, &[]),
    ("multiply", "elementwise_mul", XY, OUT, &[]),
    ("divide", "elementwise_div", XY, OUT, &[]),
    ("elementwise_pow", "elementwise_pow", XY, OUT, &[]),
    ("maximum", "elementwise_max", XY, OUT, &[]),
    ("minimum", "elementwise_min", XY, OUT, &[]),
    ("remainder", "elementwise_mod", XY, OUT, &[]),
    ("floor_divide", "elementwise_floordiv", XY, OUT, &[]),
    ("equal", "equal", XY, OUT, &[]),
    ("not_equal", "not_equal", XY, OUT, &[]),
    ("greater_than", "greater_than", XY, OUT, &[]),
    ("greater_equal", "greater_equal", XY, OUT, &[]),
    ("less_than", "less_than", XY, OUT, &[]),
    ("less_equal", "less_equal", XY, OUT, &[]),
    ("logical_and", "logical_and", XY, OUT, &[]),
    ("logical_or", "logical_or", XY, OUT, &[]),
    ("logical_xor", "logical_xor", XY, OUT, &[]),
    ("hardswish", "hard_swish", X, OUT, &[]),
    ("hardsigmoid", "hard_sigmoid", X, OUT, &[]),
    ("leaky_relu", "leaky_relu", X, OUT, &[("negative_slope", "alpha")]),
    ("pow", "pow", X, OUT, &[("y", "factor")]),
    ("isnan", "isnan_v2", X, OUT, &[]),
    ("scale", "scale", &["X", "ScaleTensor"], OUT, &[]),
    ("cast", "cast", X, OUT, &[("dtype", "out_dtype")]),
    ("clip", "clip", &["X", "Min", "Max"], OUT, &[]),
    ("dropout", "dropout", X, OUT, &[("p", "dropout_prob"), ("mode", "dropout_implementation")]),
    ("where", "where", &["Condition", "X", "Y"], OUT, &[]),
    ("add_n", "sum", X, OUT, &[]),
    ("cumsum", "cumsum", ALONG, OUT, &[]),
    ("argmax", "arg_max", ALONG, OUT, &[]),
    ("argmin", "arg_min", ALONG, OUT, &[]),
    ("topk", "top_k_v2", &["X", "K"], &["Out", "Indices"], &[]),
    ("mean", "reduce_mean", ALONG, OUT, REDUCED),
    ("sum", "reduce_sum", ALONG, OUT, REDUCED),
    ("max", "reduce_max", ALONG, OUT, REDUCED),
    ("min", "reduce_min", ALONG, OUT, REDUCED),
    ("prod", "reduce_prod", ALONG, OUT, REDUCED),
    ("reshape", "reshape2", &["X", "Shape"], OUT, &[]),
    ("transpose", "transpose2", X, OUT, &[("perm", "axis")]),
    ("flatten", "flatten_contiguous_range", X, OUT, &[]),
    ("squeeze", "squeeze2", &["X", "AxesTensor"], OUT, &[("axis", "axes")]),
    ("unsqueeze", "unsqueeze2", &["X", "AxesTensor"], OUT, &[("axis", "axes")]),
    ("concat", "concat", ALONG, OUT, &[]),
    ("stack", "stack", X, &["Y"], &[]),
    ("split", "split", &["X", "SectionsTensorList", "AxisTensor"], OUT, &[]),
    ("split_with_num", "split", ALONG, OUT, &[]),
    ("unbind", "unbind", X, OUT, &[]),
    ("unstack", "unstack", X, &["Y"], &[]),
    ("slice", "slice", &["Input", "StartsTensor", "EndsTensor"], OUT, &[]),
    (
        "strided_slice",
        "strided_slice",
        &["Input", "StartsTensor", "EndsTensor", "StridesTensor"],
        OUT,
        &[],
    ),
    ("flip", "flip", X, OUT, &[]),
    ("tile", "tile", &["X", "RepeatTimes"], OUT, &[]),
    ("expand", "expand_v2", &["X", "Shape"], OUT, &[]),
    ("expand_as", "expand_as_v2", XY, OUT, &[]),
    ("shape", "shape", &["Input"], OUT, &[]),
    ("shape64", "shape", &["Input"], OUT, &[]),
    ("meshgrid", "meshgrid", X, OUT, &[]),
    ("pad3d", "pad3d", &["X", "Paddings"], OUT, &[]),
    ("full", "fill_constant", &[], OUT, &[]),
    ("full_with_tensor", "fill_constant", &["ValueTensor", "ShapeTensor"], OUT, &[]),
    ("full_int_array", "full_int_array", &[], OUT, &[]),
    ("full_like", "fill_any_like", &["X", "ValueTensor"], OUT, &[]),
    ("assign_value", "assign_value", &[], OUT, &[]),
    ("arange", "range", &["Start", "End", "Step"], OUT, &[]),
    ("gather", "gather", &["X", "Index", "Axis"], OUT, &[]),
    ("gather_nd", "gather_nd", &["X", "Index"], OUT, &[]),
    ("index_select", "index_select", &["X", "Index"], OUT, &[("axis", "dim")]),
    ("take_along_axis", "take_along_axis", &["Input", "Index"], &["Result"], &[("axis", "Axis")]),
    ("nonzero", "where_index", &["Condition"], OUT, &[]),
    ("one_hot", "one_hot_v2", &["X", "depth_tensor"], OUT, &[]),
];

/// Operators of one operand and one result that are called the same in both.
const SAME: [&str; 30] = [
    "relu",
    "relu6",
    "sigmoid",
    "tanh",
    "exp",
    "log",
    "sqrt",
    "rsqrt",
    "square",
    "abs",
    "floor",
    "ceil",
    "round",
    "sin",
    "cos",
    "tan",
    "atan",
    "erf",
    "sign",
    "softplus",
    "reciprocal",
    "logical_not",
    "assign",
    "share_data",
    "silu",
    "swish",
    "mish",
    "gelu",
    "elu",
    "softmax",
];

/// Most variables that lists in PIR are unfolded into, for each operand in the file.
const MAX_UNFOLDED: usize = 8;

/// PIR's lists of values: what they are made of, or are taken apart into.
pub struct Vectors {
    lists: HashMap<ValueId, Vec<Option<ValueId>>>,
    budget: std::cell::Cell<usize>,
}

impl Vectors {
    /// The lists of a program.
    pub fn of(program: &Program) -> Self {
        let (mut lists, mut operands) = (HashMap::new(), 0);
        for operator in &program.operators {
            operands += operator.inputs.len() + operator.outputs.len();
            match operator.kind.as_str() {
                "builtin.combine" => {
                    let Some(list) = single(&operator.outputs) else { continue };
                    lists.insert(list, flat(&operator.inputs));
                }
                "builtin.split" => {
                    let Some(list) = single(&operator.inputs) else { continue };
                    lists.entry(list).or_insert_with(|| flat(&operator.outputs));
                }
                _ => {}
            }
        }
        Self { lists, budget: std::cell::Cell::new(MAX_UNFOLDED * operands) }
    }

    /// The operator in the words of a `.pdmodel`; none of one that only makes or takes lists apart.
    pub fn in_one_vocabulary<'o>(&self, operator: &'o Operator) -> Option<Cow<'o, Operator>> {
        match operator.kind.split_once('.') {
            Some(("builtin", "combine" | "split")) => None,
            Some(("pd_op", name)) => Some(self.translated(operator, name)),
            _ => Some(Cow::Borrowed(operator)),
        }
    }

    fn translated<'o>(&self, operator: &'o Operator, name: &str) -> Cow<'o, Operator> {
        // In place or not is the same here.
        let name = name.strip_suffix('_').unwrap_or(name);
        let (kind, inputs, outputs, renamed): (&str, _, _, &[(&str, &str)]) =
            if let Some(&(_, kind, inputs, outputs, renamed)) = ROWS.iter().find(|r| r.0 == name) {
                (kind, inputs, outputs, renamed)
            } else if SAME.contains(&name) || name == "log_softmax" {
                (name, X, OUT, &[])
            } else if matches!(name, "data" | "feed" | "fetch") {
                (name, &[], &[], &[])
            } else {
                return Cow::Borrowed(operator);
            };
        let attribute = |(name, value): &(String, _)| {
            let other = renamed.iter().find(|(pir, _)| pir == name).map(|&(_, other)| other);
            (other.unwrap_or(name).to_owned(), Clone::clone(value))
        };
        Cow::Owned(Operator {
            name: operator.name.clone(),
            kind: kind.to_owned(),
            inputs: self.named(inputs, &operator.inputs),
            outputs: self.named(outputs, &operator.outputs),
            attributes: operator.attributes.iter().map(attribute).collect(),
            ..Operator::default()
        })
    }

    /// Slots with names, and what is in lists; an optional operand that is left out is in none.
    fn named(&self, names: &[&str], slots: &[Slot]) -> Vec<Slot> {
        let named = names.iter().zip(slots).map(|(&name, slot)| {
            let values = slot.values.iter().flatten().flat_map(|id| self.unfolded(*id)).collect();
            Slot { name: name.to_owned(), values }
        });
        named.collect()
    }

    fn unfolded(&self, id: ValueId) -> Vec<Option<ValueId>> {
        let list = self.lists.get(&id).filter(|list| list.len() <= self.budget.get());
        self.budget.set(self.budget.get() - list.map_or(0, Vec::len));
        list.cloned().unwrap_or_else(|| vec![Some(id)])
    }
}

fn single(slots: &[Slot]) -> Option<ValueId> {
    slots.first()?.values.first().copied().flatten()
}

fn flat(slots: &[Slot]) -> Vec<Option<ValueId>> {
    slots.iter().flat_map(|slot| slot.values.iter().copied()).collect()
}
