//! `cv2.resize` on 8 bit images, a row at a time, into three planes of levels. Equals OpenCV's
//! portable code bit for bit; the closed IPP code in its wheels differs by up to one level where
//! bicubic.
//!
//! Source of the arithmetic: OpenCV `modules/imgproc/src/resize.cpp`. Weights are rounded to 11
//! bits, ties to even. Halving both ways takes the mean of four pixels there, and so it does here.

use super::{
    super::{Image, Size},
    thirds,
};

/// Weights of one sample sum to this.
const UNIT: f32 = 2048.0;

/// Levels that OpenCV's portable code blends at a time.
const VECTOR: usize = 8;

/// Most taps of a kernel.
const MAX_TAPS: usize = 4;

/// Means of two by two pixels, halves rounded up.
pub(super) fn halve(upper: &[u8], lower: &[u8], levels: &mut [u8]) {
    let planes = thirds(levels);
    for (x, (a, b)) in upper.chunks_exact(6).zip(lower.chunks_exact(6)).enumerate() {
        for colour in 0..3 {
            let sum = [a[colour], a[colour + 3], b[colour], b[colour + 3]].map(u16::from);
            planes[colour][x] = ((sum.iter().sum::<u16>() + 2) >> 2) as u8;
        }
    }
}

/// A kernel of `K` taps along each axis.
pub(in crate::image) trait Kernel<const K: usize> {
    /// A sum along x, as precise as it is kept for the sum along y.
    type Partial: Copy + Default;

    /// Whether a column beyond the outermost pixel's centre takes that pixel alone. (Rows weigh
    /// the edge with itself, which rounds differently.)
    const SNAPS_AT_EDGES: bool;

    /// Weights of the pixels from `K / 2 - 1` before the sample on; `fraction` is the sample's
    /// distance from the last pixel not after it.
    fn weights(fraction: f32) -> [f32; K];

    /// Keeps a sum of levels times weights.
    fn keep(sum: i32) -> Self::Partial;

    /// Weighs `K` lines of partial sums into levels.
    fn blend(lines: [&[Self::Partial]; K], weights: [i16; K], levels: &mut [u8]);
}

/// OpenCV's `VResizeLinearVec_32s8u`: partial sums of 15 bits, products truncated to 16.
pub(in crate::image) struct Bilinear;

impl Kernel<2> for Bilinear {
    type Partial = i16;

    const SNAPS_AT_EDGES: bool = true;

    fn weights(fraction: f32) -> [f32; 2] {
        [1.0 - fraction, fraction]
    }

    fn keep(sum: i32) -> i16 {
        (sum >> 4) as i16
    }

    fn blend([first, second]: [&[i16]; 2], weights: [i16; 2], levels: &mut [u8]) {
        let [a, b] = weights.map(i32::from);
        for ((level, &p), &q) in levels.iter_mut().zip(first).zip(second) {
            let high = |product: i32| (product >> 16) as i16;
            let sum = high(i32::from(p) * a) + high(i32::from(q) * b);
            *level = ((sum + 2) >> 2) as u8;
        }
    }
}

/// OpenCV's `interpolateCubic` and `VResizeCubicVec_32s8u`.
pub(in crate::image) struct Bicubic;

impl Kernel<4> for Bicubic {
    type Partial = f32;

    const SNAPS_AT_EDGES: bool = false;

    fn weights(x: f32) -> [f32; 4] {
        const A: f32 = -0.75;
        let y = 1.0 - x;
        let before = ((A * (x + 1.0) - 5.0 * A) * (x + 1.0) + 8.0 * A) * (x + 1.0) - 4.0 * A;
        let near = ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0;
        let far = ((A + 2.0) * y - (A + 3.0)) * y * y + 1.0;
        [before, near, far, 1.0 - before - near - far]
    }

    fn keep(sum: i32) -> f32 {
        sum as f32
    }

    fn blend(lines: [&[f32]; 4], weights: [i16; 4], levels: &mut [u8]) {
        let [a, b, c, d] = lines;
        let [wa, wb, wc, wd] = weights.map(|w| f32::from(w) / (UNIT * UNIT));
        for ((((level, &a), &b), &c), &d) in levels.iter_mut().zip(a).zip(b).zip(c).zip(d) {
            let sum = a * wa + (b * wb + (c * wc + d * wd));
            *level = sum.round_ties_even().clamp(0.0, 255.0) as u8;
        }
        // OpenCV takes eight levels at a time in floats, and what is left of a row of interleaved
        // pixels in integers, which rounds halves up.
        let width = levels.len() / 3;
        for last in levels.len() - levels.len() % VECTOR..levels.len() {
            let at = last % 3 * width + last / 3;
            let products =
                lines.iter().zip(weights).map(|(line, w)| line[at] as i64 * i64::from(w));
            let sum = (products.sum::<i64>() + (1 << 21)) >> 22;
            levels[at] = sum.clamp(0, 255) as u8;
        }
    }
}

/// Source positions and weights of every output column and row.
pub(in crate::image) struct Separable<F, const K: usize> {
    columns: Vec<Column<K>>,
    rows: Vec<Taps<K>>,
    kernel: std::marker::PhantomData<F>,
}

/// What one output sample of an axis is made of: positions, clamped to the image, and weights.
struct Taps<const K: usize> {
    at: [usize; K],
    weights: [i16; K],
}

/// [`Taps`] along x as `K` neighbouring pixels: clamped taps are added up where they meet.
struct Column<const K: usize> {
    /// Offset of the first pixel in the row's bytes.
    start: usize,
    weights: [i16; K],
}

/// Partial sums of the last rows that were needed; row `r` lies in slot `r % K`.
pub(in crate::image) struct Lines<T, const K: usize> {
    held: [Option<usize>; K],
    partials: [Vec<T>; K],
}

impl<T, const K: usize> Lines<T, K> {
    /// Forgets the rows of the last image.
    pub(super) fn forget(&mut self) {
        self.held = [None; K];
    }
}

impl<T, const K: usize> Default for Lines<T, K> {
    fn default() -> Self {
        Self { held: [None; K], partials: std::array::from_fn(|_| Vec::new()) }
    }
}

impl<F: Kernel<K>, const K: usize> Separable<F, K> {
    pub(super) fn new(from: Size, to: Size) -> Self {
        let columns = taps::<F, K>(from.width, to.width, F::SNAPS_AT_EDGES)
            .iter()
            .map(|taps| Column::new(taps, from.width))
            .collect();
        let rows = taps::<F, K>(from.height, to.height, false);
        Self { columns, rows, kernel: std::marker::PhantomData }
    }

    /// Writes output row `y` of `image` to `levels`: a third of it per colour.
    pub(super) fn row(
        &self,
        image: &Image,
        y: usize,
        lines: &mut Lines<F::Partial, K>,
        levels: &mut [u8],
    ) {
        let row = &self.rows[y];
        for (&source, &weight) in row.at.iter().zip(&row.weights) {
            let slot = source % K;
            lines.partials[slot].resize(levels.len(), F::Partial::default());
            // What has no weight need not be computed: a third of all work when 1080p becomes
            // 640 wide.
            if weight != 0 && lines.held[slot] != Some(source) {
                spread::<F, K>(&self.columns, image.row(source), &mut lines.partials[slot]);
                lines.held[slot] = Some(source);
            }
        }
        let picked = row.at.map(|source| lines.partials[source % K].as_slice());
        F::blend(picked, row.weights, levels);
    }
}

/// Positions and weights of `output` samples along an axis of `input` pixels.
fn taps<F: Kernel<K>, const K: usize>(input: usize, output: usize, snaps: bool) -> Vec<Taps<K>> {
    // OpenCV divides twice; the rounding is part of the result.
    let step = 1.0 / (output as f64 / input as f64);
    let last = input as i64 - 1;
    let sample = |index: usize| {
        let position = ((index as f64 + 0.5) * step - 0.5) as f32;
        let floor = position.floor();
        let pixel = floor as i64;
        let beyond = snaps && (pixel < 0 || pixel >= last);
        let fraction = if beyond { 0.0 } else { position - floor };
        let first = if beyond { pixel.clamp(0, last) } else { pixel } - (K as i64 / 2 - 1);
        Taps {
            at: std::array::from_fn(|tap| (first + tap as i64).clamp(0, last) as usize),
            weights: F::weights(fraction).map(|w| (w * UNIT).round_ties_even() as i16),
        }
    };
    (0..output).map(sample).collect()
}

impl<const K: usize> Column<K> {
    fn new(taps: &Taps<K>, width: usize) -> Self {
        let first = taps.at[0].min(width.saturating_sub(K));
        let mut weights = [0; K];
        for (&at, &weight) in taps.at.iter().zip(&taps.weights) {
            weights[at - first] += weight;
        }
        Self { start: 3 * first, weights }
    }
}

/// Resizes one row of pixels along x into three planes of partial sums.
fn spread<F: Kernel<K>, const K: usize>(
    columns: &[Column<K>],
    row: &[u8],
    partials: &mut [F::Partial],
) {
    let mut short = [0; 3 * MAX_TAPS];
    let row = lengthened(row, 3 * K, &mut short);
    let [red, green, blue] = thirds(partials);
    for (((column, red), green), blue) in columns.iter().zip(red).zip(green).zip(blue) {
        let pixels = &row[column.start..][..3 * K];
        let product = |tap: usize, colour: usize| {
            i32::from(pixels[3 * tap + colour]) * i32::from(column.weights[tap])
        };
        let sum = |colour: usize| (0..K).map(|tap| product(tap, colour)).sum();
        [*red, *green, *blue] = [sum(0), sum(1), sum(2)].map(F::keep);
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
