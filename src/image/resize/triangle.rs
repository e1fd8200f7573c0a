//! Bilinear resizing with antialias: every output pixel is a mean of the pixels under a triangle
//! that is as wide as two output pixels, first along x, then along y.
//!
//! Sources: Pillow `src/libImaging/Resample.c` (levels: weights of 22 bits, a level after each
//! axis); PyTorch `aten/src/ATen/native/cpu/UpSampleKernel.cpp` (floats).

use super::{
    super::{Image, MIDDLE, Size, TapTable},
    thirds,
};
use crate::cpu::{InstructionSet, Instructions, Work};
use std::ops::{AddAssign, Mul, Range};

/// Pillow's weights sum to this.
const UNIT: f64 = (1 << PRECISION) as f64;
const PRECISION: u32 = 22;
/// Half a level, for rounding.
const HALF: i32 = 1 << (PRECISION - 1);

/// Levels of a row that are summed up together; the sums stay in the L1 cache.
const PART: usize = 256;

/// Pillow's arithmetic.
pub(super) struct Pillow {
    columns: Windows<i32>,
    rows: Windows<i32>,
}

/// PyTorch's arithmetic on floats, here on levels less [`MIDDLE`]: normalising before or after is
/// the same but for rounding, and sums as small as those of normalised values round as little.
pub(super) struct Torch {
    columns: Windows<f32>,
    rows: Windows<f32>,
}

/// With more than that the compiler (1.95) gathers lanes one by one, which takes three times as
/// long.
const WIDEST: InstructionSet = InstructionSet::Avx2;

/// Rows that are resized along x together: the weights are the same, and the lanes fill the widest
/// registers.
const TOGETHER: usize = 4;

/// The same pixel of [`TOGETHER`] rows: red, green, blue, and a lane that nobody reads, of each.
type Lanes<T> = [T; 4 * TOGETHER];

/// Rows of an image resized along x, three planes each, as many of the last as a window along y
/// needs; row `r` lies in slot `r % slots`.
#[derive(Default)]
pub(super) struct Narrowed<T, L> {
    values: Vec<T>,
    /// Values of a row.
    length: usize,
    slots: usize,
    /// The first row that is not there yet.
    next: usize,
    /// The rows that are being resized: their levels, what is computed with, what becomes of it.
    levels: Vec<Lanes<u8>>,
    pixels: Vec<Lanes<L>>,
    sums: Vec<Lanes<L>>,
}

impl<T: Copy + Default, L: Copy + Default + AddAssign + Mul<Output = L>> Narrowed<T, L> {
    /// Forgets the last image and makes room for rows that `columns` and `rows` make of `width`
    /// pixels.
    fn begin(&mut self, width: usize, columns: &Windows<L>, rows: &Windows<L>) {
        (self.length, self.slots, self.next) = (3 * columns.len(), rows.widest() + TOGETHER, 0);
        self.values.resize(self.slots * self.length, T::default());
        self.levels.resize(width, Lanes::default());
        self.pixels.resize(width, Lanes::default());
        self.sums.resize(columns.len(), Lanes::default());
    }

    /// Brings what is missing of `rows` of `image`, which must not begin before those of the last
    /// call: a sum begins with `start`, adds up what `lane` makes of levels times their weights, and
    /// is kept as `keep` says.
    #[inline(always)]
    fn need(
        &mut self,
        image: &Image,
        rows: Range<usize>,
        columns: &Windows<L>,
        start: L,
        lane: impl Fn(u8) -> L,
        keep: impl Fn(L) -> T,
    ) {
        self.next = self.next.max(rows.start);
        while self.next < rows.end {
            // Beyond the last row, that one again: its sums are not kept.
            let row = |number: usize| image.row((self.next + number).min(image.height - 1));
            spread([row(0), row(1), row(2), row(3)], &mut self.levels);
            let values = self.pixels.as_flattened_mut().iter_mut();
            for (value, &level) in values.zip(self.levels.as_flattened()) {
                *value = lane(level);
            }
            sum(&self.pixels, columns, start, &mut self.sums);
            for number in 0..TOGETHER.min(image.height - self.next) {
                let slot = (self.next + number) % self.slots * self.length;
                let [red, green, blue] = thirds(&mut self.values[slot..slot + self.length]);
                let planes = red.iter_mut().zip(green).zip(blue);
                for (((red, green), blue), sums) in planes.zip(&self.sums) {
                    let row = &sums[4 * number..];
                    (*red, *green, *blue) = (keep(row[0]), keep(row[1]), keep(row[2]));
                }
            }
            self.next += TOGETHER;
        }
    }

    fn row(&self, row: usize) -> &[T] {
        &self.values[row % self.slots * self.length..][..self.length]
    }
}

/// Copies rows' pixels to their lanes.
#[inline(always)]
fn spread(rows: [&[u8]; TOGETHER], pixels: &mut [Lanes<u8>]) {
    // Four pixels at a time, and four bytes of each, as memory is read: the fourth is the next
    // pixel's first, which the last pixel does not have.
    let whole = (pixels.len() - 1) / 4;
    let (blocks, rest) = pixels.split_at_mut(4 * whole);
    for (number, block) in blocks.as_chunks_mut::<4>().0.iter_mut().enumerate() {
        for (row, lanes) in rows.into_iter().zip((0..).step_by(4)) {
            let bytes = &row[12 * number..][..13];
            for (pixel, start) in block.iter_mut().zip((0..).step_by(3)) {
                pixel[lanes..lanes + 4].copy_from_slice(&bytes[start..start + 4]);
            }
        }
    }
    for (row, lanes) in rows.into_iter().zip((0..).step_by(4)) {
        for (pixel, bytes) in rest.iter_mut().zip(row[12 * whole..].as_chunks::<3>().0) {
            pixel[lanes..lanes + 3].copy_from_slice(bytes);
        }
    }
}

/// Weighted sums of the pixels in each window, in their order.
#[inline(always)]
fn sum<L: Copy + AddAssign + Mul<Output = L>>(
    pixels: &[Lanes<L>],
    columns: &Windows<L>,
    start: L,
    sums: &mut [Lanes<L>],
) {
    for (x, column) in sums.iter_mut().enumerate() {
        let (window, weights) = columns.window(x);
        let mut lanes = [start; 4 * TOGETHER];
        for (pixel, &weight) in pixels[window].iter().zip(weights) {
            for (lane, &value) in lanes.iter_mut().zip(pixel) {
                *lane += value * weight;
            }
        }
        *column = lanes;
    }
}

/// One output row to be made.
struct Row<'a, P, T, L> {
    plan: &'a P,
    image: &'a Image,
    y: usize,
    narrowed: &'a mut Narrowed<T, L>,
    line: &'a mut [T],
}

/// For every sample of an axis the pixels it is made of, and their weights.
struct Windows<T> {
    pixels: Vec<Range<usize>>,
    /// As many as pixels, window after window.
    weights: Vec<T>,
    /// Where each window's weights begin, and where the last one's end.
    starts: Vec<usize>,
}

impl<T: Copy> Windows<T> {
    fn new(output: usize, window: impl Fn(usize) -> (usize, Vec<T>)) -> Self {
        let pixels = Vec::with_capacity(output);
        let mut windows = Self { pixels, weights: Vec::new(), starts: vec![0] };
        for index in 0..output {
            let (first, weights) = window(index);
            windows.pixels.push(first..first + weights.len());
            windows.weights.extend(weights);
            windows.starts.push(windows.weights.len());
        }
        windows
    }

    fn window(&self, index: usize) -> (Range<usize>, &[T]) {
        let weights = &self.weights[self.starts[index]..self.starts[index + 1]];
        (self.pixels[index].clone(), weights)
    }

    /// The pixels and weights of every window.
    fn taps(&self) -> impl Iterator<Item = impl Iterator<Item = (usize, T)>> {
        (0..self.len()).map(|index| {
            let (pixels, weights) = self.window(index);
            pixels.zip(weights.iter().copied())
        })
    }

    fn len(&self) -> usize {
        self.pixels.len()
    }

    /// Pixels of the widest window.
    fn widest(&self) -> usize {
        self.pixels.iter().map(Range::len).max().unwrap_or(0)
    }
}

fn triangle(distance: f64) -> f64 {
    (1.0 - distance.abs()).max(0.0)
}

impl Pillow {
    pub(super) fn new(from: Size, to: Size) -> Self {
        let axis = |input, output| Windows::new(output, |i| Self::window(input, output, i));
        Self { columns: axis(from.width, to.width), rows: axis(from.height, to.height) }
    }

    /// Pillow's `precompute_coeffs` and `normalize_coeffs_8bpc`.
    fn window(input: usize, output: usize, index: usize) -> (usize, Vec<i32>) {
        let scale = input as f64 / output as f64;
        let support = scale.max(1.0);
        let centre = (index as f64 + 0.5) * scale;
        let first = (centre - support + 0.5).max(0.0) as usize;
        let end = ((centre + support + 0.5) as usize).min(input);
        let inverse = 1.0 / support;
        let raw: Vec<f64> =
            (first..end).map(|pixel| triangle((pixel as f64 - centre + 0.5) * inverse)).collect();
        let total: f64 = raw.iter().sum();
        let weight = |w: &f64| (0.5 + w / total * UNIT) as i32;
        (first, raw.iter().map(weight).collect())
    }

    /// What columns and rows are made of.
    pub(super) fn taps(&self) -> [TapTable; 2] {
        [&self.columns, &self.rows].map(|axis| TapTable::whole(axis.taps()))
    }

    /// Makes room for a new image.
    pub(super) fn begin(&self, image: &Image, narrowed: &mut Narrowed<u8, i32>) {
        narrowed.begin(image.width, &self.columns, &self.rows);
    }

    /// Writes output row `y` of `image`; rows come in their order.
    pub(super) fn row(
        &self,
        image: &Image,
        y: usize,
        narrowed: &mut Narrowed<u8, i32>,
        instructions: Instructions,
        levels: &mut [u8],
    ) {
        instructions.at_most(WIDEST).run(Row { plan: self, image, y, narrowed, line: levels });
    }
}

impl Work for Row<'_, Pillow, u8, i32> {
    type Output = ();

    #[inline(always)]
    fn work(self) {
        let (rows, weights) = self.plan.rows.window(self.y);
        let columns = &self.plan.columns;
        self.narrowed.need(self.image, rows.clone(), columns, HALF, i32::from, level);
        for (part, levels) in self.line.chunks_mut(PART).enumerate() {
            let mut sums = [HALF; PART];
            for (row, &weight) in rows.clone().zip(weights) {
                let line = &self.narrowed.row(row)[part * PART..][..levels.len()];
                for (sum, &level) in sums.iter_mut().zip(line) {
                    *sum += i32::from(level) * weight;
                }
            }
            for (level_out, sum) in levels.iter_mut().zip(sums) {
                *level_out = level(sum);
            }
        }
    }
}

/// A sum of levels times weights and [`HALF`] as a level.
#[inline(always)]
fn level(sum: i32) -> u8 {
    (sum >> PRECISION).clamp(0, 255) as u8
}

impl Torch {
    pub(super) fn new(from: Size, to: Size) -> Self {
        let axis = |input, output| Windows::new(output, |i| Self::window(input, output, i));
        Self { columns: axis(from.width, to.width), rows: axis(from.height, to.height) }
    }

    /// PyTorch's `_compute_indices_min_size_weights_aa` for 32 bit floats.
    fn window(input: usize, output: usize, index: usize) -> (usize, Vec<f32>) {
        let scale = input as f32 / output as f32;
        let support = scale.max(1.0);
        let inverse = 1.0 / support;
        let centre = scale * (index as f32 + 0.5);
        let first = (f64::from(centre - support) + 0.5).max(0.0) as usize;
        let end = ((f64::from(centre + support) + 0.5) as usize).min(input);
        let distance =
            |pixel: usize| ((f64::from(pixel as f32 - centre) + 0.5) * f64::from(inverse)) as f32;
        let raw: Vec<f32> = (first..end).map(|p| (1.0 - distance(p).abs()).max(0.0)).collect();
        let total: f32 = raw.iter().sum();
        (first, raw.iter().map(|w| w / total).collect())
    }

    /// What columns and rows are made of.
    pub(super) fn taps(&self) -> [TapTable; 2] {
        [&self.columns, &self.rows].map(|axis| TapTable::floats(axis.taps()))
    }

    /// Makes room for a new image.
    pub(super) fn begin(&self, image: &Image, narrowed: &mut Narrowed<f32, f32>) {
        narrowed.begin(image.width, &self.columns, &self.rows);
    }

    /// Writes output row `y` of `image`, less [`MIDDLE`]; rows come in their order.
    pub(super) fn row(
        &self,
        image: &Image,
        y: usize,
        narrowed: &mut Narrowed<f32, f32>,
        instructions: Instructions,
        floats: &mut [f32],
    ) {
        instructions.at_most(WIDEST).run(Row { plan: self, image, y, narrowed, line: floats });
    }
}

impl Work for Row<'_, Torch, f32, f32> {
    type Output = ();

    #[inline(always)]
    fn work(self) {
        let (rows, weights) = self.plan.rows.window(self.y);
        let lane = |level: u8| f32::from(level) - MIDDLE;
        self.narrowed.need(self.image, rows.clone(), &self.plan.columns, 0.0, lane, |sum| sum);
        self.line.fill(0.0);
        for (row, &weight) in rows.zip(weights) {
            for (float, &level) in self.line.iter_mut().zip(self.narrowed.row(row)) {
                *float += level * weight;
            }
        }
    }
}
