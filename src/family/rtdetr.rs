//! RT-DETR as five projects export it. Sources: lyuwenyu/RT-DETR
//! `rtdetrv2_pytorch/src/zoo/rtdetr/rtdetr_postprocessor.py`,
//! `references/deploy/rtdetrv2_onnxruntime.py`; Hugging Face `transformers`
//! `models/rt_detr/image_processing_rt_detr.py`; Ultralytics `models/rtdetr/predict.py`;
//! PaddleDetection `ppdet/modeling/post_process.py:DETRPostProcess`,
//! `configs/rtdetr/_base_/rtdetr_reader.yml`.
//!
//! Where the graph leaves height and width open, images are stretched to 640 × 640, the projects'
//! default.

use super::{
    Adapter, Detection, Family, Fitting, Misfit, Mismatch,
    boxes::{EDGES, edges_of},
    classes,
    limits::{Keys, evaluates},
    paddle::{self, Rows},
    queries::{Choice, Sieve, in_image},
    raw_queries::RawQueries,
    signature::{Extra, Reader, can_be, is_integer},
    variant::{Batch, Decode, UNIT, Variant},
};
use crate::{
    image::{ChannelOrder, Fit, Interpolation, Normalise, Preprocessor, Size},
    scenario::FamilyOptions,
    tensor::{ModelIo, Outputs, TensorInfo},
};

const DEFAULT_SIZE: Size = Size { width: 640, height: 640 };
/// Pairs of query and class that are looked at.
const TOP_K: usize = 300;

const RAW: Variant = Variant {
    name: "lyuwenyu, without post-processing",
    values: UNIT,
    draws_above: 0.6,
    keys: Keys::OF_QUERIES,
    names: classes::coco,
};
const POST: Variant = Variant { name: "lyuwenyu, with post-processing", keys: Keys::FEW, ..RAW };
const HUGGING_FACE: Variant = Variant { name: "Hugging Face", draws_above: 0.5, ..RAW };
const ULTRALYTICS: Variant =
    Variant { name: "Ultralytics", draws_above: 0.25, keys: Keys::FEW, ..RAW };
const PADDLE: Variant =
    Variant { name: "PaddleDetection", draws_above: 0.5, keys: Keys::FEW, ..RAW };

/// The family.
pub(super) struct RtDetr;

/// Labels [N, K], boxes [N, K, 4] in the image's pixels and scores [N, K].
struct Post {
    reader: Reader,
    choice: Choice,
    sieve: Sieve,
}

/// Rows of a box relative to the image and either score and class (6 columns) or a score per
/// class.
struct Ultralytics {
    reader: Reader,
    choice: Choice,
    sieve: Sieve,
    classes: Option<usize>,
}

impl Family for RtDetr {
    fn name(&self) -> &'static str {
        "rtdetr"
    }

    fn expected(&self) -> &'static str {
        "an input float32 [N, 3, H, W] and either two outputs float32, logits [N, Q, classes] and \
         boxes [N, Q, 4] (lyuwenyu without post-processing; Hugging Face, whose input is called \
         pixel_values), or, with a second input orig_target_sizes of integers [N, 2], labels, boxes \
         and scores (lyuwenyu), or one output float32 [N, Q, 6] or [N, Q, 4 + classes] \
         (Ultralytics), or, with inputs im_shape and scale_factor [N, 2], [detections, 6] and \
         integers [N] (PaddleDetection)"
    }

    fn adapt(
        &self,
        io: &ModelIo,
        batch: usize,
        options: &FamilyOptions,
    ) -> Result<Box<dyn Adapter>, Misfit> {
        let reader = Reader::of(self);
        let known = [Extra::OriginalSize, Extra::InputSize, Extra::ScaleFactor];
        let inputs = reader.inputs(io, batch, &known)?;
        let size = inputs.size_or(DEFAULT_SIZE);
        let sized = inputs.has(Extra::InputSize) && inputs.has(Extra::ScaleFactor);
        match (io.inputs.len(), io.outputs.as_slice()) {
            (1, [rows]) if is_rows(rows) => {
                let confidence = if evaluates(options) { 0.001 } else { 0.25 };
                let choice = Choice { confidence, detections: 300, ..Choice::ALL }.with(options);
                let decoder = Ultralytics {
                    reader,
                    choice,
                    sieve: Sieve::default(),
                    classes: classes_of(rows),
                };
                ULTRALYTICS.fit(reader, options, inputs, linear(size), decoder)
            }
            (2, [labels, boxes, scores])
                if inputs.has(Extra::OriginalSize) && is_post(labels, boxes, scores) =>
            {
                let choice = Choice::ALL.with(options);
                POST.fit(
                    reader,
                    options,
                    inputs,
                    pillow(size),
                    Post { reader, choice, sieve: Sieve::default() },
                )
            }
            (3, outputs) if sized && paddle::are_rows(outputs) => {
                let decoder = Rows::new(reader, Choice::ALL.with(options));
                let feed = paddle::preprocessor(size, paddle::unit());
                PADDLE.fit(reader, options, inputs, feed, decoder)
            }
            (1, outputs) => {
                let hugging_face = io.inputs[0].name == "pixel_values";
                let (variant, choice) = if !hugging_face {
                    (RAW, Choice { top_k: Some(TOP_K), ..Choice::ALL })
                } else if evaluates(options) {
                    (HUGGING_FACE, Choice::ALL)
                } else {
                    (HUGGING_FACE, Choice { confidence: 0.5, ..Choice::ALL })
                };
                let Some(decoder) = RawQueries::declared(reader, outputs, choice.with(options))
                else {
                    return Err(reader.foreign(io).into());
                };
                variant.fit(reader, options, inputs, pillow(size), decoder)
            }
            _ => Err(reader.foreign(io).into()),
        }
    }
}

/// `LetterBox(scale_fill=True)`.
fn linear(size: Size) -> Preprocessor {
    let unit = Normalise::unit(ChannelOrder::Rgb);
    Preprocessor::new(size, Fit::Stretch, Interpolation::Linear, unit)
}

/// `torchvision`'s `Resize` of a PIL image, then `ToTensor`; Hugging Face's image processor gives
/// the same.
fn pillow(size: Size) -> Preprocessor {
    let unit = Normalise::unit(ChannelOrder::Rgb);
    Preprocessor::new(size, Fit::Stretch, Interpolation::Pillow, unit)
}

/// Columns of a row with its score and class.
const SCORED: usize = EDGES + 2;

/// More queries than any RT-DETR has; anchors of other detectors are thousands.
const MAX_QUERIES: usize = 1000;

/// Rows of queries, and neither the columns of a YOLO nor the cells of others.
fn is_rows(output: &TensorInfo) -> bool {
    let few = |axis: usize| output.fixed(axis).is_none_or(|length| length <= MAX_QUERIES);
    let box_and_more = output.fixed(2).is_none_or(|columns| columns > EDGES);
    can_be(output, [None, None]) && few(1) && few(2) && box_and_more
}

fn classes_of(rows: &TensorInfo) -> Option<usize> {
    rows.fixed(2).filter(|&columns| columns != SCORED).map(|columns| columns - EDGES)
}

fn is_post(labels: &TensorInfo, boxes: &TensorInfo, scores: &TensorInfo) -> bool {
    is_integer(labels)
        && labels.rank().is_none_or(|rank| rank == 2)
        && can_be(boxes, [None, Some(EDGES)])
        && can_be(scores, [None])
}

impl Decode for Post {
    fn decode(
        &mut self,
        outputs: &dyn Outputs,
        batch: &Batch<'_>,
        detections: &mut [Vec<Detection>],
    ) -> Result<(), Mismatch> {
        let (scores, [queries]) = self.reader.floats(outputs, 2, batch.len())?;
        let (boxes, shape) = self.reader.floats(outputs, 1, batch.len())?;
        self.reader.expect(1, shape, [queries, EDGES])?;
        let labels = self.reader.integers(outputs, 0, &[batch.len(), queries])?;
        for (image, found) in detections.iter_mut().enumerate() {
            let detection = |index: usize| {
                let class = labels.at(index).and_then(|label| u32::try_from(label).ok())?;
                let bounds = edges_of(&boxes[index * EDGES..]);
                Some(Detection { bounds, score: scores[index], class })
            };
            found.clear();
            found.extend((image * queries..(image + 1) * queries).filter_map(detection));
            self.sieve.sift(self.choice, found);
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

impl Decode for Ultralytics {
    fn decode(
        &mut self,
        outputs: &dyn Outputs,
        batch: &Batch<'_>,
        detections: &mut [Vec<Detection>],
    ) -> Result<(), Mismatch> {
        let (values, [queries, columns]) = self.reader.floats(outputs, 0, batch.len())?;
        if queries > MAX_QUERIES || columns > MAX_QUERIES {
            let problem = "it has thousands of rows or columns, which are not those of queries";
            return Err(self.reader.mismatch(problem, format!("{queries} × {columns}")));
        }
        let least = columns.max(EDGES + 1);
        let declared = self.classes.map_or(least, |classes| classes + EDGES);
        self.reader.expect(0, [queries, columns], [queries, declared])?;
        if columns != SCORED {
            self.classes = Some(columns - EDGES);
        }
        for (image, found) in detections.iter_mut().enumerate() {
            let values = &values[image * queries * columns..][..queries * columns];
            let size = batch.sizes[image];
            found.clear();
            for row in values.chunks_exact(columns) {
                let (score, class) = self.best(row)?;
                let bounds = in_image(edges_of(row), size);
                found.push(Detection { bounds, score, class });
            }
            self.sieve.sift(self.choice, found);
        }
        Ok(())
    }

    fn classes(&self) -> Option<usize> {
        self.classes
    }

    fn fitting(&self) -> Fitting {
        self.choice.fitting()
    }
}

impl Ultralytics {
    /// Score and class of a row. Until 8.3 exports had a score per class; with two classes they
    /// look like today's, but for class numbers that are none.
    fn best(&self, row: &[f32]) -> Result<(f32, u32), Mismatch> {
        if let &[_, _, _, _, score, class] = row {
            if score > self.choice.confidence && (class < 0.0 || class.fract() != 0.0) {
                let problem = "the sixth column is no class number; an export of two classes by \
                               an Ultralytics before 8.4 looks like this: export it again";
                return Err(self.reader.mismatch(problem, format!("{class}")));
            }
            return Ok((score, class as u32));
        }
        let mut best = (f32::NEG_INFINITY, 0);
        for (class, &score) in (0..).zip(&row[EDGES..]) {
            if score > best.0 {
                best = (score, class);
            }
        }
        Ok(best)
    }
}
