//! From scores per anchor and class to detections: which of them are candidates, and what NMS
//! leaves. Knows no model; a family says how its scores lie and where an anchor's box comes from.
//!
//! Anchors count through all levels. Of equal scores the lower anchor goes first, then the lower
//! class.

use super::{Detection, keys::Numbers, limits::Limits, nms::Nms};
use crate::cpu::{Cpu, Instructions, Work};
use std::{convert::Infallible, ops::Range};

/// Anchors whose best scores are sought together; the running maxima stay in the L1 cache.
const BLOCK: usize = 2048;

/// The scores of one image at one level.
#[derive(Clone, Copy)]
pub(super) struct Scores<'a> {
    /// From the first anchor's first class on.
    pub values: &'a [f32],
    pub anchors: usize,
    pub classes: usize,
    pub layout: Layout,
}

/// How scores lie in memory.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// All anchors of the first class, then all of the second.
    ClassMajor,
    /// All classes of the first anchor; the next anchor's begin `stride` values later.
    AnchorMajor { stride: usize },
}

/// Turns scores into detections, image by image, by as many threads as there are.
pub(super) struct Detector {
    pub limits: Limits,
    /// One per thread.
    searches: Vec<Search>,
}

/// Looks for the detections of one image; keeps its buffers from image to image.
pub(super) struct Search {
    limits: Limits,
    instructions: Instructions,
    nms: Nms,
    best: Vec<f32>,
    /// Cells with a candidate, by the complement of their best score, then number.
    cells: Vec<(u32, usize)>,
}

impl Detector {
    pub fn new(limits: Limits) -> Self {
        Self { limits, searches: Vec::new() }
    }

    /// Calls `work` with the number of each image and what is found on it, which it replaces.
    pub fn each(
        &mut self,
        cpu: &Cpu,
        detections: &mut [Vec<Detection>],
        work: impl Fn(&mut Search, usize, &mut Vec<Detection>) + Sync,
    ) {
        let limits = self.limits;
        self.searches.resize_with(cpu.threads.count(), || Search::new(limits, cpu.instructions));
        let work = |search: &mut Search, image: usize, found: &mut [Vec<Detection>]| {
            search.instructions = cpu.instructions;
            work(search, image, &mut found[0]);
            Ok::<(), Infallible>(())
        };
        let Ok(()) = cpu.threads.each(&mut self.searches, detections, 1, work);
    }
}

impl Search {
    fn new(limits: Limits, instructions: Instructions) -> Self {
        Self { limits, instructions, nms: Nms::default(), best: Vec::new(), cells: Vec::new() }
    }

    /// Replaces `found` by the detections of one image, best first. All levels have the same
    /// classes. `bounds` gives the box of an anchor: left, top, right, bottom, in whatever pixels
    /// are to be compared.
    pub fn detect(
        &mut self,
        levels: &[Scores<'_>],
        mut bounds: impl FnMut(usize) -> [f32; 4],
        found: &mut Vec<Detection>,
    ) {
        found.clear();
        self.nms.clear();
        let classes = levels.first().map_or(0, |scores| scores.classes);
        if classes == 0 {
            return;
        }
        let mut first = 0;
        for scores in levels {
            self.offer(*scores, first);
            first += scores.anchors;
        }
        if self.limits.multi_label {
            let locate = |key: u32| {
                let key = key as usize;
                ((key % classes) as u32, bounds(key / classes))
            };
            self.nms.keep(&self.limits, self.instructions, locate, found);
        } else {
            let locate = |anchor: u32| {
                let anchor = anchor as usize;
                (best_class(levels, anchor), bounds(anchor))
            };
            self.nms.keep(&self.limits, self.instructions, locate, found);
        }
    }

    /// Offers the scores of a level whose anchors are numbered from `first` on.
    fn offer(&mut self, scores: Scores<'_>, first: usize) {
        let confidence = self.limits.confidence;
        if self.limits.cells_per_level < scores.anchors {
            self.offer_best_cells(scores, first);
        } else if self.limits.multi_label {
            scores.offer_all(&mut self.nms, first, confidence, self.instructions);
        } else {
            for start in (0..scores.anchors).step_by(BLOCK) {
                let end = scores.anchors.min(start + BLOCK);
                scores.best(start..end, self.instructions, &mut self.best);
                let numbers = numbers(first + start, 1);
                self.nms.offer(&self.best, numbers, confidence, self.instructions);
            }
        }
    }

    /// Offers the cells with the best scores.
    fn offer_best_cells(&mut self, scores: Scores<'_>, first: usize) {
        let confidence = self.limits.confidence;
        scores.best(0..scores.anchors, self.instructions, &mut self.best);
        self.cells.clear();
        let wanted = self.best.iter().enumerate().filter(|&(_, &best)| best > confidence);
        self.cells.extend(wanted.map(|(anchor, best)| (!best.to_bits(), anchor)));
        let most = self.limits.cells_per_level;
        if self.cells.len() > most {
            self.cells.select_nth_unstable(most);
            self.cells.truncate(most);
        }
        for &(best, anchor) in &self.cells {
            let mut offer = |score: f32, number: usize| {
                self.nms.offer(&[score], numbers(number, 1), confidence, self.instructions);
            };
            if !self.limits.multi_label {
                offer(f32::from_bits(!best), first + anchor);
                continue;
            }
            for class in 0..scores.classes {
                offer(scores.at(anchor, class), (first + anchor) * scores.classes + class);
            }
        }
    }
}

/// The first class with the highest score of an anchor counted through all levels.
fn best_class(levels: &[Scores<'_>], mut anchor: usize) -> u32 {
    for scores in levels {
        if anchor < scores.anchors {
            return scores.best_class(anchor);
        }
        anchor -= scores.anchors;
    }
    0
}

impl<'a> Scores<'a> {
    fn at(self, anchor: usize, class: usize) -> f32 {
        match self.layout {
            Layout::ClassMajor => self.values[class * self.anchors + anchor],
            Layout::AnchorMajor { stride } => self.values[anchor * stride + class],
        }
    }

    /// Offers every class of every anchor, numbered anchor by anchor.
    fn offer_all(self, nms: &mut Nms, first: usize, confidence: f32, instructions: Instructions) {
        let Self { values, anchors, classes, layout } = self;
        let first = first * classes;
        let mut offer = |scores: &[f32], first: usize, step: usize| {
            nms.offer(scores, numbers(first, step), confidence, instructions);
        };
        match layout {
            Layout::ClassMajor => {
                for (class, scores) in values.chunks_exact(anchors.max(1)).take(classes).enumerate()
                {
                    offer(scores, first + class, classes);
                }
            }
            Layout::AnchorMajor { stride } if stride == classes => {
                offer(&values[..anchors * classes], first, 1);
            }
            Layout::AnchorMajor { stride } => {
                for (anchor, values) in values.chunks(stride).take(anchors).enumerate() {
                    offer(&values[..classes], first + anchor * classes, 1);
                }
            }
        }
    }

    /// The highest score of each anchor of a range; NaN counts as none.
    fn best(self, range: Range<usize>, instructions: Instructions, best: &mut Vec<f32>) {
        best.clear();
        match self.layout {
            Layout::ClassMajor => {
                best.resize(range.len(), f32::NEG_INFINITY);
                instructions.run(Highest { scores: self, range, best });
            }
            Layout::AnchorMajor { stride } => best.extend(range.map(|anchor| {
                let scores = &self.values[anchor * stride..][..self.classes];
                scores.iter().copied().fold(f32::NEG_INFINITY, higher)
            })),
        }
    }

    fn best_class(self, anchor: usize) -> u32 {
        let mut best = (0, f32::NEG_INFINITY);
        for class in 0..self.classes {
            let score = self.at(anchor, class);
            if score > best.1 {
                best = (class as u32, score);
            }
        }
        best.0
    }
}

/// The higher of two scores; the first where the second is NaN.
#[inline(always)]
fn higher(a: f32, b: f32) -> f32 {
    if b > a { b } else { a }
}

fn numbers(first: usize, step: usize) -> Numbers {
    Numbers { first: first as u32, step: step as u32 }
}

/// The highest score of each anchor of a range, of scores that lie class by class.
struct Highest<'a> {
    scores: Scores<'a>,
    range: Range<usize>,
    best: &'a mut [f32],
}

impl Work for Highest<'_> {
    type Output = ();

    #[inline(always)]
    fn work(self) {
        let Self { scores, range, best } = self;
        let class = |class: usize| &scores.values[class * scores.anchors..][range.clone()];
        // Several classes at a time, as each pass reads and writes all of `best`.
        let whole = scores.classes - scores.classes % 4;
        for first in (0..whole).step_by(4) {
            let [a, b] = [class(first), class(first + 1)];
            let [c, d] = [class(first + 2), class(first + 3)];
            for ((((best, &a), &b), &c), &d) in best.iter_mut().zip(a).zip(b).zip(c).zip(d) {
                *best = higher(higher(higher(higher(*best, a), b), c), d);
            }
        }
        for last in whole..scores.classes {
            for (best, &score) in best.iter_mut().zip(class(last)) {
                *best = higher(*best, score);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ANCHORS: usize = 37;
    const CLASSES: usize = 3;

    /// The same scores, anchor by anchor with `gap` other values between, and class by class.
    fn layouts(scores: &[u8], gap: usize) -> (Vec<f32>, Vec<f32>) {
        let score = |anchor: usize, class: usize| f32::from(scores[anchor * CLASSES + class]) / 8.0;
        let anchor_major = (0..ANCHORS)
            .flat_map(|a| {
                (0..CLASSES).map(move |c| score(a, c)).chain(std::iter::repeat_n(9.0, gap))
            })
            .collect();
        let class_major =
            (0..CLASSES).flat_map(|c| (0..ANCHORS).map(move |a| score(a, c))).collect();
        (anchor_major, class_major)
    }

    fn bounds(anchor: usize) -> [f32; 4] {
        let left = (anchor * 7 % 40) as f32;
        [left, 0.0, left + 10.0, 10.0]
    }

    proptest! {
        #[test]
        fn how_scores_lie_does_not_matter(
            scores in prop::collection::vec(0..8_u8, ANCHORS * CLASSES),
            gap in 0..4_usize,
            multi_label: bool,
            split in 1..ANCHORS,
        ) {
            let (anchor_major, class_major) = layouts(&scores, gap);
            let limits = Limits { iou: 0.3, confidence: 0.3, multi_label, ..Limits::NONE };
            let detect_by = |instructions: Instructions, levels: &[Scores<'_>]| {
                let mut found = Vec::new();
                Search::new(limits, instructions).detect(levels, bounds, &mut found);
                found
            };
            let detect = |levels: &[Scores<'_>]| {
                let all: Vec<_> =
                    Instructions::available().map(|set| detect_by(set, levels)).collect();
                assert!(all.iter().all(|found| found == &all[0]), "{all:?}");
                all.into_iter().next().unwrap()
            };
            let stride = CLASSES + gap;
            let rows = |values, anchors| Scores {
                values, anchors, classes: CLASSES, layout: Layout::AnchorMajor { stride },
            };
            let columns = Scores {
                values: &class_major, anchors: ANCHORS, classes: CLASSES, layout: Layout::ClassMajor,
            };
            let expected = detect(&[rows(&anchor_major, ANCHORS)]);
            prop_assert_eq!(&detect(&[columns]), &expected);
            let levels = [
                rows(&anchor_major[..split * stride], split),
                rows(&anchor_major[split * stride..], ANCHORS - split),
            ];
            prop_assert_eq!(&detect(&levels), &expected);
        }

        #[test]
        fn only_the_best_cells_of_a_level_are_looked_at(
            scores in prop::collection::vec(0..8_u8, ANCHORS * CLASSES),
            most in 1..ANCHORS,
        ) {
            let (values, _) = layouts(&scores, 0);
            let scores = Scores {
                values: &values, anchors: ANCHORS, classes: CLASSES,
                layout: Layout::AnchorMajor { stride: CLASSES },
            };
            let limits = Limits { cells_per_level: most, confidence: 0.2, ..Limits::NONE };
            let mut found = Vec::new();
            Search::new(limits, Instructions::best()).detect(&[scores], bounds, &mut found);
            let best = |a: usize| values[a * CLASSES..][..CLASSES].iter().copied().fold(0.0, f32::max);
            let mut order: Vec<usize> = (0..ANCHORS).collect();
            order.sort_by(|&a, &b| best(b).total_cmp(&best(a)).then(a.cmp(&b)));
            let expected: usize = order[..most]
                .iter()
                .map(|a| values[a * CLASSES..][..CLASSES].iter().filter(|&&s| s > 0.2).count())
                .sum();
            prop_assert_eq!(found.len(), expected);
        }
    }
}
