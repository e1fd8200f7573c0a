//! Streams: each is the time at which its work ends. The default stream waits for those that were
//! not created with `CU_STREAM_NON_BLOCKING`, and they for it.

use crate::{
    code::{Answer, Code},
    driver::Driver,
    event::State,
    table::Handle,
    work::Work,
};

/// A stream that was created.
#[derive(Debug)]
pub struct Stream {
    /// When its work ends.
    end: u64,
    /// Whether the default stream waits for it.
    pub blocking: bool,
    /// Number of the capture that it is in.
    pub capture: Option<u64>,
}

/// `CU_STREAM_NON_BLOCKING`.
const NON_BLOCKING: u32 = 1;

/// A stream that there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamAt {
    /// Index of its card in the script.
    pub card: usize,
    /// None for the card's default stream.
    pub handle: Option<Handle>,
}

impl Driver {
    /// Creates a stream on the current card.
    pub fn create_stream(&mut self, flags: u32) -> Answer<Handle> {
        let card = self.current_card()?;
        if flags & !NON_BLOCKING != 0 {
            return Err(Code::ERROR_INVALID_VALUE);
        }
        let blocking = flags & NON_BLOCKING == 0;
        Ok(self.streams.insert(card, Stream { end: 0, blocking, capture: None }))
    }

    /// Ends a stream; a capture that it is in is spoilt.
    pub fn destroy_stream(&mut self, handle: Handle) -> Answer<()> {
        let held = self.streams.remove(handle).ok_or(Code::ERROR_INVALID_HANDLE)?;
        if let Some(capture) = held.value.capture.and_then(|id| self.captures.get_mut(&id)) {
            capture.invalid = true;
        }
        Ok(())
    }

    /// Finds a stream; 0 and `CU_STREAM_LEGACY` are the current card's default stream.
    pub fn stream(&self, handle: Handle) -> Answer<StreamAt> {
        match handle {
            0 | 1 => Ok(StreamAt { card: self.current_card()?, handle: None }),
            // CU_STREAM_PER_THREAD
            2 => Err(Code::ERROR_NOT_SUPPORTED),
            handle => {
                let held = self.streams.get(handle).ok_or(Code::ERROR_INVALID_HANDLE)?;
                Ok(StreamAt { card: held.card, handle: Some(handle) })
            }
        }
    }

    /// Number of the capture that a stream is in.
    ///
    /// # Errors
    /// `CUDA_ERROR_STREAM_CAPTURE_INVALIDATED` where that is spoilt.
    pub fn capture_of(&self, stream: StreamAt) -> Answer<Option<u64>> {
        let id = stream.handle.and_then(|handle| self.streams.get(handle)?.value.capture);
        match id.map(|id| self.captures.get(&id).is_none_or(|capture| capture.invalid)) {
            Some(true) => Err(Code::ERROR_STREAM_CAPTURE_INVALIDATED),
            _ => Ok(id),
        }
    }

    /// Gives work to a stream, which does it, or records it if it is being captured.
    pub fn submit(&mut self, stream: StreamAt, work: Work) -> Answer<()> {
        work.check(&self.memory)?;
        if let Some(id) = self.capture_of(stream)? {
            self.record_work(id, stream, [work]);
            return Ok(());
        }
        self.forbid_default_stream(stream)?;
        let duration = work.duration_ns(&self.card(stream.card).timing);
        work.perform();
        self.extend(stream, duration);
        Ok(())
    }

    /// Gives work to the default stream and waits for it.
    pub fn submit_and_wait(&mut self, work: Work) -> Answer<()> {
        let stream = self.stream(0)?;
        self.forbid_default_stream(stream)?;
        self.forbid_during_capture()?;
        self.submit(stream, work)?;
        let end = self.next_start(stream);
        self.wait_until(end);
        Ok(())
    }

    /// Waits until a stream's work is done.
    pub fn synchronise_stream(&mut self, stream: StreamAt) -> Answer<()> {
        self.forbid_waiting(stream)?;
        let end = self.end(stream);
        self.wait_until(end);
        Ok(())
    }

    /// Whether a stream's work is done.
    pub fn query_stream(&mut self, stream: StreamAt) -> Answer<()> {
        self.forbid_waiting(stream)?;
        let end = self.end(stream);
        if self.clock.has_come(end) { Ok(()) } else { Err(Code::ERROR_NOT_READY) }
    }

    /// Waits until all work of the current card is done.
    pub fn synchronise_context(&mut self) -> Answer<()> {
        let card = self.current_card()?;
        self.spoil(|capture, _| capture.card == card, Code::ERROR_STREAM_CAPTURE_UNSUPPORTED)?;
        let own = self.streams.on(card).map(|(_, stream)| stream.end);
        let default = self.default_streams.get(&card).copied();
        let end = own.chain(default).max().unwrap_or(0);
        self.wait_until(end);
        Ok(())
    }

    /// Lets a stream wait for what an event has recorded; for nothing if it has recorded nothing.
    pub fn wait_event(&mut self, stream: StreamAt, event: Handle) -> Answer<()> {
        let state = self.event(event)?.state;
        let capture = self.capture_of(stream)?;
        match state {
            State::Unrecorded => Ok(()),
            State::Captured { capture: id, stream: from } => self.join(stream, capture, id, from),
            State::At(_) if capture.is_some() => {
                self.spoil_one(capture, Code::ERROR_STREAM_CAPTURE_ISOLATION)
            }
            State::At(time) => {
                let end = self.end(stream).max(time);
                self.set_end(stream, end);
                Ok(())
            }
        }
    }

    /// Appends so many nanoseconds of work.
    pub fn extend(&mut self, stream: StreamAt, duration_ns: u64) {
        let end = self.next_start(stream).saturating_add(duration_ns);
        self.set_end(stream, end);
    }

    /// When work that is submitted now would begin.
    pub fn next_start(&mut self, stream: StreamAt) -> u64 {
        self.end(stream).max(self.clock.now())
    }

    /// Sets when a stream's work ends.
    pub fn set_end(&mut self, stream: StreamAt, end: u64) {
        match stream.handle {
            None => {
                self.default_streams.insert(stream.card, end);
            }
            Some(handle) => {
                if let Some(held) = self.streams.get_mut(handle) {
                    held.value.end = end;
                }
            }
        }
    }

    /// When a stream's work ends, and that of the streams that it waits for.
    fn end(&self, stream: StreamAt) -> u64 {
        let default = self.default_streams.get(&stream.card).copied().unwrap_or(0);
        match stream.handle.map(|handle| self.streams.get(handle)) {
            None => {
                let blocking = self.streams.on(stream.card).filter(|(_, stream)| stream.blocking);
                blocking.map(|(_, stream)| stream.end).fold(default, u64::max)
            }
            Some(held) => held.map_or(0, |held| {
                if held.value.blocking { held.value.end.max(default) } else { held.value.end }
            }),
        }
    }
}
