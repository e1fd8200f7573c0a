//! The ways in which the empty engine fails a launch, so that what becomes of a lost launch can
//! be tested without a broken model or machine.

use super::Error;
use crate::scenario::Fault;
use std::io::Write;

/// No JSON, no UTF-8.
const GARBAGE: &[u8] = b"\xff\xfe{\"not\": a message\x00\n";

/// Does `fault`. Most of them do not return.
pub fn commit(fault: Fault) -> Result<(), Error> {
    match fault {
        Fault::Error => Err(Error::Failed("the empty engine was told to fail".into())),
        Fault::Panic => panic!("the empty engine was told to panic"),
        Fault::Segfault => die(Death::Segfault),
        Fault::Kill => die(Death::Kill),
        Fault::Hang => hang(),
        Fault::ExhaustMemory => exhaust_memory(),
        Fault::Garbage => write_garbage(),
        Fault::Exit => std::process::exit(0),
    }
}

enum Death {
    Segfault,
    Kill,
}

#[cfg(unix)]
fn die(death: Death) -> ! {
    use rustix::process::{Signal, getpid, kill_process};
    let signal = match death {
        Death::Segfault => Signal::SEGV,
        Death::Kill => Signal::KILL,
    };
    loop {
        // Once is not enough: the standard library catches the first SIGSEGV to tell a stack
        // overflow from other faults, restores the default and expects the fault to repeat.
        let _ = kill_process(getpid(), signal);
    }
}

#[cfg(not(unix))]
fn die(_: Death) -> ! {
    std::process::abort()
}

fn hang() -> ! {
    loop {
        // May wake up for no reason.
        std::thread::park();
    }
}

fn write_garbage() -> Result<(), Error> {
    let mut stdout = std::io::stdout().lock();
    stdout
        .write_all(GARBAGE)
        .and_then(|()| stdout.flush())
        .map_err(|error| Error::Failed(format!("cannot write garbage: {error}")))
}

/// Takes memory and touches it until the process is ended for it. Refused without a limit on the
/// address space, as it would take the machine down.
#[cfg(unix)]
fn exhaust_memory() -> Result<(), Error> {
    use rustix::process::{Resource, getrlimit};
    const PIECE: usize = 64 << 20;
    let Some(limit) = getrlimit(Resource::As).current else {
        return Err(Error::Failed(
            "the fault `exhaust-memory` needs a limit on memory: set one for the launch".into(),
        ));
    };
    let pieces = limit / PIECE as u64 + 1;
    // Other than zeros, so that the pages are really written.
    let taken: Vec<Vec<u8>> = (0..pieces).map(|_| vec![1; PIECE]).collect();
    Err(Error::Failed(format!("{} pieces of memory fit into the limit", taken.len())))
}

#[cfg(not(unix))]
fn exhaust_memory() -> Result<(), Error> {
    Err(Error::Unsupported("this system has no limit on a process's memory".into()))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn memory_is_not_exhausted_without_a_limit() {
        let unlimited = rustix::process::getrlimit(rustix::process::Resource::As).current.is_none();
        assert!(!unlimited || matches!(exhaust_memory(), Err(Error::Failed(_))));
    }
}
