//! What the families of PaddleDetection share: how pixels are normalised, and rows of detections
//! as its graphs with post-processing return them. Sources: PaddleDetection
//! `deploy/python/preprocess.py` (`Resize`, `NormalizeImage`), `ppdet/modeling/layers.py`
//! (`MultiClassNMS`).

use super::{
    Detection, Fitting, Misfit, Mismatch,
    queries::{Choice, Sieve},
    signature::{Reader, can_be, is_integer},
    variant::{Batch, Decode},
};
use crate::{
    image::{ChannelOrder, Fit, Interpolation, Normalise, Preprocessor, Size},
    tensor::{Outputs, TensorInfo},
};

/// ImageNet's, of the planes in their order, whatever colour they hold.
pub(super) const MEAN: [f64; 3] = [0.485, 0.456, 0.406];
pub(super) const DEVIATION: [f64; 3] = [0.229, 0.224, 0.225];

/// Class, score, left, top, right, bottom.
const COLUMNS: usize = 6;

/// The stretch of `interp: 2`: bicubic.
pub(super) fn preprocessor(size: Size, normalise: Normalise) -> Preprocessor {
    Preprocessor::new(size, Fit::Stretch, Interpolation::Cubic, normalise)
}

/// `NormalizeImage` with `norm_type: none`: scaled only.
pub(super) fn unit() -> Normalise {
    Normalise::new(ChannelOrder::Rgb, |_, level| scaled(level))
}

/// `NormalizeImage` with ImageNet's mean and deviation. Numpy subtracts and divides in doubles and
/// keeps each result in single precision.
pub(super) fn imagenet() -> Normalise {
    Normalise::new(ChannelOrder::Rgb, |plane, level| {
        let centred = (f64::from(scaled(level)) - MEAN[plane]) as f32;
        (f64::from(centred) / DEVIATION[plane]) as f32
    })
}

/// A level times 1/255 in single precision, which is not always the level divided by 255.
pub(super) fn scaled(level: u8) -> f32 {
    f32::from(level) * (1.0 / 255.0) as f32
}

/// Whether these are rows of detections and how many of them belong to each image.
pub(super) fn are_rows(outputs: &[TensorInfo]) -> bool {
    matches!(outputs, [rows, counts] if can_be(rows, [Some(COLUMNS)]) && is_integer(counts))
}

/// Refuses more than one image: NMS in the graph counts the detections of one image only and drops
/// the others' silently.
pub(super) fn one_image(reader: Reader, batch: usize) -> Result<(), Misfit> {
    let family = reader.family;
    if batch <= 1 { Ok(()) } else { Err(Misfit::DropsImages { family, batch }) }
}

/// Reads rows in pixels of the original images.
pub(super) struct Rows {
    reader: Reader,
    choice: Choice,
    sieve: Sieve,
}

impl Decode for Rows {
    fn decode(
        &mut self,
        outputs: &dyn Outputs,
        batch: &Batch<'_>,
        detections: &mut [Vec<Detection>],
    ) -> Result<(), Mismatch> {
        let rows = self.reader.rows(outputs, 0, COLUMNS)?;
        let counts = self.reader.integers(outputs, 1, &[batch.len()])?;
        let mut rest = rows.chunks_exact(COLUMNS);
        for (image, found) in detections.iter_mut().enumerate() {
            let count = counts.at(image).unwrap_or(0);
            let Some(count) = usize::try_from(count).ok().filter(|&count| count <= rest.len())
            else {
                let problem = format!("image {image} is said to have {count} detections");
                return Err(self.reader.mismatch(problem, format!("{} more rows", rest.len())));
            };
            found.clear();
            for row in rest.by_ref().take(count) {
                found.extend(self.detection(row)?);
            }
            self.sieve.sift(self.choice, found);
        }
        if rest.clone().any(|row| row[0] >= 0.0) {
            let problem = "it has more rows of detections than its counts tell";
            return Err(self.reader.mismatch(problem, format!("{} more", rest.len())));
        }
        Ok(())
    }

    fn classes(&self) -> Option<usize> {
        None
    }

    fn fitting(&self) -> Fitting {
        self.choice.fitting()
    }
}

impl Rows {
    pub fn new(reader: Reader, choice: Choice) -> Self {
        Self { reader, choice, sieve: Sieve::default() }
    }

    /// A row as a detection; none where its class is negative, which fills up what is not there.
    fn detection(&self, row: &[f32]) -> Result<Option<Detection>, Mismatch> {
        let &[class, score, left, top, right, bottom] = row else { return Ok(None) };
        if class >= 0.0 && class.fract() != 0.0 {
            let problem = "the first column is no class number";
            return Err(self.reader.mismatch(problem, format!("{class}")));
        }
        let bounds = [left, top, right, bottom];
        Ok((class >= 0.0).then_some(Detection { bounds, score, class: class as u32 }))
    }
}
