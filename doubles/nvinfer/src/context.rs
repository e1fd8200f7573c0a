//! `IExecutionContext`: shapes, addresses and settings of runs. The run itself is in `execute.rs`.

use crate::{
    call::text,
    claims::Claim,
    class,
    client::Callback,
    driver::{Answer, Kernels, Memory},
    engine::Engine,
    execute,
    network::c_text,
    object::{Object, Ref},
    onnx::Length,
    plan::{Layer, Plan, Tensor},
};
use std::{
    collections::BTreeMap,
    ffi::{CString, c_char, c_void},
    sync::Arc,
};
use trtbench_double_script::Text;

/// Bytes of which the addresses of tensors are multiples.
pub const ALIGNMENT: u64 = 256;

/// A context.
#[derive(Debug)]
pub struct Context {
    engine: Ref<Engine>,
    pub plan: Arc<Plan>,
    name: CString,
    claim: Claim,
    /// Lengths of the dynamic inputs that are set.
    shapes: BTreeMap<String, Vec<i64>>,
    pub addresses: BTreeMap<String, u64>,
    pub allocators: BTreeMap<String, Callback>,
    pub profiler: Callback,
    pub emits_profile: bool,
    /// The stream of the run that is still to be reported to the profiler.
    pub unreported: Option<u64>,
    pub kernels: Arc<Kernels>,
    _memory: Option<Memory>,
}

impl Context {
    /// A context of an engine, on the calling thread's card.
    ///
    /// # Errors
    /// What the driver answers.
    pub fn new(engine: Ref<Engine>, plan: Arc<Plan>, claim: Claim, own: bool) -> Answer<Self> {
        let bytes = Some(plan.device_bytes).filter(|&bytes| own && bytes > 0);
        let names: Vec<String> = (0..plan.layers.len()).map(Layer::kernel).collect();
        Ok(Self {
            engine,
            name: CString::default(),
            claim,
            shapes: BTreeMap::new(),
            addresses: BTreeMap::new(),
            allocators: BTreeMap::new(),
            profiler: Callback::null(),
            emits_profile: true,
            unreported: None,
            _memory: bytes.map(Memory::new).transpose()?,
            kernels: Arc::new(Kernels::new(&names)?),
            plan,
        })
    }

    /// The lengths of a tensor; -1 where it is not set or depends on the data.
    pub fn shape(&self, tensor: &Tensor) -> Vec<i64> {
        if tensor.input {
            let set = self.shapes.get(&tensor.name);
            return set
                .cloned()
                .unwrap_or_else(|| tensor.shape.iter().map(Length::number).collect());
        }
        tensor.shape.iter().enumerate().map(|(place, length)| self.length(place, length)).collect()
    }

    /// A length of an output: that of the inputs' lengths of the same name, or the batch of the
    /// first input where the first is not known.
    fn length(&self, place: usize, length: &Length) -> i64 {
        match length {
            Length::Fixed(length) => *length,
            Length::Named(_) => self
                .inputs()
                .find_map(|input| {
                    let at = input.shape.iter().position(|other| other == length)?;
                    self.shape(input).get(at).copied()
                })
                .unwrap_or(-1),
            Length::Unknown if place == 0 => self
                .inputs()
                .next()
                .and_then(|input| self.shape(input).first().copied())
                .unwrap_or(-1),
            Length::Unknown | Length::Found => -1,
        }
    }

    fn inputs(&self) -> impl Iterator<Item = &Tensor> {
        self.plan.tensors.iter().filter(|tensor| tensor.input)
    }

    /// The number of the profile.
    ///
    /// # Errors
    /// What TensorRT says when none is chosen.
    pub fn profile(&self) -> Result<usize, String> {
        let chosen = self.claim.profile();
        chosen.ok_or_else(|| {
            "Error Code 3: API Usage Error (Parameter check failed, condition: profileIndex >= 0. \
             No optimization profile has been chosen: call setOptimizationProfileAsync() first.)"
                .to_owned()
        })
    }

    /// Names of inputs whose lengths are not all set.
    pub fn unspecified(&self) -> Vec<String> {
        let open = |input: &&Tensor| self.shape(input).contains(&-1);
        self.inputs().filter(open).map(|input| input.name.clone()).collect()
    }

    /// Sets the lengths of an input.
    ///
    /// # Errors
    /// What TensorRT says when they are not allowed.
    fn set_shape(&mut self, name: &str, lengths: Vec<i64>) -> Result<(), String> {
        let input = self.inputs().find(|input| input.name == name).ok_or_else(|| unknown(name))?;
        let known: Vec<i64> = input.shape.iter().map(Length::number).collect();
        let static_fits = known.len() == lengths.len()
            && known.iter().zip(&lengths).all(|(&known, &length)| known < 0 || known == length);
        if !static_fits {
            return Err(format!(
                "Error Code 3: API Usage Error (Parameter check failed, condition: \
                 engineDims.d[i] == dims.d[i]. Static dimension mismatch while setting input \
                 shape for {name}. Set dimensions are {lengths:?}. Expected dimensions are {known:?}.)"
            ));
        }
        let chosen = self.profile()?;
        let range = self.plan.profiles.get(chosen).and_then(|profile| profile.get(name));
        let [least, _, most] = range.ok_or_else(|| unknown(name))?;
        let within = |(place, length): (usize, &i64)| (least[place]..=most[place]).contains(length);
        if !lengths.iter().enumerate().all(within) {
            return Err(format!(
                "Error Code 3: API Usage Error (Parameter check failed, condition: \
                 engineDims.d[i] within the profile. Set dimension {lengths:?} for tensor {name} \
                 does not satisfy any optimization profiles. Valid range for profile {chosen}: \
                 {least:?}..{most:?}.)"
            ));
        }
        self.shapes.insert(name.to_owned(), lengths);
        Ok(())
    }

    fn set_address(&mut self, name: &str, address: u64) -> Result<(), String> {
        self.plan.tensor(name).ok_or_else(|| unknown(name))?;
        aligned(name, address)?;
        self.addresses.insert(name.to_owned(), address);
        Ok(())
    }

    fn set_profile(&mut self, profile: i32) -> Result<(), String> {
        let place = usize::try_from(profile).ok().filter(|&place| place < self.plan.profiles.len());
        let place = place.ok_or_else(|| {
            format!("Error Code 3: API Usage Error (There is no optimization profile {profile}.)")
        })?;
        self.claim.choose(place)?;
        self.shapes.clear();
        Ok(())
    }

    fn max_output_bytes(&self, name: &str) -> Option<u64> {
        let tensor = self.plan.tensor(name).filter(|tensor| !tensor.input)?;
        Some(execute::bytes(tensor, &execute::bound(&self.shape(tensor))))
    }
}

/// What TensorRT takes for a tensor's address: none, or a multiple of [`ALIGNMENT`].
///
/// # Errors
/// What it says of others.
pub fn aligned(name: &str, address: u64) -> Result<(), String> {
    if address.is_multiple_of(ALIGNMENT) {
        return Ok(());
    }
    Err(format!(
        "Error Code 3: API Usage Error (Parameter check failed, condition: the address {address:#x} \
         of tensor {name} is aligned to {ALIGNMENT} bytes.)"
    ))
}

fn unknown(name: &str) -> String {
    format!(
        "Error Code 3: API Usage Error (Given invalid tensor name: {name}. Get valid tensor names \
         with getIOTensorName())"
    )
}

/// Logs an error of a method; whether there was none.
fn done(this: &Object<Context>, method: &str, result: Result<(), String>) -> bool {
    result
        .map_err(|text| this.logger.error(&format!("IExecutionContext::{method}: {text}")))
        .is_ok()
}

class! {
    Context as "VExecutionContext";
    fn getPImpl(this) -> Ref<Context> => this.pointer();
    fn setProfiler(this, profiler: Callback) -> () => this.state().profiler = profiler;
    fn getProfiler(this) -> Callback => this.state().profiler;
    fn getEngine(this) -> Ref<Engine> => this.state().engine;
    fn setName(this, name: Text) -> () => this.state().name = c_text(text(name).unwrap_or_default());
    fn getName(this) -> *const c_char => this.state().name.as_ptr();
    fn setDeviceMemory(this, _memory: *mut c_void) -> () => ();
    fn setDeviceMemoryV2(this, _memory: *mut c_void, _bytes: i64) -> () => ();
    fn getOptimizationProfile(this) -> i32 => {
        this.state().profile().map_or(-1, |profile| i32::try_from(profile).unwrap_or(-1))
    };
    fn setOptimizationProfileAsync(this, profile: i32, _stream: *mut c_void) -> bool => {
        let result = this.state().set_profile(profile);
        done(this, "setOptimizationProfileAsync", result)
    };
    fn allInputDimensionsSpecified(this) -> bool => this.state().unspecified().is_empty();
    fn allInputShapesSpecified(this) -> bool => true;
    fn setErrorRecorder(this, _recorder: Callback) -> () => ();
    fn getErrorRecorder(this) -> Callback => Callback::null();
    fn setEnqueueEmitsProfile(this, on: bool) -> () => this.state().emits_profile = on;
    fn getEnqueueEmitsProfile(this) -> bool => this.state().emits_profile;
    fn reportToProfiler(this) -> bool => execute::report(this);
    fn setInputShape[D](this, name: Text, lengths: &D) -> bool => {
        let Some(name) = text(name) else { return false };
        let result = this.state().set_shape(name, lengths.lengths());
        done(this, "setInputShape", result)
    };
    fn getTensorShape[D](this, name: Text) -> D => {
        let state = this.state();
        let tensor = text(name).and_then(|name| state.plan.tensor(name));
        D::new(tensor.map(|tensor| state.shape(tensor)).as_deref())
    };
    fn getTensorStrides[D](this, name: Text) -> D => {
        let state = this.state();
        let tensor = text(name).and_then(|name| state.plan.tensor(name));
        D::new(tensor.map(|tensor| execute::strides(&state.shape(tensor))).as_deref())
    };
    fn setTensorAddress(this, name: Text, address: *mut c_void) -> bool => {
        let Some(name) = text(name) else { return false };
        let result = this.state().set_address(name, address.expose_provenance() as u64);
        done(this, "setTensorAddress", result)
    };
    fn setInputTensorAddress(this, name: Text, address: *mut c_void) -> bool => {
        let Some(name) = text(name) else { return false };
        let result = this.state().set_address(name, address.expose_provenance() as u64);
        done(this, "setInputTensorAddress", result)
    };
    fn setOutputTensorAddress(this, name: Text, address: *mut c_void) -> bool => {
        let Some(name) = text(name) else { return false };
        let result = this.state().set_address(name, address.expose_provenance() as u64);
        done(this, "setOutputTensorAddress", result)
    };
    fn getTensorAddress(this, name: Text) -> u64 => {
        text(name).and_then(|name| this.state().addresses.get(name).copied()).unwrap_or(0)
    };
    fn getOutputTensorAddress(this, name: Text) -> u64 => {
        text(name).and_then(|name| this.state().addresses.get(name).copied()).unwrap_or(0)
    };
    fn inferShapes(this, most: i32, names: *mut *const c_char) -> i32 => {
        let _ = (most, names);
        i32::try_from(this.state().unspecified().len()).unwrap_or(i32::MAX)
    };
    fn setOutputAllocator(this, name: Text, allocator: Callback) -> bool => {
        let Some(name) = text(name) else { return false };
        match allocator.given() {
            Some(given) => this.state().allocators.insert(name.to_owned(), given),
            None => this.state().allocators.remove(name),
        };
        true
    };
    fn getOutputAllocator(this, name: Text) -> Callback => {
        let found = text(name).and_then(|name| this.state().allocators.get(name).copied());
        found.unwrap_or(Callback::null())
    };
    fn getMaxOutputSize(this, name: Text) -> i64 => {
        let most = text(name).and_then(|name| this.state().max_output_bytes(name));
        most.map_or(-1, u64::cast_signed)
    };
    fn enqueueV3(this, stream: *mut c_void) -> bool => {
        let result = execute::enqueue(this, stream.expose_provenance() as u64);
        done(this, "enqueueV3", result)
    };
    fn setNvtxVerbosity(this, _verbosity: i32) -> bool => true;
    fn getNvtxVerbosity(this) -> i32 => this.state().plan.verbosity;
    fn setPersistentCacheLimit(this, _bytes: usize) -> () => ();
    fn getPersistentCacheLimit(this) -> usize => 0;
    fn setDebugSync(this, _on: bool) -> () => ();
    fn getDebugSync(this) -> bool => false;
}
