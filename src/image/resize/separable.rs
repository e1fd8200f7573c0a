//! Resizing along x, then along y, with few taps each way and integer weights. What is resized
//! along x is kept until no row needs it any more.

use super::{
    super::{Image, TapTable},
    spread::{Columns, Source},
};
use crate::cpu::{Instructions, Work};

/// A kernel of `K` taps along each axis.
pub(super) trait Kernel<const K: usize> {
    /// A sum along x, as precise as it is kept for the sum along y.
    type Partial: Copy + Default;

    /// Resizes one row of pixels along x: a third of `partials` per colour.
    fn spread(
        columns: &Columns<K>,
        source: Source<'_>,
        instructions: Instructions,
        partials: &mut [Self::Partial],
    );

    /// Weighs `K` lines of partial sums into levels; inlined where it is compiled for more than
    /// portable instructions.
    fn blend(lines: [&[Self::Partial]; K], weights: [i16; K], levels: &mut [u8]);
}

/// What one output sample of an axis is made of: positions inside the image, and weights.
pub(super) struct Taps<const K: usize> {
    pub at: [usize; K],
    pub weights: [i16; K],
}

/// Source positions and weights of every output column and row.
pub(super) struct Separable<F, const K: usize> {
    /// Pixels of a source row.
    width: usize,
    columns: Columns<K>,
    rows: Vec<Taps<K>>,
    /// For every source row the one that is resized after it.
    followers: Vec<usize>,
    kernel: std::marker::PhantomData<F>,
}

/// Partial sums of the last rows that were needed; row `r` lies in slot `r % K`.
pub(super) struct Lines<T, const K: usize> {
    held: [Option<usize>; K],
    partials: [Vec<T>; K],
}

impl<const K: usize> Taps<K> {
    /// As `K` neighbouring pixels of a row of `width`: the first, and weights, added up where taps
    /// meet at an edge.
    fn neighbours(&self, width: usize) -> (usize, [i16; K]) {
        let first = self.at[0].min(width.saturating_sub(K));
        let mut weights = [0; K];
        for (&at, &weight) in self.at.iter().zip(&self.weights) {
            weights[at - first] += weight;
        }
        (first, weights)
    }
}

impl<T, const K: usize> Lines<T, K> {
    /// Forgets the rows of the last image.
    pub fn forget(&mut self) {
        self.held = [None; K];
    }
}

impl<T, const K: usize> Default for Lines<T, K> {
    fn default() -> Self {
        Self { held: [None; K], partials: std::array::from_fn(|_| Vec::new()) }
    }
}

impl<F: Kernel<K>, const K: usize> Separable<F, K> {
    /// From the taps of every output column of a row of `width` pixels, and of every output row.
    pub fn new(width: usize, columns: &[Taps<K>], rows: Vec<Taps<K>>) -> Self {
        let columns = Columns::new(columns.iter().map(|taps| taps.neighbours(width)));
        let followers = followers(&rows);
        Self { width, columns, rows, followers, kernel: std::marker::PhantomData }
    }

    /// What columns and rows are made of.
    pub fn taps(&self) -> [TapTable; 2] {
        let row = |row: &Taps<K>| row.at.into_iter().zip(row.weights.map(i32::from));
        let rows = TapTable::whole(self.rows.iter().map(row));
        [TapTable::whole(self.columns.taps(self.width)), rows]
    }

    /// Writes output row `y` of `image` to `levels`: a third of it per colour.
    pub fn row(
        &self,
        image: &Image,
        y: usize,
        lines: &mut Lines<F::Partial, K>,
        instructions: Instructions,
        levels: &mut [u8],
    ) {
        let row = &self.rows[y];
        for (&source, &weight) in row.at.iter().zip(&row.weights) {
            let slot = source % K;
            lines.partials[slot].resize(levels.len(), F::Partial::default());
            // What has no weight need not be computed: half of all work when 1080p becomes
            // 640 wide.
            if weight != 0 && lines.held[slot] != Some(source) {
                lines.held[slot] = Some(source);
                let partials = &mut lines.partials[slot];
                let next = image.row(self.followers[source]);
                let source = Source { row: image.row(source), next };
                F::spread(&self.columns, source, instructions, partials);
            }
        }
        let picked = row.at.map(|source| lines.partials[source % K].as_slice());
        instructions.run(Blend::<F, K> { lines: picked, weights: row.weights, levels });
    }
}

/// For every source row up to the last that has weight, the next that has; that itself for the
/// last.
fn followers<const K: usize>(rows: &[Taps<K>]) -> Vec<usize> {
    let weighted = |row: &Taps<K>| {
        let taps = row.at.into_iter().zip(row.weights);
        taps.filter(|&(_, weight)| weight != 0).map(|(at, _)| at).collect::<Vec<_>>()
    };
    let mut used: Vec<usize> = rows.iter().flat_map(weighted).collect();
    used.sort_unstable();
    used.dedup();
    let last = used.last().copied().unwrap_or(0);
    let mut followers = vec![last; last + 1];
    for pair in used.windows(2) {
        followers[pair[0]] = pair[1];
    }
    followers
}

/// The sum along y.
struct Blend<'a, F: Kernel<K>, const K: usize> {
    lines: [&'a [F::Partial]; K],
    weights: [i16; K],
    levels: &'a mut [u8],
}

impl<F: Kernel<K>, const K: usize> Work for Blend<'_, F, K> {
    type Output = ();

    #[inline(always)]
    fn work(self) {
        F::blend(self.lines, self.weights, self.levels);
    }
}
