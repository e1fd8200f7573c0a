//! What a 64 bit little-endian library says to the loader. Layout after the System V ABI, chapter 5
//! ("Dynamic Section"), and the Linux Standard Base ("Symbol Versioning").

use super::{MAGIC, Numbers, machine_name, open};
use std::{
    io::{Read, Seek, SeekFrom},
    path::Path,
};

/// Most program headers that are looked at.
const SEGMENTS: u64 = 256;
/// Bytes of a program header of a 64 bit file.
const SEGMENT: u64 = 56;
/// `PT_LOAD` and `PT_DYNAMIC`.
pub(super) const LOAD: u64 = 1;
pub(super) const DYNAMIC: u64 = 2;
/// Bytes of a dynamic section that are read: 4096 entries.
const DYNAMIC_BYTES: u64 = 1 << 16;
/// Longest string that is read.
pub(super) const STRING: u64 = 4096;
/// Most names of versions that are read.
pub(super) const VERSIONS: u64 = 256;

/// Tags of the dynamic section (`DT_…`).
pub(super) mod tag {
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

/// What the library at `path` says to the loader.
///
/// # Errors
/// As [`read`], and for a file that cannot be read.
pub fn read_file(path: &Path) -> Result<Dynamic, String> {
    read(&mut open(path)?.0)
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
