//! Any bytes as a program of Paddle, a PIR program or parameters, with parameters beside them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trtbench_fuzz::models::look;

/// Those that belong to the programs among the seeds.
const PARAMETERS: &[u8] = include_bytes!("../../tests/paddle_files/program.pdiparams");

fuzz_target!(|data: &[u8]| {
    look(&[("model.pdmodel", data), ("model.pdiparams", PARAMETERS)]);
});
