//! `nvonnxparser::IParser` and its errors: reads a model into a network. Operators of a domain that
//! is not ONNX's are unknown to it; what TensorRT's parser makes of the others is not played.

use crate::{
    call::{bytes, text},
    class,
    network::{Network, c_text},
    object::{Object, Owned, Ref},
    onnx::Model,
};
use std::{
    ffi::{CString, c_char, c_void},
    fs, ptr,
};
use trtbench_double_script::Text;

/// A parser.
#[derive(Debug)]
pub struct Parser {
    network: Ref<Network>,
    flags: u32,
    errors: Vec<Owned<ParserError>>,
}

/// What is wrong with a model.
#[derive(Debug, Default)]
pub struct ParserError {
    /// An `ErrorCode`.
    code: i32,
    text: CString,
    /// Number, name and operator of the node; -1 and empty for none.
    node: i32,
    node_name: CString,
    operator: CString,
}

const NOT_DESERIALISED: i32 = 3;
const INVALID_GRAPH: i32 = 5;
const UNSUPPORTED_NODE: i32 = 8;

impl Parser {
    /// A parser for a network.
    pub fn new(network: Ref<Network>) -> Self {
        Self { network, flags: 0, errors: Vec::new() }
    }
}

impl ParserError {
    fn new(code: i32, text: &str) -> Self {
        Self { code, text: c_text(text), node: -1, ..Self::default() }
    }
}

/// Reads a model from bytes.
fn read(bytes: &[u8]) -> Result<Model, ParserError> {
    let model = Model::read(bytes);
    let model = model
        .ok_or_else(|| ParserError::new(NOT_DESERIALISED, "Failed to parse the ONNX model."))?;
    if model.nodes.is_empty() {
        return Err(ParserError::new(INVALID_GRAPH, "The graph has no nodes."));
    }
    let known = |domain: &str| ["", "ai.onnx"].contains(&domain);
    let unknown = model.nodes.iter().position(|node| !known(&node.domain));
    unknown.map_or(Ok(()), |place| {
        let node = &model.nodes[place];
        let text = format!(
            "In node {place} with name: {} and operator: {} (importFallbackPluginImporter): \
             UNSUPPORTED_NODE: Assertion failed: creator && \"Plugin not found, are the plugin \
             name, version, and namespace correct?\"",
            node.name, node.operator
        );
        Err(ParserError {
            node: i32::try_from(place).unwrap_or(i32::MAX),
            node_name: c_text(&node.name),
            operator: c_text(&node.operator),
            ..ParserError::new(UNSUPPORTED_NODE, &text)
        })
    })?;
    Ok(model)
}

/// Parses bytes into the parser's network; false with an error that the client can ask for.
fn parse_bytes(this: &Object<Parser>, bytes: &[u8]) -> bool {
    match read(bytes) {
        Ok(model) => {
            let network = this.state().network;
            if let Some(network) = network.object() {
                network.state().model = model;
            }
            true
        }
        Err(error) => {
            this.logger.error(&error.text.to_string_lossy());
            let error = Owned::new(this.logger, error);
            this.state().errors.push(error);
            false
        }
    }
}

fn parse_file(this: &Object<Parser>, path: &str) -> bool {
    match fs::read(path) {
        Ok(bytes) => {
            let parsed = parse_bytes(this, &bytes);
            if !parsed {
                this.logger.error(&format!("Failed to parse ONNX model from file: {path}"));
            }
            parsed
        }
        Err(_) => {
            this.logger.error(&format!("Could not open file {path}"));
            let error = ParserError::new(NOT_DESERIALISED, &format!("Could not open file {path}"));
            let error = Owned::new(this.logger, error);
            this.state().errors.push(error);
            false
        }
    }
}

class! {
    Parser as "IParser" { PLAIN = true; };
    fn parse(this, data: *mut c_void, size: usize, _path: Text) -> bool => {
        bytes(data, size).is_some_and(|bytes| parse_bytes(this, bytes))
    };
    fn parseFromFile(this, path: Text, _verbosity: i32) -> bool => {
        text(path).is_some_and(|path| parse_file(this, path))
    };
    fn supportsOperator(this, _name: Text) -> bool => true;
    fn destroy(this) -> () => crate::object::destroy(this.pointer());
    fn getNbErrors(this) -> i32 => i32::try_from(this.state().errors.len()).unwrap_or(0);
    fn getError(this, place: i32) -> Ref<ParserError> => {
        let state = this.state();
        let error = usize::try_from(place).ok().and_then(|place| state.errors.get(place));
        error.map_or_else(Ref::null, |error| error.pointer())
    };
    fn clearErrors(this) -> () => this.state().errors.clear();
    fn getUsedVCPluginLibraries(this, count: &mut i64) -> *mut c_void => {
        *count = 0;
        ptr::null_mut()
    };
    fn setFlags(this, flags: u32) -> () => this.state().flags = flags;
    fn getFlags(this) -> u32 => this.state().flags;
    fn setFlag(this, flag: i32) -> () => this.state().flags |= 1 << flag.clamp(0, 31);
    fn clearFlag(this, flag: i32) -> () => this.state().flags &= !(1 << flag.clamp(0, 31));
    fn getFlag(this, flag: i32) -> bool => this.state().flags >> flag.clamp(0, 31) & 1 == 1;
}

class! {
    ParserError as "IParserError" { PLAIN = true; OWNED_BY_CLIENT = false; };
    fn code(this) -> i32 => this.state().code;
    fn desc(this) -> *const c_char => this.state().text.as_ptr();
    fn file(this) -> *const c_char => c"ModelImporter.cpp".as_ptr();
    fn line(this) -> i32 => 1;
    fn func(this) -> *const c_char => c"parse".as_ptr();
    fn node(this) -> i32 => this.state().node;
    fn nodeName(this) -> *const c_char => this.state().node_name.as_ptr();
    fn nodeOperator(this) -> *const c_char => this.state().operator.as_ptr();
    fn localFunctionStack(this) -> *mut c_void => ptr::null_mut();
    fn localFunctionStackSize(this) -> i32 => 0;
}
