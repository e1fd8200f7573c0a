//! `ICudaEngine`: what an engine takes and gives.

use crate::{
    call::text,
    claims::{Claim, Claims},
    class,
    client::Callback,
    context::Context,
    inspector::Inspector,
    memory::HostMemory,
    network::c_text,
    object::{Object, Owned, Ref},
    plan::{Plan, Tensor},
    player,
};
use std::{
    ffi::{CString, c_char},
    ptr,
    sync::Arc,
};
use trtbench_double_script::Text;

/// An engine.
#[derive(Debug)]
pub struct Engine {
    pub plan: Arc<Plan>,
    name: CString,
    /// Of the tensors.
    names: Vec<CString>,
    _runtime: Arc<()>,
    /// Shared with its contexts.
    claims: Arc<Claims>,
}

impl Engine {
    /// An engine of a runtime.
    pub fn new(plan: Plan, runtime: Arc<()>) -> Self {
        Self {
            name: c_text(&plan.name),
            names: plan.tensors.iter().map(|tensor| c_text(&tensor.name)).collect(),
            claims: Claims::new(plan.sharing),
            plan: Arc::new(plan),
            _runtime: runtime,
        }
    }

    fn tensor(&self, name: Text) -> Option<&Tensor> {
        self.plan.tensor(text(name)?)
    }

    fn profile_shape(&self, name: Text, profile: i32, selector: i32) -> Option<&[i64]> {
        let profile = self.plan.profiles.get(usize::try_from(profile).ok()?)?;
        let range = profile.get(text(name)?)?;
        range.get(usize::try_from(selector).ok()?).map(Vec::as_slice)
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if Arc::strong_count(&self.claims) > 1 {
            player::unexpected("an engine was destroyed before its contexts");
        }
    }
}

/// `ExecutionContextAllocationStrategy::kUSER_MANAGED`.
const USER_MANAGED: i32 = 2;

/// Makes a context, with memory of its own unless the client brings some.
fn create_context(this: &Object<Engine>, strategy: i32) -> Ref<Context> {
    let (plan, claim) = {
        let engine = this.state();
        (engine.plan.clone(), Claim::new(&engine.claims))
    };
    match Context::new(this.pointer(), plan, claim, strategy != USER_MANAGED) {
        Ok(context) => Owned::new(this.logger, context).hand_over(),
        Err(code) => {
            this.logger.error(&format!("ICudaEngine::createExecutionContext: {code}"));
            Ref::null()
        }
    }
}

class! {
    Engine as "VCudaEngine";
    fn getPImpl(this) -> Ref<Engine> => this.pointer();
    fn getNbLayers(this) -> i32 => i32::try_from(this.state().plan.layers.len()).unwrap_or(0);
    fn serialize(this) -> Ref<HostMemory> => {
        let bytes = this.state().plan.write(player::release());
        HostMemory::give(this.logger, bytes)
    };
    fn createExecutionContext(this) -> Ref<Context> => create_context(this, 0);
    fn createExecutionContext(this, strategy: i32) -> Ref<Context> => create_context(this, strategy);
    fn createExecutionContextWithoutDeviceMemory(this) -> Ref<Context> => {
        create_context(this, USER_MANAGED)
    };
    fn getDeviceMemorySize(this) -> usize => {
        usize::try_from(this.state().plan.device_bytes).unwrap_or(0)
    };
    fn getDeviceMemorySizeV2(this) -> i64 => this.state().plan.device_bytes.cast_signed();
    fn getDeviceMemorySizeForProfile(this, _profile: i32) -> usize => {
        usize::try_from(this.state().plan.device_bytes).unwrap_or(0)
    };
    fn getDeviceMemorySizeForProfileV2(this, _profile: i32) -> i64 => {
        this.state().plan.device_bytes.cast_signed()
    };
    fn isRefittable(this) -> bool => false;
    fn getName(this) -> *const c_char => this.state().name.as_ptr();
    fn getNbOptimizationProfiles(this) -> i32 => {
        i32::try_from(this.state().plan.profiles.len()).unwrap_or(0)
    };
    fn getEngineCapability(this) -> i32 => 0;
    fn setErrorRecorder(this, _recorder: Callback) -> () => ();
    fn getErrorRecorder(this) -> Callback => Callback::null();
    fn hasImplicitBatchDimension(this) -> bool => false;
    fn getTacticSources(this) -> u32 => 24;
    fn getProfilingVerbosity(this) -> i32 => this.state().plan.verbosity;
    fn createEngineInspector(this) -> Ref<Inspector> => {
        let plan = this.state().plan.clone();
        Owned::new(this.logger, Inspector::new(plan)).hand_over()
    };
    fn getTensorShape[D](this, name: Text) -> D => {
        let state = this.state();
        let lengths = state.tensor(name).map(|tensor| &tensor.shape);
        let lengths = lengths.map(|lengths| lengths.iter().map(crate::onnx::Length::number));
        D::new(lengths.map(Iterator::collect::<Vec<i64>>).as_deref())
    };
    fn getTensorDataType(this, name: Text) -> i32 => {
        this.state().tensor(name).map_or(0, |tensor| tensor.element.0)
    };
    // On the card.
    fn getTensorLocation(this, _name: Text) -> i32 => 0;
    fn isShapeInferenceIO(this, _name: Text) -> bool => false;
    fn getTensorIOMode(this, name: Text) -> i32 => {
        this.state().tensor(name).map_or(0, |tensor| if tensor.input { 1 } else { 2 })
    };
    fn getTensorBytesPerComponent(this, name: Text) -> i32 => {
        this.state().tensor(name).map_or(-1, |tensor| i32::try_from(tensor.element.bytes()).unwrap_or(-1))
    };
    fn getTensorComponentsPerElement(this, name: Text) -> i32 => {
        if this.state().tensor(name).is_some() { 1 } else { -1 }
    };
    // Not in vectors.
    fn getTensorFormat(this, _name: Text) -> i32 => 0;
    fn getTensorFormatDesc(this, _name: Text) -> *const c_char => c"Row major linear format (kLINEAR)".as_ptr();
    fn getTensorVectorizedDim(this, _name: Text) -> i32 => -1;
    fn getProfileShape[D](this, name: Text, profile: i32, selector: i32) -> D => {
        D::new(this.state().profile_shape(name, profile, selector))
    };
    fn getNbIOTensors(this) -> i32 => i32::try_from(this.state().names.len()).unwrap_or(0);
    fn getIOTensorName(this, place: i32) -> *const c_char => {
        let state = this.state();
        let name = usize::try_from(place).ok().and_then(|place| state.names.get(place));
        name.map_or(ptr::null(), |name| name.as_ptr())
    };
    fn getHardwareCompatibilityLevel(this) -> i32 => 0;
    fn getNbAuxStreams(this) -> i32 => 0;
}
