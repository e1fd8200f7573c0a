//! Which detections are reported: each family's defaults, and what a scenario may change.

use serde::{Deserialize, Serialize};

/// What a scenario may change about a family; `None` leaves the project's own default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FamilyOptions {
    /// Detections must score higher than this, 0 to 1.
    pub confidence: Option<f32>,
    /// Of two boxes of a class that overlap by more than this (intersection over union, 0 to 1),
    /// the worse is dropped.
    pub iou: Option<f32>,
    /// Most detections per image.
    pub max_detections: Option<usize>,
}

/// Bounds on what is reported for one image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Limits {
    /// Scores must be higher.
    pub confidence: f32,
    /// Overlaps of a class must not be higher.
    pub iou: f32,
    /// Most candidates looked at, best first.
    pub candidates: usize,
    /// Most candidates of one class looked at, best first.
    pub candidates_per_class: usize,
    /// Most detections kept.
    pub detections: usize,
}

impl Limits {
    /// These defaults, changed as `options` say. A negative or undefined confidence counts as 0.
    pub fn with(self, options: &FamilyOptions) -> Self {
        Self {
            confidence: options.confidence.unwrap_or(self.confidence).max(0.0),
            iou: options.iou.unwrap_or(self.iou),
            detections: options.max_detections.unwrap_or(self.detections),
            ..self
        }
    }
}
