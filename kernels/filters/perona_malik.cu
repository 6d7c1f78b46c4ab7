// Smooths by anisotropic diffusion that stops at edges, Perona and Malik 1990. The reference is perona_malik.py.
#include "diffusion.cuh"

namespace rtseg {

struct PeronaMalik {
  float sharpness, step;  // 1 / edge^2; the step in time

  __device__ float coefficient(const float*) const { return 0.0f; }  // the flow depends only on the difference

  __device__ float flow(float difference) const { return difference / (1.0f + difference * difference * sharpness); }

  __device__ float change(const float* at, const float*) const {
    const Neighbours by = differences(at);
    return step * (flow(by.above) + flow(by.below) + flow(by.left) + flow(by.right));
  }
};

// between: 2 * height * width floats of scratch memory.
RTSEG_API int rtseg_perona_malik(const uint8_t* image, int height, int width, float edge, int steps, float step, float* between,
                                 uint8_t* out, void* stream) {
  const auto rule_at = [=](int) { return PeronaMalik{1 / (edge * edge), step}; };
  return diffuse_image(image, height, width, 0.0f, steps, rule_at, between, out, stream);
}

}  // namespace rtseg
