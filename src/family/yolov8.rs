//! YOLOv8 as Ultralytics exports it, without NMS in the graph. Sources: `ultralytics`
//! `data/augment.py:LetterBox`, `utils/nms.py:non_max_suppression`, `utils/ops.py:scale_boxes`,
//! `cfg/default.yaml`.
//!
//! Where the graph leaves height and width open, images are fitted to 640 × 640, the project's
//! default.

use super::{
    Adapter, Detection, Family, FamilyOptions, Mismatch, classes,
    limits::Limits,
    nms::Nms,
    signature::{ImageFeed, Reader, list},
};
use crate::{
    image::{ChannelOrder, Fit, Image, Interpolation, Normalise, Preprocessor, Size},
    tensor::{ModelIo, Outputs, TensorInfo, TensorSet},
};

const DEFAULT_SIZE: Size = Size { width: 640, height: 640 };
const PAD: u8 = 114;
/// Rows of the output before the classes' scores: centre x, centre y, width, height.
const BOX_ROWS: usize = 4;
/// Anchors whose best scores are sought together; the running maxima stay in the L1 cache.
const BLOCK: usize = 2048;

const LIMITS: Limits = Limits {
    confidence: 0.25,
    iou: 0.7,
    candidates: 30_000,
    candidates_per_class: usize::MAX,
    detections: 300,
};

/// The family.
pub(super) struct Yolov8;

struct Yolov8Adapter {
    reader: Reader,
    feed: ImageFeed,
    limits: Limits,
    /// Number of classes, once known.
    classes: Option<usize>,
    nms: Nms,
    best: Vec<f32>,
}

/// One image's output: `4 + classes` rows of one value per anchor.
#[derive(Clone, Copy)]
struct Rows<'a> {
    values: &'a [f32],
    anchors: usize,
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
    ) -> Result<Box<dyn Adapter>, Mismatch> {
        let reader = Reader::of(self);
        let input = reader.image_input(io, batch)?;
        let [output] = io.outputs.as_slice() else {
            let problem = format!("it has {} outputs, not one", io.outputs.len());
            return Err(reader.mismatch(problem, list(&io.outputs)));
        };
        let classes = declared_classes(reader, output)?;
        let preprocessor = Preprocessor::new(
            input.size.unwrap_or(DEFAULT_SIZE),
            Fit::Letterbox { pad: PAD },
            Interpolation::Linear,
            Normalise::unit(ChannelOrder::Rgb),
        );
        let feed = ImageFeed::new(input, preprocessor)
            .ok_or_else(|| reader.mismatch("its input is too large", list(&io.inputs)))?;
        let limits = LIMITS.with(options);
        let (nms, best) = (Nms::default(), Vec::new());
        Ok(Box::new(Yolov8Adapter { reader, feed, limits, classes, nms, best }))
    }
}

/// The number of classes, if the output declares it.
fn declared_classes(reader: Reader, output: &TensorInfo) -> Result<Option<usize>, Mismatch> {
    reader.check_declared(output, [None, None])?;
    let rows = output.fixed(1);
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

impl Adapter for Yolov8Adapter {
    fn inputs(&self) -> TensorSet {
        self.feed.inputs()
    }

    fn preprocess(&mut self, images: &[Image], inputs: &mut TensorSet) {
        self.feed.fill(images, inputs);
    }

    fn postprocess(
        &mut self,
        outputs: &dyn Outputs,
        sizes: &[Size],
        detections: &mut Vec<Vec<Detection>>,
    ) -> Result<(), Mismatch> {
        let (values, [rows, anchors]) = self.reader.output(outputs, 0, sizes.len())?;
        let found = || format!("[{}, {rows}, {anchors}]", sizes.len());
        check_rows(self.reader, rows, anchors, found)?;
        if self.classes.is_some_and(|classes| classes != rows - BOX_ROWS) {
            return Err(self.reader.mismatch("the number of classes is not the declared", found()));
        }
        self.classes = Some(rows - BOX_ROWS);
        detections.resize_with(sizes.len(), Vec::new);
        for ((values, &size), found) in
            values.chunks_exact(rows * anchors).zip(sizes).zip(detections)
        {
            self.detect(Rows { values, anchors }, size, found);
        }
        Ok(())
    }

    fn class_names(&self) -> Option<&'static [&'static str]> {
        classes::coco(self.classes?)
    }
}

impl Yolov8Adapter {
    fn detect(&mut self, rows: Rows<'_>, size: Size, found: &mut Vec<Detection>) {
        self.nms.clear();
        for start in (0..rows.anchors).step_by(BLOCK) {
            let end = rows.anchors.min(start + BLOCK);
            rows.best_scores(start..end, &mut self.best);
            self.nms.offer(&self.best, start as u32, self.limits.confidence);
        }
        found.clear();
        self.nms.keep(&self.limits, |anchor| rows.locate(anchor as usize), found);
        let placement = self.feed.place(size);
        for detection in found {
            detection.bounds = placement.to_image(detection.bounds);
        }
    }
}

impl<'a> Rows<'a> {
    /// The scores of every anchor, class by class.
    fn scores(self) -> impl Iterator<Item = &'a [f32]> {
        self.values.chunks_exact(self.anchors).skip(BOX_ROWS)
    }

    /// The highest score of each anchor of a range; NaN counts as none.
    fn best_scores(self, range: std::ops::Range<usize>, best: &mut Vec<f32>) {
        best.clear();
        best.resize(range.len(), f32::NEG_INFINITY);
        for scores in self.scores() {
            for (best, &score) in best.iter_mut().zip(&scores[range.clone()]) {
                *best = if score > *best { score } else { *best };
            }
        }
    }

    /// The first class with the highest score, and the box in input pixels.
    fn locate(self, anchor: usize) -> (u32, [f32; 4]) {
        let mut class = (0, f32::NEG_INFINITY);
        for (number, scores) in (0..).zip(self.scores()) {
            if scores[anchor] > class.1 {
                class = (number, scores[anchor]);
            }
        }
        let [x, y, width, height] =
            std::array::from_fn(|row| self.values[row * self.anchors + anchor]);
        let (half_width, half_height) = (width / 2.0, height / 2.0);
        (class.0, [x - half_width, y - half_height, x + half_width, y + half_height])
    }
}
