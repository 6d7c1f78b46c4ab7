// Smooths exponentially in time, out = weight * current + (1 - weight) * previous. The reference is smooth.py.
#include "../runtime/launch.cuh"

namespace rtseg {

constexpr int kSmoothThreads = 256;

// Where one of the two is NaN or infinite the other is taken. out: may be either input, each value is read before it is
// written.
__global__ void __launch_bounds__(kSmoothThreads)
    smooth(const float* current, const float* previous, float weight, size_t count, float* out) {
  const size_t i = blockIdx.x * size_t{kSmoothThreads} + threadIdx.x;
  if (i >= count) return;
  const float now = current[i], past = previous[i];
  const float mixed = now * weight + past * (1.0f - weight);
  out[i] = !isfinite(now) ? past : isfinite(past) ? mixed : now;
}

RTSEG_API int rtseg_smooth(const float* current, const float* previous, float weight, size_t count, float* out, void* stream) {
  if (count == 0) return cudaSuccess;
  const unsigned grid = blocks(count, kSmoothThreads);
  return launch(smooth, grid, kSmoothThreads, 0, stream, current, previous, weight, count, out);
}

}  // namespace rtseg
