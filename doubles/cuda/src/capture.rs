//! Captures and graphs. A graph is the list of what was captured, in the order in which it came in;
//! branches that would run side by side take their times one after the other.

use crate::{
    code::{Answer, Code},
    driver::Driver,
    stream::StreamAt,
    table::Handle,
    work::Work,
};
use std::{
    collections::BTreeMap,
    thread::{self, ThreadId},
};

/// What `cuGraphDestroy` destroys.
pub type Graph = Vec<Work>;

/// A capture that goes on.
#[derive(Debug)]
pub struct Capture {
    /// Index of its card in the script.
    pub card: usize,
    /// The stream in which it began.
    origin: Handle,
    mode: Mode,
    thread: ThreadId,
    work: Graph,
    /// The other streams in it, and whether each one's work has been waited for.
    joined: BTreeMap<Handle, bool>,
    /// Whether something forbidden was done meanwhile.
    pub invalid: bool,
}

/// Whose unsafe calls spoil a capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Those of all threads.
    Global,
    /// Those of the thread that captures.
    ThreadLocal,
    /// Nobody's.
    Relaxed,
}

impl TryFrom<i32> for Mode {
    type Error = Code;

    /// Reads a `CUstreamCaptureMode`.
    fn try_from(mode: i32) -> Answer<Self> {
        match mode {
            0 => Ok(Self::Global),
            1 => Ok(Self::ThreadLocal),
            2 => Ok(Self::Relaxed),
            _ => Err(Code::ERROR_INVALID_VALUE),
        }
    }
}

impl Driver {
    /// Begins a capture in a stream, which must not be a default stream.
    pub fn begin_capture(&mut self, stream: StreamAt, mode: Mode) -> Answer<()> {
        let origin = stream.handle.ok_or(Code::ERROR_STREAM_CAPTURE_UNSUPPORTED)?;
        if self.capture_of(stream)?.is_some() {
            return Err(Code::ERROR_ILLEGAL_STATE);
        }
        self.captures_made += 1;
        let thread = thread::current().id();
        let (work, joined) = (Vec::new(), BTreeMap::new());
        let capture =
            Capture { card: stream.card, origin, mode, thread, work, joined, invalid: false };
        self.captures.insert(self.captures_made, capture);
        self.enter_capture(origin, self.captures_made);
        Ok(())
    }

    /// Ends a capture in the stream in which it began, and gives the graph.
    pub fn end_capture(&mut self, stream: StreamAt) -> Answer<Handle> {
        let held = stream.handle.and_then(|handle| self.streams.get(handle));
        let id = held.and_then(|held| held.value.capture).ok_or(Code::ERROR_ILLEGAL_STATE)?;
        let Some(capture) = self.captures.get(&id) else {
            self.leave_capture(id);
            return Err(Code::ERROR_STREAM_CAPTURE_INVALIDATED);
        };
        if Some(capture.origin) != stream.handle {
            return Err(Code::ERROR_STREAM_CAPTURE_UNMATCHED);
        }
        if capture.mode != Mode::Relaxed && capture.thread != thread::current().id() {
            return Err(Code::ERROR_STREAM_CAPTURE_WRONG_THREAD);
        }
        self.leave_capture(id);
        let capture = self.captures.remove(&id).ok_or(Code::ERROR_STREAM_CAPTURE_INVALIDATED)?;
        if capture.invalid {
            return Err(Code::ERROR_STREAM_CAPTURE_INVALIDATED);
        }
        if capture.joined.values().any(|joined| !joined) {
            return Err(Code::ERROR_STREAM_CAPTURE_UNJOINED);
        }
        Ok(self.graphs.insert(capture.card, capture.work))
    }

    /// Makes a graph ready to be launched.
    pub fn instantiate(&mut self, graph: Handle) -> Answer<Handle> {
        let held = self.graphs.get(graph).ok_or(Code::ERROR_INVALID_VALUE)?;
        let (card, work) = (held.card, held.value.clone());
        Ok(self.execs.insert(card, work))
    }

    /// Does all that is in a graph.
    ///
    /// # Errors
    /// `CUDA_ERROR_ILLEGAL_ADDRESS` where memory that it uses was freed meanwhile; the card is then
    /// lost.
    pub fn launch_graph(&mut self, exec: Handle, stream: StreamAt) -> Answer<()> {
        let held = self.execs.get(exec).ok_or(Code::ERROR_INVALID_VALUE)?;
        if held.card != stream.card {
            return Err(Code::ERROR_INVALID_VALUE);
        }
        let work = held.value.clone();
        if let Some(id) = self.capture_of(stream)? {
            self.record_work(id, stream, work);
            return Ok(());
        }
        self.forbid_default_stream(stream)?;
        if work.iter().any(|work| work.check(&self.memory).is_err()) {
            return Err(self.lose(stream.card, Code::ERROR_ILLEGAL_ADDRESS));
        }
        work.iter().for_each(Work::perform);
        let timing = &self.card(stream.card).timing;
        let sum = work.iter().map(|work| work.duration_ns(timing)).sum();
        let duration = timing.graph_launch_ns.unwrap_or(sum);
        self.extend(stream, duration);
        Ok(())
    }

    /// Ends a graph.
    pub fn destroy_graph(&mut self, graph: Handle) -> Answer<()> {
        self.graphs.remove(graph).map(drop).ok_or(Code::ERROR_INVALID_VALUE)
    }

    /// Ends a graph that was ready to be launched.
    pub fn destroy_exec(&mut self, exec: Handle) -> Answer<()> {
        self.execs.remove(exec).map(drop).ok_or(Code::ERROR_INVALID_VALUE)
    }

    /// Records work of a stream that is in a capture.
    pub fn record_work(&mut self, id: u64, stream: StreamAt, work: impl IntoIterator<Item = Work>) {
        let Some(capture) = self.captures.get_mut(&id) else { return };
        capture.work.extend(work);
        let joined = stream.handle.and_then(|handle| capture.joined.get_mut(&handle));
        if let Some(joined) = joined {
            *joined = false;
        }
    }

    /// Lets a stream, which is in the capture `own` or in none, wait for a stream that is in the
    /// capture `id`.
    pub fn join(
        &mut self,
        stream: StreamAt,
        own: Option<u64>,
        id: u64,
        from: Handle,
    ) -> Answer<()> {
        let Some(capture) = self.captures.get_mut(&id) else {
            // The capture is over; what was captured is no work of this stream.
            return Err(Code::ERROR_CAPTURED_EVENT);
        };
        let handle = stream.handle.ok_or(Code::ERROR_STREAM_CAPTURE_IMPLICIT)?;
        if own.is_some_and(|own| own != id) {
            return self.spoil_one(own, Code::ERROR_STREAM_CAPTURE_MERGE);
        }
        if let Some(joined) = capture.joined.get_mut(&from) {
            *joined = true;
        }
        if own.is_none() {
            capture.joined.insert(handle, false);
            self.enter_capture(handle, id);
        }
        Ok(())
    }

    /// Refuses a call that may not be made during some captures, and spoils them.
    pub fn forbid_during_capture(&mut self) -> Answer<()> {
        let unsafe_for = |capture: &Capture, _: bool| match capture.mode {
            Mode::Global => true,
            Mode::ThreadLocal => capture.thread == thread::current().id(),
            Mode::Relaxed => false,
        };
        self.spoil(unsafe_for, Code::ERROR_STREAM_CAPTURE_UNSUPPORTED)
    }

    /// Refuses work of a default stream that would wait for a stream that is being captured.
    pub fn forbid_default_stream(&mut self, stream: StreamAt) -> Answer<()> {
        if stream.handle.is_some() {
            return Ok(());
        }
        let waits_for = |capture: &Capture, blocking: bool| blocking && capture.card == stream.card;
        self.spoil(waits_for, Code::ERROR_STREAM_CAPTURE_IMPLICIT)
    }

    /// Refuses to wait for a stream that is being captured.
    pub fn forbid_waiting(&mut self, stream: StreamAt) -> Answer<()> {
        match self.capture_of(stream)? {
            None => self.forbid_default_stream(stream),
            id => self.spoil_one(id, Code::ERROR_STREAM_CAPTURE_UNSUPPORTED),
        }
    }

    /// Spoils the captures that are `affected`, and fails if there are any. Whether the stream in
    /// which a capture began is one that the default stream waits for is told beside it.
    pub fn spoil(&mut self, affected: impl Fn(&Capture, bool) -> bool, code: Code) -> Answer<()> {
        let mut answer = Ok(());
        for capture in self.captures.values_mut().filter(|capture| !capture.invalid) {
            let origin = self.streams.get(capture.origin);
            if affected(capture, origin.is_some_and(|held| held.value.blocking)) {
                capture.invalid = true;
                answer = Err(code);
            }
        }
        answer
    }

    /// Spoils a capture and fails.
    pub fn spoil_one(&mut self, id: Option<u64>, code: Code) -> Answer<()> {
        if let Some(capture) = id.and_then(|id| self.captures.get_mut(&id)) {
            capture.invalid = true;
        }
        Err(code)
    }

    fn enter_capture(&mut self, stream: Handle, id: u64) {
        if let Some(held) = self.streams.get_mut(stream) {
            held.value.capture = Some(id);
        }
    }

    fn leave_capture(&mut self, id: u64) {
        for stream in self.streams.values_mut().filter(|stream| stream.capture == Some(id)) {
            stream.capture = None;
        }
    }
}
