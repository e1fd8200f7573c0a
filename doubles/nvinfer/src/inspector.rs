//! `IEngineInspector`: tells of an engine's layers, in full where it was built with detailed
//! verbosity.

use crate::{
    class,
    client::Callback,
    context::Context,
    element::Element,
    network::c_text,
    object::Ref,
    onnx::Length,
    plan::{Layer, Plan},
    player,
};
use serde_json::{Value, json};
use std::{
    ffi::{CString, c_char},
    ptr,
    sync::Arc,
};

/// `ProfilingVerbosity::kDETAILED`.
const DETAILED: i32 = 2;
/// `LayerInformationFormat::kJSON`.
const JSON: i32 = 1;

/// An inspector.
#[derive(Debug)]
pub struct Inspector {
    plan: Arc<Plan>,
    context: Ref<Context>,
    /// Stays until the next one is asked for, as clients may expect.
    text: CString,
}

impl Inspector {
    /// An inspector of an engine.
    pub fn new(plan: Arc<Plan>) -> Self {
        Self { plan, context: Ref::null(), text: CString::default() }
    }

    fn layer(&self, layer: &Layer) -> Value {
        if self.plan.verbosity != DETAILED {
            return json!(layer.name);
        }
        let (inputs, outputs) = (self.tensors(true, layer), self.tensors(false, layer));
        json!({
            "Name": layer.name,
            "LayerType": layer.operator,
            "Inputs": inputs,
            "Outputs": outputs,
            "TacticName": format!("{}_kernel", layer.operator.to_lowercase()),
        })
    }

    /// The tensors of the engine for those of a layer; floats are in the layer's own type.
    fn tensors(&self, input: bool, layer: &Layer) -> Vec<Value> {
        let own = |element| if element == Element::FLOAT { layer.element } else { element };
        let of_kind = self.plan.tensors.iter().filter(|tensor| tensor.input == input);
        let describe = |tensor: &crate::plan::Tensor| {
            let lengths: Vec<i64> = tensor.shape.iter().map(Length::number).collect();
            let format = own(tensor.element).described(player::release());
            json!({ "Name": tensor.name, "Dimensions": lengths, "Format/Datatype": format })
        };
        of_kind.map(describe).collect()
    }

    fn engine(&self) -> Value {
        let layers: Vec<Value> = self.plan.layers.iter().map(|layer| self.layer(layer)).collect();
        let names: Vec<&str> =
            self.plan.tensors.iter().map(|tensor| tensor.name.as_str()).collect();
        json!({ "Layers": layers, "Bindings": names })
    }

    fn keep(&mut self, value: &Value, format: i32) -> *const c_char {
        let text = match (value, format) {
            (Value::String(name), format) if format != JSON => name.clone(),
            _ => value.to_string(),
        };
        self.text = c_text(&text);
        self.text.as_ptr()
    }
}

class! {
    Inspector as "VEngineInspector";
    fn getPImpl(this) -> Ref<Inspector> => this.pointer();
    fn setExecutionContext(this, context: Ref<Context>) -> bool => {
        this.state().context = context;
        true
    };
    fn getExecutionContext(this) -> Ref<Context> => this.state().context;
    fn getLayerInformation(this, place: i32, format: i32) -> *const c_char => {
        let mut state = this.state();
        let plan = state.plan.clone();
        let layer = usize::try_from(place).ok().and_then(|place| plan.layers.get(place));
        let Some(layer) = layer else { return ptr::null() };
        let value = state.layer(layer);
        state.keep(&value, format)
    };
    fn getEngineInformation(this, format: i32) -> *const c_char => {
        let mut state = this.state();
        let value = state.engine();
        state.keep(&value, format)
    };
    fn setErrorRecorder(this, _recorder: Callback) -> () => ();
    fn getErrorRecorder(this) -> Callback => Callback::null();
}
