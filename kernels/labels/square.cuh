// Computes the minimum and maximum of the square around each pixel: shared by the inner contour, the overlay and morphology.
//
// A block computes a tile: it loads the tile with its margin into shared memory, then the extremes along each row, and each
// thread reduces down the columns. A pixel outside the frame counts as the nearest one inside, which is in the square anyway.
#pragma once
#include <cstdint>

#include "../runtime/launch.cuh"

namespace rtseg {

constexpr int kSquareWidth = 32, kSquareHeight = 16, kSquareThreads = 256;  // each thread computes two pixels of the tile

inline dim3 square_grid(int height, int width) { return dim3(blocks(width, kSquareWidth), blocks(height, kSquareHeight)); }

// Returns the shared memory in bytes for a tile with a margin of `reach` pixels, and for `extremes` planes.
inline size_t square_bytes(int reach, int extremes) {
  return static_cast<size_t>(kSquareHeight + 2 * reach) * (kSquareWidth + 2 * reach + extremes * kSquareWidth);
}

struct Square {
  uint8_t* tile;  // (rows, pitch)
  int reach, rows, pitch;

  __device__ explicit Square(int reach)
      : tile(dynamic_shared<uint8_t>()), reach(reach), rows(kSquareHeight + 2 * reach), pitch(kSquareWidth + 2 * reach) {}

  // Returns the i-th plane of extremes (rows, kSquareWidth).
  __device__ uint8_t* plane(int i) const { return tile + rows * (pitch + i * kSquareWidth); }

  __device__ void load(const uint8_t* image, int height, int width) const {
    const int top = blockIdx.y * kSquareHeight - reach, left = blockIdx.x * kSquareWidth - reach;
    for (int i = threadIdx.x; i < rows * pitch; i += kSquareThreads) {
      const int y = min(max(top + i / pitch, 0), height - 1), x = min(max(left + i % pitch, 0), width - 1);
      tile[i] = image[static_cast<size_t>(y) * width + x];
    }
    __syncthreads();
  }

  template <typename Choose>
  __device__ void along_rows(Choose choose, uint8_t* extremes) const {
    for (int i = threadIdx.x; i < rows * kSquareWidth; i += kSquareThreads) {
      const uint8_t* row = tile + i / kSquareWidth * pitch + i % kSquareWidth;
      int extreme = row[0];
      for (int x = 1; x <= 2 * reach; ++x) extreme = choose(extreme, row[x]);
      extremes[i] = static_cast<uint8_t>(extreme);
    }
  }

  template <typename Choose>
  __device__ int down_column(Choose choose, const uint8_t* extremes, int y, int x) const {
    int extreme = extremes[y * kSquareWidth + x];
    for (int row = y + 1; row <= y + 2 * reach; ++row) extreme = choose(extreme, extremes[row * kSquareWidth + x]);
    return extreme;
  }
};

struct Least {
  __device__ int operator()(int a, int b) const { return min(a, b); }
};

struct Greatest {
  __device__ int operator()(int a, int b) const { return max(a, b); }
};

// Finds the pixels of a label map that have another label in their square.
struct Rim {
  Square square;

  static constexpr int kExtremes = 2;

  __device__ Rim(const uint8_t* labels, int height, int width, int reach) : square(reach) {
    square.load(labels, height, width);
    square.along_rows(Least(), square.plane(0));
    square.along_rows(Greatest(), square.plane(1));
    __syncthreads();
  }

  __device__ bool has(int y, int x) const {
    return square.down_column(Least(), square.plane(0), y, x) != square.down_column(Greatest(), square.plane(1), y, x);
  }
};

}  // namespace rtseg
