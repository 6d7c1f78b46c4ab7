// Declares the connected regions of regions.cu for the kernels that measure regions.
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

// Writes each pixel's root, its region's first pixel in raster order, in three launches. diagonal: pixels that touch only at a
// corner are in one region.
int find_regions(const uint8_t* labels, int height, int width, bool diagonal, int* roots, void* stream);

}  // namespace rtseg
