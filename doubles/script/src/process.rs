//! What both libraries do alike in the process that loads them: find their script, define their C
//! functions, and hang when told to.

use crate::{fault::Library, ledger::Writer, script::Script};
use std::{
    io::{self, Write},
    path::PathBuf,
    thread,
};

/// A script that a process plays.
#[derive(Debug)]
pub struct Loaded {
    /// The script.
    pub script: Script,
    /// Where it was.
    pub path: PathBuf,
    /// Its ledger.
    pub ledger: Writer,
}

impl Loaded {
    /// The script that the environment names; where there is none, standard error says why.
    pub fn from_environment(library: Library) -> Option<Self> {
        let open = |(script, path): (Script, PathBuf)| {
            let ledger = Writer::open(&path)?;
            Ok(Self { script, path, ledger })
        };
        let complain = |error: io::Error| {
            // There is nobody to tell if this fails too; the call fails in any case.
            let _ = writeln!(io::stderr(), "stand-in for the library of {library:?}: {error}");
        };
        Script::from_environment().and_then(open).map_err(complain).ok()
    }
}

/// Never returns.
pub fn hang() -> ! {
    loop {
        thread::park();
    }
}

/// Defines C functions that go through one Rust function, which gets the name of the call, what it
/// is about, and the work to be done: `fn name(argument: Type) on subject => work;`.
#[macro_export]
macro_rules! calls {
    (
        by $call:path;
        $(
            fn $name:ident($($argument:ident: $type:ty),* $(,)?) on $subject:expr => $work:expr;
        )*
    ) => {
        $(
            #[unsafe(no_mangle)]
            #[allow(non_snake_case, clippy::too_many_arguments, reason = "the interface of C")]
            extern "C" fn $name($($argument: $type),*) -> std::ffi::c_int {
                $call(stringify!($name), $subject, $work)
            }
        )*
    };
}
