//! Just enough of the ELF header to say why a file is no library for this machine. Layout after
//! the System V ABI, chapter 4 ("ELF Header"); machine numbers after its registry.

/// Bytes at a file's start that hold all that [`check`] looks at; program headers follow the ELF
/// header, and there are a dozen.
pub const HEADER: u64 = 8192;

const MAGIC: &[u8] = b"\x7fELF";
/// `ET_DYN`: a shared object.
const SHARED: u64 = 3;

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
pub fn check(start: &[u8], size: u64, here: &str) -> Result<(), String> {
    if !start.starts_with(MAGIC) {
        return Err("it is not a shared library (no ELF header)".into());
    }
    let header = Header(start);
    let (Some(kind), Some(machine)) = (header.number(16, 2), header.number(18, 2)) else {
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

/// The start of an ELF file.
struct Header<'a>(&'a [u8]);

impl Header<'_> {
    /// The unsigned number of `length` bytes at `at`, in the file's own byte order.
    fn number(&self, at: u64, length: u64) -> Option<u64> {
        let at = usize::try_from(at).ok()?;
        let bytes = self.0.get(at..at.checked_add(length as usize)?)?.iter();
        let append = |number, &byte| number << 8 | u64::from(byte);
        let little = self.0.get(5) == Some(&1);
        Some(if little { bytes.rev().fold(0, append) } else { bytes.fold(0, append) })
    }

    /// Where the last byte that is to be loaded ends; known of 64 bit files only.
    fn end(&self) -> Option<u64> {
        if self.0.get(4) != Some(&2) {
            return None;
        }
        let (table, size) = (self.number(32, 8)?, self.number(54, 2)?);
        let count = self.number(56, 2)?;
        let segments = (0..count).filter_map(|i| {
            let segment = table.checked_add(i * size)?;
            let (offset, length) = (segment.checked_add(8)?, segment.checked_add(32)?);
            self.number(offset, 8)?.checked_add(self.number(length, 8)?)
        });
        segments.max()
    }
}

fn machine_name(number: u64) -> String {
    match MACHINES.iter().find(|(known, _)| *known == number) {
        Some((_, name)) => (*name).into(),
        None => format!("machine type {number}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
