//! From a transformer's queries to detections: the best of all queries and classes, no NMS. Knows
//! no model.
//!
//! Source: `RTDETRPostProcessor.forward` (lyuwenyu/RT-DETR) and the same in RF-DETR, Hugging Face
//! and PaddleDetection: sigmoid, then the best `top_k` of queries × classes. Of equal scores the
//! lower query goes first, then the lower class.

use super::{
    Detection, Fitting,
    keys::{self, Key, Keys, Numbers},
    limits::bound,
};
use crate::{
    cpu::{Cpu, Instructions, Work},
    image::Size,
    scenario::FamilyOptions,
};
use std::convert::Infallible;

/// Logits of which only the highest is looked at first.
const STRIDE: usize = 16;
/// Lanes whose maxima are sought side by side.
const LANES: usize = 16;

/// Which pairs of query and class are reported.
#[derive(Clone, Copy)]
pub(super) struct Choice {
    /// Most pairs looked at, best first; `None` for as many as there are queries.
    pub top_k: Option<usize>,
    /// Scores must be higher.
    pub confidence: f32,
    /// Most detections kept.
    pub detections: usize,
}

/// Chooses, image by image, by as many threads as there are.
#[derive(Default)]
pub(super) struct Choosers {
    /// One per thread.
    choosers: Vec<Chooser>,
}

/// Chooses on one image; keeps its buffers from image to image.
#[derive(Default)]
pub(super) struct Chooser {
    maxima: Vec<f32>,
    /// By logit, those that may be among the best.
    keys: Keys,
    /// By score.
    best: Vec<Key>,
}

/// Brings detections into their order; keeps its buffers from image to image.
#[derive(Default)]
pub(super) struct Sieve {
    keys: Vec<Key>,
    sorted: Vec<Detection>,
}

impl Choice {
    /// All detections.
    pub const ALL: Self =
        Self { top_k: None, confidence: f32::NEG_INFINITY, detections: usize::MAX };

    /// This choice, changed as `options` say.
    pub fn with(self, options: &FamilyOptions) -> Self {
        let keys = &options.postprocess;
        let number = |value: Option<u32>, own| value.map_or(own, |n| n as usize);
        Self {
            top_k: keys.top_k.map(|n| n as usize).or(self.top_k),
            confidence: keys.confidence.unwrap_or(self.confidence),
            detections: number(keys.max_detections, self.detections),
        }
    }

    /// For results.
    pub fn fitting(&self) -> Fitting {
        Fitting {
            variant: String::new(),
            values: String::new(),
            draws_above: 0.0,
            confidence: Some(self.confidence).filter(|confidence| confidence.is_finite()),
            iou: None,
            top_k: self.top_k,
            max_detections: bound(self.detections),
            class_agnostic: false,
            multi_label: true,
        }
    }

    /// Leaves of `found`, best first, what is reported.
    fn keep(self, found: &mut Vec<Detection>) {
        found.retain(|d| {
            d.score > self.confidence
                && d.score.is_finite()
                && d.bounds.iter().all(|edge| edge.is_finite())
        });
        found.truncate(self.detections);
    }
}

impl Sieve {
    /// Leaves of `found`, in any order but with ties in theirs, what `choice` reports, best first.
    pub fn sift(&mut self, choice: Choice, found: &mut Vec<Detection>) {
        // Not by a stable sort, which allocates.
        self.keys.clear();
        self.keys.extend((0..).zip(&*found).map(|(index, d)| Key::new(d.score, index)));
        self.keys.sort_unstable_by(|a, b| b.cmp(a));
        self.sorted.clear();
        self.sorted.extend(self.keys.iter().map(|key| found[key.index() as usize]));
        std::mem::swap(found, &mut self.sorted);
        choice.keep(found);
    }
}

impl Choosers {
    /// Calls `work` with the number of each image and what is found on it, which it replaces.
    pub fn each(
        &mut self,
        cpu: &Cpu,
        detections: &mut [Vec<Detection>],
        work: impl Fn(&mut Chooser, usize, &mut Vec<Detection>) + Sync,
    ) {
        self.choosers.resize_with(cpu.threads.count(), Chooser::default);
        let work = |chooser: &mut Chooser, image: usize, found: &mut [Vec<Detection>]| {
            work(chooser, image, &mut found[0]);
            Ok::<(), Infallible>(())
        };
        let Ok(()) = cpu.threads.each(&mut self.choosers, detections, 1, work);
    }
}

/// One image's queries.
#[derive(Clone, Copy)]
pub(super) struct Queries<'a> {
    /// Of `classes` per query.
    pub logits: &'a [f32],
    /// Of four numbers per query: centre x and y, width and height, relative to the image.
    pub boxes: &'a [f32],
    pub classes: usize,
    pub size: Size,
}

impl Chooser {
    /// Replaces `found` by the detections of one image.
    pub fn choose(
        &mut self,
        queries: Queries<'_>,
        choice: Choice,
        instructions: Instructions,
        found: &mut Vec<Detection>,
    ) {
        let Queries { logits, boxes, classes, size } = queries;
        found.clear();
        self.rank(logits, choice.top_k.unwrap_or(boxes.len() / 4), instructions);
        found.extend(self.best.iter().map(|key| {
            let index = key.index() as usize;
            let query = &boxes[index / classes * 4..][..4];
            let bounds = in_image([query[0], query[1], query[2], query[3]], size);
            Detection { bounds, score: key.value(), class: (index % classes) as u32 }
        }));
        choice.keep(found);
    }

    /// The best `most` by their sigmoid, then by the lower index. NaN counts as none.
    fn rank(&mut self, logits: &[f32], most: usize, instructions: Instructions) {
        self.best.clear();
        self.keys.clear();
        if most == 0 {
            return;
        }
        let floor = self.bound(logits, most, instructions).map_or(f32::NEG_INFINITY, floor_of_ties);
        let numbers = Numbers { first: 0, step: 1 };
        self.keys.add(logits, numbers, floor..=f32::INFINITY, instructions);
        let all = self.keys.all();
        let floor = if all.len() > most {
            let (best, _) = keys::best(all, most);
            floor_of_ties(best[most - 1].value())
        } else {
            f32::NEG_INFINITY
        };
        for key in self.keys.all().iter().filter(|key| key.value() >= floor) {
            self.best.push(Key::new(sigmoid(key.value()), key.index()));
        }
        self.best.sort_unstable_by(|a, b| b.cmp(a));
        self.best.truncate(most);
    }

    /// A logit that at least `most` reach, if that is quickly found: the lowest of the best `most`
    /// among the maxima of [`STRIDE`] logits each.
    fn bound(&mut self, logits: &[f32], most: usize, instructions: Instructions) -> Option<f32> {
        self.maxima.clear();
        self.maxima.resize(logits.len() / (LANES * STRIDE) * LANES, f32::NEG_INFINITY);
        if self.maxima.len() <= most {
            return None;
        }
        instructions.run(Maxima { logits, maxima: &mut self.maxima });
        let (_, &mut bound, _) =
            self.maxima.select_nth_unstable_by(most - 1, |a, b| b.total_cmp(a));
        Some(bound)
    }
}

/// The highest of every [`STRIDE`] logits, lane by lane; negative infinity for NaN alone.
struct Maxima<'a> {
    logits: &'a [f32],
    maxima: &'a mut [f32],
}

impl Work for Maxima<'_> {
    type Output = ();

    #[inline(always)]
    fn work(self) {
        let blocks = self.logits.as_chunks::<LANES>().0.as_chunks::<STRIDE>().0;
        for (block, maxima) in blocks.iter().zip(self.maxima.as_chunks_mut::<LANES>().0) {
            for lanes in block {
                for (highest, &logit) in maxima.iter_mut().zip(lanes) {
                    *highest = if logit > *highest { logit } else { *highest };
                }
            }
        }
    }
}

/// The lowest logit whose sigmoid may equal that of this one.
fn floor_of_ties(logit: f32) -> f32 {
    if logit < IMPOSSIBLE { f32::NEG_INFINITY } else { logit.min(CERTAIN) - TIES }
}

/// Between [`IMPOSSIBLE`] and [`CERTAIN`], logits further apart than this differ in their sigmoid.
const TIES: f32 = 0.01;

/// Above this the sigmoid's steps, in logits, are wider than [`TIES`].
const CERTAIN: f32 = 8.0;

/// Below about this the sigmoid is 0 in 32 bits.
const IMPOSSIBLE: f32 = -87.0;

fn sigmoid(logit: f32) -> f32 {
    1.0 / (1.0 + (-logit).exp())
}

/// A box by centre, width and height relative to an image → its edges in the image's pixels.
pub(super) fn in_image([x, y, width, height]: [f32; 4], size: Size) -> [f32; 4] {
    let (half_width, half_height) = (0.5 * width, 0.5 * height);
    let (columns, rows) = (size.width as f32, size.height as f32);
    [
        (x - half_width) * columns,
        (y - half_height) * rows,
        (x + half_width) * columns,
        (y + half_height) * rows,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn by_definition(logits: &[f32], most: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..logits.len()).filter(|&i| !logits[i].is_nan()).collect();
        let score = |i: usize| sigmoid(logits[i]);
        order.sort_by(|&a, &b| score(b).total_cmp(&score(a)).then(a.cmp(&b)));
        order.truncate(most);
        order
    }

    /// Not a range of floats: proptest's sampler of those (1.12) fails by itself, once in millions.
    fn within(low: f32, high: f32) -> impl Strategy<Value = f32> {
        (0..1_u32 << 24).prop_map(move |n| low + (high - low) * (n as f32 / (1 << 24) as f32))
    }

    fn logit() -> impl Strategy<Value = f32> {
        prop_oneof![
            (-40..40_i8).prop_map(|n| f32::from(n) / 4.0),
            within(7.9, 8.1),
            within(15.0, 30.0),
            within(-100.0, -80.0),
            Just(f32::NAN),
            Just(f32::INFINITY),
            Just(f32::NEG_INFINITY),
        ]
    }

    proptest! {
        #[test]
        fn the_best_by_sigmoid_are_chosen_and_ties_go_to_the_lower_index(
            logits in prop_oneof![
                prop::collection::vec(logit(), 0..200),
                prop::collection::vec(logit(), 2000..6000),
            ],
            most in 0..220_usize,
        ) {
            let expected = by_definition(&logits, most);
            for instructions in Instructions::available() {
                let mut chooser = Chooser::default();
                chooser.rank(&logits, most, instructions);
                let found: Vec<usize> =
                    chooser.best.iter().map(|key| key.index() as usize).collect();
                prop_assert_eq!(&found, &expected, "{:?}", instructions);
            }
        }
    }
}
