//! What a stretch of work cost the processor, and how long it waited for one.

use crate::unit::Nanos;

/// Readings of the meters at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// CPU time so far.
    pub cpu: Nanos,
    /// Time so far that the metered threads, added up, were ready to run but had no processor; zero
    /// where the system does not tell.
    pub waited: Nanos,
}

/// Reads CPU time and run-queue wait. A reading costs about a microsecond per thread: take it
/// outside what is timed. Belongs to the thread that made it.
#[derive(Debug)]
pub struct Meter {
    whole_process: bool,
    #[cfg(target_os = "linux")]
    schedstat: Vec<std::fs::File>,
    bound_to_this_thread: std::marker::PhantomData<*const ()>,
}

impl Meter {
    /// A meter of the calling thread, or with `whole_process` of the CPU time of all threads and of
    /// the waits of those that are there now.
    pub fn new(whole_process: bool) -> Self {
        Self {
            whole_process,
            #[cfg(target_os = "linux")]
            schedstat: schedstat(whole_process),
            bound_to_this_thread: std::marker::PhantomData,
        }
    }

    /// Whether the run-queue wait is known here.
    pub fn knows_wait(&self) -> bool {
        #[cfg(target_os = "linux")]
        return !self.schedstat.is_empty();
        #[cfg(not(target_os = "linux"))]
        return false;
    }

    /// Reads both meters before a stretch of work, the CPU time last: reading costs some too.
    pub fn before(&self) -> Usage {
        let waited = self.waited();
        Usage { cpu: self.cpu(), waited }
    }

    /// Reads both meters after a stretch of work, the CPU time first.
    pub fn after(&self) -> Usage {
        Usage { cpu: self.cpu(), waited: self.waited() }
    }

    #[cfg(unix)]
    fn cpu(&self) -> Nanos {
        use rustix::time::{ClockId, clock_gettime};
        let id = if self.whole_process { ClockId::ProcessCPUTime } else { ClockId::ThreadCPUTime };
        let time = clock_gettime(id);
        Nanos(time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64)
    }

    #[cfg(not(unix))]
    fn cpu(&self) -> Nanos {
        Nanos::ZERO
    }

    #[cfg(target_os = "linux")]
    fn waited(&self) -> Nanos {
        self.schedstat.iter().filter_map(waited).sum()
    }

    #[cfg(not(target_os = "linux"))]
    fn waited(&self) -> Nanos {
        Nanos::ZERO
    }
}

/// The files that tell the waits: of all threads or of the calling one.
#[cfg(target_os = "linux")]
fn schedstat(whole_process: bool) -> Vec<std::fs::File> {
    use std::fs::File;
    if !whole_process {
        return File::open("/proc/thread-self/schedstat").into_iter().collect();
    }
    let threads = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    threads.filter_map(|thread| File::open(thread.path().join("schedstat")).ok()).collect()
}

/// A thread that has ended is no longer told of and has waited for nothing since.
#[cfg(target_os = "linux")]
fn waited(schedstat: &std::fs::File) -> Option<Nanos> {
    use std::os::unix::fs::FileExt;
    let mut text = [0_u8; 80];
    let length = schedstat.read_at(&mut text, 0).ok()?;
    // The fields are: time on the processor, time waiting for one, time slices.
    let field = std::str::from_utf8(&text[..length]).ok()?.split_ascii_whitespace().nth(1)?;
    field.parse().ok().map(Nanos)
}

impl Usage {
    /// What was used since `earlier`.
    pub fn since(self, earlier: Self) -> Self {
        Self { cpu: self.cpu.since(earlier.cpu), waited: self.waited.since(earlier.waited) }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn work_costs_cpu_time() {
        let meter = Meter::new(false);
        let before = meter.before();
        let sum = (0..2_000_000_u64).fold(0, |a, b| std::hint::black_box(a ^ b));
        std::hint::black_box(sum);
        let used = meter.after().since(before);
        assert!(used.cpu > Nanos::ZERO && used.cpu < Nanos(10_000_000_000), "{used:?}");
    }
}
