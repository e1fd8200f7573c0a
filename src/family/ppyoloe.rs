//! PP-YOLOE and PP-YOLOE+. Sources: PaddleDetection `ppdet/modeling/heads/ppyoloe_head.py`,
//! `configs/ppyoloe/_base_`, `deploy/python/preprocess.py`.
//!
//! PP-YOLOE subtracts ImageNet's mean; PP-YOLOE+ only scales to 0 to 1. Inputs and outputs do not
//! tell which a model is: the scenario does, by `normalize = "unit"`.

use super::{
    Adapter, Detection, Family, Fitting, Misfit, Mismatch,
    anchors::{Detector, Layout, Scores},
    boxes::{Boxes, EDGES, edges_of},
    classes,
    distribution::{Grid, SIDES},
    limits::{Keys, Limits, TopK},
    paddle::{self, Rows},
    queries::Choice,
    signature::{Extra, Reader, can_be, list},
    variant::{Batch, Decode, IMAGENET, UNIT, Variant},
};
use crate::{
    scenario::{FamilyOptions, Normalization},
    tensor::{ModelIo, Outputs, TensorInfo},
};

/// Input pixels per cell, in the order in which the head puts its levels.
const STRIDES: [usize; 3] = [32, 16, 8];
/// Bins of one side's distribution: distances of 0 to 16 strides.
const BINS: usize = 17;

const LIMITS: Limits = Limits {
    confidence: 0.01,
    iou: 0.7,
    top_k: TopK::PerClass(1000),
    detections: 300,
    ..Limits::NONE
};

const WITHOUT_NMS: Variant = Variant {
    name: "without NMS",
    values: IMAGENET,
    draws_above: 0.5,
    keys: Keys::OF_NMS.and_normalize(),
    names: classes::coco,
};
const WITH_NMS: Variant =
    Variant { name: "NMS in the graph", keys: Keys::FEW.and_normalize(), ..WITHOUT_NMS };
const CONCATENATED: Variant = Variant { name: "without post-processing", ..WITHOUT_NMS };
const RAW: Variant = Variant { name: "raw head", ..WITHOUT_NMS };

/// The family.
pub(super) struct PpYoloe;

/// Boxes in input pixels and scores side by side: [N, anchors, 4 + classes].
struct Concatenated {
    reader: Reader,
    detector: Detector,
    anchors: usize,
    classes: Option<usize>,
}

/// Scores [N, anchors, classes] and distributions [N, anchors, 68].
struct Raw {
    reader: Reader,
    grid: Grid,
    detector: Detector,
    classes: Option<usize>,
}

impl Family for PpYoloe {
    fn name(&self) -> &'static str {
        "ppyoloe"
    }

    fn expected(&self) -> &'static str {
        "float32 [N, 3, H, W] with fixed H and W, often scale_factor [N, 2], and, all float32 but \
         for the counts, either [detections, 6] and integers [N] (NMS in the graph), or \
         [N, anchors, 4] and [N, classes, anchors] (without NMS), or [N, anchors, 4 + classes] \
         (without post-processing), or [N, anchors, classes] and [N, anchors, 68] (raw head)"
    }

    fn adapt(
        &self,
        io: &ModelIo,
        batch: usize,
        options: &FamilyOptions,
    ) -> Result<Box<dyn Adapter>, Misfit> {
        let reader = Reader::of(self);
        let inputs = reader.inputs(io, batch, &[Extra::ScaleFactor])?;
        let size = reader.fixed_size(&inputs, io)?;
        let (normalise, values) = match options.normalize.unwrap_or(Normalization::Imagenet) {
            Normalization::Imagenet => (paddle::imagenet(), IMAGENET),
            Normalization::Unit => (paddle::unit(), UNIT),
        };
        let of = |variant: Variant| Variant { values, ..variant };
        let feed = paddle::preprocessor(size, normalise);
        let limits = LIMITS.with(options);
        let detector = Detector::new(limits);
        let grid = Grid::new(size, &STRIDES, 0.5);
        let anchors = Some(grid.len());
        match io.outputs.as_slice() {
            outputs if paddle::are_rows(outputs) => {
                paddle::one_image(reader, batch)?;
                let choice = Choice::ALL.with(options);
                of(WITH_NMS).fit(reader, options, inputs, feed, Rows::new(reader, choice))
            }
            [scores, distributions] if is_raw(scores, distributions, grid.len()) => {
                let classes = scores.fixed(2);
                of(RAW).fit(reader, options, inputs, feed, Raw { reader, grid, detector, classes })
            }
            [output] if output.fixed(1) == anchors && can_be(output, [None, None]) => {
                let columns = output.fixed(2);
                if columns.is_some_and(|columns| columns <= EDGES) {
                    return Err(reader.foreign(io).into());
                }
                let classes = columns.map(|columns| columns - EDGES);
                let decoder = Concatenated { reader, detector, anchors: grid.len(), classes };
                of(CONCATENATED).fit(reader, options, inputs, feed, decoder)
            }
            outputs => match Boxes::declared(reader, outputs, limits) {
                Some(boxes) if inputs.has(Extra::ScaleFactor) => {
                    of(WITHOUT_NMS).fit(reader, options, inputs, feed, boxes)
                }
                Some(_) => {
                    let problem = "without an input scale_factor its boxes cannot be in the \
                                   image's pixels, as PP-YOLOE exports them";
                    Err(reader.mismatch(problem, list(&io.inputs)).into())
                }
                None => Err(reader.foreign(io).into()),
            },
        }
    }
}

/// The last dimension of the distributions has to be declared: it is what tells them from boxes.
fn is_raw(scores: &TensorInfo, distributions: &TensorInfo, anchors: usize) -> bool {
    distributions.fixed(2) == Some(SIDES * BINS)
        && can_be(distributions, [Some(anchors), None])
        && can_be(scores, [Some(anchors), None])
}

impl Decode for Concatenated {
    fn decode(
        &mut self,
        outputs: &dyn Outputs,
        batch: &Batch<'_>,
        detections: &mut [Vec<Detection>],
    ) -> Result<(), Mismatch> {
        let (values, [anchors, columns]) = self.reader.floats(outputs, 0, batch.len())?;
        let declared = self.classes.map_or(columns, |classes| classes + EDGES);
        self.reader.expect(0, [anchors, columns], [self.anchors, declared.max(EDGES + 1)])?;
        let classes = columns - EDGES;
        self.classes = Some(classes);
        let layout = Layout::AnchorMajor { stride: columns };
        self.detector.each(batch.cpu, detections, |search, image, found| {
            let values = &values[image * anchors * columns..][..anchors * columns];
            let scores = Scores { values: &values[EDGES..], anchors, classes, layout };
            let placement = batch.placement(image);
            let bounds = |anchor: usize| placement.to_image(edges_of(&values[anchor * columns..]));
            search.detect(&[scores], bounds, found);
        });
        Ok(())
    }

    fn classes(&self) -> Option<usize> {
        self.classes
    }

    fn fitting(&self) -> Fitting {
        self.detector.limits.fitting()
    }
}

impl Decode for Raw {
    fn decode(
        &mut self,
        outputs: &dyn Outputs,
        batch: &Batch<'_>,
        detections: &mut [Vec<Detection>],
    ) -> Result<(), Mismatch> {
        let (scores, shape) = self.reader.floats(outputs, 0, batch.len())?;
        let [anchors, classes] = [self.grid.len(), self.classes.unwrap_or(shape[1])];
        self.reader.expect(0, shape, [anchors, classes])?;
        let (distributions, shape) = self.reader.floats(outputs, 1, batch.len())?;
        let each = SIDES * BINS;
        self.reader.expect(1, shape, [anchors, each])?;
        self.classes = Some(classes);
        let layout = Layout::AnchorMajor { stride: classes };
        self.detector.each(batch.cpu, detections, |search, image, found| {
            let values = &scores[image * anchors * classes..][..anchors * classes];
            let scores = Scores { values, anchors, classes, layout };
            let distributions = &distributions[image * anchors * each..][..anchors * each];
            let placement = batch.placement(image);
            let bounds = |anchor: usize| {
                let logits = &distributions[anchor * each..][..each];
                placement.to_image(self.grid.anchor(anchor).bounds(logits, batch.cpu.instructions))
            };
            search.detect(&[scores], bounds, found);
        });
        Ok(())
    }

    fn classes(&self) -> Option<usize> {
        self.classes
    }

    fn fitting(&self) -> Fitting {
        self.detector.limits.fitting()
    }
}
