// Scan conversion between beams and the fan, bilinearly. The definition is scan_conversion.py.
//
// Where each pixel is found depends on the probe alone: the table comes from the host, once, and is read for each frame.
#include <cstdint>

#include "../runtime/launch.cuh"

namespace rtseg {

constexpr int kSampleThreads = 256, kParts = 256;  // a pixel is divided into so many, both ways

struct Found {
  int row, column;  // in parts of a pixel; the row is negative outside
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

// places: for each of `count` pixels of the result row and column, in 256ths of a pixel; a negative row is outside.
RTSEG_API int rtseg_sample(const uint8_t* image, int height, int width, const int* places, size_t count, uint8_t* out,
                           void* stream) {
  const unsigned grid = blocks(count, kSampleThreads);
  const auto* found = reinterpret_cast<const Found*>(places);
  return launch(sample, grid, kSampleThreads, 0, stream, image, height, width, found, count, out);
}

}  // namespace rtseg
