//! What this machine is and how it is doing, from the system's own files. Unknown stays unknown.

use serde::{Deserialize, Serialize};
use std::{
    fs,
    time::{SystemTime, UNIX_EPOCH},
};

/// What does not change while a run lasts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// Network name.
    pub name: String,
    /// Operating system and kernel release.
    pub system: String,
    /// Instruction set.
    pub architecture: String,
    /// Processor as it names itself.
    pub cpu: String,
    /// Processors that this process may use.
    pub processors: usize,
    /// Main memory in bytes.
    pub memory_bytes: Option<u64>,
    /// Policy by which the kernel chooses the clock frequency.
    pub governor: Option<String>,
}

/// What changes: read at the start of each launch.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Conditions {
    /// Processes ready to run, averaged over the last minute.
    pub load_1min: Option<f64>,
    /// Clock of the first processor in kHz.
    pub cpu_khz: Option<u64>,
    /// Memory that can still be had, in bytes.
    pub memory_available_bytes: Option<u64>,
}

impl Host {
    /// Reads this machine.
    pub fn read() -> Self {
        let (name, system) = system();
        Self {
            name,
            system,
            architecture: std::env::consts::ARCH.to_owned(),
            cpu: cpu().unwrap_or_else(|| format!("unknown {} CPU", std::env::consts::ARCH)),
            processors: std::thread::available_parallelism().map_or(1, usize::from),
            memory_bytes: meminfo("MemTotal:"),
            governor: line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        }
    }
}

impl Conditions {
    /// Reads the present state.
    pub fn read() -> Self {
        let frequency = "/sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq";
        Self {
            load_1min: line("/proc/loadavg")
                .and_then(|text| text.split(' ').next().and_then(|word| word.parse().ok())),
            cpu_khz: line(frequency).and_then(|text| text.parse().ok()),
            memory_available_bytes: meminfo("MemAvailable:"),
        }
    }
}

/// Most memory this process has held so far, in bytes.
pub fn peak_memory() -> Option<u64> {
    let text = fs::read_to_string("/proc/self/status").ok()?;
    kib(text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?)
}

fn line(path: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

fn meminfo(field: &str) -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    kib(text.lines().find_map(|line| line.strip_prefix(field))?)
}

fn kib(field: &str) -> Option<u64> {
    field.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}

fn cpu() -> Option<String> {
    let text = fs::read_to_string("/proc/cpuinfo").ok()?;
    let names = ["model name", "Hardware", "Model"];
    names.into_iter().find_map(|wanted| {
        text.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            (name.trim() == wanted).then(|| value.trim().to_owned())
        })
    })
}

#[cfg(unix)]
fn system() -> (String, String) {
    let name = rustix::system::uname();
    let text = |part: &std::ffi::CStr| part.to_string_lossy().into_owned();
    (text(name.nodename()), format!("{} {}", text(name.sysname()), text(name.release())))
}

#[cfg(not(unix))]
fn system() -> (String, String) {
    let name = std::env::var("COMPUTERNAME").unwrap_or_else(|_| "unknown".to_owned());
    (name, std::env::consts::OS.to_owned())
}

/// The present time in UTC, to the second.
pub fn utc_now() -> Utc {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |span| span.as_secs());
    Utc(seconds)
}

/// A moment in UTC as seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Utc(pub u64);

impl Utc {
    /// As in `2026-11-22T05:28:43Z`.
    pub fn iso(self) -> String {
        let (year, month, day) = self.date();
        let [hour, minute, second] = self.time();
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }

    /// As in `20261122T052843Z`, for file names.
    pub fn compact(self) -> String {
        self.iso().replace(['-', ':'], "")
    }

    fn time(self) -> [u64; 3] {
        let s = self.0 % 86_400;
        [s / 3600, s / 60 % 60, s % 60]
    }

    /// Year, month and day of the Gregorian calendar, by counting years that begin in March so
    /// that the leap day comes last (Hinnant, "chrono-compatible low-level date algorithms").
    fn date(self) -> (u64, u64, u64) {
        let days = self.0 / 86_400 + 719_468;
        let era = days / 146_097;
        let day_of_era = days % 146_097;
        let year_of_era =
            (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * from_march + 2) / 5 + 1;
        let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
        (year_of_era + era * 400 + u64::from(month <= 2), month, day)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        // `date -u -d @N +%FT%TZ`
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_795_325_323, "2026-11-22T05:28:43Z"),
            (4_107_542_399, "2100-02-28T23:59:59Z"),
        ] {
            assert_eq!(Utc(seconds).iso(), text);
        }
    }
}
