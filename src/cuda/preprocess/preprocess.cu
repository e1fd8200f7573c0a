// Pixels of one decoded image (8 bit RGB, rows without gaps) -> its part of a model's input (three
// planes of floats): resized, padded, normalised. One thread per pixel of the input. All taps and
// tables come from the host; the arithmetic is that of src/image/resize, step by step, so that the
// results are the same. Compiles with NVRTC 11 and later, and with a C++ compiler behind a header.

// Arithmetics, numbered as in layout.rs.
enum { MEAN, BILINEAR, BICUBIC, THIRTYSECONDS, PILLOW, FLOATS };

// The taps of one axis, as offsets in the plan's words.
struct Axis {
  unsigned int starts, pixels, weights;
};

// Begins a plan's words; layout.rs writes it.
struct Plan {
  int arithmetic;
  int image_width;
  int input_width, input_height;
  int inner_width, inner_height;
  int left, top;
  Axis columns, rows;
  unsigned int values;  // offset of three tables of 256 floats
  int colours[3];
  float paddings[3], steps[3], middles[3];
};

// Taken off levels that are computed with as floats.
#define MIDDLE 128.0f
// Pillow's weights sum to 1 << PRECISION.
#define PRECISION 22
// Levels that OpenCV's portable code blends at a time.
#define VECTOR 8

__device__ static int clamped(int level) {
  return level < 0 ? 0 : level > 255 ? 255 : level;
}

// The weighted sum of a row's pixels, three colours.
__device__ static void across(const unsigned int* plan, const Axis& axis, int x,
                              const unsigned char* row, int start, int sums[3]) {
  const int* weights = (const int*)plan + axis.weights;
  const unsigned int* pixels = plan + axis.pixels;
  const unsigned int* starts = plan + axis.starts;
  sums[0] = sums[1] = sums[2] = start;
  for (unsigned int tap = starts[x]; tap < starts[x + 1]; ++tap) {
    const unsigned char* pixel = row + 3 * pixels[tap];
    for (int colour = 0; colour < 3; ++colour) {
      sums[colour] += pixel[colour] * weights[tap];
    }
  }
}

// The same in floats, products and sums rounded apart as on the host.
__device__ static void across_floats(const unsigned int* plan, const Axis& axis, int x,
                                     const unsigned char* row, float sums[3]) {
  const float* weights = (const float*)plan + axis.weights;
  const unsigned int* pixels = plan + axis.pixels;
  const unsigned int* starts = plan + axis.starts;
  sums[0] = sums[1] = sums[2] = 0.0f;
  for (unsigned int tap = starts[x]; tap < starts[x + 1]; ++tap) {
    const unsigned char* pixel = row + 3 * pixels[tap];
    for (int colour = 0; colour < 3; ++colour) {
      sums[colour] = __fadd_rn(sums[colour], __fmul_rn(pixel[colour] - MIDDLE, weights[tap]));
    }
  }
}

// Levels of one pixel, less MIDDLE, not rounded.
__device__ static void float_levels(const unsigned int* plan, const Plan& head,
                                    const unsigned char* image, int x, int y, float levels[3]) {
  const float* weights = (const float*)plan + head.rows.weights;
  const unsigned int* rows = plan + head.rows.pixels;
  const unsigned int* starts = plan + head.rows.starts;
  levels[0] = levels[1] = levels[2] = 0.0f;
  for (unsigned int tap = starts[y]; tap < starts[y + 1]; ++tap) {
    float sums[3];
    const unsigned char* row = image + 3ull * rows[tap] * head.image_width;
    across_floats(plan, head.columns, x, row, sums);
    for (int colour = 0; colour < 3; ++colour) {
      levels[colour] = __fadd_rn(levels[colour], __fmul_rn(sums[colour], weights[tap]));
    }
  }
}

// Levels of one pixel by OpenCV's bicubic: the last row's product first, in floats; in whole numbers
// where `x` and the colour lie in what its vectors leave of a row of interleaved levels.
__device__ static void bicubic_levels(const unsigned int* plan, const Plan& head,
                                      const unsigned char* image, int x, int y, int levels[3]) {
  const int* weights = (const int*)plan + head.rows.weights;
  const unsigned int* rows = plan + head.rows.pixels;
  const unsigned int* starts = plan + head.rows.starts;
  float sum[3] = {0.0f, 0.0f, 0.0f};
  long long whole[3] = {0, 0, 0};
  for (unsigned int tap = starts[y + 1]; tap-- > starts[y];) {
    int sums[3];
    const unsigned char* row = image + 3ull * rows[tap] * head.image_width;
    across(plan, head.columns, x, row, 0, sums);
    const float weight = weights[tap] * (1.0f / (2048.0f * 2048.0f));
    for (int colour = 0; colour < 3; ++colour) {
      sum[colour] = __fadd_rn(__fmul_rn((float)sums[colour], weight), sum[colour]);
      whole[colour] += (long long)sums[colour] * weights[tap];
    }
  }
  const int length = 3 * head.inner_width;
  for (int colour = 0; colour < 3; ++colour) {
    const bool left_over = 3 * x + colour >= length - length % VECTOR;
    const long long rounded = (whole[colour] + (1 << 21)) >> 22;
    const int exact = rounded < 0 ? 0 : rounded > 255 ? 255 : (int)rounded;
    levels[colour] =
        left_over ? exact : __float2int_rn(fminf(fmaxf(sum[colour], 0.0f), 255.0f));
  }
}

// Levels of one pixel by the arithmetics of whole numbers.
__device__ static void whole_levels(const unsigned int* plan, const Plan& head,
                                    const unsigned char* image, int x, int y, int levels[3]) {
  const int* weights = (const int*)plan + head.rows.weights;
  const unsigned int* rows = plan + head.rows.pixels;
  const unsigned int* starts = plan + head.rows.starts;
  const int half = 1 << (PRECISION - 1);
  const int start = head.arithmetic == PILLOW ? half : 0;
  int totals[3] = {start, start, start};
  for (unsigned int tap = starts[y]; tap < starts[y + 1]; ++tap) {
    int sums[3];
    const unsigned char* row = image + 3ull * rows[tap] * head.image_width;
    across(plan, head.columns, x, row, start, sums);
    for (int colour = 0; colour < 3; ++colour) {
      if (head.arithmetic == BILINEAR) {
        totals[colour] += ((sums[colour] >> 4) * weights[tap]) >> 16;
      } else if (head.arithmetic == PILLOW) {
        totals[colour] += clamped(sums[colour] >> PRECISION) * weights[tap];
      } else {
        totals[colour] += sums[colour] * weights[tap];
      }
    }
  }
  for (int colour = 0; colour < 3; ++colour) {
    const int total = totals[colour];
    levels[colour] = head.arithmetic == PILLOW          ? clamped(total >> PRECISION)
                     : head.arithmetic == THIRTYSECONDS ? (total + 512) >> 10
                                                        : (total + 2) >> 2;
  }
}

extern "C" __global__ void preprocess(const unsigned int* plan, const unsigned char* image,
                                      float* input) {
  const Plan& head = *(const Plan*)plan;
  const int column = blockIdx.x * blockDim.x + threadIdx.x;
  const int line = blockIdx.y * blockDim.y + threadIdx.y;
  if (column >= head.input_width || line >= head.input_height) {
    return;
  }
  const int x = column - head.left;
  const int y = line - head.top;
  const bool inside = x >= 0 && x < head.inner_width && y >= 0 && y < head.inner_height;
  const bool floats = head.arithmetic == FLOATS;
  int levels[3] = {0, 0, 0};
  float between[3] = {0.0f, 0.0f, 0.0f};
  if (inside && floats) {
    float_levels(plan, head, image, x, y, between);
  } else if (inside && head.arithmetic == BICUBIC) {
    bicubic_levels(plan, head, image, x, y, levels);
  } else if (inside) {
    whole_levels(plan, head, image, x, y, levels);
  }
  const unsigned long long plane = (unsigned long long)head.input_width * head.input_height;
  float* out = input + (unsigned long long)line * head.input_width + column;
  const float* values = (const float*)plan + head.values;
  for (int number = 0; number < 3; ++number) {
    // Picked by comparing, so that the three stay in registers.
    const int colour = head.colours[number];
    const int level = colour == 0 ? levels[0] : colour == 1 ? levels[1] : levels[2];
    const float float_level = colour == 0 ? between[0] : colour == 1 ? between[1] : between[2];
    const float value = !inside ? head.paddings[number]
                        : floats
                            ? __fadd_rn(__fmul_rn(float_level, head.steps[number]),
                                        head.middles[number])
                            : values[256 * number + level];
    out[number * plane] = value;
  }
}
