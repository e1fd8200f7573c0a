//! Words that tables and charts share: what layers add up to, and text made to fit. Knows no font.

use crate::{
    analysis::{CellLayers, CellResult},
    timing::Span,
    unit::{Nanos, Ratio},
};

/// Median of inference as it was measured, without a profiler.
pub fn inference(cell: &CellResult) -> Option<Nanos> {
    cell.stages.get(&Span::Inference).map(|stage| stage.median)
}

/// What the layers add up to, beside what inference takes without the profiler.
pub fn layers_sum(cell: &CellResult, all: &CellLayers) -> String {
    let count = all.layers.len();
    let s = if count == 1 { "" } else { "s" };
    let sum = format!("{count} layer{s} add up to {} under the profiler", all.sum);
    match inference(cell) {
        Some(measured) if measured > Nanos::ZERO => {
            let ratio = Ratio(all.sum.0 as f64 / measured.0 as f64);
            format!("{sum}, {ratio} the {measured} of inference measured without it")
        }
        _ => sum,
    }
}

/// The name of a layer in fewer words if it does not fit: of layers run as one the first and the last
/// are named.
pub fn layer_name(name: &str, fits: impl Fn(&str) -> bool) -> String {
    let parts: Vec<&str> = name.split(" + ").collect();
    let name = match parts.as_slice() {
        [first, between @ .., last] if !between.is_empty() && !fits(name) => {
            format!("{first} + {} more + {last}", between.len())
        }
        _ => name.to_owned(),
    };
    shortened(&name, fits)
}

/// `text` with as much of its middle left out as it takes to fit.
pub fn shortened(text: &str, fits: impl Fn(&str) -> bool) -> String {
    if fits(text) {
        return text.to_owned();
    }
    let letters: Vec<char> = text.chars().collect();
    let kept = |count: usize| -> String {
        let (head, tail) = (count.div_ceil(2), count / 2);
        let end = &letters[letters.len() - tail..];
        letters[..head].iter().chain(&['…']).chain(end).collect()
    };
    let (mut enough, mut too_many) = (0, letters.len());
    while too_many - enough > 1 {
        let middle = usize::midpoint(enough, too_many);
        if fits(&kept(middle)) { enough = middle } else { too_many = middle }
    }
    kept(enough)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_fused_layers_the_first_and_the_last_are_named() {
        let fits = |name: &str| name.chars().count() <= 40;
        let name = "/model.22/cv2.0/conv + PWN(sigmoid) + PWN(mul) + /model.22/Concat";
        assert_eq!(layer_name(name, fits), "/model.22/cv2.0/conv… + /model.22/Concat");
        let wider = |name: &str| name.chars().count() <= 50;
        assert_eq!(layer_name(name, wider), "/model.22/cv2.0/conv + 2 more + /model.22/Concat");
        assert_eq!(layer_name("a + b + c", fits), "a + b + c");
        let long = "x".repeat(200);
        assert!(fits(&layer_name(&long, fits)));
        assert!(layer_name(&format!("start{long}end"), fits).ends_with("end"));
    }
}
