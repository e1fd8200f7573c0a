//! What was seen of a card during a launch, as a table that any program reads. docs/RESULTS.md
//! explains the columns.

use crate::device::telemetry::Timed;

/// The readings as CSV, a row each.
///
/// # Errors
/// When a row cannot be encoded.
pub fn encode(readings: &[Timed]) -> Result<Vec<u8>, csv::Error> {
    let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(Vec::new());
    writer.write_record(COLUMNS)?;
    for Timed { at, reading } in readings {
        writer.write_record([
            at.0.to_string(),
            text(reading.sm_clock_mhz),
            text(reading.memory_clock_mhz),
            text(reading.temperature_c),
            text(reading.power_mw),
            text(reading.energy_mj),
            text(reading.gpu_utilisation_percent),
            text(reading.memory_utilisation_percent),
            text(reading.throttle.map(|reasons| reasons.0)),
            text(reading.pcie_generation),
            text(reading.pcie_width),
            text(reading.memory_used_bytes),
            text(reading.ecc_uncorrected),
        ])?;
    }
    writer.into_inner().map_err(|error| error.into_error().into())
}

/// Names of the columns.
pub const COLUMNS: [&str; 13] = [
    "at_ns",
    "sm_clock_mhz",
    "memory_clock_mhz",
    "temperature_c",
    "power_mw",
    "energy_mj",
    "gpu_utilisation_percent",
    "memory_utilisation_percent",
    "throttle_reasons",
    "pcie_generation",
    "pcie_width",
    "memory_used_bytes",
    "ecc_uncorrected",
];

/// A number, or nothing where the card does not tell.
fn text(value: Option<impl ToString>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cuda::nvml::{Reading, ThrottleReasons},
        unit::Nanos,
    };

    #[test]
    fn a_figure_that_is_not_told_is_an_empty_field() {
        let reading = Reading {
            sm_clock_mhz: Some(1695),
            throttle: Some(ThrottleReasons(4)),
            ..Reading::default()
        };
        let table = encode(&[Timed { at: Nanos(12), reading }]).unwrap();
        let text = String::from_utf8(table).unwrap();
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some(COLUMNS.join(",").as_str()));
        assert_eq!(lines.next(), Some("12,1695,,,,,,,4,,,,"));
    }
}
