//! RF-DETR. Sources: `rfdetr` 1.4.1 `detr.py:predict`, `models/lwdetr.py:PostProcess`,
//! `deploy/export.py`. Classes are COCO's own ids, 1 to 90 with gaps.

use super::{
    Adapter, Family, Misfit, classes,
    limits::{Keys, evaluates},
    queries::Choice,
    raw_queries::RawQueries,
    signature::Reader,
    variant::{IMAGENET, Variant},
};
use crate::{
    image::{ChannelOrder, Fit, Interpolation, Normalise, Preprocessor, Size},
    scenario::FamilyOptions,
    tensor::ModelIo,
};

const MEAN: [f32; 3] = [0.485, 0.456, 0.406];
const DEVIATION: [f32; 3] = [0.229, 0.224, 0.225];

const VARIANT: Variant = Variant {
    name: "RF-DETR",
    values: IMAGENET,
    draws_above: 0.5,
    keys: Keys::OF_QUERIES,
    names: classes::coco_ids,
};

/// The family.
pub(super) struct RfDetr;

impl Family for RfDetr {
    fn name(&self) -> &'static str {
        "rfdetr"
    }

    fn expected(&self) -> &'static str {
        "one input float32 [N, 3, H, W] with fixed H and W and two outputs float32, dets [N, Q, 4] \
         and labels [N, Q, classes]"
    }

    fn adapt(
        &self,
        io: &ModelIo,
        batch: usize,
        options: &FamilyOptions,
    ) -> Result<Box<dyn Adapter>, Misfit> {
        let reader = Reader::of(self);
        let inputs = reader.inputs(io, batch, &[])?;
        let size = reader.fixed_size(&inputs, io)?;
        let confidence = if evaluates(options) { f32::NEG_INFINITY } else { 0.5 };
        let choice = Choice { top_k: Some(300), confidence, ..Choice::ALL }.with(options);
        let Some(decoder) = RawQueries::declared(reader, &io.outputs, choice) else {
            return Err(reader.foreign(io).into());
        };
        VARIANT.fit(reader, options, inputs, preprocessor(size), decoder)
    }
}

/// Normalised, then resized as floats; only rounding tells that from the reverse.
fn preprocessor(size: Size) -> Preprocessor {
    let normalise = Normalise::new(ChannelOrder::Rgb, |plane, level| {
        (f32::from(level) / 255.0 - MEAN[plane]) / DEVIATION[plane]
    });
    Preprocessor::new(size, Fit::Stretch, Interpolation::Torch, normalise)
}
