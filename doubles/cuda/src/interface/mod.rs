//! The C functions, with the names, arguments and results of `cuda.h`. They translate; what happens
//! is in the files above.

mod context;
mod device;
mod events;
mod graphs;
mod memory;
mod modules;
mod streams;

use crate::{
    code::{Answer, Code},
    driver::{Driver, Subject},
};
use std::{
    ffi::c_int,
    hint,
    sync::{Mutex, OnceLock, PoisonError},
    time::Instant,
};
use trtbench_double_script::{Library, Loaded, Out, Play, hang};

/// Makes a call: the script first, then what must be there, then the work, then the wait for it.
fn call(name: &str, subject: Subject, work: impl FnOnce(&mut Driver) -> Answer<()>) -> c_int {
    let Some(driver) = driver() else { return Code::ERROR_UNKNOWN.0 };
    // A panic has ended the process before anyone could find the lock poisoned.
    let mut driver = driver.lock().unwrap_or_else(PoisonError::into_inner);
    match driver.play(name, subject) {
        Play::Proceed => {}
        Play::Lost(result) | Play::Fail(result) => return result,
        Play::Hang => {
            drop(driver);
            hang()
        }
    }
    let answer = driver.ready(subject).and_then(|()| work(&mut driver));
    let pause = driver.pause.take();
    drop(driver);
    if let Some(moment) = pause {
        spin_until(moment);
    }
    answer.err().unwrap_or(Code::SUCCESS).0
}

/// Writes what a call gives; nothing is done where there is no place for it.
fn put<T>(out: Out<'_, T>, value: impl FnOnce() -> Answer<T>) -> Answer<()> {
    if out.is_null() {
        return Err(Code::ERROR_INVALID_VALUE);
    }
    if out.set(value()?) { Ok(()) } else { Err(Code::ERROR_INVALID_VALUE) }
}

/// The driver of this process; none where there is no script.
fn driver() -> Option<&'static Mutex<Driver>> {
    static DRIVER: OnceLock<Option<Mutex<Driver>>> = OnceLock::new();
    let load = || {
        let Loaded { script, ledger, .. } = Loaded::from_environment(Library::Cuda)?;
        Some(Mutex::new(Driver::new(script, ledger)))
    };
    DRIVER.get_or_init(load).as_ref()
}

/// Spins as the driver does, so that the wait ends within a microsecond of its moment.
fn spin_until(moment: Instant) {
    while Instant::now() < moment {
        hint::spin_loop();
    }
}
