//! Model families: image → input tensors, output tensors → detections. Knows neither engines nor
//! clocks.
//!
//! A new family is one file here and one line in [`all`].

use crate::{
    cpu::Cpu,
    image::{Image, Preprocessor, Size},
    scenario::FamilyOptions,
    tensor::{ModelIo, Outputs, TensorSet},
};
use serde::{Deserialize, Serialize};

mod anchors;
mod boxes;
mod classes;
mod distribution;
mod feed;
mod keys;
mod limits;
mod nanodet;
mod nms;
mod paddle;
mod picodet;
mod ppyoloe;
mod queries;
mod raw_queries;
mod rfdetr;
mod rtdetr;
mod signature;
mod variant;
mod yolov8;

/// One found object, in pixels of the original image.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Detection {
    /// Left, top, right, bottom edge; may lie outside the image where the project does not clip.
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
    /// [`Misfit`] when the model is none of the family's variants or cannot take `batch` images, or
    /// an option has no effect on it.
    fn adapt(
        &self,
        io: &ModelIo,
        batch: usize,
        options: &FamilyOptions,
    ) -> Result<Box<dyn Adapter>, Misfit>;
}

/// A family fitted to one model and batch size.
pub trait Adapter {
    /// What the model was taken for and what is done with it, for results.
    fn fitting(&self) -> Fitting;

    /// Tensors for one batch, in the order of the model's inputs; allocated once, then refilled.
    fn inputs(&self) -> TensorSet;

    /// Fills `inputs` from as many images as the batch has. Allocates nothing on one
    /// thread once it has seen an image of each size, if there are no more than 256 sizes.
    ///
    /// # Panics
    /// If an image has no pixels or not as many as its size says, or `inputs` are not such as
    /// [`Adapter::inputs`] made.
    fn preprocess(&mut self, images: &[Image], cpu: &Cpu, inputs: &mut TensorSet);

    /// The one input that images become, where a [`Preprocessor`] alone makes it of them, so that
    /// something else than the host can do so, too.
    fn image_input(&self) -> Option<ImageInput<'_>> {
        None
    }

    /// Fills what [`Adapter::preprocess`] fills beside that input, from as many images as the batch
    /// has.
    ///
    /// # Panics
    /// If `inputs` are not such as [`Adapter::inputs`] made.
    fn fill_extras(&mut self, _images: &[Image], _inputs: &mut TensorSet) {}

    /// Turns outputs into detections of each image, best first; of equal scores the lower anchor,
    /// query or row first, then the lower class. `sizes` are those of the images last preprocessed.
    ///
    /// # Errors
    /// [`Mismatch`] when the outputs' shapes are not what the family reads.
    fn postprocess(
        &mut self,
        outputs: &dyn Outputs,
        sizes: &[Size],
        cpu: &Cpu,
        detections: &mut Vec<Vec<Detection>>,
    ) -> Result<(), Mismatch>;

    /// How many classes there are, where the model declares it, or once it has been seen.
    fn classes(&self) -> Option<usize>;

    /// Names of the classes by their number, where [`Adapter::classes`] tells.
    fn class_names(&self) -> Option<&'static [&'static str]>;
}

/// The input of a model that images become.
#[derive(Clone, Copy)]
pub struct ImageInput<'a> {
    /// Its number, from 0.
    pub index: usize,
    /// What is done to them.
    pub preprocessor: &'a Preprocessor,
}

/// What a model was taken for, and the numbers that its images and detections go through.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fitting {
    /// Which of its family's variants it is.
    pub variant: String,
    /// What its input values are.
    pub values: String,
    /// Score above which the project's own code draws a box, 0 to 1.
    pub draws_above: f32,
    /// Scores must be higher; none where all are taken.
    pub confidence: Option<f32>,
    /// Overlaps must not be higher; none without NMS outside the graph.
    pub iou: Option<f32>,
    /// Most candidates looked at; none for all.
    pub top_k: Option<usize>,
    /// Most detections kept per image; none for all.
    pub max_detections: Option<usize>,
    /// Whether boxes of different classes suppress each other.
    pub class_agnostic: bool,
    /// Whether a box counts for every class, not only for its best.
    pub multi_label: bool,
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

/// Why a family does not take a model.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
    /// The model is at fault.
    #[error(transparent)]
    Model(#[from] Mismatch),
    /// An option is.
    #[error(transparent)]
    Option(#[from] Unused),
    /// The model takes another number of images.
    #[error(
        "the batch of input `{input}` is fixed at {fixed}, {batch} was asked for; export the model \
         with a dynamic batch, or use batch = [{fixed}]"
    )]
    Batch {
        /// The input that fixes it.
        input: String,
        /// Images it takes.
        fixed: usize,
        /// Images asked for.
        batch: usize,
    },
    /// NMS in the graph returns the detections of one image and drops the others' silently.
    #[error(
        "NMS in the graph of this {family} model returns the detections of one image, whatever the \
         batch, and {batch} were asked for; use batch = [1], or export it without NMS"
    )]
    DropsImages {
        /// Family asked for.
        family: &'static str,
        /// Images asked for.
        batch: usize,
    },
}

/// An option that has no effect on a variant of a family.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{key}` has no effect on family `{family}`, {variant}: what it would change is fixed in the \
     graph or not done at all; give it to the models alone that it is meant for (`model.{key}`), or \
     remove it"
)]
pub struct Unused {
    /// Family asked for.
    pub family: &'static str,
    /// Which of its variants the model is.
    pub variant: &'static str,
    /// Key of the scenario.
    pub key: &'static str,
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
    &[
        &yolov8::Yolov8,
        &ppyoloe::PpYoloe,
        &picodet::PicoDet,
        &nanodet::NanoDet,
        &rtdetr::RtDetr,
        &rfdetr::RfDetr,
    ]
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
            "no model family is called `yolov9`; known are yolov8, ppyoloe, picodet, nanodet, \
             rtdetr, rfdetr"
        );
    }
}
