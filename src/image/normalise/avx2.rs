//! Eight values at a time out of a table.

use crate::cpu::sys::x86_64::{gather_256, store_floats_256};

/// See [`super::sys::look_up`]; looks up whole blocks.
#[target_feature(enable = "avx2")]
pub(super) fn look_up(table: &[f32; 256], levels: &[u8], values: &mut [f32]) -> usize {
    let levels = levels.as_chunks::<8>().0;
    for (&levels, values) in levels.iter().zip(values.as_chunks_mut::<8>().0) {
        store_floats_256(values, gather_256(table, levels));
    }
    8 * levels.len()
}
