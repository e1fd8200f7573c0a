//! What operators cost, which inputs are taken, and what is not counted.

use super::*;
use crate::model::graph::{
    Constant, Value,
    infer::tests::{any_graph, one},
};
use crate::tensor::Dim;
use proptest::prelude::*;

fn cost_of(operator: &str, operands: &str, attributes: &str) -> Cost {
    let (graph, opset) = one(operator, operands, attributes);
    cost(&graph, opset, &GivenInputs::new()).unwrap()
}

fn counts(operator: &str, operands: &str, attributes: &str) -> (u64, u64) {
    let cost = cost_of(operator, operands, attributes);
    assert_eq!(cost.unknown, [], "{operator}");
    (cost.macs.0, cost.elementwise.0)
}

#[test]
fn products_are_macs_and_biases_are_not() {
    assert_eq!(counts("Conv", "1x3x8x8 16x3x3x3", "pads=[1,1,1,1]"), (16 * 64 * 27, 0));
    assert_eq!(counts("Conv", "1x3x8x8 16x3x3x3 16", "pads=[1,1,1,1]"), (16 * 64 * 27, 16 * 64));
    assert_eq!(counts("Conv", "1x16x8x8 16x1x3x3", "group=16"), (16 * 36 * 9, 0));
    assert_eq!(counts("ConvTranspose", "1x8x5x5 8x4x2x2", "strides=[2,2]"), (200 * 16, 0));
    assert_eq!(counts("Gemm", "3x2 5x3 5", "transA=1 transB=1"), (2 * 5 * 3, 10));
    assert_eq!(counts("MatMul", "7x2x3 3x4", ""), (7 * 2 * 4 * 3, 0));
    assert_eq!(counts("MatMul", "3 3", ""), (3, 0));
    assert_eq!(counts("MatMulInteger", "2x3 3x4", ""), (24, 0));
    assert_eq!(counts("QLinearConv", "1x3x4x4 =1.5 =0 8x3x3x3 =1.5 =0 =1.5 =0", ""), (32 * 27, 0));
    assert_eq!(counts("QLinearMatMul", "2x3 =1.5 =0 3x4 =1.5 =0 =1.5 =0", ""), (24, 0));
    assert_eq!(counts("Einsum", "2x3x4 2x4x5", "equation=bij,bjk->bik"), (2 * 3 * 4 * 5, 0));
    assert_eq!(counts("Einsum", "3 4", "equation=i,j->ij"), (0, 12));
}

#[test]
fn everything_else_is_elementwise_by_the_documented_rule() {
    assert_eq!(counts("Add", "2x3 1x3", ""), (0, 6));
    assert_eq!(counts("Softmax", "2x3", ""), (0, 6));
    assert_eq!(counts("ReduceMean", "2x3", "axes=[1]"), (0, 6));
    assert_eq!(counts("GlobalAveragePool", "1x2x3x3", ""), (0, 18));
    assert_eq!(counts("MaxPool", "1x2x4x4", "kernel_shape=[2,2] strides=[2,2]"), (0, 8 * 4));
    assert_eq!(counts("Transpose", "2x3", ""), (0, 0));
    assert_eq!(counts("Concat", "2x3 2x3", "axis=0"), (0, 0));
    let sampled = cost_of("GridSample", "1x8x4x4 1x5x5x2", "");
    assert_eq!((sampled.elementwise.0, sampled.sampling.0), (8 * 25 * 4, 8 * 25 * 4));
}

#[test]
fn traffic_is_what_is_read_and_written_and_views_move_nothing() {
    let conv = &cost_of("Conv", "1x3x8x8 16x3x3x3", "pads=[1,1,1,1]").layers[0];
    assert_eq!((conv.read.0, conv.written.0), (4 * (192 + 432), 4 * 1024));
    assert_eq!(conv.intensity().unwrap().0, 2.0 * 27_648.0 / (4.0 * 1648.0));
    assert_eq!(cost_of("Slice", "100x3 [0] [2]", "").traffic.0, 4 * (6 + 6) + 8 + 8);
    for view in ["Identity", "Squeeze", "Flatten", "Shape", "Dropout"] {
        let cost = cost_of(view, "1x3", "");
        assert_eq!((cost.traffic, cost.layers.len()), (Bytes(0), 0), "{view}");
    }
    assert_eq!(cost_of("Reshape", "1x3 [3]", "").traffic, Bytes(0));
}

/// The graph with an operator on the result of its last one.
fn then(mut graph: Graph, operator: &str) -> Graph {
    let inputs = vec![Some(graph.outputs[0])];
    let result = graph.add(Value::named(format!("{operator} {}", graph.nodes.len())));
    let operator = operator.to_owned();
    graph.nodes.push(Node { operator, inputs, outputs: vec![Some(result)], ..Node::default() });
    graph.outputs = vec![result];
    graph
}

#[test]
fn the_peak_holds_what_is_alive_at_once() {
    let (graph, opset) = one("Relu", "1x100", "");
    let peak = |graph: &Graph| cost(graph, opset, &GivenInputs::new()).unwrap().peak_activations.0;
    // The input belongs to the caller: it stays.
    assert_eq!(peak(&graph), 800);
    let chain = then(then(graph.clone(), "Relu"), "Relu");
    assert_eq!(peak(&chain), 1200);
    let viewed = then(then(graph, "Flatten"), "Identity");
    assert_eq!(peak(&viewed), 800);
}

#[test]
fn work_on_constants_is_folded_and_only_its_macs_are_in_a_sum() {
    let weight = Constant { dtype: DType::I8, shape: vec![4, 4], numbers: None };
    let (mut graph, opset) = one("DequantizeLinear", "1x4 =1.5", "");
    graph.values[0].constant = Some(weight);
    graph.inputs.clear();
    let cost = cost(&graph, opset, &GivenInputs::new()).unwrap();
    assert_eq!((cost.elementwise.0, cost.layers.len(), cost.traffic.0), (0, 0, 0));
    assert_eq!((cost.folded.operators, cost.folded.elementwise.0), (1, 16));
    assert_eq!(cost.peak_activations.0, 0);
    assert_eq!(counts("Mul", "[3,4] =2", ""), (0, 0));
    assert_eq!(counts("MatMul", "[3,4] [5,6]", ""), (2, 0));
}

#[test]
fn what_is_not_known_is_listed_with_its_number_and_never_in_a_sum() {
    let cost = cost_of("NonMaxSuppression", "1x100x4 1x80x100", "");
    let [unknown] = cost.unknown.as_slice() else { panic!("{:?}", cost.unknown) };
    assert_eq!((unknown.operator.as_str(), unknown.count), ("NonMaxSuppression", 1));
    assert_eq!(unknown.reason, Reason::Data);
    assert_eq!(cost.outputs[0].dims, Some(vec![None, Some(3)]));
    let cost = cost_of("Sorcery", "2x3", "");
    assert_eq!(cost.unknown[0].reason, Reason::Operator);
    let (graph, opset) = one("NonZero", "2x3", "");
    let cost = super::cost(&then(graph, "Relu"), opset, &GivenInputs::new()).unwrap();
    let listed: Vec<_> = cost.unknown.iter().map(|unknown| unknown.operator.as_str()).collect();
    assert_eq!(listed, ["NonZero", "Relu"]);
}

fn open() -> Graph {
    let (mut graph, _) = one("Relu", "1x3x1x1 1x2", "");
    let named = |name: &str| Dim::Dynamic(name.to_owned());
    let image = vec![named("N"), Dim::Fixed(3), named("height"), named("width")];
    graph.values[0].info.dims = Some(image);
    graph.values[1].info.name = "scale_factor".to_owned();
    graph.values[1].info.dims = Some(vec![named("M"), named("")]);
    graph
}

fn shapes(given: &[&str]) -> Result<Vec<InputShape>, Error> {
    let given = given.iter().map(|text| super::given(text).unwrap()).collect();
    cost(&open(), 17, &given).map(|cost| cost.inputs)
}

#[test]
fn what_is_open_is_one_image_of_640_and_said_to_be_assumed() {
    let inputs = shapes(&[]).unwrap();
    assert_eq!(inputs[0].shape, [1, 3, 640, 640]);
    assert_eq!(inputs[0].assumed, [0, 2, 3]);
    assert_eq!(
        (inputs[1].shape.as_slice(), inputs[1].assumed.as_slice()),
        (&[1, 2][..], &[0, 1][..])
    );
}

#[test]
fn given_shapes_are_taken_and_tell_of_the_other_inputs_batch() {
    let inputs = shapes(&["x0=8x3x320x416"]).unwrap();
    assert_eq!((inputs[0].shape.as_slice(), inputs[0].assumed.len()), (&[8, 3, 320, 416][..], 0));
    assert_eq!(inputs[1].shape, [8, 2]);
    assert_eq!(given("a=b=1x2").unwrap(), ("a=b".to_owned(), vec![1, 2]));
}

#[test]
fn given_shapes_that_do_not_fit_are_refused_with_the_inputs_there_are() {
    let refused = |text| shapes(&[text]).unwrap_err().to_string();
    assert_eq!(
        refused("imgs=1x3x640x640"),
        "there is no input \"imgs\"; the inputs are: x0 float32 [N, 3, height, width], \
         scale_factor float32 [M, ?]"
    );
    assert!(refused("x0=3x640x640").contains("another number of dimensions"));
    assert!(refused("x0=1x4x640x640").contains("dimension 1 of the input x0"));
    for text in ["x0", "x0=1x-3", "x0=1x0", "=1x3", "x0=1,3", "x0=99999999999999999999"] {
        assert!(given(text).unwrap_err().to_string().contains("images=1x3x640x640"), "{text}");
    }
    let mut undeclared = open();
    undeclared.values[0].info.dims = None;
    let error = cost(&undeclared, 17, &GivenInputs::new()).unwrap_err();
    assert_eq!(error, Error::Undeclared("x0".to_owned()));
}

#[test]
fn sizes_beyond_any_memory_saturate_or_are_unknown() {
    let given = given("x0=9223372036854775808x3x1x1").unwrap();
    let cost = cost(&open(), 17, &GivenInputs::from([given])).unwrap();
    assert_eq!(cost.unknown[0].reason, Reason::Overflow);
    let huge = cost_of("MatMul", "3000000000x3000000000 3000000000x1", "");
    assert_eq!(huge.macs, Macs(9_000_000_000_000_000_000));
    assert_eq!(huge.flops(), Flops(18_000_000_000_000_000_000));
}

proptest! {
    #[test]
    fn any_graph_has_a_cost(graph in any_graph(), opset in 7_u64..24) {
        let cost = cost(&graph, opset, &GivenInputs::new()).unwrap();
        let layers = cost.layers.iter().fold(0_u64, |sum, layer| sum.saturating_add(layer.macs.0));
        prop_assert_eq!(layers.saturating_add(cost.folded.macs.0), cost.macs.0);
    }
}
