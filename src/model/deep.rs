//! What only the weights themselves tell: which are stored twice, and which do not fit into half
//! precision. Reads every weight, a piece at a time.

use super::{
    Error,
    anatomy::{Anatomy, Role, Weight},
    checkpoint::{Elements, float},
};
use crate::tensor::DType;
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::{
    collections::HashMap,
    io::{self, Write},
    path::Path,
};

/// The largest finite number of half precision (IEEE 754 binary16).
const HALF_MOST: f64 = 65504.0;
/// Half of its smallest number that is not zero: what is smaller becomes zero.
const HALF_LEAST: f64 = 1.0 / (1_u64 << 25) as f64;

/// What the weights of a model tell.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Deep {
    /// Weights with the same elements, stored more than once; what is worth most first.
    pub duplicates: Vec<Duplicate>,
    /// Bytes that would be saved if each were stored once.
    pub duplicate_bytes: u64,
    /// Value ranges of weights with a fraction, in the file's order.
    pub ranges: Vec<Range>,
    /// Weights whose numbers were not looked at: stored in another way than in memory, or of a type
    /// that is not read here.
    pub unread: Vec<String>,
}

/// Weights with the same elements.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Duplicate {
    /// Their names.
    pub names: Vec<String>,
    /// Bytes of each.
    pub bytes: u64,
}

/// The values of one weight.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Range {
    /// Its name.
    pub name: String,
    /// The smallest finite value.
    pub least: f64,
    /// The greatest finite value.
    pub greatest: f64,
    /// How many are infinite or no number.
    pub not_finite: u64,
    /// How many finite ones become infinite in half precision.
    pub beyond_half: u64,
    /// How many become zero in half precision and are not.
    pub zero_in_half: u64,
}

impl Deep {
    /// Weights with values that half precision has no room for.
    pub fn overflowing(&self) -> impl Iterator<Item = &Range> {
        self.ranges.iter().filter(|range| range.beyond_half > 0)
    }
}

/// Reads the weights of the network and of its average in the model at `path`, which is `anatomy`.
///
/// # Errors
/// When a file has changed since it was looked into, or a weight has not the elements that its shape
/// asks for.
pub fn deep(path: &Path, anatomy: &Anatomy) -> Result<Deep, Error> {
    let elements = Elements::open(path, anatomy)?;
    let mut deep = Deep::default();
    let mut known: HashMap<([u8; 32], DType, Vec<u64>), usize> = HashMap::new();
    let read =
        |weight: &&Weight| weight.bytes > 0 && matches!(weight.role, Role::Model | Role::Ema);
    for weight in anatomy.weights.iter().filter(read) {
        let mut reader = Reader::new(weight.dtype);
        let copied = elements.copy(weight, &mut reader)?;
        if !copied || weight.dtype.is_float() && !is_read(weight.dtype) {
            deep.unread.push(weight.name.clone());
        }
        if !copied {
            continue;
        }
        let (hash, range) = reader.end(weight);
        deep.ranges.extend(range);
        let key = (hash, weight.dtype, weight.shape.clone());
        match known.get(&key) {
            Some(&at) => deep.duplicates[at].names.push(weight.name.clone()),
            None => {
                known.insert(key, deep.duplicates.len());
                let names = vec![weight.name.clone()];
                deep.duplicates.push(Duplicate { names, bytes: weight.bytes });
            }
        }
    }
    let wasted = |found: &Duplicate| found.bytes * (found.names.len() as u64 - 1);
    deep.duplicates.retain(|found| found.names.len() > 1);
    deep.duplicates.sort_by_key(|found| std::cmp::Reverse(wasted(found)));
    deep.duplicate_bytes = deep.duplicates.iter().map(wasted).sum();
    Ok(deep)
}

/// Whether numbers of that type are read here.
fn is_read(dtype: DType) -> bool {
    matches!(dtype, DType::F64 | DType::F32 | DType::F16 | DType::BF16)
}

/// Takes elements as they come: whole ones in every piece.
struct Reader {
    dtype: DType,
    hash: Sha256,
    least: f64,
    greatest: f64,
    not_finite: u64,
    beyond_half: u64,
    zero_in_half: u64,
}

impl Reader {
    fn new(dtype: DType) -> Self {
        Self {
            dtype,
            hash: Sha256::new(),
            least: f64::INFINITY,
            greatest: f64::NEG_INFINITY,
            not_finite: 0,
            beyond_half: 0,
            zero_in_half: 0,
        }
    }

    fn value(&mut self, value: f64) {
        if !value.is_finite() {
            self.not_finite += 1;
            return;
        }
        self.least = self.least.min(value);
        self.greatest = self.greatest.max(value);
        self.beyond_half += u64::from(value.abs() >= HALF_MOST + 16.0);
        self.zero_in_half += u64::from(value != 0.0 && value.abs() <= HALF_LEAST);
    }

    fn end(self, weight: &Weight) -> ([u8; 32], Option<Range>) {
        let finite = self.least <= self.greatest;
        let range = (finite || self.not_finite > 0).then(|| Range {
            name: weight.name.clone(),
            least: if finite { self.least } else { 0.0 },
            greatest: if finite { self.greatest } else { 0.0 },
            not_finite: self.not_finite,
            beyond_half: self.beyond_half,
            zero_in_half: self.zero_in_half,
        });
        (self.hash.finalize().into(), range)
    }
}

impl Write for Reader {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        self.hash.update(piece);
        if let Some(width) = self.dtype.bytes().filter(|_| is_read(self.dtype)) {
            for element in piece.chunks_exact(width) {
                self.value(float(self.dtype, element));
            }
        }
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
