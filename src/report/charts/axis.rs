//! From values to places, and round values to mark. Values that cannot be placed, NaN or beyond
//! an end, are placed at an end.

/// How places follow from values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// Equal differences are equally far apart.
    Linear,
    /// Equal ratios are equally far apart.
    Log,
}

/// A range of values drawn between two places.
#[derive(Clone, Copy, Debug)]
pub struct Axis {
    low: f64,
    high: f64,
    scale: Scale,
    from: f64,
    to: f64,
}

/// Ratio of the largest to the smallest value from which on a logarithmic scale is clearer.
const WIDE: f64 = 30.0;

impl Scale {
    /// The scale for values between `low` and `high`.
    pub fn fitting(low: f64, high: f64) -> Self {
        if high > low * WIDE { Self::Log } else { Self::Linear }
    }
}

impl Axis {
    /// An axis whose values `low` and `high` are at the places `from` and `to`. A range that is
    /// empty or, on a logarithmic scale, not positive is widened.
    pub fn new(scale: Scale, (low, high): (f64, f64), (from, to): (f64, f64)) -> Self {
        let (low, high) = match scale {
            Scale::Linear if high > low => (low, high),
            Scale::Linear => (low, low + low.abs().max(1.0) * 0.1),
            Scale::Log => {
                let low = low.max(f64::MIN_POSITIVE);
                (low, high.max(low * 10.0))
            }
        };
        Self { low, high, scale, from, to }
    }

    /// Where `value` is.
    pub fn at(&self, value: f64) -> f64 {
        let value = value.max(self.low).min(self.high);
        let part = match self.scale {
            Scale::Linear => (value - self.low) / (self.high - self.low),
            Scale::Log => (value / self.low).ln() / (self.high / self.low).ln(),
        };
        self.from + part * (self.to - self.from)
    }

    /// Whether `value` is not beyond an end.
    pub fn holds(&self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }

    /// The largest value that is not beyond the end.
    pub fn high(&self) -> f64 {
        self.high
    }

    /// Round values, about `wanted` of them.
    pub fn ticks(&self, wanted: usize) -> Vec<f64> {
        let mut ticks = match self.scale {
            Scale::Linear => self.linear_ticks(wanted),
            Scale::Log => self.log_ticks(wanted),
        };
        ticks.retain(|&tick| tick >= self.low && tick <= self.high);
        ticks
    }

    fn linear_ticks(&self, wanted: usize) -> Vec<f64> {
        let rough = (self.high - self.low) / wanted.max(1) as f64;
        let power = 10f64.powf(rough.log10().floor());
        let factor = [1.0, 2.0, 5.0, 10.0].into_iter().find(|f| f * power >= rough * 0.999);
        let step = factor.unwrap_or(10.0) * power;
        let first = (self.low / step).ceil();
        (0..=3 * wanted).map(|n| (first + n as f64) * step).collect()
    }

    fn log_ticks(&self, wanted: usize) -> Vec<f64> {
        let (first, last) = (self.low.log10().floor() as i32, self.high.log10().ceil() as i32);
        let decades = (last - first).max(1) as usize;
        let factors: &[f64] = match wanted / decades {
            0 | 1 => &[1.0],
            2 => &[1.0, 3.0],
            _ => &[1.0, 2.0, 5.0],
        };
        let every = decades.div_ceil(wanted.max(1));
        (first..=last)
            .step_by(every)
            .flat_map(|power| factors.iter().map(move |f| f * 10f64.powi(power)))
            .collect()
    }
}

/// A round number of nanoseconds in the unit that fits, without needless digits.
pub fn time(nanos: f64) -> String {
    let units = [(1e9, "s"), (1e6, "ms"), (1e3, "µs"), (1.0, "ns")];
    // A tick is a multiple of a power of ten, but for binary rounding.
    let unit = units.into_iter().find(|(size, _)| nanos >= size * 0.9999);
    match unit {
        Some((size, name)) => format!("{} {name}", number(nanos / size)),
        None if nanos > 0.0 => format!("{} ns", number(nanos)),
        None => "0".to_owned(),
    }
}

/// A round number without needless digits, thousands set apart.
pub fn number(value: f64) -> String {
    let text = format!("{value:.4}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    let whole = text.split('.').next().unwrap_or_default();
    let mut grouped = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) && whole.len() > 4 {
            grouped.push('\u{a0}');
        }
        grouped.push(digit);
    }
    grouped.push_str(&text[whole.len()..]);
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_inside() {
        let axis = Axis::new(Scale::Linear, (0.0, 47.0e6), (0.0, 100.0));
        let labels: Vec<String> = axis.ticks(5).into_iter().map(time).collect();
        assert_eq!(labels, ["0", "10 ms", "20 ms", "30 ms", "40 ms"]);
        let axis = Axis::new(Scale::Log, (40e3, 70e6), (0.0, 100.0));
        let labels: Vec<String> = axis.ticks(8).into_iter().map(time).collect();
        assert_eq!(labels, ["100 µs", "300 µs", "1 ms", "3 ms", "10 ms", "30 ms"]);
    }

    #[test]
    fn no_range_and_no_value_leads_off_the_axis() {
        let ranges = [(0.0, 0.0), (5.0, 5.0), (1e19, 1e19), (3.0, 1.0)];
        for scale in [Scale::Linear, Scale::Log] {
            for range in ranges {
                let axis = Axis::new(scale, range, (10.0, 20.0));
                for value in [0.0, 5.0, -1.0, 1e30, f64::NAN] {
                    let at = axis.at(value);
                    assert!((10.0..=20.0).contains(&at), "{value} on {axis:?}");
                }
                assert!(axis.ticks(6).len() < 60);
            }
        }
    }

    #[test]
    fn numbers_have_no_needless_digits() {
        let shown = [0.0, 0.25, 1500.0, 1e6, 12_345.5].map(number);
        assert_eq!(shown, ["0", "0.25", "1500", "1\u{a0}000\u{a0}000", "12\u{a0}345.5"]);
    }
}
