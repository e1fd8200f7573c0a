//! Which part of a detector a weight belongs to: backbone, neck or head, by the names that the
//! families' projects give. Knows names alone.

use serde::Serialize;
use std::{collections::BTreeSet, fmt};

/// A part of a detector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Component {
    /// Makes features of the image.
    Backbone,
    /// Mixes features of several sizes: a pyramid, an encoder.
    Neck,
    /// Makes boxes and scores of features.
    Head,
    /// Helps in training alone.
    Auxiliary,
    /// The name tells nothing.
    Unnamed,
}

impl Component {
    /// All, in the order in which data flows.
    pub const ALL: [Self; 5] =
        [Self::Backbone, Self::Neck, Self::Head, Self::Auxiliary, Self::Unnamed];
}

impl fmt::Display for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Backbone => "backbone",
            Self::Neck => "neck",
            Self::Head => "head",
            Self::Auxiliary => "auxiliary",
            Self::Unnamed => "not told by names",
        })
    }
}

/// What programs put before the names of a network's weights.
const PREFIXES: [&str; 8] =
    ["module.", "model.", "_orig_mod.", "ema.", "avg_model.", "student.", "net.", "detector."];

/// First part of a name, and where it is. NanoDet: fpn, aux_fpn, aux_head. RT-DETR: encoder, decoder;
/// in Hugging Face's words encoder_input_proj, decoder_input_proj, enc_*, *_embed. RF-DETR:
/// transformer, *_embed, query_feat. PaddleDetection: yolo_head. torchvision: rpn, roi_heads.
const PARTS: [(&str, Component); 25] = [
    ("backbone", Component::Backbone),
    ("neck", Component::Neck),
    ("fpn", Component::Neck),
    ("encoder", Component::Neck),
    ("encoder_input_proj", Component::Neck),
    ("transformer", Component::Neck),
    ("head", Component::Head),
    ("heads", Component::Head),
    ("bbox_head", Component::Head),
    ("yolo_head", Component::Head),
    ("detr_head", Component::Head),
    ("roi_heads", Component::Head),
    ("rpn", Component::Head),
    ("decoder", Component::Head),
    ("decoder_input_proj", Component::Head),
    ("enc_output", Component::Head),
    ("enc_score_head", Component::Head),
    ("enc_bbox_head", Component::Head),
    ("denoising_class_embed", Component::Auxiliary),
    ("class_embed", Component::Head),
    ("bbox_embed", Component::Head),
    ("refpoint_embed", Component::Head),
    ("query_feat", Component::Head),
    ("aux_fpn", Component::Auxiliary),
    ("aux_head", Component::Auxiliary),
];

/// Fewest layers of a network whose layers are numbered throughout; with fewer the numbers are
/// those of a part.
const NUMBERED: u32 = 12;

/// The part of each of a network's weights, by their names or, for weights whose names tell
/// nothing, by that of the operator which uses them.
pub fn components(names: &[&str]) -> Vec<Component> {
    let plain: Vec<String> = names.iter().map(|name| name.replace('/', ".")).collect();
    let layers = plain.iter().filter_map(|name| numbered(name)).collect::<BTreeSet<u32>>();
    let numbers = Numbers::of(&layers);
    plain.iter().map(|name| component(name, numbers)).collect()
}

fn component(name: &str, numbers: Option<Numbers>) -> Component {
    if let (Some(layer), Some(numbers)) = (numbered(name), numbers) {
        return numbers.component(layer);
    }
    let name = bare(name);
    let first = name.split('.').next().unwrap_or(name);
    let part = PARTS.iter().find(|(part, _)| *part == first);
    // In the transformer of RF-DETR the decoder and the query selection make the boxes.
    match part {
        Some((_, Component::Neck)) if name.contains(".decoder.") || name.contains(".enc_out") => {
            Component::Head
        }
        Some(&(_, component)) => component,
        None => Component::Unnamed,
    }
}

/// A name without what programs put before it.
pub fn bare(name: &str) -> &str {
    let mut rest = name.trim_start_matches('.');
    while let Some(shorter) = PREFIXES.iter().find_map(|prefix| rest.strip_prefix(prefix)) {
        rest = shorter;
    }
    rest
}

/// The number of a layer as YOLO calls it: `model.22.cv2.0.conv.weight` → 22.
fn numbered(name: &str) -> Option<u32> {
    let bare = bare(name);
    let known = bare.len() < name.trim_start_matches('.').len();
    known.then(|| bare.split('.').next()?.parse().ok()).flatten()
}

/// How a network of numbered layers is parted.
#[derive(Clone, Copy)]
struct Numbers {
    /// The last layer of the backbone.
    backbone: u32,
    /// The head.
    head: u32,
}

impl Numbers {
    /// The last layer is the head. The neck begins where a number is missing first: with a layer
    /// without weights, which enlarges the features.
    fn of(layers: &BTreeSet<u32>) -> Option<Self> {
        let head = *layers.last().filter(|&&last| last >= NUMBERED)?;
        let gap = (0..head).find(|layer| !layers.contains(layer))?;
        (gap > 0).then(|| Self { backbone: gap - 1, head })
    }

    fn component(self, layer: u32) -> Component {
        match layer {
            layer if layer <= self.backbone => Component::Backbone,
            layer if layer < self.head => Component::Neck,
            _ => Component::Head,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(names: &[&str]) -> Vec<String> {
        components(names).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn each_projects_names_are_known() {
        let names = [
            "backbone.conv1.weight",
            "model.fpn.reduce_layers.0.conv.weight",
            "avg_model.head.gfl_cls.0.bias",
            "model.aux_head.cls_convs.0.weight",
            "yolo_head.pred_cls.0.weight",
            "neck.fpn_stages.0.0.conv1.conv.weight",
            "model.decoder.layers.0.self_attn.q_proj.weight",
            "encoder.input_proj.0.0.weight",
            "transformer.decoder.layers.0.linear1.weight",
            "module.backbone.0.encoder.layer.0.weight",
            "onnx::Conv_123",
            "/backbone/conv1/Conv",
        ];
        let parts = [
            "backbone",
            "neck",
            "head",
            "auxiliary",
            "head",
            "neck",
            "head",
            "neck",
            "head",
            "backbone",
            "not told by names",
            "backbone",
        ];
        assert_eq!(shown(&names), parts);
    }

    #[test]
    fn numbered_layers_are_parted_where_one_has_no_weights_first() {
        let with_weights = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 15, 16, 18, 19, 21, 22];
        let names: Vec<String> =
            with_weights.iter().map(|layer| format!("model.{layer}.conv.weight")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let parts = components(&names);
        let count = |wanted| parts.iter().filter(|&&part| part == wanted).count();
        assert_eq!(count(Component::Backbone), 10);
        assert_eq!(count(Component::Neck), 6);
        assert_eq!(count(Component::Head), 1);
    }

    #[test]
    fn a_few_numbers_are_no_network() {
        assert_eq!(shown(&["model.0.weight", "model.2.weight"]), ["not told by names"; 2]);
    }
}
