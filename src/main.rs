//! The `trtbench` program. Everything it does is in the library.

fn main() -> std::process::ExitCode {
    trtbench::cli::main()
}
