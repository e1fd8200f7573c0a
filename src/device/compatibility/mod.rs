//! What fits what: cards, drivers, CUDA, cuDNN, TensorRT, ONNX Runtime and models, by tables. Pure
//! functions; looks at no hardware and loads no library.
//!
//! What the tables do not know is unknown, never taken to fit. A new release is a new row in one of
//! the CSV files here, each of which says at its head what its columns mean.

mod arithmetic;
mod cuda;
mod cudnn;
mod findings;
mod onnxruntime;
mod tables;
mod tensorrt;
mod version;

pub use crate::cuda::ComputeCapability;
pub use findings::{Confidence, Evidence, Finding, Verdict, overall};
pub use version::Version;

use std::ops::RangeInclusive;

/// Whose drivers and libraries are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Platform {
    /// Linux.
    Linux,
    /// Windows.
    Windows,
}

/// A library as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Library {
    /// The loader does not find it.
    NotFound,
    /// It is there, or may be, but its version could not be told.
    Unreadable,
    /// It is there.
    Found(Version),
}

/// ONNX Runtime as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnnxRuntime {
    /// The library.
    pub library: Library,
    /// Whether it is a build with GPU providers; none if that could not be told.
    pub gpu: Option<bool>,
}

/// What is on a machine, for one of its cards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// What scenarios call the card, such as `gpu:1050`; cures name it.
    pub card: String,
    /// The card's compute capability.
    pub capability: ComputeCapability,
    /// The operating system.
    pub platform: Platform,
    /// Version of the driver, if known.
    pub driver: Option<Version>,
    /// The latest CUDA version that the driver says it serves, if known.
    pub driver_cuda: Option<Version>,
    /// libnvinfer.
    pub tensorrt: Library,
    /// libcudnn.
    pub cudnn: Library,
    /// libcudart, the one that would be loaded.
    pub cuda_runtime: Library,
    /// libnvrtc.
    pub nvrtc: Library,
    /// ONNX Runtime.
    pub onnxruntime: OnnxRuntime,
}

impl Facts {
    /// A card of which nothing but its compute capability is known, on a machine without libraries.
    fn of_card_alone(capability: ComputeCapability) -> Self {
        Self {
            card: "gpu:0".to_owned(),
            capability,
            platform: Platform::Linux,
            driver: None,
            driver_cuda: None,
            tensorrt: Library::NotFound,
            cudnn: Library::NotFound,
            cuda_runtime: Library::NotFound,
            nvrtc: Library::NotFound,
            onnxruntime: OnnxRuntime { library: Library::NotFound, gpu: None },
        }
    }

    fn windows(&self) -> bool {
        self.platform == Platform::Windows
    }
}

/// Who is to run the model on the card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provider {
    /// ONNX Runtime's CUDA provider.
    OrtCuda,
    /// ONNX Runtime's TensorRT provider.
    OrtTensorRt,
    /// TensorRT itself.
    TensorRt,
}

/// What numbers are to be computed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arithmetic {
    /// 32 bit floating point.
    Fp32,
    /// 16 bit floating point.
    Fp16,
    /// 8 bit integers.
    Int8,
}

/// How a precision below FP32 is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrecisionBy {
    /// By a flag of the engine's builder; INT8 with a calibrator.
    Flag,
    /// By the types in the graph: FP16 weights, quantise and dequantise nodes.
    Graph,
}

/// What is asked of the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// Who runs the model.
    pub provider: Provider,
    /// In which arithmetic.
    pub arithmetic: Arithmetic,
    /// How that is asked for.
    pub precision_by: PrecisionBy,
    /// The model's ONNX operator set; none where no model is to be judged.
    pub opset: Option<u32>,
    /// Whether kernels of our own are to be compiled for the card, which takes NVRTC.
    pub own_kernels: bool,
}

impl Wish {
    /// A model for TensorRT whose types are those of its graph.
    fn of_tensorrt(opset: Option<u32>) -> Self {
        let (provider, precision_by) = (Provider::TensorRt, PrecisionBy::Graph);
        Self { provider, arithmetic: Arithmetic::Fp32, precision_by, opset, own_kernels: false }
    }

    /// Whether the builder has to take a precision flag.
    fn needs_flag(&self) -> bool {
        self.precision_by == PrecisionBy::Flag && self.arithmetic != Arithmetic::Fp32
    }
}

/// Whether that TensorRT supports a card, where the tables have the release.
pub fn tensorrt_supports(version: &Version, capability: ComputeCapability) -> Option<bool> {
    tables::TensorRt::of(version).map(|row| row.supports(capability))
}

/// What a release of TensorRT makes of a card and of a model's operator set, whatever else is on a
/// machine. Of a release that is named by two numbers that patch is judged which fits best.
pub fn tensorrt_alone(
    version: &Version,
    card: Option<ComputeCapability>,
    opset: Option<u32>,
) -> Vec<Finding> {
    tensorrt::alone(version, card, opset)
}

/// What a release of ONNX Runtime makes of a model's operator set, whatever else is on a machine.
pub fn onnxruntime_alone(version: &Version, opset: u32) -> Vec<Finding> {
    onnxruntime::alone(version, opset)
}

/// Judges what is asked for by what is there; one finding at least. [`overall`] sums them up.
pub fn judge(facts: &Facts, wish: &Wish) -> Vec<Finding> {
    let mut findings = match wish.provider {
        Provider::TensorRt => tensorrt::judge(facts, wish),
        Provider::OrtCuda | Provider::OrtTensorRt => onnxruntime::judge(facts, wish),
    };
    findings.extend(arithmetic::judge(facts, wish));
    if wish.own_kernels {
        findings.push(cuda::compiler(facts));
    }
    findings
}

/// The operator sets that something reads.
struct Opsets {
    known: RangeInclusive<u32>,
    /// The highest that some source mentions.
    possible: u32,
    evidence: Evidence,
}

impl Opsets {
    /// Whether `name`, which reads these, reads the model's.
    fn judge(self, opset: Option<u32>, name: &str) -> Option<Finding> {
        let opset = opset?;
        let (min, max) = (self.known.start(), self.known.end());
        let subject = format!("ONNX operator set {opset} in {name}");
        let (verdict, words) = if self.known.contains(&opset) {
            (Verdict::Fits, format!("{name} reads ONNX operator sets up to {max}"))
        } else if opset <= self.possible || opset > tables::newest_opset() {
            let words = format!("only operator sets {min} to {max} are known to be read by {name}");
            (Verdict::Unknown, words)
        } else {
            let words = format!("{name} reads operator sets up to {max}; the model has {opset}");
            (Verdict::DoesNotFit, words)
        };
        let cure = format!("export the model with operator set {max} or lower");
        let cure = (verdict != Verdict::Fits && opset > *max).then_some(cure);
        Some(self.evidence.says(verdict, &subject, words).cured_by(cure))
    }
}

/// `11`, `11 and 12`, `11, 12 and 13`.
fn listed(numbers: &[u32]) -> String {
    let words: Vec<String> = numbers.iter().map(u32::to_string).collect();
    match words.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => words.concat(),
    }
}
