// Takes time on one thread: `steps` dependent multiplications, then until `nanos` have passed.
// What it computes is written where it cannot be left out, and never read.
extern "C" __global__ void spin(unsigned long long steps, unsigned long long nanos,
                                unsigned long long* result) {
  unsigned long long start, now;
  asm volatile("mov.u64 %0, %globaltimer;" : "=l"(start));
  unsigned long long value = start | 1;
  for (unsigned long long i = 0; i < steps; ++i) {
    value = value * 6364136223846793005ull + 1;
  }
  *result = value;
  do {
    asm volatile("mov.u64 %0, %globaltimer;" : "=l"(now));
  } while (now - start < nanos);
}
