//! Where runs go that were given no folder: a name in results/, and the run there that is taken up
//! again. Makes no folders.

use crate::{analysis, os, store::Run};
use std::path::{Path, PathBuf};

/// A folder in results/ that is not there yet.
pub fn fresh(name: &str) -> PathBuf {
    let stem = format!("{}-{name}", os::utc_now().compact());
    let results = Path::new("results");
    let first = results.join(&stem);
    if !first.exists() {
        return first;
    }
    // Two runs began in the same second.
    (2..).map(|n| results.join(format!("{stem}-{n}"))).find(|path| !path.exists()).unwrap_or(first)
}

/// The newest run of that scenario in results/ that is not finished, or, if all are, the newest.
pub fn newest(scenario: &str) -> Option<PathBuf> {
    let folders = std::fs::read_dir("results").ok()?.flatten().map(|entry| entry.path());
    let mut runs: Vec<(bool, String, PathBuf)> = folders
        .filter_map(|path| {
            let run = Run::read(&path).ok()?;
            let unfinished = analysis::cells(&run).iter().any(|cell| cell.missing > 0);
            let mine = run.info.scenario.name == scenario;
            mine.then_some((unfinished, run.info.created, path))
        })
        .collect();
    runs.sort();
    runs.pop().map(|(_, _, path)| path)
}
