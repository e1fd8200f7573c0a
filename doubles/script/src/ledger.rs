//! The ledger: one JSON line for each thing that a process gets from a library and gives back.
//! Every line is one write, so that the ledger of a killed process is whole.

use crate::fault::Library;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    process,
};

/// What a process can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names are those of the libraries")]
pub enum Kind {
    DeviceMemory,
    HostMemory,
    HostRegistration,
    Stream,
    Event,
    Graph,
    GraphExec,
    Module,
    /// One for each time that a primary context is retained.
    Context,
    /// One for each time that NVML is initialised.
    Nvml,
    /// Held by the card, not by a process: another process may take it back.
    ClockLock,
    /// An object of TensorRT that its client must destroy.
    Tensorrt,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "snake_case", deny_unknown_fields)]
pub enum Entry {
    /// A process got something.
    Alloc {
        /// What it is.
        kind: Kind,
        /// Its address or number.
        handle: u64,
        /// How large it is; 0 where it has no size.
        bytes: u64,
    },
    /// A process gave something back.
    Free {
        /// What it is.
        kind: Kind,
        /// Its address or number.
        handle: u64,
    },
    /// Something went with the context that it belonged to.
    Sweep {
        /// What it is.
        kind: Kind,
        /// Its address or number.
        handle: u64,
    },
    /// A call failed because the script says so.
    Fault {
        /// Where the call is.
        library: Library,
        /// Its name.
        call: String,
        /// What it returned; none where it hangs.
        result: Option<i32>,
    },
    /// A call of TensorRT was made; the calls of objects only where the script asks for them.
    Call {
        /// Class of the object, such as `VBuilder`; empty for a C function.
        class: String,
        /// Name of the method or function.
        method: String,
        /// Place in the virtual table; none for a C function.
        slot: Option<u32>,
        /// As texts: objects by class and number, addresses in hexadecimal.
        arguments: Vec<String>,
    },
    /// A client did what the library cannot play or what is not allowed.
    Unexpected {
        /// What, such as `VBuilder::reset (slot 15)`.
        what: String,
    },
}

/// A line of the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Number of the process.
    pub pid: u32,
    /// What happened.
    #[serde(flatten)]
    pub entry: Entry,
}

/// Appends to a ledger.
#[derive(Debug)]
pub struct Writer(File);

impl Writer {
    /// Opens the ledger of the script with this path.
    ///
    /// # Errors
    /// When the file cannot be opened for appending.
    pub fn open(script: &Path) -> io::Result<Self> {
        OpenOptions::new().append(true).create(true).open(Ledger::path(script)).map(Self)
    }

    /// Appends a line of this process. A ledger that cannot be kept is worse than no test, so the
    /// process ends where that fails.
    pub fn write(&self, entry: Entry) {
        let line = Line { pid: process::id(), entry };
        let written = serde_json::to_string(&line)
            .map_err(io::Error::from)
            .and_then(|text| (&self.0).write_all(format!("{text}\n").as_bytes()));
        if let Err(error) = written {
            let _ = writeln!(io::stderr(), "the ledger cannot be written: {error}");
            process::abort();
        }
    }

    /// Appends that a process got something.
    pub fn alloc(&self, kind: Kind, handle: u64, bytes: u64) {
        self.write(Entry::Alloc { kind, handle, bytes });
    }

    /// Appends that a process gave something back.
    pub fn free(&self, kind: Kind, handle: u64) {
        self.write(Entry::Free { kind, handle });
    }
}

/// A ledger that was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// In the order in which they were written.
    pub lines: Vec<Line>,
}

impl Ledger {
    /// Where the ledger of the script with this path is.
    pub fn path(script: &Path) -> PathBuf {
        let mut path = script.as_os_str().to_owned();
        path.push(".ledger");
        path.into()
    }

    /// Reads the ledger of the script with this path; empty where no library has written one. A line
    /// that another process is just writing is not there yet: a reader may see half of a write.
    ///
    /// # Errors
    /// When it cannot be read or a line is not one of a ledger.
    pub fn read(script: &Path) -> io::Result<Self> {
        let bytes = match fs::read(Self::path(script)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            other => other?,
        };
        let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
        let lines = bytes[..whole].split_inclusive(|&byte| byte == b'\n');
        let lines: Result<_, serde_json::Error> = lines.map(serde_json::from_slice).collect();
        Ok(Self { lines: lines? })
    }

    /// How many of each kind are still held, by all processes together. Kinds of which none is held
    /// are left out; so is what went with its context.
    pub fn live(&self) -> BTreeMap<Kind, usize> {
        count(self.held().into_keys())
    }

    /// The same of one process.
    pub fn live_in(&self, pid: u32) -> BTreeMap<Kind, usize> {
        count(self.held().into_keys().filter(|held| held.pid == pid))
    }

    /// Bytes of a kind that are still held.
    pub fn live_bytes(&self, kind: Kind) -> u64 {
        self.held().iter().filter(|(held, _)| held.kind == kind).map(|(_, bytes)| bytes).sum()
    }

    /// How many of each kind were not given back but went with their context.
    pub fn swept(&self) -> BTreeMap<Kind, usize> {
        count(self.lines.iter().filter_map(|line| match line.entry {
            Entry::Sweep { kind, handle } => Some(Held { pid: line.pid, kind, handle, nth: 0 }),
            _ => None,
        }))
    }

    /// How many of a kind were got in all.
    pub fn allocated(&self, kind: Kind) -> usize {
        let of_kind =
            |line: &&Line| matches!(line.entry, Entry::Alloc { kind: got, .. } if got == kind);
        self.lines.iter().filter(of_kind).count()
    }

    /// Names of the calls that failed because the script says so, in order.
    pub fn faults(&self) -> Vec<&str> {
        self.lines
            .iter()
            .filter_map(|line| match &line.entry {
                Entry::Fault { call, .. } => Some(call.as_str()),
                _ => None,
            })
            .collect()
    }

    /// Calls of TensorRT, in order, as `VRuntime::setMaxThreads[10](2)`, or `getLogger()` for a C
    /// function.
    pub fn calls(&self) -> Vec<String> {
        let text = |line: &Line| match &line.entry {
            Entry::Call { class, method, slot, arguments } => {
                let arguments = arguments.join(", ");
                Some(match slot {
                    Some(slot) => format!("{class}::{method}[{slot}]({arguments})"),
                    None => format!("{method}({arguments})"),
                })
            }
            _ => None,
        };
        self.lines.iter().filter_map(text).collect()
    }

    /// What clients did that TensorRT's stand-in cannot play or that is not allowed, in order.
    pub fn unexpected(&self) -> Vec<&str> {
        self.lines
            .iter()
            .filter_map(|line| match &line.entry {
                Entry::Unexpected { what } => Some(what.as_str()),
                _ => None,
            })
            .collect()
    }

    /// What is held and its bytes.
    fn held(&self) -> BTreeMap<Held, u64> {
        let mut held = BTreeMap::new();
        for line in &self.lines {
            match line.entry {
                Entry::Alloc { kind, handle, bytes } => {
                    let mut one = Held::new(line.pid, kind, handle);
                    while held.contains_key(&one) {
                        one.nth += 1;
                    }
                    held.insert(one, bytes);
                }
                Entry::Free { kind, handle } | Entry::Sweep { kind, handle } => {
                    let first = Held::new(line.pid, kind, handle);
                    let last = Held { nth: u64::MAX, ..first };
                    let one = held.range(first..=last).next_back().map(|(&held, _)| held);
                    one.and_then(|one| held.remove(&one));
                }
                Entry::Fault { .. } | Entry::Call { .. } | Entry::Unexpected { .. } => {}
            }
        }
        held
    }
}

/// One thing that is held.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Held {
    /// 0 for what belongs to no process.
    pid: u32,
    kind: Kind,
    handle: u64,
    /// Tells apart what was got several times, such as a context.
    nth: u64,
}

impl Held {
    fn new(pid: u32, kind: Kind, handle: u64) -> Self {
        let pid = if kind == Kind::ClockLock { 0 } else { pid };
        Self { pid, kind, handle, nth: 0 }
    }
}

fn count(held: impl Iterator<Item = Held>) -> BTreeMap<Kind, usize> {
    let mut counts = BTreeMap::new();
    for one in held {
        *counts.entry(one.kind).or_default() += 1;
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger(entries: &[(u32, Entry)]) -> Ledger {
        let lines = entries.iter().map(|(pid, entry)| Line { pid: *pid, entry: entry.clone() });
        Ledger { lines: lines.collect() }
    }

    fn alloc(kind: Kind, handle: u64) -> Entry {
        Entry::Alloc { kind, handle, bytes: 10 }
    }

    #[test]
    fn a_line_that_is_just_being_written_is_not_there_yet() {
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("script.json");
        Writer::open(&script).unwrap().alloc(Kind::Stream, 1, 0);
        let whole = Ledger::read(&script).unwrap();
        let mut file = OpenOptions::new().append(true).open(Ledger::path(&script)).unwrap();
        file.write_all("{\"pid\":7,\"verb\":\"unexpected\",\"what\":\"é".as_bytes()).unwrap();
        assert_eq!(Ledger::read(&script).unwrap(), whole);
        file.write_all("\"}\n".as_bytes()).unwrap();
        assert_eq!(Ledger::read(&script).unwrap().unexpected(), ["é"]);
        file.write_all(b"no line of a ledger\n").unwrap();
        assert!(Ledger::read(&script).is_err());
    }

    #[test]
    fn what_is_written_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("script.json");
        assert_eq!(Ledger::read(&script).unwrap(), Ledger::default());
        let writer = Writer::open(&script).unwrap();
        writer.alloc(Kind::Stream, 1, 0);
        writer.free(Kind::Stream, 1);
        let fault =
            Entry::Fault { library: Library::Cuda, call: "cuInit".to_owned(), result: None };
        Writer::open(&script).unwrap().write(fault.clone());
        let read = Ledger::read(&script).unwrap();
        let pid = process::id();
        let free = Entry::Free { kind: Kind::Stream, handle: 1 };
        let stream = Entry::Alloc { kind: Kind::Stream, handle: 1, bytes: 0 };
        assert_eq!(read, ledger(&[(pid, stream), (pid, free), (pid, fault)]));
        assert_eq!(read.faults(), ["cuInit"]);
        assert_eq!((read.live(), read.allocated(Kind::Stream)), (BTreeMap::new(), 1));
    }

    #[test]
    fn what_is_held_is_counted_by_process() {
        let free = Entry::Free { kind: Kind::Context, handle: 1 };
        let read = ledger(&[
            (1, alloc(Kind::Context, 1)),
            (1, alloc(Kind::Context, 1)),
            (2, alloc(Kind::Context, 1)),
            (2, alloc(Kind::DeviceMemory, 7)),
            (1, free),
        ]);
        assert_eq!(read.live(), BTreeMap::from([(Kind::Context, 2), (Kind::DeviceMemory, 1)]));
        assert_eq!(read.live_in(1), BTreeMap::from([(Kind::Context, 1)]));
        assert_eq!(read.live_bytes(Kind::DeviceMemory), 10);
    }

    #[test]
    fn another_process_may_unlock_the_clocks() {
        let free = Entry::Free { kind: Kind::ClockLock, handle: 4 };
        let read = ledger(&[(1, alloc(Kind::ClockLock, 4)), (2, free)]);
        assert_eq!(read.live(), BTreeMap::new());
    }

    #[test]
    fn what_went_with_its_context_is_not_held_but_told() {
        let sweep = Entry::Sweep { kind: Kind::Stream, handle: 4 };
        let read = ledger(&[(1, alloc(Kind::Stream, 4)), (1, sweep)]);
        assert_eq!(read.live(), BTreeMap::new());
        assert_eq!(read.swept(), BTreeMap::from([(Kind::Stream, 1)]));
    }
}
