//! Keys of a scenario that families understand. Named here because the file format is one; what
//! they mean for a family is the family's business.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[postprocess]` and `[model.postprocess]`: which detections are reported. A key that is not
/// given leaves the project's own default.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Postprocess {
    /// Which of the project's defaults the other keys start from.
    pub thresholds: Option<Thresholds>,
    /// Detections with this score or less are dropped; 0 to 1.
    pub confidence: Option<f32>,
    /// Boxes of one class that overlap a better one by more than this (intersection over union)
    /// are dropped; 0 to 1.
    pub iou: Option<f32>,
    /// Most candidates, best first, that are looked at: before NMS, or queries × classes.
    pub top_k: Option<u32>,
    /// Most detections kept per image.
    pub max_detections: Option<u32>,
    /// Whether boxes of different classes suppress each other.
    pub class_agnostic: Option<bool>,
    /// Whether one box may be reported for every class that scores high enough, not only for its
    /// best.
    pub multi_label: Option<bool>,
}

/// Defaults of a project.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Thresholds {
    /// What its inference code uses.
    #[default]
    Deployment,
    /// What its evaluation on COCO uses.
    Evaluation,
}

/// What a model's input values are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Normalization {
    /// ImageNet's mean subtracted, divided by its standard deviation.
    Imagenet,
    /// 0 to 1.
    Unit,
}

/// What a scenario says about one model's family.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct FamilyOptions {
    /// Which detections are reported.
    pub postprocess: Postprocess,
    /// Where inputs and outputs do not tell.
    pub normalize: Option<Normalization>,
}

impl FamilyOptions {
    /// The keys that differ from those of `new`: name, value here, value there.
    pub fn differences(&self, new: &Self) -> Vec<String> {
        let keys = |options: &Self| serde_json::to_value(options).unwrap_or_default();
        let (old, new) = (keys(self), keys(new));
        let mut found = Vec::new();
        for (table, prefix) in [("/postprocess", "postprocess."), ("", "")] {
            let entries = |value: &serde_json::Value| {
                value
                    .pointer(table)
                    .and_then(|value| value.as_object())
                    .cloned()
                    .unwrap_or_default()
            };
            let (old, new) = (entries(&old), entries(&new));
            for (key, was) in old.iter().filter(|(_, value)| !value.is_object()) {
                let is = new.get(key).cloned().unwrap_or_default();
                if *was != is {
                    let shown = |value: &serde_json::Value| match value {
                        serde_json::Value::Null => "default".to_owned(),
                        // As it was written, in single precision.
                        serde_json::Value::Number(n) if n.is_f64() => {
                            n.as_f64().map_or_else(String::new, |n| (n as f32).to_string())
                        }
                        value => value.to_string(),
                    };
                    found.push(format!("{prefix}{key} {} → {}", shown(was), shown(&is)));
                }
            }
        }
        found
    }
}

impl Postprocess {
    /// These keys, and where one is not given, that of `general`.
    pub fn or(&self, general: &Self) -> Self {
        Self {
            thresholds: self.thresholds.or(general.thresholds),
            confidence: self.confidence.or(general.confidence),
            iou: self.iou.or(general.iou),
            top_k: self.top_k.or(general.top_k),
            max_detections: self.max_detections.or(general.max_detections),
            class_agnostic: self.class_agnostic.or(general.class_agnostic),
            multi_label: self.multi_label.or(general.multi_label),
        }
    }
}
