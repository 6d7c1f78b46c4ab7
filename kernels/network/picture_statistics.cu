// Normalizes a network's input by statistics of the picture itself, in place. The reference is picture_statistics.py.
//
// One block reads the planes inside the fit, since a network's input is small; the sums are in double precision, because the
// variance is a difference of large numbers. A second launch scales every value.
#include <cstdint>

#include "geometry.cuh"
#include "../runtime/launch.cuh"

namespace rtseg {

constexpr int kStatisticsThreads = 256, kLevels = 256;
constexpr float kLevelOffset = 0.4637f;  // as in the reference
constexpr double kMinSpread = 2.0;
enum Statistics { kZScore, kMinMax, kPercentile };

struct PictureStatistics {
  const float* levels;  // (planes, height, width)
  int planes, height, width;
  Box inner;
  int kind;
  float shares[2];  // percentiles / 100
  float* scaling;   // what is subtracted, and what is divided by
};

// Returns the first level up to which at least `rank` values lie.
__device__ inline int level_at(const unsigned* counts, double rank) {
  unsigned long long below = 0;
  for (int level = 0; level < kLevels; ++level) {
    below += counts[level];
    if (static_cast<double>(below) >= rank) return level;
  }
  return kLevels - 1;
}

__global__ void __launch_bounds__(kStatisticsThreads) picture_statistics(PictureStatistics call) {
  __shared__ double sums[kStatisticsThreads], squares[kStatisticsThreads];
  __shared__ float lows[kStatisticsThreads], highs[kStatisticsThreads];
  __shared__ unsigned counts[kLevels];
  const int thread = threadIdx.x;
  counts[thread] = 0;
  __syncthreads();
  double sum = 0, square = 0;
  float low = 3e38f, high = -3e38f;
  const int area = call.inner.height * call.inner.width, size = area * call.planes;
  for (int i = thread; i < size; i += kStatisticsThreads) {
    const int plane = i / area, y = call.inner.top + i % area / call.inner.width, x = call.inner.left + i % call.inner.width;
    const float value = call.levels[(static_cast<size_t>(plane) * call.height + y) * call.width + x];
    sum += value;
    square += static_cast<double>(value) * value;
    low = fminf(low, value);
    high = fmaxf(high, value);
    if (call.kind == kPercentile) atomicAdd(&counts[min(max(static_cast<int>(floorf(value + kLevelOffset)), 0), kLevels - 1)], 1u);
  }
  sums[thread] = sum;
  squares[thread] = square;
  lows[thread] = low;
  highs[thread] = high;
  __syncthreads();
  if (thread) return;
  for (int other = 1; other < kStatisticsThreads; ++other) {
    sum += sums[other];
    square += squares[other];
    low = fminf(low, lows[other]);
    high = fmaxf(high, highs[other]);
  }
  double from = low, spread = static_cast<double>(high) - low;
  if (call.kind == kZScore) {
    from = sum / size;
    spread = sqrt(fmax(square / size - from * from, 0.0));
  } else if (call.kind == kPercentile) {
    double levels[2];
    for (int end = 0; end < 2; ++end)
      levels[end] = level_at(counts, fmin(fmax(ceil(static_cast<double>(call.shares[end]) * size), 1.0), static_cast<double>(size)));
    from = levels[0];
    spread = levels[1] - levels[0];
  }
  call.scaling[0] = static_cast<float>(from);
  call.scaling[1] = static_cast<float>(fmax(spread, kMinSpread));
}

struct Rescale {
  float* levels;
  int plane_size, count, kind;
  const float* scaling;
  float gain[3], shift[3];  // of the scaled values, one per plane
};

__global__ void __launch_bounds__(kStatisticsThreads) rescale(Rescale call) {
  const int i = blockIdx.x * kStatisticsThreads + threadIdx.x;
  if (i >= call.count) return;
  float value = (call.levels[i] - call.scaling[0]) / call.scaling[1];
  if (call.kind != kZScore) value = fminf(fmaxf(value, 0.0f), 1.0f);
  const int plane = i / call.plane_size;  // compared, since an index would copy the arguments to local memory
  const float gain = plane == 0 ? call.gain[0] : plane == 1 ? call.gain[1] : call.gain[2];
  const float shift = plane == 0 ? call.shift[0] : plane == 1 ? call.shift[1] : call.shift[2];
  call.levels[i] = value * gain + shift;
}

// inner: top, left, height, width. kind: 0 z-score, 1 min-max, 2 percentiles, which `shares` gives as fractions. scaling: 2 floats.
RTSEG_API int rtseg_picture_statistics(const float* levels, int planes, int height, int width, const int* inner, int kind,
                                       const float* shares, float* scaling, void* stream) {
  const PictureStatistics call{levels, planes, height, width, as_box(inner), kind, {shares[0], shares[1]}, scaling};
  return launch(picture_statistics, 1, kStatisticsThreads, 0, stream, call);
}

// mean, std: one float per plane, in host memory, in units of the scaled values.
RTSEG_API int rtseg_rescale(float* levels, int planes, int height, int width, int kind, const float* scaling, const float* mean,
                            const float* std, void* stream) {
  Rescale call{levels, height * width, planes * height * width, kind, scaling, {}, {}};
  for (int plane = 0; plane < planes; ++plane) {
    call.gain[plane] = 1 / std[plane];
    call.shift[plane] = -mean[plane] / std[plane];
  }
  return launch(rescale, blocks(call.count, kStatisticsThreads), kStatisticsThreads, 0, stream, call);
}

}  // namespace rtseg
