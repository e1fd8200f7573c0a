//! Libraries for tests, written byte by byte: what [`Dynamic`] holds, and no code.

use super::{
    Dynamic, MACHINES, MAGIC, SHARED,
    dynamic::{DYNAMIC, LOAD, tag},
};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// A library for this machine that is known by `soname` and needs others.
pub fn library(soname: &str, needed: &[&str]) -> Vec<u8> {
    let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
    bytes(&Dynamic {
        machine: std::env::consts::ARCH.into(),
        soname: Some(soname.into()),
        needed: names(needed),
        ..Dynamic::default()
    })
}

/// The library that says `dynamic`.
pub fn bytes(dynamic: &Dynamic) -> Vec<u8> {
    const START: u64 = 64 + 2 * 56;
    let mut strings = vec![0];
    let mut entries = Vec::new();
    let mut name = |text: &str| {
        let at = strings.len() as u64;
        strings.extend([text.as_bytes(), &[0]].concat());
        at
    };
    entries.extend(dynamic.needed.iter().map(|needed| (tag::NEEDED, name(needed))));
    entries.extend(dynamic.soname.iter().map(|soname| (tag::SONAME, name(soname))));
    if !dynamic.run_path.is_empty() {
        entries.push((tag::RUNPATH, name(&dynamic.run_path.join(":"))));
    }
    let versions: Vec<u64> = dynamic.versions.iter().map(|version| name(version)).collect();
    let table = START + strings.len() as u64;
    entries.extend([(tag::STRTAB, START), (tag::STRSZ, strings.len() as u64)]);
    entries.extend([(tag::VERDEF, table), (tag::VERDEFNUM, versions.len() as u64), (0, 0)]);
    let versions: Vec<u8> = versions.iter().flat_map(|&name| version(name)).collect();
    let entries: Vec<u8> = entries.iter().flat_map(|&(tag, value)| words(&[tag, value])).collect();
    let section = table + versions.len() as u64;
    let end = section + entries.len() as u64;
    let load = segment(LOAD, 0, end);
    let place = segment(DYNAMIC, section, entries.len() as u64);
    [header(&dynamic.machine), load, place, strings, versions, entries].concat()
}

fn words(words: &[u64]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

fn header(machine: &str) -> Vec<u8> {
    let (machine, _) = MACHINES.iter().find(|(_, name)| *name == machine).unwrap();
    let mut header = [MAGIC, &[2, 1, 1], &[0; 57]].concat();
    header[16..18].copy_from_slice(&(SHARED as u16).to_le_bytes());
    header[18..20].copy_from_slice(&(*machine as u16).to_le_bytes());
    header[32] = 64;
    header[54] = 56;
    header[56] = 2;
    header
}

fn segment(kind: u64, at: u64, size: u64) -> Vec<u8> {
    words(&[kind, at, at, at, size, size, 1])
}

fn version(name: u64) -> Vec<u8> {
    let [kind, hash, auxiliary, next] = [1_u64, 0, 20, 28];
    let definition = [kind, 0x1_0001, hash, auxiliary, next, name, 0];
    definition.iter().flat_map(|&number| (number as u32).to_le_bytes()).collect()
}

/// Lays a file into a folder, which is made if it is not there.
pub fn file(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    fs::create_dir_all(folder).unwrap();
    let path = folder.join(name);
    fs::write(&path, bytes).unwrap();
    path
}
