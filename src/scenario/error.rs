//! What is wrong with a scenario.

use std::{fmt, path::PathBuf};

/// A scenario that is refused, with the place to mend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    /// Scenario file.
    pub file: PathBuf,
    /// Line, counted from 1, where known.
    pub line: Option<usize>,
    /// Dotted key, empty where the file as a whole is at fault.
    pub key: String,
    /// What is wrong and what is allowed.
    pub problem: String,
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        write!(f, ": {}", self.problem)
    }
}

impl std::error::Error for Invalid {}
