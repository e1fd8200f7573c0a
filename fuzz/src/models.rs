//! What holds for every model file that is looked into, whatever is in it.

use std::{fs, path::PathBuf, sync::OnceLock};
use trtbench::model::{self, difference::difference, summary::Summary};

/// Looks into a model made of these files, the first of which is asked for, and holds the answer, if
/// there is one, to what must be true of it.
pub fn look(files: &[(&str, &[u8])]) {
    let folder = folder();
    for (name, bytes) in files {
        fs::write(folder.join(name), bytes).expect("a place for the files");
    }
    let path = folder.join(files[0].0);
    let found = model::inspect(&path);
    // What a runner asks of it.
    let _ = model::open(&path);
    let Ok(anatomy) = found else { return };
    let listed: u64 = anatomy.sections.iter().map(|section| section.bytes).sum();
    assert_eq!(listed, anatomy.bytes(), "the sections are the whole");
    let held: u64 = files.iter().map(|(_, bytes)| bytes.len() as u64).sum();
    assert!(anatomy.bytes() <= held, "no more bytes than there are");
    let summary = Summary::of(&anatomy);
    let roles: u64 = summary.roles.iter().map(|sum| sum.bytes).sum();
    assert!(roles <= anatomy.bytes(), "weights within the files");
    let same = difference(&anatomy, &anatomy);
    assert!(same.bytes == 0 && same.explanations.is_empty(), "a model differs from itself");
}

/// A folder of this process's own, in memory where the system has one there.
fn folder() -> &'static PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let memory = PathBuf::from("/dev/shm");
        let parent = if memory.is_dir() { memory } else { std::env::temp_dir() };
        let folder = parent.join(format!("trtbench-fuzz-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder for the files");
        folder
    })
}
