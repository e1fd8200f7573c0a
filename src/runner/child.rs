//! A worker process seen from its parent: its pipes, its time, its end. Knows no meaning of what
//! is said.

use super::protocol::Task;
use crate::{
    image::JPEG_ENVIRONMENT,
    os::{self, Ending},
};
use std::{
    collections::VecDeque,
    io::{self, BufRead, BufReader, Read, Write},
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

/// Bytes of a worker's standard error that are kept: the last ones.
const STDERR_TAIL: usize = 4096;

/// No line is longer: a million samples take about 200 MB.
const MAX_LINE: u64 = 1 << 30;

/// How long a silent worker is listened to before its parent looks around.
const TICK: Duration = Duration::from_millis(100);

/// Variables by which NVIDIA's libraries compute or wait in another way.
const CARD_ENVIRONMENT: [&str; 2] = ["NVIDIA_TF32_OVERRIDE", "CUDA_LAUNCH_BLOCKING"];

/// Start of the names of variables that overrule what ONNX Runtime's TensorRT provider is told.
const PROVIDER_ENVIRONMENT: &str = "ORT_TENSORRT_";

/// A gap between two looks that only a stop of the parent itself (Ctrl-Z, a suspended machine)
/// explains.
const STOPPED: Duration = Duration::from_secs(2);

/// How long a worker may take to end after its last line, and its pipes to run dry.
const ENDING: Duration = Duration::from_secs(10);

/// How often an ending worker is looked at.
const POLL: Duration = Duration::from_millis(2);

/// What a parent hears.
#[derive(Debug)]
pub enum Heard {
    /// A line, without its end.
    Line(Vec<u8>),
    /// Nothing for a moment.
    Silence,
    /// The worker has closed its standard output or ended.
    End,
    /// Its time is over.
    TimeOut,
}

/// A running worker.
pub struct Worker {
    child: Child,
    lines: Receiver<Vec<u8>>,
    stderr: Tail,
    /// Keeps the worker's standard input open: to a worker, its end means that the parent is gone.
    stdin: Option<Sender<()>>,
    limit: Duration,
    deadline: Instant,
    looked: Instant,
    ended: bool,
}

impl Worker {
    /// Starts `program worker` and writes the task to it, in one line. Its time ends after `limit`.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub fn start(program: &Path, task: &Task, limit: Duration) -> io::Result<Self> {
        let line = serde_json::to_vec(task)?;
        let mut command = Command::new(program);
        command.arg("worker");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // They would change what is measured, and no record would say so.
        for variable in JPEG_ENVIRONMENT.into_iter().chain(CARD_ENVIRONMENT) {
            command.env_remove(variable);
        }
        for (variable, _) in std::env::vars_os() {
            if variable.to_string_lossy().starts_with(PROVIDER_ENVIRONMENT) {
                command.env_remove(variable);
            }
        }
        command.envs(task.environment());
        // Ctrl-C is for the parent, which lets a worker finish.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child = command.spawn().map_err(|error| {
            io::Error::new(error.kind(), format!("cannot start {}: {error}", program.display()))
        })?;
        let (sender, lines) = mpsc::channel();
        if let Some(stdout) = child.stdout.take() {
            std::thread::spawn(move || read_lines(stdout, &sender));
        }
        let stderr = Tail::of(child.stderr.take());
        let (keep, kept) = mpsc::channel();
        if let Some(stdin) = child.stdin.take() {
            std::thread::spawn(move || write_line(stdin, &line, &kept));
        }
        let now = Instant::now();
        let deadline = now + limit;
        let stdin = Some(keep);
        Ok(Self { child, lines, stderr, stdin, limit, deadline, looked: now, ended: false })
    }

    /// Gives the worker its whole time again.
    pub fn extend(&mut self) {
        self.deadline = Instant::now() + self.limit;
    }

    /// Ends the worker's standard input.
    pub fn close(&mut self) {
        self.stdin = None;
    }

    /// Listens for a moment.
    pub fn listen(&mut self) -> Heard {
        let away = self.looked.elapsed();
        if away > STOPPED {
            self.deadline += away;
        }
        let heard = match self.lines.recv_timeout(TICK) {
            Ok(line) => Heard::Line(line),
            Err(RecvTimeoutError::Disconnected) => Heard::End,
            Err(RecvTimeoutError::Timeout) if self.ended => Heard::End,
            Err(RecvTimeoutError::Timeout) if Instant::now() >= self.deadline => Heard::TimeOut,
            Err(RecvTimeoutError::Timeout) => {
                // A process that the worker left behind may keep the pipe open.
                self.ended = matches!(self.child.try_wait(), Ok(Some(_)));
                Heard::Silence
            }
        };
        self.looked = Instant::now();
        heard
    }

    /// Ends the worker at once, with all that it has started.
    pub fn kill(&mut self) {
        os::kill_group(self.child.id());
        // An error means that it has ended already.
        let _ = self.child.kill();
    }

    /// Waits for the worker's own end, but not for ever: a library may hang on its way out.
    /// Returns how it ended and the end of its standard error.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn end(mut self) -> io::Result<(Ending, String)> {
        let deadline = Instant::now() + ENDING;
        let status = loop {
            match self.child.try_wait()? {
                Some(status) => break status,
                None if Instant::now() < deadline => std::thread::sleep(POLL),
                None => {
                    self.kill();
                    break self.child.wait()?;
                }
            }
        };
        os::kill_group(self.child.id());
        Ok((status.into(), self.stderr.text()))
    }
}

/// Writes the line, which may be longer than the pipe, and then keeps the pipe open until the
/// parent drops its end of `kept`.
fn write_line(mut stdin: ChildStdin, line: &[u8], kept: &Receiver<()>) {
    // A worker that is already dead says more by how it ended than these errors do.
    let _ =
        stdin.write_all(line).and_then(|()| stdin.write_all(b"\n")).and_then(|()| stdin.flush());
    let _ = kept.recv();
}

fn read_lines(pipe: impl Read, sender: &Sender<Vec<u8>>) {
    let mut reader = BufReader::with_capacity(1 << 16, pipe);
    loop {
        let mut line = Vec::new();
        match (&mut reader).take(MAX_LINE).read_until(b'\n', &mut line) {
            Ok(1..) if sender.send(line).is_ok() => {}
            _ => break,
        }
    }
}

/// The last bytes of a pipe, read as they come.
struct Tail {
    bytes: Arc<Mutex<VecDeque<u8>>>,
    reader: Option<JoinHandle<()>>,
}

impl Tail {
    fn of(pipe: Option<impl Read + Send + 'static>) -> Self {
        let bytes = Arc::new(Mutex::new(VecDeque::with_capacity(2 * STDERR_TAIL)));
        let shared = Arc::clone(&bytes);
        let reader = pipe.map(|pipe| std::thread::spawn(move || read_tail(pipe, &shared)));
        Self { bytes, reader }
    }

    /// What there is, once the pipe has run dry or is taking too long to.
    fn text(&self) -> String {
        let deadline = Instant::now() + ENDING;
        let dry = || self.reader.as_ref().is_none_or(JoinHandle::is_finished);
        while !dry() && Instant::now() < deadline {
            std::thread::sleep(POLL);
        }
        let bytes: Vec<u8> = locked(&self.bytes).iter().copied().collect();
        String::from_utf8_lossy(&bytes).trim_end().to_owned()
    }
}

fn read_tail(mut pipe: impl Read, bytes: &Mutex<VecDeque<u8>>) {
    let mut block = [0_u8; STDERR_TAIL];
    while let Ok(n @ 1..) = pipe.read(&mut block) {
        let mut tail = locked(bytes);
        tail.extend(&block[..n]);
        let surplus = tail.len().saturating_sub(STDERR_TAIL);
        tail.drain(..surplus);
    }
}

/// Bytes stay bytes whatever happened to the thread that added them.
fn locked(bytes: &Mutex<VecDeque<u8>>) -> MutexGuard<'_, VecDeque<u8>> {
    bytes.lock().unwrap_or_else(PoisonError::into_inner)
}
