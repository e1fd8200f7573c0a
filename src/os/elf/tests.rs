//! ELF files of all kinds, whole, damaged and made up.

use super::{
    dynamic::{STRING, VERSIONS},
    *,
};
use proptest::prelude::*;
use std::io::Cursor;

fn header(little: bool, kind: u16, machine: u16) -> Vec<u8> {
    let bytes = |n: u16| if little { n.to_le_bytes() } else { n.to_be_bytes() };
    let mut header = [MAGIC, &[2, if little { 1 } else { 2 }, 1], &[0; 9]].concat();
    header.extend(bytes(kind));
    header.extend(bytes(machine));
    header
}

#[test]
fn a_library_for_this_machine_passes() {
    assert_eq!(check(&header(true, 3, 62), 64, "x86_64"), Ok(()));
    assert_eq!(check(&header(false, 3, 22), 64, "s390x"), Ok(()));
    assert_eq!(check(&header(true, 3, 999), 64, "a machine of tomorrow"), Ok(()));
}

#[test]
fn a_library_for_another_machine_names_both() {
    let words = check(&header(true, 3, 183), 64, "x86_64").unwrap_err();
    assert_eq!(words, "it is built for aarch64, this machine is x86_64");
    assert!(check(&header(true, 3, 999), 64, "x86_64").unwrap_err().contains("999"));
}

#[test]
fn other_files_are_told_apart() {
    assert!(check(b"#!/bin/sh", 64, "x86_64").unwrap_err().contains("not a shared library"));
    assert!(check(&header(true, 2, 62), 64, "x86_64").unwrap_err().contains("not a shared"));
    for end in 0..20 {
        assert!(check(&header(true, 3, 62)[..end], 64, "x86_64").is_err());
    }
}

#[test]
fn a_file_that_ends_before_its_last_segment_is_cut_off() {
    let mut file = header(true, 3, 62);
    file.resize(64 + 2 * 56, 0);
    file[32] = 64;
    file[54] = 56;
    file[56] = 2;
    file[64 + 56 + 8..][..8].copy_from_slice(&5000_u64.to_le_bytes());
    file[64 + 56 + 32..][..8].copy_from_slice(&96_u64.to_le_bytes());
    assert_eq!(check(&file, 5096, "x86_64"), Ok(()));
    assert!(check(&file, 5095, "x86_64").unwrap_err().contains("cut off"));
    // A number that overflows is none of this check's business.
    file[64 + 56 + 8..][..8].fill(0xff);
    assert_eq!(check(&file, 64 + 112, "x86_64"), Ok(()));
}

/// The C library that this very test has loaded.
#[cfg(all(target_os = "linux", target_env = "gnu", target_endian = "little"))]
fn c_library() -> std::path::PathBuf {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let mapped = maps.lines().filter_map(|line| line.split_whitespace().nth(5));
    mapped.filter(|path| path.contains("libc.so.6")).map(Into::into).next().unwrap()
}

#[cfg(all(target_os = "linux", target_env = "gnu", target_endian = "little"))]
#[test]
fn the_c_library_says_who_it_is() {
    let path = c_library();
    assert_eq!(check_file(&path, std::env::consts::ARCH), Ok(()));
    let said = read_file(&path).unwrap();
    assert_eq!(said.machine, std::env::consts::ARCH);
    assert_eq!(said.soname.as_deref(), Some("libc.so.6"));
    assert!(said.needed.iter().any(|name| name.starts_with("ld-linux")), "{said:?}");
    assert!(said.versions.iter().any(|name| name == "GLIBC_2.17"), "{said:?}");
}

#[cfg(target_os = "linux")]
#[test]
fn what_is_written_for_tests_is_read_back() {
    let text = |text: &[&str]| text.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
    let said = Dynamic {
        machine: "aarch64".into(),
        soname: Some("liba.so.1".into()),
        needed: text(&["libb.so.2", "libc.so.6"]),
        run_path: text(&["$ORIGIN", "/opt/b/lib"]),
        versions: text(&["liba.so.1", "VERS_1.26.0"]),
    };
    assert_eq!(read(&mut Cursor::new(sample::bytes(&said))), Ok(said));
    let bare = Dynamic { machine: "x86_64".into(), ..Dynamic::default() };
    assert_eq!(read(&mut Cursor::new(sample::bytes(&bare))), Ok(bare));
}

#[cfg(unix)]
#[test]
fn what_is_no_file_is_told_without_waiting_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("libx.so");
    std::os::unix::fs::symlink("nowhere", &link).unwrap();
    assert_eq!(check_file(&link, "x86_64").unwrap_err(), "it is a link to nowhere");
    assert_eq!(read_file(folder.path()).unwrap_err(), "it is not a file");
    assert_eq!(read_file(Path::new("/dev/zero")).unwrap_err(), "it is not a file");
    assert!(read_file(&folder.path().join("gone")).unwrap_err().contains("cannot be read"));
}

#[cfg(target_os = "linux")]
fn any_library() -> impl Strategy<Value = Vec<u8>> {
    let name = "[a-zA-Z$/.]{1,9}";
    let names = || proptest::collection::vec(name, 0..5);
    (proptest::option::of(name), names(), names(), names()).prop_map(
        |(soname, needed, run_path, versions)| {
            let machine = std::env::consts::ARCH.into();
            sample::bytes(&Dynamic { machine, soname, needed, run_path, versions })
        },
    )
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let _ = check(&bytes, bytes.len() as u64, "x86_64");
        prop_assert!(read(&mut Cursor::new(&bytes)).is_err());
        // Past the first look, so that the rest is reached.
        let started = [MAGIC, &[2, 1], &bytes].concat();
        let _ = check(&started, bytes.len() as u64, "x86_64");
        let _ = read(&mut Cursor::new(&started));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn damaged_libraries_give_bounded_answers(
        library in any_library(),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12),
        end in any::<prop::sample::Index>(),
    ) {
        let mut library = library;
        for (at, byte) in damage {
            let at = at.index(library.len());
            library[at] = byte;
        }
        library.truncate(end.index(library.len()) + 1);
        let _ = check(&library, library.len() as u64, "x86_64");
        if let Ok(said) = read(&mut Cursor::new(&library)) {
            prop_assert!(said.needed.len() <= library.len() / 16);
            prop_assert!(said.versions.len() as u64 <= VERSIONS);
            prop_assert!(said.soname.is_none_or(|name| name.len() as u64 <= 3 * STRING));
        }
    }
}

#[cfg(all(target_os = "linux", target_env = "gnu", target_endian = "little"))]
proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_damaged_c_library_never_panics(
        damage in proptest::collection::vec((0..2048_usize, any::<u8>()), 0..20),
        end in any::<prop::sample::Index>(),
    ) {
        static WHOLE: std::sync::LazyLock<Vec<u8>> =
            std::sync::LazyLock::new(|| std::fs::read(c_library()).unwrap());
        let mut library = WHOLE[..end.index(WHOLE.len())].to_vec();
        for (at, byte) in damage {
            if let Some(there) = library.get_mut(at) {
                *there = byte;
            }
        }
        let _ = check(&library, library.len() as u64, "x86_64");
        let _ = read(&mut Cursor::new(&library));
    }
}
