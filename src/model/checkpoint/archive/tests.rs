use super::*;
use proptest::prelude::*;
use std::io::Cursor;

/// An archive as torch writes it, entry by entry, with what may be wrong with it.
#[derive(Default)]
pub struct Writer {
    bytes: Vec<u8>,
    directory: Vec<u8>,
    entries: u16,
}

impl Writer {
    /// Adds an entry and lists it.
    pub fn entry(mut self, name: &str, data: &[u8]) -> Self {
        let at = self.bytes.len() as u32;
        self.bytes.extend(local(name, data));
        self.list(name, at, [data.len() as u32; 2], 0)
    }

    /// Lists an entry that lies at `at`, with its packed and unpacked size and its method.
    pub fn list(mut self, name: &str, at: u32, [packed, unpacked]: [u32; 2], method: u16) -> Self {
        self.directory.extend(b"PK\x01\x02\0\0\0\0\0\0");
        self.directory.extend(method.to_le_bytes());
        self.directory.extend([0; 8]);
        self.directory.extend(packed.to_le_bytes());
        self.directory.extend(unpacked.to_le_bytes());
        self.directory.extend((name.len() as u16).to_le_bytes());
        self.directory.extend([0; 12]);
        self.directory.extend(at.to_le_bytes());
        self.directory.extend(name.bytes());
        self.entries += 1;
        self
    }

    /// The archive, with its directory.
    pub fn end(mut self) -> Vec<u8> {
        let at = self.bytes.len() as u32;
        self.bytes.extend(&self.directory);
        self.bytes.extend(b"PK\x05\x06\0\0\0\0");
        self.bytes.extend(self.entries.to_le_bytes());
        self.bytes.extend(self.entries.to_le_bytes());
        self.bytes.extend((self.directory.len() as u32).to_le_bytes());
        self.bytes.extend(at.to_le_bytes());
        self.bytes.extend([0, 0]);
        self.bytes
    }
}

fn local(name: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = b"PK\x03\x04".to_vec();
    bytes.extend([0; 14]);
    bytes.extend((data.len() as u32).to_le_bytes());
    bytes.extend((data.len() as u32).to_le_bytes());
    bytes.extend((name.len() as u16).to_le_bytes());
    bytes.extend(6_u16.to_le_bytes());
    bytes.extend(name.bytes());
    bytes.extend(b"FB\x02\0ZZ");
    bytes.extend(data);
    bytes
}

fn entries(bytes: &[u8]) -> Result<Vec<Entry<'_>>, Problem> {
    read(bytes, &mut Cursor::new(bytes))
}

#[test]
fn entries_are_found_with_their_filling() {
    let bytes = Writer::default().entry("a/data.pkl", b"N.").entry("a/data/0", b"1234").end();
    let found = entries(&bytes).unwrap();
    let held: Vec<_> = found.iter().map(|entry| (&*entry.name, entry.of(&bytes))).collect();
    assert_eq!(held, [("a/data.pkl", &b"N."[..]), ("a/data/0", b"1234")]);
    assert_eq!(found[0].padding, 6);
}

#[test]
fn an_archive_cut_off_anywhere_is_an_error() {
    let bytes = Writer::default().entry("a/data.pkl", b"N.").entry("a/data/0", b"1234").end();
    for length in 0..bytes.len() {
        assert!(entries(&bytes[..length]).is_err(), "{length}");
    }
}

#[test]
fn entries_that_contradict_one_another_are_named() {
    let twice = Writer::default().entry("a", b"1").entry("a", b"2").end();
    let mut over = Writer::default().entry("a", b"1234");
    over.bytes.extend([0; 40]);
    let overlap = over.list("b", 10, [1, 1], 0).end();
    let same = Writer::default().entry("a", b"1").list("b", 0, [1, 1], 0).end();
    let mut long = Writer::default();
    long.bytes.extend(local("a", b"12"));
    let long = long.list("a", 0, [1 << 30, 1 << 30], 0).end();
    let mut sizes = Writer::default();
    sizes.bytes.extend(local("a", b"12"));
    let sizes = sizes.list("a", 0, [2, 3], 0).end();
    let mut other = Writer::default();
    other.bytes.extend(local("b", b"12"));
    let other = other.list("a", 0, [2, 2], 0).end();
    for (bytes, said) in [
        (twice, "\"a\" is there twice"),
        (overlap, "\"b\" overlaps another"),
        (same, "\"b\""),
        (long, "\"a\" reaches beyond the end"),
        (sizes, "\"a\" has two sizes"),
        (other, "\"a\" has another name"),
    ] {
        let problem = entries(&bytes).unwrap_err().to_string();
        assert!(problem.contains(said), "{problem}");
    }
}

#[test]
fn a_compressed_entry_is_marked_and_not_unpacked() {
    let mut bomb = Writer::default();
    bomb.bytes.extend(local("a", b"12"));
    let bomb = bomb.list("a", 0, [2, u32::MAX - 1], 8).end();
    assert!(entries(&bomb).unwrap()[0].packed);
}

proptest! {
    #[test]
    fn any_change_of_a_byte_ends_without_a_panic(at in 0_usize..300, byte: u8) {
        let mut bytes =
            Writer::default().entry("a/data.pkl", b"N.").entry("a/data/0", b"1234").end();
        let length = bytes.len();
        bytes[at % length] = byte;
        for entry in entries(&bytes).unwrap_or_default() {
            prop_assert!(entry.of(&bytes).len() as u64 == entry.bytes);
        }
    }

    #[test]
    fn any_bytes_end_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let mut all = bytes.clone();
        all.extend(b"PK\x05\x06");
        all.extend(&bytes);
        let _ = entries(&all);
    }
}
