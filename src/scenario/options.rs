//! Keys of a scenario that one engine alone understands. Named here because the file format is
//! one; what they mean is the engine's business.

use crate::cuda::Wait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, path::PathBuf};

/// `[engine.*]`: options of single engines.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EngineOptions {
    /// ONNX Runtime.
    pub ort: OrtOptions,
    /// TensorRT itself.
    pub tensorrt: TensorRtOptions,
    /// The empty engine, for tests and for the cost of the harness itself.
    pub null: NullOptions,
}

/// `[engine.ort]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OrtOptions {
    /// The ONNX Runtime shared library, relative to the scenario file. Without it:
    /// `ORT_DYLIB_PATH`, then what `trtbench fetch runtime` brought.
    pub library: Option<PathBuf>,
    /// Whether the CPU memory arena is used.
    pub arena: bool,
    /// How far ONNX Runtime rewrites the graph at load time.
    pub optimization: Optimization,
    /// Execution provider on a card; on the CPU it is always ONNX Runtime's own.
    pub provider: Provider,
    /// Whether the CUDA provider may compute 32 bit floats in TF32, which it does by itself from
    /// compute capability 8.0 on: 10 bits of mantissa instead of 23.
    pub tf32: bool,
    /// Whether the TensorRT provider keeps built engines and timings for the next launch.
    pub engine_cache: bool,
    /// How tensors reach a card and come back.
    pub transfers: Transfers,
    /// Whether inference on a card is recorded once as a CUDA graph and then launched as a whole.
    pub cuda_graph: bool,
    /// How the host waits for a card.
    pub wait: Wait,
    /// Streams on a card: 1, or 3 for one each for transfers to it, inference and transfers from
    /// it.
    pub streams: u32,
    /// What pre-processes for a card.
    pub preprocess: PreprocessOn,
}

/// `[engine.tensorrt]`: TensorRT itself, without ONNX Runtime.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TensorRtOptions {
    /// The TensorRT library (`libnvinfer.so.…`), relative to the scenario file; `tensorrt_library`
    /// of a device goes before it. Without both the one that the loader finds.
    pub library: Option<PathBuf>,
    /// Whether 32 bit floats may be computed in TF32, which TensorRT does by itself from compute
    /// capability 8.0 on: 10 bits of mantissa instead of 23.
    pub tf32: bool,
    /// Whether one engine is built for each batch or one for all batches of the scenario.
    pub profile: Profile,
    /// Memory that a layer may use while it computes, in MiB; without it all that the card has.
    pub workspace_mib: Option<u64>,
    /// How long TensorRT looks for faster kernels, 0 to 5; without it its own default. From 8.6 on.
    pub optimization_level: Option<u8>,
    /// Execution contexts that share a batch evenly, each in a stream of its own, at the same time.
    pub contexts: u32,
    /// Whether built engines are kept for later runs.
    pub engine_cache: bool,
    /// Whether measured times of kernels are kept for later builds.
    pub timing_cache: bool,
    /// Seconds a build may take before it is stopped.
    pub build_timeout_seconds: f64,
    /// How tensors reach a card and come back.
    pub transfers: Transfers,
    /// Whether inference on a card is recorded once as a CUDA graph and then launched as a whole.
    pub cuda_graph: bool,
    /// How the host waits for a card.
    pub wait: Wait,
    /// Streams on a card: 1, or 3 for one each for transfers to it, inference and transfers from
    /// it.
    pub streams: u32,
    /// What pre-processes for a card.
    pub preprocess: PreprocessOn,
}

/// For which batches a TensorRT engine is built.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// For the cell's batch alone, which is fastest: one engine for each.
    #[default]
    Batch,
    /// One for all batches of the scenario, from the smallest to the largest, fitted to the
    /// largest.
    Range,
}

/// ONNX Runtime's execution provider on a card.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// CUDA kernels, cuDNN and cuBLAS.
    #[default]
    Cuda,
    /// TensorRT; what it does not take falls to CUDA, and the cell is marked.
    TensorRt,
}

/// How tensors reach a card and come back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Transfers {
    /// From and to page-locked memory, which the card reaches directly.
    #[default]
    Pinned,
    /// From and to ordinary memory, which the driver copies once more.
    Pageable,
    /// Once, in the first iteration: every later one computes on the same input and is no end to
    /// end.
    None,
}

/// What turns decoded images into the input of a model on a card.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PreprocessOn {
    /// The host; inputs travel to the card.
    #[default]
    Cpu,
    /// The card, by a kernel that gives the same values; decoded images travel.
    Gpu,
}

/// What a scenario says about the work on a card, whatever the engine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CardOptions {
    /// How tensors travel.
    pub transfers: Transfers,
    /// Whether inference is launched as a graph.
    pub cuda_graph: bool,
    /// How the host waits.
    pub wait: Wait,
    /// Whether transfers have streams of their own.
    pub own_streams: bool,
    /// What pre-processes.
    pub preprocess: PreprocessOn,
}

/// `[device."gpu:…"]`: what holds on that device alone.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DeviceOptions {
    /// The TensorRT library for this device, relative to the scenario file; the others of its
    /// release are taken from the same folder.
    pub tensorrt_library: Option<PathBuf>,
    /// The ONNX Runtime library for this device, relative to the scenario file.
    pub ort_library: Option<PathBuf>,
    /// Clock in MHz at which the card's multiprocessors are held while its cells are measured. It
    /// needs the right to set clocks, and is undone whatever happens.
    pub lock_clock_mhz: Option<u32>,
}

/// Graph optimisation level of ONNX Runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Optimization {
    /// None.
    Disable,
    /// Constant folding and redundant nodes.
    Basic,
    /// Also fused operators.
    Extended,
    /// Also changed memory layouts.
    All,
}

/// `[engine.null]`: an engine that computes nothing and can be told to misbehave. On a card it
/// moves the tensors there and back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NullOptions {
    /// Microseconds that inference spins the processor; 0 returns at once.
    pub spin_us: u64,
    /// Steps of dependent arithmetic that inference takes, about a nanosecond each: unlike
    /// `spin_us` it slows down with the processor, as real work does.
    pub work: u64,
    /// The same for single models, by the name of their file without its extension.
    pub work_of: BTreeMap<String, u64>,
    /// How tensors reach a card and come back.
    pub transfers: Transfers,
    /// Whether the work on a card is recorded once as a CUDA graph and then launched as a whole.
    pub cuda_graph: bool,
    /// How the host waits for a card.
    pub wait: Wait,
    /// Streams on a card: 1, or 3 for one each for transfers to it, its work and transfers from it.
    pub streams: u32,
    /// What pre-processes for a card.
    pub preprocess: PreprocessOn,
    /// What goes wrong.
    pub fault: Option<Fault>,
    /// In which launches (counted from 0) it goes wrong; empty means in all.
    pub fault_launches: Vec<u32>,
    /// In which iteration (counted from 0) it goes wrong.
    pub fault_iteration: u64,
    /// Whether it goes wrong not in a launch but where layers are timed.
    pub fault_layers: bool,
}

/// Ways in which the empty engine can fail a launch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// Returns an error.
    Error,
    /// Panics.
    Panic,
    /// Kills its process with SIGSEGV.
    Segfault,
    /// Kills its process with SIGKILL, as the kernel does when memory runs out.
    Kill,
    /// Never returns.
    Hang,
    /// Allocates until the limit on memory.
    ExhaustMemory,
    /// Writes to standard output what is no message.
    Garbage,
    /// Ends the process with exit code 0 before the result.
    Exit,
}

impl Default for OrtOptions {
    fn default() -> Self {
        Self {
            library: None,
            arena: true,
            optimization: Optimization::All,
            provider: Provider::default(),
            tf32: true,
            engine_cache: true,
            transfers: Transfers::default(),
            cuda_graph: false,
            wait: Wait::default(),
            streams: 1,
            preprocess: PreprocessOn::default(),
        }
    }
}

impl Default for TensorRtOptions {
    fn default() -> Self {
        Self {
            library: None,
            tf32: true,
            profile: Profile::default(),
            workspace_mib: None,
            optimization_level: None,
            contexts: 1,
            engine_cache: true,
            timing_cache: true,
            build_timeout_seconds: 3600.0,
            transfers: Transfers::default(),
            cuda_graph: false,
            wait: Wait::default(),
            streams: 1,
            preprocess: PreprocessOn::default(),
        }
    }
}

impl Default for NullOptions {
    fn default() -> Self {
        Self {
            spin_us: 0,
            work: 0,
            work_of: BTreeMap::new(),
            transfers: Transfers::default(),
            cuda_graph: false,
            wait: Wait::default(),
            streams: 1,
            preprocess: PreprocessOn::default(),
            fault: None,
            fault_launches: Vec::new(),
            fault_iteration: 0,
            fault_layers: false,
        }
    }
}

impl OrtOptions {
    /// Those about the work on a card.
    pub fn card(&self) -> CardOptions {
        let Self { transfers, cuda_graph, wait, preprocess, .. } = *self;
        CardOptions { transfers, cuda_graph, wait, own_streams: self.streams > 1, preprocess }
    }
}

impl TensorRtOptions {
    /// Those about the work on a card.
    pub fn card(&self) -> CardOptions {
        let Self { transfers, cuda_graph, wait, preprocess, .. } = *self;
        CardOptions { transfers, cuda_graph, wait, own_streams: self.streams > 1, preprocess }
    }
}

impl NullOptions {
    /// Those about the work on a card.
    pub fn card(&self) -> CardOptions {
        let Self { transfers, cuda_graph, wait, preprocess, .. } = *self;
        CardOptions { transfers, cuda_graph, wait, own_streams: self.streams > 1, preprocess }
    }
}

impl Provider {
    /// Name in scenarios.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cuda => "cuda",
            Self::TensorRt => "tensorrt",
        }
    }
}
