// Filters a gray image by the window around each pixel, with the edge repeated: one launch, one tile per block.
#pragma once
#include <cstdint>

#include "../runtime/launch.cuh"

namespace rtseg {

constexpr int kFilterWidth = 32, kFilterHeight = 8, kFilterThreads = kFilterWidth * kFilterHeight;

struct Window {  // a pixel's neighborhood, in shared memory
  const uint8_t* corner;
  int pitch;

  __device__ int operator()(int y, int x) const { return corner[y * pitch + x]; }  // from the upper left
};

// Returns the size x size window around each thread's pixel; all threads of a block must call it.
__device__ inline Window load_window(const uint8_t* image, int height, int width, int size) {
  uint8_t* tile = dynamic_shared<uint8_t>();
  const int pitch = kFilterWidth + size - 1, rows = kFilterHeight + size - 1;
  const int top = blockIdx.y * kFilterHeight - size / 2, left = blockIdx.x * kFilterWidth - size / 2;
  for (int i = threadIdx.y * kFilterWidth + threadIdx.x; i < rows * pitch; i += kFilterThreads) {
    const int y = min(max(top + i / pitch, 0), height - 1), x = min(max(left + i % pitch, 0), width - 1);
    tile[i] = image[static_cast<size_t>(y) * width + x];
  }
  __syncthreads();
  return {tile + threadIdx.y * pitch + threadIdx.x, pitch};
}

// Rule: maps a window to a gray level, a float that is rounded here.
template <typename Rule>
__global__ void __launch_bounds__(kFilterThreads)
    filter(const uint8_t* image, int height, int width, int size, Rule rule, uint8_t* out) {
  const Window window = load_window(image, height, width, size);
  const int y = blockIdx.y * kFilterHeight + threadIdx.y, x = blockIdx.x * kFilterWidth + threadIdx.x;
  if (y < height && x < width)
    out[static_cast<size_t>(y) * width + x] = static_cast<uint8_t>(fminf(fmaxf(rule(window, size) + 0.5f, 0.0f), 255.0f));
}

template <typename Rule>
int launch_filter(const uint8_t* image, int height, int width, int size, Rule rule, uint8_t* out, void* stream) {
  const dim3 grid(blocks(width, kFilterWidth), blocks(height, kFilterHeight));
  const size_t shared = static_cast<size_t>(kFilterWidth + size - 1) * (kFilterHeight + size - 1);
  return launch(filter<Rule>, grid, dim3(kFilterWidth, kFilterHeight), shared, stream, image, height, width, size, rule, out);
}

struct Moments {
  float mean, variance;
};

// Uses integers, so that a flat window has variance zero; up to 15 x 15 pixels nothing overflows.
__device__ inline Moments moments(const Window& window, int size) {
  unsigned sum = 0, squares = 0;
  for (int y = 0; y < size; ++y) {
    for (int x = 0; x < size; ++x) {
      const unsigned value = window(y, x);
      sum += value;
      squares += value * value;
    }
  }
  const unsigned count = size * size;
  const float share = 1.0f / count;
  return {sum * share, (count * squares - sum * sum) * share * share};
}

}  // namespace rtseg
