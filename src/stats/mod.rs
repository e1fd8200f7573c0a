//! Order statistics, intervals, warm-up, stop rules, comparisons: pure functions over slices.
//! Knows no clock, no file and prints nothing. docs/METHODOLOGY.md gives every formula's source.

mod bootstrap;
mod compare;
mod correlation;
mod drift;
mod interval;
mod launches;
mod log;
mod order;
mod period;
mod random;
mod rank_test;
mod steady;
mod stop;
mod warmup;

#[cfg(test)]
mod simulate;

pub use bootstrap::block_bootstrap_ratio;
pub use compare::{RatioInterval, benjamini_hochberg, launch_ratio, paired_ratio, welch_ratio};
pub use interval::{MedianInterval, Summary, fewest_for_interval, median_interval, summarise};
pub use launches::{LaunchInterval, across_launches};
pub use order::{Sorted, tail_minimum};
pub use rank_test::mann_whitney;
pub use stop::{Stop, StopRule};
pub use warmup::{Warmup, warmup};
