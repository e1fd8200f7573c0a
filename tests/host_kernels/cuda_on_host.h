// What lets a C++ compiler compile the project's kernels for the host: one thread after the other, in
// any order, so that a kernel whose threads wait for each other is out of its reach. For tests.
#pragma once

#include <cmath>
#include <cstdint>

#define __global__
#define __device__

struct Place {
  unsigned x, y, z;
};

static thread_local Place blockIdx, threadIdx, blockDim, gridDim;

// Rounded to nearest, never fused; to be compiled with -ffp-contract=off.
static inline float __fadd_rn(float a, float b) { return a + b; }
static inline float __fmul_rn(float a, float b) { return a * b; }
static inline int __float2int_rn(float value) { return (int)std::nearbyint(value); }

// Runs `kernel` once for every thread of every block.
template <class Kernel>
static void on_host(const unsigned blocks[3], const unsigned threads[3], Kernel kernel) {
  gridDim = {blocks[0], blocks[1], blocks[2]};
  blockDim = {threads[0], threads[1], threads[2]};
  for (blockIdx.z = 0; blockIdx.z < blocks[2]; ++blockIdx.z)
    for (blockIdx.y = 0; blockIdx.y < blocks[1]; ++blockIdx.y)
      for (blockIdx.x = 0; blockIdx.x < blocks[0]; ++blockIdx.x)
        for (threadIdx.z = 0; threadIdx.z < threads[2]; ++threadIdx.z)
          for (threadIdx.y = 0; threadIdx.y < threads[1]; ++threadIdx.y)
            for (threadIdx.x = 0; threadIdx.x < threads[0]; ++threadIdx.x) kernel();
}
