//! What parent and worker say to each other: one JSON value per line. The parent writes one
//! [`Task`] and keeps the pipe open; a worker whose parent is gone sees the pipe end and stops.

use super::{HostStages, ImageFacts, Reason};
use crate::{
    cuda::Uuid,
    device::{
        Inventory, Kind,
        telemetry::{self, Telemetry},
    },
    engine::{self, Built, Layer, Place, Placement, Progress, Runtime},
    family::Detection,
    os::FilePath,
    scenario::{Cell, FamilyOptions, Measure, Precision},
    stats::Stop,
    timing::Sample,
    unit::Nanos,
};
use serde::{Deserialize, Serialize};

/// What a worker is asked to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// Say what an engine consists of here.
    Probe {
        /// Engine.
        engine: String,
        /// Where it would compute.
        place: Box<Place>,
    },
    /// Say which cards are here.
    Inventory,
    /// Build what the engine of that launch needs. Ends early when standard input ends.
    Build(Box<Job>),
    /// Measure one launch.
    Launch(Box<Job>),
    /// Find out where the nodes of that launch's model run.
    Place(Box<Job>),
    /// Time each layer of that launch's model.
    Layers {
        /// The launch.
        job: Box<Job>,
        /// Runs that count.
        runs: usize,
    },
    /// Hold a card's clock until standard input ends, then let it go.
    HoldClock {
        /// Card.
        uuid: Uuid,
        /// Clock of its multiprocessors, in MHz.
        mhz: u32,
    },
    /// Let go a card's clock that another worker has left behind.
    ReleaseClock {
        /// Card.
        uuid: Uuid,
    },
}

/// One launch of one cell.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Job {
    /// What to measure.
    pub cell: Cell,
    /// Number of the launch, from 0.
    pub launch: u32,
    /// Model file.
    pub model: FilePath,
    /// SHA-256 that it must have.
    pub model_sha256: Option<String>,
    /// Images in the order in which they are taken, with the SHA-256 that they must have.
    pub images: Vec<ImageFacts>,
    /// Budget.
    pub measure: Measure,
    /// With what the host computes its own stages.
    pub host: HostStages,
    /// What the scenario says about the model's family.
    pub options: FamilyOptions,
    /// How many class names the scenario gives; 0 if none.
    pub class_names: usize,
    /// What the scenario says about engines and this cell's device.
    pub place: Place,
    /// Whether to watch the card meanwhile.
    pub telemetry: bool,
    /// File in which the worker leaves the stage it is in.
    pub beacon: FilePath,
    /// Whether to send the detections on every image after measuring.
    pub detections: bool,
}

/// What a worker says.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Message {
    /// The answer to [`Task::Probe`].
    Runtime(Runtime),
    /// The answer to [`Task::Inventory`].
    Inventory(Box<Inventory>),
    /// The answer to [`Task::Place`].
    Placed(Placement),
    /// Still building.
    Building(Progress),
    /// The answer to [`Task::Build`].
    Built {
        /// What came of it; none of an engine that builds nothing.
        built: Option<Built>,
    },
    /// The answer to [`Task::Layers`].
    Layers {
        /// In the order of execution; none from an engine that has no profiler.
        layers: Option<Vec<Layer>>,
    },
    /// Still measuring.
    Progress {
        /// Iterations so far, warm-up included.
        iterations: usize,
        /// Time measured so far.
        elapsed: Nanos,
    },
    /// Detections on one image.
    Detections(ImageDetections),
    /// The task cannot be done.
    Refused {
        /// Why.
        reason: String,
    },
    /// The launch is complete.
    Finished(Box<Measured>),
    /// The clock is held from now on.
    Holding,
    /// The clock is let go.
    Released,
}

/// What was found on one image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ImageDetections {
    /// Image file.
    pub image: FilePath,
    /// Detections, best first.
    pub detections: Vec<Detection>,
}

/// Everything learned from one launch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// All iterations in order; those of the warm-up are flagged.
    pub samples: Vec<Sample>,
    /// Facts about the launch.
    pub facts: Facts,
    /// How the card was doing; none on the CPU, or where it was not to be watched.
    pub telemetry: Option<Telemetry>,
    /// What came of timing the layers; only where that was asked for, in a cell's first launch.
    #[serde(default)]
    pub layers: Option<LayerPass>,
}

/// What came of timing the layers of a model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LayerPass {
    /// Times, in the order of execution; at least one layer, all with the same number of runs.
    Timed(Vec<Layer>),
    /// Why there are none.
    Unknown(Reason),
}

impl Task {
    /// Environment of the worker that is given this task: it sees the one card that it works on.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let device = match self {
            Self::Build(job) | Self::Launch(job) | Self::Place(job) | Self::Layers { job, .. } => {
                &job.cell.device
            }
            Self::Probe { place, .. } => &place.device,
            // NVML sees all cards whatever the environment says.
            Self::Inventory | Self::HoldClock { .. } | Self::ReleaseClock { .. } => {
                return Vec::new();
            }
        };
        let mut variables = self.profiler_variables();
        if device.kind == Kind::Cpu {
            return variables;
        }
        variables.push(("CUDA_VISIBLE_DEVICES", device.uuid.clone()));
        // TensorRT's provider has no key for it, and computes in TF32 by itself.
        if let Self::Launch(job) | Self::Place(job) | Self::Layers { job, .. } = self
            && job.cell.id.engine == "ort"
            && !job.place.options.ort.tf32
        {
            variables.push(("NVIDIA_TF32_OVERRIDE", "0".to_owned()));
        }
        variables
    }

    /// What the engine needs where layers are timed, and only there.
    fn profiler_variables(&self) -> Vec<(&'static str, String)> {
        let Self::Layers { job, .. } = self else { return Vec::new() };
        let engine = engine::named(&job.cell.id.engine);
        let needs = engine.map_or(&[][..], |it| it.profiler_variables(job.cell.device.kind));
        needs.iter().map(|&(name, value)| (name, value.to_owned())).collect()
    }
}

/// What is known of a launch beside its samples.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// Which bound ended it.
    pub stop: Stop,
    /// Iterations at the start that are left out of every summary.
    pub warmup: usize,
    /// Whether the series had settled at its end.
    pub settled: bool,
    /// Time to load the model.
    pub load: Nanos,
    /// Precision the engine computed in; none where it does not tell.
    #[serde(default)]
    pub executed_precision: Option<Precision>,
    /// What computed.
    pub runtime: Runtime,
    /// Detections per image, mean over all iterations after the warm-up.
    pub detections_per_image: f64,
    /// Whether run-queue waits are known on this system.
    pub knows_wait: bool,
    /// What the CPU time counts: the measuring thread or the whole process.
    pub cpu_of: CpuOf,
    /// Median time that an iteration's readings outside the timed region took.
    pub harness: Nanos,
    /// Most memory the worker held, in bytes.
    pub peak_memory_bytes: Option<u64>,
    /// Where the model's nodes ran; only where a card and the CPU may share them, and only known of
    /// a cell's first launch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub placement: Option<Placement>,
    /// What was built for it beforehand, by engines that build something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build: Option<Built>,
    /// What was seen of the card meanwhile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub telemetry: Option<telemetry::Summary>,
}

/// Whose CPU time a sample holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CpuOf {
    /// The measuring thread: with one inference thread.
    Thread,
    /// The whole worker: with several, or with an engine that computes on a thread of its own.
    Process,
}

#[cfg(all(test, feature = "ort"))]
mod tests {
    use super::*;
    use crate::{
        cpu::InstructionSet,
        device::Device,
        image::JpegLibrary,
        scenario::{CellId, EngineOptions, Mode},
    };

    fn job(engine: &str, kind: Kind) -> Box<Job> {
        let id = CellId {
            model: "m".into(),
            family: "yolov8".into(),
            engine: engine.into(),
            precision: Precision::Fp32,
            batch: 1,
            mode: Mode::Serial,
            threads: 1,
        };
        let place = Place::cpu(EngineOptions::default());
        let device = Device { kind, ..place.device.clone() };
        Box::new(Job {
            cell: Cell { id, device },
            launch: 0,
            model: FilePath("m.onnx".into()),
            model_sha256: None,
            images: Vec::new(),
            measure: Measure::default(),
            host: HostStages {
                decoder: JpegLibrary::default(),
                instructions: InstructionSet::Portable,
            },
            options: FamilyOptions::default(),
            class_names: 0,
            place,
            telemetry: false,
            beacon: FilePath("b".into()),
            detections: false,
        })
    }

    #[test]
    fn the_host_waits_for_each_kernel_only_where_onnx_runtime_times_layers_on_a_card() {
        let waits = |task: Task| {
            let variables = task.environment();
            variables.contains(&("CUDA_LAUNCH_BLOCKING", "1".to_owned()))
        };
        let layers = |engine, kind| waits(Task::Layers { job: job(engine, kind), runs: 10 });
        assert!(layers("ort", Kind::Gpu));
        assert!(!layers("ort", Kind::Cpu) && !layers("null", Kind::Gpu));
        assert!(!waits(Task::Launch(job("ort", Kind::Gpu))));
        assert!(!waits(Task::Place(job("ort", Kind::Gpu))));
    }
}
