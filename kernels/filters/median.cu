// Filters with the median. The reference is median.py.
//
// Forgetful selection (A. Paeth, "Median finding on a 3x3 grid", Graphics Gems, 1990): of any n / 2 + 2 of the n pixels neither
// the minimum nor the maximum is the median, so both are dropped and the next pixel is added. All stays in registers.
#include "window.cuh"

namespace rtseg {

__device__ inline void order(int& low, int& high) {
  const int less = min(low, high);
  high = max(low, high);
  low = less;
}

template <int kSize>
struct Median {
  static constexpr int kCount = kSize * kSize, kHeld = kCount / 2 + 2;

  __device__ float operator()(const Window& window, int) const {
    int held[kHeld];
#pragma unroll
    for (int i = 0; i < kHeld; ++i) held[i] = window(i / kSize, i % kSize);
#pragma unroll
    for (int last = kHeld - 1; last >= 2; --last) {
#pragma unroll
      for (int i = 1; i < kHeld; ++i)
        if (i <= last) order(held[0], held[i]);  // moves the minimum to the first place
#pragma unroll
      for (int i = 1; i < kHeld; ++i)
        if (i < last) order(held[i], held[last]);  // moves the maximum to the last place
      const int next = 2 * kHeld - 1 - last;
      if (next < kCount) held[0] = window(next / kSize, next % kSize);
    }
    return static_cast<float>(held[1]);
  }
};

// size: 3, 5 or 7.
RTSEG_API int rtseg_median(const uint8_t* image, int height, int width, int size, uint8_t* out, void* stream) {
  if (size == 3) return launch_filter(image, height, width, size, Median<3>{}, out, stream);
  if (size == 5) return launch_filter(image, height, width, size, Median<5>{}, out, stream);
  if (size == 7) return launch_filter(image, height, width, size, Median<7>{}, out, stream);
  return cudaErrorInvalidValue;
}

}  // namespace rtseg
