//! The methods of TensorRT and its parser that are called here, with the types of NVIDIA's headers:
//! NvInfer.h, NvInferRuntime.h, NvInferImpl.h, NvOnnxParser.h. Where they lie is in the tables of slots.
#![allow(unsafe_code)]

use super::super::{
    dims::{Dims, NarrowDims, ReturnedDims},
    object::{Pointer, Text, class},
    slots::Table,
};

/// Methods of all classes of libnvinfer.
#[derive(Clone, Copy, Debug)]
pub struct Classes {
    pub builder: Builder,
    pub config: Config,
    pub network: Network,
    pub tensor: NetworkTensor,
    pub profile: Profile,
    pub cache: TimingCache,
    pub memory: HostMemory,
    pub runtime: Runtime,
    pub engine: Engine,
    pub inspector: Inspector,
    pub context: Context,
}

impl Classes {
    /// Looks all slots up.
    ///
    /// # Errors
    /// The name of one that is missing.
    pub fn find(table: &Table) -> Result<Self, String> {
        Ok(Self {
            builder: Builder::find(table)?,
            config: Config::find(table)?,
            network: Network::find(table)?,
            tensor: NetworkTensor::find(table)?,
            profile: Profile::find(table)?,
            cache: TimingCache::find(table)?,
            memory: HostMemory::find(table)?,
            runtime: Runtime::find(table)?,
            engine: Engine::find(table)?,
            inspector: Inspector::find(table)?,
            context: Context::find(table)?,
        })
    }
}

class! {
    /// `IBuilder`.
    Builder = "VBuilder", Behind
    always {
        create_network = "createNetworkV2"(flags: u32) -> Pointer;
        create_config = "createBuilderConfig"() -> Pointer;
        create_profile = "createOptimizationProfile"() -> Pointer;
        build = "buildSerializedNetwork"(network: Pointer, config: Pointer) -> Pointer;
    }
    sometimes {}
}

class! {
    /// `IBuilderConfig`.
    Config = "VBuilderConfig", Behind
    always {
        flags = "getFlags"() -> u32;
        set_flags = "setFlags"(flags: u32);
        add_profile = "addOptimizationProfile"(profile: Pointer) -> i32;
        set_pool_limit = "setMemoryPoolLimit"(pool: i32, bytes: usize);
        set_verbosity = "setProfilingVerbosity"(verbosity: i32);
        create_cache = "createTimingCache"(bytes: *const u8, size: usize) -> Pointer;
        set_cache = "setTimingCache"(cache: Pointer, ignore_mismatch: bool) -> bool;
        set_preview = "setPreviewFeature"(feature: i32, enable: bool);
    }
    sometimes {
        set_calibration_profile = "setCalibrationProfile"(profile: Pointer) -> bool;
        set_level = "setBuilderOptimizationLevel"(level: i32);
        set_monitor = "setProgressMonitor"(monitor: Pointer);
        set_calibrator = "setInt8Calibrator"(calibrator: Pointer);
    }
}

class! {
    /// `INetworkDefinition`.
    Network = "VNetworkDefinition", Behind
    always {
        layers = "getNbLayers"() -> i32;
        inputs = "getNbInputs"() -> i32;
        input = "getInput"(index: i32) -> Pointer;
        outputs = "getNbOutputs"() -> i32;
        output = "getOutput"(index: i32) -> Pointer;
    }
    sometimes {}
}

class! {
    /// `ITensor`, in a network.
    NetworkTensor = "VTensor", Behind
    always {
        name = "getName"() -> Text;
        dimensions = "getDimensions"() -> ReturnedDims;
        element = "getType"() -> i32;
    }
    sometimes {}
}

class! {
    /// `IOptimizationProfile`; it belongs to its builder.
    Profile = "VOptimizationProfile", Behind
    always {
        set_dimensions = "setDimensions"(input: Text, which: i32, dims: *const Dims) -> bool;
        set_narrow_dimensions = "setDimensions"(input: Text, which: i32, dims: NarrowDims) -> bool;
    }
    sometimes {}
}

class! {
    /// `ITimingCache`.
    TimingCache = "VTimingCache", Behind
    always { serialize = "serialize"() -> Pointer; }
    sometimes {}
}

class! {
    /// `IHostMemory`.
    HostMemory = "VHostMemory", Behind
    always {
        data = "data"() -> *const u8;
        size = "size"() -> usize;
    }
    sometimes {}
}

class! {
    /// `IRuntime`.
    Runtime = "VRuntime", Behind
    always {}
    sometimes {
        deserialize = "deserializeCudaEngine"(bytes: *const u8, size: usize) -> Pointer;
        deserialize_with = "deserializeCudaEngine"(bytes: *const u8, size: usize, plugins: Pointer)
            -> Pointer;
    }
}

class! {
    /// `ICudaEngine`.
    Engine = "VCudaEngine", Behind
    always {
        tensors = "getNbIOTensors"() -> i32;
        tensor_name = "getIOTensorName"(index: i32) -> Text;
        tensor_mode = "getTensorIOMode"(name: Text) -> i32;
        tensor_shape = "getTensorShape"(name: Text) -> ReturnedDims;
        tensor_element = "getTensorDataType"(name: Text) -> i32;
        tensor_location = "getTensorLocation"(name: Text) -> i32;
        profiles = "getNbOptimizationProfiles"() -> i32;
        profile_shape = "getProfileShape"(name: Text, profile: i32, which: i32) -> ReturnedDims;
        create_inspector = "createEngineInspector"() -> Pointer;
    }
    sometimes {
        create_context = "createExecutionContext"(strategy: i32) -> Pointer;
        create_plain_context = "createExecutionContext"() -> Pointer;
        device_memory = "getDeviceMemorySizeV2"() -> i64;
        plain_device_memory = "getDeviceMemorySize"() -> usize;
    }
}

class! {
    /// `IEngineInspector`.
    Inspector = "VEngineInspector", Behind
    always { engine_information = "getEngineInformation"(format: i32) -> Text; }
    sometimes {}
}

class! {
    /// `IExecutionContext`.
    Context = "VExecutionContext", Behind
    always {
        set_profiler = "setProfiler"(profiler: Pointer);
        set_emits_profile = "setEnqueueEmitsProfile"(emits: bool);
        report = "reportToProfiler"() -> bool;
        profile = "getOptimizationProfile"() -> i32;
        set_profile = "setOptimizationProfileAsync"(profile: i32, stream: Pointer) -> bool;
        set_input_shape = "setInputShape"(name: Text, dims: *const Dims) -> bool;
        shape = "getTensorShape"(name: Text) -> ReturnedDims;
        set_address = "setTensorAddress"(name: Text, address: Pointer) -> bool;
        set_allocator = "setOutputAllocator"(name: Text, allocator: Pointer) -> bool;
        enqueue = "enqueueV3"(stream: Pointer) -> bool;
    }
    sometimes {}
}

/// Methods of the parser's classes, and where an `IParser` is freed.
#[derive(Clone, Copy, Debug)]
pub struct ParserClasses {
    pub parser: Parser,
    pub error: ParserFault,
    pub destructor: usize,
}

impl ParserClasses {
    /// Looks all slots up.
    ///
    /// # Errors
    /// The name of one that is missing.
    pub fn find(table: &Table) -> Result<Self, String> {
        Ok(Self {
            parser: Parser::find(table)?,
            error: ParserFault::find(table)?,
            destructor: table.destructor("IParser")?,
        })
    }
}

class! {
    /// `nvonnxparser::IParser`.
    Parser = "IParser", Own
    always {
        parse_file = "parseFromFile"(path: Text, verbosity: i32) -> bool;
        errors = "getNbErrors"() -> i32;
        error = "getError"(index: i32) -> Pointer;
    }
    sometimes {}
}

class! {
    /// `nvonnxparser::IParserError`.
    ParserFault = "IParserError", Own
    always {
        code = "code"() -> i32;
        words = "desc"() -> Text;
        node = "node"() -> i32;
    }
    sometimes {
        name = "nodeName"() -> Text;
        operator = "nodeOperator"() -> Text;
    }
}
