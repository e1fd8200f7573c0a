//! The samples of one launch as a file: lossless, self-describing, verified. docs/RESULTS.md has
//! the layout and a reader in four lines of NumPy.

use crate::{
    timing::{Flags, Sample, Stage},
    unit::Nanos,
};
use sha2::{Digest, Sha256};

/// First bytes of a samples file; the version of the layout follows.
const KIND: &[u8; 7] = b"TRTBSMP";

/// Version of the layout that is written. Version 1, which is read too, lacks the last column.
const VERSION: u8 = 2;

/// Columns of 64 bit numbers: the stages, end to end, CPU time, run-queue wait, enqueue.
const COLUMNS: usize = Stage::COUNT + 4;

/// Column of the CPU time, after end to end.
const CPU: usize = Stage::COUNT + 1;

/// Column of the run-queue wait.
const WAITED: usize = Stage::COUNT + 2;

/// Written where a stage has no time.
const ABSENT: u64 = u64::MAX;

/// Length of the SHA-256 at the end.
const DIGEST: usize = 32;

const WARMUP: u8 = 1;
const PREEMPTED: u8 = 2;
const THROTTLED: u8 = 4;

/// A samples file that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damaged {
    /// It is of another kind or of a later version.
    #[error("is no samples file of a version that this build reads")]
    Unknown,
    /// Its content does not match its length or its checksum.
    #[error("is damaged: its checksum does not match")]
    Checksum,
}

/// Encodes samples.
pub fn encode(samples: &[Sample]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(size(samples.len(), COLUMNS).unwrap_or_default());
    bytes.extend_from_slice(KIND);
    bytes.push(VERSION);
    bytes.extend_from_slice(&(samples.len() as u64).to_le_bytes());
    for column in 0..COLUMNS {
        for sample in samples {
            bytes.extend_from_slice(&get(sample, column).to_le_bytes());
        }
    }
    bytes.extend(samples.iter().map(|sample| flag_bits(sample.flags)));
    let digest = Sha256::digest(&bytes);
    bytes.extend_from_slice(&digest);
    bytes
}

/// Decodes samples.
///
/// # Errors
/// [`Damaged`] when the bytes are not what [`encode`] writes.
pub fn decode(bytes: &[u8]) -> Result<Vec<Sample>, Damaged> {
    let (kind, rest) = bytes.split_first_chunk::<7>().ok_or(Damaged::Unknown)?;
    let columns = match rest.first() {
        Some(&VERSION) if kind == KIND => COLUMNS,
        Some(1) if kind == KIND => COLUMNS - 1,
        _ => return Err(Damaged::Unknown),
    };
    let rest = &rest[1..];
    let (count, rest) = rest.split_first_chunk::<8>().ok_or(Damaged::Checksum)?;
    let count = usize::try_from(u64::from_le_bytes(*count)).map_err(|_| Damaged::Checksum)?;
    if size(count, columns) != Some(bytes.len()) {
        return Err(Damaged::Checksum);
    }
    let (content, digest) = bytes.split_at(bytes.len() - DIGEST);
    if Sha256::digest(content).as_slice() != digest {
        return Err(Damaged::Checksum);
    }
    let (numbers, flags) = rest[..rest.len() - DIGEST].split_at(count * columns * 8);
    let mut samples = vec![Sample::default(); count];
    let (numbers, _) = numbers.as_chunks::<8>();
    for (index, number) in numbers.iter().enumerate() {
        set(&mut samples[index % count], index / count, u64::from_le_bytes(*number));
    }
    for (sample, &bits) in samples.iter_mut().zip(flags) {
        sample.flags = flags_of(bits);
    }
    Ok(samples)
}

/// Length of a file with `count` samples.
fn size(count: usize, columns: usize) -> Option<usize> {
    count.checked_mul(columns * 8 + 1)?.checked_add(KIND.len() + 1 + 8 + DIGEST)
}

fn get(sample: &Sample, column: usize) -> u64 {
    match column {
        0..Stage::COUNT => sample.stages[column].map_or(ABSENT, |time| time.0),
        Stage::COUNT => sample.end_to_end.0,
        CPU => sample.cpu.0,
        WAITED => sample.waited.0,
        _ => sample.enqueue.map_or(ABSENT, |time| time.0),
    }
}

fn set(sample: &mut Sample, column: usize, number: u64) {
    match column {
        0..Stage::COUNT => sample.stages[column] = (number != ABSENT).then_some(Nanos(number)),
        Stage::COUNT => sample.end_to_end = Nanos(number),
        CPU => sample.cpu = Nanos(number),
        WAITED => sample.waited = Nanos(number),
        _ => sample.enqueue = (number != ABSENT).then_some(Nanos(number)),
    }
}

fn flag_bits(flags: Flags) -> u8 {
    let bit = |set, bit| if set { bit } else { 0 };
    bit(flags.warmup, WARMUP) | bit(flags.preempted, PREEMPTED) | bit(flags.throttled, THROTTLED)
}

fn flags_of(bits: u8) -> Flags {
    Flags {
        warmup: bits & WARMUP != 0,
        preempted: bits & PREEMPTED != 0,
        throttled: bits & THROTTLED != 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sample() -> impl Strategy<Value = Sample> {
        let time = || (0..u64::MAX).prop_map(Nanos);
        let stages = proptest::array::uniform6(proptest::option::of(time()));
        let enqueue = proptest::option::of(time());
        (stages, enqueue, time(), time(), time(), any::<[bool; 3]>()).prop_map(
            |(stages, enqueue, end_to_end, cpu, waited, [warmup, preempted, throttled])| Sample {
                stages,
                enqueue,
                end_to_end,
                cpu,
                waited,
                flags: Flags { warmup, preempted, throttled },
            },
        )
    }

    /// As version 1 was written: one column less.
    #[test]
    fn files_of_the_first_version_are_read() {
        let sample = Sample {
            stages: [Some(Nanos(1)), None, None, Some(Nanos(4)), None, Some(Nanos(6))],
            end_to_end: Nanos(12),
            cpu: Nanos(7),
            waited: Nanos(8),
            ..Sample::default()
        };
        let numbers = (0..COLUMNS - 1).flat_map(|column| get(&sample, column).to_le_bytes());
        let mut bytes = [KIND.as_slice(), &[1], &1_u64.to_le_bytes()].concat();
        bytes.extend(numbers);
        bytes.push(0);
        let digest = Sha256::digest(&bytes);
        bytes.extend_from_slice(&digest);
        assert_eq!(decode(&bytes), Ok(vec![sample]));
        bytes[7] = 3;
        assert_eq!(decode(&bytes), Err(Damaged::Unknown));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(samples in proptest::collection::vec(sample(), 0..40)) {
            prop_assert_eq!(decode(&encode(&samples)), Ok(samples));
        }

        #[test]
        fn a_changed_byte_is_noticed(
            samples in proptest::collection::vec(sample(), 1..10), at in any::<prop::sample::Index>()
        ) {
            let mut bytes = encode(&samples);
            let at = at.index(bytes.len());
            bytes[at] ^= 0x20;
            prop_assert!(decode(&bytes).is_err());
        }

        #[test]
        fn any_bytes_are_samples_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            for version in [1, VERSION] {
                let _ = decode(&[KIND.as_slice(), &[version], &bytes].concat());
            }
        }
    }
}
