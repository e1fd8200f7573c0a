//! The child process that holds a card's clock, and the one that lets go what it has left behind.
//! Speaks to NVML; knows no run.

use super::protocol::Message;
use crate::{
    cuda::{
        Uuid,
        nvml::{Error, Nvml},
    },
    os,
};
use std::io;

/// Holds the card's clock until standard input ends, which it does however the parent ends. Says
/// that it is held, or why it cannot be.
///
/// # Errors
/// When the clock cannot be let go, or a refusal not be said.
pub fn hold(
    uuid: &Uuid,
    mhz: u32,
    say: &mut dyn FnMut(&Message) -> io::Result<()>,
) -> io::Result<()> {
    // A request to stop is for the parent, whose end is the sign to let go.
    os::watch_interrupts()?;
    // Kept open: without persistence mode a card forgets its settings when nobody uses the driver.
    let nvml = match lock(uuid, mhz) {
        Ok(nvml) => nvml,
        Err(error) => return say(&Message::Refused { reason: in_plain_words(&error, mhz) }),
    };
    // A parent that does not hear it is gone; then standard input has ended too.
    let _ = say(&Message::Holding);
    // An input that cannot be read has ended as well.
    let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
    nvml.unlock_clock(uuid).map_err(io::Error::other)
}

/// Lets the card choose its clock again.
///
/// # Errors
/// Without NVML or the card, or the library's word.
pub fn release(uuid: &Uuid) -> Result<(), Error> {
    Nvml::open()?.unlock_clock(uuid)
}

fn lock(uuid: &Uuid, mhz: u32) -> Result<Nvml, Error> {
    let nvml = Nvml::open()?;
    nvml.lock_clock(uuid, mhz)?;
    Ok(nvml)
}

/// What is wrong and what to do. Which cards can, and who may: NVML's reference on
/// `nvmlDeviceSetGpuLockedClocks`.
fn in_plain_words(error: &Error, mhz: u32) -> String {
    match error {
        Error::NoPermission => format!(
            "this user may not set clocks; run as root (administrator), or let an administrator \
             hold it with `nvidia-smi -lgc {mhz},{mhz}` meanwhile"
        ),
        Error::NotSupported => "the card or its driver does not support it: it takes a card of \
                                the Volta generation or later, and not a part of one (MIG)"
            .to_owned(),
        other => other.to_string(),
    }
}
