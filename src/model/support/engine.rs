//! Engines that TensorRT has built: only the release that built one runs it. Reads no engine.

use super::target::Target;
use crate::{
    device::compatibility::{Confidence, Evidence, Finding, Verdict, Version},
    tensorrt::{Product, Release},
};

const HEADER: Evidence = Evidence {
    source: "the release in the engine's header; NVIDIA's developer guide: engines are for the \
             release and the card that they were built with",
    confidence: Confidence::Confirmed,
};

/// Whether the target's release runs an engine that `built` wrote.
pub fn judge(built: Release, target: &Target) -> Vec<Finding> {
    let subject = format!("an engine of TensorRT {built} on {target}");
    let says = |verdict, words: String| HEADER.says(verdict, &subject, words);
    let rebuild = format!("build it again with TensorRT {} from the ONNX file", target.version);
    let exact = Version::parse(&built.to_string()).filter(|_| built.product == Product::TensorRt);
    let Some(exact) = exact.filter(|exact| target.version.against(exact).is_eq()) else {
        let words = format!(
            "the engine was built by TensorRT {built}: an engine runs in the release that built it"
        );
        return vec![says(Verdict::DoesNotFit, words).cured_by(rebuild)];
    };
    let runs = match target.version.at_least(&exact) {
        Some(_) => says(Verdict::Fits, format!("the engine was built by TensorRT {built}")),
        None => {
            let words = format!(
                "the engine was built by TensorRT {built}, and of {} only that release runs it",
                target.version
            );
            says(Verdict::Unknown, words).cured_by(format!("ask for tensorrt:{built}"))
        }
    };
    let card = "it runs on the card that it was built for; which one that is the file does not say";
    let verdict = if target.card.is_some() { Verdict::Unknown } else { Verdict::Note };
    vec![runs, says(verdict, card.to_owned())]
}
