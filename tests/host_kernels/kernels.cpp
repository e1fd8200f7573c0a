// The project's kernels for the host, with the entries that the stand-in for the driver looks for. The
// spinning kernel is not among them: it reads a card's timer.
#include "cuda_on_host.h"

#include "../../src/cuda/preprocess/preprocess.cu"

extern "C" {
extern const unsigned preprocess_arguments;
const unsigned preprocess_arguments = 3;

void preprocess_launch(const unsigned blocks[3], const unsigned threads[3],
                       const uint64_t* arguments) {
  on_host(blocks, threads, [&] {
    preprocess((const unsigned*)arguments[0], (const unsigned char*)arguments[1],
               (float*)arguments[2]);
  });
}
}
