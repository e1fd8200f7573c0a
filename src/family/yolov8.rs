//! YOLOv8 as Ultralytics exports it, without NMS in the graph. Sources: `ultralytics` 8.4.190
//! `data/augment.py:LetterBox`, `utils/nms.py:non_max_suppression`, `utils/ops.py:scale_boxes`,
//! `cfg/default.yaml`.
//!
//! Where the graph leaves height and width open, images are fitted to 640 × 640, the project's
//! default.

use super::{
    Adapter, Detection, Family, Fitting, Misfit, Mismatch,
    anchors::{Detector, Layout, Scores},
    classes,
    limits::{self, Keys, Limits, TopK},
    signature::Reader,
    variant::{Batch, Decode, UNIT, Variant},
};
use crate::{
    image::{ChannelOrder, Fit, Interpolation, Normalise, Preprocessor, Size},
    scenario::FamilyOptions,
    tensor::{ModelIo, Outputs, TensorInfo},
};

const DEFAULT_SIZE: Size = Size { width: 640, height: 640 };
const PAD: u8 = 114;
/// Rows of the output before the classes' scores: centre x, centre y, width, height.
const BOX_ROWS: usize = 4;
/// Columns of an output that has been through NMS.
const NMS_COLUMNS: usize = 6;

const DEPLOYMENT: Limits = Limits {
    confidence: 0.25,
    iou: 0.7,
    top_k: TopK::PerImage(30_000),
    detections: 300,
    multi_label: false,
    ..Limits::NONE
};
const EVALUATION: Limits = Limits { confidence: 0.001, multi_label: true, ..DEPLOYMENT };

const VARIANT: Variant = Variant {
    name: "without NMS",
    values: UNIT,
    draws_above: 0.25,
    keys: Keys::OF_NMS,
    names: classes::coco,
};

/// The family.
pub(super) struct Yolov8;

struct Decoder {
    reader: Reader,
    detector: Detector,
    /// Number of classes, once known.
    classes: Option<usize>,
}

impl Family for Yolov8 {
    fn name(&self) -> &'static str {
        "yolov8"
    }

    fn expected(&self) -> &'static str {
        "one input [N, 3, H, W] and one output [N, 4 + classes, anchors] with fewer rows than \
         anchors, both float32 (a YOLOv8 detector exported without NMS)"
    }

    fn adapt(
        &self,
        io: &ModelIo,
        batch: usize,
        options: &FamilyOptions,
    ) -> Result<Box<dyn Adapter>, Misfit> {
        let reader = Reader::of(self);
        let inputs = reader.inputs(io, batch, &[])?;
        let output = reader.one_output(io)?;
        let classes = declared_classes(reader, output)?;
        let preprocessor = Preprocessor::new(
            inputs.size_or(DEFAULT_SIZE),
            Fit::Letterbox { pad: PAD },
            Interpolation::Linear,
            Normalise::unit(ChannelOrder::Rgb),
        );
        let limits = if limits::evaluates(options) { EVALUATION } else { DEPLOYMENT };
        let detector = Detector::new(limits.with(options));
        let decoder = Decoder { reader, detector, classes };
        VARIANT.fit(reader, options, inputs, preprocessor, decoder)
    }
}

/// The number of classes, if the output declares it.
fn declared_classes(reader: Reader, output: &TensorInfo) -> Result<Option<usize>, Mismatch> {
    reader.declared(output, [None, None])?;
    let rows = output.fixed(1);
    if output.fixed(2) == Some(NMS_COLUMNS) {
        let problem = "it looks like an export with NMS in the graph; export with nms=False";
        return Err(reader.mismatch(problem, output.to_string()));
    }
    if let Some(rows) = rows {
        check_rows(reader, rows, output.fixed(2).unwrap_or(usize::MAX), || output.to_string())?;
    }
    Ok(rows.map(|rows| rows - BOX_ROWS))
}

/// Refuses an output without classes, and one whose rows may as well be its anchors.
fn check_rows(
    reader: Reader,
    rows: usize,
    anchors: usize,
    found: impl Fn() -> String,
) -> Result<(), Mismatch> {
    if rows <= BOX_ROWS {
        let problem = format!("{rows} rows per anchor leave none for classes");
        return Err(reader.mismatch(problem, found()));
    }
    if rows >= anchors {
        let problem = format!("{rows} rows of {anchors} anchors look transposed");
        return Err(reader.mismatch(problem, found()));
    }
    Ok(())
}

impl Decode for Decoder {
    fn decode(
        &mut self,
        outputs: &dyn Outputs,
        batch: &Batch<'_>,
        detections: &mut [Vec<Detection>],
    ) -> Result<(), Mismatch> {
        let (values, [rows, anchors]) = self.reader.floats(outputs, 0, batch.len())?;
        let found = || format!("[{}, {rows}, {anchors}]", batch.len());
        check_rows(self.reader, rows, anchors, found)?;
        let classes = rows - BOX_ROWS;
        if self.classes.is_some_and(|declared| declared != classes) {
            return Err(self.reader.mismatch("the number of classes is not the declared", found()));
        }
        self.classes = Some(classes);
        self.detector.each(batch.cpu, detections, |search, image, found| {
            let values = &values[image * rows * anchors..][..rows * anchors];
            let (boxes, values) = values.split_at(BOX_ROWS * anchors);
            let scores = Scores { values, anchors, classes, layout: Layout::ClassMajor };
            search.detect(&[scores], |anchor| bounds(boxes, anchors, anchor), found);
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

/// The box of an anchor in input pixels.
fn bounds(boxes: &[f32], anchors: usize, anchor: usize) -> [f32; 4] {
    let [x, y, width, height] = std::array::from_fn(|row| boxes[row * anchors + anchor]);
    let (half_width, half_height) = (width / 2.0, height / 2.0);
    [x - half_width, y - half_height, x + half_width, y + half_height]
}
