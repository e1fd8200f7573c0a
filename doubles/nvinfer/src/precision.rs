//! In which type each layer of an engine computes: that of the graph where it says so, else what
//! the builder's flags allow, in half of the layers, as real builders choose it for some only.

use crate::{element::Element, onnx::Model};

/// What the builder's flags allow besides 32 bit floats.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allowed {
    pub half: bool,
    pub int8: bool,
}

/// The types of so many layers of a model.
pub fn of_layers(model: &Model, allowed: Allowed, layers: usize) -> Vec<Element> {
    let of_graph = match model {
        model if model.is_quantised() => Some(Element::INT8),
        model if model.is_half() => Some(Element::HALF),
        _ => None,
    };
    let first_half = layers.div_ceil(2);
    let by_flags = |layer: usize| match allowed {
        Allowed { int8: true, .. } if layer < first_half => Element::INT8,
        Allowed { half: true, int8 } if int8 || layer < first_half => Element::HALF,
        _ => Element::FLOAT,
    };
    (0..layers).map(|layer| of_graph.unwrap_or_else(|| by_flags(layer))).collect()
}
