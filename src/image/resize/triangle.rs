//! Bilinear resizing with antialias: every output pixel is a mean of the pixels under a triangle
//! that is as wide as two output pixels, first along x, then along y.
//!
//! Sources: Pillow `src/libImaging/Resample.c` (levels: weights of 22 bits, a level after each
//! axis); PyTorch `aten/src/ATen/native/cpu/UpSampleKernel.cpp` (floats).

use super::{
    super::{Image, Size},
    thirds,
};
use std::ops::Range;

/// Pillow's weights sum to this.
const UNIT: f64 = (1 << PRECISION) as f64;
const PRECISION: u32 = 22;

/// About the mean of what models are trained on.
const MIDDLE: f32 = 128.0;

/// Levels of a row that are summed up together; the sums stay in the L1 cache.
const PART: usize = 256;

/// Pillow's arithmetic.
pub(in crate::image) struct Pillow {
    columns: Windows<i32>,
    rows: Windows<i32>,
}

/// PyTorch's arithmetic on floats, here on levels less [`MIDDLE`]: normalising before or after is
/// the same but for rounding, and sums as small as those of normalised values round as little.
pub(in crate::image) struct Torch {
    columns: Windows<f32>,
    rows: Windows<f32>,
}

/// Rows of an image resized along x, three planes each, as many of the last as a window along y
/// needs; row `r` lies in slot `r % slots`.
#[derive(Default)]
pub(in crate::image) struct Narrowed<T> {
    values: Vec<T>,
    /// Values of a row.
    length: usize,
    slots: usize,
    /// The first row that is not there yet.
    next: usize,
}

impl<T: Copy + Default> Narrowed<T> {
    /// Forgets the last image and makes room for `slots` rows of `length` values.
    fn begin(&mut self, slots: usize, length: usize) {
        (self.length, self.slots, self.next) = (length, slots, 0);
        self.values.resize(slots * length, T::default());
    }

    /// Brings what is missing of `rows`, which must not begin before those of the last call.
    fn need(&mut self, rows: Range<usize>, mut narrow: impl FnMut(usize, &mut [T])) {
        for row in self.next.max(rows.start)..rows.end {
            let start = row % self.slots * self.length;
            narrow(row, &mut self.values[start..start + self.length]);
        }
        self.next = self.next.max(rows.end);
    }

    fn row(&self, row: usize) -> &[T] {
        &self.values[row % self.slots * self.length..][..self.length]
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
    pub(super) fn begin(&self, narrowed: &mut Narrowed<u8>) {
        narrowed.begin(self.rows.widest(), 3 * self.columns.len());
    }

    /// Writes output row `y` of `image`; rows come in their order.
    pub(super) fn row(
        &self,
        image: &Image,
        y: usize,
        narrowed: &mut Narrowed<u8>,
        levels: &mut [u8],
    ) {
        let (rows, weights) = self.rows.window(y);
        narrowed.need(rows.clone(), |row, line| self.narrow(image.row(row), line));
        for (part, levels) in levels.chunks_mut(PART).enumerate() {
            let mut sums = [1 << (PRECISION - 1); PART];
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
    }

    /// Resizes one row along x.
    fn narrow(&self, row: &[u8], line: &mut [u8]) {
        let mut planes = thirds(line);
        for x in 0..self.columns.len() {
            let (pixels, weights) = self.columns.window(x);
            let mut sums = [1 << (PRECISION - 1); 3];
            for (pixel, &weight) in row[3 * pixels.start..].chunks_exact(3).zip(weights) {
                for (sum, &level) in sums.iter_mut().zip(pixel) {
                    *sum += i32::from(level) * weight;
                }
            }
            for (plane, sum) in planes.iter_mut().zip(sums) {
                plane[x] = level(sum);
            }
        }
    }
}

/// A sum of levels times weights, rounded already, as a level.
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
    pub(super) fn begin(&self, narrowed: &mut Narrowed<f32>) {
        narrowed.begin(self.rows.widest(), 3 * self.columns.len());
    }

    /// Writes output row `y` of `image`; rows come in their order.
    pub(super) fn row(
        &self,
        image: &Image,
        y: usize,
        narrowed: &mut Narrowed<f32>,
        floats: &mut [f32],
    ) {
        let (rows, weights) = self.rows.window(y);
        narrowed.need(rows.clone(), |row, line| self.narrow(image.row(row), line));
        floats.fill(0.0);
        for (row, &weight) in rows.zip(weights) {
            for (float, &level) in floats.iter_mut().zip(narrowed.row(row)) {
                *float += level * weight;
            }
        }
        for float in floats {
            *float += MIDDLE;
        }
    }

    /// Resizes one row along x.
    fn narrow(&self, row: &[u8], line: &mut [f32]) {
        let mut planes = thirds(line);
        for x in 0..self.columns.len() {
            let (pixels, weights) = self.columns.window(x);
            let mut sums = [0.0; 3];
            for (pixel, &weight) in row[3 * pixels.start..].chunks_exact(3).zip(weights) {
                for (sum, &level) in sums.iter_mut().zip(pixel) {
                    *sum += (f32::from(level) - MIDDLE) * weight;
                }
            }
            for (plane, sum) in planes.iter_mut().zip(sums) {
                plane[x] = sum;
            }
        }
    }
}
