//! What all variants of all families share: a feed in front, a decoder behind. A family's file
//! says which, and nothing else.

use super::{
    Adapter, Detection, Fitting, ImageInput, Misfit, Mismatch,
    feed::Feed,
    limits::Keys,
    signature::{Inputs, Reader},
};
use crate::{
    cpu::Cpu,
    image::{Image, Placement, Preprocessor, Size},
    scenario::FamilyOptions,
    tensor::{Outputs, TensorSet},
};

/// Names of as many classes, where a data set of that size is known.
pub(super) type Names = fn(usize) -> Option<&'static [&'static str]>;

/// What input values are, for results.
pub(super) const UNIT: &str = "0 to 1";
pub(super) const IMAGENET: &str = "ImageNet's mean and deviation";

/// One way in which a project exports its models.
#[derive(Clone, Copy)]
pub(super) struct Variant {
    /// Its name in results.
    pub name: &'static str,
    /// What its input values are.
    pub values: &'static str,
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

    /// The numbers in force; what the variant knows is left open.
    fn fitting(&self) -> Fitting;
}

/// The images that were put in.
pub(super) struct Batch<'a> {
    pub sizes: &'a [Size],
    /// What computes.
    pub cpu: &'a Cpu,
    feed: &'a Feed,
}

/// A variant fitted to a model.
struct Fitted<D> {
    variant: Variant,
    reader: Reader,
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
        let fitted = Fitted { variant: self, reader, feed, decoder };
        fitted.some_classes()?;
        Ok(Box::new(fitted))
    }
}

/// Highest score; a little more than 1 for what was computed in half precision.
const MOST: f32 = 1.001;

impl<D: Decode> Fitted<D> {
    /// Refuses a model without classes.
    fn some_classes(&self) -> Result<(), Mismatch> {
        if self.decoder.classes() == Some(0) {
            return Err(self.reader.mismatch("its outputs leave no classes", "none"));
        }
        Ok(())
    }
}

impl<D: Decode> Adapter for Fitted<D> {
    fn fitting(&self) -> Fitting {
        let Variant { name, values, draws_above, .. } = self.variant;
        let mut fitting = self.decoder.fitting();
        (fitting.variant, fitting.values) = (name.to_owned(), values.to_owned());
        Fitting { draws_above, ..fitting }
    }

    fn classes(&self) -> Option<usize> {
        self.decoder.classes()
    }

    fn inputs(&self) -> TensorSet {
        self.feed.inputs()
    }

    fn preprocess(&mut self, images: &[Image], cpu: &Cpu, inputs: &mut TensorSet) {
        self.feed.fill(images, cpu, inputs);
    }

    fn image_input(&self) -> Option<ImageInput<'_>> {
        let (index, preprocessor) = (self.feed.image_slot(), self.feed.preprocessor());
        Some(ImageInput { index, preprocessor })
    }

    fn fill_extras(&mut self, images: &[Image], inputs: &mut TensorSet) {
        self.feed.fill_extras(images, inputs);
    }

    fn postprocess(
        &mut self,
        outputs: &dyn Outputs,
        sizes: &[Size],
        cpu: &Cpu,
        detections: &mut Vec<Vec<Detection>>,
    ) -> Result<(), Mismatch> {
        detections.resize_with(sizes.len(), Vec::new);
        let batch = Batch { sizes, cpu, feed: &self.feed };
        self.decoder.decode(outputs, &batch, detections)?;
        self.some_classes()?;
        // The best come first.
        match detections.iter().filter_map(|found| found.first()).find(|d| d.score > MOST) {
            None => Ok(()),
            Some(best) => {
                let problem = "what should be scores are above 1: the model is of another family \
                               or does another task";
                Err(self.reader.mismatch(problem, format!("{}", best.score)))
            }
        }
    }

    fn class_names(&self) -> Option<&'static [&'static str]> {
        (self.variant.names)(self.decoder.classes()?)
    }
}
