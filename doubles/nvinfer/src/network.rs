//! `INetworkDefinition` with its tensors and layers: what the parser has put into it. Networks are
//! not put together by hand.

use crate::{
    builder::Builder,
    call::{enter, text},
    class,
    client::{Callback, Logger},
    dims::Dims,
    element::Element,
    object::{Owned, Ref},
    onnx::{Length, Model, Value},
    player,
};
use std::ffi::{CString, c_char, c_void};
use trtbench_double_script::Text;

/// A network.
#[derive(Debug)]
pub struct Network {
    builder: Ref<Builder>,
    flags: u32,
    name: CString,
    /// What was parsed.
    pub model: Model,
    inputs: Vec<Owned<Tensor>>,
    outputs: Vec<Owned<Tensor>>,
    layers: Vec<Owned<Layer>>,
}

/// A tensor of a network.
#[derive(Debug)]
pub struct Tensor {
    name: CString,
    element: Element,
    shape: Vec<i64>,
    input: bool,
    formats: u32,
}

/// A layer of a network.
#[derive(Debug)]
pub struct Layer {
    name: CString,
}

impl Network {
    /// An empty one.
    pub fn new(builder: Ref<Builder>, flags: u32) -> Self {
        Self {
            builder,
            flags,
            name: c"Unnamed Network 0".to_owned(),
            model: Model::default(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            layers: Vec::new(),
        }
    }

    /// Whether types are those of the graph, whatever the builder's flags say.
    pub fn is_strongly_typed(&self) -> bool {
        const STRONGLY_TYPED: u32 = 1 << 1;
        let major = player::release().major;
        major >= 11 || major == 10 && self.flags & STRONGLY_TYPED != 0
    }

    /// Its name.
    pub fn name(&self) -> String {
        self.name.to_string_lossy().into_owned()
    }

    /// Makes the tensors and layers of what was parsed, the first time that they are asked for: a
    /// parser may be in another library than its network.
    fn make(&mut self, logger: Logger) {
        if !self.layers.is_empty() {
            return;
        }
        let tensor = |value: &Value, input| Owned::new(logger, Tensor::new(value, input));
        self.inputs = self.model.inputs.iter().map(|value| tensor(value, true)).collect();
        self.outputs = self.model.outputs.iter().map(|value| tensor(value, false)).collect();
        let named = self.model.nodes.iter().map(|node| Layer { name: c_text(&node.name) });
        self.layers = named.map(|layer| Owned::new(logger, layer)).collect();
    }

    /// The lengths of an input, as the client may have changed them.
    pub fn input_shape(&self, place: usize) -> Vec<Length> {
        let parsed = self.model.inputs[place].shape.clone().unwrap_or_default();
        let Some(tensor) = self.inputs.get(place) else { return parsed };
        let changed = tensor.state().shape.clone();
        let merge = |(place, &length): (usize, &i64)| match parsed.get(place) {
            Some(parsed) if parsed.number() == length => parsed.clone(),
            _ if length < 0 => Length::Unknown,
            _ => Length::Fixed(length),
        };
        changed.iter().enumerate().map(merge).collect()
    }
}

impl Tensor {
    fn new(value: &Value, input: bool) -> Self {
        let shape = value.shape.as_deref().unwrap_or(&[Length::Unknown]);
        Self {
            name: c_text(&value.name),
            element: Element::from_onnx(value.element, player::release()).unwrap_or(Element::FLOAT),
            shape: shape.iter().map(Length::number).collect(),
            input,
            formats: 1,
        }
    }
}

/// A text as clients read it.
pub fn c_text(text: &str) -> CString {
    CString::new(text).unwrap_or_default()
}

fn count<T>(list: &[T]) -> i32 {
    i32::try_from(list.len()).unwrap_or(i32::MAX)
}

fn at<T: crate::object::Class>(list: &[Owned<T>], place: i32) -> Ref<T> {
    let found = usize::try_from(place).ok().and_then(|place| list.get(place));
    found.map_or_else(Ref::null, |object| object.pointer())
}

/// What headers declare virtual in `INetworkDefinition`.
fn public(_major: u32) -> Vec<*const c_void> {
    vec![builder as *const c_void]
}

extern "C" fn builder(this: Ref<Network>) -> Ref<Builder> {
    let made = this.object().filter(|object| enter(object, "getBuilder", &Vec::new));
    made.map_or_else(Ref::null, |object| object.state().builder)
}

class! {
    Network as "VNetworkDefinition" with public;
    fn getNbInputs(this) -> i32 => {
        this.state().make(this.logger);
        count(&this.state().inputs)
    };
    fn getInput(this, place: i32) -> Ref<Tensor> => {
        this.state().make(this.logger);
        at(&this.state().inputs, place)
    };
    fn getNbOutputs(this) -> i32 => {
        this.state().make(this.logger);
        count(&this.state().outputs)
    };
    fn getOutput(this, place: i32) -> Ref<Tensor> => {
        this.state().make(this.logger);
        at(&this.state().outputs, place)
    };
    fn getNbLayers(this) -> i32 => {
        this.state().make(this.logger);
        count(&this.state().layers)
    };
    fn getLayer(this, place: i32) -> Ref<Layer> => {
        this.state().make(this.logger);
        at(&this.state().layers, place)
    };
    fn setName(this, name: Text) -> () => this.state().name = c_text(text(name).unwrap_or_default());
    fn getName(this) -> *const c_char => this.state().name.as_ptr();
    fn hasImplicitBatchDimension(this) -> bool => false;
    fn getBuilder(this) -> Ref<Builder> => this.state().builder;
    fn getFlags(this) -> u32 => this.state().flags;
    fn getFlag(this, flag: i32) -> bool => this.state().flags >> flag.clamp(0, 31) & 1 == 1;
    fn setErrorRecorder(this, _recorder: Callback) -> () => ();
    fn getErrorRecorder(this) -> Callback => Callback::null();
}

class! {
    Tensor as "VTensor" { OWNED_BY_CLIENT = false; };
    fn setName(this, name: Text) -> () => this.state().name = c_text(text(name).unwrap_or_default());
    fn getName(this) -> *const c_char => this.state().name.as_ptr();
    fn setDimensions[D](this, lengths: <D as Dims>::Given) -> () => {
        this.state().shape = D::given(lengths)
    };
    fn getDimensions[D](this) -> D => D::new(Some(&this.state().shape));
    fn setType(this, element: i32) -> () => this.state().element = Element(element);
    fn getType(this) -> i32 => this.state().element.0;
    fn isNetworkInput(this) -> bool => this.state().input;
    fn isNetworkOutput(this) -> bool => !this.state().input;
    // On the card.
    fn getLocation(this) -> i32 => 0;
    fn setAllowedFormats(this, formats: u32) -> () => this.state().formats = formats;
    fn getAllowedFormats(this) -> u32 => this.state().formats;
    fn isShapeTensor(this) -> bool => false;
    fn isExecutionTensor(this) -> bool => true;
}

class! {
    Layer as "VLayer" { OWNED_BY_CLIENT = false; };
    fn setName(this, name: Text) -> () => this.state().name = c_text(text(name).unwrap_or_default());
    fn getName(this) -> *const c_char => this.state().name.as_ptr();
}
