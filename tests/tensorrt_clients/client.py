"""A client of TensorRT through NVIDIA's own compiled bindings: builds, runs and inspects an engine
and prints what it saw as JSON. It checks nothing: `main.rs` does, from what it prints and from what
the library's stand-in has written down.

Usage: client.py BINDINGS MODEL FINDING, with the folder that holds `tensorrt_bindings`, and a model
whose output's last length depends on its input. With `properties` for FINDING it instead reads
every property of one object of each class.
"""

import ctypes
import gc
import json
import sys
import warnings

warnings.simplefilter("ignore", DeprecationWarning)
sys.path.insert(0, sys.argv[1])
import tensorrt_bindings as trt  # noqa: E402

MODEL, FINDING = sys.argv[2:]
MAJOR = int(trt.__version__.split(".")[0])
INPUT, OUTPUT = "images", "output0"
saw = {"version": trt.__version__}


class Driver:
    """The card: a context, a stream and memory."""

    def __init__(self):
        self.cuda = ctypes.CDLL("libcuda.so.1")
        self.call("cuInit", 0)
        context = ctypes.c_uint64()
        self.call("cuDevicePrimaryCtxRetain", ctypes.byref(context), 0)
        self.call("cuCtxSetCurrent", context)
        stream = ctypes.c_uint64()
        self.call("cuStreamCreate", ctypes.byref(stream), 1)
        self.stream = stream.value
        self.memory = []

    def call(self, name, *arguments):
        code = getattr(self.cuda, name)(*arguments)
        if code != 0:
            raise RuntimeError(f"{name}: {code}")

    def allocate(self, size):
        address = ctypes.c_uint64()
        self.call("cuMemAlloc_v2", ctypes.byref(address), ctypes.c_size_t(size))
        self.memory.append(address)
        return address.value

    def synchronise(self):
        self.call("cuStreamSynchronize", ctypes.c_uint64(self.stream))

    def close(self):
        for address in self.memory:
            self.call("cuMemFree_v2", address)
        self.call("cuStreamDestroy_v2", ctypes.c_uint64(self.stream))
        self.call("cuDevicePrimaryCtxRelease_v2", 0)


class Logger(trt.ILogger):
    def __init__(self):
        trt.ILogger.__init__(self)
        self.said = []

    def log(self, severity, text):
        self.said.append([str(severity).split(".")[-1], text])


class Profiler(trt.IProfiler):
    def __init__(self):
        trt.IProfiler.__init__(self)
        self.layers = []

    def report_layer_time(self, layer, milliseconds):
        self.layers.append([layer, milliseconds])


class Allocator(trt.IOutputAllocator):
    """Memory for outputs whose size is known only when they are there."""

    def __init__(self, driver):
        trt.IOutputAllocator.__init__(self)
        self.driver = driver
        self.said = []

    def reallocate_output(self, name, memory, size, alignment):
        self.said.append(["reallocate", name, memory, size, alignment])
        return self.driver.allocate(size)

    def reallocate_output_async(self, name, memory, size, alignment, stream):
        self.said.append(["reallocate", name, memory, size, alignment, stream])
        return self.driver.allocate(size)

    def notify_shape(self, name, shape):
        self.said.append(["notify", name, list(shape)])


if MAJOR < 11:

    class Calibrator(trt.IInt8EntropyCalibrator2):
        """Two batches of images."""

        def __init__(self, driver):
            trt.IInt8EntropyCalibrator2.__init__(self)
            self.driver = driver
            self.said = []

        def get_batch_size(self):
            self.said.append(["size"])
            return 2

        def get_batch(self, names):
            self.said.append(["batch", list(names)])
            if sum(step[0] == "batch" for step in self.said) > 2:
                return None
            return [self.driver.allocate(1024) for _ in names]

        def read_calibration_cache(self):
            self.said.append(["read"])
            return None

        def write_calibration_cache(self, cache):
            self.said.append(["write", bytes(cache).decode()])


if MAJOR >= 10:

    class Monitor(trt.IProgressMonitor):
        def __init__(self):
            trt.IProgressMonitor.__init__(self)
            self.said = []

        def phase_start(self, phase, parent, steps):
            self.said.append(["start", phase, parent, steps])

        def step_complete(self, phase, step):
            self.said.append(["step", phase, step])
            return True

        def phase_finish(self, phase):
            self.said.append(["finish", phase])


def network_flags():
    """An explicit batch for 8; typed by the model for 10; 11 has nothing else."""
    flags = trt.NetworkDefinitionCreationFlag
    if MAJOR == 8:
        return 1 << int(flags.EXPLICIT_BATCH)
    if MAJOR == 10:
        return 1 << int(flags.STRONGLY_TYPED)
    return 0


def parse(logger, network):
    parser = trt.OnnxParser(network, logger)
    parser.set_flag(trt.OnnxParserFlag.NATIVE_INSTANCENORM)
    saw["parser_flag"] = parser.get_flag(trt.OnnxParserFlag.NATIVE_INSTANCENORM)
    saw["broken"] = parser.parse(b"no model")
    saw["errors"] = [[int(parser.get_error(i).code()), parser.get_error(i).desc()]
                     for i in range(parser.num_errors)]
    parser.clear_errors()
    saw["parsed"] = parser.parse_from_file(MODEL)
    saw["inputs"] = [[t.name, str(t.dtype), list(t.shape)]
                     for t in map(network.get_input, range(network.num_inputs))]
    saw["outputs"] = [[t.name, str(t.dtype), list(t.shape)]
                      for t in map(network.get_output, range(network.num_outputs))]
    saw["network_layers"] = network.num_layers
    return parser


def configure(builder):
    config = builder.create_builder_config()
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, 1 << 20)
    saw["workspace"] = config.get_memory_pool_limit(trt.MemoryPoolType.WORKSPACE)
    config.builder_optimization_level = 2
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED
    config.avg_timing_iterations = 3
    config.clear_flag(trt.BuilderFlag.TF32)
    if MAJOR == 8:
        config.set_flag(trt.BuilderFlag.FP16)
        saw["fp16"] = config.get_flag(trt.BuilderFlag.FP16)
    profile = builder.create_optimization_profile()
    profile.set_shape(INPUT, *saw["range"])
    saw["profile"] = [list(shape) for shape in profile.get_shape(INPUT)]
    saw["profile_number"] = config.add_optimization_profile(profile)
    cache = config.create_timing_cache(b"")
    saw["cache_set"] = config.set_timing_cache(cache, False)
    if MAJOR >= 10:
        config.progress_monitor = Monitor()
    return config, cache


def build(logger):
    builder = trt.Builder(logger)
    network = builder.create_network(network_flags())
    parser = parse(logger, network)
    shape = saw["inputs"][0][2]
    saw["range"] = [[batch] + shape[1:] for batch in (1, 2, 4)]
    config, cache = configure(builder)
    plan = builder.build_serialized_network(network, config)
    saw["plan"] = bytes(plan)[:28].hex()
    saw["cache"] = bytes(cache.serialize()).decode().splitlines()
    if MAJOR >= 10:
        saw["progress"] = config.progress_monitor.said
    del parser
    return plan


def describe(engine):
    names = [engine.get_tensor_name(i) for i in range(engine.num_io_tensors)]
    saw["tensors"] = [
        [
            name,
            str(engine.get_tensor_mode(name)).split(".")[-1],
            str(engine.get_tensor_dtype(name)),
            list(engine.get_tensor_shape(name)),
            str(engine.get_tensor_location(name)).split(".")[-1],
        ]
        for name in names
    ]
    saw["engine_profile"] = [list(shape) for shape in engine.get_tensor_profile_shape(INPUT, 0)]
    saw["profiles"] = engine.num_optimization_profiles
    saw["layers"] = engine.num_layers
    inspector = engine.create_engine_inspector()
    information = inspector.get_engine_information(trt.LayerInformationFormat.JSON)
    saw["information"] = json.loads(information)
    layer = inspector.get_layer_information(0, trt.LayerInformationFormat.JSON)
    saw["layer"] = json.loads(layer)
    return names


def execute(engine, names, driver):
    context = engine.create_execution_context()
    saw["too_large"] = context.set_input_shape(INPUT, [9] + saw["range"][0][1:])
    saw["shape_set"] = context.set_input_shape(INPUT, saw["range"][1])
    saw["specified"] = context.all_binding_shapes_specified if MAJOR == 8 else None
    saw["unspecified"] = context.infer_shapes()
    saw["output_shape"] = list(context.get_tensor_shape(names[-1]))
    saw["addresses"] = {name: driver.allocate(1 << 23) for name in names}
    for name, address in saw["addresses"].items():
        context.set_tensor_address(name, address)
    saw["address_read"] = context.get_tensor_address(names[0])
    saw["stream"] = driver.stream
    saw["run"] = context.execute_async_v3(driver.stream)
    driver.synchronise()
    profiler = Profiler()
    context.profiler = profiler
    context.enqueue_emits_profile = False
    saw["profiled_run"] = context.execute_async_v3(driver.stream)
    saw["early"] = len(profiler.layers)
    saw["reported"] = context.report_to_profiler()
    saw["profiled"] = profiler.layers
    return context


def find(logger, driver):
    """A model whose output's size is known after the run; its client allocates it then."""
    builder = trt.Builder(logger)
    network = builder.create_network(1 if MAJOR == 8 else 0)
    parser = trt.OnnxParser(network, logger)
    with open(FINDING, "rb") as file:
        saw["found_parsed"] = parser.parse(file.read())
    config = builder.create_builder_config()
    saw["without_profile"] = builder.build_serialized_network(network, config) is not None
    profile = builder.create_optimization_profile()
    profile.set_shape("x", (1, 4), (2, 4), (2, 4))
    config.add_optimization_profile(profile)
    if MAJOR < 11:
        config.set_flag(trt.BuilderFlag.INT8)
        saw["without_calibrator"] = builder.build_serialized_network(network, config) is not None
        config.int8_calibrator = Calibrator(driver)
        saw["without_calibration_profile"] = (
            builder.build_serialized_network(network, config) is not None
        )
        saw["calibration_profile_set"] = config.set_calibration_profile(profile)
        said = len(config.int8_calibrator.said)
    plan = builder.build_serialized_network(network, config)
    if MAJOR < 11:
        saw["calibrated"] = config.int8_calibrator.said[said:]
    engine = trt.Runtime(logger).deserialize_cuda_engine(plan)
    context = engine.create_execution_context()
    context.set_input_shape("x", (2, 4))
    saw["found_shape"] = list(context.get_tensor_shape("y"))
    address = driver.allocate(1024)
    saw["odd_address"] = context.set_tensor_address("x", address + 128)
    context.set_tensor_address("x", address)
    other = engine.create_execution_context()
    saw["other_profile"] = other.active_optimization_profile
    saw["shape_without_profile"] = other.set_input_shape("x", (2, 4))
    saw["without_allocator"] = context.execute_async_v3(driver.stream)
    allocator = Allocator(driver)
    context.set_output_allocator("y", allocator)
    saw["found_run"] = context.execute_async_v3(driver.stream)
    driver.synchronise()
    saw["found"] = allocator.said
    # While the first context has it, the client of 8 does not survive the refusal.
    del context
    saw["profile_chosen"] = other.set_optimization_profile_async(0, driver.stream)
    saw["shape_with_profile"] = other.set_input_shape("x", (2, 4))


def read_properties(logger):
    """Whatever can be read of an object without arguments, without looking at it."""
    builder = trt.Builder(logger)
    network = builder.create_network(1 if MAJOR == 8 else 0)
    parser = trt.OnnxParser(network, logger)
    parser.parse_from_file(MODEL)
    config = builder.create_builder_config()
    profile = builder.create_optimization_profile()
    profile.set_shape(INPUT, *[(1, 3, 256, 256)] * 3)
    config.add_optimization_profile(profile)
    cache = config.create_timing_cache(b"")
    plan = builder.build_serialized_network(network, config)
    runtime = trt.Runtime(logger)
    engine = runtime.deserialize_cuda_engine(plan)
    context = engine.create_execution_context()
    inspector = engine.create_engine_inspector()
    tensor, layer = network.get_input(0), network.get_layer(0)
    objects = [builder, network, parser, config, profile, cache, plan, runtime, engine, context,
               inspector, tensor, layer]
    for thing in objects:
        for name in dir(type(thing)):
            if isinstance(getattr(type(thing), name), property):
                try:
                    getattr(thing, name)
                except Exception:  # What the stand-in answers need not make sense.
                    continue
                saw.setdefault("read", []).append(f"{type(thing).__name__}.{name}")


def main():
    driver = Driver()
    logger = Logger()
    if FINDING == "properties":
        read_properties(logger)
        print(json.dumps(saw))
        return
    find(logger, driver)
    plan = build(logger)
    runtime = trt.Runtime(logger)
    saw["foreign"] = runtime.deserialize_cuda_engine(b"no engine" * 8) is not None
    engine = runtime.deserialize_cuda_engine(plan)
    names = describe(engine)
    context = execute(engine, names, driver)
    saw["said"] = logger.said
    del context, engine, runtime, plan
    gc.collect()
    driver.close()
    print(json.dumps(saw))


main()
