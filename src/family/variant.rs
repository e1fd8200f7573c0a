//! What all variants of all families share: a feed in front, a decoder behind. A family's file
//! says which, and nothing else.

use super::{
    Adapter, Detection, Misfit, Mismatch,
    feed::Feed,
    limits::Keys,
    signature::{Inputs, Reader},
};
use crate::{
    image::{Image, Placement, Preprocessor, Size},
    scenario::FamilyOptions,
    tensor::{Outputs, TensorSet},
};

/// Names of as many classes, where a data set of that size is known.
pub(super) type Names = fn(usize) -> Option<&'static [&'static str]>;

/// One way in which a project exports its models.
#[derive(Clone, Copy)]
pub(super) struct Variant {
    /// Its name in results.
    pub name: &'static str,
    /// Score above which the project draws a box.
    pub draws_above: f32,
    /// Keys of a scenario that have an effect.
    pub keys: Keys,
    /// Names of the classes it was trained on.
    pub names: Names,
}

/// Turns the outputs of one variant into detections.
pub(super) trait Decode {
    /// Replaces the detections of every image of a batch.
    fn decode(
        &mut self,
        outputs: &dyn Outputs,
        batch: &Batch<'_>,
        detections: &mut [Vec<Detection>],
    ) -> Result<(), Mismatch>;

    /// Number of classes, once known.
    fn classes(&self) -> Option<usize>;
}

/// The images that were put in.
pub(super) struct Batch<'a> {
    pub sizes: &'a [Size],
    feed: &'a Feed,
}

/// A variant fitted to a model.
struct Fitted<D> {
    variant: Variant,
    feed: Feed,
    decoder: D,
}

impl Batch<'_> {
    pub fn len(&self) -> usize {
        self.sizes.len()
    }

    /// Where image `index` lies inside the input.
    pub fn placement(&self, index: usize) -> Placement {
        self.feed.place(self.sizes[index])
    }
}

impl Variant {
    /// Fits this variant to a model with these inputs.
    pub fn fit<D: Decode + 'static>(
        self,
        reader: Reader,
        options: &FamilyOptions,
        inputs: Inputs,
        preprocessor: Preprocessor,
        decoder: D,
    ) -> Result<Box<dyn Adapter>, Misfit> {
        self.keys.check(reader.family, self.name, options)?;
        let feed = Feed::new(reader, inputs, preprocessor)?;
        Ok(Box::new(Fitted { variant: self, feed, decoder }))
    }
}

impl<D: Decode> Adapter for Fitted<D> {
    fn variant(&self) -> &'static str {
        self.variant.name
    }

    fn draws_above(&self) -> f32 {
        self.variant.draws_above
    }

    fn classes(&self) -> Option<usize> {
        self.decoder.classes()
    }

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
        detections.resize_with(sizes.len(), Vec::new);
        let batch = Batch { sizes, feed: &self.feed };
        self.decoder.decode(outputs, &batch, detections)
    }

    fn class_names(&self) -> Option<&'static [&'static str]> {
        (self.variant.names)(self.decoder.classes()?)
    }
}
