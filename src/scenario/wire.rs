//! The scenario file as it is written: TOML, every key known, nothing checked beyond types.
//! docs/SCENARIOS.md explains each key; `scenarios/schema.json` is made from these types.

use super::{
    family::{Normalization, Postprocess},
    host::HostOptions,
    options::{DeviceOptions, EngineOptions},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, path::PathBuf};

/// Version of the scenario format that this build reads.
pub const SCHEMA: u32 = 1;

/// A trtbench scenario: what to measure, on what, and how long.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Scenario")]
pub struct File {
    /// Version of this format; 1.
    pub schema: u32,
    /// Name of the scenario; part of the run's name.
    pub name: String,
    /// Models; several are an axis of the matrix.
    pub model: Vec<ModelEntry>,
    /// Axes; every combination is a cell.
    pub matrix: Matrix,
    /// What the models are fed with.
    pub input: Input,
    /// How long and how often to measure.
    #[serde(default)]
    pub measure: Measure,
    /// Which detections are reported, for all models; a model's own keys go first.
    #[serde(default)]
    pub postprocess: Postprocess,
    /// How the host computes its own stages.
    #[serde(default)]
    pub host: HostOptions,
    /// Options of single engines.
    #[serde(default)]
    pub engine: EngineOptions,
    /// Options of single devices, by what `matrix.device` calls them.
    #[serde(default)]
    pub device: BTreeMap<String, DeviceOptions>,
}

/// `[[model]]`: one model file. Exactly one of `path` and `fetch` is given.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelEntry {
    /// Name in results; part of the cell's identity, so keep it when the file is replaced.
    pub name: String,
    /// Model file, relative to the scenario file.
    pub path: Option<PathBuf>,
    /// Name of a model that `trtbench fetch models` brings.
    pub fetch: Option<String>,
    /// Family: decides pre- and post-processing.
    pub family: String,
    /// File with the names of the classes, relative to the scenario file: text, one a line, or
    /// PaddleDetection's `infer_cfg.yml`. Without it the names in the model file, then those of the
    /// data set that the family's models are trained on.
    pub classes: Option<PathBuf>,
    /// What the input values are, for families whose models do not tell: `ppyoloe`.
    pub normalize: Option<Normalization>,
    /// Which detections of this model are reported.
    #[serde(default)]
    pub postprocess: Postprocess,
}

/// `[matrix]`: every axis is a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Matrix {
    /// Engines by name.
    pub engine: Vec<String>,
    /// Devices: `cpu`, `gpu:all`, `gpu:<index>`, `gpu:<uuid>` or `gpu:<part of the name>`.
    #[serde(default = "only_cpu")]
    pub device: Vec<String>,
    /// Precisions asked for.
    #[serde(default = "only_fp32")]
    pub precision: Vec<Precision>,
    /// Images per run of the network.
    #[serde(default = "only_one")]
    pub batch: Vec<u32>,
    /// How runs follow each other.
    #[serde(default = "only_serial")]
    pub mode: Vec<Mode>,
    /// Inference threads.
    #[serde(default = "only_one")]
    pub threads: Vec<u32>,
}

/// Numeric precision of a network.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 32 bit floats.
    Fp32,
    /// 16 bit floats.
    Fp16,
    /// 8 bit integers.
    Int8,
}

/// How the runs of a network follow each other.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// One after the other: an iteration starts when the one before it has ended.
    Serial,
}

/// `[input]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Image files: a file, a folder or a pattern with `*`, `?`, `**`, `[…]` or `{…}`, or a list
    /// of these; relative to the scenario file.
    pub images: OneOrMany,
}

/// A string or a list of strings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "a string or a list of strings")]
pub enum OneOrMany {
    /// One.
    One(String),
    /// Several.
    Many(Vec<String>),
}

/// `[measure]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Measure {
    /// Worker processes per cell.
    pub launches: u32,
    /// Half-width of the confidence interval of the end-to-end median, relative to the median, at
    /// which a launch may stop.
    pub target: f64,
    /// Confidence level of all intervals.
    pub confidence: f64,
    /// A launch does not stop before it has measured this long, warm-up included.
    pub min_seconds: f64,
    /// A launch stops after it has measured this long, warm-up included.
    pub max_seconds: f64,
    /// A launch does not stop before it has this many iterations after the warm-up.
    pub min_samples: u32,
    /// A launch stops after this many iterations, warm-up included.
    pub max_samples: u32,
    /// Seconds a launch may take beyond `max_seconds`, for loading the model and for ending,
    /// before it is killed.
    pub timeout_seconds: f64,
    /// Address space that a worker may use, in MiB; without it no limit.
    pub max_memory_mib: Option<u64>,
    /// Whether each layer is timed too, by the engine's own profiler, in a process of its own after a
    /// cell's first launch.
    pub layers: bool,
}

impl Default for Measure {
    fn default() -> Self {
        Self {
            launches: 5,
            target: 0.01,
            confidence: 0.95,
            min_seconds: 0.5,
            max_seconds: 20.0,
            min_samples: 50,
            max_samples: 100_000,
            timeout_seconds: 120.0,
            max_memory_mib: None,
            layers: false,
        }
    }
}

impl Precision {
    /// Name in scenarios and results.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fp32 => "fp32",
            Self::Fp16 => "fp16",
            Self::Int8 => "int8",
        }
    }
}

impl Mode {
    /// Name in scenarios and results.
    pub fn name(self) -> &'static str {
        match self {
            Self::Serial => "serial",
        }
    }
}

impl std::fmt::Display for Precision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

impl std::fmt::Display for Mode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

fn only_cpu() -> Vec<String> {
    vec!["cpu".to_owned()]
}

fn only_fp32() -> Vec<Precision> {
    vec![Precision::Fp32]
}

fn only_one() -> Vec<u32> {
    vec![1]
}

fn only_serial() -> Vec<Mode> {
    vec![Mode::Serial]
}

/// JSON Schema of the format, for editors.
pub fn json_schema() -> serde_json::Value {
    schemars::schema_for!(File).into()
}
