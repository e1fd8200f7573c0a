//! NanoDet-Plus as its own `tools/export_onnx.py` exports it. Sources: RangiLyu/nanodet
//! `nanodet/model/head/nanodet_plus_head.py`, `gfl_head.py:Integral`, `nanodet/data/transform`
//! (`warp.py:ShapeTransform`, `color.py:_normalize`).

use super::{
    Adapter, Detection, Family, Fitting, Misfit, Mismatch,
    anchors::{Detector, Layout, Scores},
    classes,
    distribution::{Grid, SIDES},
    limits::{Keys, Limits},
    signature::Reader,
    variant::{Batch, Decode, Variant},
};
use crate::{
    image::{ChannelOrder, Fit, Interpolation, Normalise, Preprocessor, Size},
    scenario::FamilyOptions,
    tensor::{ModelIo, Outputs},
};

/// Input pixels per cell of each level.
const STRIDES: [usize; 4] = [8, 16, 32, 64];
/// Bins of one side's distribution: distances of 0 to 7 strides.
const BINS: usize = 8;
/// Of levels, blue first.
const MEAN: [f32; 3] = [103.53, 116.28, 123.675];
const DEVIATION: [f32; 3] = [57.375, 57.12, 58.395];

const LIMITS: Limits = Limits { confidence: 0.05, iou: 0.6, detections: 100, ..Limits::NONE };

const VARIANT: Variant = Variant {
    name: "NanoDet-Plus",
    values: "NanoDet's mean and deviation",
    draws_above: 0.35,
    keys: Keys::OF_NMS,
    names: classes::coco,
};

/// The family.
pub(super) struct NanoDet;

struct Decoder {
    reader: Reader,
    grid: Grid,
    input: Size,
    detector: Detector,
    classes: Option<usize>,
}

impl Family for NanoDet {
    fn name(&self) -> &'static str {
        "nanodet"
    }

    fn expected(&self) -> &'static str {
        "one input [N, 3, H, W] with fixed H and W and one output [N, cells, classes + 32] with the \
         cells of strides 8, 16, 32 and 64, both float32 (a NanoDet-Plus)"
    }

    fn adapt(
        &self,
        io: &ModelIo,
        batch: usize,
        options: &FamilyOptions,
    ) -> Result<Box<dyn Adapter>, Misfit> {
        let reader = Reader::of(self);
        let inputs = reader.inputs(io, batch, &[])?;
        let input = reader.fixed_size(&inputs, io)?;
        let output = reader.one_output(io)?;
        let grid = Grid::new(input, &STRIDES, 0.0);
        reader.declared(output, [Some(grid.len()), None])?;
        let classes = match output.fixed(2) {
            Some(columns) => Some(classes_of(reader, columns)?),
            None => None,
        };
        let detector = Detector::new(LIMITS.with(options));
        let decoder = Decoder { reader, grid, input, detector, classes };
        VARIANT.fit(reader, options, inputs, preprocessor(input), decoder)
    }
}

fn preprocessor(size: Size) -> Preprocessor {
    let normalise = Normalise::new(ChannelOrder::Bgr, |plane, level| {
        (f32::from(level) / 255.0 - MEAN[plane] / 255.0) / (DEVIATION[plane] / 255.0)
    });
    Preprocessor::new(size, Fit::Stretch, Interpolation::Warp, normalise)
}

fn classes_of(reader: Reader, columns: usize) -> Result<usize, Mismatch> {
    columns.checked_sub(SIDES * BINS).filter(|&classes| classes > 0).ok_or_else(|| {
        let problem = format!("{columns} values per cell leave none for classes");
        reader.mismatch(problem, format!("[N, cells, {columns}]"))
    })
}

impl Decode for Decoder {
    fn decode(
        &mut self,
        outputs: &dyn Outputs,
        batch: &Batch<'_>,
        detections: &mut [Vec<Detection>],
    ) -> Result<(), Mismatch> {
        let (values, [anchors, columns]) = self.reader.floats(outputs, 0, batch.len())?;
        let declared = self.classes.map_or(columns, |classes| classes + SIDES * BINS);
        self.reader.expect(0, [anchors, columns], [self.grid.len(), declared])?;
        let classes = classes_of(self.reader, columns)?;
        self.classes = Some(classes);
        let layout = Layout::AnchorMajor { stride: columns };
        self.detector.each(batch.cpu, detections, |search, image, found| {
            let values = &values[image * anchors * columns..][..anchors * columns];
            let scores = Scores { values, anchors, classes, layout };
            let bounds = |anchor: usize| {
                let logits = &values[anchor * columns + classes..][..SIDES * BINS];
                // Clipped before boxes are compared.
                self.input.clip(self.grid.anchor(anchor).bounds(logits, batch.cpu.instructions))
            };
            search.detect(&[scores], bounds, found);
            let placement = batch.placement(image);
            for detection in found {
                detection.bounds = placement.image.clip(placement.to_image(detection.bounds));
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
