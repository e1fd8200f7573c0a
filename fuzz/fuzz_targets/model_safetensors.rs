//! Any bytes as a safetensors file.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trtbench_fuzz::models::look;

fuzz_target!(|data: &[u8]| look(&[("model.safetensors", data)]));
