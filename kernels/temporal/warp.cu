// Warps planes of the previous frame to the current one by optical flow. The reference is warp.py.
#include "../runtime/launch.cuh"
#include "../network/logits.cuh"

namespace rtseg {

constexpr int kCarriedWidth = 32, kCarriedHeight = 8;

struct Between {  // two nodes of an axis
  int before, behind;
  float share;  // of the one after
};

// NaN becomes the first node, since a comparison with it is false.
__device__ inline Between between(float at, int nodes) {
  const float last = static_cast<float>(nodes - 1), above = at > 0.0f ? at : 0.0f, inside = above < last ? above : last;
  const int before = static_cast<int>(inside);
  return {before, min(before + 1, nodes - 1), inside - static_cast<float>(before)};
}

// field: (height, width, 2). One thread computes a node in all planes.
__global__ void __launch_bounds__(kCarriedWidth* kCarriedHeight)
    carried(const float* planes, const float* field, int classes, int height, int width, float* out) {
  const int x = blockIdx.x * kCarriedWidth + threadIdx.x, y = blockIdx.y * kCarriedHeight + threadIdx.y;
  if (x >= width || y >= height) return;
  const size_t node = static_cast<size_t>(y) * width + x, plane = static_cast<size_t>(height) * width;
  const Between column = between(static_cast<float>(x) + field[2 * node], width);
  const Between row = between(static_cast<float>(y) + field[2 * node + 1], height);
  for (int k = 0; k < classes; ++k) {
    const float *upper = planes + k * plane + row.before * width, *lower = planes + k * plane + row.behind * width;
    const float above = mix(upper[column.before], upper[column.behind], column.share);
    const float below = mix(lower[column.before], lower[column.behind], column.share);
    out[k * plane + node] = mix(above, below, row.share);
  }
}

// out: must not be the planes.
RTSEG_API int rtseg_carried(const float* planes, const float* field, int classes, int height, int width, float* out,
                            void* stream) {
  const dim3 grid(blocks(width, kCarriedWidth), blocks(height, kCarriedHeight));
  return launch(carried, grid, dim3(kCarriedWidth, kCarriedHeight), 0, stream, planes, field, classes, height, width, out);
}

}  // namespace rtseg
