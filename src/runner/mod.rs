//! Runs a plan: every cell in several worker processes, interleaved, so that drift of the machine
//! hits all cells alike. Knows no result format and prints nothing; an [`Observer`] is told.

mod aside;
mod builds;
mod child;
mod clocks;
mod examine;
mod feed;
mod fitness;
mod holder;
mod host;
mod images;
mod launch;
mod measure;
mod network;
mod preflight;
mod protocol;
mod worker;

pub use clocks::Clocks;
pub use examine::{Examined, Here, inventory, probe, surroundings};
pub use host::HostStages;
pub use images::ImageFacts;
pub use launch::{Answer, Workers};
pub use measure::{Series, Tools, measure};
pub use network::NetworkCost;
pub use preflight::{ModelFacts, Problem, Ready, preflight};
pub use protocol::{CpuOf, Facts, ImageDetections, Job, LayerPass, Measured, Message, Task};
pub use worker::work;

use self::builds::Builds;
use crate::{
    engine::{Built, Place, Progress},
    os::{Conditions, Ending, FilePath, interrupts, utc_now},
    scenario::{Cell, FamilyOptions, Measure},
    timing::Stage,
    unit::Nanos,
};
use serde::{Deserialize, Serialize};
use std::{io, path::PathBuf, time::Duration};

/// Why a cell has no numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Reason(pub String);

/// What came of a launch.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// Numbers.
    Measured(Box<Measured>),
    /// No numbers. What cannot run here at all was found out before; a launch should have run.
    Failed(Failure),
}

/// How a launch failed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    /// In words.
    pub reason: String,
    /// How the worker ended, where it did not end by saying why.
    pub ending: Option<Ending>,
    /// Stage it was in.
    pub last_stage: Option<Stage>,
    /// Last bytes of its standard error.
    pub stderr_tail: String,
    /// Whether it failed while its engine was built, before anything was measured: a resumed run tries
    /// that again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub in_build: bool,
}

impl From<Result<Message, Failure>> for Outcome {
    fn from(last: Result<Message, Failure>) -> Self {
        match last {
            Ok(Message::Finished(measured)) => Self::Measured(measured),
            Ok(Message::Refused { reason }) => Self::Failed(Failure::refused(reason)),
            Ok(_) => Self::Failed(Failure::refused("the worker answered another task".to_owned())),
            Err(failure) => Self::Failed(failure),
        }
    }
}

impl Failure {
    fn refused(reason: String) -> Self {
        Self { reason, ending: None, last_stage: None, stderr_tail: String::new(), in_build: false }
    }
}

/// One launch of one cell, done.
#[derive(Clone, Debug)]
pub struct Launched {
    /// Cell.
    pub cell: Cell,
    /// Number of the launch, from 0.
    pub launch: u32,
    /// When it began, UTC.
    pub started: String,
    /// The machine's state then.
    pub conditions: Conditions,
    /// What came of it.
    pub outcome: Outcome,
    /// Detections on every image, if they were asked for.
    pub detections: Vec<ImageDetections>,
}

/// What the runner tells the outside world.
pub enum Event<'a> {
    /// The engine of a cell is being built.
    Building(&'a Cell),
    /// The build has come this far.
    BuildProgress(&'a Progress),
    /// The build is done: what came of it.
    Built(&'a Cell, &'a Result<Option<Built>, Failure>),
    /// A launch begins: its cell, its number.
    Started(&'a Cell, u32),
    /// It has come this far: iterations and time.
    Progress(usize, Nanos),
    /// It is done.
    Finished(&'a Launched),
}

/// Listens to a run; the store and the screen are both listeners.
pub trait Observer {
    /// Called in order. An error ends the run: what cannot be kept need not be measured.
    ///
    /// # Errors
    /// When the event cannot be kept.
    fn on(&mut self, event: Event<'_>) -> io::Result<()>;
}

/// A cell that is to run, with the file of its model.
#[derive(Clone, Debug)]
pub struct Runnable {
    /// Cell.
    pub cell: Cell,
    /// Its device, with what the scenario says about it and about engines.
    pub place: Place,
    /// Model file.
    pub model: PathBuf,
    /// What the scenario says about its family.
    pub options: FamilyOptions,
    /// How many class names the scenario gives; 0 if none.
    pub class_names: usize,
    /// SHA-256 that it had when the run began; none for an engine that does not read it.
    pub model_sha256: Option<String>,
}

/// Everything all launches of a run have in common.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Images in the order in which they are taken.
    pub images: Vec<ImageFacts>,
    /// Budget.
    pub measure: Measure,
    /// With what the host computes its own stages.
    pub host: HostStages,
    /// Whether cards are watched meanwhile.
    pub telemetry: bool,
    /// Folder for the workers' beacons.
    pub scratch: PathBuf,
    /// Whether the first launch of each cell reports its detections.
    pub detections: bool,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// All launches are done.
    Complete,
    /// The user asked to stop; the launch under way was finished, or, asked twice, given up.
    Interrupted,
}

/// Builds what engines need, then launches every cell `setup.measure.launches` times: all cells
/// once, then all again. Leaves out what `done` says is there already.
///
/// # Errors
/// When no worker can be started or the observer cannot keep a result.
pub fn run(
    cells: &[Runnable],
    setup: &Setup,
    workers: &Workers,
    done: &dyn Fn(&Cell, u32) -> bool,
    observer: &mut dyn Observer,
) -> io::Result<End> {
    let Some(builds) = Builds::make(cells, setup, workers, done, observer)? else {
        return Ok(End::Interrupted);
    };
    for launch in 0..setup.measure.launches {
        for runnable in cells {
            if done(&runnable.cell, launch) {
                continue;
            }
            if interrupts() > 0 {
                return Ok(End::Interrupted);
            }
            observer.on(Event::Started(&runnable.cell, launch))?;
            let built = builds.of(&runnable.cell);
            match launch_one(runnable, launch, built, setup, workers, observer) {
                Ok(launched) => observer.on(Event::Finished(&launched))?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                    return Ok(End::Interrupted);
                }
                Err(error) => return Err(error),
            }
        }
    }
    if interrupts() > 0 {
        return Ok(End::Interrupted);
    }
    // What is left of it is hidden, and no result.
    let _ = std::fs::remove_dir_all(builds::folder(setup));
    Ok(End::Complete)
}

/// What is wrong with a number of class names; nothing if none are given or the classes are not
/// known.
fn wrong_count(names: usize, classes: Option<usize>) -> Option<String> {
    let classes = classes.filter(|&classes| names != 0 && names != classes)?;
    Some(format!(
        "the model has {classes} classes, the file of model.classes names {names}; give one line \
         per class, in their order"
    ))
}

/// A launch of a cell, as a worker is told of it.
fn job(runnable: &Runnable, launch: u32, setup: &Setup) -> Job {
    let cell = &runnable.cell;
    let mut place = runnable.place.clone();
    place.scratch = Some(FilePath(builds::folder(setup)));
    Job {
        cell: cell.clone(),
        launch,
        model: FilePath(runnable.model.clone()),
        model_sha256: runnable.model_sha256.clone(),
        images: setup.images.clone(),
        measure: setup.measure.clone(),
        host: setup.host,
        options: runnable.options.clone(),
        class_names: runnable.class_names,
        place,
        telemetry: setup.telemetry,
        beacon: FilePath(setup.scratch.join(format!(".{}-{launch}.stage", cell.hash()))),
        detections: setup.detections && launch == 0,
    }
}

/// One launch of one cell, for which `built` was built.
fn launch_one(
    runnable: &Runnable,
    launch: u32,
    built: Result<Option<Built>, Failure>,
    setup: &Setup,
    workers: &Workers,
    observer: &mut dyn Observer,
) -> io::Result<Launched> {
    let cell = runnable.cell.clone();
    let started = utc_now().iso();
    let conditions = Conditions::read();
    let (outcome, detections) = match built {
        Ok(built) => measured(runnable, launch, built, setup, workers, observer)?,
        Err(failure) => (Outcome::Failed(failure), Vec::new()),
    };
    Ok(Launched { cell, launch, started, conditions, outcome, detections })
}

fn measured(
    runnable: &Runnable,
    launch: u32,
    built: Option<Built>,
    setup: &Setup,
    workers: &Workers,
    observer: &mut dyn Observer,
) -> io::Result<(Outcome, Vec<ImageDetections>)> {
    let mut job = job(runnable, launch, setup);
    job.place.built.clone_from(&built);
    let beacon = job.beacon.clone();
    let limit = Duration::from_secs_f64(job.measure.max_seconds + job.measure.timeout_seconds);
    let mut heard = Ok(());
    let task = Task::Launch(Box::new(job.clone()));
    let answer = workers.run(&task, limit, Some(&beacon), &mut |n, at| {
        if heard.is_ok() {
            heard = observer.on(Event::Progress(n, at));
        }
    });
    // The worker may not have come far enough to make it.
    let _ = std::fs::remove_file(&beacon.0);
    let Answer { last, detections } = answer?;
    heard?;
    let mut outcome = last.into();
    if let Outcome::Measured(measured) = &mut outcome {
        measured.facts.build = built;
        if launch == 0 {
            aside::add(measured, &job, limit, workers);
        }
    }
    Ok((outcome, detections))
}
