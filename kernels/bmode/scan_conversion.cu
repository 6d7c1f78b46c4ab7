// Converts between beams and the fan of a probe, bilinearly. The reference is scan_conversion.py.
//
// The source position of each pixel depends only on the probe: the host uploads the table once, and each frame reads it.
#include <cstdint>

#include "../runtime/launch.cuh"

namespace rtseg {

constexpr int kSampleThreads = 256, kParts = 256;  // subpixel steps along each axis

struct Found {
  int row, column;  // in 256ths of a pixel; the row is negative outside
};

__global__ void __launch_bounds__(kSampleThreads)
    sample(const uint8_t* image, int height, int width, const Found* places, size_t count, uint8_t* out) {
  const size_t i = blockIdx.x * size_t{kSampleThreads} + threadIdx.x;
  if (i >= count) return;
  const Found place = places[i];
  int mixed = 0;
  if (place.row >= 0) {
    const int top = place.row / kParts, left = place.column / kParts, down = place.row % kParts, along = place.column % kParts;
    const uint8_t *upper = image + static_cast<size_t>(top) * width, *lower = top + 1 < height ? upper + width : upper;
    const int right = min(left + 1, width - 1);
    const int above = upper[left] * (kParts - along) + upper[right] * along;
    const int below = lower[left] * (kParts - along) + lower[right] * along;
    mixed = (above * (kParts - down) + below * down + kParts * kParts / 2) >> 16;
  }
  out[i] = static_cast<uint8_t>(mixed);
}

// places: the source row and column of each of `count` result pixels, in 256ths of a pixel; a negative row is outside.
RTSEG_API int rtseg_sample(const uint8_t* image, int height, int width, const int* places, size_t count, uint8_t* out,
                           void* stream) {
  const unsigned grid = blocks(count, kSampleThreads);
  const auto* found = reinterpret_cast<const Found*>(places);
  return launch(sample, grid, kSampleThreads, 0, stream, image, height, width, found, count, out);
}

}  // namespace rtseg
