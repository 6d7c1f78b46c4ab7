// Finds bright ridges by the symmetry of the local phase, in one launch. The reference is phase_symmetry.py.
//
// A block filters its tile down the columns into shared memory, and each thread filters its pixel along the rows from there.
#include <cstdint>

#include "../runtime/launch.cuh"

namespace rtseg {

constexpr int kSymmetryWidth = 32, kSymmetryHeight = 8, kSymmetryThreads = kSymmetryWidth * kSymmetryHeight;
constexpr int kProfiles = 5, kSeparable = 7, kOrientations = 6, kScales = 3;
constexpr int kTaps = 58;  // from the center outward, of the longest wavelength
constexpr float kFloor = 1.0f;  // gray levels of amplitude

struct Quadrature {  // by value in the launch: below CUDA's 4096 bytes of arguments
  float taps[kScales][kProfiles][kTaps];
  float weights[kOrientations][kSeparable];
  int radii[kScales], scales;
};

// Writes the five profiles of the tile's columns, and of `radius` more on either side, to `down` [profile][row][column].
__device__ inline void filter_down(const uint8_t* image, int height, int width, const float (*taps)[kTaps], int radius,
                                   float* down) {
  const int pitch = kSymmetryWidth + 2 * radius, plane = kSymmetryHeight * pitch;
  const int top = blockIdx.y * kSymmetryHeight, left = blockIdx.x * kSymmetryWidth - radius;
  for (int i = threadIdx.y * kSymmetryWidth + threadIdx.x; i < plane; i += kSymmetryThreads) {
    const int y = top + i / pitch;
    const uint8_t* column = image + min(max(left + i % pitch, 0), width - 1);
    const float here = column[static_cast<size_t>(min(y, height - 1)) * width];
    float g0 = taps[0][0] * here, g1 = 0.0f, g2 = taps[2][0] * here, h2 = taps[3][0] * here, h3 = 0.0f;
    for (int tap = 1; tap <= radius; ++tap) {
      const int below = column[static_cast<size_t>(min(y + tap, height - 1)) * width];
      const int above = column[static_cast<size_t>(min(max(y - tap, 0), height - 1)) * width];
      const float both = below + above, change = below - above;
      g0 = fmaf(taps[0][tap], both, g0);
      g1 = fmaf(taps[1][tap], change, g1);
      g2 = fmaf(taps[2][tap], both, g2);
      h2 = fmaf(taps[3][tap], both, h2);
      h3 = fmaf(taps[4][tap], change, h3);
    }
    down[i] = g0;
    down[plane + i] = g1;
    down[2 * plane + i] = g2;
    down[3 * plane + i] = h2;
    down[4 * plane + i] = h3;
  }
}

// Writes the responses of the separable filters, in the order of quadrature.py, at a thread's place in the tile.
__device__ inline void filter_along(const float* down, const float (*taps)[kTaps], int radius, float* found) {
  const int pitch = kSymmetryWidth + 2 * radius, plane = kSymmetryHeight * pitch;
  const float* at = down + threadIdx.y * pitch + threadIdx.x + radius;
  found[0] = taps[2][0] * at[0];
  found[2] = taps[0][0] * at[2 * plane];
  found[4] = taps[3][0] * at[plane];
  found[6] = taps[0][0] * at[4 * plane];
  found[1] = found[3] = found[5] = 0.0f;
  for (int tap = 1; tap <= radius; ++tap) {
    const float *after = at + tap, *before = at - tap;
    found[0] = fmaf(taps[2][tap], after[0] + before[0], found[0]);
    found[1] = fmaf(taps[1][tap], after[plane] - before[plane], found[1]);
    found[2] = fmaf(taps[0][tap], after[2 * plane] + before[2 * plane], found[2]);
    found[3] = fmaf(taps[4][tap], after[0] - before[0], found[3]);
    found[4] = fmaf(taps[3][tap], after[plane] + before[plane], found[4]);
    found[5] = fmaf(taps[1][tap], after[3 * plane] - before[3 * plane], found[5]);
    found[6] = fmaf(taps[0][tap], after[4 * plane] + before[4 * plane], found[6]);
  }
}

__global__ void __launch_bounds__(kSymmetryThreads)
    phase_symmetry(const uint8_t* image, int height, int width, const Quadrature filters, float noise, uint8_t* out) {
  float* down = dynamic_shared<float>();
  float energy[kOrientations] = {}, amplitude = 0.0f;
  for (int scale = 0; scale < filters.scales; ++scale) {
    filter_down(image, height, width, filters.taps[scale], filters.radii[scale], down);
    __syncthreads();
    float found[kSeparable];
    filter_along(down, filters.taps[scale], filters.radii[scale], found);
    __syncthreads();
#pragma unroll
    for (int i = 0; i < kOrientations; ++i) {
      const float* weights = filters.weights[i];
      const float even = weights[0] * found[0] + weights[1] * found[1] + weights[2] * found[2];
      const float odd = weights[3] * found[3] + weights[4] * found[4] + weights[5] * found[5] + weights[6] * found[6];
      energy[i] += even - fabsf(odd);
      amplitude += sqrtf(even * even + odd * odd);
    }
  }
  float total = 0.0f;
#pragma unroll
  for (int i = 0; i < kOrientations; ++i) total += fmaxf(energy[i] - noise, 0.0f);
  const int y = blockIdx.y * kSymmetryHeight + threadIdx.y, x = blockIdx.x * kSymmetryWidth + threadIdx.x;
  if (y < height && x < width)
    out[static_cast<size_t>(y) * width + x] = static_cast<uint8_t>(255.0f * total / (amplitude + kFloor) + 0.5f);
}

// taps: [scale][profile][pitch], radii: [scale], weights: [orientation][7], all in host memory. out: must not be the image.
RTSEG_API int rtseg_phase_symmetry(const uint8_t* image, int height, int width, const float* taps, int pitch, const int* radii,
                                   int scales, const float* weights, float noise, uint8_t* out, void* stream) {
  if (scales < 1 || scales > kScales) return cudaErrorInvalidValue;
  Quadrature filters = {};
  filters.scales = scales;
  int reach = 0;
  for (int scale = 0; scale < scales; ++scale) {
    filters.radii[scale] = radii[scale];
    reach = radii[scale] > reach ? radii[scale] : reach;
  }
  if (reach >= kTaps || reach >= pitch) return cudaErrorInvalidValue;
  for (int i = 0; i < scales * kProfiles; ++i)
    for (int tap = 0; tap <= radii[i / kProfiles]; ++tap) filters.taps[i / kProfiles][i % kProfiles][tap] = taps[i * pitch + tap];
  for (int i = 0; i < kOrientations * kSeparable; ++i) filters.weights[i / kSeparable][i % kSeparable] = weights[i];
  const dim3 grid(blocks(width, kSymmetryWidth), blocks(height, kSymmetryHeight));
  const size_t shared = sizeof(float) * kProfiles * kSymmetryHeight * (kSymmetryWidth + 2 * reach);
  return launch(phase_symmetry, grid, dim3(kSymmetryWidth, kSymmetryHeight), shared, stream, image, height, width, filters, noise,
                out);
}

}  // namespace rtseg
