// Compresses the envelope of an echo logarithmically to 8-bit B-mode. The reference is log_compression.py.
#include <cstdint>

#include "../runtime/launch.cuh"

namespace rtseg {

constexpr int kCompressionThreads = 256;

// level = gain * log2(envelope) + shift; NaN, zero and negative amplitudes are black.
__global__ void __launch_bounds__(kCompressionThreads)
    log_compress(const float* envelope, float gain, float shift, size_t count, uint8_t* out) {
  const size_t i = blockIdx.x * size_t{kCompressionThreads} + threadIdx.x;
  if (i >= count) return;
  const float level = envelope[i] > 0.0f ? gain * log2f(envelope[i]) + shift : 0.0f;
  out[i] = static_cast<uint8_t>(fminf(fmaxf(level + 0.5f, 0.0f), 255.0f));
}

RTSEG_API int rtseg_log_compress(const float* envelope, float gain, float shift, size_t count, uint8_t* out, void* stream) {
  const unsigned grid = blocks(count, kCompressionThreads);
  return launch(log_compress, grid, kCompressionThreads, 0, stream, envelope, gain, shift, count, out);
}

}  // namespace rtseg
