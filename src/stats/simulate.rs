//! Series with known properties, for tests.

use super::random::SplitMix;
use crate::unit::Nanos;

/// Times around one millisecond with a known generating process.
pub(super) struct Simulator {
    random: SplitMix,
    state: f64,
}

impl Simulator {
    pub fn new(seed: u64) -> Self {
        // Neighbouring seeds of SplitMix give shifted copies of one sequence.
        Self { random: SplitMix(SplitMix(seed).next()), state: f64::NAN }
    }

    /// In (0, 1).
    pub fn uniform(&mut self) -> f64 {
        ((self.random.next() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    }

    /// Standard normal (Box & Muller).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * self.uniform().ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// The next of a standardised AR(1) process; `phi` 0 is independent noise.
    pub fn autoregressive(&mut self, phi: f64) -> f64 {
        let step = self.normal();
        let fresh = self.state.is_nan();
        self.state = if fresh { step } else { phi * self.state + (1.0 - phi * phi).sqrt() * step };
        self.state
    }

    /// `n` times whose logarithm is `level(t)` plus `noise` times an AR(1) process, around 1 ms.
    pub fn series(
        &mut self,
        n: usize,
        phi: f64,
        noise: f64,
        level: impl Fn(usize) -> f64,
    ) -> Vec<Nanos> {
        (0..n).map(|t| millisecond(level(t) + noise * self.autoregressive(phi))).collect()
    }
}

/// One millisecond times e^`log`.
pub(super) fn millisecond(log: f64) -> Nanos {
    Nanos((1e6 * log.exp()).round() as u64)
}
