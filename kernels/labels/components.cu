// Removes stray regions and fills holes in label maps. The reference is components.py.
#include "regions.cuh"

namespace rtseg {

constexpr int kEdge = 256;  // stands for the outside of the frame

struct Chosen {  // a set of labels, one bit each
  unsigned bits[8];

  __device__ bool has(int label) const { return bits[label / 32] >> label % 32 & 1; }
};

__global__ void __launch_bounds__(kRegionThreads)
    count_areas(const uint8_t* labels, int pixels, const int* roots, unsigned* areas) {
  const int pixel = pixel_index();
  const int root = pixel < pixels && labels[pixel] ? roots[pixel] : -1;
  const unsigned alike = __match_any_sync(0xffffffffu, root);  // one atomic for the lanes of one region
  if (root >= 0 && threadIdx.x % 32 == static_cast<unsigned>(__ffs(alike) - 1))
    atomicAdd(&areas[root], static_cast<unsigned>(__popc(alike)));
}

// Ranks a region by area (high word), then by how early it starts (low word): of two equal areas the first one wins.
__device__ inline unsigned long long rank_of(unsigned area, int root) {
  return static_cast<unsigned long long>(area) << 32 | (0xffffffffu - static_cast<unsigned>(root));
}

__global__ void __launch_bounds__(kRegionThreads)
    find_largest(const uint8_t* labels, int pixels, const int* roots, const unsigned* areas, unsigned long long* largest) {
  const int pixel = pixel_index();
  if (pixel < pixels && labels[pixel] && roots[pixel] == pixel)
    atomicMax(&largest[labels[pixel]], rank_of(areas[pixel], pixel));
}

// out: may be the labels, here and below.
__global__ void __launch_bounds__(kRegionThreads)
    keep_largest(const uint8_t* labels, int pixels, const int* roots, const unsigned* areas, const unsigned long long* largest,
                 Chosen single, uint8_t* out) {
  const int pixel = pixel_index();
  if (pixel >= pixels) return;
  const int label = labels[pixel], root = roots[pixel];
  out[pixel] = single.has(label) && rank_of(areas[root], root) != largest[label] ? 0 : label;
}

__global__ void __launch_bounds__(kRegionThreads)
    drop_small(const uint8_t* labels, int pixels, const int* roots, const unsigned* areas, unsigned least, uint8_t* out) {
  const int pixel = pixel_index();
  if (pixel < pixels) out[pixel] = areas[roots[pixel]] >= least ? labels[pixel] : 0;
}

// Finds the smallest and the largest label among the 4-neighbors of each background region.
__global__ void __launch_bounds__(kRegionThreads)
    meet_labels(const uint8_t* labels, int height, int width, const int* roots, int* lowest, int* highest) {
  const int pixel = pixel_index();
  if (pixel >= height * width || labels[pixel]) return;
  const int y = pixel / width, x = pixel % width, root = roots[pixel];
  const int met[4] = {y > 0 ? labels[pixel - width] : kEdge, y < height - 1 ? labels[pixel + width] : kEdge,
                      x > 0 ? labels[pixel - 1] : kEdge, x < width - 1 ? labels[pixel + 1] : kEdge};
  for (const int label : met) {
    if (label == 0) continue;
    atomicMin(&lowest[root], label);
    atomicMax(&highest[root], label);
  }
}

__global__ void __launch_bounds__(kRegionThreads)
    fill_holes(const uint8_t* labels, int pixels, const int* roots, const int* lowest, const int* highest, uint8_t* out) {
  const int pixel = pixel_index();
  if (pixel >= pixels) return;
  const int label = labels[pixel], root = roots[pixel];
  const bool hole = label == 0 && lowest[root] == highest[root] && highest[root] < kEdge;
  out[pixel] = static_cast<uint8_t>(hole ? highest[root] : label);
}

// Finds the regions and their areas.
inline int measure_regions(const uint8_t* labels, int height, int width, int* roots, unsigned* areas, void* stream) {
  const int pixels = height * width;
  if (const int code = find_regions(labels, height, width, true, roots, stream)) return code;
  if (const int code = fill(areas, 0, pixels * sizeof(unsigned), stream)) return code;
  return launch(count_areas, region_grid(pixels), kRegionThreads, 0, stream, labels, pixels, roots, areas);
}

// single: 256 bits, one per label, in host memory, read before this returns. Scratch: roots and areas, height * width ints
// each, and largest, 256 numbers of 64 bits.
RTSEG_API int rtseg_keep_largest(const uint8_t* labels, int height, int width, const unsigned* single, int* roots,
                                 unsigned* areas, unsigned long long* largest, uint8_t* out, void* stream) {
  const int pixels = height * width;
  const unsigned grid = region_grid(pixels);
  Chosen chosen;
  for (int i = 0; i < 8; ++i) chosen.bits[i] = single[i];
  if (const int code = measure_regions(labels, height, width, roots, areas, stream)) return code;
  if (const int code = fill(largest, 0, 256 * sizeof(unsigned long long), stream)) return code;
  if (const int code = launch(find_largest, grid, kRegionThreads, 0, stream, labels, pixels, roots, areas, largest))
    return code;
  return launch(keep_largest, grid, kRegionThreads, 0, stream, labels, pixels, roots, areas, largest, chosen, out);
}

// roots, areas: scratch, as above.
RTSEG_API int rtseg_drop_small(const uint8_t* labels, int height, int width, int least, int* roots, unsigned* areas,
                               uint8_t* out, void* stream) {
  const int pixels = height * width;
  if (const int code = measure_regions(labels, height, width, roots, areas, stream)) return code;
  return launch(drop_small, region_grid(pixels), kRegionThreads, 0, stream, labels, pixels, roots, areas,
                static_cast<unsigned>(least), out);
}

// Scratch: roots, lowest and highest, height * width ints each.
RTSEG_API int rtseg_fill_holes(const uint8_t* labels, int height, int width, int* roots, int* lowest, int* highest,
                               uint8_t* out, void* stream) {
  const int pixels = height * width;
  const unsigned grid = region_grid(pixels);
  if (const int code = find_regions(labels, height, width, false, roots, stream)) return code;
  if (const int code = fill(lowest, 0x7f, pixels * sizeof(int), stream)) return code;  // above every label
  if (const int code = fill(highest, 0, pixels * sizeof(int), stream)) return code;
  if (const int code = launch(meet_labels, grid, kRegionThreads, 0, stream, labels, height, width, roots, lowest, highest))
    return code;
  return launch(fill_holes, grid, kRegionThreads, 0, stream, labels, pixels, roots, lowest, highest, out);
}

}  // namespace rtseg
