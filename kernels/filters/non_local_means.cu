// Reduces speckle with optimized Bayesian non-local means, Coupe et al. 2009, in one launch. The reference is
// non_local_means.py.
//
// A CUDA block computes a tile of the image. Each thread estimates one image block, centered at every second pixel, from
// similar image blocks. Then each pixel is the mean of the estimates that cover it. Each estimate has its own place in shared
// memory, so that the sum has a fixed order.
#include <cstdint>

#include "../runtime/launch.cuh"

namespace rtseg {

constexpr int kReach = 2, kSide = 2 * kReach + 1, kPixels = kSide * kSide;  // of an image block
constexpr int kStep = 2, kWidestSearch = 15;
constexpr int kMeanTile = 32, kCentres = kMeanTile / kStep + 2, kEstimates = kCentres * kCentres;
constexpr int kMeanThreads = (kEstimates + 31) / 32 * 32;
constexpr int kWidest = kMeanTile + 2 * kStep + 2 * kReach + 2 * kWidestSearch - 1;  // of the tile with its margin

struct Search {
  int reach;        // in pixels
  float sharpness;  // 1 / (pixels of a block * strength^2)
};

struct Levels {  // a tile of the image in shared memory
  const uint8_t* corner;
  int pitch;

  __device__ float operator()(int y, int x) const { return corner[y * pitch + x]; }
};

// Computes the weighted mean of the searched image blocks. levels: starts `search.reach` above and left of the own block.
__device__ inline void estimate(const Levels& levels, const Search& search, float* mean) {
  float own[kPixels], weights = 0.0f;
#pragma unroll
  for (int k = 0; k < kPixels; ++k) {
    own[k] = levels(search.reach + k / kSide, search.reach + k % kSide);
    mean[k] = 0.0f;
  }
  for (int down = 0; down <= 2 * search.reach; ++down) {
    for (int along = 0; along <= 2 * search.reach; ++along) {
      float other[kPixels], distance = 0.0f;
#pragma unroll
      for (int k = 0; k < kPixels; ++k) {
        other[k] = levels(down + k / kSide, along + k % kSide);
        const float difference = own[k] - other[k];
        distance += __fdividef(difference * difference, fmaxf(other[k], 1.0f));  // Pearson's distance
      }
      const float weight = __expf(-distance * search.sharpness);
      weights += weight;
#pragma unroll
      for (int k = 0; k < kPixels; ++k) mean[k] = fmaf(weight, other[k], mean[k]);
    }
  }
#pragma unroll
  for (int k = 0; k < kPixels; ++k) mean[k] /= weights;
}

__global__ void __launch_bounds__(kMeanThreads)
    non_local_means(const uint8_t* image, int height, int width, Search search, uint8_t* out) {
  __shared__ uint8_t tile[kWidest * kWidest];
  __shared__ float estimates[kPixels][kEstimates];
  const int around = kStep + kReach + search.reach, pitch = kMeanTile + 2 * around - 1, thread = threadIdx.x;
  const int top = blockIdx.y * kMeanTile, left = blockIdx.x * kMeanTile;
  for (int i = thread; i < pitch * pitch; i += kMeanThreads) {
    const int y = min(max(top - around + i / pitch, 0), height - 1), x = min(max(left - around + i % pitch, 0), width - 1);
    tile[i] = image[static_cast<size_t>(y) * width + x];
  }
  __syncthreads();
  if (thread < kEstimates) {
    const int down = thread / kCentres * kStep, along = thread % kCentres * kStep;
    float mean[kPixels];
    estimate({tile + down * pitch + along, pitch}, search, mean);
#pragma unroll
    for (int k = 0; k < kPixels; ++k) estimates[k][thread] = mean[k];
  }
  __syncthreads();
  for (int i = thread; i < kMeanTile * kMeanTile; i += kMeanThreads) {
    const int y = top + i / kMeanTile, x = left + i % kMeanTile;
    if (y >= height || x >= width) continue;
    float total = 0.0f;
    int count = 0;
    for (int row = max(0, y - kReach + 1) / kStep * kStep; row <= min(y + kReach, height - 1); row += kStep) {
      for (int column = max(0, x - kReach + 1) / kStep * kStep; column <= min(x + kReach, width - 1); column += kStep) {
        const int centre = ((row - top) / kStep + 1) * kCentres + (column - left) / kStep + 1;
        total += estimates[(y - row + kReach) * kSide + x - column + kReach][centre];
        ++count;
      }
    }
    out[static_cast<size_t>(y) * width + x] = static_cast<uint8_t>(total / count + 0.5f);
  }
}

// search: radius in pixels, at most 15. out: must not be the image.
RTSEG_API int rtseg_non_local_means(const uint8_t* image, int height, int width, float strength, int search, uint8_t* out,
                                    void* stream) {
  if (search < 0 || search > kWidestSearch) return cudaErrorInvalidValue;
  const Search how{search, 1 / (kPixels * strength * strength)};
  const dim3 grid(blocks(width, kMeanTile), blocks(height, kMeanTile));
  return launch(non_local_means, grid, kMeanThreads, 0, stream, image, height, width, how, out);
}

}  // namespace rtseg
