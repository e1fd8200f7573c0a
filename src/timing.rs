//! Stages and the one place where a stage boundary is read from a clock. Knows neither what a
//! stage does nor where its times are kept.

use crate::{os::Clock, unit::Nanos};
use serde::{Deserialize, Serialize};
use std::{
    fmt,
    sync::atomic::{AtomicU8, Ordering},
};

/// A part of the way from an encoded image to detections, in the order in which it is walked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Encoded image in memory → RGB pixels.
    Decode,
    /// Pixels → input tensors: resize, normalise, layout. Where a card does it, by its clock, and after
    /// the pixels have come through [`Stage::HostToDevice`].
    Preprocess,
    /// Input tensors, or pixels, → device memory, by the device's clock; absent where the engine computes in
    /// host memory, or where the transfers were left out.
    HostToDevice,
    /// The network itself; on a device by its clock.
    Inference,
    /// Output tensors → host memory, by the device's clock; absent likewise.
    DeviceToHost,
    /// Output tensors → detections in the image's pixels.
    Postprocess,
}

/// What is timed: a stage, the whole, or what the stages leave unexplained of the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Span {
    /// See [`Stage::Decode`].
    Decode,
    /// See [`Stage::Preprocess`].
    Preprocess,
    /// See [`Stage::HostToDevice`].
    HostToDevice,
    /// See [`Stage::Inference`].
    Inference,
    /// See [`Stage::DeviceToHost`].
    DeviceToHost,
    /// See [`Stage::Postprocess`].
    Postprocess,
    /// See [`Sample::enqueue`]; it overlaps with the stages of a device.
    Enqueue,
    /// From before the first stage to after the last, measured, not summed.
    EndToEnd,
    /// End to end less the stages.
    Remainder,
}

/// Times of one iteration, in nanoseconds. A stage that does not exist has no time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// Time per stage, indexed in [`Stage::ALL`]'s order: by the clock of the device for what runs
    /// there, else by that of the host.
    pub stages: [Option<Nanos>; Stage::COUNT],
    /// Wall time that the host took to hand transfers and inference to a device, while the device
    /// may have been at work already; none where the host computes itself.
    pub enqueue: Option<Nanos>,
    /// Wall time from before the first stage to after the last.
    pub end_to_end: Nanos,
    /// CPU time spent; of the thread if it does all the work, else of the whole process.
    pub cpu: Nanos,
    /// Time that thread, or those threads added up, were ready to run but waited for a processor.
    pub waited: Nanos,
    /// What to know about this iteration before using it.
    pub flags: Flags,
}

/// What to know about an iteration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flags {
    /// Belongs to the warm-up: kept, but in no summary.
    pub warmup: bool,
    /// The thread waited for a processor for a notable part of the iteration.
    pub preempted: bool,
    /// The device ran below its clock.
    pub throttled: bool,
}

/// Reads the clock at stage boundaries: a stage begins where the one before it ended, so that
/// nothing between two stages is lost and one reading serves both.
pub struct Marks<'c> {
    clock: &'c dyn Clock,
    beacon: &'c AtomicU8,
    start: Nanos,
    last: Nanos,
    stages: [Option<Nanos>; Stage::COUNT],
    enqueue: Option<Nanos>,
}

impl Stage {
    /// How many stages there are.
    pub const COUNT: usize = 6;

    /// All stages in order.
    pub const ALL: [Self; Self::COUNT] = [
        Self::Decode,
        Self::Preprocess,
        Self::HostToDevice,
        Self::Inference,
        Self::DeviceToHost,
        Self::Postprocess,
    ];

    /// Name in results and charts.
    pub fn name(self) -> &'static str {
        Span::from(self).name()
    }
}

impl Span {
    /// All spans, stages first.
    pub const ALL: [Self; 9] = [
        Self::Decode,
        Self::Preprocess,
        Self::HostToDevice,
        Self::Inference,
        Self::DeviceToHost,
        Self::Postprocess,
        Self::Enqueue,
        Self::EndToEnd,
        Self::Remainder,
    ];

    /// Name in results and charts.
    pub fn name(self) -> &'static str {
        match self {
            Self::Decode => "decode",
            Self::Preprocess => "preprocess",
            Self::HostToDevice => "host_to_device",
            Self::Inference => "inference",
            Self::DeviceToHost => "device_to_host",
            Self::Postprocess => "postprocess",
            Self::Enqueue => "enqueue",
            Self::EndToEnd => "end_to_end",
            Self::Remainder => "remainder",
        }
    }

    /// The stage it is, if it is one.
    pub fn stage(self) -> Option<Stage> {
        Stage::ALL.into_iter().find(|&stage| Self::from(stage) == self)
    }

    /// Whether the end to end is made of it: a stage or the remainder.
    pub fn is_part(self) -> bool {
        self.stage().is_some() || self == Self::Remainder
    }
}

impl From<Stage> for Span {
    fn from(stage: Stage) -> Self {
        match stage {
            Stage::Decode => Self::Decode,
            Stage::Preprocess => Self::Preprocess,
            Stage::HostToDevice => Self::HostToDevice,
            Stage::Inference => Self::Inference,
            Stage::DeviceToHost => Self::DeviceToHost,
            Stage::Postprocess => Self::Postprocess,
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl Sample {
    /// Time of one span; `None` for a stage that does not exist here.
    pub fn span(&self, span: Span) -> Option<Nanos> {
        match span.stage() {
            Some(stage) => self.stages[stage as usize],
            None if span == Span::EndToEnd => Some(self.end_to_end),
            None if span == Span::Enqueue => self.enqueue,
            None => Some(self.end_to_end.since(self.stages.iter().flatten().copied().sum())),
        }
    }
}

impl<'c> Marks<'c> {
    /// Marks that read `clock` and leave the stage they are in at `beacon`, where another process
    /// may look after this one has died (0: none, else the stage's number plus one).
    pub fn new(clock: &'c dyn Clock, beacon: &'c AtomicU8) -> Self {
        Self {
            clock,
            beacon,
            start: Nanos::ZERO,
            last: Nanos::ZERO,
            stages: Default::default(),
            enqueue: None,
        }
    }

    /// Begins an iteration.
    pub fn begin(&mut self) {
        self.stages = Default::default();
        self.enqueue = None;
        self.start = self.clock.now();
        self.last = self.start;
    }

    /// Says that `stage` is now being worked on; reads no clock.
    pub fn enter(&self, stage: Stage) {
        self.beacon.store(stage as u8 + 1, Ordering::Relaxed);
    }

    /// Ends `stage`: it took from the boundary before it until now.
    pub fn end(&mut self, stage: Stage) {
        let now = self.clock.now();
        self.stages[stage as usize] = Some(now.since(self.last));
        self.last = now;
    }

    /// Says that a device has been handed all its work, since the boundary before.
    pub fn enqueued(&mut self) {
        self.enqueue = Some(self.clock.now().since(self.last));
    }

    /// Says that a device has done its work, and how long the stages took by its own clock. The
    /// next stage begins now; what the host waited beyond these times is in no stage.
    pub fn device(&mut self, times: impl IntoIterator<Item = (Stage, Nanos)>) {
        for (stage, time) in times {
            self.stages[stage as usize] = Some(time);
        }
        self.last = self.clock.now();
    }

    /// Ends the iteration with a reading of its own, so that the whole is measured, not summed.
    pub fn finish(&self) -> Sample {
        let end = self.clock.now();
        self.beacon.store(0, Ordering::Relaxed);
        Sample {
            stages: self.stages,
            enqueue: self.enqueue,
            end_to_end: end.since(self.start),
            ..Sample::default()
        }
    }
}
