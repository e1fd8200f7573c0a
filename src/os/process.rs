//! Ends of processes, limits on them, and the user's wish to stop.

use std::{
    fmt,
    process::ExitStatus,
    sync::atomic::{AtomicUsize, Ordering},
};

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// By itself, with this exit code.
    Exited(i32),
    /// By a signal of this number.
    Killed(i32),
}

impl From<ExitStatus> for Ending {
    fn from(status: ExitStatus) -> Self {
        #[cfg(unix)]
        if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
            return Self::Killed(signal);
        }
        Self::Exited(status.code().unwrap_or(-1))
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(code) => write!(f, "exited with code {code}"),
            Self::Killed(signal) => match signal_name(*signal) {
                Some(name) => write!(f, "was killed by {name}"),
                None => write!(f, "was killed by signal {signal}"),
            },
        }
    }
}

#[cfg(unix)]
fn signal_name(number: i32) -> Option<&'static str> {
    use rustix::process::Signal;
    let named = [
        (Signal::HUP, "SIGHUP"),
        (Signal::INT, "SIGINT"),
        (Signal::QUIT, "SIGQUIT"),
        (Signal::ILL, "SIGILL (illegal instruction)"),
        (Signal::TRAP, "SIGTRAP"),
        (Signal::ABORT, "SIGABRT (abort)"),
        (Signal::BUS, "SIGBUS (bus error)"),
        (Signal::FPE, "SIGFPE (arithmetic error)"),
        (Signal::KILL, "SIGKILL (by hand, or by the kernel for want of memory)"),
        (Signal::SEGV, "SIGSEGV (segmentation fault)"),
        (Signal::PIPE, "SIGPIPE"),
        (Signal::TERM, "SIGTERM"),
        (Signal::XCPU, "SIGXCPU"),
        (Signal::XFSZ, "SIGXFSZ (file size limit)"),
        (Signal::SYS, "SIGSYS"),
    ];
    named.into_iter().find(|(signal, _)| signal.as_raw() == number).map(|(_, name)| name)
}

#[cfg(not(unix))]
fn signal_name(_number: i32) -> Option<&'static str> {
    None
}

/// Ends every process that a worker, started in a process group of its own, has left behind.
pub fn kill_group(leader: u32) {
    #[cfg(unix)]
    if let Some(group) = i32::try_from(leader).ok().and_then(rustix::process::Pid::from_raw) {
        // An error means that there is none left.
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
    #[cfg(not(unix))]
    let _ = leader;
}

/// Limits the address space of this process.
///
/// # Errors
/// Where the system refuses or has no such limit.
pub fn limit_memory(bytes: u64) -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, setrlimit};
        setrlimit(Resource::As, Rlimit { current: Some(bytes), maximum: Some(bytes) })?;
        Ok(())
    }
    #[cfg(not(unix))]
    {
        let _ = bytes;
        Err(std::io::ErrorKind::Unsupported.into())
    }
}

/// The file to start further processes of this very program from, even if the file it was started
/// from has been replaced meanwhile.
///
/// # Errors
/// When the system does not tell.
pub fn this_program() -> std::io::Result<std::path::PathBuf> {
    if cfg!(target_os = "linux") {
        return Ok("/proc/self/exe".into());
    }
    std::env::current_exe()
}

static INTERRUPTS: AtomicUsize = AtomicUsize::new(0);

/// Counts requests to stop (Ctrl-C, SIGTERM) from now on instead of dying of them.
///
/// # Errors
/// When the handler cannot be installed.
pub fn watch_interrupts() -> std::io::Result<()> {
    ctrlc::set_handler(|| {
        INTERRUPTS.fetch_add(1, Ordering::Relaxed);
    })
    .map_err(std::io::Error::other)
}

/// How often the user has asked to stop.
pub fn interrupts() -> usize {
    INTERRUPTS.load(Ordering::Relaxed)
}
