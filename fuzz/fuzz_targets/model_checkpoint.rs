//! Any bytes as a checkpoint of torch or Paddle: an archive, the legacy format, a bare pickle.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trtbench_fuzz::models::look;

fuzz_target!(|data: &[u8]| look(&[("model.pt", data)]));
