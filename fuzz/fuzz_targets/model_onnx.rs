//! Any bytes as an ONNX file, and as the weights beside it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trtbench_fuzz::models::look;

fuzz_target!(|data: &[u8]| {
    let beside = &data[..data.len() / 2];
    look(&[("model.onnx", data), ("weights.bin", beside)]);
});
