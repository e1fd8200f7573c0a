//! `IOptimizationProfile`: which shapes of the inputs an engine is built for.

use crate::{call::text, class, dims::Dims, plan::Range};
use std::collections::BTreeMap;
use trtbench_double_script::Text;

/// A profile.
#[derive(Debug, Default)]
pub struct Profile {
    /// Least, best and most lengths by input, as far as they are set.
    ranges: BTreeMap<String, [Option<Vec<i64>>; 3]>,
}

impl Profile {
    /// The lengths of an input, where all three are set and in order.
    pub fn range(&self, input: &str) -> Option<Range> {
        let [Some(least), Some(best), Some(most)] = self.ranges.get(input)? else { return None };
        let ordered = |small: &[i64], large: &[i64]| {
            small.len() == large.len()
                && small.iter().zip(large).all(|(small, large)| small <= large)
        };
        let range = [least.clone(), best.clone(), most.clone()];
        (ordered(least, best) && ordered(best, most)).then_some(range)
    }

    fn is_valid(&self) -> bool {
        self.ranges.keys().all(|input| self.range(input).is_some())
    }

    fn set(&mut self, input: &str, selector: usize, lengths: Vec<i64>) -> bool {
        let good = selector < 3 && lengths.iter().all(|&length| length >= 0);
        if good {
            self.ranges.entry(input.to_owned()).or_default()[selector] = Some(lengths);
        }
        good
    }

    fn get(&self, input: &str, selector: usize) -> Option<Vec<i64>> {
        self.ranges.get(input)?.get(selector)?.clone()
    }
}

fn place(selector: i32) -> usize {
    usize::try_from(selector).unwrap_or(usize::MAX)
}

class! {
    Profile as "VOptimizationProfile" { OWNED_BY_CLIENT = false; };
    fn setDimensions[D](this, input: Text, selector: i32, lengths: <D as Dims>::Given) -> bool => {
        let Some(input) = text(input) else { return false };
        this.state().set(input, place(selector), D::given(lengths))
    };
    fn getDimensions[D](this, input: Text, selector: i32) -> D => {
        let lengths = text(input).and_then(|input| this.state().get(input, place(selector)));
        D::new(lengths.as_deref())
    };
    // There are no shape tensors.
    fn getNbShapeValues(this, _input: Text) -> i32 => -1;
    fn setExtraMemoryTarget(this, _target: f32) -> bool => true;
    fn getExtraMemoryTarget(this) -> f32 => 1.0;
    fn isValid(this) -> bool => this.state().is_valid();
}
