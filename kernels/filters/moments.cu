// Reduces speckle with the MMSE filters of Lee and Kuan. The references are lee.py, kuan.py and moments.py.
#include "window.cuh"

namespace rtseg {

constexpr float kFlat = 1e-6f;  // gray levels squared: avoids a division by zero

struct Pull {
  float squared_noise, scale;

  __device__ float operator()(const Window& window, int size) const {
    const Moments local = moments(window, size);
    const float share = scale * (1.0f - squared_noise * local.mean * local.mean / fmaxf(local.variance, kFlat));
    return local.mean + fminf(fmaxf(share, 0.0f), 1.0f) * (window(size / 2, size / 2) - local.mean);
  }
};

// out = mean + k (value - mean), k = scale * (1 - squared_noise mean^2 / variance) in 0..1. out: must not be the image.
RTSEG_API int rtseg_pull(const uint8_t* image, int height, int width, int size, float squared_noise, float scale, uint8_t* out,
                         void* stream) {
  return launch_filter(image, height, width, size, Pull{squared_noise, scale}, out, stream);
}

}  // namespace rtseg
