//! Which names in a pickle do more than describe data: unpickling it would call them.

use super::{Pickle, Value};
use std::collections::BTreeSet;

/// Modules of which no checkpoint needs anything: they start programs, reach files or the network,
/// or run code.
const MODULES: [&str; 33] = [
    "_posixsubprocess",
    "asyncio",
    "bdb",
    "cProfile",
    "code",
    "codeop",
    "commands",
    "ctypes",
    "distutils",
    "ftplib",
    "http",
    "httplib",
    "importlib",
    "multiprocessing",
    "nt",
    "os",
    "pdb",
    "pickle",
    "_pickle",
    "pip",
    "platform",
    "posix",
    "profile",
    "pty",
    "pydoc",
    "requests",
    "runpy",
    "shutil",
    "socket",
    "subprocess",
    "sys",
    "urllib",
    "webbrowser",
];

/// Functions of the language that run code or reach what they are not given.
const BUILTINS: [&str; 13] = [
    "__import__",
    "apply",
    "breakpoint",
    "compile",
    "delattr",
    "eval",
    "exec",
    "execfile",
    "getattr",
    "globals",
    "input",
    "open",
    "setattr",
];

/// Names in the pickle that unpickling would call and that a checkpoint does not need, such as
/// `os.system`.
pub fn dangers(pickle: &Pickle<'_>) -> BTreeSet<String> {
    let harmless = pickle.paddle_tensors();
    let mut found = BTreeSet::new();
    for value in pickle.values() {
        let Value::Global { module, name } = value else { continue };
        let first = module.split('.').next().unwrap_or_default();
        let builtin = matches!(first, "builtins" | "__builtin__" | "__builtins__");
        let first_name = name.split('.').next().unwrap_or_default();
        let dangerous = if builtin {
            BUILTINS.contains(&first_name) && !(harmless && first_name == "eval")
        } else {
            MODULES.contains(&first)
        };
        if dangerous {
            // A name is as long as a stranger likes.
            found.insert(format!("{module}.{name}").chars().take(80).collect());
        }
    }
    found
}

impl Pickle<'_> {
    /// Whether every `eval` in it is Paddle's way to write a tensor: of the word `data`, with the
    /// tensor under that name.
    fn paddle_tensors(&self) -> bool {
        self.values().all(|value| match value {
            Value::Object(object) => {
                self.global(object.class).is_none_or(|(_, name)| name != "eval")
                    || self.evaluated(object.arguments).is_some()
            }
            _ => true,
        })
    }

    /// What Paddle's `eval('data', {'data': …})` gives, from its arguments.
    pub fn evaluated(&self, arguments: super::Id) -> Option<super::Id> {
        let &[word, names] = self.items(arguments)? else { return None };
        if self.text(word)? != "data" || self.entries(names)?.len() != 1 {
            return None;
        }
        self.entry(names, "data")
    }
}
