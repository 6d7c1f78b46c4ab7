// Keeps the labels of pixels that have another label near them, 0 elsewhere. The reference is inner_contour.py.
#include "square.cuh"

namespace rtseg {

__global__ void __launch_bounds__(kSquareThreads)
    inner_contour(const uint8_t* labels, int height, int width, int reach, uint8_t* out) {
  const Rim rim(labels, height, width, reach);
  for (int i = threadIdx.x; i < kSquareHeight * kSquareWidth; i += kSquareThreads) {
    const int y = blockIdx.y * kSquareHeight + i / kSquareWidth, x = blockIdx.x * kSquareWidth + i % kSquareWidth;
    if (y >= height || x >= width) continue;
    const size_t at = static_cast<size_t>(y) * width + x;
    out[at] = rim.has(i / kSquareWidth, i % kSquareWidth) ? labels[at] : 0;
  }
}

// reach: the contour's width in pixels, at most 32. out: must not be labels.
RTSEG_API int rtseg_inner_contour(const uint8_t* labels, int height, int width, int reach, uint8_t* out, void* stream) {
  return launch(inner_contour, square_grid(height, width), kSquareThreads, square_bytes(reach, Rim::kExtremes), stream, labels,
                height, width, reach, out);
}

}  // namespace rtseg
