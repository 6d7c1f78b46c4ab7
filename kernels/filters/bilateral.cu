// Smooths with the bilateral filter: a mean over near pixels of similar gray level. The reference is bilateral.py.
#include "window.cuh"

namespace rtseg {

struct Bilateral {
  float sharpness, nearness;  // 1 / (2 contrast^2), 1 / (2 reach^2)

  __device__ float operator()(const Window& window, int size) const {
    const int radius = size / 2, middle = window(radius, radius);
    float above = 0.0f, below = 0.0f;
    for (int y = -radius; y <= radius; ++y) {
      for (int x = -radius; x <= radius; ++x) {
        if (y * y + x * x > radius * radius) continue;
        const int value = window(radius + y, radius + x), difference = value - middle;
        const float weight = __expf(-sharpness * (difference * difference) - nearness * (y * y + x * x));
        above += weight * value;
        below += weight;
      }
    }
    return above / below;
  }
};

RTSEG_API int rtseg_bilateral(const uint8_t* image, int height, int width, int size, float contrast, float reach, uint8_t* out,
                              void* stream) {
  const Bilateral rule{1 / (2 * contrast * contrast), 1 / (2 * reach * reach)};
  return launch_filter(image, height, width, size, rule, out, stream);
}

}  // namespace rtseg
