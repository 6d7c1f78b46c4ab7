// Reduces speckle by anisotropic diffusion (SRAD), Yu and Acton 2002. The reference is srad.py.
#include "diffusion.cuh"

namespace rtseg {

struct Srad {
  float noise, step;  // the squared coefficient of variation of speckle; the step in time over 4

  __device__ float coefficient(const float* at) const {
    const Neighbours by = differences(at);
    const float inverse = 1.0f / *at;
    const float laplacian = (by.above + by.below + by.left + by.right) * inverse;
    const float squares = by.above * by.above + by.below * by.below + by.left * by.left + by.right * by.right;
    const float mean = 1.0f + laplacian / 4.0f;
    const float variation = (squares * inverse * inverse / 2.0f - laplacian * laplacian / 16.0f) / (mean * mean);
    return fminf(fmaxf(1.0f / (1.0f + (variation - noise) / (noise * (1.0f + noise))), 0.0f), 1.0f);
  }

  __device__ float change(const float* at, const float* coefficients) const {
    const Neighbours by = differences(at);
    const float here = coefficients[0], below = coefficients[kPitch], right = coefficients[1];
    return step * (here * (by.above + by.left) + below * by.below + right * by.right);
  }
};

// noises: the squared coefficient of variation at each step, in host memory. between: 2 * height * width floats of scratch.
RTSEG_API int rtseg_srad(const uint8_t* image, int height, int width, float offset, const float* noises, int steps, float step,
                         float* between, uint8_t* out, void* stream) {
  const auto rule_at = [=](int i) { return Srad{noises[i], step}; };
  return diffuse_image(image, height, width, offset, steps, rule_at, between, out, stream);
}

}  // namespace rtseg
