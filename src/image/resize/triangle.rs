//! Bilinear resizing with antialias: every output pixel is a mean of the pixels under a triangle
//! that is as wide as two output pixels, first along x, then along y.
//!
//! Sources: Pillow `src/libImaging/Resample.c` (levels: weights of 22 bits, a level after each
//! axis); PyTorch `aten/src/ATen/native/cpu/UpSampleKernel.cpp` (floats).

use super::{
    super::{Image, Size},
    thirds,
};
use crate::cpu::Instructions;
use std::ops::{AddAssign, Mul, Range};

/// Pillow's weights sum to this.
const UNIT: f64 = (1 << PRECISION) as f64;
const PRECISION: u32 = 22;
/// Half a level, for rounding.
const HALF: i32 = 1 << (PRECISION - 1);

/// About the mean of what models are trained on.
const MIDDLE: f32 = 128.0;

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

/// A pixel as lanes that are computed alike: red, green, blue, and one that nobody reads.
type Lanes<T> = [T; 4];

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
    /// The row that is being resized.
    pixels: Vec<Lanes<L>>,
}

impl<T: Copy + Default, L: Copy + Default + AddAssign + Mul<Output = L>> Narrowed<T, L> {
    /// Forgets the last image and makes room for rows that `columns` and `rows` make of `width`
    /// pixels.
    fn begin(&mut self, width: usize, columns: &Windows<L>, rows: &Windows<L>) {
        (self.length, self.slots, self.next) = (3 * columns.len(), rows.widest(), 0);
        self.values.resize(self.slots * self.length, T::default());
        self.pixels.resize(width, Lanes::default());
    }

    /// Brings what is missing of `rows` of `image`, which must not begin before those of the last
    /// call: a sum begins with `start`, adds up what `lane` makes of levels times their weights, and
    /// is kept as `keep` says.
    #[inline]
    fn need(
        &mut self,
        image: &Image,
        rows: Range<usize>,
        columns: &Windows<L>,
        start: L,
        lane: impl Fn(u8) -> L,
        keep: impl Fn(L) -> T,
    ) {
        for row in self.next.max(rows.start)..rows.end {
            spread(image.row(row), &lane, &mut self.pixels);
            let slot = row % self.slots * self.length;
            let mut planes = thirds(&mut self.values[slot..slot + self.length]);
            for x in 0..columns.len() {
                let (pixels, weights) = columns.window(x);
                let mut sums = [start; 4];
                for (pixel, &weight) in self.pixels[pixels].iter().zip(weights) {
                    for (sum, &value) in sums.iter_mut().zip(pixel) {
                        *sum += value * weight;
                    }
                }
                for (plane, sum) in planes.iter_mut().zip(sums) {
                    plane[x] = keep(sum);
                }
            }
        }
        self.next = self.next.max(rows.end);
    }

    fn row(&self, row: usize) -> &[T] {
        &self.values[row % self.slots * self.length..][..self.length]
    }
}

/// A row's pixels as lanes.
#[inline]
fn spread<L: Copy>(row: &[u8], lane: impl Fn(u8) -> L, pixels: &mut [Lanes<L>]) {
    // Four bytes at a time, as memory is read; the fourth is the next pixel's first.
    for (pixel, bytes) in pixels.iter_mut().zip(row.windows(4).step_by(3)) {
        *pixel = [lane(bytes[0]), lane(bytes[1]), lane(bytes[2]), lane(bytes[3])];
    }
    if let (Some(pixel), &[.., red, green, blue]) = (pixels.last_mut(), row) {
        *pixel = [lane(red), lane(green), lane(blue), lane(0)];
    }
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
        let (rows, weights) = self.rows.window(y);
        instructions.run(|| {
            narrowed.need(image, rows.clone(), &self.columns, HALF, i32::from, level);
            for (part, levels) in levels.chunks_mut(PART).enumerate() {
                let mut sums = [HALF; PART];
                for (row, &weight) in rows.clone().zip(weights) {
                    let line = &narrowed.row(row)[part * PART..][..levels.len()];
                    for (sum, &level) in sums.iter_mut().zip(line) {
                        *sum += i32::from(level) * weight;
                    }
                }
                for (level_out, sum) in levels.iter_mut().zip(sums) {
                    *level_out = level(sum);
                }
            }
        });
    }
}

/// A sum of levels times weights and [`HALF`] as a level.
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

    /// Makes room for a new image.
    pub(super) fn begin(&self, image: &Image, narrowed: &mut Narrowed<f32, f32>) {
        narrowed.begin(image.width, &self.columns, &self.rows);
    }

    /// Writes output row `y` of `image`; rows come in their order.
    pub(super) fn row(
        &self,
        image: &Image,
        y: usize,
        narrowed: &mut Narrowed<f32, f32>,
        instructions: Instructions,
        floats: &mut [f32],
    ) {
        let (rows, weights) = self.rows.window(y);
        instructions.run(|| {
            let lane = |level: u8| f32::from(level) - MIDDLE;
            narrowed.need(image, rows.clone(), &self.columns, 0.0, lane, |sum| sum);
            floats.fill(0.0);
            for (row, &weight) in rows.zip(weights) {
                for (float, &level) in floats.iter_mut().zip(narrowed.row(row)) {
                    *float += level * weight;
                }
            }
            for float in floats {
                *float += MIDDLE;
            }
        });
    }
}
