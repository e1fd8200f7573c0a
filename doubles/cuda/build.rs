//! Gives the shared library the name under which programs load NVIDIA's driver API.
#![allow(clippy::print_stdout, reason = "this is how cargo is told")]

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux") {
        println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libcuda.so.1");
        // A process that closes the library and opens it again goes on in the script where it was.
        println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
    }
}
