//! Which detections are reported: what a scenario may change, and bounds with the projects' own
//! defaults.

use super::{Misfit, Unused};
use crate::scenario::{FamilyOptions, Postprocess, Thresholds};

const ALWAYS: [&str; 3] =
    ["postprocess.thresholds", "postprocess.confidence", "postprocess.max_detections"];

/// Keys of a scenario that have an effect on a variant, beside [`ALWAYS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Keys(pub &'static [&'static str]);

impl Keys {
    /// What the graph decides is fixed.
    pub const FEW: Self = Self(&[]);
    /// A choice among all queries and classes.
    pub const OF_QUERIES: Self = Self(&["postprocess.top_k"]);
    /// NMS.
    pub const OF_NMS: Self = Self(&[
        "postprocess.top_k",
        "postprocess.iou",
        "postprocess.class_agnostic",
        "postprocess.multi_label",
    ]);

    /// Refuses a key that has no effect: the result would not be what was asked for. `normalizes`
    /// says whether there is a choice of input values.
    pub fn check(
        self,
        family: &'static str,
        variant: &'static str,
        normalizes: bool,
        options: &FamilyOptions,
    ) -> Result<(), Misfit> {
        let understood = |key: &&str| {
            ALWAYS.contains(key) || self.0.contains(key) || (normalizes && *key == NORMALIZE)
        };
        match given(options).find(|key| !understood(key)) {
            None => Ok(()),
            Some(key) => Err(Misfit::Option(Unused { family, variant, key })),
        }
    }
}

const NORMALIZE: &str = "normalize";

/// Bounds on what is reported for one image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Limits {
    /// Scores must be higher.
    pub confidence: f32,
    /// Overlaps must not be higher.
    pub iou: f32,
    /// Most cells of one level looked at, those with the best scores.
    pub cells_per_level: usize,
    /// Most candidates looked at, best first.
    pub top_k: TopK,
    /// Most detections kept of one class.
    pub detections_per_class: usize,
    /// Most detections kept.
    pub detections: usize,
    /// Whether boxes of different classes suppress each other.
    pub class_agnostic: bool,
    /// Whether an anchor is a candidate for every class, not only for its best.
    pub multi_label: bool,
}

/// What a bound on candidates counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TopK {
    PerImage(usize),
    PerClass(usize),
}

impl TopK {
    fn with(self, most: Option<usize>) -> Self {
        match (self, most) {
            (_, None) => self,
            (Self::PerImage(_), Some(most)) => Self::PerImage(most),
            (Self::PerClass(_), Some(most)) => Self::PerClass(most),
        }
    }

    pub fn per_image(self) -> usize {
        if let Self::PerImage(most) = self { most } else { usize::MAX }
    }

    pub fn per_class(self) -> usize {
        if let Self::PerClass(most) = self { most } else { usize::MAX }
    }
}

impl Limits {
    /// Bounds that bound nothing, for NMS over every class of every anchor.
    pub const NONE: Self = Self {
        confidence: 0.0,
        iou: 1.0,
        cells_per_level: usize::MAX,
        top_k: TopK::PerImage(usize::MAX),
        detections_per_class: usize::MAX,
        detections: usize::MAX,
        class_agnostic: false,
        multi_label: true,
    };

    /// These defaults, changed as `options` say. A negative or undefined confidence counts as 0.
    pub fn with(self, options: &FamilyOptions) -> Self {
        let keys = &options.postprocess;
        let number = |value: Option<u32>| value.map(|n| n as usize);
        Self {
            confidence: keys.confidence.unwrap_or(self.confidence).max(0.0),
            iou: keys.iou.unwrap_or(self.iou),
            top_k: self.top_k.with(number(keys.top_k)),
            detections: number(keys.max_detections).unwrap_or(self.detections),
            class_agnostic: keys.class_agnostic.unwrap_or(self.class_agnostic),
            multi_label: keys.multi_label.unwrap_or(self.multi_label),
            ..self
        }
    }
}

/// Whether the evaluation's defaults are asked for.
pub(super) fn evaluates(options: &FamilyOptions) -> bool {
    options.postprocess.thresholds == Some(Thresholds::Evaluation)
}

/// The keys that are given.
fn given(options: &FamilyOptions) -> impl Iterator<Item = &'static str> {
    let FamilyOptions { postprocess, normalize } = options;
    let Postprocess {
        thresholds,
        confidence,
        iou,
        top_k,
        max_detections,
        class_agnostic,
        multi_label,
    } = postprocess;
    [
        (normalize.is_some(), NORMALIZE),
        (thresholds.is_some(), "postprocess.thresholds"),
        (confidence.is_some(), "postprocess.confidence"),
        (iou.is_some(), "postprocess.iou"),
        (top_k.is_some(), "postprocess.top_k"),
        (max_detections.is_some(), "postprocess.max_detections"),
        (class_agnostic.is_some(), "postprocess.class_agnostic"),
        (multi_label.is_some(), "postprocess.multi_label"),
    ]
    .into_iter()
    .filter_map(|(is_given, key)| is_given.then_some(key))
}
