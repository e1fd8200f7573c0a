//! Any pickle in an archive that is whole, as torch writes it: mutation alone seldom leaves an archive
//! whole.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trtbench_fuzz::models::{archive, look};

fuzz_target!(|data: &[u8]| look(&[("model.pt", &archive(data))]));
