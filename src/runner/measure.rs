//! The measuring loop of one launch. Knows no process, no file and no message.

use super::protocol::CpuOf;
use crate::{
    os::{Clock, Meter, Usage},
    pipeline::{Error, Pipeline},
    stats::{self, Sorted, Stop, StopRule},
    timing::{Marks, Sample},
    unit::Nanos,
};

/// An iteration whose thread waited for a processor for this share of it or more is flagged.
const PREEMPTED_SHARE: f64 = 0.01;

/// The stop rule is asked when the series has grown by this factor: each look is a chance to stop
/// on a narrow interval that is so by luck, and costs more the longer the series is.
const CHECK_GROWTH: f64 = 1.5;

/// Fewer iterations do not tell whether they have settled.
const JUDGEABLE: usize = 8;

/// How often the listener hears of progress.
const PROGRESS_EVERY: Nanos = Nanos(250_000_000);

/// The iterations of one launch.
#[derive(Clone, Debug)]
pub struct Series {
    /// All iterations in order; those of the warm-up are flagged.
    pub samples: Vec<Sample>,
    /// Which bound ended it.
    pub stop: Stop,
    /// Iterations of warm-up.
    pub warmup: usize,
    /// Whether the series had settled at its end.
    pub settled: bool,
    /// Detections per image after the warm-up.
    pub detections_per_image: f64,
    /// Median time between two iterations: readings of meters and bookkeeping.
    pub harness: Nanos,
}

/// Runs the pipeline on `images` in turn, `batch` distinct ones at a time, until the rule says
/// stop. `listen` hears of iterations and time so far, outside what is timed.
///
/// # Errors
/// The first iteration that fails ends the launch.
pub fn measure(
    pipeline: &mut Pipeline,
    images: &[Vec<u8>],
    batch: usize,
    rule: &StopRule,
    tools: &Tools<'_>,
    listen: &mut dyn FnMut(usize, Nanos),
) -> Result<Series, Error> {
    let mut marks = Marks::new(tools.clock, tools.beacon);
    let mut taken = Turns { images, next: 0, batch: Vec::with_capacity(batch) };
    let mut log = Log::default();
    let start = tools.clock.now();
    let (mut check_at, mut heard) = (rule.min_samples, start);
    loop {
        let encoded = taken.next(batch);
        let before = tools.meter.read();
        let sample = pipeline.iterate(encoded, &mut marks)?;
        let used = tools.meter.read().since(before);
        let found = pipeline.detections().iter().map(Vec::len).sum();
        let now = tools.clock.now();
        let elapsed = now.since(start);
        log.push(sample, used, found, elapsed);
        if now.since(heard) >= PROGRESS_EVERY {
            listen(log.samples.len(), elapsed);
            heard = now;
        }
        let n = log.samples.len();
        // The first iteration is the cold one: without a second there would be nothing to show.
        if n < 2 {
            continue;
        }
        if n >= check_at || n >= rule.max_samples || elapsed >= rule.max_time {
            if let Some((stop, warmup)) = log.decide(rule, elapsed) {
                return Ok(log.finish(stop, warmup, batch));
            }
            check_at = (n as f64 * CHECK_GROWTH).ceil() as usize;
        }
    }
}

/// What an iteration is read with.
pub struct Tools<'a> {
    /// Clock of all stage boundaries.
    pub clock: &'a dyn Clock,
    /// Meter of CPU time and waits.
    pub meter: &'a Meter,
    /// Where the present stage is left for the parent.
    pub beacon: &'a std::sync::atomic::AtomicU8,
}

/// Deals out images in turn, never the same twice in a batch.
struct Turns<'a> {
    images: &'a [Vec<u8>],
    next: usize,
    batch: Vec<&'a [u8]>,
}

impl<'a> Turns<'a> {
    fn next(&mut self, count: usize) -> &[&'a [u8]] {
        self.batch.clear();
        for _ in 0..count {
            self.batch.push(&self.images[self.next]);
            self.next = (self.next + 1) % self.images.len();
        }
        &self.batch
    }
}

#[derive(Default)]
struct Log {
    samples: Vec<Sample>,
    end_to_end: Vec<Nanos>,
    found: Vec<u32>,
    between: Vec<Nanos>,
    last_end: Nanos,
}

impl Log {
    fn push(&mut self, mut sample: Sample, used: Usage, found: usize, elapsed: Nanos) {
        sample.cpu = used.cpu;
        sample.waited = used.waited;
        sample.flags.preempted = is_preempted(&sample);
        self.between.push(elapsed.since(self.last_end).since(sample.end_to_end));
        self.last_end = elapsed;
        self.end_to_end.push(sample.end_to_end);
        self.found.push(u32::try_from(found).unwrap_or(u32::MAX));
        self.samples.push(sample);
    }

    fn decide(&self, rule: &StopRule, elapsed: Nanos) -> Option<(Stop, stats::Warmup)> {
        let mut warmup = stats::warmup(&self.end_to_end);
        // One slow iteration is an outlier anywhere but at the start, where it is the cold one.
        warmup.length = warmup.length.clamp(1, self.end_to_end.len() - 1);
        warmup.settled &= self.end_to_end.len() >= JUDGEABLE;
        let steady = &self.end_to_end[warmup.length.min(self.end_to_end.len())..];
        rule.decide(steady, self.samples.len(), elapsed).map(|stop| (stop, warmup))
    }

    fn finish(mut self, stop: Stop, warmup: stats::Warmup, batch: usize) -> Series {
        for sample in self.samples.iter_mut().take(warmup.length) {
            sample.flags.warmup = true;
        }
        let steady = &self.found[warmup.length.min(self.found.len())..];
        let found: f64 = steady.iter().map(|&n| f64::from(n)).sum();
        let seen = (steady.len() * batch).max(1);
        Series {
            samples: self.samples,
            stop,
            warmup: warmup.length,
            settled: warmup.settled,
            detections_per_image: found / seen as f64,
            harness: Sorted::new(self.between).map_or(Nanos::ZERO, |sorted| sorted.median()),
        }
    }
}

fn is_preempted(sample: &Sample) -> bool {
    sample.waited.0 as f64 >= PREEMPTED_SHARE * sample.end_to_end.0 as f64
        && sample.waited > Nanos::ZERO
}

/// Whose CPU time is the honest one: with several inference threads, or with an engine that never
/// computes on the calling one, that of the process.
pub fn cpu_of(threads: u32, others: bool) -> CpuOf {
    if threads > 1 || others { CpuOf::Process } else { CpuOf::Thread }
}
