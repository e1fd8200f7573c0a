//! Events: times that streams have recorded.

use crate::{
    code::{Answer, Code},
    driver::Driver,
    stream::StreamAt,
    table::Handle,
};

/// An event.
#[derive(Debug)]
pub struct Event {
    /// Whether its time may be asked for.
    timed: bool,
    pub state: State,
}

/// What an event has recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Nothing.
    Unrecorded,
    /// A time on the virtual clock.
    At(u64),
    /// A place in a stream that was being captured.
    Captured { capture: u64, stream: Handle },
}

/// `CU_EVENT_DISABLE_TIMING`.
const DISABLE_TIMING: u32 = 2;

/// `CU_EVENT_BLOCKING_SYNC`, `CU_EVENT_DISABLE_TIMING` and `CU_EVENT_INTERPROCESS`.
const ALL_FLAGS: u32 = 7;

impl Driver {
    /// Creates an event on the current card.
    pub fn create_event(&mut self, flags: u32) -> Answer<Handle> {
        let card = self.current_card()?;
        if flags & !ALL_FLAGS != 0 {
            return Err(Code::ERROR_INVALID_VALUE);
        }
        let timed = flags & DISABLE_TIMING == 0;
        Ok(self.events.insert(card, Event { timed, state: State::Unrecorded }))
    }

    /// Ends an event.
    pub fn destroy_event(&mut self, handle: Handle) -> Answer<()> {
        self.events.remove(handle).map(drop).ok_or(Code::ERROR_INVALID_HANDLE)
    }

    /// The event with this handle.
    pub fn event(&self, handle: Handle) -> Answer<&Event> {
        self.events.get(handle).map(|held| &held.value).ok_or(Code::ERROR_INVALID_HANDLE)
    }

    /// Records when a stream gets here.
    pub fn record_event(&mut self, handle: Handle, stream: StreamAt) -> Answer<()> {
        let card = self.events.get(handle).map(|held| held.card);
        if card != Some(stream.card) {
            return Err(Code::ERROR_INVALID_HANDLE);
        }
        let state = match (self.capture_of(stream)?, stream.handle) {
            (Some(capture), Some(stream)) => State::Captured { capture, stream },
            _ => {
                self.forbid_default_stream(stream)?;
                let time = self.next_start(stream);
                self.set_end(stream, time);
                State::At(time)
            }
        };
        if let Some(held) = self.events.get_mut(handle) {
            held.value.state = state;
        }
        Ok(())
    }

    /// Whether the time of an event has come; it has for one that has recorded nothing.
    pub fn query_event(&mut self, handle: Handle) -> Answer<()> {
        let time = self.recorded(handle)?;
        if self.clock.has_come(time) { Ok(()) } else { Err(Code::ERROR_NOT_READY) }
    }

    /// Waits until the time of an event; not at all for one that has recorded nothing.
    pub fn synchronise_event(&mut self, handle: Handle) -> Answer<()> {
        let time = self.recorded(handle)?;
        self.wait_until(time);
        Ok(())
    }

    /// Milliseconds between two events.
    ///
    /// # Errors
    /// `CUDA_ERROR_INVALID_HANDLE` where one has recorded nothing or is not timed,
    /// `CUDA_ERROR_NOT_READY` where nobody has waited for one yet.
    pub fn elapsed_ms(&mut self, start: Handle, end: Handle) -> Answer<f32> {
        let (start, end) = (self.time(start)?, self.time(end)?);
        if start.max(end) > self.clock.now() {
            return Err(Code::ERROR_NOT_READY);
        }
        Ok((((i128::from(end) - i128::from(start)) as f64) / 1e6) as f32)
    }

    /// The time of a timed event.
    fn time(&self, handle: Handle) -> Answer<u64> {
        match self.event(handle)? {
            Event { timed: true, state: State::At(time) } => Ok(*time),
            _ => Err(Code::ERROR_INVALID_HANDLE),
        }
    }

    /// What an event that may be waited for has recorded; 0 for nothing.
    fn recorded(&mut self, handle: Handle) -> Answer<u64> {
        match self.event(handle)?.state {
            State::Captured { capture, .. } => {
                self.spoil_one(Some(capture), Code::ERROR_CAPTURED_EVENT)?;
                Err(Code::ERROR_CAPTURED_EVENT)
            }
            state => {
                self.forbid_during_capture()?;
                Ok(if let State::At(time) = state { time } else { 0 })
            }
        }
    }
}
