//! PicoDet. Sources: PaddleDetection `ppdet/modeling/heads/pico_head.py`,
//! `configs/picodet/_base_/picodet_v2.yml`; for the layout models PyPI `rapid-layout` 1.2.1
//! (Apache-2.0), `model_handler/pp`.
//!
//! PaddleOCR's layout models are raw heads too, known by their input for pages, 800 rows by 608
//! columns. They keep OpenCV's channel order BGR and resize linearly; the detectors trained on
//! COCO, of any other size, take RGB and resize cubically.

use super::{
    Adapter, Detection, Family, Fitting, Misfit, Mismatch,
    anchors::{Detector, Layout, Scores},
    boxes::Boxes,
    classes,
    distribution::{Grid, SIDES},
    limits::{Keys, Limits, TopK},
    paddle::{self, Rows},
    queries::Choice,
    signature::{Extra, Reader, list},
    variant::{Batch, Decode, IMAGENET, Variant},
};
use crate::{
    image::{ChannelOrder, Fit, Interpolation, Normalise, Preprocessor, Size},
    scenario::FamilyOptions,
    tensor::{ModelIo, Outputs, TensorInfo},
};

/// Input pixels per cell of each level.
const STRIDES: [usize; LEVELS] = [8, 16, 32, 64];
const LEVELS: usize = 4;
/// Bins of one side's distribution: distances of 0 to 7 strides.
const BINS: usize = 8;
const LAYOUT_SIZE: Size = Size { width: 608, height: 800 };

const LIMITS: Limits = Limits {
    confidence: 0.025,
    iou: 0.6,
    top_k: TopK::PerClass(1000),
    detections: 100,
    ..Limits::NONE
};

const LAYOUT_LIMITS: Limits = Limits {
    confidence: 0.5,
    iou: 0.5,
    cells_per_level: 1000,
    top_k: TopK::PerClass(200),
    detections_per_class: 100,
    ..Limits::NONE
};

const RAW: Variant = Variant {
    name: "raw head",
    values: IMAGENET,
    draws_above: 0.5,
    keys: Keys::OF_NMS,
    names: classes::coco,
};
const WITHOUT_NMS: Variant = Variant { name: "without NMS", ..RAW };
const WITH_NMS: Variant = Variant { name: "NMS in the graph", keys: Keys::FEW, ..RAW };
const LAYOUT: Variant = Variant { name: "layout model", names: classes::cdla, ..RAW };

/// The family.
pub(super) struct PicoDet;

/// Scores and distributions of four levels.
struct Raw {
    reader: Reader,
    grid: Grid,
    detector: Detector,
    classes: Option<usize>,
    /// Whether boxes are clipped, as `rapid-layout` does.
    clips: bool,
}

impl Family for PicoDet {
    fn name(&self) -> &'static str {
        "picodet"
    }

    fn expected(&self) -> &'static str {
        "float32 [N, 3, H, W] with fixed H and W and, all float32 but for the counts, either four \
         outputs [N, cells, classes] and four [N, cells, 32] at strides 8, 16, 32 and 64 (exported \
         without post-processing), or [N, anchors, 4] and [N, classes, anchors] (without NMS), or, \
         with a second input scale_factor [N, 2], [detections, 6] and integers [N] (with NMS)"
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
        let limits = LIMITS.with(options);
        let coco = paddle::preprocessor(size, paddle::imagenet());
        if io.outputs.len() == 2 * LEVELS {
            let layout = size == LAYOUT_SIZE;
            let limits = if layout { LAYOUT_LIMITS.with(options) } else { limits };
            let (variant, feed) = if layout { (LAYOUT, pages()) } else { (RAW, coco) };
            let grid = Grid::new(size, &STRIDES, 0.5);
            let classes = declared_classes(reader, &io.outputs, &grid)?;
            let detector = Detector::new(limits);
            let decoder = Raw { reader, grid, detector, classes, clips: layout };
            variant.fit(reader, options, inputs, feed, decoder)
        } else if paddle::are_rows(&io.outputs) {
            let choice = Choice::ALL.with(options);
            paddle::one_image(reader, batch)?;
            WITH_NMS.fit(reader, options, inputs, coco, Rows::new(reader, choice))
        } else if let Some(boxes) = Boxes::declared(reader, &io.outputs, limits) {
            if inputs.has(Extra::ScaleFactor) {
                let problem = "with an input scale_factor its boxes are in the image's pixels \
                               already, as PP-YOLOE exports them";
                return Err(reader.mismatch(problem, list(&io.inputs)).into());
            }
            WITHOUT_NMS.fit(reader, options, inputs, coco, boxes.in_input_pixels())
        } else {
            Err(reader.foreign(io).into())
        }
    }
}

/// `rapid-layout`'s `PPPreProcess`: numpy computes in doubles and rounds once, but for the factor
/// 1/255.
fn pages() -> Preprocessor {
    let normalise = Normalise::new(ChannelOrder::Bgr, |plane, level| {
        ((f64::from(paddle::scaled(level)) - paddle::MEAN[plane]) / paddle::DEVIATION[plane]) as f32
    });
    Preprocessor::new(LAYOUT_SIZE, Fit::Stretch, Interpolation::Linear, normalise)
}

/// The number of classes, if the outputs declare it.
fn declared_classes(
    reader: Reader,
    outputs: &[TensorInfo],
    grid: &Grid,
) -> Result<Option<usize>, Mismatch> {
    let (scores, distributions) = outputs.split_at(LEVELS);
    let classes = scores.iter().find_map(|output| output.fixed(2));
    for ((scores, distributions), cells) in scores.iter().zip(distributions).zip(grid.cells()) {
        reader.declared(scores, [Some(cells), classes])?;
        reader.declared(distributions, [Some(cells), Some(SIDES * BINS)])?;
    }
    Ok(classes)
}

/// One image's scores and distributions.
type Levels<'a> = ([Scores<'a>; LEVELS], [&'a [f32]; LEVELS]);

impl Raw {
    /// The outputs of a whole batch, checked: values and cells per level; and number of classes.
    fn read<'a>(
        &self,
        outputs: &'a dyn Outputs,
        batch: usize,
    ) -> Result<(Levels<'a>, usize), Mismatch> {
        let mut classes = self.classes;
        let empty = Scores { values: &[], anchors: 0, classes: 0, layout: Layout::ClassMajor };
        let mut levels = ([empty; LEVELS], [[].as_slice(); LEVELS]);
        for (level, anchors) in self.grid.cells().enumerate() {
            let (values, shape) = self.reader.floats(outputs, level, batch)?;
            let classes = *classes.get_or_insert(shape[1]);
            self.reader.expect(level, shape, [anchors, classes])?;
            let layout = Layout::AnchorMajor { stride: classes };
            levels.0[level] = Scores { values, anchors, classes, layout };
            let (values, shape) = self.reader.floats(outputs, LEVELS + level, batch)?;
            self.reader.expect(LEVELS + level, shape, [anchors, SIDES * BINS])?;
            levels.1[level] = values;
        }
        Ok((levels, classes.unwrap_or(0)))
    }
}

impl Decode for Raw {
    fn decode(
        &mut self,
        outputs: &dyn Outputs,
        batch: &Batch<'_>,
        detections: &mut [Vec<Detection>],
    ) -> Result<(), Mismatch> {
        let ((scores, distributions), classes) = self.read(outputs, batch.len())?;
        self.classes = Some(classes);
        self.detector.each(batch.cpu, detections, |search, image, found| {
            let scores = scores.map(|level| {
                let each = level.anchors * classes;
                Scores { values: &level.values[image * each..][..each], ..level }
            });
            let placement = batch.placement(image);
            let grid = &self.grid;
            let bounds = |anchor: usize| {
                let (level, cell) = grid.find(anchor);
                let each = SIDES * BINS;
                let cells = scores[level].anchors;
                let logits = &distributions[level][(image * cells + cell) * each..][..each];
                let bounds = grid.anchor(anchor).bounds(logits, batch.cpu.instructions);
                if self.clips { bounds } else { placement.to_image(bounds) }
            };
            search.detect(&scores, bounds, found);
            if self.clips {
                for detection in found {
                    let clipped = placement.inner.clip(detection.bounds);
                    detection.bounds = placement.to_image(clipped);
                }
            }
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
