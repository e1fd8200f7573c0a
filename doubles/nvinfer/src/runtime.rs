//! `IRuntime`: reads engines.

use crate::{
    call::bytes,
    class,
    client::Callback,
    driver,
    engine::Engine,
    object::{Object, Owned, Ref},
    plan::Plan,
    player,
};
use std::{ffi::c_void, sync::Arc};

/// A runtime.
#[derive(Debug, Default)]
pub struct Runtime {
    /// Shared with its engines.
    users: Arc<()>,
    threads: i32,
    host_code: bool,
}

impl Drop for Runtime {
    fn drop(&mut self) {
        if Arc::strong_count(&self.users) > 1 {
            player::unexpected("a runtime was destroyed before its engines");
        }
    }
}

/// Reads an engine, or logs why it is refused.
fn read(this: &Object<Runtime>, data: *mut c_void, size: usize) -> Ref<Engine> {
    let Some(bytes) = bytes(data, size) else { return Ref::null() };
    let card = driver::compute_capability().map_err(|code| code.to_string());
    let plan = card.and_then(|card| Plan::read(bytes, player::release(), card));
    match plan {
        Ok(plan) => {
            let card = driver::card().map_or("", |card| card.name.as_str());
            plan.warning(card).into_iter().for_each(|words| this.logger.warning(words));
            let users = this.state().users.clone();
            Owned::new(this.logger, Engine::new(plan, users)).hand_over()
        }
        Err(text) => {
            this.logger.error(&format!("IRuntime::deserializeCudaEngine: {text}"));
            this.logger.error(
                "IRuntime::deserializeCudaEngine: Error Code 4: Internal Error (Engine \
                 deserialization failed.)",
            );
            Ref::null()
        }
    }
}

class! {
    Runtime as "VRuntime";
    fn deserializeCudaEngine(
        this,
        data: *mut c_void,
        size: usize,
        _factory: *mut c_void,
    ) -> Ref<Engine> => read(this, data, size);
    fn deserializeCudaEngine(this, data: *mut c_void, size: usize) -> Ref<Engine> => {
        read(this, data, size)
    };
    fn getPImpl(this) -> Ref<Runtime> => this.pointer();
    fn setDLACore(this, _core: i32) -> () => ();
    fn getDLACore(this) -> i32 => -1;
    fn getNbDLACores(this) -> i32 => 0;
    fn setGpuAllocator(this, _allocator: *mut c_void) -> () => ();
    fn setErrorRecorder(this, _recorder: Callback) -> () => ();
    fn getErrorRecorder(this) -> Callback => Callback::null();
    fn getLogger(this) -> Callback => this.logger.0;
    fn setMaxThreads(this, count: i32) -> bool => {
        this.state().threads = count;
        count > 0
    };
    fn getMaxThreads(this) -> i32 => this.state().threads.max(1);
    fn setEngineHostCodeAllowed(this, allowed: bool) -> () => this.state().host_code = allowed;
    fn getEngineHostCodeAllowed(this) -> bool => this.state().host_code;
}
