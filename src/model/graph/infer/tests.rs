//! Shapes and numbers of every group of operators, graphs out of order, and graphs that are none.

use super::{call::shown, *};
use crate::{
    model::graph::{Constant, Numbers, Value},
    tensor::{DType, Dim},
};
use proptest::prelude::*;

/// A graph with one operator, in a notation for tests. Operands are `1x3x?x8` (a value of that
/// shape), `[1,2]` or `[1.5]` (numbers), `=2` (a single number) and `-` (left out); attributes
/// `strides=[2,2] mode=nearest`, among them `opset` and `outputs`, how many results are asked for.
pub fn one(operator: &str, operands: &str, attributes: &str) -> (Graph, u64) {
    let mut graph = Graph::default();
    let mut node = Node { operator: operator.to_owned(), ..Node::default() };
    let (mut opset, mut outputs) = (17, 1);
    for (at, text) in operands.split_whitespace().enumerate() {
        node.inputs.push((text != "-").then(|| {
            let constant = constant(text);
            let id = graph.add(Value { constant, ..Value::named(format!("x{at}")) });
            if graph.value(id).constant.is_none() {
                let info = &mut graph.values[id.0 as usize].info;
                (info.dtype, info.dims) = (DType::F32, Some(dims(text)));
                graph.inputs.push(id);
            }
            id
        }));
    }
    for text in attributes.split_whitespace() {
        let (name, text) = text.split_once('=').unwrap();
        match name {
            "opset" => opset = text.parse().unwrap(),
            "outputs" => outputs = text.parse().unwrap(),
            _ => node.attributes.push((name.to_owned(), attribute(text))),
        }
    }
    for at in 0..outputs {
        let id = graph.add(Value::named(format!("y{at}")));
        node.outputs.push(Some(id));
        graph.outputs.push(id);
    }
    graph.nodes.push(node);
    (graph, opset)
}

fn dims(text: &str) -> Vec<Dim> {
    let dim = |part: &str| match part {
        "?" => Dim::Dynamic(String::new()),
        length => Dim::Fixed(length.parse().unwrap()),
    };
    text.split('x').filter(|part| !part.is_empty()).map(dim).collect()
}

fn constant(text: &str) -> Option<Constant> {
    let (list, shape) = match text.strip_prefix('=') {
        Some(single) => (single, vec![]),
        None => {
            let list = text.strip_prefix('[')?.trim_end_matches(']');
            (list, vec![list.split(',').filter(|part| !part.is_empty()).count() as u64])
        }
    };
    let parts = || list.split(',').filter(|part| !part.is_empty());
    let whole: Option<Vec<i64>> = parts().map(|part| part.parse().ok()).collect();
    Some(match whole {
        Some(n) => Constant { dtype: DType::I64, shape, numbers: Some(Numbers::Integers(n)) },
        None => {
            let floats = parts().map(|part| part.parse().unwrap()).collect();
            Constant { dtype: DType::F32, shape, numbers: Some(Numbers::Floats(floats)) }
        }
    })
}

fn attribute(text: &str) -> Attribute {
    match constant(text).and_then(|constant| constant.numbers) {
        Some(Numbers::Integers(numbers)) => Attribute::Ints(numbers),
        Some(Numbers::Floats(numbers)) => Attribute::Floats(numbers),
        None => text.parse().map_or_else(|_| Attribute::Text(text.to_owned()), Attribute::Int),
    }
}

fn inferred(operator: &str, operands: &str, attributes: &str) -> (Graph, Inference) {
    let (graph, opset) = one(operator, operands, attributes);
    let inference = infer(&graph, opset, &[]).unwrap();
    (graph, inference)
}

/// The shapes of the results, or why there are none.
fn shape(operator: &str, operands: &str, attributes: &str) -> String {
    let (graph, inference) = inferred(operator, operands, attributes);
    if let Some(reason) = &inference.reasons[0] {
        return reason.to_string();
    }
    let dims = |id: &ValueId| inference.facts[id.0 as usize].dims.clone();
    let shape = |id| dims(id).map_or_else(|| "unknown".to_owned(), |dims| shown(&dims));
    graph.outputs.iter().map(shape).collect::<Vec<_>>().join(" ")
}

/// The numbers of the first result.
fn numbers(operator: &str, operands: &str, attributes: &str) -> Option<Numbers> {
    let (graph, inference) = inferred(operator, operands, attributes);
    inference.facts[graph.outputs[0].0 as usize].numbers.as_deref().cloned()
}

fn integers(operator: &str, operands: &str, attributes: &str) -> Vec<i64> {
    match numbers(operator, operands, attributes) {
        Some(Numbers::Integers(numbers)) => numbers,
        other => panic!("{operator} {operands} {attributes}: {other:?}"),
    }
}

/// Each line: operator, operands and attributes apart by `|`, and what comes out.
fn hold(lines: &[(&str, &str)]) {
    for (line, expected) in lines {
        let parts: Vec<&str> = line.split('|').map(str::trim).collect();
        let attributes = parts.get(2).copied().unwrap_or_default();
        assert_eq!(shape(parts[0], parts[1], attributes), *expected, "{line}");
    }
}

#[test]
fn operands_of_elementwise_operators_are_broadcast() {
    hold(&[
        ("Add | 1x3x8x8 3x1x1", "1×3×8×8"),
        ("Mul | 8 1x3x8x1", "1×3×8×8"),
        ("Sum | 2x1 1x3 1", "2×3"),
        ("Equal | ?x3 1x3", "?×3"),
        ("Add | ?x3 4x3", "4×3"),
        ("Where | 2x1 =1.5 1x3", "2×3"),
        ("Sub | 2x3 2x4", "2×3 and 2×4 do not fit"),
        ("Sigmoid | 2x3", "2×3"),
        ("Dropout | 2x3 | outputs=2", "2×3 2×3"),
        ("Softmax | 2x3", "2×3"),
        ("BatchNormalization | 1x3x8x8 3 3 3 3", "1×3×8×8"),
        ("LayerNormalization | 2x5x8 8 8 | outputs=2", "2×5×8 2×5×1"),
        ("Clip | 2x3 =0.5 -", "2×3"),
        ("Where | 2x3 2x3", "its operand 2 is missing"),
    ]);
}

#[test]
fn results_have_the_type_that_the_operator_gives_them() {
    let dtype = |operator, operands, attributes| {
        let (graph, inference) = inferred(operator, operands, attributes);
        inference.facts[graph.outputs[0].0 as usize].dtype
    };
    assert_eq!(dtype("Equal", "2 2", ""), DType::Bool);
    assert_eq!(dtype("Cast", "2", "to=7"), DType::I64);
    assert_eq!(dtype("Shape", "2", ""), DType::I64);
    assert_eq!(dtype("ArgMax", "2x2", ""), DType::I64);
    assert_eq!(dtype("QuantizeLinear", "2 =1.5", ""), DType::U8);
    assert_eq!(dtype("QuantizeLinear", "2 =1.5", "output_dtype=3 opset=21"), DType::I8);
    assert_eq!(dtype("DequantizeLinear", "[1,2] =1.5", ""), DType::F32);
    assert_eq!(dtype("ConvInteger", "1x1x4x4 1x1x3x3", ""), DType::I32);
    assert_eq!(dtype("Where", "2 [1] [2]", ""), DType::I64);
    assert_eq!(dtype("ConstantOfShape", "[2]", ""), DType::F32);
}

#[test]
fn windows_slide_with_filling_gaps_and_steps() {
    hold(&[
        ("Conv | 1x3x640x640 16x3x3x3 16 | strides=[2,2] pads=[1,1,1,1]", "1×16×320×320"),
        ("Conv | 1x4x9x9 8x2x3x3 | group=2 dilations=[2,2]", "1×8×5×5"),
        ("Conv | 1x3x5x6 4x3x3x3 | auto_pad=SAME_UPPER strides=[2,2]", "1×4×3×3"),
        ("Conv | 1x3x5x6 4x3x3x3 | auto_pad=VALID strides=[2,2]", "1×4×2×2"),
        ("Conv | 1x3x10 4x3x4", "1×4×7"),
        ("Conv | ?x3x8x? 4x3x3x3", "?×4×6×?"),
        (
            "Conv | 1x4x8x8 4x3x3x3",
            "an image of 1×4×8×8 does not fit kernels of 4×3×3×3 in 1 groups",
        ),
        ("Conv | 1x3x2x2 4x3x3x3", "its kernel is larger than its operand"),
        ("Conv | 1x3x8x8 4x3x3x3 | strides=[0,1]", "its strides do not fit its kernel"),
        ("Conv | 1x3x8x8 4x3x3x3 | group=0", "it has no groups"),
        ("ConvTranspose | 1x8x5x5 8x4x3x3 | strides=[2,2] pads=[1,1,1,1]", "1×4×9×9"),
        (
            "ConvTranspose | 1x8x5x5 8x4x3x3 | strides=[2,2] pads=[1,1,1,1] output_padding=[1,1]",
            "1×4×10×10",
        ),
        ("ConvTranspose | 1x8x5x5 8x2x2x2 | group=2 strides=[2,2]", "1×4×10×10"),
        ("ConvTranspose | 1x8x5x5 8x4x3x3 | strides=[2,2] output_shape=[10,11]", "1×4×10×11"),
        ("ConvTranspose | 1x8x5x5 8x4x3x3 | strides=[2,2] auto_pad=SAME_LOWER", "1×4×10×10"),
        ("MaxPool | 1x8x7x7 | kernel_shape=[3,3] strides=[2,2] outputs=2", "1×8×3×3 1×8×3×3"),
        ("MaxPool | 1x8x8x8 | kernel_shape=[3,3] strides=[2,2] ceil_mode=1", "1×8×4×4"),
        // The fourth window would begin after the image.
        ("AveragePool | 1x8x6x6 | kernel_shape=[1,1] strides=[2,2] ceil_mode=1", "1×8×3×3"),
        ("AveragePool | 1x8x7x7 | kernel_shape=[2,2] strides=[2,2] ceil_mode=1", "1×8×4×4"),
        ("GlobalAveragePool | 1x8x7x9", "1×8×1×1"),
        ("QLinearConv | 1x3x8x8 =1.5 =0 4x3x3x3 =1.5 =0 =1.5 =0", "1×4×6×6"),
    ]);
}

#[test]
fn matrices_are_multiplied_as_numpy_does() {
    hold(&[
        ("MatMul | 2x3 3x4", "2×4"),
        ("MatMul | 3 3x4", "4"),
        ("MatMul | 2x3 3", "2"),
        ("MatMul | 3 3", "a single number"),
        ("MatMul | 5x1x2x3 7x3x4", "5×7×2×4"),
        ("MatMul | 2x3 4x5", "matrices of 2×3 and 4×5 cannot be multiplied"),
        ("Gemm | 3x2 5x3 5 | transA=1 transB=1", "2×5"),
        ("Gemm | 3x2 5x3", "matrices of 3×2 and 5×3 cannot be multiplied"),
        ("MatMulInteger | 2x3 3x4", "2×4"),
        ("Einsum | 2x3x4 2x4x5 | equation=bij,bjk->bik", "2×3×5"),
        ("Einsum | 3x4 | equation=ij->ji", "4×3"),
        ("Einsum | 3x4 4x5 | equation=ij,jk", "3×5"),
        ("Einsum | 3x4 5x5 | equation=ij,jk->ik", "'j' is 4 and 5 long"),
        ("Einsum | 3x4 | equation=ijk->i", "\"ijk\" does not name 2 dimensions"),
        ("Einsum | 3x4 | equation=ij->z", "'z' is in the result alone"),
    ]);
}

#[test]
fn elements_are_arranged_anew() {
    hold(&[
        ("Reshape | 2x3x4 [0,-1]", "2×12"),
        ("Reshape | 2x3x4 [4,6]", "4×6"),
        ("Reshape | 0x3 [0,5] | allowzero=1", "0×5"),
        ("Reshape | 2x3 [4,2]", "Some(6) elements do not fill the shape [4, 2]"),
        ("Reshape | 2x3 [-1,-1]", "its shape leaves two lengths open"),
        ("Reshape | 2x3 [4,-1]", "Some(6) elements do not fill the shape [4, -1]"),
        ("Reshape | ?x3 [-1,3]", "?×3"),
        ("Reshape | 2x3 3", "?×?×?"),
        ("Flatten | 2x3x4 | axis=2", "6×4"),
        ("Flatten | 2x3 | axis=2", "6×1"),
        ("Transpose | 2x3x4", "4×3×2"),
        ("Transpose | 2x3x4 | perm=[0,2,1]", "2×4×3"),
        ("Transpose | 2x3 | perm=[0,0]", "it names dimension 0 twice"),
        ("Squeeze | 1x3x1", "3"),
        ("Squeeze | 1x3x1 | axes=[0] opset=11", "3×1"),
        ("Squeeze | 1x3x1 [-1]", "1×3"),
        ("Squeeze | 1x3 [1]", "dimension 1 of 1×3 is not 1 long"),
        ("Unsqueeze | 3 | axes=[0,2] opset=11", "1×3×1"),
        ("Unsqueeze | 3 [-1]", "3×1"),
        ("Expand | 3x1 [2,1,6]", "2×3×6"),
        ("Tile | 2x3 [2,3]", "4×9"),
        ("Concat | 1x3 2x3 | axis=0", "3×3"),
        ("Concat | 1x3 1x? | axis=-1", "1×?"),
        ("Concat | 1x3 1x4 | axis=0", "1×3 and 1×4 cannot be joined along dimension 0"),
        ("Split | 6x2 | axis=0 outputs=3", "2×2 2×2 2×2"),
        ("Split | 6x2 [1,5] | outputs=2", "1×2 5×2"),
        ("Split | 6x2 | split=[2,4] outputs=2 opset=11", "2×2 4×2"),
        ("Split | 7x2 | num_outputs=2 outputs=2 opset=18", "4×2 3×2"),
        ("Split | 7x2 | outputs=2", "7 elements are not split evenly into 2"),
        ("DepthToSpace | 1x8x2x3 | blocksize=2", "1×2×4×6"),
        ("SpaceToDepth | 1x2x4x6 | blocksize=2", "1×8×2×3"),
        ("Pad | 1x3 [0,1,0,2]", "1×6"),
        ("Pad | 1x3 | pads=[0,-1,0,0] opset=10", "1×2"),
        ("Pad | 1x3x4 [1,2] - [-1] | opset=18", "1×3×7"),
    ]);
}

#[test]
fn elements_are_picked() {
    hold(&[
        ("Slice | 10 [2] [7]", "5"),
        ("Slice | 10 [-3] [100]", "3"),
        ("Slice | 10 [7] [2]", "0"),
        ("Slice | 10 [-1] [-100] [0] [-3]", "4"),
        ("Slice | 10 [100] [0] [0] [-2]", "5"),
        ("Slice | 10 [9223372036854775807] [-9223372036854775807] [0] [-1]", "10"),
        ("Slice | 3x10 [1] [8] [1] [3]", "3×3"),
        ("Slice | 3x10 | starts=[1] ends=[9223372036854775807] axes=[1] opset=9", "3×9"),
        ("Slice | 3x10 [0] [1] [0] [0]", "it does not step"),
        ("Slice | 3x10 1 1 [1]", "3×?"),
        ("Slice | ?x10 [0] [5]", "?×10"),
        ("Gather | 3x4x5 2x2 | axis=1", "3×2×2×5"),
        ("Gather | 3x4 =1", "4"),
        ("Gather | 3x4 =1 | axis=2", "it names dimension 2 of a value with 2"),
        ("GatherElements | 3x4 3x2 | axis=1", "3×2"),
        ("GatherND | 2x3x4 5x2", "5×4"),
        ("GatherND | 2x3x4 2x1 | batch_dims=1", "2×4"),
        ("GatherND | 2x3 2x3", "its indices are longer than its data has dimensions"),
        ("ScatterND | 3x4 2x1 2x4", "3×4"),
        ("TopK | 2x50 [7] | outputs=2", "2×7 2×7"),
        ("TopK | 2x50 | k=7 axis=0 opset=9", "it asks for the best 7 of 2"),
        ("OneHot | 2x3 =5 2", "2×3×5"),
        ("NonZero | 2x3", "2×?"),
        ("NonZero | [1,0,2]", "1×2"),
        ("NonMaxSuppression | 1x100x4 1x80x100", "?×3"),
        ("ArgMax | 2x3 | axis=1 keepdims=0", "2"),
    ]);
}

#[test]
fn dimensions_are_drawn_together() {
    hold(&[
        ("ReduceSum | 2x3x4 [1]", "2×1×4"),
        ("ReduceMean | 2x3x4 | axes=[-1] keepdims=0", "2×3"),
        ("ReduceMax | 2x3", "1×1"),
        ("ReduceMax | 2x3 | keepdims=0", "a single number"),
        ("ReduceSum | 2x3 [] | noop_with_empty_axes=1", "2×3"),
        ("CumSum | 2x3 =1", "2×3"),
    ]);
}

#[test]
fn images_are_resized_by_scales_or_to_sizes() {
    hold(&[
        ("Resize | 1x3x8x8 [] [1.0,1.0,2.0,1.5]", "1×3×16×12"),
        ("Resize | 1x3x8x8 - [] [1,3,20,10]", "1×3×20×10"),
        ("Resize | 1x3x8x8 [1.0,1.0,2.0,2.0] | opset=10", "1×3×16×16"),
        ("Upsample | 1x3x8x8 [1.0,1.0,2.0,2.0] | opset=9", "1×3×16×16"),
        ("Upsample | 1x3x8x8 | scales=[1.0,1.0,2.0,2.0] opset=7", "1×3×16×16"),
        ("Resize | 1x3x8x8 - - [20,10] | axes=[2,3] opset=18", "1×3×20×10"),
        (
            "Resize | 1x3x8x4 - - [16,16] | axes=[2,3] keep_aspect_ratio_policy=not_larger opset=18",
            "1×3×16×8",
        ),
        (
            "Resize | 1x3x8x4 - - [16,16] | axes=[2,3] keep_aspect_ratio_policy=not_smaller opset=18",
            "1×3×32×16",
        ),
        ("Resize | 1x3x8x8", "it says neither scales nor sizes"),
        ("Resize | 1x3x8x8 - 4", "?×?×?×?"),
        ("GridSample | 2x8x10x12 2x5x7x2", "2×8×5×7"),
    ]);
}

#[test]
fn values_are_made_from_shapes() {
    hold(&[
        ("Shape | 2x3x4 | start=1", "2"),
        ("Shape | 2x3x4 | start=-1 end=1", "0"),
        ("ConstantOfShape | [2,3]", "2×3"),
        ("ConstantOfShape | 2", "?×?"),
        ("Range | =2 =11 =3", "3"),
        ("Range | =0.5 =2.0 =0.5", "3"),
        ("Range | =5 =1 =1", "0"),
        ("Range | =5 =1 =-3", "2"),
        ("Range | =5 =1 =0", "its steps are 0"),
        ("EyeLike | 2x3", "2×3"),
        ("RandomNormal | | shape=[2,3]", "2×3"),
    ]);
}

#[test]
fn numbers_that_shapes_are_made_of_are_computed() {
    assert_eq!(integers("Shape", "2x3x640", ""), [2, 3, 640]);
    assert_eq!(integers("Shape", "2x3x640", "start=-1"), [640]);
    assert_eq!(integers("Size", "2x3", ""), [6]);
    assert_eq!(integers("Gather", "[5,6,7] =-1", ""), [7]);
    assert_eq!(integers("Slice", "[5,6,7] [-1] [-9] [0] [-2]", ""), [7, 5]);
    assert_eq!(integers("Concat", "[5] [6,7]", "axis=0"), [5, 6, 7]);
    assert_eq!(integers("Mul", "[5,6] =2", ""), [10, 12]);
    assert_eq!(integers("Div", "[-7,7] =2", ""), [-3, 3]);
    assert_eq!(integers("Mod", "[-7,7] =3", ""), [2, 1]);
    assert_eq!(integers("Mod", "[-7,7] =3", "fmod=1"), [-1, 1]);
    assert_eq!(integers("Equal", "[1,2] [1,3]", ""), [1, 0]);
    assert_eq!(integers("Where", "[1,0] [5,6] [7,8]", ""), [5, 8]);
    assert_eq!(integers("Cast", "[2.75,-1.25]", "to=7"), [2, -1]);
    assert_eq!(integers("Range", "=1 =7 =2", ""), [1, 3, 5]);
    assert_eq!(integers("Expand", "[4] [3]", ""), [4, 4, 4]);
    assert_eq!(integers("Tile", "[4,5] [2]", ""), [4, 5, 4, 5]);
    assert_eq!(integers("ReduceProd", "[4,5]", "keepdims=0"), [20]);
    assert_eq!(integers("ReduceMin", "[4,5]", ""), [4]);
    assert_eq!(integers("NonZero", "[4,0,5]", ""), [0, 2]);
    assert_eq!(integers("Clip", "[4,0,9] =1 -", ""), [4, 1, 9]);
    assert_eq!(integers("Max", "[4,0] [3,3] =1", ""), [4, 3]);
    assert_eq!(integers("Split", "[4,5,6,7]", "outputs=2"), [4, 5]);
    assert_eq!(numbers("Floor", "[2.5]", ""), Some(Numbers::Floats(vec![2.0])));
    assert_eq!(numbers("ConstantOfShape", "[2]", ""), Some(Numbers::Floats(vec![0.0; 2])));
    assert_eq!(numbers("Div", "[1] =0", ""), None);
    assert_eq!(numbers("Mul", "[9223372036854775807] =2", ""), None);
}

#[test]
fn more_numbers_than_a_shape_can_need_are_not_computed() {
    assert_eq!(shape("Range", "=0 =9223372036854775807 =1", ""), "9223372036854775807");
    assert_eq!(numbers("Range", "=0 =9223372036854775807 =1", ""), None);
    assert_eq!(numbers("Expand", "[1] [5000]", ""), None);
    assert_eq!(
        shape("ConstantOfShape", "[9223372036854775807,3]", ""),
        "its result has more elements than any memory holds"
    );
    // Without elements, however long the other dimensions: nothing to be walked over.
    let huge = 1_u64 << 40;
    let empty = format!("{huge}x{huge}x0");
    assert_eq!(shape("Concat", &format!("{empty} {empty}"), "axis=2"), empty.replace('x', "×"));
    assert_eq!(numbers("ReduceSum", &empty, "axes=[2]"), None);
    assert_eq!(shape("Expand", "1 [0,9223372036854775807]", ""), "0×9223372036854775807");
    assert_eq!(
        shape("Tile", "3 [9223372036854775807]", ""),
        "its result has more elements than any memory holds"
    );
}

#[test]
fn a_small_file_cannot_ask_for_endless_numbers() {
    let mut graph = Graph::default();
    let numbers = Some(Numbers::Integers(vec![4096]));
    let constant = Some(Constant { dtype: DType::I64, shape: vec![1], numbers });
    let length = graph.add(Value { constant, ..Value::named("length") });
    for at in 0..2000 {
        let outputs = vec![Some(graph.add(Value::named(format!("filled {at}"))))];
        let operator = "ConstantOfShape".to_owned();
        graph.nodes.push(Node { operator, inputs: vec![Some(length)], outputs, ..Node::default() });
    }
    let inference = infer(&graph, 17, &[]).unwrap();
    let kept = inference.facts.iter().filter(|fact| fact.numbers.is_some()).count();
    assert!((200..300).contains(&kept), "{kept}");
    assert!(inference.facts[1..].iter().all(|fact| fact.elements() == Some(4096)));
}

#[test]
fn what_is_not_known_says_why() {
    hold(&[
        ("Sorcery | 2x3", "the operator is not known here"),
        ("Loop | 2x3", "how often its body runs depends on the data"),
        ("Conv | 1x3x8x8", "its operand 1 is missing"),
        ("Unsqueeze | 2x3 1", "the shape or the numbers of an operand are not known"),
    ]);
    let (mut graph, opset) = one("Relu", "2", "");
    graph.inputs.clear();
    let inference = infer(&graph, opset, &[]).unwrap();
    let reason = inference.reasons[0].as_ref().unwrap().to_string();
    assert_eq!(reason, "its operand \"x0\" comes from nowhere");
}

#[test]
fn a_declared_shape_stands_in_for_an_unknown_operator_and_never_against_a_known_one() {
    let with = |operator| {
        let (mut graph, opset) = one(operator, "2x3", "");
        let result = graph.outputs[0].0 as usize;
        graph.values[result].info.dims = Some(vec![Dim::Fixed(7)]);
        infer(&graph, opset, &[]).unwrap().facts[result].shape()
    };
    assert_eq!(with("Sorcery"), Some(vec![7]));
    assert_eq!(with("Relu"), Some(vec![2, 3]));
}

/// `Relu` twice, in the wrong order.
fn reversed() -> Graph {
    let (mut graph, _) = one("Relu", "2x3", "");
    let result = graph.add(Value::named("z"));
    let first = graph.outputs[0];
    let (inputs, outputs) = (vec![Some(first)], vec![Some(result)]);
    let second = Node { operator: "Relu".to_owned(), inputs, outputs, ..Node::default() };
    graph.nodes.insert(0, second);
    graph
}

#[test]
fn operators_may_be_in_any_order() {
    let graph = reversed();
    let inference = infer(&graph, 17, &[]).unwrap();
    assert_eq!(inference.order, [1, 0]);
    assert_eq!(inference.facts[2].shape(), Some(vec![2, 3]));
}

#[test]
fn graphs_that_are_none_are_refused() {
    let mut cyclic = reversed();
    cyclic.nodes[1].inputs = cyclic.nodes[0].outputs.clone();
    let shown = infer(&cyclic, 17, &[]).unwrap_err().to_string();
    assert_eq!(
        shown,
        "the operators around \"z\" wait for each other's results: the graph is cyclic"
    );
    let mut twice = reversed();
    twice.nodes[1].outputs = twice.nodes[0].outputs.clone();
    assert_eq!(infer(&twice, 17, &[]).unwrap_err(), Broken::Twice("z".to_owned()));
    let mut input = reversed();
    input.nodes[0].outputs = vec![Some(input.inputs[0])];
    assert!(matches!(infer(&input, 17, &[]), Err(Broken::Twice(_) | Broken::Cyclic(_))));
    let mut unlisted = reversed();
    unlisted.nodes[0].inputs = vec![Some(ValueId(99))];
    assert_eq!(infer(&unlisted, 17, &[]).unwrap_err(), Broken::Unlisted(99));
}

/// An `If` whose branches are `operator` on a value from outside, and nothing.
fn conditional(condition: &str, operator: &str) -> Graph {
    let (mut graph, _) = one("If", &format!("{condition} 2x3"), "");
    graph.nodes[0].inputs.truncate(1);
    let body = |operator: &str| {
        let mut body = Graph::default();
        // The same name as outside: that is how a body names what it takes.
        let (operand, result) = (body.add(Value::named("x1")), body.add(Value::named("inner")));
        let (inputs, outputs) = (vec![Some(operand)], vec![Some(result)]);
        let operator = operator.to_owned();
        body.nodes.push(Node { operator, inputs, outputs, ..Node::default() });
        body.outputs.push(result);
        Attribute::Graph(Box::new(body))
    };
    let node = &mut graph.nodes[0];
    node.attributes.push(("then_branch".to_owned(), body(operator)));
    node.attributes.push(("else_branch".to_owned(), body("Relu")));
    graph
}

#[test]
fn a_branch_on_a_known_condition_is_followed_and_one_on_data_only_where_both_agree() {
    let result = |condition, operator| {
        let graph = conditional(condition, operator);
        let inference = infer(&graph, 17, &[]).unwrap();
        let fact = inference.facts[graph.outputs[0].0 as usize].clone();
        (fact.dims.map(|dims| shown(&dims)).unwrap_or_default(), inference.branches.len())
    };
    assert_eq!(result("=1", "Transpose"), ("3×2".to_owned(), 1));
    assert_eq!(result("=0", "Transpose"), ("2×3".to_owned(), 1));
    assert_eq!(result("1", "Transpose"), ("?×?".to_owned(), 0));
    assert_eq!(result("1", "Sigmoid"), ("2×3".to_owned(), 0));
}

const OPERATORS: [&str; 62] = [
    "Add",
    "Sub",
    "Where",
    "Cast",
    "Clip",
    "Dropout",
    "Conv",
    "ConvTranspose",
    "ConvInteger",
    "QLinearConv",
    "DeformConv",
    "MaxPool",
    "AveragePool",
    "GlobalAveragePool",
    "RoiAlign",
    "Gemm",
    "MatMul",
    "QLinearMatMul",
    "Einsum",
    "Reshape",
    "Flatten",
    "Squeeze",
    "Unsqueeze",
    "Transpose",
    "Expand",
    "Tile",
    "Concat",
    "Split",
    "DepthToSpace",
    "SpaceToDepth",
    "Pad",
    "Slice",
    "Gather",
    "GatherElements",
    "GatherND",
    "ScatterND",
    "TopK",
    "OneHot",
    "NonZero",
    "NonMaxSuppression",
    "Compress",
    "Unique",
    "ReduceSum",
    "ReduceMax",
    "ArgMax",
    "Shape",
    "Size",
    "ConstantOfShape",
    "Range",
    "EyeLike",
    "RandomNormal",
    "Resize",
    "Upsample",
    "GridSample",
    "AffineGrid",
    "QuantizeLinear",
    "DequantizeLinear",
    "DynamicQuantizeLinear",
    "BatchNormalization",
    "LayerNormalization",
    "Mod",
    "If",
];

const NAMES: [&str; 30] = [
    "axis",
    "axes",
    "perm",
    "pads",
    "strides",
    "dilations",
    "kernel_shape",
    "group",
    "ceil_mode",
    "output_shape",
    "output_padding",
    "split",
    "num_outputs",
    "blocksize",
    "starts",
    "ends",
    "start",
    "end",
    "steps",
    "k",
    "batch_dims",
    "keepdims",
    "to",
    "allowzero",
    "scales",
    "fmod",
    "auto_pad",
    "equation",
    "shape",
    "transA",
];

fn number() -> impl Strategy<Value = i64> {
    prop_oneof![-3_i64..6, Just(i64::MIN), Just(i64::MAX), Just(1 << 62), Just(4096), any::<i64>()]
}

fn any_attribute() -> impl Strategy<Value = Attribute> {
    prop_oneof![
        number().prop_map(Attribute::Int),
        prop::collection::vec(number(), 0..6).prop_map(Attribute::Ints),
        prop::collection::vec(any::<f64>(), 0..5).prop_map(Attribute::Floats),
        prop::sample::select(vec!["SAME_UPPER", "VALID", "ij,jk->ik", "ii", "->", "é,i"])
            .prop_map(|text| Attribute::Text(text.to_owned())),
    ]
}

fn any_value() -> impl Strategy<Value = Value> {
    let integers = prop::collection::vec(number(), 0..6).prop_map(Numbers::Integers);
    let floats = prop::collection::vec(any::<f64>(), 0..6).prop_map(Numbers::Floats);
    let constant = prop_oneof![integers, floats].prop_map(|numbers| {
        let (dtype, count) = match &numbers {
            Numbers::Integers(numbers) => (DType::I64, numbers.len()),
            Numbers::Floats(numbers) => (DType::F32, numbers.len()),
        };
        let constant = Constant { dtype, shape: vec![count as u64], numbers: Some(numbers) };
        Value { constant: Some(constant), ..Value::named("constant") }
    });
    let length = prop_oneof![0_usize..9, Just(usize::MAX), Just(1 << 40)];
    let dim = prop_oneof![
        4 => length.prop_map(Dim::Fixed),
        1 => Just(Dim::Dynamic("n".to_owned()))
    ];
    let input = prop::collection::vec(dim, 0..6).prop_map(|dims| {
        let mut value = Value::named("input");
        (value.info.dtype, value.info.dims) = (DType::F32, Some(dims));
        value
    });
    prop_oneof![constant, input]
}

prop_compose! {
    /// Any operators on any values, in any order; now and then a graph that is none.
    pub fn any_graph()(
        values in prop::collection::vec(any_value(), 1..8),
        nodes in prop::collection::vec(
            (
                prop::sample::select(OPERATORS.to_vec()),
                prop::collection::vec(prop::option::weighted(0.9, 0_u32..24), 0..5),
                1_usize..4,
                prop::collection::vec((prop::sample::select(NAMES.to_vec()), any_attribute()), 0..4),
            ),
            1..16,
        ),
    ) -> Graph {
        let mut graph = Graph { values, ..Graph::default() };
        let inputs = (0..).map(ValueId).zip(&graph.values);
        graph.inputs = inputs.filter(|(_, v)| v.constant.is_none()).map(|(id, _)| id).collect();
        for (operator, inputs, outputs, attributes) in nodes {
            let count = graph.values.len() as u32;
            let inputs = inputs.into_iter().map(|id| id.map(|id| ValueId(id % count))).collect();
            let outputs = (0..outputs).map(|_| Some(graph.add(Value::named("made")))).collect();
            let attributes = attributes.into_iter().map(|(name, a)| (name.to_owned(), a)).collect();
            let (operator, name, domain) = (operator.to_owned(), String::new(), String::new());
            graph.nodes.push(Node {
                name,
                operator,
                domain,
                inputs,
                outputs,
                attributes,
                ..Node::default()
            });
        }
        graph.outputs = graph.nodes.iter().flat_map(|node| &node.outputs).flatten().copied().collect();
        graph
    }
}

proptest! {
    #[test]
    fn any_graph_is_inferred_without_a_panic(graph in any_graph(), opset in 7_u64..24) {
        let inference = infer(&graph, opset, &[]).unwrap();
        for fact in &inference.facts {
            prop_assert!(fact.dims.as_ref().is_none_or(|dims| dims.len() <= MAX_RANK));
        }
    }
}
