// Diffuses a gray image in steps, one launch per step: shared by SRAD and Perona-Malik.
#pragma once
#include <cstdint>

#include "../runtime/launch.cuh"

namespace rtseg {

constexpr int kStepWidth = 32, kStepHeight = 8, kStepThreads = kStepWidth * kStepHeight;
constexpr int kAround = 2;  // pixels around a tile: a neighbor's coefficient needs that neighbor's neighbors
constexpr int kPitch = kStepWidth + 2 * kAround, kRows = kStepHeight + 2 * kAround;

struct Neighbours {  // each minus the value
  float above, below, left, right;
};

__device__ inline Neighbours differences(const float* at) {
  return {at[-kPitch] - *at, at[kPitch] - *at, at[-1] - *at, at[1] - *at};
}

__device__ inline float intensity(const uint8_t* image, size_t at, float offset) { return image[at] + offset; }
__device__ inline float intensity(const float* values, size_t at, float) { return values[at]; }

__device__ inline void store(float value, float offset, uint8_t* image, size_t at) {
  image[at] = static_cast<uint8_t>(fminf(fmaxf(value - offset + 0.5f, 0.0f), 255.0f));
}
__device__ inline void store(float value, float, float* values, size_t at) { values[at] = value; }

// Rule: coefficient(at) of a pixel, and change(at, coefficients) of its value, with pointers into tiles of pitch kPitch.
// From and To: uint8_t for the image, float between two steps.
template <typename Rule, typename From, typename To>
__global__ void __launch_bounds__(kStepThreads)
    diffuse(const From* from, int height, int width, float offset, Rule rule, To* to) {
  float* tile = dynamic_shared<float>();
  float* coefficients = tile + kRows * kPitch;
  const int thread = threadIdx.y * kStepWidth + threadIdx.x;
  const int top = blockIdx.y * kStepHeight - kAround, left = blockIdx.x * kStepWidth - kAround;
  for (int i = thread; i < kRows * kPitch; i += kStepThreads) {
    const int y = min(max(top + i / kPitch, 0), height - 1), x = min(max(left + i % kPitch, 0), width - 1);
    tile[i] = intensity(from, static_cast<size_t>(y) * width + x, offset);
  }
  __syncthreads();
  for (int i = thread; i < kRows * kPitch; i += kStepThreads) {
    const int y = i / kPitch, x = i % kPitch;
    if (y > 0 && y < kRows - 1 && x > 0 && x < kPitch - 1) coefficients[i] = rule.coefficient(tile + i);
  }
  __syncthreads();
  const int y = blockIdx.y * kStepHeight + threadIdx.y, x = blockIdx.x * kStepWidth + threadIdx.x;
  const int at = (threadIdx.y + kAround) * kPitch + threadIdx.x + kAround;
  if (y < height && x < width)
    store(tile[at] + rule.change(tile + at, coefficients + at), offset, to, static_cast<size_t>(y) * width + x);
}

template <typename Rule, typename From, typename To>
int launch_step(const From* from, int height, int width, float offset, Rule rule, To* to, void* stream) {
  const dim3 grid(blocks(width, kStepWidth), blocks(height, kStepHeight));
  return launch(diffuse<Rule, From, To>, grid, dim3(kStepWidth, kStepHeight), 2 * sizeof(float) * kRows * kPitch, stream, from,
                height, width, offset, rule, to);
}

// Runs all steps: the first reads `image`, the last writes `out`. rule_at(i): the rule of step i. between: 2 * height * width.
template <typename RuleAt>
int diffuse_image(const uint8_t* image, int height, int width, float offset, int steps, RuleAt rule_at, float* between,
                  uint8_t* out, void* stream) {
  const size_t pixels = static_cast<size_t>(height) * width;
  if (steps == 0) return cudaMemcpyAsync(out, image, pixels, cudaMemcpyDeviceToDevice, static_cast<cudaStream_t>(stream));
  if (steps == 1) return launch_step(image, height, width, offset, rule_at(0), out, stream);
  float *now = between, *then = between + pixels;
  int code = launch_step(image, height, width, offset, rule_at(0), now, stream);
  for (int step = 1; step < steps - 1 && !code; ++step) {
    code = launch_step(now, height, width, offset, rule_at(step), then, stream);
    float* other = now;
    now = then;
    then = other;
  }
  return code ? code : launch_step(now, height, width, offset, rule_at(steps - 1), out, stream);
}

}  // namespace rtseg
