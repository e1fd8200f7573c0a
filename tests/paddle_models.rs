//! What is told of Paddle's models: of small ones that `scripts/paddle_files.py` had Paddle 2.6.2 and
//! 3.0.0 write, of files made here to be wrong, and of exports of real architectures in the folder
//! that `TRTBENCH_REFERENCE` names; without it those are left out.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may panic and print")]

use proptest::prelude::*;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};
use tempfile::TempDir;
use trtbench::{
    model::{
        self, Anatomy, Format,
        anatomy::SectionKind,
        difference::difference,
        graph::{
            Graph, Numbers,
            cost::{Cost, GivenInputs, cost},
            parameters,
        },
        paddle,
        skim::Skim,
    },
    tensor::DType,
};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/paddle_files").join(name)
}

/// A folder with copies of those of the small models.
fn copies(names: &[&str]) -> TempDir {
    let folder = TempDir::new().unwrap();
    for name in names {
        fs::copy(fixture(name), folder.path().join(name)).unwrap();
    }
    folder
}

fn operators(graph: &Graph) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for node in &graph.nodes {
        *counts.entry(node.operator.as_str()).or_default() += 1;
    }
    counts
}

/// Name, element type and shape of each weight.
fn weights(anatomy: &Anatomy) -> Vec<(&str, DType, &[u64])> {
    let weights = anatomy.weights.iter();
    weights.map(|weight| (weight.name.as_str(), weight.dtype, weight.shape.as_slice())).collect()
}

fn section(anatomy: &Anatomy, kind: SectionKind) -> u64 {
    anatomy.by_section().into_iter().find(|found| found.0 == kind).map_or(0, |found| found.1)
}

/// Every byte of every file is under one heading, and every weight lies within its file.
fn check_sums(anatomy: &Anatomy) {
    for (index, file) in anatomy.files.iter().enumerate() {
        let of_file = anatomy.sections.iter().filter(|section| section.file == index);
        let sum: u64 = of_file.map(|section| section.bytes).sum();
        assert_eq!(sum, file.bytes, "{}", file.name);
    }
    for weight in &anatomy.weights {
        let Some(place) = weight.place else { continue };
        assert!(place.offset + place.bytes <= anatomy.files[place.file].bytes, "{weight:?}");
        assert_eq!(place.bytes, weight.elements * weight.dtype.bits().unwrap() / 8, "{weight:?}");
    }
    let held: u64 = anatomy.weights.iter().map(|weight| weight.bytes).sum();
    assert_eq!(held, section(anatomy, SectionKind::Weights));
    let same = difference(anatomy, anatomy);
    assert!(same.bytes == 0 && same.explanations.is_empty(), "a model differs from itself");
    if let Some(lowered) = &anatomy.lowered {
        // Whatever is in the graph, what it costs is an answer or an error.
        let _ = cost(&lowered.graph, 17, &GivenInputs::new());
    }
}

#[test]
fn a_program_of_paddle_2_is_taken_apart_to_the_byte() {
    let path = fixture("program.pdmodel");
    let anatomy = model::inspect(&path).unwrap();
    check_sums(&anatomy);
    assert_eq!(anatomy.format, Format::PaddleProgram);
    assert_eq!(anatomy.producer.as_deref(), Some("paddle 2.6.2"));
    let files: Vec<_> = anatomy.files.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(files, ["program.pdmodel", "program.pdiparams"]);
    let found = weights(&anatomy);
    assert_eq!(found.len(), 11);
    assert_eq!(found[5], ("conv2d_0.w_0", DType::F32, [4, 3, 3, 3].as_slice()));
    // conv2d and elementwise_* are the operators of it that ever changed.
    assert_eq!(anatomy.opsets["conv2d"], 1);
    assert!(!anatomy.opsets.contains_key("clip"), "{:?}", anatomy.opsets);
    let graph = anatomy.graph.as_ref().unwrap();
    let inputs: Vec<_> = graph.inputs.iter().map(|&id| graph.value(id).info.to_string()).collect();
    assert_eq!(inputs, ["image float32 [?, 3, 32, 32]"]);
    assert_eq!(graph.outputs.len(), 2);
    let counts = operators(graph);
    assert_eq!((counts["conv2d"], counts["pool2d"], counts["feed"]), (1, 2, 1));
}

#[test]
fn stack_traces_are_counted_with_their_framing_and_name_the_script_that_exported() {
    let path = fixture("program.pdmodel");
    let anatomy = model::inspect(&path).unwrap();
    // All that is taken from the file is gone without them: counted with another reader.
    let bytes = fs::read(&path).unwrap();
    assert_eq!(section(&anatomy, SectionKind::CallStacks), traces(&bytes));
    let remark = &anatomy.remarks[0];
    assert!(remark.contains("/home/user/paddle_files.py"), "{remark}");
    assert!(remark.contains("op_callstack"), "{remark}");
}

/// Bytes of the attributes called `op_callstack`: between an attribute's tag and the next field.
fn traces(bytes: &[u8]) -> u64 {
    let name = [b"\x0a\x0cop_callstack".as_slice(), b"\x10\x05"].concat();
    let starts = (0..bytes.len()).filter(|&at| bytes[at..].starts_with(&name));
    starts.map(|at| attribute_before(bytes, at)).sum()
}

/// Length of the field whose payload begins at `at`, which is tagged as an operator's attribute.
fn attribute_before(bytes: &[u8], at: usize) -> u64 {
    let tag = (1..4).map(|back| at - 1 - back).find(|&tag| bytes[tag] == 0x22).unwrap();
    let length = bytes[tag + 1..at].iter().rev().fold(0, |n, &b| n << 7 | u64::from(b & 0x7f));
    (at - tag) as u64 + length
}

#[test]
fn a_pir_program_has_the_weights_and_the_inputs_of_the_same_network_in_a_pdmodel() {
    let pir = model::inspect(&fixture("pir.json")).unwrap();
    let program = model::inspect(&fixture("program.pdmodel")).unwrap();
    check_sums(&pir);
    assert_eq!(pir.format, Format::PaddlePir);
    assert_eq!(pir.opsets["pir"], 1);
    assert_eq!(weights(&pir), weights(&program));
    let (pir, program) = (pir.graph.unwrap(), program.graph.unwrap());
    assert_eq!(pir.value(pir.inputs[0]).info, program.value(program.inputs[0]).info);
    assert_eq!(pir.outputs.len(), program.outputs.len());
    let counts = operators(&pir);
    assert_eq!((counts["pd_op.conv2d"], counts["builtin.combine"]), (1, 1));
    assert!(pir.nodes.iter().any(|node| node.name.starts_with("/Conv2D/%")), "{:?}", pir.nodes[1]);
}

#[test]
fn both_kinds_of_programs_become_the_same_operators_of_onnx() {
    let lowered = |name| model::inspect(&fixture(name)).unwrap().lowered.unwrap();
    let (program, pir) = (lowered("program.pdmodel"), lowered("pir.json"));
    for lowered in [&program, &pir] {
        assert_eq!(lowered.origins.len(), lowered.graph.nodes.len());
        let kept = lowered.graph.nodes.iter().filter(|node| !node.domain.is_empty());
        assert_eq!(kept.map(|node| &node.operator).collect::<Vec<_>>(), Vec::<&String>::new());
    }
    let mut expected = operators(&program.graph);
    // What is fetched goes through one more operator in a .pdmodel.
    assert_eq!(expected.remove("Identity"), Some(2));
    assert_eq!(operators(&pir.graph), expected);
    assert_eq!((expected["Conv"], expected["MatMul"], expected["GlobalAveragePool"]), (2, 1, 1));
}

#[test]
fn a_lowered_node_leads_back_to_the_operator_that_it_comes_from() {
    let anatomy = model::inspect(&fixture("program.pdmodel")).unwrap();
    let (graph, lowered) = (anatomy.graph.unwrap(), anatomy.lowered.unwrap());
    for (node, &origin) in lowered.graph.nodes.iter().zip(&lowered.origins) {
        assert_eq!(node.name, graph.nodes[origin].name);
        if node.operator == "Erf" {
            assert_eq!(graph.nodes[origin].operator, "gelu");
        }
    }
    let made = lowered.graph.nodes.iter().flat_map(|node| node.outputs.iter().flatten());
    let mut made: Vec<_> = made.collect();
    let count = made.len();
    made.sort_unstable();
    made.dedup();
    assert_eq!(made.len(), count, "a value is made twice");
}

#[test]
fn a_lowered_convolution_pads_each_side_as_paddle_does() {
    let lowered = model::inspect(&fixture("program.pdmodel")).unwrap().lowered.unwrap();
    let conv = lowered.graph.nodes.iter().find(|node| node.operator == "Conv").unwrap();
    assert_eq!(conv.ints("pads").unwrap(), [1, 1, 1, 1]);
    assert_eq!(conv.ints("strides").unwrap(), [2, 2]);
    assert_eq!(conv.int("group"), Some(1));
    let resize = lowered.graph.nodes.iter().find(|node| node.operator == "Resize").unwrap();
    let scales = lowered.graph.value(resize.inputs[2].unwrap()).constant.as_ref().unwrap();
    assert_eq!(scales.numbers, Some(Numbers::Floats(vec![1.0, 1.0, 2.0, 2.0])));
}

#[test]
fn a_program_without_its_parameters_declares_weights_that_take_no_bytes() {
    let folder = copies(&["program.pdmodel"]);
    let anatomy = model::inspect(&folder.path().join("program.pdmodel")).unwrap();
    check_sums(&anatomy);
    assert_eq!((anatomy.files.len(), anatomy.weights.len()), (1, 11));
    let elements: u64 = anatomy.weights.iter().map(|weight| weight.elements).sum();
    assert_eq!(elements, 182);
    let remark = anatomy.remarks.last().unwrap();
    assert!(remark.contains("11 parameters") && remark.contains("program.pdiparams"), "{remark}");
}

#[test]
fn parameters_alone_have_numbers_for_names_and_tell_of_the_program_beside_them() {
    let anatomy = model::inspect(&fixture("program.pdiparams")).unwrap();
    check_sums(&anatomy);
    assert_eq!(anatomy.format, Format::PaddleParameters);
    assert_eq!(weights(&anatomy)[5], ("parameter 5", DType::F32, [4, 3, 3, 3].as_slice()));
    assert!(anatomy.remarks[1].contains("program.pdmodel"), "{:?}", anatomy.remarks);
}

/// What is said of the program in a folder with those parameters.
fn refusal(parameters: &[u8]) -> String {
    let folder = copies(&["program.pdmodel"]);
    fs::write(folder.path().join("program.pdiparams"), parameters).unwrap();
    model::inspect(&folder.path().join("program.pdmodel")).unwrap_err().to_string()
}

#[test]
fn parameters_of_another_model_are_refused_with_what_does_not_fit() {
    let own = fs::read(fixture("program.pdiparams")).unwrap();
    let mut tensor = stored(&[4], 5);
    tensor.extend([0; 16]);
    let short = refusal(&tensor);
    assert!(short.contains("holds 1 tensors, but the program declares 11"), "{short}");
    let long = refusal(&[own.as_slice(), &tensor].concat());
    assert!(long.contains("holds 12 tensors"), "{long}");
    let mut other = stored(&[2, 2], 5);
    other.extend([0; 16]);
    let other = refusal(&other);
    assert!(other.contains("[2, 2]") && other.contains("batch_norm2d_0.b_0"), "{other}");
    assert!(other.contains("belongs to another model"), "{other}");
}

#[test]
fn parameters_that_are_cut_off_or_impossible_are_refused_with_the_tensor() {
    let own = fs::read(fixture("program.pdiparams")).unwrap();
    let cut = refusal(&own[..own.len() - 3]);
    assert!(cut.contains("inside tensor 10") && cut.contains("3 bytes"), "{cut}");
    let huge = refusal(&stored(&[1 << 62, 8], 5));
    assert!(huge.contains("no memory holds"), "{huge}");
    let beyond = refusal(&stored(&[1 << 40], 5));
    assert!(beyond.contains("bytes are missing"), "{beyond}");
    let negative = refusal(&stored(&[u64::MAX], 5));
    assert!(negative.contains("[-1]"), "{negative}");
    let unknown = refusal(&stored(&[4], 29));
    assert!(unknown.contains("tensor 0"), "{unknown}");
    let text = refusal(b"<html>not found</html>");
    assert!(text.contains("program.pdiparams"), "{text}");
}

#[test]
fn levels_of_detail_before_a_tensor_are_skipped() {
    let mut bytes = vec![0; 4];
    bytes.extend(1_u64.to_le_bytes());
    bytes.extend(16_u64.to_le_bytes());
    bytes.extend([0; 16]);
    bytes.extend(&stored(&[2], 5)[12..]);
    bytes.extend([0; 8]);
    let anatomy = paddle::parameters(Path::new("levels.pdiparams"), &Skim::bytes(&bytes)).unwrap();
    assert_eq!((anatomy.weights.len(), anatomy.weights[0].elements), (1, 2));
    check_sums(&anatomy);
}

#[test]
fn every_truncation_of_a_program_is_an_error_or_smaller() {
    let whole = fs::read(fixture("program.pdmodel")).unwrap();
    let path = Path::new("absent/program.pdmodel");
    for length in (1..whole.len()).step_by(97) {
        if let Ok(anatomy) = paddle::program(path, &whole[..length]) {
            check_sums(&anatomy);
            assert!(anatomy.producer.is_none(), "{length} bytes");
        }
    }
    let error = paddle::program(path, &whole[..whole.len() / 2]).unwrap_err();
    assert!(error.contains("truncated") && error.contains("copy it again"), "{error}");
}

#[test]
fn json_that_is_no_program_is_refused_with_what_to_name() {
    let path = Path::new("package.json");
    for text in ["{}", r#"{"name": "x"}"#, r#"{"base_code": {"magic": "other"}, "program": 1}"#] {
        let error = paddle::pir(path, text.as_bytes()).unwrap_err();
        assert!(error.contains("PIR") || error.contains("magic"), "{text}: {error}");
    }
    let cut = paddle::pir(path, br#"{"base_code": {"magic": "pir", "#).unwrap_err();
    assert!(cut.contains("EOF") && cut.contains("copy it again"), "{cut}");
}

#[test]
fn deep_nesting_is_an_error_and_not_an_overflow() {
    let path = Path::new("deep.json");
    let deep = format!("{{\"base_code\":{}", "[".repeat(100_000));
    assert!(paddle::pir(path, deep.as_bytes()).is_err());
    let (open, close) = (r##"{"blocks":[{"ops":[{"#":"1.if","I":[],"regions":["##, "]}]}]}");
    let nested = |depth: usize| {
        let regions = format!("{}{}", open.repeat(depth), close.repeat(depth));
        format!(
            "{{\"base_code\":{{\"magic\":\"pir\",\"version\":1}},\"program\":{{\"regions\":[{regions}]}}}}"
        )
    };
    assert!(paddle::pir(path, nested(10_000).as_bytes()).is_err());
    let shallow = paddle::pir(path, nested(3).as_bytes()).unwrap();
    assert!(shallow.remarks[0].contains("2 more operators"), "{:?}", shallow.remarks);
}

#[test]
fn blocks_of_loops_are_counted_once_and_never_run_in_circles() {
    let path = Path::new("loop.pdmodel");
    // Block 0 runs block 1 twice and itself; block 1 holds two operators.
    let run = |block| operator("while", &[attribute("sub_block", 8, &number(12, block))]);
    let outer = block(0, &[run(1), run(1), run(0)]);
    let inner = block(1, &[operator("relu", &[]), operator("sqrt", &[])]);
    let anatomy = paddle::program(path, &[field(1, &outer), field(1, &inner)].concat()).unwrap();
    check_sums(&anatomy);
    assert_eq!(anatomy.graph.unwrap().nodes.len(), 3);
    assert!(anatomy.remarks[0].contains("2 more operators in 1 blocks"), "{:?}", anatomy.remarks);
    let chain: Vec<u8> =
        (0..50_000).flat_map(|index| field(1, &block(index, &[run(index + 1)]))).collect();
    let error = paddle::program(path, &chain).unwrap_err();
    assert!(error.contains("nested deeper"), "{error}");
}

#[test]
fn a_variable_that_is_written_twice_becomes_two_values() {
    let step = [slot(1, "X", "x"), slot(2, "Out", "x")];
    let feed = operator("feed", &[slot(1, "X", "feed"), slot(2, "Out", "x")]);
    let fetch = operator("fetch", &[slot(1, "X", "x"), slot(2, "Out", "fetch")]);
    let program = block(0, &[feed, operator("relu", &step), operator("mystery", &step), fetch]);
    let anatomy = paddle::program(Path::new("twice.pdmodel"), &field(1, &program)).unwrap();
    let graph = anatomy.lowered.unwrap().graph;
    let [relu, mystery] = graph.nodes.as_slice() else { panic!("{:?}", graph.nodes) };
    assert_eq!(relu.inputs, [Some(graph.inputs[0])]);
    assert_eq!(mystery.inputs, relu.outputs);
    assert_ne!(mystery.outputs, mystery.inputs);
    assert_eq!(graph.outputs, [mystery.outputs[0].unwrap()]);
    assert_eq!((mystery.operator.as_str(), mystery.domain.as_str()), ("mystery", "paddle"));
}

#[test]
fn repeats_that_are_one_tensor_each_become_onnxs_vector() {
    let sizes = [field(1, b"shape"), number(2, 11), number(15, 1)].concat();
    let count = operator("shape", &[slot(1, "Input", "image"), slot(2, "Out", "sizes")]);
    let one = operator("fill_constant", &[slot(2, "Out", "one"), field(4, &sizes)]);
    let list = field(1, &[field(1, b"repeat_times_tensor"), field(2, b"sizes")].concat());
    let tile = operator("tile", &[slot(1, "X", "x"), list, slot(2, "Out", "y")]);
    let tensor = |name: &[u8], dims: &[u64]| {
        let dims: Vec<u8> = dims.iter().flat_map(|&length| number(2, length)).collect();
        let kind = field(3, &field(1, &[number(1, 3), dims].concat()));
        field(3, &[field(1, name), field(2, &[number(1, 7), kind].concat())].concat())
    };
    let variables = [tensor(b"x", &[]), tensor(b"image", &[2])].concat();
    let program = [variables, block(0, &[count, one, tile])].concat();
    let anatomy = paddle::program(Path::new("tile.pdmodel"), &field(1, &program)).unwrap();
    let counts = anatomy.lowered.unwrap().graph;
    let counts = operators(&counts);
    assert_eq!((counts["Tile"], counts["Unsqueeze"], counts["Concat"]), (1, 1, 1));
}

#[test]
fn a_declared_shape_beyond_all_memory_is_only_a_shape() {
    let tensor = [number(1, 5), number(2, 1 << 62), number(2, 1 << 62)].concat();
    let kind = [number(1, 7), field(3, &field(1, &tensor))].concat();
    let variable = field(3, &[field(1, b"w"), field(2, &kind), number(3, 1)].concat());
    let shape = [field(1, b"shape"), number(2, 11), number(15, 1 << 40)].concat();
    let fill = operator("fill_constant", &[slot(2, "Out", "filled"), field(4, &shape)]);
    let program = [number(1, 0), number(2, 0), variable, field(4, &fill)].concat();
    let anatomy = paddle::program(Path::new("huge.pdmodel"), &field(1, &program)).unwrap();
    assert_eq!(anatomy.weights[0].elements, u64::MAX);
    let graph = anatomy.lowered.unwrap().graph;
    let filled = graph.values.iter().find(|value| value.info.name == "filled").unwrap();
    let constant = filled.constant.as_ref().unwrap();
    assert_eq!((constant.shape.as_slice(), &constant.numbers), ([1 << 40].as_slice(), &None));
}

proptest! {
    #[test]
    fn any_damage_to_a_file_ends_in_an_answer(
        name in prop::sample::select(vec!["program.pdmodel", "program.pdiparams", "pir.json"]),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
        length in any::<prop::sample::Index>(),
        cut in any::<bool>(),
    ) {
        let mut bytes = fs::read(fixture(name)).unwrap();
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if cut {
            bytes.truncate(length.index(bytes.len()));
        }
        let path = Path::new("absent/model");
        let parameters = paddle::parameters(path, &Skim::bytes(&bytes));
        let answers = [paddle::program(path, &bytes), paddle::pir(path, &bytes), parameters];
        for anatomy in answers.into_iter().flatten() {
            check_sums(&anatomy);
        }
    }

    #[test]
    fn any_bytes_end_in_an_answer(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let path = Path::new("absent/model");
        let parameters = paddle::parameters(path, &Skim::bytes(&bytes));
        let answers = [paddle::program(path, &bytes), paddle::pir(path, &bytes), parameters];
        for anatomy in answers.into_iter().flatten() {
            check_sums(&anatomy);
        }
    }
}

/// Folder and file of the exports of real architectures, and the share of stack traces in percent.
const REFERENCE: [(&str, u64, u64); 2] = [
    ("paddle_picodet_s_320/model.pdmodel", 445, 22),
    ("paddle_ppyoloe_s_640/model.pdmodel", 337, 31),
];

fn reference() -> Option<PathBuf> {
    let folder = std::env::var_os("TRTBENCH_REFERENCE").map(PathBuf::from);
    if folder.is_none() {
        println!("SKIPPED: set TRTBENCH_REFERENCE to a folder with the exports to look into them");
    }
    folder
}

#[test]
fn exports_of_real_architectures_are_taken_apart_and_lowered_whole() {
    let Some(folder) = reference() else { return };
    for (file, count, share) in REFERENCE {
        let anatomy = model::inspect(&folder.join(file)).unwrap();
        check_sums(&anatomy);
        assert_eq!(anatomy.weights.len() as u64, count, "{file}");
        assert_eq!(anatomy.producer.as_deref(), Some("paddle 2.6.2"));
        let traces = section(&anatomy, SectionKind::CallStacks) * 100;
        assert_eq!((traces + anatomy.files[0].bytes / 2) / anatomy.files[0].bytes, share, "{file}");
        let lowered = anatomy.lowered.unwrap();
        let kept = lowered.graph.nodes.iter().filter(|node| node.domain == "paddle");
        assert_eq!(kept.map(|node| &node.operator).collect::<Vec<_>>(), Vec::<&String>::new());
    }
}

#[test]
fn an_export_uses_the_operators_that_its_file_is_known_to_use() {
    let Some(folder) = reference() else { return };
    let known = [
        "batch_norm concat conv2d depthwise_conv2d elementwise_add elementwise_div elementwise_mul \
         feed fetch hard_sigmoid hard_swish matmul_v2 multiclass_nms3 nearest_interp_v2 pool2d relu \
         reshape2 scale sigmoid softmax split sqrt transpose2",
        "batch_norm concat conv2d elementwise_add elementwise_div elementwise_mul feed fetch \
         hard_sigmoid multiclass_nms3 nearest_interp_v2 pool2d reduce_mean reshape2 scale sigmoid \
         softmax split squeeze2 swish transpose2",
    ];
    for ((file, ..), known) in REFERENCE.into_iter().zip(known) {
        let graph = model::inspect(&folder.join(file)).unwrap().graph.unwrap();
        let used: Vec<_> = operators(&graph).into_keys().collect();
        assert_eq!(used, known.split_whitespace().collect::<Vec<_>>(), "{file}");
    }
}

#[test]
fn both_exports_of_picodet_declare_the_weights_of_its_parameters() {
    let Some(folder) = reference() else { return };
    let program = model::inspect(&folder.join("paddle_picodet_s_320/model.pdmodel")).unwrap();
    let pir = model::inspect(&folder.join("paddle_picodet_s_320_pir/model.json")).unwrap();
    check_sums(&pir);
    let without_network = |anatomy: &Anatomy| {
        let found = weights(anatomy).into_iter();
        let shaped = found.map(|(name, dtype, shape)| (name.to_owned(), dtype, shape.to_vec()));
        shaped.collect::<Vec<_>>()
    };
    let (program, pir) = (without_network(&program), without_network(&pir));
    assert_eq!(program.iter().filter(|weight| !pir.contains(weight)).count(), 0);
    println!("in PIR alone: {:?}", pir.iter().filter(|w| !program.contains(w)).collect::<Vec<_>>());
}

/// What the network costs with its inputs as the file says, an image of 640 × 640 elsewhere.
fn cost_of(anatomy: &Anatomy) -> Cost {
    model::cost(anatomy, &GivenInputs::new()).unwrap().unwrap()
}

#[test]
fn both_kinds_of_programs_cost_the_same() {
    let [program, pir] =
        ["program.pdmodel", "pir.json"].map(|name| model::inspect(&fixture(name)).unwrap());
    for anatomy in [&program, &pir] {
        let found = cost_of(anatomy);
        // Convolutions 3 → 4 and of each of 4 channels, 3 × 3 to 16 × 16; 4 → 2 for each of 256.
        assert_eq!(found.macs.0, (108 + 36) * 256 + 8 * 256);
        assert_eq!(found.unknown, []);
        let outputs: Vec<Vec<u64>> = found
            .outputs
            .iter()
            .map(|output| output.dims.as_ref().unwrap().iter().map(|n| n.unwrap()).collect())
            .collect();
        assert_eq!(outputs, [vec![1, 256, 2], vec![1, 5]]);
    }
    // Without mean and variance of the batch normalisation.
    assert_eq!((parameters(&program), parameters(&pir)), (174, 174));
}

#[test]
fn exports_of_real_architectures_cost_what_their_onnx_exports_do() {
    let Some(folder) = reference() else { return };
    let expected = [
        ("paddle_picodet_s_320/model.pdmodel", 0.481),
        ("paddle_picodet_s_320_pir/model.json", 0.481),
        ("paddle_ppyoloe_s_640/model.pdmodel", 8.634),
    ];
    for (file, billions) in expected {
        let anatomy = model::inspect(&folder.join(file)).unwrap();
        let found = cost_of(&anatomy);
        println!("{file}: {} {} {:?}", found.macs, parameters(&anatomy), found.unknown);
        let share = found.macs.0 as f64 / (billions * 1e9);
        assert!((share - 1.0).abs() < 0.002, "{file}: {}", found.macs);
    }
}

#[test]
fn a_file_that_is_called_as_paddles_but_is_none_is_refused_as_such() {
    let folder = TempDir::new().unwrap();
    for (name, words) in [
        ("a.pdmodel", "program of Paddle"),
        ("a.pdiparams", "file of parameters"),
        ("a.json", "PIR"),
    ] {
        let path = folder.path().join(name);
        fs::write(&path, "no such file at all").unwrap();
        let error = model::inspect(&path).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn a_long_name_and_a_shape_of_many_dimensions_are_not_copied_for_each_reference() {
    let name = "n".repeat(100_000);
    let dims: String = (0..50_000).map(|_| "1,").collect();
    let data = format!(
        r##"{{"#":"1.data","I":[],"A":[{{"N":"name","AT":{{"#":"0.a_str","D":"{name}"}}}}],"O":[{{"%":1,"TT":{{"#":"0.t_dtensor","D":[{{"#":"0.t_f32"}},[{dims}1]]}}}}]}}"##
    );
    let relu = r##",{"#":"1.relu","I":[{"%":1}],"O":[{"%":1}]}"##.repeat(20_000);
    let text = format!(
        r#"{{"base_code":{{"magic":"pir","version":1}},"program":{{"regions":[{{"blocks":[{{"ops":[{data}{relu}]}}]}}]}}}}"#
    );
    let counted = allocation_counter::measure(|| {
        let anatomy = paddle::pir(Path::new("absent/long.json"), text.as_bytes()).unwrap();
        assert_eq!(anatomy.lowered.unwrap().graph.nodes.len(), 20_000);
    });
    assert!(counted.bytes_max < 100 * text.len() as u64, "{counted:?} of {}", text.len());
}

/// A varint.
fn varint(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

/// A field of bytes.
fn field(number: u64, payload: &[u8]) -> Vec<u8> {
    [varint(number << 3 | 2), varint(payload.len() as u64), payload.to_vec()].concat()
}

/// A field of a number.
fn number(field: u64, number: u64) -> Vec<u8> {
    [varint(field << 3), varint(number)].concat()
}

/// A BlockDesc.
fn block(index: u64, operators: &[Vec<u8>]) -> Vec<u8> {
    let operators = operators.iter().flat_map(|operator| field(4, operator));
    [number(1, index), number(2, 0), operators.collect()].concat()
}

/// An OpDesc.
fn operator(kind: &str, fields: &[Vec<u8>]) -> Vec<u8> {
    [fields.concat(), field(3, kind.as_bytes())].concat()
}

/// An OpDesc.Attr within its OpDesc.
fn attribute(name: &str, kind: u64, value: &[u8]) -> Vec<u8> {
    field(4, &[field(1, name.as_bytes()), number(2, kind), value.to_vec()].concat())
}

/// An OpDesc.Var of inputs (1) or outputs (2) within its OpDesc.
fn slot(side: u64, name: &str, variable: &str) -> Vec<u8> {
    field(side, &[field(1, name.as_bytes()), field(2, variable.as_bytes())].concat())
}

/// What comes before a tensor's elements in a file of parameters.
fn stored(shape: &[u64], dtype: u64) -> Vec<u8> {
    let dims = shape.iter().flat_map(|&length| number(2, length));
    let desc = [number(1, dtype), dims.collect()].concat();
    [vec![0; 16], (desc.len() as u32).to_le_bytes().to_vec(), desc].concat()
}
