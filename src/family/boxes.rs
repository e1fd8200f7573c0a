//! Boxes and scores apart, as PaddleDetection's graphs without NMS return them: [N, anchors, 4] of
//! left, top, right, bottom, and [N, classes, anchors]. NMS compares in the image's pixels.

use super::{
    Detection, Fitting, Mismatch,
    anchors::{Detector, Layout, Scores},
    limits::Limits,
    signature::{Reader, can_be},
    variant::{Batch, Decode},
};
use crate::tensor::{Outputs, TensorInfo};

/// Numbers of a box, whichever they are.
pub(super) const EDGES: usize = 4;

/// Reads boxes in pixels of the original images, or of the input.
pub(super) struct Boxes {
    reader: Reader,
    detector: Detector,
    classes: Option<usize>,
    in_input_pixels: bool,
}

impl Boxes {
    /// If that is what the declared outputs are, in this order.
    pub fn declared(reader: Reader, outputs: &[TensorInfo], limits: Limits) -> Option<Self> {
        let [boxes, scores] = outputs else { return None };
        let anchors = boxes.fixed(1).or(scores.fixed(2));
        let fits = can_be(boxes, [anchors, Some(EDGES)]) && can_be(scores, [None, anchors]);
        // Otherwise any two outputs of three dimensions would do.
        let declared = boxes.fixed(2) == Some(EDGES) && anchors.is_some();
        let detector = Detector::new(limits);
        let classes = scores.fixed(1);
        (fits && declared).then_some(Self { reader, detector, classes, in_input_pixels: false })
    }

    /// The same for boxes that the graph leaves in the input's pixels.
    pub fn in_input_pixels(self) -> Self {
        Self { in_input_pixels: true, ..self }
    }
}

impl Decode for Boxes {
    fn decode(
        &mut self,
        outputs: &dyn Outputs,
        batch: &Batch<'_>,
        detections: &mut [Vec<Detection>],
    ) -> Result<(), Mismatch> {
        let (boxes, [anchors, edges]) = self.reader.floats(outputs, 0, batch.len())?;
        self.reader.expect(0, [anchors, edges], [anchors, EDGES])?;
        let (scores, [classes, of]) = self.reader.floats(outputs, 1, batch.len())?;
        let declared = self.classes.unwrap_or(classes);
        self.reader.expect(1, [classes, of], [declared, anchors])?;
        self.classes = Some(classes);
        self.detector.each(batch.cpu, detections, |search, image, found| {
            let boxes = &boxes[image * anchors * EDGES..][..anchors * EDGES];
            let values = &scores[image * classes * anchors..][..classes * anchors];
            let scores = Scores { values, anchors, classes, layout: Layout::ClassMajor };
            let placement = batch.placement(image);
            let bounds = |anchor: usize| {
                let bounds = edges_of(&boxes[anchor * EDGES..]);
                if self.in_input_pixels { placement.to_image(bounds) } else { bounds }
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

/// The first four numbers as a box.
pub(super) fn edges_of(numbers: &[f32]) -> [f32; 4] {
    [numbers[0], numbers[1], numbers[2], numbers[3]]
}
