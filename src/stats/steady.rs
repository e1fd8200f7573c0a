//! A stretch of a series taken for steady, and how far what precedes it departs from it.

use super::{correlation::correlation_time, log::student_reach, period::median};

/// Differences below one percent, the effect floor, are not worth discarding samples for.
const TOLERANCE: f64 = 0.01;

/// Confidence with which a difference is held to be real.
const CONFIDENCE: f64 = 0.9995;

/// Standard errors that are enough however few samples there are. Student's quantile for a
/// handful of them would let nothing pass, not even three of ten that take half as long again.
const ENOUGH: f64 = 5.0;

/// So many samples at the limit are needed before they count: one or two outliers never do.
const FEWEST_ODD: f64 = 2.5;

/// Slow, then fast, then steady are two phases; no more than this many are looked for.
const MOST_PHASES: usize = 4;

/// What is steady, as a stretch of logarithms shows it.
pub(super) struct Reference {
    line: Line,
    /// Mean of what the line leaves, outliers cut.
    level: f64,
    /// By how much the line rises or falls along the stretch.
    rise: f64,
    /// What a sample may exceed the level by without being suspicious.
    allowance: f64,
    /// What the summed excess must reach.
    threshold: f64,
}

/// Where samples are expected and how far from there they count as outliers.
#[derive(Clone, Copy)]
struct Line {
    /// Position and height of a point on the line.
    at: f64,
    height: f64,
    /// Change per sample.
    slope: f64,
    limit: f64,
}

/// How uncertain the mean of correlated samples is.
struct Noise {
    /// Variance of one sample times the autocorrelation time.
    variance: f64,
    /// Standard error of the mean.
    error: f64,
    /// How many standard errors make a difference real.
    reach: f64,
}

impl Reference {
    /// From logarithms in time order, of which the share `free` is degrees of freedom.
    pub fn new(logs: &[f64], free: f64) -> Self {
        let m = logs.len() as f64;
        let flat = Line::flat(logs);
        let sloped = Line { slope: slope(&flat.cut(logs)), ..flat };
        let noise = Noise::of(&sloped.cut(logs), free);
        // The standard error of slope times m is √12 that of the level.
        let rise = sloped.slope * m;
        let real = rise.abs() > noise.reach * 12_f64.sqrt() * noise.error;
        let line = if real { sloped } else { flat };
        // In the middle of the stretch before, a line is √13 times as uncertain as a level.
        let uncertainty = noise.error * if real { 13_f64.sqrt() } else { 1.0 };
        let allowance = (noise.reach * uncertainty).min(line.limit / 3.0).max(TOLERANCE);
        // A random walk with this variance and a drift of −allowance ever climbs to h with
        // probability exp(−2 h allowance/variance); exp(−reach²/2) is about the risk meant.
        let climb = noise.reach.powi(2) * noise.variance / (4.0 * allowance);
        Self {
            line,
            level: mean(&line.cut(logs)),
            rise: if real { rise } else { 0.0 },
            allowance,
            threshold: climb.max(FEWEST_ODD * (line.limit - allowance)),
        }
    }

    /// Whether the stretch rises or falls by more than is tolerated.
    pub fn trending(&self) -> bool {
        self.rise.abs() > TOLERANCE
    }

    /// For how many samples `before`, the stretch that ends where this one begins, departs from
    /// this one: first in one direction, then perhaps in the other.
    pub fn departure(&self, before: &[f64]) -> usize {
        let begin = -(before.len() as f64);
        let excess: Vec<f64> =
            self.line.cut_from(begin, before).map(|rest| rest - self.level).collect();
        let mut length = 0;
        for _ in 0..MOST_PHASES {
            let rest = &excess[length..];
            length += self.phase(rest, 1.0).max(self.phase(rest, -1.0));
        }
        length
    }

    /// How many samples at the start exceed the level in the direction of `sign`, 0 if none do.
    fn phase(&self, excess: &[f64], sign: f64) -> usize {
        let peak = |allowance| highest(excess.iter().map(|x| sign * x - allowance));
        let (height, end) = peak(self.allowance);
        if height <= self.threshold {
            return 0;
        }
        // A clear excess ends clearly: with a larger allowance noise after it prolongs it less.
        let typical = sign * mean(&excess[..end]);
        peak(self.allowance.max(typical / 4.0)).1
    }
}

impl Line {
    fn flat(logs: &[f64]) -> Self {
        let height = median(&mut logs.to_vec());
        let mut deviations: Vec<f64> = logs.iter().map(|x| (x - height).abs()).collect();
        // Three standard deviations of normal noise, and room for what is tolerated.
        let limit = 4.5 * median(&mut deviations) + 2.0 * TOLERANCE;
        Self { at: (logs.len() as f64 - 1.0) / 2.0, height, slope: 0.0, limit }
    }

    /// What the line leaves of `logs`, outliers cut, the first of them at position `begin`.
    fn cut_from(self, begin: f64, logs: &[f64]) -> impl Iterator<Item = f64> {
        logs.iter().enumerate().map(move |(t, log)| {
            let expected = self.height + self.slope * (begin + t as f64 - self.at);
            (log - expected).clamp(-self.limit, self.limit)
        })
    }

    fn cut(self, logs: &[f64]) -> Vec<f64> {
        self.cut_from(0.0, logs).collect()
    }
}

impl Noise {
    fn of(rest: &[f64], free: f64) -> Self {
        let m = rest.len() as f64;
        let freedom = (m * free - 1.0).max(1.0);
        let centre = mean(rest);
        let time = correlation_time(rest);
        let squares: f64 = rest.iter().map(|x| (x - centre).powi(2)).sum();
        let variance = time * squares / freedom;
        let reach = student_reach((freedom / time).max(1.0), CONFIDENCE).min(ENOUGH);
        Self { variance, error: (variance / m).sqrt(), reach }
    }
}

/// Slope of the least-squares line over equally spaced values.
fn slope(values: &[f64]) -> f64 {
    let m = values.len() as f64;
    let centre = (m - 1.0) / 2.0;
    let products: f64 = values.iter().enumerate().map(|(t, y)| (t as f64 - centre) * y).sum();
    products * 12.0 / (m * (m * m - 1.0))
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// Height of the cumulative sum's peak and how many steps lead to it.
fn highest(steps: impl Iterator<Item = f64>) -> (f64, usize) {
    let (mut sum, mut peak) = (0.0, (0.0, 0));
    for (at, step) in steps.enumerate() {
        sum += step;
        if sum > peak.0 {
            peak = (sum, at + 1);
        }
    }
    peak
}
