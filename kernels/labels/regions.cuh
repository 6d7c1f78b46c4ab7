// Connected regions of a label map: what regions.cu gives to the kernels that ask what a region is like.
#pragma once
#include <cstdint>

#include "../runtime/launch.cuh"

namespace rtseg {

constexpr int kRegionThreads = 256;

inline unsigned region_grid(int pixels) { return blocks(pixels, kRegionThreads); }

__device__ inline int pixel_index() { return blockIdx.x * kRegionThreads + threadIdx.x; }

inline int fill(void* memory, int byte, size_t bytes, void* stream) {
  return cudaMemsetAsync(memory, byte, bytes, static_cast<cudaStream_t>(stream));
}

// Three launches, after which each pixel's root is its region's first pixel, row by row. diagonal: whether pixels that touch at
// a corner alone are of one region.
int find_regions(const uint8_t* labels, int height, int width, bool diagonal, int* roots, void* stream);

}  // namespace rtseg
