//! Clocks of cards that are held while a run measures: by one process for each card, which lets go
//! when this one ends, however it ends. Knows no NVML and prints nothing.

use super::{
    Problem, Runnable, Workers,
    child::Worker,
    launch::{Answer, Complaint},
    protocol::{Message, Task},
};
use crate::{cuda::Uuid, device::Device, os::Ending};
use std::{io, time::Duration};

/// A driver that takes longer than this to set a clock has hung.
const LIMIT: Duration = Duration::from_secs(10);

/// Clocks that are held until this is dropped. A lock that was there before is gone then: NVML
/// does not tell of it.
pub struct Clocks {
    holders: Vec<Holder>,
    /// Those that clear up: they are not given up when the user insists on stopping.
    stubborn: Workers,
}

/// One card's clock and the process that holds it.
struct Holder {
    lock: Lock,
    worker: Worker,
}

/// What the scenario says of one card.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Lock {
    device: Device,
    mhz: u32,
}

impl Clocks {
    /// Holds the clock of every card among `cells` for which the scenario gives one. What a killed
    /// run has left behind there is overwritten.
    ///
    /// # Errors
    /// A [`Problem`] that names every card whose clock cannot be held; then none is. `Interrupted`
    /// when the user has insisted on stopping. That no process can be started.
    pub fn hold(cells: &[Runnable], workers: &Workers) -> io::Result<Self> {
        let stubborn = Workers { give_up_at: usize::MAX, ..workers.clone() };
        let mut clocks = Self { holders: Vec::new(), stubborn };
        for lock in locks(cells) {
            let worker = Worker::start(&workers.program, &lock.hold(), LIMIT)?;
            clocks.holders.push(Holder { lock, worker });
        }
        let mut problems = Vec::new();
        for holder in &mut clocks.holders {
            problems.extend(holder.refusal(workers)?);
        }
        match problems.is_empty() {
            true => Ok(clocks),
            false => Err(io::Error::other(Problem(problems.join("\nerror: ")))),
        }
    }

    /// Lets all clocks go; what could not be let go comes back, with what to do about it. Waits
    /// for a process that hangs, but not for ever. Dropping does the same and says nothing.
    pub fn release(&mut self) -> Vec<Problem> {
        for holder in &mut self.holders {
            holder.worker.close();
        }
        let holders = self.holders.drain(..);
        holders.filter_map(|holder| holder.release(&self.stubborn).err()).collect()
    }
}

impl Drop for Clocks {
    fn drop(&mut self) {
        let _ = self.release();
    }
}

impl Holder {
    /// Why the clock is not held, if it is not.
    fn refusal(&mut self, workers: &Workers) -> io::Result<Option<String>> {
        let reason = match workers.next_message(&mut self.worker, LIMIT, "")? {
            Ok(Message::Holding) => return Ok(None),
            Ok(Message::Refused { reason }) => reason,
            Ok(_) => "the worker answered another task".to_owned(),
            Err(Complaint::Ended) => "the worker ended without an answer".to_owned(),
            Err(Complaint::Says(words)) => {
                self.worker.kill();
                format!("the worker {words}")
            }
        };
        Ok(Some(self.lock.refused(&reason)))
    }

    /// Waits for the process, whose standard input has ended; if it did not end well, its lock is
    /// let go by another.
    fn release(self, stubborn: &Workers) -> Result<(), Problem> {
        // One that ends well has let go, or has never held anything.
        if matches!(self.worker.end(), Ok((Ending::Exited(0), _))) {
            return Ok(());
        }
        let task = Task::ReleaseClock { uuid: self.lock.uuid() };
        let answer = stubborn.run(&task, LIMIT, None, &mut |_, _| {});
        match answer.map(|Answer { last, .. }| last) {
            Ok(Ok(Message::Released)) => Ok(()),
            Ok(Ok(Message::Refused { reason })) => Err(self.lock.left_behind(&reason)),
            Ok(Ok(_)) => Err(self.lock.left_behind("the worker answered another task")),
            Ok(Err(failure)) => Err(self.lock.left_behind(&failure.reason)),
            Err(error) => Err(self.lock.left_behind(&error.to_string())),
        }
    }
}

impl Lock {
    fn uuid(&self) -> Uuid {
        Uuid::from_text(&self.device.uuid)
    }

    fn hold(&self) -> Task {
        Task::HoldClock { uuid: self.uuid(), mhz: self.mhz }
    }

    fn refused(&self, reason: &str) -> String {
        let Self { device, mhz } = self;
        format!(
            "device.\"gpu:{}\".lock_clock_mhz = {mhz}: the clock of {device} cannot be held: \
             {reason}. To measure at the clock that the card chooses, leave the key out",
            device.uuid
        )
    }

    fn left_behind(&self, reason: &str) -> Problem {
        let Self { device, mhz } = self;
        Problem(format!(
            "the clock of {device} may still be held at {mhz} MHz, it could not be let go: \
             {reason}; let it go by hand with: nvidia-smi -i {} -rgc",
            device.uuid
        ))
    }
}

/// The locks that the scenario asks for, one for each card.
fn locks(cells: &[Runnable]) -> Vec<Lock> {
    let mut locks: Vec<Lock> = Vec::new();
    for runnable in cells {
        let place = &runnable.place;
        let Some(mhz) = place.device_options.lock_clock_mhz else { continue };
        let lock = Lock { device: place.device.clone(), mhz };
        if !locks.contains(&lock) {
            locks.push(lock);
        }
    }
    locks
}
