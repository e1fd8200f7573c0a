//! What a comparison can find, simulated: the tables of docs/METHODOLOGY.md, "What can be found".
//! `cargo run --release --example power`
#![allow(clippy::print_stdout, reason = "an example prints")]

use trtbench::{
    analysis::FLOOR,
    stats::{RatioInterval, launch_ratio},
    unit::Nanos,
};

const TRIALS: usize = 4000;
const LEVEL: f64 = 0.95;

/// SplitMix64 and Box–Muller: the same numbers in every run.
struct Random(u64);

impl Random {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (((z ^ (z >> 31)) >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        let radius = (-2.0 * self.uniform().ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// Medians of launches around 10 ms times `1 + change`.
    fn launches(&mut self, count: usize, noise: f64, change: f64) -> Vec<Nanos> {
        let centre = 1e7 * (1.0 + change);
        (0..count).map(|_| Nanos((centre * (noise * self.normal()).exp()) as u64)).collect()
    }
}

/// Share of simulated comparisons of which `holds`.
fn share(count: usize, noise: f64, change: f64, holds: fn(&RatioInterval) -> bool) -> f64 {
    let mut random = Random(1);
    let hits = (0..TRIALS).filter(|_| {
        let base = random.launches(count, noise, 0.0);
        let new = random.launches(count, noise, change);
        launch_ratio(&base, &new, LEVEL).is_some_and(|ratio| holds(&ratio))
    });
    100.0 * hits.count() as f64 / TRIALS as f64
}

fn excludes_one(ratio: &RatioInterval) -> bool {
    ratio.low.0 > 1.0 || ratio.high.0 < 1.0
}

fn is_found(ratio: &RatioInterval) -> bool {
    excludes_one(ratio) && (ratio.ratio.0 - 1.0).abs() >= FLOOR
}

fn is_same(ratio: &RatioInterval) -> bool {
    ratio.low.0 >= 1.0 - FLOOR && ratio.high.0 <= 1.0 + FLOOR
}

fn main() {
    let counts = [5, 10, 20];
    println!("found: 2 % (5 %)");
    for noise in [0.005, 0.01, 0.02, 0.03] {
        let cells = counts.map(|n| {
            let [two, five] = [0.02, 0.05].map(|change| share(n, noise, change, is_found));
            format!("{two:.0} % ({five:.0} %)")
        });
        println!("| {} % | {} |", noise * 100.0, cells.join(" | "));
    }
    println!("same, of unchanged ones");
    for noise in [0.005, 0.01, 0.02] {
        let cells = counts.map(|n| format!("{:.0} %", share(n, noise, 0.0, is_same)));
        println!("| {} % | {} |", noise * 100.0, cells.join(" | "));
    }
    let wrong = counts.map(|n| format!("{:.1} %", share(n, 0.01, 0.0, excludes_one)));
    println!("unchanged ones taken for different: {}", wrong.join(", "));
}
