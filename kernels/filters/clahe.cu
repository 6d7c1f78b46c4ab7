// Applies contrast-limited adaptive histogram equalization in two launches. The reference is clahe.py.
#include <cstdint>

#include "../runtime/launch.cuh"

namespace rtseg {

constexpr int kLevels = 256, kWarps = kLevels / 32;

// Returns the inclusive prefix sum of `value` over a block of kLevels threads; `sums` is shared memory, one per warp.
__device__ inline float running_sum(float value, float* sums) {
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  for (int by = 1; by < 32; by *= 2) {
    const float before = __shfl_up_sync(kAllLanes, value, by);
    if (lane >= by) value += before;
  }
  if (lane == 31) sums[warp] = value;
  __syncthreads();
  for (int i = 0; i < warp; ++i) value += sums[i];
  __syncthreads();  // the next call may write the sums
  return value;
}

// Each block maps one tile, each thread one of its 256 gray levels.
__global__ void __launch_bounds__(kLevels) equalise(const uint8_t* image, int height, int width, float limit, float* maps) {
  __shared__ unsigned counts[kLevels];
  __shared__ float sums[kWarps];
  const int level = threadIdx.x;
  const int top = blockIdx.y * height / gridDim.y, bottom = (blockIdx.y + 1) * height / gridDim.y;
  const int left = blockIdx.x * width / gridDim.x, right = (blockIdx.x + 1) * width / gridDim.x;
  const int columns = right - left, size = (bottom - top) * columns;
  counts[level] = 0;
  __syncthreads();
  for (int i = level; i < size; i += kLevels)
    atomicAdd(&counts[image[static_cast<size_t>(top + i / columns) * width + left + i % columns]], 1u);
  __syncthreads();
  const float count = counts[level], kept = fminf(count, limit * size / kLevels);
  const float cut = running_sum(count - kept, sums);
  __shared__ float all_cut;
  if (level == kLevels - 1) all_cut = cut;
  __syncthreads();
  const float below = running_sum(kept, sums) + (level + 1) * (all_cut / kLevels);
  maps[(static_cast<size_t>(blockIdx.y) * gridDim.x + blockIdx.x) * kLevels + level] = below * 255.0f / size;
}

struct TilePair {  // two tiles, by their centers
  int before, after;
  float share;
};

__device__ inline TilePair between(int pixel, int size, int tiles) {
  const float at = fminf(fmaxf((pixel + 0.5f) * tiles / size - 0.5f, 0.0f), tiles - 1.0f);
  const int before = static_cast<int>(at);
  return {before, min(before + 1, tiles - 1), at - before};
}

// out: may be the image.
__global__ void __launch_bounds__(kLevels)
    equalised(const uint8_t* image, int height, int width, const float* maps, int rows, int columns, uint8_t* out) {
  const int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
  if (x >= width || y >= height) return;
  const size_t at = static_cast<size_t>(y) * width + x;
  const TilePair row = between(y, height, rows), column = between(x, width, columns);
  const float* upper = maps + static_cast<size_t>(row.before) * columns * kLevels + image[at];
  const float* lower = maps + static_cast<size_t>(row.after) * columns * kLevels + image[at];
  const int left = column.before * kLevels, right = column.after * kLevels;
  const float above = upper[left] + (upper[right] - upper[left]) * column.share;
  const float below = lower[left] + (lower[right] - lower[left]) * column.share;
  out[at] = static_cast<uint8_t>(fminf(above + (below - above) * row.share + 0.5f, 255.0f));
}

// rows, columns: of tiles. maps: rows * columns * 256 floats of scratch memory.
RTSEG_API int rtseg_clahe(const uint8_t* image, int height, int width, float limit, int rows, int columns, float* maps,
                          uint8_t* out, void* stream) {
  const int code = launch(equalise, dim3(columns, rows), kLevels, 0, stream, image, height, width, limit, maps);
  if (code) return code;
  const dim3 grid(blocks(width, 32), blocks(height, 8));
  return launch(equalised, grid, dim3(32, 8), 0, stream, image, height, width, maps, rows, columns, out);
}

}  // namespace rtseg
