//! `IBuilderConfig`: how an engine is to be built. What the settings do is in `build.rs`.

use crate::{
    cache::TimingCache,
    call::{bytes, enter},
    class,
    client::Callback,
    driver,
    object::{Owned, Ref},
    profile::Profile,
};
use std::{collections::BTreeMap, ffi::c_void};

/// `MemoryPoolType::kWORKSPACE`.
pub const WORKSPACE: i32 = 0;

/// A configuration.
#[derive(Debug)]
pub struct Config {
    /// Bits of `BuilderFlag`.
    pub flags: u32,
    /// By name of what is set; the flags are apart.
    settings: BTreeMap<&'static str, i32>,
    /// Bytes by number of the pool.
    pools: BTreeMap<i32, usize>,
    /// The builder's, by place.
    pub profiles: Vec<Ref<Profile>>,
    pub calibrator: Callback,
    pub calibration_profile: Ref<Profile>,
    pub monitor: Callback,
    stream: *mut c_void,
    /// The client's, which builds add to.
    pub cache: Ref<TimingCache>,
}

impl Config {
    /// Nothing set.
    pub fn new() -> Self {
        Self {
            flags: 0,
            settings: BTreeMap::new(),
            pools: BTreeMap::new(),
            profiles: Vec::new(),
            calibrator: Callback::null(),
            calibration_profile: Ref::null(),
            monitor: Callback::null(),
            stream: std::ptr::null_mut(),
            cache: Ref::null(),
        }
    }

    /// Whether a flag is set.
    pub fn flag(&self, flag: i32) -> bool {
        self.flags & bit(flag) != 0
    }

    /// Bytes that a pool may have; all of the card's unless set.
    pub fn pool(&self, pool: i32) -> usize {
        let all = || driver::memory_bytes().unwrap_or(0);
        self.pools.get(&pool).copied().unwrap_or_else(all)
    }

    /// A `ProfilingVerbosity`.
    pub fn verbosity(&self) -> i32 {
        self.setting("verbosity", 0)
    }

    /// Whether a preview feature is on.
    pub fn preview(&self, feature: i32) -> bool {
        self.setting("preview", 0) & bit(feature).cast_signed() != 0
    }

    fn setting(&self, name: &str, default: i32) -> i32 {
        self.settings.get(name).copied().unwrap_or(default)
    }

    fn set(&mut self, name: &'static str, value: i32) {
        self.settings.insert(name, value);
    }

    fn set_flag(&mut self, flag: i32, on: bool) {
        self.flags = if on { self.flags | bit(flag) } else { self.flags & !bit(flag) };
    }

    fn add_profile(&mut self, profile: Ref<Profile>) -> i32 {
        self.profiles.push(profile);
        i32::try_from(self.profiles.len()).map_or(-1, |count| count - 1)
    }
}

fn bit(flag: i32) -> u32 {
    u32::try_from(flag).ok().and_then(|flag| 1_u32.checked_shl(flag)).unwrap_or(0)
}

/// What headers declare virtual in `IBuilderConfig`.
fn public(major: u32) -> Vec<*const c_void> {
    let average = set_average as *const c_void;
    match major {
        ..10 => vec![set_least as *const c_void, least as *const c_void, average],
        _ => vec![average],
    }
}

extern "C" fn set_average(this: Ref<Config>, count: i32) {
    forward(this, "setAvgTimingIterations", &[count], |config| config.set("average", count));
}

extern "C" fn set_least(this: Ref<Config>, count: i32) {
    forward(this, "setMinTimingIterations", &[count], |config| config.set("least", count));
}

extern "C" fn least(this: Ref<Config>) -> i32 {
    forward(this, "getMinTimingIterations", &[], |config| config.setting("least", 1)).unwrap_or(0)
}

/// Makes a call through the public part as if it were one of the object's own.
fn forward<R>(
    this: Ref<Config>,
    name: &str,
    arguments: &[i32],
    work: impl FnOnce(&mut Config) -> R,
) -> Option<R> {
    let object = this.object()?;
    let shown = || arguments.iter().map(i32::to_string).collect();
    enter(object, name, &shown).then(|| work(&mut object.state()))
}

class! {
    Config as "VBuilderConfig" with public;
    fn setAvgTimingIterations(this, count: i32) -> () => this.state().set("average", count);
    fn getAvgTimingIterations(this) -> i32 => this.state().setting("average", 1);
    fn setMinTimingIterations(this, count: i32) -> () => this.state().set("least", count);
    fn getMinTimingIterations(this) -> i32 => this.state().setting("least", 1);
    fn setEngineCapability(this, capability: i32) -> () => this.state().set("capability", capability);
    fn getEngineCapability(this) -> i32 => this.state().setting("capability", 0);
    fn setInt8Calibrator(this, calibrator: Callback) -> () => this.state().calibrator = calibrator;
    fn getInt8Calibrator(this) -> Callback => this.state().calibrator;
    fn setCalibrationProfile(this, profile: Ref<Profile>) -> bool => {
        this.state().calibration_profile = profile;
        true
    };
    fn getCalibrationProfile(this) -> Ref<Profile> => this.state().calibration_profile;
    fn setFlags(this, flags: u32) -> () => this.state().flags = flags;
    fn getFlags(this) -> u32 => this.state().flags;
    fn setFlag(this, flag: i32) -> () => this.state().set_flag(flag, true);
    fn clearFlag(this, flag: i32) -> () => this.state().set_flag(flag, false);
    fn getFlag(this, flag: i32) -> bool => this.state().flag(flag);
    fn setMaxWorkspaceSize(this, bytes: usize) -> () => {
        this.state().pools.insert(WORKSPACE, bytes);
    };
    fn getMaxWorkspaceSize(this) -> usize => this.state().pool(WORKSPACE);
    fn setMemoryPoolLimit(this, pool: i32, bytes: usize) -> () => {
        this.state().pools.insert(pool, bytes);
    };
    fn getMemoryPoolLimit(this, pool: i32) -> usize => this.state().pool(pool);
    fn reset(this) -> () => *this.state() = Config::new();
    fn setProfileStream(this, stream: *mut c_void) -> () => this.state().stream = stream;
    fn getProfileStream(this) -> *mut c_void => this.state().stream;
    fn addOptimizationProfile(this, profile: Ref<Profile>) -> i32 => {
        this.state().add_profile(profile)
    };
    fn getNbOptimizationProfiles(this) -> i32 => {
        i32::try_from(this.state().profiles.len()).unwrap_or(0)
    };
    fn setProfilingVerbosity(this, verbosity: i32) -> () => this.state().set("verbosity", verbosity);
    fn getProfilingVerbosity(this) -> i32 => this.state().verbosity();
    fn setTacticSources(this, sources: u32) -> bool => {
        this.state().set("tactics", i32::try_from(sources).unwrap_or(0));
        true
    };
    fn getTacticSources(this) -> u32 => this.state().setting("tactics", 24).unsigned_abs();
    fn createTimingCache(this, data: *mut c_void, size: usize) -> Ref<TimingCache> => {
        match TimingCache::read(bytes(data, size).unwrap_or_default()) {
            Some(cache) => Owned::new(this.logger, cache).hand_over(),
            None => {
                this.logger.error("Error Code 1: Serialization (Serialization assertion failed: the timing cache cannot be read)");
                Ref::null()
            }
        }
    };
    fn setTimingCache(this, cache: Ref<TimingCache>, ignore_mismatch: bool) -> bool => {
        let Some(given) = cache.object() else { return false };
        let fits = given.state().fits();
        if !fits && !ignore_mismatch {
            this.logger.warning("Skipping timing cache: it was made for another device or another version of TensorRT.");
            return false;
        }
        this.state().cache = cache;
        true
    };
    fn getTimingCache(this) -> Ref<TimingCache> => this.state().cache;
    fn setBuilderOptimizationLevel(this, level: i32) -> () => this.state().set("level", level);
    fn getBuilderOptimizationLevel(this) -> i32 => this.state().setting("level", 3);
    fn setHardwareCompatibilityLevel(this, level: i32) -> () => this.state().set("hardware", level);
    fn getHardwareCompatibilityLevel(this) -> i32 => this.state().setting("hardware", 0);
    fn setPreviewFeature(this, feature: i32, on: bool) -> () => {
        let bits = this.state().setting("preview", 0);
        let bit = bit(feature).cast_signed();
        this.state().set("preview", if on { bits | bit } else { bits & !bit });
    };
    fn getPreviewFeature(this, feature: i32) -> bool => this.state().preview(feature);
    fn setMaxAuxStreams(this, count: i32) -> () => this.state().set("streams", count);
    fn getMaxAuxStreams(this) -> i32 => this.state().setting("streams", -1);
    fn setProgressMonitor(this, monitor: Callback) -> () => this.state().monitor = monitor;
    fn getProgressMonitor(this) -> Callback => this.state().monitor;
    fn setDLACore(this, core: i32) -> () => this.state().set("dla", core);
    fn getDLACore(this) -> i32 => this.state().setting("dla", -1);
    fn setDefaultDeviceType(this, device: i32) -> () => this.state().set("device", device);
    fn getDefaultDeviceType(this) -> i32 => this.state().setting("device", 0);
}
