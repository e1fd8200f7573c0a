//! Kernels compile for every card they are meant for. It takes NVRTC, but no card and no driver:
//! scripts/test.sh brings one and names its folder in `TRTBENCH_NVRTC`.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may panic and print")]

mod common;

use std::{env, process::Command};
use trtbench::cuda::{ComputeCapability, nvrtc::Nvrtc, spin};

/// From the first card of the compatibility tables that NVRTC 12 knows to the newest.
const CARDS: [&str; 8] = ["6.1", "7.0", "7.5", "8.0", "8.6", "8.9", "9.0", "12.0"];

#[test]
fn the_spinning_kernel_compiles_for_every_card() {
    const NAME: &str = "the_spinning_kernel_compiles_for_every_card";
    if env::var_os("TRTBENCH_NVRTC_FOUND").is_some() {
        return compile_for_all();
    }
    let Some(folder) = env::var_os("TRTBENCH_NVRTC") else {
        return common::skip("kernels: TRTBENCH_NVRTC names no folder with NVRTC");
    };
    // The loader looks at its path when a process begins.
    let mut again = Command::new(env::current_exe().unwrap());
    again.args(["--exact", NAME, "--nocapture"]);
    again.env("LD_LIBRARY_PATH", folder).env("TRTBENCH_NVRTC_FOUND", "1");
    let output = again.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn compile_for_all() {
    let nvrtc = Nvrtc::open().unwrap();
    assert!(nvrtc.version().unwrap().major >= 12);
    let supported = nvrtc.supported().unwrap();
    for card in CARDS {
        let card: ComputeCapability = card.parse().unwrap();
        assert!(supported.contains(&card), "{card}");
        let cubin = nvrtc.compile(spin::SOURCE, card).unwrap();
        assert!(cubin.starts_with(b"\x7fELF") && cubin.len() > 500, "{card}");
    }
    let unknown = nvrtc.compile(spin::SOURCE, ComputeCapability { major: 3, minor: 5 });
    let words = unknown.unwrap_err().to_string();
    assert!(words.contains("compute capability 3.5"), "{words}");
    let broken = nvrtc.compile("__global__ void f( {", "8.6".parse().unwrap()).unwrap_err();
    assert!(broken.to_string().contains("error"), "{broken}");
}
