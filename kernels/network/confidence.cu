// Computes probabilities, the mean confidence of each class, and a check for NaN. The reference is confidence.py.
#include <algorithm>
#include <cstdint>

#include "../runtime/launch.cuh"
#include "logits.cuh"

namespace rtseg {

constexpr int kThreads = 256, kMostClasses = 255;
constexpr unsigned kMostBlocks = 128;
constexpr float kOne = 4294967296.0f;  // probabilities are added as multiples of 2^-32: integer sums do not depend on the order

// Returns enough blocks to keep a GPU busy; each loops over further items.
inline unsigned few_blocks(size_t items) { return std::min(blocks(items, kThreads), kMostBlocks); }

__global__ void __launch_bounds__(kThreads) probability(const float* logits, int classes, int nodes, float* out) {
  const int node = blockIdx.x * kThreads + threadIdx.x;
  if (node >= nodes) return;
  if (classes == 1) {
    out[node] = sigmoid(logits[node]);
    return;
  }
  const Winner winner = winner_of(logits + node, classes, nodes);
  for (int k = 0; k < classes; ++k) {
    const size_t at = static_cast<size_t>(k) * nodes + node;
    out[at] = expf(cleaned(logits[at]) - winner.logit) / winner.total;
  }
}

struct Nodes {  // of the logits inside the fit
  int top, left, height, width;
};

// Holds the sums of one launch; zero before it.
struct Sums {
  unsigned long long probability[kMostClasses + 1];
  unsigned count[kMostClasses + 1];
  unsigned finished;  // blocks
};

struct Confidence {
  const float* logits;  // (classes, height, width)
  int classes, height, width;
  float level;  // for one class
  Nodes nodes;
  Sums* sums;
  float* out;  // (max(classes - 1, 1),)
};

// Holds what a thread adds to the sums of one class.
struct ClassSum {
  int label;
  unsigned long long probability;
  unsigned count;
};

// Adds what the lanes of a warp have summed to the block's sums: one addition for each class that the warp holds.
__device__ inline void add_warp(ClassSum own, unsigned long long* probabilities, unsigned* counts) {
  unsigned left = __ballot_sync(kAllLanes, own.label != 0);
  while (left) {
    const int label = __shfl_sync(kAllLanes, own.label, __ffs(left) - 1);
    const bool is_mine = own.label == label;
    unsigned long long probability = is_mine ? own.probability : 0;
    unsigned count = is_mine ? own.count : 0;
    for (int by = warpSize / 2; by > 0; by /= 2) {
      probability += __shfl_down_sync(kAllLanes, probability, by);
      count += __shfl_down_sync(kAllLanes, count, by);
    }
    if (threadIdx.x % warpSize == 0) {
      atomicAdd(&probabilities[label], probability);
      atomicAdd(&counts[label], count);
    }
    left &= ~__ballot_sync(kAllLanes, is_mine);
  }
}

// Returns the class that wins a node and its probability; label 0 is the background, which has no confidence.
__device__ inline ClassSum node_sum(const Confidence& call, int index) {
  const int y = call.nodes.top + index / call.nodes.width, x = call.nodes.left + index % call.nodes.width;
  const float* logits = call.logits + y * call.width + x;
  if (call.classes == 1)
    return {cleaned(*logits) > call.level, static_cast<unsigned long long>(sigmoid(*logits) * kOne), 1u};
  const Winner winner = winner_of(logits, call.classes, static_cast<size_t>(call.height) * call.width);
  return {winner.label, static_cast<unsigned long long>(1.0f / winner.total * kOne), 1u};
}

__global__ void __launch_bounds__(kThreads) class_confidence(Confidence call) {
  __shared__ unsigned long long probabilities[kMostClasses + 1];
  __shared__ unsigned counts[kMostClasses + 1];
  __shared__ bool last;
  const int labels = max(call.classes, 2), thread = threadIdx.x;
  if (thread < labels) {
    probabilities[thread] = 0;
    counts[thread] = 0;
  }
  __syncthreads();
  const int nodes = call.nodes.height * call.nodes.width;
  for (int first = blockIdx.x * kThreads; first < nodes; first += gridDim.x * kThreads)
    add_warp(first + thread < nodes ? node_sum(call, first + thread) : ClassSum{}, probabilities, counts);
  __syncthreads();
  if (thread < labels && counts[thread]) {
    atomicAdd(&call.sums->probability[thread], probabilities[thread]);
    atomicAdd(&call.sums->count[thread], counts[thread]);
  }
  __threadfence();  // the sums are visible before this block is counted
  __syncthreads();
  if (thread == 0) last = atomicAdd(&call.sums->finished, 1u) == gridDim.x - 1;
  __syncthreads();
  if (!last || thread == 0 || thread >= labels) return;
  const unsigned count = atomicAdd(&call.sums->count[thread], 0u);  // an atomic bypasses the L1 cache
  const unsigned long long sum = atomicAdd(&call.sums->probability[thread], 0ull);
  call.out[thread - 1] = count ? static_cast<float>(static_cast<double>(sum) / kOne / count) : 0.0f;
}

// Sets the flag if a number's exponent is all ones: NaN or infinity, in any IEEE format.
template <typename Bits>
__global__ void __launch_bounds__(kThreads) has_nonfinite(const Bits* numbers, size_t count, Bits exponent, int* flag) {
  bool found = false;
  for (size_t i = blockIdx.x * size_t{kThreads} + threadIdx.x; i < count; i += gridDim.x * size_t{kThreads})
    found |= (numbers[i] & exponent) == exponent;
  if (found) *flag = 1;
}

template <typename Bits>
int find_nonfinite(const void* numbers, size_t count, Bits exponent, int* flag, void* stream) {
  return launch(has_nonfinite<Bits>, few_blocks(count), kThreads, 0, stream, static_cast<const Bits*>(numbers), count, exponent,
                flag);
}

RTSEG_API int rtseg_probability(const float* logits, int classes, int nodes, float* out, void* stream) {
  return launch(probability, blocks(nodes, kThreads), kThreads, 0, stream, logits, classes, nodes, out);
}

RTSEG_API size_t rtseg_class_confidence_scratch() { return sizeof(Sums); }

// used: first and last row, first and last column of the logits inside the fit. scratch: rtseg_class_confidence_scratch()
// bytes.
RTSEG_API int rtseg_class_confidence(const float* logits, int classes, int height, int width, const int* used, float level,
                                     void* scratch, float* out, void* stream) {
  const Nodes nodes{used[0], used[2], used[1] - used[0] + 1, used[3] - used[2] + 1};
  auto* sums = static_cast<Sums*>(scratch);
  const Confidence call{logits, classes, height, width, level, nodes, sums, out};
  const int code = cudaMemsetAsync(scratch, 0, sizeof(Sums), static_cast<cudaStream_t>(stream));
  if (code) return code;
  return launch(class_confidence, few_blocks(nodes.height * nodes.width), kThreads, 0, stream, call);
}

// flag: 1 if any of the numbers, of 2, 4 or 8 bytes each, is not finite, else 0.
RTSEG_API int rtseg_has_nonfinite(const void* numbers, size_t count, int bytes_each, int* flag, void* stream) {
  const int code = cudaMemsetAsync(flag, 0, sizeof(int), static_cast<cudaStream_t>(stream));
  if (code || count == 0) return code;
  if (bytes_each == 2) return find_nonfinite<uint16_t>(numbers, count, 0x7c00, flag, stream);
  if (bytes_each == 4) return find_nonfinite<uint32_t>(numbers, count, 0x7f800000, flag, stream);
  if (bytes_each == 8) return find_nonfinite<uint64_t>(numbers, count, 0x7ff0000000000000, flag, stream);
  return cudaErrorInvalidValue;
}

}  // namespace rtseg
