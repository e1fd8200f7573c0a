"""The tight Python loop that trtbench is held against: ONNX Runtime's own binding, nothing else.

Usage: ort_overhead.py MODEL THREADS SECONDS
Prints the median of a run in nanoseconds. Input, threads, warm-up and options are those of
examples/ort_loop.rs.
"""

import sys
import time

import numpy
import onnxruntime

WARMUP = 5


def main():
    model, threads, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    feeds = {info.name: values(info.shape) for info in session.get_inputs()}
    for _ in range(WARMUP):
        session.run(None, feeds)
    times = []
    begin = time.perf_counter()
    while not times or time.perf_counter() - begin < seconds:
        start = time.perf_counter_ns()
        session.run(None, feeds)
        times.append(time.perf_counter_ns() - start)
    print(sorted(times)[len(times) // 2])


def values(shape):
    shape = [n if isinstance(n, int) else 1 for n in shape]
    count = numpy.prod(shape, dtype=numpy.int64)
    return ((numpy.arange(count) * 7919 % 255) / 255).astype(numpy.float32).reshape(shape)


if __name__ == "__main__":
    main()
