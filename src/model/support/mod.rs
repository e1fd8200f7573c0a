//! Will a model run there: what releases of ONNX Runtime, TensorRT and Paddle make of its operators,
//! its operator set and its types, by tables. Looks at no machine and loads no library.
//!
//! What no source settles is unknown, never taken to run. Each CSV file here says at its head what
//! its columns mean; each of its rows names what it was read from or measured with.

mod engine;
mod onnxruntime;
mod paddle;
mod tables;
mod target;
mod tensorrt;
mod used;

pub use target::{Malformed, Runtime, Target};

use super::{
    Anatomy, Format,
    graph::{
        cost::{Error, GivenInputs, Unknown, cost},
        infer::Reason,
    },
};
use crate::device::compatibility::{Confidence, Evidence, Finding, Verdict, overall};

/// What stands for something that follows from the model file alone.
const FORMAT: Evidence = Evidence {
    source: "the formats that the runtime reads, by its documentation",
    confidence: Confidence::Confirmed,
};

/// What stands for something that the graph itself tells.
const GRAPH: Evidence =
    Evidence { source: "the graph in the file, by ONNX's rules", confidence: Confidence::Derived };

/// What stands for something of which no row speaks.
const NO_ROW: Evidence = Evidence {
    source: "no row of the tables in src/model/support",
    confidence: Confidence::Derived,
};

/// Whether a model runs on a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The sum of the findings: does not fit where one of them does not, else unknown where one of
    /// them is, else fits.
    pub verdict: Verdict,
    /// What was looked at; one at least.
    pub findings: Vec<Finding>,
}

/// Whether the model runs on `target`.
pub fn judge(anatomy: &Anatomy, target: &Target) -> Answer {
    let findings = match (target.runtime, anatomy.format) {
        (Runtime::OnnxRuntime, Format::Onnx) => onnxruntime::judge(anatomy, &target.version),
        (Runtime::TensorRt, Format::Onnx) => tensorrt::judge(anatomy, target),
        (Runtime::TensorRt, Format::TensorRtEngine(release)) => engine::judge(release, target),
        (Runtime::Paddle, Format::PaddleProgram) => paddle::program(anatomy, &target.version),
        (Runtime::Paddle, Format::PaddlePir) => paddle::pir(anatomy, &target.version),
        (_, format) => vec![other_format(format, target)],
    };
    let doubts = match anatomy.format {
        Format::Onnx => doubts(anatomy, target),
        _ => Vec::new(),
    };
    let findings: Vec<Finding> = findings.into_iter().chain(doubts).collect();
    Answer { verdict: overall(&findings), findings }
}

/// What is wrong with a graph whoever runs it, and what was not looked at in it.
fn doubts(anatomy: &Anatomy, target: &Target) -> Vec<Finding> {
    let Some(graph) = &anatomy.graph else { return Vec::new() };
    let subject = format!("the graph on {target}");
    let opset = anatomy.opsets.get("ai.onnx").copied().unwrap_or(1);
    let mut findings = Vec::new();
    let invalid = |why: String| {
        GRAPH.says(Verdict::DoesNotFit, &subject, format!("the graph is not valid: {why}"))
    };
    match cost(graph, opset, &GivenInputs::new()) {
        Err(Error::Broken(broken)) => findings.push(invalid(broken.to_string())),
        Ok(cost) => {
            let nowhere = |unknown: &&Unknown| matches!(unknown.reason, Reason::Nowhere(_));
            let found = cost.unknown.iter().find(nowhere);
            findings.extend(found.map(|found| invalid(found.reason.to_string())));
        }
        Err(_) => {}
    }
    if !graph.functions.is_empty() {
        let words = format!(
            "the file defines {} operators itself, which were not looked into",
            graph.functions.len()
        );
        findings.push(GRAPH.says(Verdict::Unknown, &subject, words));
    }
    findings
}

/// A model in a format that the runtime does not read.
fn other_format(format: Format, target: &Target) -> Finding {
    let subject = format!("{format} on {target}");
    let (reads, cure) = match target.runtime {
        Runtime::OnnxRuntime | Runtime::TensorRt => {
            ("ONNX files", "export the model to ONNX: docs/MODELS.md")
        }
        Runtime::Paddle => {
            let cure = "export the model with paddle.jit.save or PaddleDetection's export_model.py";
            ("programs of Paddle (.pdmodel, and .json since 3.0)", cure)
        }
    };
    let words = format!("{} reads {reads}; this is {format}", target.runtime);
    FORMAT.says(Verdict::DoesNotFit, &subject, words).cured_by(cure.to_owned())
}

/// `Conv`, `Conv and Mul`, `Conv, Mul and Add`; of more than eight the first eight and how many more.
fn listed(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [only] => only.clone(),
        [.., last] if words.len() <= 8 => {
            format!("{} and {last}", words[..words.len() - 1].join(", "))
        }
        _ => format!("{} and {} more", words[..8].join(", "), words.len() - 8),
    }
}
