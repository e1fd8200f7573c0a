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
    /// When each iteration began and ended, by the clock it was measured with; the times between
    /// them are the harness's.
    pub spans: Vec<(Nanos, Nanos)>,
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
        let before = tools.meter.before();
        let sample = pipeline.iterate(encoded, &mut marks)?;
        let used = tools.meter.after().since(before);
        let found = pipeline.detections().iter().map(Vec::len).sum();
        let now = tools.clock.now();
        let elapsed = now.since(start);
        log.push(sample, used, found, elapsed);
        log.spans.push((now.since(sample.end_to_end), now));
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
    spans: Vec<(Nanos, Nanos)>,
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
            spans: self.spans,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cpu::{Cpu, Instructions},
        engine::{self, Session},
        family::{Adapter, Detection, Fitting, Mismatch},
        image::{Decoder, Image, Size},
        tensor::{ModelIo, Outputs, TensorSet, TensorView},
        timing::{Span, Stage},
    };
    use std::{cell::Cell, rc::Rc, sync::atomic::AtomicU8};

    /// A clock that moves only when a stage takes its time.
    #[derive(Clone, Default)]
    struct Script(Rc<Cell<u64>>);

    impl Script {
        fn pass(&self, nanos: u64) {
            self.0.set(self.0.get() + nanos);
        }
    }

    impl Clock for Script {
        fn now(&self) -> Nanos {
            Nanos(self.0.get())
        }
    }

    /// Engine and family in one whose stages take scripted times.
    #[derive(Clone)]
    struct Scripted {
        clock: Script,
        iterations: Rc<Cell<u64>>,
    }

    impl Outputs for Scripted {
        fn count(&self) -> usize {
            0
        }

        fn get(&self, _: usize) -> Option<TensorView<'_>> {
            None
        }
    }

    impl Session for Scripted {
        fn io(&self) -> &ModelIo {
            const NONE: &ModelIo = &ModelIo { inputs: Vec::new(), outputs: Vec::new() };
            NONE
        }

        fn executed_precision(&self) -> Option<crate::scenario::Precision> {
            Some(crate::scenario::Precision::Fp32)
        }

        /// Ten times slower for the first twenty iterations.
        fn run(&mut self, _: &TensorSet, marks: &mut Marks<'_>) -> Result<(), engine::Error> {
            let iteration = self.iterations.replace(self.iterations.get() + 1);
            self.clock.pass(if iteration < 20 { 10_000_000 } else { 1_000_000 });
            marks.end(Stage::Inference);
            Ok(())
        }
    }

    impl Adapter for Scripted {
        fn fitting(&self) -> Fitting {
            unreachable!("only preflight asks")
        }

        fn classes(&self) -> Option<usize> {
            None
        }

        fn inputs(&self) -> TensorSet {
            TensorSet::new()
        }

        fn preprocess(&mut self, _: &[Image], _: &Cpu, _: &mut TensorSet) {
            self.clock.pass(200_000);
        }

        fn postprocess(
            &mut self,
            _: &dyn Outputs,
            _: &[Size],
            _: &Cpu,
            _: &mut Vec<Vec<Detection>>,
        ) -> Result<(), Mismatch> {
            self.clock.pass(30_000);
            Ok(())
        }

        fn class_names(&self) -> Option<&'static [&'static str]> {
            None
        }
    }

    fn measured(rule: &StopRule) -> Series {
        let clock = Script::default();
        let scripted = Scripted { clock: clock.clone(), iterations: Rc::default() };
        let cpu = Cpu::single(Instructions::best());
        let (session, adapter) = (Box::new(scripted.clone()), Box::new(scripted));
        let mut pipeline = Pipeline::new(session, adapter, 0, cpu, Decoder::new());
        let (meter, beacon) = (Meter::new(false), AtomicU8::new(0));
        let tools = Tools { clock: &clock, meter: &meter, beacon: &beacon };
        measure(&mut pipeline, &[], 0, rule, &tools, &mut |_, _| {}).unwrap()
    }

    fn rule() -> StopRule {
        StopRule {
            target: 0.01,
            level: 0.95,
            min_samples: 50,
            max_samples: 100_000,
            min_time: Nanos::ZERO,
            max_time: Nanos(60_000_000_000),
        }
    }

    #[test]
    fn stages_have_the_times_they_took_and_the_warm_up_is_found_and_flagged() {
        let series = measured(&rule());
        assert_eq!(series.stop, Stop::Converged);
        assert_eq!((series.warmup, series.settled), (20, true));
        assert!(series.samples.iter().take(20).all(|sample| sample.flags.warmup));
        for sample in &series.samples[20..] {
            let span = |span| sample.span(span).map(|time| time.0);
            assert!(!sample.flags.warmup);
            assert_eq!(span(Span::Decode), Some(0));
            assert_eq!(span(Span::Preprocess), Some(200_000));
            assert_eq!(span(Span::Inference), Some(1_000_000));
            assert_eq!(span(Span::Postprocess), Some(30_000));
            assert_eq!(span(Span::EndToEnd), Some(1_230_000));
            assert_eq!(span(Span::HostToDevice), None);
            assert_eq!(span(Span::Remainder), Some(0));
        }
    }

    #[test]
    fn time_and_count_end_a_launch_that_does_not_converge() {
        let never = StopRule { min_time: Nanos(u64::MAX), ..rule() };
        let by_count = measured(&StopRule { max_samples: 200, ..never });
        assert_eq!((by_count.stop, by_count.samples.len()), (Stop::MaxSamples, 200));
        let by_time = measured(&StopRule { max_time: Nanos(300_000_000), ..never });
        assert_eq!(by_time.stop, Stop::MaxTime);
        let spent: Nanos = by_time.samples.iter().map(|sample| sample.end_to_end).sum();
        assert!((300_000_000..301_500_000).contains(&spent.0), "{spent}");
    }

    #[test]
    fn a_launch_always_has_an_iteration_beside_the_cold_one() {
        let series = measured(&StopRule { min_samples: 1, max_samples: 1, ..rule() });
        assert_eq!((series.samples.len(), series.warmup, series.settled), (2, 1, false));
    }

    #[test]
    fn images_are_dealt_in_turn_and_never_twice_in_a_batch() {
        let images: Vec<Vec<u8>> = (0..5).map(|n| vec![n]).collect();
        let mut turns = Turns { images: &images, next: 0, batch: Vec::new() };
        let mut deal = || turns.next(2).iter().map(|image| image[0]).collect::<Vec<_>>();
        assert_eq!([deal(), deal(), deal()], [[0, 1], [2, 3], [4, 0]]);
    }
}
