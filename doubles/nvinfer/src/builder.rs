//! `IBuilder`: makes networks, configurations and profiles, and has engines built.

use crate::{
    build::{self, Job},
    class,
    client::Callback,
    config::Config,
    memory::HostMemory,
    network::Network,
    object::{Object, Owned, Ref},
    player,
    profile::Profile,
};
use std::ffi::c_void;

/// A builder.
#[derive(Debug, Default)]
pub struct Builder {
    /// They stay until the builder goes.
    profiles: Vec<Owned<Profile>>,
    threads: i32,
}

/// Builds an engine, or logs why there is none.
fn build(this: &Object<Builder>, network: Ref<Network>, config: Ref<Config>) -> Option<Vec<u8>> {
    let (network, config) = (network.object()?, config.object()?);
    let plan = Job { network, config, logger: this.logger }.run();
    match plan {
        Ok(plan) => Some(plan.write(player::release())),
        Err(build::Failure::Cancelled) => {
            this.logger.info("The build was cancelled by the progress monitor.");
            None
        }
        Err(build::Failure::Error(text)) => {
            this.logger.error(&format!("IBuilder::buildSerializedNetwork: {text}"));
            None
        }
    }
}

class! {
    Builder as "VBuilder";
    fn platformHasFastFp16(this) -> bool => build::has_fast_fp16();
    fn platformHasFastInt8(this) -> bool => build::has_fast_int8();
    fn platformHasTf32(this) -> bool => build::has_tf32();
    fn getMaxDLABatchSize(this) -> i32 => 0;
    fn getNbDLACores(this) -> i32 => 0;
    fn setGpuAllocator(this, _allocator: *mut c_void) -> () => ();
    fn createBuilderConfig(this) -> Ref<Config> => {
        Owned::new(this.logger, Config::new()).hand_over()
    };
    fn createNetworkV2(this, flags: u32) -> Ref<Network> => {
        Owned::new(this.logger, Network::new(this.pointer(), flags)).hand_over()
    };
    fn createOptimizationProfile(this) -> Ref<Profile> => {
        let profile = Owned::new(this.logger, Profile::default());
        let pointer = profile.pointer();
        this.state().profiles.push(profile);
        pointer
    };
    fn setErrorRecorder(this, _recorder: Callback) -> () => ();
    fn getErrorRecorder(this) -> Callback => Callback::null();
    fn reset(this) -> () => ();
    fn buildSerializedNetwork(
        this,
        network: Ref<Network>,
        config: Ref<Config>,
    ) -> Ref<HostMemory> => {
        let plan = build(this, network, config);
        plan.map_or_else(Ref::null, |plan| HostMemory::give(this.logger, plan))
    };
    fn isNetworkSupported(this, _network: Ref<Network>, _config: Ref<Config>) -> bool => true;
    fn getLogger(this) -> Callback => this.logger.0;
    fn setMaxThreads(this, count: i32) -> bool => {
        this.state().threads = count;
        count > 0
    };
    fn getMaxThreads(this) -> i32 => this.state().threads.max(1);
}
