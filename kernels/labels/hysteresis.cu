// Applies two thresholds: weak pixels count where they are connected to strong ones. The reference is hysteresis.py.
#include "regions.cuh"

namespace rtseg {

// NaN is below every threshold: a comparison with it is false.
__global__ void __launch_bounds__(kRegionThreads) find_weak(const float* values, int pixels, float low, uint8_t* weak) {
  const int pixel = pixel_index();
  if (pixel < pixels) weak[pixel] = values[pixel] >= low;
}

__global__ void __launch_bounds__(kRegionThreads)
    mark_strong(const float* values, int pixels, float high, const int* roots, int* strong) {
  const int pixel = pixel_index();
  if (pixel < pixels && values[pixel] >= high) strong[roots[pixel]] = 1;
}

__global__ void __launch_bounds__(kRegionThreads) keep_strong(int pixels, const int* roots, const int* strong, uint8_t* weak) {
  const int pixel = pixel_index();
  if (pixel < pixels && !strong[roots[pixel]]) weak[pixel] = 0;
}

// Scratch: roots and strong, height * width ints each.
RTSEG_API int rtseg_hysteresis(const float* values, int height, int width, float low, float high, int* roots, int* strong,
                               uint8_t* out, void* stream) {
  const int pixels = height * width;
  const unsigned grid = region_grid(pixels);
  if (const int code = launch(find_weak, grid, kRegionThreads, 0, stream, values, pixels, low, out)) return code;
  if (const int code = find_regions(out, height, width, true, roots, stream)) return code;
  if (const int code = fill(strong, 0, pixels * sizeof(int), stream)) return code;
  if (const int code = launch(mark_strong, grid, kRegionThreads, 0, stream, values, pixels, high, roots, strong)) return code;
  return launch(keep_strong, grid, kRegionThreads, 0, stream, pixels, roots, strong, out);
}

}  // namespace rtseg
