//! Reads ELF files without loading them: why one is no library for this machine, and what a 64 bit
//! little-endian one says to the loader. Believes nothing: every read is bounded, and whatever a
//! file holds, the answer is words or less, never a panic. Layout after the System V ABI, chapters 4
//! ("ELF Header") and 5 ("Dynamic Section"), and the Linux Standard Base ("Symbol Versioning");
//! machine numbers after their registry.

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::Path,
};

/// Bytes at a file's start that hold all that [`check`] looks at; program headers follow the ELF
/// header, and there are a dozen.
pub const HEADER: u64 = 8192;

const MAGIC: &[u8] = b"\x7fELF";
/// `ET_DYN`: a shared object.
const SHARED: u64 = 3;

/// Most program headers that are looked at.
const SEGMENTS: u64 = 256;
/// Bytes of a program header of a 64 bit file.
const SEGMENT: u64 = 56;
/// `PT_LOAD` and `PT_DYNAMIC`.
const LOAD: u64 = 1;
const DYNAMIC: u64 = 2;
/// Bytes of a dynamic section that are read: 4096 entries.
const DYNAMIC_BYTES: u64 = 1 << 16;
/// Longest string that is read.
const STRING: u64 = 4096;
/// Most names of versions that are read.
const VERSIONS: u64 = 256;

/// Tags of the dynamic section (`DT_…`).
mod tag {
    pub const NEEDED: u64 = 1;
    pub const STRTAB: u64 = 5;
    pub const STRSZ: u64 = 10;
    pub const SONAME: u64 = 14;
    pub const RPATH: u64 = 15;
    pub const RUNPATH: u64 = 29;
    pub const VERDEF: u64 = 0x6fff_fffc;
    pub const VERDEFNUM: u64 = 0x6fff_fffd;
}

/// What a library says to the loader. Text that is no UTF-8 is shown as near as can be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dynamic {
    /// The machine it is for, as [`std::env::consts::ARCH`] names it.
    pub machine: String,
    /// The name that others know it by (`DT_SONAME`).
    pub soname: Option<String>,
    /// Names of the libraries that must be loaded with it (`DT_NEEDED`), in its order.
    pub needed: Vec<String>,
    /// Folders of its own to look for them (`DT_RUNPATH`, where there is none `DT_RPATH`);
    /// `$ORIGIN` is the folder it lies in.
    pub run_path: Vec<String>,
    /// Names of the versions of its symbols (`DT_VERDEF`); the first is its own name.
    pub versions: Vec<String>,
}

/// Machine numbers and the names that [`std::env::consts::ARCH`] has for them.
const MACHINES: [(u64, &str); 8] = [
    (3, "x86"),
    (21, "powerpc64"),
    (22, "s390x"),
    (40, "arm"),
    (62, "x86_64"),
    (183, "aarch64"),
    (243, "riscv64"),
    (258, "loongarch64"),
];

/// Refuses a file of `size` bytes that starts with `start` if it is no shared object, one for
/// another machine than `here`, or cut off. Where the name `here` is not known the system's loader
/// will have to tell.
///
/// # Errors
/// Words that say why; they follow on the file's name.
pub fn check(start: &[u8], size: u64, here: &str) -> Result<(), String> {
    if !start.starts_with(MAGIC) {
        return Err("it is not a shared library (no ELF header)".into());
    }
    let header = Header::new(start);
    let (Some(kind), Some(machine)) = (header.0.at(16, 2), header.0.at(18, 2)) else {
        return Err("it is cut off within its ELF header".into());
    };
    let expected = MACHINES.iter().find(|(_, name)| *name == here);
    if expected.is_some_and(|(number, _)| *number != machine) {
        return Err(format!("it is built for {}, this machine is {here}", machine_name(machine)));
    }
    if kind != SHARED {
        return Err("it is an ELF file, but not a shared library".into());
    }
    // The loader maps what is not there without a word, and the process dies of it.
    match header.end().filter(|&end| end > size) {
        Some(end) => Err(format!("it is cut off: {size} bytes are left of {end} at least")),
        None => Ok(()),
    }
}

/// Refuses a file as [`check`] does, and one that is not there, no file, or cannot be read.
///
/// # Errors
/// Words that say why; they follow on the file's name.
pub fn check_file(path: &Path, here: &str) -> Result<(), String> {
    let (mut file, size) = open(path)?;
    let mut start = Vec::new();
    let read = file.by_ref().take(HEADER).read_to_end(&mut start);
    read.map_err(|error| format!("it cannot be read: {error}"))?;
    check(&start, size, here)
}

/// What the library at `path` says to the loader.
///
/// # Errors
/// As [`read`], and for a file that cannot be read.
pub fn read_file(path: &Path) -> Result<Dynamic, String> {
    read(&mut open(path)?.0)
}

/// Opens a file, and nothing that would make its opener wait, as a pipe does.
fn open(path: &Path) -> Result<(File, u64), String> {
    let unreadable = |error| format!("it cannot be read: {error}");
    let found = std::fs::metadata(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound if path.is_symlink() => "it is a link to nowhere".into(),
        _ => unreadable(error),
    })?;
    if !found.is_file() {
        return Err("it is not a file".into());
    }
    Ok((File::open(path).map_err(unreadable)?, found.len()))
}

/// What a 64 bit little-endian library says to the loader.
///
/// # Errors
/// Words that say why it says nothing; they follow on the file's name.
pub fn read(file: &mut (impl Read + Seek)) -> Result<Dynamic, String> {
    let mut image = Image { file, loads: Vec::new() };
    let header = image.bytes(0, 64).ok_or("it is cut off within its ELF header")?;
    if !header.starts_with(MAGIC) {
        return Err("it is not a shared library (no ELF header)".into());
    }
    if header[4..6] != [2, 1] {
        return Err("it is not a 64 bit little-endian ELF file".into());
    }
    let header = Numbers::little(&header);
    let segments = image.segments(&header).ok_or("its program headers cannot be read")?;
    let entries = image.entries(&segments).ok_or("it has no dynamic section that can be read")?;
    let machine = machine_name(header.at(18, 2).unwrap_or_default());
    Ok(image.dynamic(machine, &entries))
}

/// Unsigned numbers within some bytes.
struct Numbers<'a> {
    bytes: &'a [u8],
    little: bool,
}

impl<'a> Numbers<'a> {
    fn little(bytes: &'a [u8]) -> Self {
        Self { bytes, little: true }
    }

    /// The number of `length` bytes at `at`.
    fn at(&self, at: u64, length: u64) -> Option<u64> {
        let at = usize::try_from(at).ok()?;
        let bytes = self.bytes.get(at..at.checked_add(length as usize)?)?.iter();
        let append = |number, &byte| number << 8 | u64::from(byte);
        Some(if self.little { bytes.rev().fold(0, append) } else { bytes.fold(0, append) })
    }
}

/// The start of an ELF file.
struct Header<'a>(Numbers<'a>);

impl<'a> Header<'a> {
    /// Numbers are in the file's own byte order.
    fn new(start: &'a [u8]) -> Self {
        Self(Numbers { bytes: start, little: start.get(5) == Some(&1) })
    }

    /// Where the last byte that is to be loaded ends; known of 64 bit files only.
    fn end(&self) -> Option<u64> {
        if self.0.bytes.get(4) != Some(&2) {
            return None;
        }
        let (table, size) = (self.0.at(32, 8)?, self.0.at(54, 2)?);
        let count = self.0.at(56, 2)?;
        let segments = (0..count).filter_map(|i| {
            let segment = table.checked_add(i * size)?;
            let (offset, length) = (segment.checked_add(8)?, segment.checked_add(32)?);
            self.0.at(offset, 8)?.checked_add(self.0.at(length, 8)?)
        });
        segments.max()
    }
}

/// A part of a file with its place in memory.
struct Segment {
    kind: u64,
    offset: u64,
    address: u64,
    /// Bytes in the file.
    size: u64,
}

/// A file, and which of its parts go where in memory.
struct Image<'a, F> {
    file: &'a mut F,
    loads: Vec<(u64, u64, u64)>,
}

impl<F: Read + Seek> Image<'_, F> {
    /// Up to `length` bytes from `offset` on.
    fn some(&mut self, offset: u64, length: u64) -> Option<Vec<u8>> {
        self.file.seek(SeekFrom::Start(offset)).ok()?;
        let mut bytes = Vec::new();
        self.file.by_ref().take(length).read_to_end(&mut bytes).ok()?;
        Some(bytes)
    }

    /// Just `length` bytes from `offset` on.
    fn bytes(&mut self, offset: u64, length: u64) -> Option<Vec<u8>> {
        self.some(offset, length).filter(|bytes| bytes.len() as u64 == length)
    }

    fn segments(&mut self, header: &Numbers<'_>) -> Option<Vec<Segment>> {
        let (table, size, count) = (header.at(32, 8)?, header.at(54, 2)?, header.at(56, 2)?);
        if size != SEGMENT || count > SEGMENTS {
            return None;
        }
        let table = self.bytes(table, size * count)?;
        let segment = |bytes| {
            let bytes = Numbers::little(bytes);
            let [kind, offset] = [bytes.at(0, 4)?, bytes.at(8, 8)?];
            Some(Segment { kind, offset, address: bytes.at(16, 8)?, size: bytes.at(32, 8)? })
        };
        table.chunks_exact(SEGMENT as usize).map(segment).collect()
    }

    /// Tags and values of the dynamic section.
    fn entries(&mut self, segments: &[Segment]) -> Option<Vec<(u64, u64)>> {
        let loads = segments.iter().filter(|segment| segment.kind == LOAD);
        self.loads = loads.map(|load| (load.address, load.size, load.offset)).collect();
        let section = segments.iter().find(|segment| segment.kind == DYNAMIC)?;
        let bytes = self.bytes(section.offset, section.size.min(DYNAMIC_BYTES))?;
        let entry = |bytes| {
            let bytes = Numbers::little(bytes);
            Some((bytes.at(0, 8)?, bytes.at(8, 8)?))
        };
        let entries = bytes.chunks_exact(16).map_while(entry);
        Some(entries.take_while(|(tag, _)| *tag != 0).collect())
    }

    /// Where in the file the byte at an address in memory is.
    fn offset(&self, address: u64) -> Option<u64> {
        self.loads.iter().find_map(|&(start, size, offset)| {
            let within = address.checked_sub(start).filter(|&within| within < size)?;
            offset.checked_add(within)
        })
    }

    fn dynamic(&mut self, machine: String, entries: &[(u64, u64)]) -> Dynamic {
        let first = |wanted| entries.iter().find(|(tag, _)| *tag == wanted).map(|entry| entry.1);
        let strings = first(tag::STRTAB).and_then(|address| self.offset(address));
        let (Some(start), Some(size)) = (strings, first(tag::STRSZ)) else {
            return Dynamic { machine, ..Dynamic::default() };
        };
        let strings = Strings { start, size };
        let needed = entries.iter().filter(|(tag, _)| *tag == tag::NEEDED);
        let folders = first(tag::RUNPATH).or(first(tag::RPATH));
        let folders = folders.and_then(|at| self.string(&strings, at)).unwrap_or_default();
        Dynamic {
            machine,
            soname: first(tag::SONAME).and_then(|at| self.string(&strings, at)),
            needed: needed.filter_map(|&(_, at)| self.string(&strings, at)).collect(),
            run_path: folders.split(':').filter(|f| !f.is_empty()).map(str::to_owned).collect(),
            versions: self.versions(&strings, first(tag::VERDEF), first(tag::VERDEFNUM)),
        }
    }

    /// The string at `at` of the table; none where it is empty or has no end.
    fn string(&mut self, strings: &Strings, at: u64) -> Option<String> {
        let left = strings.size.checked_sub(at)?;
        let bytes = self.some(strings.start.checked_add(at)?, left.min(STRING))?;
        let end = bytes.iter().position(|&byte| byte == 0).filter(|&end| end > 0)?;
        Some(String::from_utf8_lossy(&bytes[..end]).into_owned())
    }

    fn versions(
        &mut self,
        strings: &Strings,
        table: Option<u64>,
        count: Option<u64>,
    ) -> Vec<String> {
        let mut names = Vec::new();
        let mut at = table.and_then(|address| self.offset(address));
        for _ in 0..count.unwrap_or_default().min(VERSIONS) {
            let Some((name, next)) = at.and_then(|at| self.version(strings, at)) else { break };
            names.extend(name);
            at = at.and_then(|at| at.checked_add(next)).filter(|_| next > 0);
        }
        names
    }

    /// The name of the version that is defined at `offset`, and how far away the next is.
    fn version(&mut self, strings: &Strings, offset: u64) -> Option<(Option<String>, u64)> {
        let definition = self.bytes(offset, 20)?;
        let definition = Numbers::little(&definition);
        let (auxiliary, next) = (definition.at(12, 4)?, definition.at(16, 4)?);
        let name = self.bytes(offset.checked_add(auxiliary)?, 4)?;
        Some((self.string(strings, Numbers::little(&name).at(0, 4)?), next))
    }
}

/// Where in the file the strings of the dynamic section are.
struct Strings {
    start: u64,
    size: u64,
}

fn machine_name(number: u64) -> String {
    match MACHINES.iter().find(|(known, _)| *known == number) {
        Some((_, name)) => (*name).into(),
        None => format!("machine type {number}"),
    }
}

/// Libraries for tests, written byte by byte: what [`Dynamic`] holds, and no code.
#[cfg(test)]
#[cfg(target_os = "linux")]
pub(crate) mod sample {
    use super::{DYNAMIC, Dynamic, LOAD, MACHINES, MAGIC, SHARED, tag};

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
        let entries: Vec<u8> =
            entries.iter().flat_map(|&(tag, value)| words(&[tag, value])).collect();
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
}

#[cfg(test)]
mod tests {
    use super::*;
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
}
