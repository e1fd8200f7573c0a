//! How long each layer of an engine takes, by TensorRT's profiler, and what it is, by TensorRT's
//! inspector. Runs the engine for that alone: what is measured is never run under a profiler.

use super::{open_card, session::TensorRtOnCard};
use crate::{
    engine::{
        Error, Layer, LoadSpec,
        card::{Card, OnCard},
    },
    scenario::Precision,
    tensor::TensorSet,
    unit::Nanos,
};
use serde_json::Value;
use std::collections::HashMap;

/// Runs that are not counted: the first ones load kernels.
const WARMUP: usize = 3;

/// What the inspector tells of a layer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Inspected {
    operator: String,
    precision: Option<String>,
}

/// All layers in the order of execution, each with its time in every one of `runs` runs.
pub fn layers(
    spec: &LoadSpec<'_>,
    inputs: &TensorSet,
    runs: usize,
) -> Result<Option<Vec<Layer>>, Error> {
    let contexts = spec.place.options.tensorrt.contexts;
    if contexts > 1 {
        return Err(Error::Unsupported(format!(
            "with contexts = {contexts} layers of different parts of a batch run at the same time; \
             measure.layers takes contexts = 1"
        )));
    }
    let card = open_card(spec)?;
    let (mut model, engine) = TensorRtOnCard::load(spec, &card)?;
    model.prepare(inputs)?;
    upload(&card, &model, inputs)?;
    for _ in 0..WARMUP {
        model.profile(&card.stream)?;
    }
    let inspected = inspected(&engine.layer_information().unwrap_or_default());
    let mut layers: Vec<Layer> = Vec::new();
    for _ in 0..runs {
        let pass = model.profile(&card.stream)?;
        if layers.is_empty() {
            layers = pass.iter().map(|(name, _)| described(name, &inspected)).collect();
        }
        add(&mut layers, &pass)?;
    }
    Ok(Some(layers))
}

fn upload(card: &Card, model: &TensorRtOnCard, inputs: &TensorSet) -> Result<(), Error> {
    card.context.scope(|scope| {
        for (index, tensor) in inputs.iter().enumerate() {
            scope.upload(&card.stream, tensor.bytes(), model.input(index)?)?;
        }
        Ok(())
    })
}

fn described(name: &str, inspected: &HashMap<String, Inspected>) -> Layer {
    let Inspected { operator, precision } = inspected.get(name).cloned().unwrap_or_default();
    let operator = if operator.is_empty() { "unknown".to_owned() } else { operator };
    Layer { name: name.to_owned(), operator, precision, place: None, times: Vec::new() }
}

/// Adds one run, which must have had the same layers.
fn add(layers: &mut [Layer], pass: &[(String, f32)]) -> Result<(), Error> {
    if !layers.iter().map(|layer| &layer.name).eq(pass.iter().map(|(name, _)| name)) {
        let words = "TensorRT's profiler told of other layers in every run";
        return Err(Error::Failed(words.to_owned()));
    }
    for (layer, (_, milliseconds)) in layers.iter_mut().zip(pass) {
        layer.times.push(Nanos((f64::from(*milliseconds) * 1e6).round() as u64));
    }
    Ok(())
}

/// Operators and precisions by the layers' names. An engine that was built without details, as
/// trtexec does by itself, names its layers alone.
fn inspected(text: &str) -> HashMap<String, Inspected> {
    let told: Value = serde_json::from_str(text).unwrap_or_default();
    let layers = told["Layers"].as_array().map_or(&[][..], Vec::as_slice);
    let layer = |layer: &Value| {
        let text = |key: &str| layer[key].as_str().map(str::to_owned);
        let format = layer["Outputs"][0]["Format/Datatype"].as_str();
        let inspected =
            Inspected { operator: text("LayerType")?, precision: format.map(precision) };
        Some((text("Name")?, inspected))
    };
    layers.iter().filter_map(layer).collect()
}

/// The lowest precision that any layer reads, writes or keeps weights in; none where the inspector does
/// not tell.
pub fn executed(text: &str) -> Option<Precision> {
    let told: Value = serde_json::from_str(text).unwrap_or_default();
    let tensors = |layer: &Value| {
        let all = ["Inputs", "Outputs"].map(|side| layer[side].as_array().cloned());
        let formats = all.into_iter().flatten().flatten();
        let mut types: Vec<String> = formats
            .filter_map(|tensor| tensor["Format/Datatype"].as_str().map(precision))
            .collect();
        types.extend(layer["Weights"]["Type"].as_str().map(precision));
        types
    };
    let types: Vec<String> = told["Layers"].as_array()?.iter().flat_map(tensors).collect();
    let has = |name: &str| types.iter().any(|kind| kind == name);
    match () {
        () if has("int8") => Some(Precision::Int8),
        () if has("fp16") => Some(Precision::Fp16),
        () => has("fp32").then_some(Precision::Fp32),
    }
}

/// The type within a format: `Half` of "Row major linear FP16 format", `Float` or "Channel major Half".
fn precision(format: &str) -> String {
    let known = [
        ("fp32", ["FP32", "Float"]),
        ("fp16", ["FP16", "Half"]),
        ("bf16", ["BF16", "BFloat16"]),
        ("int8", ["INT8", "Int8"]),
        ("uint8", ["UINT8", "UInt8"]),
        ("fp8", ["FP8", "Fp8"]),
        ("int32", ["INT32", "Int32"]),
        ("int64", ["INT64", "Int64"]),
        ("bool", ["BOOL", "Bool"]),
    ];
    // BFloat16 holds Float's name, and UInt8 Int8's: those come later.
    let found = known.iter().rev().find(|(_, names)| names.iter().any(|n| format.contains(n)));
    found.map_or_else(|| format.to_owned(), |(name, _)| (*name).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_inspector_tells_operators_and_precisions() {
        let text = r#"{"Layers": [
            {"Name": "a", "LayerType": "CaskConvolution",
             "Outputs": [{"Name": "x", "Format/Datatype": "Channel major FP16 format where C % 8 == 0"}]},
            {"Name": "b", "LayerType": "Reformat", "Outputs": [{"Format/Datatype": "Row major linear BFloat16"}]},
            {"Name": "c", "LayerType": "NoOp", "Outputs": []}], "Bindings": ["x"]}"#;
        let found = inspected(text);
        let of = |name: &str| {
            let Inspected { operator, precision } = found[name].clone();
            (operator, precision)
        };
        assert_eq!(of("a"), ("CaskConvolution".to_owned(), Some("fp16".to_owned())));
        assert_eq!(of("b"), ("Reformat".to_owned(), Some("bf16".to_owned())));
        assert_eq!(of("c"), ("NoOp".to_owned(), None));
    }

    #[test]
    fn the_lowest_precision_of_any_layer_is_what_is_computed_in() {
        let of = |formats: &[&str]| {
            let layers: Vec<String> = formats
                .iter()
                .map(|format| format!(r#"{{"Outputs": [{{"Format/Datatype": "{format}"}}]}}"#))
                .collect();
            executed(&format!(r#"{{"Layers": [{}]}}"#, layers.join(",")))
        };
        assert_eq!(of(&["Row major linear FP32", "Float"]), Some(Precision::Fp32));
        assert_eq!(of(&["Float", "Half", "Int32"]), Some(Precision::Fp16));
        let vectorised = "Thirty-two wide channel vectorized row major Int8 format";
        assert_eq!(of(&["Float", vectorised]), Some(Precision::Int8));
        assert_eq!(of(&["UInt8", "Float"]), Some(Precision::Fp32));
        assert_eq!(of(&[]), None);
        assert_eq!(executed(r#"{"Layers": ["a", "b"]}"#), None);
    }

    #[test]
    fn an_engine_without_details_has_layers_without_operators() {
        assert!(inspected(r#"{"Layers": ["a", "b"], "Bindings": []}"#).is_empty());
        assert!(inspected("no JSON").is_empty());
        assert_eq!(described("a", &HashMap::new()).operator, "unknown");
    }

    #[test]
    fn runs_with_other_layers_are_refused() {
        let pass = [("a".to_owned(), 0.5), ("b".to_owned(), 0.009)];
        let mut layers: Vec<Layer> =
            pass.iter().map(|(name, _)| described(name, &HashMap::new())).collect();
        add(&mut layers, &pass).unwrap();
        add(&mut layers, &pass).unwrap();
        assert_eq!(layers[1].times, [Nanos(9_000); 2]);
        assert!(add(&mut layers, &pass[..1]).is_err());
    }
}
