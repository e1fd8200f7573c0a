//! A run of a context: its layers' kernels and what fills its outputs, in the client's stream.

use crate::{
    client::{OutputAllocator, Profiler},
    context::{Context, aligned},
    driver::{self, Answer},
    object::Object,
    onnx::Length,
    plan::{Layer, Plan, Tensor},
    player,
};

/// The most that a length which depends on the data can be.
const MOST_FOUND: i64 = 1000;

/// An output of a run.
struct Output {
    name: String,
    shape: Vec<i64>,
    bytes: u64,
    most_bytes: u64,
    address: u64,
    allocator: Option<OutputAllocator>,
    /// What its first element is; the others are zero.
    first: u8,
}

/// Submits a run.
///
/// # Errors
/// What TensorRT says when something is missing or the driver fails.
pub fn enqueue(this: &Object<Context>, stream: u64) -> Result<(), String> {
    let (outputs, kernels) = {
        let state = this.state();
        check(&state)?;
        (outputs(&state)?, state.kernels.clone())
    };
    kernels.launch(stream).map_err(|code| code.to_string())?;
    for output in outputs {
        let address = place(this, &output, stream)?;
        fill(address, &output, stream).map_err(|code| code.to_string())?;
    }
    let emits = {
        let mut state = this.state();
        state.unreported = Some(stream);
        state.profiler.given().is_some() && state.emits_profile
    };
    if emits && !report(this) {
        return Err("Error Code 1: Cuda Runtime (the stream could not be waited for)".to_owned());
    }
    Ok(())
}

/// Fills an output on the card.
fn fill(address: u64, output: &Output, stream: u64) -> Answer<()> {
    driver::fill(address, 0, output.bytes, stream)?;
    if output.first == 0 { Ok(()) } else { driver::fill(address, output.first, 1, stream) }
}

/// Waits for the last run and tells the client's profiler how long each layer took.
pub fn report(this: &Object<Context>) -> bool {
    let (profiler, stream, plan) = {
        let mut state = this.state();
        (state.profiler.given(), state.unreported.take(), state.plan.clone())
    };
    let (Some(profiler), Some(stream)) = (profiler.map(Profiler), stream) else { return false };
    if driver::synchronise(stream).is_err() {
        return false;
    }
    for (number, layer) in plan.layers.iter().enumerate() {
        profiler.layer(&layer.name, milliseconds(number));
    }
    true
}

/// How long the script lets a layer take.
#[allow(clippy::cast_precision_loss, reason = "TensorRT reports single precision")]
fn milliseconds(layer: usize) -> f32 {
    let ns = driver::card().map_or(0, |card| card.timing.kernel(&Layer::kernel(layer)));
    (ns as f64 / 1e6) as f32
}

/// Whether all inputs have shapes and addresses.
fn check(state: &Context) -> Result<(), String> {
    let usage = |text: String| Err(format!("Error Code 3: API Usage Error ({text})"));
    state.profile()?;
    if let Some(name) = state.unspecified().first() {
        return usage(format!("Input shapes are not specified for tensor {name}."));
    }
    let bound =
        |tensor: &&Tensor| state.addresses.get(&tensor.name).is_some_and(|&place| place != 0);
    let inputs =
        |plan: &Plan| plan.tensors.iter().find(|tensor| tensor.input && !bound(tensor)).cloned();
    match inputs(&state.plan) {
        Some(input) => usage(format!(
            "Address is not set for input tensor {}. Call setInputTensorAddress or \
             setTensorAddress before enqueue/execute.",
            input.name
        )),
        None => Ok(()),
    }
}

/// What the run gives.
fn outputs(state: &Context) -> Result<Vec<Output>, String> {
    let outputs = state.plan.tensors.iter().filter(|tensor| !tensor.input);
    outputs.map(|tensor| output(state, tensor)).collect()
}

fn output(state: &Context, tensor: &Tensor) -> Result<Output, String> {
    let name = &tensor.name;
    let known = state.shape(tensor);
    let allocator = state.allocators.get(name).copied().map(OutputAllocator);
    let address = state.addresses.get(name).copied().unwrap_or(0);
    if allocator.is_none() && (address == 0 || known.contains(&-1)) {
        return Err(format!(
            "Error Code 3: API Usage Error (Neither address or allocator is set for output tensor \
             {name}. Call setOutputTensorAddress, setTensorAddress or setOutputAllocator before \
             enqueue/execute.)"
        ));
    }
    let found = player::script().map_or(0, |script| script.found);
    let shape: Vec<i64> =
        known.iter().map(|&length| if length < 0 { found.into() } else { length }).collect();
    let counts = tensor.element.is_count() && !known.contains(&-1) && finds(&state.plan);
    Ok(Output {
        name: name.clone(),
        bytes: bytes(tensor, &shape),
        most_bytes: bytes(tensor, &bound(&known)),
        shape,
        address,
        allocator,
        first: if counts { found } else { 0 },
    })
}

/// Whether an engine has outputs whose shapes depend on what it is given.
fn finds(plan: &Plan) -> bool {
    plan.tensors.iter().any(|tensor| tensor.shape.contains(&Length::Found))
}

/// Where an output goes: the client's allocator is asked first.
fn place(this: &Object<Context>, output: &Output, stream: u64) -> Result<u64, String> {
    let Some(allocator) = output.allocator else { return Ok(output.address) };
    let address = allocator.reallocate(&output.name, output.address, output.most_bytes, stream);
    if address == 0 {
        return Err(format!(
            "Error Code 2: OutOfMemory (The allocator of output {} has no {} bytes.)",
            output.name, output.most_bytes
        ));
    }
    aligned(&output.name, address)?;
    this.state().addresses.insert(output.name.clone(), address);
    allocator.notify(&output.name, &output.shape);
    Ok(address)
}

/// The most that lengths can be.
pub fn bound(shape: &[i64]) -> Vec<i64> {
    shape.iter().map(|&length| if length < 0 { MOST_FOUND } else { length }).collect()
}

/// Bytes of a tensor; one at least.
pub fn bytes(tensor: &Tensor, shape: &[i64]) -> u64 {
    let elements: u64 = shape.iter().map(|&length| u64::try_from(length).unwrap_or(0)).product();
    (elements * tensor.element.bytes()).max(1)
}

/// Elements from one to the next along each axis.
pub fn strides(shape: &[i64]) -> Vec<i64> {
    (1..=shape.len()).map(|axis| shape[axis..].iter().product()).collect()
}
