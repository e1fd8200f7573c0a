//! The types that a run folder holds. docs/RESULTS.md explains them to users.

use crate::{
    device::{Device, Inventory},
    engine::Runtime,
    os::{Conditions, FilePath, Host},
    runner::{
        Facts, Failure, HostStages, ImageFacts, Launched, LayerPass, ModelFacts, Outcome, Reason,
    },
    scenario::{Cell, CellId, DeviceOptions, EngineOptions, FamilyOptions, Measure},
    stats::{self, Summary},
    timing::{Flags, Sample, Span},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Version of `run.json` and of the records; raised on any change that an older reader would
/// misread.
pub const SCHEMA: u32 = 1;

/// `run.json`: everything needed to repeat a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunInfo {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The run's id.
    pub run: String,
    /// When it began, UTC.
    pub created: String,
    /// Version of trtbench.
    pub trtbench: String,
    /// SHA-256 of the program, hexadecimal; none where it cannot be read.
    pub program_sha256: Option<String>,
    /// The command line that made it.
    pub command: Vec<String>,
    /// The scenario.
    pub scenario: ScenarioInfo,
    /// The machine.
    pub host: Host,
    /// What each engine consists of.
    pub runtimes: BTreeMap<String, Runtime>,
    /// The models.
    pub models: Vec<ModelFacts>,
    /// The images in the order in which they were taken.
    pub images: Vec<ImageFacts>,
    /// Budget.
    pub measure: Measure,
    /// What the scenario says about each model's family, by the model's name.
    #[serde(default)]
    pub options: BTreeMap<String, FamilyOptions>,
    /// With what the host computed its own stages; none in runs made before there was a choice.
    #[serde(default)]
    pub host_stages: Option<HostStages>,
    /// Engine options.
    pub engine: EngineOptions,
    /// Options of single devices, by their name in the scenario.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub device: BTreeMap<String, DeviceOptions>,
    /// The driver and the cards as they were when the run began; none where none was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inventory: Option<Inventory>,
    /// All cells.
    pub cells: Vec<PlannedCell>,
}

/// Where a run's scenario came from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScenarioInfo {
    /// Its name.
    pub name: String,
    /// Its file.
    pub file: FilePath,
    /// The file's text.
    pub text: String,
    /// Overrides.
    pub set: Vec<String>,
}

/// A cell of a run and whether it can run there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlannedCell {
    /// Start of its file names.
    pub hash: String,
    /// Its id as text.
    pub name: String,
    /// The cell.
    #[serde(flatten)]
    pub cell: Cell,
    /// Why it cannot run there, if it cannot.
    pub skipped: Option<Reason>,
    /// What should be known about its card and libraries, and what of it nobody knows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// `launches/<hash>-<n>.json`: one launch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The run's id.
    pub run: String,
    /// The cell's id as text.
    pub name: String,
    /// The cell's id.
    pub cell: CellId,
    /// What it ran on.
    pub device: Device,
    /// Number of the launch, from 0.
    pub launch: u32,
    /// When it began, UTC.
    pub started: String,
    /// The machine's state then.
    pub conditions: Conditions,
    /// What came of it.
    pub outcome: RecordOutcome,
}

/// What came of a launch, without its samples.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordOutcome {
    /// Numbers; the samples are in a file of their own.
    Measured(Box<MeasuredRecord>),
    /// It should have run.
    Failed(Failure),
}

/// The numbers of a launch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MeasuredRecord {
    /// Iterations, warm-up included.
    pub iterations: usize,
    /// Iterations after the warm-up whose thread waited for a processor.
    pub preempted: usize,
    /// Iterations after the warm-up in which the card was held back.
    #[serde(default)]
    pub throttled: usize,
    /// Facts about the launch.
    #[serde(flatten)]
    pub facts: Facts,
    /// Summary of each stage that exists, without the warm-up.
    pub stages: BTreeMap<Span, Summary>,
    /// SHA-256 of the samples file.
    pub samples_sha256: String,
    /// What came of timing the layers; only where that was asked for, in a cell's first launch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layers: Option<LayersRecord>,
}

/// What came of timing the layers, without the times.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LayersRecord {
    /// The times are in a file of their own.
    Timed {
        /// SHA-256 of that file.
        sha256: String,
    },
    /// Why there are none.
    Unknown(Reason),
}

/// SHA-256 of the files beside a record, hexadecimal.
#[derive(Clone, Debug, Default)]
pub struct Digests {
    /// Of the samples.
    pub samples: String,
    /// Of the times of layers, if there are any.
    pub layers: String,
}

impl Record {
    /// The record of a launch whose other files have the given SHA-256.
    pub fn new(run: &str, launched: &Launched, level: f64, digests: Digests) -> Self {
        let outcome = match &launched.outcome {
            Outcome::Measured(measured) => RecordOutcome::Measured(Box::new(MeasuredRecord {
                iterations: measured.samples.len(),
                preempted: count(&measured.samples, |flags| flags.preempted),
                throttled: count(&measured.samples, |flags| flags.throttled),
                facts: measured.facts.clone(),
                stages: summaries(&measured.samples, level),
                samples_sha256: digests.samples,
                layers: measured.layers.as_ref().map(|pass| layers(pass, digests.layers)),
            })),
            Outcome::Failed(failure) => RecordOutcome::Failed(failure.clone()),
        };
        Self {
            schema: SCHEMA,
            run: run.to_owned(),
            name: launched.cell.id.to_string(),
            cell: launched.cell.id.clone(),
            device: launched.cell.device.clone(),
            launch: launched.launch,
            started: launched.started.clone(),
            conditions: launched.conditions.clone(),
            outcome,
        }
    }
}

fn layers(pass: &LayerPass, sha256: String) -> LayersRecord {
    match pass {
        LayerPass::Timed(_) => LayersRecord::Timed { sha256 },
        LayerPass::Unknown(reason) => LayersRecord::Unknown(reason.clone()),
    }
}

/// Number of iterations after the warm-up that are flagged so.
pub fn count(samples: &[Sample], flagged: impl Fn(&Flags) -> bool) -> usize {
    samples.iter().filter(|sample| !sample.flags.warmup && flagged(&sample.flags)).count()
}

fn summaries(samples: &[Sample], level: f64) -> BTreeMap<Span, Summary> {
    let steady: Vec<_> = samples.iter().filter(|sample| !sample.flags.warmup).collect();
    let summary = |span| {
        let series: Vec<_> = steady.iter().filter_map(|sample| sample.span(span)).collect();
        Some((span, stats::summarise(&series, level)?))
    };
    Span::ALL.into_iter().filter_map(summary).collect()
}
