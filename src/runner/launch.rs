//! One task in one worker process: what it says, and what it means if it does not say it. A
//! worker can crash, hang or talk nonsense without harm to anything but its own launch.

use super::{
    Failure,
    child::{Heard, Worker},
    protocol::{ImageDetections, Message, Task},
};
use crate::{
    os::{self, Ending, FilePath},
    timing::Stage,
    unit::Nanos,
};
use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

/// What a parent does with workers.
#[derive(Clone, Debug)]
pub struct Workers {
    /// The program that takes the hidden verb `worker`: this one.
    pub program: PathBuf,
    /// Interrupts at which a task under way is given up.
    pub give_up_at: usize,
}

/// What came of one worker.
#[derive(Debug)]
pub struct Answer {
    /// Its last message, or why there is none.
    pub last: Result<Message, Failure>,
    /// Detections, if they were asked for.
    pub detections: Vec<ImageDetections>,
}

/// Why a worker is no longer listened to without its having said a last message.
#[derive(Debug)]
pub enum Complaint {
    /// It has ended.
    Ended,
    /// It said what is no message, or took too long.
    Says(String),
}

impl Workers {
    /// Runs one task in a process of its own for at most `limit`. `listen` hears of progress.
    ///
    /// # Errors
    /// When no process can be started; whatever happens inside it is an [`Answer`]. `Interrupted`
    /// when the user has insisted on stopping.
    pub fn run(
        &self,
        task: &Task,
        limit: Duration,
        beacon: Option<&FilePath>,
        listen: &mut dyn FnMut(usize, Nanos),
    ) -> io::Result<Answer> {
        let mut worker = Worker::start(&self.program, task, limit)?;
        let mut detections = Vec::new();
        let last = loop {
            match self.next_message(&mut worker, limit, limited_by(task)) {
                Ok(Ok(Message::Progress { iterations, elapsed })) => listen(iterations, elapsed),
                Ok(Ok(Message::Detections(found))) => {
                    // Nothing is measured any more: the limit is one on silence from here on.
                    worker.extend();
                    detections.push(found);
                }
                Ok(last) => break last,
                Err(interrupted) => {
                    worker.kill();
                    worker.end()?;
                    return Err(interrupted);
                }
            }
        };
        let last = conclude(worker, last, beacon.map(|path| path.0.as_path()))?;
        Ok(Answer { last, detections })
    }

    /// The next message of a worker that was started with this limit, which the scenario's keys
    /// `keys` set, if any do.
    ///
    /// # Errors
    /// `Interrupted` when the user has insisted on stopping; the worker goes on.
    pub(super) fn next_message(
        &self,
        worker: &mut Worker,
        limit: Duration,
        keys: &str,
    ) -> io::Result<Result<Message, Complaint>> {
        while os::interrupts() < self.give_up_at {
            match hear(worker, limit, keys) {
                Ok(None) => {}
                Ok(Some(message)) => return Ok(Ok(message)),
                Err(complaint) => return Ok(Err(complaint)),
            }
        }
        Err(io::ErrorKind::Interrupted.into())
    }
}

/// Which keys of the scenario limit a task.
fn limited_by(task: &Task) -> &'static str {
    match task {
        Task::Launch(_) | Task::Layers { .. } => "measure.max_seconds + measure.timeout_seconds",
        _ => "",
    }
}

fn hear(worker: &mut Worker, limit: Duration, keys: &str) -> Result<Option<Message>, Complaint> {
    match worker.listen() {
        Heard::Silence => Ok(None),
        Heard::End => Err(Complaint::Ended),
        Heard::TimeOut => Err(Complaint::Says(format!(
            "took longer than {} s{} and was stopped",
            limit.as_secs_f64(),
            if keys.is_empty() { String::new() } else { format!(" ({keys})") }
        ))),
        Heard::Line(line) => serde_json::from_slice(&line).map(Some).map_err(|_| {
            let shown: String = String::from_utf8_lossy(&line).chars().take(80).collect();
            Complaint::Says(format!("wrote to standard output what is no message: {shown:?}"))
        }),
    }
}

/// Ends the worker. A last message counts only if the worker then ends well.
///
/// # Errors
/// When the system does not tell how it ended.
pub(super) fn conclude(
    mut worker: Worker,
    last: Result<Message, Complaint>,
    beacon: Option<&Path>,
) -> io::Result<Result<Message, Failure>> {
    if matches!(last, Err(Complaint::Says(_))) {
        worker.kill();
    }
    let (ending, stderr_tail) = worker.end()?;
    let reason = match last {
        Ok(message) if ending == Ending::Exited(0) => return Ok(Ok(message)),
        Ok(_) => format!("the worker {ending} after its last message"),
        Err(Complaint::Says(words)) => format!("the worker {words}"),
        Err(Complaint::Ended) => format!("the worker {ending} before it had finished"),
    };
    let last_stage = beacon.and_then(read_beacon);
    Ok(Err(Failure { reason, ending: Some(ending), last_stage, stderr_tail, in_build: false }))
}

fn read_beacon(path: &Path) -> Option<Stage> {
    let byte = *std::fs::read(path).ok()?.first()?;
    Stage::ALL.get(usize::from(byte).checked_sub(1)?).copied()
}
