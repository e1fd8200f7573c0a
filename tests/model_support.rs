//! Will a model run there: cases with known answers, most of them measured with the real runtime. The
//! models are described in tests/model_support/models.csv; no model is read.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use proptest::prelude::*;
use serde::{Deserialize, de::DeserializeOwned};
use std::collections::{BTreeMap, HashMap};
use trtbench::{
    device::compatibility::Verdict,
    model::{
        Anatomy, Format,
        graph::{Constant, Graph, Node, Numbers, Value, ValueId},
        support::{Answer, Target, judge},
    },
    tensor::{DType, Dim, TensorInfo},
    tensorrt::{Product, Release},
};

/// A row of tests/model_support/models.csv, whose head says what the columns mean.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Described {
    model: String,
    format: String,
    producer: String,
    ir: Option<u64>,
    opsets: String,
    inputs: String,
    outputs: String,
    constants: String,
    operators: String,
    computed: String,
    shifted: String,
    lacks: String,
}

/// A row of a table of cases.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    model: String,
    target: String,
    verdict: String,
    /// A part of what a finding with that verdict says or gives as a cure.
    words: String,
    source: String,
}

fn rows<T: DeserializeOwned>(text: &str) -> Vec<T> {
    let mut reader = csv::ReaderBuilder::new().comment(Some(b'#')).from_reader(text.as_bytes());
    reader.deserialize().collect::<Result<_, _>>().unwrap()
}

fn dtype(name: &str) -> DType {
    let known = [DType::F32, DType::F16, DType::BF16, DType::F64, DType::I8, DType::U8, DType::I32];
    let others = [DType::I64, DType::Bool].into_iter().chain((1..27).map(DType::Other));
    let mut all = known.into_iter().chain(others);
    all.find(|dtype| dtype.to_string() == name).unwrap_or_else(|| panic!("type {name}"))
}

/// `NAME:COUNT` words.
fn counts(text: &str) -> impl Iterator<Item = (&str, u64)> {
    text.split_whitespace().map(|word| {
        let (name, count) = word.rsplit_once(':').unwrap();
        (name, count.parse().unwrap())
    })
}

impl Described {
    fn value(graph: &mut Graph, name: &str, dtype: DType, dims: Option<Vec<Dim>>) -> ValueId {
        graph.add(Value { info: TensorInfo { name: name.to_owned(), dtype, dims }, constant: None })
    }

    fn constant(graph: &mut Graph, dtype: DType, number: i64) -> ValueId {
        let id = Self::value(graph, "constant", dtype, None);
        let numbers = Some(Numbers::Integers(vec![number]));
        graph.values[id.0 as usize].constant = Some(Constant { dtype, shape: Vec::new(), numbers });
        id
    }

    /// A graph with as much of the model as its description tells.
    fn graph(&self) -> Graph {
        let mut graph = Graph::default();
        for input in self.inputs.split_whitespace() {
            let id = Self::value(&mut graph, "input", dtype(input), None);
            graph.inputs.push(id);
        }
        let untyped = Self::value(&mut graph, "untyped", DType::Other(0), None);
        let result = Self::value(&mut graph, "result", DType::Other(0), None);
        let scalar = Self::value(&mut graph, "scalar", DType::F32, Some(Vec::new()));
        for output in self.outputs.split_whitespace() {
            let id = Self::value(&mut graph, "output", dtype(output), None);
            graph.outputs.push(id);
        }
        for constant in self.constants.split_whitespace() {
            Self::constant(&mut graph, dtype(constant), 0);
        }
        let mut lacks: HashMap<&str, u64> = counts(&self.lacks).collect();
        for (operator, count) in counts(&self.operators) {
            let (name, kind) = operator.split_once('/').unwrap_or((operator, ""));
            let (domain, name) = name.split_once("::").unwrap_or(("", name));
            let kind = if kind.is_empty() { DType::Other(0) } else { dtype(kind) };
            for _ in 0..count {
                let mut missing =
                    |what: &str| match lacks.get_mut(format!("{name}.{what}").as_str()) {
                        Some(left) if *left > 0 => {
                            *left -= 1;
                            true
                        }
                        _ => false,
                    };
                let second = if missing("scalar") { scalar } else { untyped };
                let outputs = if missing("XShape") { 1 } else { 2 };
                let first = Self::value(&mut graph, "operand", kind, None);
                graph.nodes.push(Node {
                    operator: name.to_owned(),
                    domain: domain.to_owned(),
                    inputs: vec![Some(first), Some(second)],
                    outputs: vec![Some(result); outputs],
                    ..Node::default()
                });
            }
        }
        self.computed(&mut graph);
        self.shifted(&mut graph);
        graph
    }

    fn computed(&self, graph: &mut Graph) {
        for (name, _) in counts(&self.computed) {
            let (operator, operand) = name.split_once('.').unwrap();
            let input = graph.inputs[0];
            let node = graph.nodes.iter_mut().find(|node| node.operator == operator).unwrap();
            let operand: usize = operand.parse().unwrap();
            node.inputs.resize(operand + 1, None);
            node.inputs[operand] = Some(input);
        }
    }

    fn shifted(&self, graph: &mut Graph) {
        for (what, _) in counts(&self.shifted) {
            let (dtype, point) = if what == "zero" { (DType::I8, 0) } else { (DType::U8, 128) };
            let zero = Self::constant(graph, dtype, point);
            for node in graph.nodes.iter_mut().filter(|node| node.operator.ends_with("izeLinear")) {
                node.inputs.resize(3, None);
                node.inputs[2] = Some(zero);
            }
        }
    }

    fn anatomy(&self) -> Anatomy {
        Anatomy {
            lowered: None,
            format: match self.format.as_str() {
                "onnx" => Format::Onnx,
                "pdmodel" => Format::PaddleProgram,
                "pir" => Format::PaddlePir,
                other => panic!("format {other}"),
            },
            files: Vec::new(),
            sections: Vec::new(),
            weights: Vec::new(),
            producer: Some(self.producer.clone()).filter(|producer| !producer.is_empty()),
            ir_version: self.ir,
            opsets: counts(&self.opsets)
                .map(|(name, version)| (name.to_owned(), version))
                .collect(),
            metadata: BTreeMap::new(),
            graph: Some(self.graph()),
            remarks: Vec::new(),
        }
    }
}

fn models() -> HashMap<String, Described> {
    let models: Vec<Described> = rows(include_str!("model_support/models.csv"));
    models.into_iter().map(|described| (described.model.clone(), described)).collect()
}

fn ask(anatomy: &Anatomy, target: &str) -> Answer {
    judge(anatomy, &target.parse::<Target>().unwrap())
}

/// What is wrong with the answers to these cases.
fn wrong(cases: &[Case]) -> Vec<String> {
    let anatomies: HashMap<String, Anatomy> =
        models().into_iter().map(|(name, described)| (name, described.anatomy())).collect();
    let mut wrong = Vec::new();
    for case in cases {
        let answer = ask(&anatomies[&case.model], &case.target);
        let said: Vec<String> = answer
            .findings
            .iter()
            .filter(|finding| finding.verdict == answer.verdict)
            .map(|finding| format!("{} [{}]", finding.words, finding.cure.as_deref().unwrap_or("")))
            .collect();
        let expected = answer.verdict.to_string() == case.verdict;
        if !expected || !said.iter().any(|words| words.contains(&case.words)) {
            wrong.push(format!(
                "{} on {}: {} expected ({}; {}), {}: {said:#?}",
                case.model, case.target, case.verdict, case.words, case.source, answer.verdict
            ));
        }
    }
    wrong
}

#[test]
fn known_cases_have_their_answers() {
    let cases: Vec<Case> = rows(include_str!("model_support/cases.csv"));
    assert!(cases.len() >= 60, "{}", cases.len());
    assert!(cases.iter().all(|case| !case.source.is_empty()));
    let wrong = wrong(&cases);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_releases_of_onnx_runtime_load_is_what_the_tables_say() {
    #[derive(Deserialize)]
    struct Loaded {
        model: String,
        release: String,
        loads: String,
    }
    let loaded: Vec<Loaded> = rows(include_str!("model_support/onnxruntime.csv"));
    assert!(loaded.len() > 300);
    let models = models();
    let mut wrong = Vec::new();
    for Loaded { model, release, loads } in loaded {
        let answer = ask(&models[&model].anatomy(), &format!("onnxruntime:{release}"));
        let agrees = match answer.verdict {
            Verdict::Fits => loads == "yes",
            Verdict::DoesNotFit => loads == "no",
            // Nothing wrong is said; how often that is so is bounded by the cases.
            _ => true,
        };
        if !agrees {
            wrong.push(format!("{model} on {release}: loads: {loads}; {:#?}", answer.findings));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn an_engine_runs_in_the_release_that_built_it_alone() {
    let release = Release { product: Product::TensorRt, major: 8, minor: 6, patch: 1 };
    let engine = |release| {
        let mut anatomy = Described { format: "onnx".to_owned(), ..Described::default() }.anatomy();
        anatomy.format = Format::TensorRtEngine(release);
        anatomy.graph = None;
        anatomy
    };
    let verdict = |anatomy: &Anatomy, target| ask(anatomy, target).verdict;
    let built = engine(release);
    assert_eq!(verdict(&built, "tensorrt:8.6.1"), Verdict::Fits);
    assert_eq!(verdict(&built, "tensorrt:8.6.0"), Verdict::DoesNotFit);
    assert_eq!(verdict(&built, "tensorrt:10.3.0"), Verdict::DoesNotFit);
    assert_eq!(verdict(&built, "tensorrt:8.6"), Verdict::Unknown);
    assert_eq!(verdict(&built, "tensorrt:8.6.1,sm86"), Verdict::Unknown);
    assert_eq!(verdict(&built, "onnxruntime:1.17"), Verdict::DoesNotFit);
    let rtx = engine(Release { product: Product::Rtx, major: 8, minor: 6, patch: 1 });
    assert_eq!(verdict(&rtx, "tensorrt:8.6.1"), Verdict::DoesNotFit);
}

#[test]
fn what_is_no_model_for_a_runtime_is_refused_with_a_cure() {
    let described = |format: &str| Described { format: format.to_owned(), ..Described::default() };
    let answer = ask(&described("pdmodel").anatomy(), "tensorrt:10.3");
    assert_eq!(answer.verdict, Verdict::DoesNotFit);
    assert!(answer.findings[0].cure.as_deref().unwrap().contains("docs/MODELS.md"));
    assert_eq!(ask(&described("onnx").anatomy(), "paddle:2.6").verdict, Verdict::DoesNotFit);
}

#[test]
fn every_finding_names_its_source() {
    let targets = ["onnxruntime:1.17", "tensorrt:8.5,sm61", "tensorrt:11.2", "paddle:2.3.2"];
    for described in models().values() {
        for target in targets {
            let answer = ask(&described.anatomy(), target);
            assert!(!answer.findings.is_empty(), "{} on {target}", described.model);
            for finding in answer.findings {
                assert!(!finding.source.is_empty() && !finding.words.is_empty(), "{finding:?}");
            }
        }
    }
}

proptest! {
    #[test]
    fn any_graph_gets_an_answer(
        operator in "[A-Za-z_0-9]{0,12}",
        domain in "(|ai.onnx|com.microsoft|TRT|[a-z.]{1,6})",
        opset in 0_u64..=u64::MAX,
        ids in proptest::collection::vec(any::<u32>(), 0..6),
        target in "(onnxruntime|tensorrt|paddle):[0-9]{1,9}\\.[0-9]{1,3}",
    ) {
        let known = ["onnx", "pdmodel", "pir"];
        for format in known {
            let described = Described { format: format.to_owned(), ..Described::default() };
            let mut anatomy = described.anatomy();
            anatomy.opsets = BTreeMap::from([("ai.onnx".to_owned(), opset), ("pir".to_owned(), opset)]);
            let inputs: Vec<_> = ids.iter().map(|&id| Some(ValueId(id))).collect();
            let names = [operator.as_str(), "TopK", "QuantizeLinear", "squeeze2", "elementwise_add"];
            anatomy.graph.as_mut().unwrap().nodes = names
                .map(|name| Node {
                    operator: name.to_owned(),
                    domain: domain.clone(),
                    inputs: inputs.clone(),
                    outputs: inputs.clone(),
                    ..Node::default()
                })
                .to_vec();
            prop_assert!(!ask(&anatomy, &target).findings.is_empty());
        }
    }
}
