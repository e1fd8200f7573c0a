//! Resizing one row of pixels along x: every output column is a weighted sum of `K` neighbouring
//! pixels, in three planes. The portable code here is the definition; the others give the same bits.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod sys;

use super::thirds;
use crate::cpu::Instructions;

/// Most pixels of a sum.
const MAX_TAPS: usize = 4;

/// Columns that vector code makes at a time.
#[cfg(target_arch = "x86_64")]
const BLOCK: usize = 8;

/// A row to be resized.
#[derive(Clone, Copy)]
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "read by vector code"))]
pub(super) struct Source<'a> {
    /// Its bytes.
    pub row: &'a [u8],
    /// Those of the row that will be resized next: brought to the cache meanwhile.
    pub next: &'a [u8],
}

/// What the columns of a resized row are made of.
pub(super) struct Columns<const K: usize> {
    /// Where each column's first pixel begins in the row's bytes; never falls.
    starts: Vec<u32>,
    /// Weights of its pixels.
    weights: Vec<[i16; K]>,
    /// Bytes from the first to the last that any block of columns needs.
    #[cfg(target_arch = "x86_64")]
    widest: usize,
}

impl<const K: usize> Columns<K> {
    /// From the first pixel of every column, which never falls, and its weights.
    pub fn new(columns: impl Iterator<Item = (usize, [i16; K])>) -> Self {
        let (starts, weights): (Vec<u32>, Vec<[i16; K]>) =
            columns.map(|(first, weights)| (3 * first as u32, weights)).unzip();
        Self {
            #[cfg(target_arch = "x86_64")]
            widest: starts
                .chunks(BLOCK)
                .map(|block| (block[block.len() - 1] - block[0]) as usize + 3 * K)
                .max()
                .unwrap_or(0),
            starts,
            weights,
        }
    }

    /// The pixels and weights of every column of a row of `width` pixels; what lies beyond its end
    /// weighs nothing.
    pub fn taps(&self, width: usize) -> impl Iterator<Item = impl Iterator<Item = (usize, i32)>> {
        self.starts.iter().zip(&self.weights).map(move |(&start, weights)| {
            let pixel = move |tap: usize| (start as usize / 3 + tap).min(width - 1);
            (0..K).map(pixel).zip(weights.map(i32::from))
        })
    }

    /// How many columns there are before the first that has not `bytes` bytes from its start to
    /// the end of a row of `length`; a multiple of [`BLOCK`].
    #[cfg(target_arch = "x86_64")]
    fn followed_by(&self, bytes: usize, length: usize) -> usize {
        let count = self.starts.partition_point(|&start| start as usize + bytes <= length);
        count - count % BLOCK
    }
}

/// Columns that vector code makes together: where they begin, their weights, and their places in the
/// three planes.
#[cfg(target_arch = "x86_64")]
struct Block<'a, T, const K: usize> {
    starts: &'a [u32; BLOCK],
    weights: &'a [[i16; K]; BLOCK],
    red: &'a mut [T; BLOCK],
    green: &'a mut [T; BLOCK],
    blue: &'a mut [T; BLOCK],
}

#[cfg(target_arch = "x86_64")]
impl<const K: usize> Columns<K> {
    /// How many columns there are in whole blocks.
    fn whole(&self) -> usize {
        self.starts.len() / BLOCK * BLOCK
    }

    /// The whole blocks of the first `count` columns.
    #[inline]
    fn blocks<'a, T>(
        &'a self,
        count: usize,
        planes: &'a mut [&mut [T]; 3],
    ) -> impl Iterator<Item = Block<'a, T, K>> {
        let [red, green, blue] = planes;
        let starts = self.starts[..count].as_chunks().0.iter();
        let weights = self.weights.as_chunks().0;
        let planes = red.as_chunks_mut().0.iter_mut().zip(green.as_chunks_mut().0);
        let planes = planes.zip(blue.as_chunks_mut().0);
        starts.zip(weights).zip(planes).map(|((starts, weights), ((red, green), blue))| Block {
            starts,
            weights,
            red,
            green,
            blue,
        })
    }
}

/// Sums of two pixels each, without their last `SHIFT` bits: a third of `partials` per colour.
pub(super) fn pairs<const SHIFT: u32>(
    columns: &Columns<2>,
    source: Source<'_>,
    instructions: Instructions,
    partials: &mut [i16],
) {
    let mut short = [0; 3 * MAX_TAPS];
    let source = Source { row: lengthened(source.row, 3 * 2, &mut short), ..source };
    let mut planes = thirds(partials);
    let done = sys::pairs::<SHIFT>(columns, source, instructions, &mut planes);
    rest(columns, done, source.row, planes, |sum| (sum >> SHIFT) as i16);
}

/// Sums of four pixels each: a third of `partials` per colour.
pub(super) fn quads(
    columns: &Columns<4>,
    source: Source<'_>,
    instructions: Instructions,
    partials: &mut [f32],
) {
    let mut short = [0; 3 * MAX_TAPS];
    let source = Source { row: lengthened(source.row, 3 * 4, &mut short), ..source };
    let mut planes = thirds(partials);
    let done = sys::quads(columns, source, instructions, &mut planes);
    rest(columns, done, source.row, planes, |sum| sum as f32);
}

/// The columns after the first `done`, one by one.
fn rest<T, const K: usize>(
    columns: &Columns<K>,
    done: usize,
    row: &[u8],
    planes: [&mut [T]; 3],
    keep: impl Fn(i32) -> T,
) {
    let [red, green, blue] = planes.map(|plane| &mut plane[done..]);
    let columns = columns.starts[done..].iter().zip(&columns.weights[done..]);
    for ((((&start, weights), red), green), blue) in columns.zip(red).zip(green).zip(blue) {
        let pixels = &row[start as usize..][..3 * K];
        let product = |tap: usize, colour: usize| {
            i32::from(pixels[3 * tap + colour]) * i32::from(weights[tap])
        };
        let sum = |colour: usize| (0..K).map(|tap| product(tap, colour)).sum();
        [*red, *green, *blue] = [sum(0), sum(1), sum(2)].map(&keep);
    }
}

/// `row`, or a copy of it in `buffer` where it is shorter than `length`.
fn lengthened<'a>(row: &'a [u8], length: usize, buffer: &'a mut [u8]) -> &'a [u8] {
    if row.len() >= length {
        return row;
    }
    buffer[..row.len()].copy_from_slice(row);
    &buffer[..length]
}
