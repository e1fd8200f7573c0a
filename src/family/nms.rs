//! Greedy non-maximum suppression, class by class. Knows candidates by score and index; where
//! their boxes come from is the family's business, and only boxes that matter are asked for.
//!
//! Keeps what `torchvision.ops.nms` keeps within each class. Equal scores: lower index first, which
//! is the lower anchor, then the lower class.

use super::{
    Detection,
    keys::{Keys, Numbers},
    limits::Limits,
};
use crate::cpu::{Instructions, Work};

/// Kept boxes compared at a time; fills the widest vector registers.
const LANES: usize = 16;

/// Collects candidates of one image, then keeps the best that do not overlap. Reused between
/// images.
#[derive(Default)]
pub(super) struct Nms {
    keys: Keys,
    counts: Vec<Count>,
    rivals: Vec<Rivals>,
}

/// How many candidates of one class have been looked at and kept.
#[derive(Clone, Copy, Default)]
struct Count {
    seen: usize,
    kept: usize,
}

/// Kept boxes that suppress each other: of one class, or of all.
#[derive(Default)]
struct Rivals {
    kept: usize,
    blocks: Vec<Block>,
}

/// Kept boxes, coordinate by coordinate.
#[derive(Clone, Copy)]
struct Block {
    corners: [[f32; LANES]; 4],
    area: [f32; LANES],
}

impl Nms {
    /// Forgets the candidates of the last image.
    pub fn clear(&mut self) {
        self.keys.clear();
    }

    /// Adds the finite scores above `confidence`, which must not be negative, as candidates.
    pub fn offer(
        &mut self,
        scores: &[f32],
        numbers: Numbers,
        confidence: f32,
        instructions: Instructions,
    ) {
        self.keys.add(scores, numbers, confidence.next_up()..=f32::MAX, instructions);
    }

    /// Appends what is kept to `detections`, best first. `locate` gives class and box (left, top,
    /// right, bottom) of a candidate; one whose box is not finite is dropped. Boxes are compared
    /// and kept as located.
    pub fn keep(
        &mut self,
        limits: &Limits,
        instructions: Instructions,
        mut locate: impl FnMut(u32) -> (u32, [f32; 4]),
        detections: &mut Vec<Detection>,
    ) {
        self.counts.fill(Count::default());
        self.rivals.iter_mut().for_each(Rivals::clear);
        let end = detections.len().saturating_add(limits.detections);
        for key in self.keys.best_first().take(limits.top_k.per_image()) {
            if detections.len() >= end {
                break;
            }
            let (class, bounds) = locate(key.index());
            if !bounds.iter().all(|edge| edge.is_finite()) {
                continue;
            }
            let count = of(&mut self.counts, class);
            count.seen += 1;
            if count.seen > limits.top_k.per_class() || count.kept >= limits.detections_per_class {
                continue;
            }
            let rivals = if limits.class_agnostic { 0 } else { class };
            if of(&mut self.rivals, rivals).admit(bounds, limits.iou, instructions) {
                count.kept += 1;
                detections.push(Detection { bounds, score: key.value(), class });
            }
        }
    }
}

/// The entry of a class, made where there is none yet.
fn of<T: Default>(entries: &mut Vec<T>, class: u32) -> &mut T {
    let class = class as usize;
    if entries.len() <= class {
        entries.resize_with(class + 1, T::default);
    }
    &mut entries[class]
}

impl Rivals {
    fn clear(&mut self) {
        self.kept = 0;
        self.blocks.clear();
    }

    /// Keeps the box unless one kept before overlaps it too much.
    fn admit(&mut self, bounds: [f32; 4], iou: f32, instructions: Instructions) -> bool {
        let area = area(bounds);
        let blocks = self.blocks.as_slice();
        let admitted =
            blocks.is_empty() || !instructions.run(Overlaps { blocks, bounds, area, limit: iou });
        if admitted {
            self.push(bounds, area);
        }
        admitted
    }

    fn push(&mut self, bounds: [f32; 4], area: f32) {
        let lane = self.kept % LANES;
        if lane == 0 {
            self.blocks.push(Block::EMPTY);
        }
        self.kept += 1;
        if let Some(block) = self.blocks.last_mut() {
            for (edges, edge) in block.corners.iter_mut().zip(bounds) {
                edges[lane] = edge;
            }
            block.area[lane] = area;
        }
    }
}

/// Whether any box of the blocks overlaps `bounds`, of that area, by more than `limit`.
struct Overlaps<'a> {
    blocks: &'a [Block],
    bounds: [f32; 4],
    area: f32,
    limit: f32,
}

impl Work for Overlaps<'_> {
    type Output = bool;

    #[inline(always)]
    fn work(self) -> bool {
        let Self { blocks, bounds, area, limit } = self;
        for block in blocks {
            if block.overlaps(bounds, area, limit) {
                return true;
            }
        }
        false
    }
}

impl Block {
    /// Boxes that overlap nothing.
    const EMPTY: Self = Self {
        corners: [
            [f32::INFINITY; LANES],
            [f32::INFINITY; LANES],
            [f32::NEG_INFINITY; LANES],
            [f32::NEG_INFINITY; LANES],
        ],
        area: [0.0; LANES],
    };

    /// Whether any of the boxes overlaps `bounds` by more than `limit`.
    #[inline(always)]
    fn overlaps(&self, bounds: [f32; 4], area: f32, limit: f32) -> bool {
        let [left, top, right, bottom] = &self.corners;
        let mut any = false;
        for lane in 0..LANES {
            let width = bounds[2].min(right[lane]) - bounds[0].max(left[lane]);
            let height = bounds[3].min(bottom[lane]) - bounds[1].max(top[lane]);
            let shared = width.max(0.0) * height.max(0.0);
            any |= shared / (area + self.area[lane] - shared) > limit;
        }
        any
    }
}

fn area([left, top, right, bottom]: [f32; 4]) -> f32 {
    (right - left) * (bottom - top)
}

#[cfg(test)]
mod tests {
    use super::{super::limits::TopK, *};
    use proptest::prelude::*;

    const LIMITS: Limits = Limits { iou: 0.5, ..Limits::NONE };

    type Candidate = (f32, u32, [f32; 4]);

    fn kept(candidates: &[Candidate], limits: &Limits) -> Vec<Detection> {
        let all: Vec<_> =
            Instructions::available().map(|set| kept_by(set, candidates, limits)).collect();
        assert!(all.iter().all(|found| found == &all[0]), "{all:?}");
        all.into_iter().next().unwrap()
    }

    fn kept_by(
        instructions: Instructions,
        candidates: &[Candidate],
        limits: &Limits,
    ) -> Vec<Detection> {
        let (mut nms, mut detections) = (Nms::default(), Vec::new());
        let scores: Vec<f32> = candidates.iter().map(|&(score, ..)| score).collect();
        nms.offer(&scores, Numbers { first: 0, step: 1 }, limits.confidence, instructions);
        let locate = |index: u32| (candidates[index as usize].1, candidates[index as usize].2);
        nms.keep(limits, instructions, locate, &mut detections);
        detections
    }

    fn iou(a: [f32; 4], b: [f32; 4]) -> f32 {
        let width = (a[2].min(b[2]) - a[0].max(b[0])).max(0.0);
        let height = (a[3].min(b[3]) - a[1].max(b[1])).max(0.0);
        width * height / (area(a) + area(b) - width * height)
    }

    #[test]
    fn of_equal_scores_the_lower_index_is_kept() {
        let boxes = [[0.0, 0.0, 10.0, 10.0], [1.0, 0.0, 11.0, 10.0]];
        let found = kept(&[(0.5, 0, boxes[0]), (0.5, 0, boxes[1])], &LIMITS);
        assert_eq!(found.iter().map(|d| d.bounds).collect::<Vec<_>>(), [boxes[0]]);
    }

    #[test]
    fn boxes_of_different_classes_do_not_suppress_each_other() {
        let bounds = [0.0, 0.0, 10.0, 10.0];
        assert_eq!(kept(&[(0.5, 0, bounds), (0.6, 1, bounds)], &LIMITS).len(), 2);
    }

    #[test]
    fn what_is_not_a_number_is_no_detection() {
        let bounds = [0.0, 0.0, 10.0, 10.0];
        let broken = [0.0, f32::NAN, 10.0, 10.0];
        let candidates = [(f32::NAN, 0, bounds), (f32::INFINITY, 0, bounds), (0.9, 0, broken)];
        assert!(kept(&candidates, &LIMITS).is_empty());
    }

    #[test]
    fn limits_count_candidates_and_detections() {
        let apart = |i: usize| [20.0 * i as f32, 0.0, 20.0 * i as f32 + 10.0, 10.0];
        let many: Vec<Candidate> = (0..5000).map(|i| (0.5, 0, apart(i))).collect();
        let count = |limits: Limits| kept(&many, &limits).len();
        assert_eq!(count(Limits { top_k: TopK::PerImage(3000), ..LIMITS }), 3000);
        assert_eq!(count(Limits { top_k: TopK::PerClass(1000), ..LIMITS }), 1000);
        assert_eq!(count(Limits { detections_per_class: 100, ..LIMITS }), 100);
        assert_eq!(count(Limits { detections: 300, ..LIMITS }), 300);
    }

    fn candidates() -> impl Strategy<Value = Vec<Candidate>> {
        let coordinate = 0..40_u8;
        let corner = (coordinate.clone(), coordinate.clone());
        let one = (0..8_u8, 0..3_u32, corner, 0..20_u8, 0..20_u8).prop_map(
            |(score, class, (x, y), width, height)| {
                let (x, y) = (f32::from(x), f32::from(y));
                let bounds = [x, y, x + f32::from(width), y + f32::from(height)];
                (f32::from(score + 1) / 8.0, class, bounds)
            },
        );
        prop::collection::vec(one, 0..200)
    }

    /// The definition: from the best on, keep what overlaps nothing kept of its class too much.
    fn kept_by_definition(candidates: &[Candidate], limits: &Limits) -> Vec<Detection> {
        let mut order: Vec<usize> = (0..candidates.len()).collect();
        order.sort_by(|&a, &b| candidates[b].0.total_cmp(&candidates[a].0).then(a.cmp(&b)));
        order.retain(|&index| candidates[index].0 > limits.confidence);
        let mut kept: Vec<Detection> = Vec::new();
        for (rank, &index) in order.iter().enumerate() {
            let (score, class, bounds) = candidates[index];
            let of_class = order[..rank].iter().filter(|&&i| candidates[i].1 == class).count();
            let looked_at = rank < limits.top_k.per_image() && of_class < limits.top_k.per_class();
            let room = kept.len() < limits.detections
                && kept.iter().filter(|d| d.class == class).count() < limits.detections_per_class;
            let mut rivals = kept.iter().filter(|d| limits.class_agnostic || d.class == class);
            // No overlap can be told of boxes without an area: they suppress nothing.
            if looked_at && room && !rivals.any(|d| iou(d.bounds, bounds) > limits.iou) {
                kept.push(Detection { bounds, score, class });
            }
        }
        kept
    }

    proptest! {
        #[test]
        fn what_is_kept_equals_the_quadratic_definition(
            candidates in candidates(),
            iou in 0..=4_u8,
            confidence in 0..4_u8,
            class_agnostic: bool,
            detections in prop::option::of(0..30_usize),
            detections_per_class in prop::option::of(0..10_usize),
            top_k in prop_oneof![
                (0..100_usize).prop_map(TopK::PerImage),
                (0..40_usize).prop_map(TopK::PerClass),
            ],
        ) {
            let limits = Limits {
                iou: f32::from(iou) / 4.0,
                confidence: f32::from(confidence) / 8.0,
                class_agnostic,
                detections: detections.unwrap_or(usize::MAX),
                detections_per_class: detections_per_class.unwrap_or(usize::MAX),
                top_k,
                ..Limits::NONE
            };
            prop_assert_eq!(kept(&candidates, &limits), kept_by_definition(&candidates, &limits));
        }
    }
}
