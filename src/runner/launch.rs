//! The parent's side of one worker process: starts it, listens, keeps the time, and says how it
//! ended. A worker can crash, hang or talk nonsense without harm to anything but its own launch.

use super::{
    Failure,
    protocol::{ImageDetections, Message, Task},
};
use crate::{
    os::{self, Ending, FilePath},
    timing::Stage,
    unit::Nanos,
};
use std::{
    collections::VecDeque,
    io::{self, BufRead, BufReader, Read, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError, Sender},
    thread::JoinHandle,
    time::{Duration, Instant},
};

/// Bytes of a worker's standard error that are kept: the last ones.
const STDERR_TAIL: usize = 4096;

/// No message is longer; ten million samples are not reached by `measure.max_samples`' default.
const MAX_LINE: u64 = 1 << 30;

/// How often the user's wish to stop is looked at while a worker is silent.
const TICK: Duration = Duration::from_millis(100);

/// How long a worker may take to end after its last message.
const ENDING: Duration = Duration::from_secs(10);

/// How often an ending worker is looked at.
const POLL: Duration = Duration::from_millis(2);

/// What a parent does with a worker.
#[derive(Clone, Debug)]
pub struct Workers {
    /// The program that takes the hidden verb `worker`: this one.
    pub program: PathBuf,
    /// Interrupts at which a launch under way is given up.
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

/// Something a reader thread saw.
enum Seen {
    Line(Vec<u8>),
    End,
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
        let mut worker = Worker::start(&self.program, task)?;
        let deadline = Instant::now() + limit;
        let mut detections = Vec::new();
        let last = loop {
            if os::interrupts() >= self.give_up_at {
                worker.kill();
                return Err(io::ErrorKind::Interrupted.into());
            }
            match worker.next(deadline) {
                Some(Message::Progress { iterations, elapsed }) => listen(iterations, elapsed),
                Some(Message::Detections(found)) => detections.push(found),
                Some(message) => break Ok(message),
                None if worker.silent => worker.silent = false,
                None => break Err(worker.complaint(limit)),
            }
        };
        let last = worker.end(last, beacon.map(|path| path.0.as_path()))?;
        Ok(Answer { last, detections })
    }
}

struct Worker {
    child: Child,
    messages: Receiver<Seen>,
    stderr: Option<JoinHandle<Vec<u8>>>,
    garbage: Option<Vec<u8>>,
    timed_out: bool,
    /// Nothing was said for a tick; not an end.
    silent: bool,
}

impl Worker {
    fn start(program: &Path, task: &Task) -> io::Result<Self> {
        let mut command = Command::new(program);
        command.arg("worker");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // Ctrl-C is for the parent, which lets a worker finish.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child = command.spawn().map_err(|error| {
            io::Error::new(error.kind(), format!("cannot start {}: {error}", program.display()))
        })?;
        let (sender, messages) = mpsc::channel();
        if let Some(stdout) = child.stdout.take() {
            std::thread::spawn(move || read_lines(stdout, &sender));
        }
        let stderr = child.stderr.take().map(|pipe| std::thread::spawn(move || read_tail(pipe)));
        let mut line = serde_json::to_vec(task)?;
        line.push(b'\n');
        if let Some(stdin) = child.stdin.as_mut() {
            // A worker that is already dead says more by how it ended than this error does.
            let _ = stdin.write_all(&line).and_then(|()| stdin.flush());
        }
        Ok(Self { child, messages, stderr, garbage: None, timed_out: false, silent: false })
    }

    /// The next message; `None` after silence, at the end, at the deadline or after nonsense.
    fn next(&mut self, deadline: Instant) -> Option<Message> {
        let left = deadline.saturating_duration_since(Instant::now());
        match self.messages.recv_timeout(left.min(TICK)) {
            Ok(Seen::Line(line)) => {
                let message = serde_json::from_slice(&line).ok();
                if message.is_none() {
                    self.garbage = Some(line);
                }
                message
            }
            Err(RecvTimeoutError::Timeout) => {
                self.timed_out = left.is_zero();
                self.silent = !self.timed_out;
                None
            }
            Ok(Seen::End) | Err(RecvTimeoutError::Disconnected) => None,
        }
    }

    /// Why there was no last message.
    fn complaint(&self, limit: Duration) -> Option<String> {
        if self.timed_out {
            return Some(format!(
                "took longer than {} s (measure.max_seconds + measure.timeout_seconds) and was \
                 stopped",
                limit.as_secs_f64()
            ));
        }
        let garbage = self.garbage.as_ref()?;
        let shown: String = String::from_utf8_lossy(garbage).chars().take(80).collect();
        Some(format!("wrote to standard output what is no message: {shown:?}"))
    }

    fn kill(&mut self) {
        // An error here means that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Ends the process. A last message counts only if the worker then ends well.
    fn end(
        mut self,
        last: Result<Message, Option<String>>,
        beacon: Option<&Path>,
    ) -> io::Result<Result<Message, Failure>> {
        if matches!(last, Err(Some(_))) {
            // An error here means that it has ended already.
            let _ = self.child.kill();
        }
        let ending = self.wait()?;
        let stderr = self.stderr.take().and_then(|thread| thread.join().ok()).unwrap_or_default();
        let reason = match last {
            Ok(message) if ending == Ending::Exited(0) => return Ok(Ok(message)),
            Ok(_) => format!("the worker {ending} after its last message"),
            Err(Some(complaint)) => format!("the worker {complaint}"),
            Err(None) => format!("the worker {ending} before it had finished"),
        };
        Ok(Err(Failure {
            reason,
            ending: Some(ending),
            last_stage: beacon.and_then(read_beacon),
            stderr_tail: tail_text(&stderr),
        }))
    }
}

impl Worker {
    /// Waits for the end of a worker that has said all it had to say, but not for ever: a library
    /// may hang on its way out. Keeps its standard input open meanwhile, since its closing means
    /// to a worker that the parent is gone.
    fn wait(&mut self) -> io::Result<Ending> {
        let stdin = self.child.stdin.take();
        let deadline = Instant::now() + ENDING;
        let status = loop {
            match self.child.try_wait()? {
                Some(status) => break status,
                None if Instant::now() < deadline => std::thread::sleep(POLL),
                None => {
                    let _ = self.child.kill();
                    break self.child.wait()?;
                }
            }
        };
        drop(stdin);
        Ok(status.into())
    }
}

fn read_lines(pipe: impl Read, sender: &Sender<Seen>) {
    let mut reader = BufReader::with_capacity(1 << 16, pipe);
    loop {
        let mut line = Vec::new();
        match (&mut reader).take(MAX_LINE).read_until(b'\n', &mut line) {
            Ok(1..) if sender.send(Seen::Line(line)).is_ok() => {}
            _ => break,
        }
    }
    // Nobody listens any more when the parent has given up on the worker.
    let _ = sender.send(Seen::End);
}

fn read_tail(mut pipe: impl Read) -> Vec<u8> {
    let mut tail = VecDeque::with_capacity(2 * STDERR_TAIL);
    let mut block = [0_u8; STDERR_TAIL];
    while let Ok(n @ 1..) = pipe.read(&mut block) {
        tail.extend(&block[..n]);
        tail.drain(..tail.len().saturating_sub(STDERR_TAIL));
    }
    tail.into()
}

fn tail_text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim_end().to_owned()
}

fn read_beacon(path: &Path) -> Option<Stage> {
    let byte = *std::fs::read(path).ok()?.first()?;
    Stage::ALL.get(usize::from(byte).checked_sub(1)?).copied()
}
