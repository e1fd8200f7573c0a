//! Which detections are reported: what a scenario may change, and bounds with the projects' own
//! defaults.

use super::{Fitting, Misfit, Unused, queries::Choice};
use crate::scenario::{FamilyOptions, Thresholds};

/// Which keys of a scenario have an effect on a variant. Thresholds, confidence and the number of
/// detections always have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Keys {
    /// `top_k`.
    candidates: bool,
    /// What NMS needs to know.
    suppression: bool,
    /// `normalize`.
    values: bool,
}

impl Keys {
    /// What the graph decides is fixed.
    pub const FEW: Self = Self { candidates: false, suppression: false, values: false };
    /// A choice among all queries and classes.
    pub const OF_QUERIES: Self = Self { candidates: true, ..Self::FEW };
    /// NMS.
    pub const OF_NMS: Self = Self { suppression: true, ..Self::OF_QUERIES };

    /// These, and `normalize`: the model does not tell what its input values are.
    pub const fn and_normalize(self) -> Self {
        Self { values: true, ..self }
    }

    /// Refuses a key that has no effect: the result would not be what was asked for.
    pub fn check(
        self,
        family: &'static str,
        variant: &'static str,
        options: &FamilyOptions,
    ) -> Result<(), Misfit> {
        let FamilyOptions { postprocess: keys, normalize } = options;
        let without_effect = [
            (normalize.is_some() && !self.values, "normalize"),
            (keys.top_k.is_some() && !self.candidates, "postprocess.top_k"),
            (keys.iou.is_some() && !self.suppression, "postprocess.iou"),
            (keys.class_agnostic.is_some() && !self.suppression, "postprocess.class_agnostic"),
            (keys.multi_label.is_some() && !self.suppression, "postprocess.multi_label"),
        ];
        match without_effect.into_iter().find(|(refused, _)| *refused) {
            None => Ok(()),
            Some((_, key)) => Err(Misfit::Option(Unused { family, variant, key })),
        }
    }
}

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

    /// For results.
    pub fn fitting(&self) -> Fitting {
        Fitting {
            confidence: Some(self.confidence),
            iou: Some(self.iou),
            top_k: bound(self.top_k.per_image().min(self.top_k.per_class())),
            max_detections: bound(self.detections),
            class_agnostic: self.class_agnostic,
            multi_label: self.multi_label,
            ..Choice::ALL.fitting()
        }
    }
}

/// A bound, if it is one.
pub(super) fn bound(most: usize) -> Option<usize> {
    (most != usize::MAX).then_some(most)
}

/// Whether the evaluation's defaults are asked for.
pub(super) fn evaluates(options: &FamilyOptions) -> bool {
    options.postprocess.thresholds == Some(Thresholds::Evaluation)
}
