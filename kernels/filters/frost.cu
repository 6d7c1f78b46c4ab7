// Reduces speckle with the Frost filter: weights decay faster where the image varies more. The reference is frost.py.
#include "window.cuh"

namespace rtseg {

constexpr float kFarthest = 16.0f;  // exp(-16) is a negligible weight
constexpr float kSmallest = 1e-6f;  // avoids a division by zero on black

struct Frost {
  float damping;

  __device__ float operator()(const Window& window, int size) const {
    const Moments local = moments(window, size);
    const float mean = fmaxf(local.mean, kSmallest);
    const float rate = fminf(damping * local.variance / (mean * mean), kFarthest);
    float above = 0.0f, below = 0.0f;
    for (int y = 0; y < size; ++y) {
      for (int x = 0; x < size; ++x) {
        const int down = y - size / 2, along = x - size / 2;
        const float weight = __expf(-rate * sqrtf(static_cast<float>(down * down + along * along)));
        above += weight * window(y, x);
        below += weight;
      }
    }
    return above / below;
  }
};

RTSEG_API int rtseg_frost(const uint8_t* image, int height, int width, int size, float damping, uint8_t* out, void* stream) {
  return launch_filter(image, height, width, size, Frost{damping}, out, stream);
}

}  // namespace rtseg
