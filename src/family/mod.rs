//! Model families: image → input tensors, output tensors → detections. Knows neither engines nor
//! clocks.
//!
//! A new family is one file here and one line in [`all`].

use crate::{
    image::{Image, Size},
    tensor::{ModelIo, Outputs, TensorSet},
};
use serde::{Deserialize, Serialize};

mod classes;
mod limits;
mod nms;
mod picodet;
mod signature;
mod yolov8;

pub use limits::FamilyOptions;

/// One found object, in pixels of the original image.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Detection {
    /// Left, top, right, bottom edge.
    pub bounds: [f32; 4],
    /// Confidence, 0 to 1.
    pub score: f32,
    /// Class number as the model counts.
    pub class: u32,
}

/// What all models of one project have in common.
pub trait Family: Sync {
    /// Name in scenarios and results.
    fn name(&self) -> &'static str;

    /// What inputs and outputs its models have, in one line for an error message.
    fn expected(&self) -> &'static str;

    /// Finds out which variant of the family a model is, from its inputs and outputs alone.
    ///
    /// # Errors
    /// [`Mismatch`] when the model is none of the family's variants, or cannot take `batch` images.
    fn adapt(
        &self,
        io: &ModelIo,
        batch: usize,
        options: &FamilyOptions,
    ) -> Result<Box<dyn Adapter>, Mismatch>;
}

/// A family fitted to one model and batch size.
pub trait Adapter {
    /// Tensors for one batch, in the order of the model's inputs; allocated once, then refilled.
    fn inputs(&self) -> TensorSet;

    /// Fills `inputs` from as many images as the batch has. Allocates nothing once it has seen an
    /// image of each size.
    ///
    /// # Panics
    /// If an image has no pixels or not as many as its size says, or `inputs` are not such as
    /// [`Adapter::inputs`] made.
    fn preprocess(&mut self, images: &[Image], inputs: &mut TensorSet);

    /// Turns outputs into detections of each image, best first; `sizes` are those of the images
    /// last preprocessed.
    ///
    /// # Errors
    /// [`Mismatch`] when the outputs' shapes are not what the family reads.
    fn postprocess(
        &mut self,
        outputs: &dyn Outputs,
        sizes: &[Size],
        detections: &mut Vec<Vec<Detection>>,
    ) -> Result<(), Mismatch>;

    /// Names of the classes by their number, where they follow from the model; of a model that
    /// does not declare how many classes it has, only after the first [`Adapter::postprocess`].
    fn class_names(&self) -> Option<&'static [&'static str]>;
}

/// A model whose inputs or outputs are not those of the family.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the model does not fit family `{family}`: {problem}; expected {expected}; found {found}")]
pub struct Mismatch {
    /// Family asked for.
    pub family: &'static str,
    /// What does not fit.
    pub problem: String,
    /// What the family reads.
    pub expected: &'static str,
    /// What the model has.
    pub found: String,
}

/// A name that no family has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no model family is called `{name}`; known are {known}")]
pub struct UnknownFamily {
    /// The name asked for.
    pub name: String,
    /// The names there are, separated by commas.
    pub known: String,
}

/// All families, in the order in which they are listed to users.
pub fn all() -> &'static [&'static dyn Family] {
    &[&yolov8::Yolov8, &picodet::PicoDet]
}

/// The family called `name`.
///
/// # Errors
/// [`UnknownFamily`] with the names there are.
pub fn named(name: &str) -> Result<&'static dyn Family, UnknownFamily> {
    let found = all().iter().find(|family| family.name() == name);
    found.copied().ok_or_else(|| UnknownFamily {
        name: name.to_owned(),
        known: all().iter().map(|family| family.name()).collect::<Vec<_>>().join(", "),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_family_is_found_by_its_name() {
        for family in all() {
            assert_eq!(named(family.name()).map(Family::name), Ok(family.name()));
        }
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_known_ones() {
        let error = named("yolov9").map(Family::name).unwrap_err();
        assert_eq!(
            error.to_string(),
            "no model family is called `yolov9`; known are yolov8, picodet"
        );
    }
}
