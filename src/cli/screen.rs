//! How far a run is: a bar with the time left on a terminal, plain lines elsewhere. All of it on
//! standard error.

use super::common;
use crate::{
    device::Kind,
    engine::{Built, Progress},
    os,
    runner::{Failure, Launched, Outcome},
    scenario::Cell,
    stats::{Sorted, Stop},
    timing::Span,
    unit::{Bytes, Nanos},
};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::{
    io::IsTerminal,
    time::{Duration, Instant},
};

/// Shows progress.
pub struct Screen {
    bar: ProgressBar,
    /// Whether lines are printed because there is no terminal for a bar.
    plain: bool,
    quiet: bool,
    total: usize,
    done: usize,
    launches: u32,
    /// Launches done by this process and the time they took.
    timed: (u32, Duration),
    began: Instant,
    now: String,
    /// Whether it was said that a launch is finished after Ctrl-C.
    stopping: bool,
}

/// A bar, and one that shows how long its message has been there.
const BAR: &str = "[{bar:24}] {pos}/{len}  {msg}";
const TIMED_BAR: &str = "[{bar:24}] {pos}/{len}  {msg} ({elapsed})";

impl Screen {
    /// A screen for `total` launches, `done` of which are there already.
    pub fn new(quiet: bool, total: usize, done: usize, launches: u32) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let bar = ProgressBar::with_draw_target(
            Some(total as u64),
            if quiet || !terminal {
                ProgressDrawTarget::hidden()
            } else {
                ProgressDrawTarget::stderr()
            },
        );
        style(&bar, BAR);
        bar.set_position(done as u64);
        Self {
            bar,
            plain: !quiet && !terminal,
            quiet,
            total,
            done,
            launches,
            timed: (0, Duration::ZERO),
            began: Instant::now(),
            now: String::new(),
            stopping: false,
        }
    }

    /// Prints a line.
    pub fn say(&self, line: &str) {
        if self.plain {
            common::tell(line);
        } else if !self.quiet {
            self.bar.println(common::harmless(line));
        }
    }

    /// The engine of a cell is being built.
    pub fn building(&mut self, cell: &Cell) {
        self.began = Instant::now();
        self.now = format!("{}{}", cell.id, on(cell));
        let line = format!("{}: building its engine", self.now);
        if self.plain {
            common::tell(&format!("{line} (may take minutes)"));
        }
        self.bar.set_message(line);
        if !self.bar.is_hidden() {
            // Nothing is measured meanwhile that a tick could disturb.
            style(&self.bar, TIMED_BAR);
            self.bar.reset_elapsed();
            self.bar.enable_steady_tick(Duration::from_secs(1));
        }
    }

    /// A build has come this far.
    pub fn build_progress(&self, Progress { phase, step, steps }: &Progress) {
        let line = format!("{}: building its engine: {phase} {step}/{steps}", self.now);
        self.bar.set_message(line);
    }

    /// A build is done.
    pub fn built(&self, answer: &Result<Option<Built>, Failure>) {
        self.bar.disable_steady_tick();
        style(&self.bar, BAR);
        let words = match answer {
            Ok(None) => return,
            Ok(Some(built)) => made(built),
            Err(failure) => format!("building its engine failed: {}", failure.reason),
        };
        self.say(&format!("{}: {words}", self.now));
        for remark in answer.iter().flatten().flat_map(|built| &built.remarks) {
            self.say(&format!("note: {remark}"));
        }
    }

    /// A launch begins.
    pub fn started(&mut self, cell: &Cell, launch: u32) {
        self.began = Instant::now();
        self.now = format!("{}{} launch {}/{}", cell.id, on(cell), launch + 1, self.launches);
        self.bar.set_message(format!("{}  {}", self.left(), self.now));
    }

    /// A launch has come this far.
    pub fn progress(&mut self, iterations: usize, elapsed: Nanos) {
        if os::interrupts() > 0 && !std::mem::replace(&mut self.stopping, true) {
            self.say("finishing this launch; Ctrl-C again stops it now");
        }
        self.bar.set_message(format!(
            "{}  {}: {iterations} iterations in {elapsed}",
            self.left(),
            self.now
        ));
    }

    /// A launch is done.
    pub fn finished(&mut self, launched: &Launched) {
        self.done += 1;
        self.timed.0 += 1;
        self.timed.1 += self.began.elapsed();
        self.bar.set_position(self.done as u64);
        let line = format!("[{}/{}] {}: {}", self.done, self.total, self.now, result(launched));
        if self.plain {
            common::tell(&format!("{line} ({})", self.left()));
        } else if !matches!(launched.outcome, Outcome::Measured(_)) {
            self.bar.println(common::harmless(&line));
        }
    }

    /// All is done.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }

    fn left(&self) -> String {
        if self.timed.0 == 0 {
            return "time left unknown".to_owned();
        }
        let each = self.timed.1 / self.timed.0;
        let left = each * u32::try_from(self.total - self.done).unwrap_or(u32::MAX);
        format!("{} left", human(left))
    }
}

fn style(bar: &ProgressBar, template: &str) {
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("=> "));
    }
}

/// What came of a build.
fn made(built: &Built) -> String {
    let bytes = built.bytes;
    match (built.took, built.kept) {
        (Some(took), false) => format!("engine: {bytes}, built in {took}"),
        (Some(_), true) => format!("engine: {bytes}, kept from an earlier build"),
        (None, _) => format!("engine file, {bytes}"),
    }
}

/// Where a cell runs, if that has to be said.
fn on(cell: &Cell) -> String {
    match cell.device.kind {
        Kind::Cpu => String::new(),
        Kind::Gpu => format!(" on {}", cell.device),
    }
}

fn human(span: Duration) -> String {
    let seconds = span.as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
    }
}

fn result(launched: &Launched) -> String {
    let measured = match &launched.outcome {
        Outcome::Measured(measured) => measured,
        Outcome::Failed(failure) => return format!("failed: {}", failure.reason),
    };
    let steady = measured.samples.iter().filter(|sample| !sample.flags.warmup);
    let median = Sorted::new(steady.filter_map(|sample| sample.span(Span::EndToEnd)).collect())
        .map_or(Nanos::ZERO, |sorted| sorted.median());
    let stop = match measured.facts.stop {
        Stop::Converged => "converged",
        Stop::MaxSamples => "stopped by max_samples",
        Stop::MaxTime => "stopped by max_seconds",
    };
    let memory = measured.facts.peak_memory_bytes.map(|bytes| format!(", {}", Bytes(bytes)));
    format!(
        "{median} end to end, {} iterations, {} of warm-up, {stop}{}",
        measured.samples.len(),
        measured.facts.warmup,
        memory.unwrap_or_default()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os::FilePath;

    #[test]
    fn an_engine_is_said_to_be_built_or_kept_or_a_file_that_was_given() {
        let words = |took, kept| {
            made(&Built {
                file: FilePath("m.engine".into()),
                sha256: String::new(),
                took,
                bytes: Bytes(1_900),
                kept,
                warm: false,
                remarks: Vec::new(),
            })
        };
        let took = Some(Nanos(3_000_000_000));
        assert_eq!(words(took, false), "engine: 1.9 kB, built in 3.00 s");
        assert_eq!(words(took, true), "engine: 1.9 kB, kept from an earlier build");
        assert_eq!(words(None, true), "engine file, 1.9 kB");
        assert_eq!(words(None, false), "engine file, 1.9 kB");
    }
}
