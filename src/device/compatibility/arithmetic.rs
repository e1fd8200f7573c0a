//! Arithmetic: what the card computes in it with, and what that is worth. Holds no versions.

use super::{
    Arithmetic, Facts, Finding, PrecisionBy, Provider, Verdict, Wish,
    findings::{Confidence, Evidence},
    tables::{self, Capability, Means, NO_ROW},
};
use std::fmt;

const MEMORY_TRAFFIC: Evidence = Evidence {
    source: "timings of detection models recorded on a GTX 1080 Ti, half against single precision",
    confidence: Confidence::Secondary,
};

const QUANTISED: Evidence = Evidence {
    source: "https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html",
    confidence: Confidence::Derived,
};

impl fmt::Display for Arithmetic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Fp32 => "FP32",
            Self::Fp16 => "FP16",
            Self::Int8 => "INT8",
        })
    }
}

/// What the card makes of the arithmetic, and the CUDA provider of the way it is asked for.
pub fn judge(facts: &Facts, wish: &Wish) -> Vec<Finding> {
    let mut findings = match tables::capability(facts.capability) {
        Some(row) => on_card(facts, wish.arithmetic, row),
        None => {
            let subject = format!("compute capability {}", facts.capability);
            vec![NO_ROW.says(Verdict::Unknown, &subject, "it is not in the table")]
        }
    };
    if wish.provider == Provider::OrtCuda {
        findings.extend(cuda_provider(wish));
    }
    findings
}

fn on_card(facts: &Facts, arithmetic: Arithmetic, row: &'static Capability) -> Vec<Finding> {
    let card = facts.capability;
    let subject = format!("{arithmetic} on compute capability {card} ({})", row.architecture);
    let means = match arithmetic {
        Arithmetic::Fp32 => Means::Arithmetic,
        Arithmetic::Fp16 => row.fp16,
        Arithmetic::Int8 => row.int8,
    };
    let says = |verdict, words: &str| row.evidence().says(verdict, &subject, words);
    match means {
        Means::TensorCores => vec![says(Verdict::Fits, "computed by tensor cores")],
        Means::Arithmetic => {
            let fits = says(Verdict::Fits, "computed by plain instructions");
            let slow = (arithmetic == Arithmetic::Fp16).then(|| slow_half(row, &subject)).flatten();
            std::iter::once(fits).chain(slow).collect()
        }
        Means::Dp4a => vec![
            says(Verdict::Fits, "computed by the dp4a instruction"),
            says(Verdict::Note, "there are no tensor cores for it: about four times FP32's rate"),
        ],
        Means::None => {
            let words = "the card has no instructions for it; what the library does is not known";
            vec![says(Verdict::Unknown, words)]
        }
    }
}

/// A note where FP16 is slower than FP32 by the card's instructions.
fn slow_half(row: &'static Capability, subject: &str) -> Option<Finding> {
    let rate = row.fp16_rate.filter(|rate| rate.ratio().0 < 1.0)?;
    let words = format!(
        "FP16 arithmetic runs at {rate} of FP32's rate; half the memory traffic may still help: on a \
         GTX 1080 Ti FP16 took 8 to 21 % less time"
    );
    Some(MEMORY_TRAFFIC.says(Verdict::Note, subject, words))
}

fn cuda_provider(wish: &Wish) -> Option<Finding> {
    let arithmetic = wish.arithmetic;
    let subject = format!("{arithmetic} in ONNX Runtime's CUDA provider");
    match (arithmetic, wish.precision_by) {
        (Arithmetic::Fp32, _) | (Arithmetic::Fp16, PrecisionBy::Graph) => None,
        (Arithmetic::Fp16 | Arithmetic::Int8, PrecisionBy::Flag) => {
            let words = "it has no precision flag: the types are those of the graph";
            let cure = "put the precision into the model file, or use the TensorRT provider";
            let finding = QUANTISED.says(Verdict::DoesNotFit, &subject, words);
            Some(finding.cured_by(cure.to_owned()))
        }
        (Arithmetic::Int8, PrecisionBy::Graph) => {
            let words = "quantise and dequantise nodes run, but what is between them is computed in \
                         floating point; the TensorRT provider computes in INT8";
            Some(QUANTISED.says(Verdict::Note, &subject, words))
        }
    }
}
