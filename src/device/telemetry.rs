//! How a card is doing while it is measured: read at a low rate in a thread of its own, whose cost
//! is measured too. Knows nothing of what runs meanwhile.

use crate::{
    cuda::{
        Uuid,
        nvml::{self, Nvml, Reading, ThrottleReasons},
    },
    os::{Clock, Meter, MonotonicClock},
    unit::Nanos,
};
use serde::{Deserialize, Serialize};
use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    time::Duration,
};

/// Time between two readings. Ten a second show a clock that sinks, and cost little: polled in a
/// tight loop, the library causes spikes in what is measured.
pub const PERIOD: Nanos = Nanos(100_000_000);

/// A reading takes milliseconds; a library that takes longer than this has hung.
const PATIENCE: Duration = Duration::from_secs(3);

/// The library may take a second per card to begin, where nothing keeps them initialised.
const BEGINNING: Duration = Duration::from_secs(20);

/// What is said of a library that has hung.
const SILENT: &str = "NVML does not answer; see whether nvidia-smi does";

/// A reading and its time by the host's monotonic clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timed {
    /// When it was taken.
    pub at: Nanos,
    /// What was read.
    #[serde(flatten)]
    pub reading: Reading,
}

/// All that was read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Telemetry {
    /// Readings in order.
    pub readings: Vec<Timed>,
    /// Why there are no more, if they ended early.
    pub ended: Option<String>,
    /// CPU time that the thread took.
    pub cpu: Option<Nanos>,
    /// Median time that a reading took.
    pub per_reading: Option<Nanos>,
}

/// What a launch keeps of it beside the readings.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Number of readings.
    pub readings: usize,
    /// Why there are no more, if they ended early.
    pub ended: Option<String>,
    /// CPU time that reading took, in nanoseconds.
    pub cpu: Option<Nanos>,
    /// Median time of a reading.
    pub per_reading: Option<Nanos>,
    /// Median clock of the multiprocessors after the warm-up, in MHz.
    pub sm_clock_mhz: Option<u32>,
    /// Lowest one.
    pub sm_clock_min_mhz: Option<u32>,
    /// Median power after the warm-up, in milliwatts.
    pub power_mw: Option<u32>,
    /// Highest temperature, in °C.
    pub temperature_max_c: Option<u32>,
    /// All reasons for which the clock was not higher.
    pub throttle: Option<ThrottleReasons>,
    /// PCI Express generation and lanes under load: the highest seen.
    pub pcie: Option<(u32, u32)>,
    /// Energy per image after the warm-up, in millijoules.
    pub energy_per_image_mj: Option<f64>,
    /// How the energy was found.
    pub energy_by: Option<EnergyBy>,
}

/// Where a figure of energy comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EnergyBy {
    /// The card's own counter.
    Counter,
    /// Readings of power, added up over time.
    Power,
}

/// A thread that reads. One that NVML does not let go is left behind.
pub struct Watch {
    stop: Sender<()>,
    told: Arc<Mutex<Telemetry>>,
    /// Says that the thread is done.
    done: Receiver<Result<(), nvml::Error>>,
}

impl Watch {
    /// Begins to read the card with that UUID, now and every [`PERIOD`].
    ///
    /// # Errors
    /// Without NVML or the card, and where they do not answer.
    pub fn start(uuid: &str) -> Result<Self, nvml::Error> {
        let uuid = Uuid::from_text(uuid);
        let (stop, stopped) = mpsc::channel();
        let (say, done) = mpsc::channel();
        let told = Arc::new(Mutex::new(Telemetry::default()));
        let shared = Arc::clone(&told);
        std::thread::spawn(move || {
            let said = begin(&uuid, &shared).map(|nvml| {
                // Whoever has given up waiting hears nothing more.
                let _ = say.send(Ok(()));
                watch(&nvml, &uuid, &stopped, &shared);
            });
            let _ = say.send(said);
        });
        match done.recv_timeout(BEGINNING) {
            Ok(begun) => begun.map(|()| Self { stop, told, done }),
            Err(_) => Err(nvml::Error::Unavailable(SILENT.to_owned())),
        }
    }

    /// Takes a last reading and gives all of them.
    pub fn stop(self) -> Telemetry {
        // A thread that has ended early no longer listens.
        let _ = self.stop.send(());
        let done = self.done.recv_timeout(PATIENCE);
        let mut told = std::mem::take(&mut *locked(&self.told));
        if done.is_err() {
            told.ended = Some(SILENT.to_owned());
        }
        told
    }
}

/// Takes the first reading.
fn begin(uuid: &Uuid, told: &Mutex<Telemetry>) -> Result<Nvml, nvml::Error> {
    let nvml = Nvml::open()?;
    let reading = nvml.reading(uuid)?;
    locked(told).readings.push(Timed { at: MonotonicClock::new().now(), reading });
    Ok(nvml)
}

/// Reads until it is told to stop or the card does not answer.
fn watch(nvml: &Nvml, uuid: &Uuid, stopped: &Receiver<()>, told: &Mutex<Telemetry>) {
    let (clock, meter) = (MonotonicClock::new(), Meter::new(false));
    let before = meter.before();
    let mut times = Vec::new();
    loop {
        let last = match stopped.recv_timeout(Duration::from_nanos(PERIOD.0)) {
            Err(RecvTimeoutError::Timeout) => false,
            Ok(()) | Err(RecvTimeoutError::Disconnected) => true,
        };
        let start = clock.now();
        let answer = nvml.reading(uuid);
        times.push(clock.now().since(start));
        let mut told = locked(told);
        match answer {
            Ok(reading) => told.readings.push(Timed { at: clock.now(), reading }),
            Err(error) => told.ended = Some(error.to_string()),
        }
        if last || told.ended.is_some() {
            times.sort_unstable();
            told.per_reading = times.get(times.len() / 2).copied();
            told.cpu = Some(meter.after().since(before).cpu);
            return;
        }
    }
}

/// Readings stay readings whatever happened to the thread that added them.
fn locked(told: &Mutex<Telemetry>) -> MutexGuard<'_, Telemetry> {
    told.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Telemetry {
    /// Whether the card was held back at some time between `start` and `end`. A reading speaks for
    /// the time since the one before it, which is longer than [`PERIOD`] where the thread had to
    /// wait for a processor.
    pub fn throttled(&self, start: Nanos, end: Nanos) -> bool {
        let before = |moment: Nanos| self.readings.partition_point(|timed| timed.at < moment);
        let held = |timed: &Timed| timed.reading.throttle.is_some_and(ThrottleReasons::throttles);
        let (from, to) = (before(start), before(end));
        self.readings.iter().take(to + 1).skip(from).any(held)
    }

    /// How many uncorrectable errors of memory came in meanwhile.
    pub fn memory_errors(&self) -> u64 {
        let errors = |timed: &Timed| timed.reading.ecc_uncorrected;
        let first = self.readings.iter().find_map(errors).unwrap_or(0);
        let last = self.readings.iter().rev().find_map(errors).unwrap_or(0);
        last.saturating_sub(first)
    }

    /// What to keep of it, given when each iteration after the warm-up began and ended, and how many
    /// images it had.
    pub fn summary(&self, steady: &[(Nanos, Nanos)], batch: usize) -> Summary {
        let begin = steady.first().map_or(Nanos::ZERO, |span| span.0);
        let late: Vec<&Timed> = self.readings.iter().filter(|timed| timed.at >= begin).collect();
        let column = |pick: fn(&Reading) -> Option<u32>| -> Vec<u32> {
            let mut values: Vec<u32> =
                late.iter().filter_map(|timed| pick(&timed.reading)).collect();
            values.sort_unstable();
            values
        };
        let middle = |values: &[u32]| values.get(values.len() / 2).copied();
        let clocks = column(|reading| reading.sm_clock_mhz);
        let throttle = self.readings.iter().filter_map(|timed| timed.reading.throttle);
        let link = |timed: &Timed| timed.reading.pcie_generation.zip(timed.reading.pcie_width);
        let energy = self.energy_per_image(steady, batch);
        Summary {
            readings: self.readings.len(),
            ended: self.ended.clone(),
            cpu: self.cpu,
            per_reading: self.per_reading,
            sm_clock_mhz: middle(&clocks),
            sm_clock_min_mhz: clocks.first().copied(),
            power_mw: middle(&column(|reading| reading.power_mw)),
            temperature_max_c: column(|reading| reading.temperature_c).last().copied(),
            throttle: throttle.reduce(|all, more| ThrottleReasons(all.0 | more.0)),
            pcie: self.readings.iter().filter_map(link).max(),
            energy_per_image_mj: energy.map(|(energy, _)| energy),
            energy_by: energy.map(|(_, by)| by),
        }
    }

    /// Energy between the first and the last reading after the warm-up, per image that was done
    /// between them. A card without a counter is judged by its power, which it gives as a mean over
    /// some time of its own.
    fn energy_per_image(&self, steady: &[(Nanos, Nanos)], batch: usize) -> Option<(f64, EnergyBy)> {
        let begin = steady.first()?.0;
        let late: Vec<&Timed> = self.readings.iter().filter(|timed| timed.at >= begin).collect();
        let (first, last) = (late.first()?, late.last()?);
        let within = |span: &&(Nanos, Nanos)| span.0 >= first.at && span.1 <= last.at;
        let images = steady.iter().filter(within).count() * batch;
        if images == 0 {
            return None;
        }
        let counted = first.reading.energy_mj.zip(last.reading.energy_mj);
        let (energy, by) = match counted {
            Some((from, to)) => (to.checked_sub(from)? as f64, EnergyBy::Counter),
            None => (added_up(&late)?, EnergyBy::Power),
        };
        Some((energy / images as f64, by))
    }
}

/// Millijoules under the readings of power, by the trapezoid rule; none if one is missing.
fn added_up(readings: &[&Timed]) -> Option<f64> {
    let mut energy = 0.0;
    for pair in readings.windows(2) {
        let milliwatts =
            f64::from(pair[0].reading.power_mw?) + f64::from(pair[1].reading.power_mw?);
        energy += milliwatts / 2.0 * pair[1].at.since(pair[0].at).seconds();
    }
    Some(energy)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64, reading: Reading) -> Timed {
        Timed { at: Nanos(millis * 1_000_000), reading }
    }

    fn telemetry(readings: Vec<Timed>) -> Telemetry {
        Telemetry { readings, ..Telemetry::default() }
    }

    /// Iterations of 10 ms each, back to back.
    fn steady(from: u64, count: u64) -> Vec<(Nanos, Nanos)> {
        let ms = |n: u64| Nanos(n * 1_000_000);
        (0..count).map(|i| (ms(from + 10 * i), ms(from + 10 * (i + 1)))).collect()
    }

    #[test]
    fn a_reading_speaks_for_the_time_since_the_one_before_it() {
        let held = Reading { throttle: Some(ThrottleReasons(0x40)), ..Reading::default() };
        let cool = Reading { throttle: Some(ThrottleReasons(1)), ..Reading::default() };
        let told = telemetry(vec![at(0, cool), at(390, cool), at(500, held)]);
        let ms = |n: u64| Nanos(n * 1_000_000);
        assert!(!told.throttled(ms(380), ms(390)) && told.throttled(ms(380), ms(391)));
        assert!(told.throttled(ms(405), ms(415)) && told.throttled(ms(495), ms(505)));
        assert!(!told.throttled(ms(501), ms(511)));
        let told = telemetry(vec![at(200, held), at(310, Reading::default()), at(420, held)]);
        // Readings are a little more than a period apart: nothing falls between them.
        assert!(!told.throttled(ms(205), ms(209)) && told.throttled(ms(311), ms(315)));
    }

    #[test]
    fn energy_comes_from_the_counter_or_else_from_power_over_time() {
        let counter = |mj| Reading { energy_mj: Some(mj), ..Reading::default() };
        // The first reading belongs to the warm-up.
        let told = telemetry(vec![at(0, counter(0)), at(100, counter(500)), at(300, counter(900))]);
        let summary = told.summary(&steady(100, 30), 2);
        assert_eq!(summary.energy_per_image_mj, Some(400.0 / 40.0));
        assert_eq!(summary.energy_by, Some(EnergyBy::Counter));
        let power = |mw| Reading { power_mw: Some(mw), ..Reading::default() };
        let told = telemetry(vec![at(100, power(50_000)), at(300, power(150_000))]);
        let summary = told.summary(&steady(100, 20), 1);
        // 100 W for 0.2 s are 20 J.
        assert_eq!(summary.energy_per_image_mj, Some(20_000.0 / 20.0));
        assert_eq!(summary.energy_by, Some(EnergyBy::Power));
    }

    #[test]
    fn a_summary_leaves_unknown_what_no_reading_tells() {
        let empty = telemetry(Vec::new()).summary(&steady(0, 5), 1);
        assert_eq!(empty, Summary::default());
        let reading = |clock| Reading {
            sm_clock_mhz: Some(clock),
            temperature_c: Some(clock / 30),
            throttle: Some(ThrottleReasons(u64::from(clock == 1200) * 4)),
            pcie_generation: Some(if clock == 1500 { 1 } else { 3 }),
            pcie_width: Some(16),
            ..Reading::default()
        };
        let told =
            telemetry(vec![at(0, reading(1500)), at(1, reading(1800)), at(2, reading(1200))]);
        let summary = told.summary(&steady(1, 1), 1);
        assert_eq!((summary.sm_clock_mhz, summary.sm_clock_min_mhz), (Some(1800), Some(1200)));
        assert_eq!((summary.pcie, summary.temperature_max_c), (Some((3, 16)), Some(60)));
        assert_eq!(summary.throttle, Some(ThrottleReasons(4)));
        assert_eq!((summary.energy_per_image_mj, summary.power_mw), (None, None));
    }

    #[test]
    fn errors_of_memory_that_were_there_before_do_not_count() {
        let errors = |count| Reading { ecc_uncorrected: Some(count), ..Reading::default() };
        assert_eq!(telemetry(vec![at(0, errors(3)), at(1, errors(3))]).memory_errors(), 0);
        assert_eq!(telemetry(vec![at(0, errors(3)), at(1, errors(5))]).memory_errors(), 2);
        assert_eq!(telemetry(vec![at(0, Reading::default())]).memory_errors(), 0);
    }
}
