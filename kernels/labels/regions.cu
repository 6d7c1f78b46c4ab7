// Finds the connected regions of a label map by union-find over pixels. The reference is label_regions in regions.py.
//
// V. Oliveira, R. Lotufo, "A study on connected components labeling algorithms using GPUs", SIBGRAPI 2010: each pixel points to
// another of its region with a lower index, and the lower root wins; the root is the first pixel of the region in raster order.
#include "regions.cuh"

namespace rtseg {

// Parents only decrease, within one region: a stale value is still in the region, only farther from the root.
__device__ inline int root_of(const int* parents, int pixel) {
  const volatile int* current = parents;
  for (int parent; (parent = current[pixel]) != pixel;) pixel = parent;
  return pixel;
}

__device__ inline void unite(int* parents, int a, int b) {
  for (;;) {
    a = root_of(parents, a);
    b = root_of(parents, b);
    if (a == b) return;
    const int high = max(a, b), low = min(a, b);
    const int was = atomicMin(&parents[high], low);
    if (was == high) return;  // it was still a root
    a = was;
    b = low;
  }
}

template <bool kDiagonal>
__global__ void __launch_bounds__(kRegionThreads) join_regions(const uint8_t* labels, int height, int width, int* parents) {
  const int pixel = pixel_index();
  if (pixel >= height * width) return;
  const int x = pixel % width, label = labels[pixel];
  if (x > 0 && labels[pixel - 1] == label) unite(parents, pixel, pixel - 1);
  if (pixel < width) return;
  if (labels[pixel - width] == label) unite(parents, pixel, pixel - width);
  if constexpr (kDiagonal) {
    if (x > 0 && labels[pixel - width - 1] == label) unite(parents, pixel, pixel - width - 1);
    if (x < width - 1 && labels[pixel - width + 1] == label) unite(parents, pixel, pixel - width + 1);
  }
}

__global__ void __launch_bounds__(kRegionThreads) start_regions(int pixels, int* parents) {
  const int pixel = pixel_index();
  if (pixel < pixels) parents[pixel] = pixel;
}

__global__ void __launch_bounds__(kRegionThreads) flatten_regions(int pixels, int* parents) {
  const int pixel = pixel_index();
  if (pixel < pixels) parents[pixel] = root_of(parents, pixel);
}

int find_regions(const uint8_t* labels, int height, int width, bool diagonal, int* roots, void* stream) {
  const int pixels = height * width;
  const unsigned grid = region_grid(pixels);
  const auto join = diagonal ? join_regions<true> : join_regions<false>;
  if (const int code = launch(start_regions, grid, kRegionThreads, 0, stream, pixels, roots)) return code;
  if (const int code = launch(join, grid, kRegionThreads, 0, stream, labels, height, width, roots)) return code;
  return launch(flatten_regions, grid, kRegionThreads, 0, stream, pixels, roots);
}

}  // namespace rtseg
