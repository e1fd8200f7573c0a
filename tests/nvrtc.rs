//! Kernels compile for every card they are meant for, with the NVRTC of CUDA 11 and of CUDA 12. It takes
//! no card and no driver: scripts/test.sh brings both and names their folders in `TRTBENCH_NVRTC` and
//! `TRTBENCH_NVRTC11`.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may panic and print")]

mod common;

use std::{
    env,
    ffi::{OsStr, OsString},
    os::unix::fs::symlink,
    path::Path,
    process::Command,
};
use trtbench::cuda::{ComputeCapability, nvrtc::Nvrtc, preprocess, spin};

/// The cards of the compatibility tables, as far as both NVRTC know them.
const CARDS: [&str; 7] = ["6.1", "7.0", "7.5", "8.0", "8.6", "8.9", "9.0"];

/// All kernels there are.
const KERNELS: [(&str, &str); 2] = [("spin", spin::SOURCE), ("preprocess", preprocess::SOURCE)];

/// Says to the second process which NVRTC it was given.
const GIVEN: &str = "TRTBENCH_NVRTC_GIVEN";

#[test]
fn every_kernel_compiles_for_every_card_with_nvrtc_12() {
    const NAME: &str = "every_kernel_compiles_for_every_card_with_nvrtc_12";
    with_nvrtc(
        NAME,
        "TRTBENCH_NVRTC",
        |folder| folder.to_owned(),
        || {
            let nvrtc = compile_for_all(12);
            let newest: ComputeCapability = "12.0".parse().unwrap();
            for (name, source) in KERNELS {
                assert_cubin(&nvrtc.compile(source, newest).unwrap(), name, newest);
            }
        },
    );
}

#[test]
fn every_kernel_compiles_for_every_card_with_nvrtc_11() {
    const NAME: &str = "every_kernel_compiles_for_every_card_with_nvrtc_11";
    // The package lacks the name without a version, which the toolkit has and programs look for.
    let linked = tempfile::tempdir().unwrap();
    let search = |folder: &OsStr| {
        symlink(Path::new(folder).join("libnvrtc.so.11.2"), linked.path().join("libnvrtc.so"))
            .unwrap();
        let mut folders = linked.path().as_os_str().to_owned();
        folders.push(":");
        folders.push(folder);
        folders
    };
    with_nvrtc(NAME, "TRTBENCH_NVRTC11", search, || {
        compile_for_all(11);
    });
}

/// Runs `test` in a process whose loader finds the NVRTC in the folder that `variable` names.
fn with_nvrtc(
    name: &str,
    variable: &str,
    search: impl FnOnce(&OsStr) -> OsString,
    test: impl FnOnce(),
) {
    if env::var_os(GIVEN).is_some() {
        return test();
    }
    let Some(folder) = env::var_os(variable) else {
        return common::skip(&format!("kernels: {variable} names no folder with NVRTC"));
    };
    // The loader looks at its path when a process begins.
    let mut again = Command::new(env::current_exe().unwrap());
    again.args(["--exact", name, "--nocapture"]);
    again.env("LD_LIBRARY_PATH", search(&folder)).env(GIVEN, "1");
    let output = again.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let all = output.status.success() && said.contains("1 passed");
    assert!(all, "{said}{}", String::from_utf8_lossy(&output.stderr));
}

fn assert_cubin(cubin: &[u8], kernel: &str, card: ComputeCapability) {
    assert!(cubin.starts_with(b"\x7fELF") && cubin.len() > 500, "{kernel} for {card}");
}

fn compile_for_all(major: u32) -> Nvrtc {
    let nvrtc = Nvrtc::open().unwrap();
    assert_eq!(nvrtc.version().unwrap().major, major);
    let supported = nvrtc.supported().unwrap();
    for card in CARDS {
        let card: ComputeCapability = card.parse().unwrap();
        assert!(supported.contains(&card), "{card}");
        for (name, source) in KERNELS {
            assert_cubin(&nvrtc.compile(source, card).unwrap(), name, card);
        }
    }
    let unknown = nvrtc.compile(spin::SOURCE, ComputeCapability { major: 3, minor: 0 });
    let words = unknown.unwrap_err().to_string();
    assert!(words.contains("compute capability 3.0"), "{words}");
    let broken = nvrtc.compile("__global__ void f( {", "8.6".parse().unwrap()).unwrap_err();
    assert!(broken.to_string().contains("error"), "{broken}");
    nvrtc
}
