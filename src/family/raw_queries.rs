//! Logits [N, queries, classes] and boxes [N, queries, 4] of a detection transformer's last layer,
//! as RT-DETR and RF-DETR return them. Boxes are relative to the image, so that none needs to know
//! how it was resized.

use super::{
    Detection, Fitting, Mismatch,
    boxes::EDGES,
    queries::{Choice, Choosers, Queries},
    signature::{Reader, can_be},
    variant::{Batch, Decode},
};
use crate::tensor::{Outputs, TensorInfo};

/// Words in the names of outputs, as the projects' exports call them.
const BOXES: [&str; 2] = ["box", "dets"];
const LOGITS: [&str; 2] = ["logits", "labels"];

/// Reads logits and boxes.
pub(super) struct RawQueries {
    reader: Reader,
    logits: usize,
    boxes: usize,
    classes: Option<usize>,
    choice: Choice,
    choosers: Choosers,
}

impl RawQueries {
    /// If that is what the declared outputs are, in any order: told apart by their names or, where
    /// these say nothing, by their last dimension.
    pub fn declared(reader: Reader, outputs: &[TensorInfo], choice: Choice) -> Option<Self> {
        let [first, second] = outputs else { return None };
        let logits = usize::from(is_boxes(first, second)?);
        let boxes = 1 - logits;
        let queries = outputs[boxes].fixed(1);
        let fits = can_be(&outputs[boxes], [None, Some(EDGES)])
            && can_be(&outputs[logits], [queries, None]);
        let classes = outputs[logits].fixed(2);
        let choosers = Choosers::default();
        fits.then_some(Self { reader, logits, boxes, classes, choice, choosers })
    }
}

/// Whether `first` is the boxes and `second` the logits; `None` where it cannot be told.
fn is_boxes(first: &TensorInfo, second: &TensorInfo) -> Option<bool> {
    let named = |info: &TensorInfo, words: [&str; 2]| words.iter().any(|w| info.name.contains(w));
    let four = |info: &TensorInfo| info.fixed(2) == Some(EDGES);
    if named(first, BOXES) && named(second, LOGITS) {
        Some(true)
    } else if named(first, LOGITS) && named(second, BOXES) {
        Some(false)
    } else if four(first) != four(second) {
        Some(four(first))
    } else {
        None
    }
}

impl Decode for RawQueries {
    fn decode(
        &mut self,
        outputs: &dyn Outputs,
        batch: &Batch<'_>,
        detections: &mut [Vec<Detection>],
    ) -> Result<(), Mismatch> {
        let (logits, [queries, classes]) = self.reader.floats(outputs, self.logits, batch.len())?;
        let declared = self.classes.unwrap_or(classes).max(1);
        self.reader.expect(self.logits, [queries, classes], [queries, declared])?;
        let (boxes, shape) = self.reader.floats(outputs, self.boxes, batch.len())?;
        self.reader.expect(self.boxes, shape, [queries, EDGES])?;
        self.classes = Some(classes);
        self.choosers.each(batch.cpu, detections, |chooser, image, found| {
            let queries = Queries {
                logits: &logits[image * queries * classes..][..queries * classes],
                boxes: &boxes[image * queries * EDGES..][..queries * EDGES],
                classes,
                size: batch.sizes[image],
            };
            chooser.choose(queries, self.choice, batch.cpu.instructions, found);
        });
        Ok(())
    }

    fn classes(&self) -> Option<usize> {
        self.classes
    }

    fn fitting(&self) -> Fitting {
        self.choice.fitting()
    }
}
