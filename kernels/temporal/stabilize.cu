// Stabilizes a network's logits over time. The reference is stabilize.py.
//
// The weights are read from device memory, since a graph that was captured with one frame's is replayed with the next's.
#include "../runtime/launch.cuh"
#include "../network/logits.cuh"

namespace rtseg {

constexpr int kSteadyThreads = 256;
constexpr float kSure = 1e-6f;  // probabilities are clipped this far from 0 and 1, so that their logits are finite

__device__ inline float smoothed_with(float now, float past, float share) {
  return isfinite(past) ? now * share + past * (1.0f - share) : now;
}

// weights: the current frame's share first. out: may be either input, each value is read before it is written.
__global__ void __launch_bounds__(kSteadyThreads)
    smoothed(const float* logits, const float* past, const float* weights, int classes, int nodes, float* out) {
  const int node = blockIdx.x * kSteadyThreads + threadIdx.x;
  if (node >= nodes) return;
  if (classes == 1) {
    out[node] = smoothed_with(sigmoid(logits[node]), past[node], weights[0]);
    return;
  }
  const Winner winner = winner_of(logits + node, classes, nodes);
  for (int k = 0; k < classes; ++k) {
    const size_t at = static_cast<size_t>(k) * nodes + node;
    out[at] = smoothed_with(expf(cleaned(logits[at]) - winner.logit) / winner.total, past[at], weights[0]);
  }
}

// Returns the class of a node's largest past logit, or -1 for NaN; `stride` floats lie between two classes.
__device__ inline int class_before(const float* past, int classes, size_t stride) {
  int best = 0;
  for (int k = 0; k < classes; ++k) {
    if (past[k * stride] != past[k * stride]) return -1;  // NaN
    if (cleaned(past[k * stride]) > cleaned(past[best * stride])) best = k;
  }
  return best;
}

__device__ inline float log_odds(float probability, bool alone) {
  const float sure = fminf(fmaxf(probability, kSure), 1.0f - kSure);
  return logf(alone ? sure / (1.0f - sure) : sure);
}

struct Steadied {
  const float *logits, *probabilities, *past;  // (classes, nodes)
  const float* weights;                        // the current frame's share, the bonus of the previous class
  int classes, nodes;
  float* out;  // may be any of the three
};

__global__ void __launch_bounds__(kSteadyThreads) steadied(Steadied call) {
  const int node = blockIdx.x * kSteadyThreads + threadIdx.x;
  if (node >= call.nodes) return;
  const bool alone = call.classes == 1;
  const int had = class_before(call.past + node, call.classes, call.nodes);
  const float before = call.past[node], side = (before > 0) - (before < 0);
  for (int k = 0; k < call.classes; ++k) {
    const size_t at = static_cast<size_t>(k) * call.nodes + node;
    const float base = call.weights[0] >= 1.0f ? call.logits[at] : log_odds(call.probabilities[at], alone);
    call.out[at] = base + call.weights[1] * (alone ? side : k == had);
  }
}

RTSEG_API int rtseg_smoothed(const float* logits, const float* past, const float* weights, int classes, int nodes, float* out,
                             void* stream) {
  const unsigned grid = blocks(nodes, kSteadyThreads);
  return launch(smoothed, grid, kSteadyThreads, 0, stream, logits, past, weights, classes, nodes, out);
}

RTSEG_API int rtseg_steadied(const float* logits, const float* probabilities, const float* past, const float* weights,
                             int classes, int nodes, float* out, void* stream) {
  const Steadied call{logits, probabilities, past, weights, classes, nodes, out};
  return launch(steadied, blocks(nodes, kSteadyThreads), kSteadyThreads, 0, stream, call);
}

}  // namespace rtseg
