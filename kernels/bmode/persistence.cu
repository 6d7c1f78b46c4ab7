// Applies temporal persistence: each image moves toward the new frame by a share of the difference. The reference is
// persistence.py.
#include <cstdint>

#include "../runtime/launch.cuh"

namespace rtseg {

constexpr int kPersistenceThreads = 256;

// part: the new frame's weight in 256ths. out: may be either input, each value is read before it is written.
__global__ void __launch_bounds__(kPersistenceThreads)
    persistence(const uint8_t* image, const uint8_t* previous, int part, size_t count, uint8_t* out) {
  const size_t i = blockIdx.x * size_t{kPersistenceThreads} + threadIdx.x;
  if (i >= count) return;
  const int past = previous[i], difference = image[i] - past;
  const int moved = ((difference < 0 ? -difference : difference) * part + 255) >> 8;
  out[i] = static_cast<uint8_t>(difference < 0 ? past - moved : past + moved);
}

RTSEG_API int rtseg_persistence(const uint8_t* image, const uint8_t* previous, int part, size_t count, uint8_t* out,
                                void* stream) {
  const unsigned grid = blocks(count, kPersistenceThreads);
  return launch(persistence, grid, kPersistenceThreads, 0, stream, image, previous, part, count, out);
}

}  // namespace rtseg
