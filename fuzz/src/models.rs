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

/// A zip archive with this pickle, two storages and a version, all as they are.
pub fn archive(pickle: &[u8]) -> Vec<u8> {
    let storage = [0x3f; 64];
    let entries: [(&str, &[u8]); 4] = [
        ("m/data.pkl", pickle),
        ("m/data/0", &storage),
        ("m/data/1", &storage),
        ("m/version", b"3\n"),
    ];
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    for (name, content) in entries {
        let (length, offset) = (content.len() as u32, bytes.len() as u32);
        // Stored, without a date; nobody checks the sum.
        let common =
            [&[20, 0][..], &[0; 12], &length.to_le_bytes(), &length.to_le_bytes()].concat();
        let name_length = (name.len() as u16).to_le_bytes();
        let local = [b"PK\x03\x04", &common[..], &name_length, &[0; 2], name.as_bytes(), content];
        let central = [
            b"PK\x01\x02\x14\x00",
            &common[..],
            &name_length,
            &[0; 12],
            &offset.to_le_bytes(),
            name.as_bytes(),
        ];
        bytes.extend(local.concat());
        directory.extend(central.concat());
    }
    let count = (entries.len() as u16).to_le_bytes();
    let (size, offset) =
        ((directory.len() as u32).to_le_bytes(), (bytes.len() as u32).to_le_bytes());
    let end = [b"PK\x05\x06\0\0\0\0", &count[..], &count, &size, &offset, &[0; 2]].concat();
    [bytes, directory, end].concat()
}
