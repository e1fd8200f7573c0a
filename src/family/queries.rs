//! From a transformer's queries to detections: the best of all queries and classes, no NMS. Knows
//! no model.
//!
//! Source: `RTDETRPostProcessor.forward` (lyuwenyu/RT-DETR) and the same in RF-DETR, Hugging Face
//! and PaddleDetection: sigmoid, then the best `top_k` of queries × classes. Of equal scores the
//! lower query goes first, then the lower class.

use super::{Detection, Fitting, limits::bound};
use crate::{image::Size, scenario::FamilyOptions};
use std::cmp::Reverse;

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

/// Chooses; keeps its buffer from image to image.
#[derive(Default)]
pub(super) struct Chooser {
    /// Logits in an order that sorts as they do, then the complement of the index.
    keys: Vec<u64>,
    best: Vec<(f32, Reverse<usize>)>,
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

    /// Leaves of `found`, in any order but with ties in theirs, what is reported, best first.
    pub fn sift(self, found: &mut Vec<Detection>) {
        found.retain(|d| {
            d.score > self.confidence
                && d.score.is_finite()
                && d.bounds.iter().all(|edge| edge.is_finite())
        });
        found.sort_by(|a, b| b.score.total_cmp(&a.score));
        found.truncate(self.detections);
    }
}

impl Chooser {
    /// Replaces `found` by the detections of one image: `logits` of `classes` per query, `boxes`
    /// of four numbers per query: centre x and y, width and height, relative to the image.
    pub fn choose(
        &mut self,
        logits: &[f32],
        boxes: &[f32],
        classes: usize,
        size: Size,
        choice: Choice,
        found: &mut Vec<Detection>,
    ) {
        found.clear();
        self.rank(logits, choice.top_k.unwrap_or(boxes.len() / 4));
        let detection = |&(score, Reverse(index)): &(f32, Reverse<usize>)| {
            let query = &boxes[index / classes * 4..][..4];
            let bounds = in_image([query[0], query[1], query[2], query[3]], size);
            Detection { bounds, score, class: (index % classes) as u32 }
        };
        found.extend(self.best.iter().map(detection));
        choice.sift(found);
    }

    /// The best `most` by their sigmoid, then by the lower index. NaN counts as none.
    fn rank(&mut self, logits: &[f32], most: usize) {
        self.best.clear();
        self.keys.clear();
        if most == 0 {
            return;
        }
        let numbers = logits.iter().enumerate().filter(|(_, logit)| !logit.is_nan());
        self.keys.extend(numbers.map(|(index, &logit)| key(logit, index)));
        let floor = if self.keys.len() > most {
            let (_, &mut last, _) =
                self.keys.select_nth_unstable_by_key(most - 1, |&key| Reverse(key));
            let lowest = logits[index_of(last)];
            if lowest < IMPOSSIBLE { f32::NEG_INFINITY } else { lowest.min(CERTAIN) - TIES }
        } else {
            f32::NEG_INFINITY
        };
        for &key in &self.keys {
            let index = index_of(key);
            if logits[index] >= floor {
                self.best.push((sigmoid(logits[index]), Reverse(index)));
            }
        }
        self.best.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(b.1.cmp(&a.1)));
        self.best.truncate(most);
    }
}

/// Between [`IMPOSSIBLE`] and [`CERTAIN`], logits further apart than this differ in their sigmoid.
const TIES: f32 = 0.01;

/// Above this the sigmoid's steps, in logits, are wider than [`TIES`].
const CERTAIN: f32 = 8.0;

/// Orders as the logits do, then by the lower index.
fn key(logit: f32, index: usize) -> u64 {
    let bits = logit.to_bits();
    let ordered = if bits >> 31 == 0 { bits | 1 << 31 } else { !bits };
    u64::from(ordered) << 32 | u64::from(!(index as u32))
}

fn index_of(key: u64) -> usize {
    !(key as u32) as usize
}

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

    fn logit() -> impl Strategy<Value = f32> {
        prop_oneof![
            (-40..40_i8).prop_map(|n| f32::from(n) / 4.0),
            7.9..8.1_f32,
            15.0..30.0_f32,
            -100.0..-80.0_f32,
            Just(f32::NAN),
            Just(f32::INFINITY),
        ]
    }

    proptest! {
        #[test]
        fn the_best_by_sigmoid_are_chosen_and_ties_go_to_the_lower_index(
            logits in prop::collection::vec(logit(), 0..200),
            most in 0..220_usize,
        ) {
            let mut chooser = Chooser::default();
            chooser.rank(&logits, most);
            let found: Vec<usize> = chooser.best.iter().map(|&(_, Reverse(index))| index).collect();
            prop_assert_eq!(found, by_definition(&logits, most));
        }
    }
}
