//! Engines that are built before anything is measured, each in a process of its own: a build takes
//! minutes, heats the card, and belongs to no launch.

use super::{
    Event, Failure, Job, Message, Observer, Runnable, Setup, Task, Workers, child::Worker, job,
    launch::conclude,
};
use crate::{
    engine::{self, Built},
    scenario::Cell,
};
use std::{collections::BTreeMap, io, path::PathBuf, time::Duration};

/// Where engines are that are not to outlive the run.
pub fn folder(setup: &Setup) -> PathBuf {
    setup.scratch.join(".engines")
}

/// What came of the builds, by the cells' hashes.
#[derive(Debug, Default)]
pub struct Builds(BTreeMap<String, Result<Option<Built>, Failure>>);

impl Builds {
    /// Builds what the engines of those cells build that have launches to measure; `None` when the
    /// user wants to stop.
    ///
    /// # Errors
    /// When no worker can be started or the observer cannot keep an event.
    pub fn make(
        cells: &[Runnable],
        setup: &Setup,
        workers: &Workers,
        done: &dyn Fn(&Cell, u32) -> bool,
        observer: &mut dyn Observer,
    ) -> io::Result<Option<Self>> {
        let mut builds = Self::default();
        for runnable in cells {
            let Some(limit) = limit(runnable) else { continue };
            if (0..setup.measure.launches).all(|launch| done(&runnable.cell, launch)) {
                continue;
            }
            let job = job(runnable, 0, setup);
            observer.on(Event::Building(&runnable.cell))?;
            let Some(answer) = build(job, limit, workers, observer)? else { return Ok(None) };
            observer.on(Event::Built(&runnable.cell, &answer))?;
            builds.0.insert(runnable.cell.hash(), answer);
        }
        Ok(Some(builds))
    }

    /// What was built for a cell.
    ///
    /// # Errors
    /// How its build failed.
    pub fn of(&self, cell: &Cell) -> Result<Option<Built>, Failure> {
        self.0.get(&cell.hash()).cloned().unwrap_or(Ok(None))
    }
}

/// How long a cell's engine may take to build, if it builds anything.
fn limit(runnable: &Runnable) -> Option<Duration> {
    let engine = engine::named(&runnable.cell.id.engine).ok()?;
    engine.build_limit(&runnable.place).map(Duration::from_secs_f64)
}

/// Builds one; `None` when the user wants to stop, which ends the build at once.
fn build(
    job: Job,
    limit: Duration,
    workers: &Workers,
    observer: &mut dyn Observer,
) -> io::Result<Option<Result<Option<Built>, Failure>>> {
    let eager = Workers { give_up_at: 1, ..workers.clone() };
    let mut worker = Worker::start(&workers.program, &Task::Build(Box::new(job)), limit)?;
    let last = loop {
        match eager.next_message(&mut worker, limit, "build_timeout_seconds of the engine") {
            Ok(Ok(Message::Building(progress))) => observer.on(Event::BuildProgress(&progress))?,
            Ok(last) => break last,
            Err(_) => {
                // The end of its standard input tells it to stop.
                worker.close();
                worker.end()?;
                return Ok(None);
            }
        }
    };
    let answer = match conclude(worker, last, None)? {
        Ok(Message::Built { built }) => Ok(built),
        Ok(Message::Refused { reason }) => Err(Failure::refused(reason)),
        Ok(_) => Err(Failure::refused("the worker answered another task".to_owned())),
        Err(failure) => Err(Failure {
            reason: format!("while its engine was built, {}", failure.reason),
            ..failure
        }),
    };
    Ok(Some(answer.map_err(|failure| Failure { in_build: true, ..failure })))
}
