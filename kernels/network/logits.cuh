// Reads a network's logits by the same rules as logits.py.
#pragma once
#include "../runtime/launch.cuh"

namespace rtseg {

constexpr float kLargest = 1e30f;  // finite stand-in for infinity: interpolation must not meet inf * 0

// NaN becomes the most negative value, since a comparison with it is false.
__device__ inline float cleaned(float logit) { return logit > -kLargest ? fminf(logit, kLargest) : -kLargest; }

__device__ inline float mix(float before, float after, float share) { return before * (1.0f - share) + after * share; }

__device__ inline float sigmoid(float logit) { return 1.0f / (1.0f + expf(fminf(-cleaned(logit), 80.0f))); }

struct Winner {
  int label;
  float logit;
  float total;  // of exp(logit - the winner's logit)
};

// Returns the class of a node's largest logit, the first of equal ones; `stride` floats lie between two classes.
__device__ inline Winner winner_of(const float* logits, int classes, size_t stride) {
  Winner winner{0, cleaned(logits[0]), 0.0f};
  for (int k = 1; k < classes; ++k) {
    const float logit = cleaned(logits[k * stride]);
    if (logit > winner.logit) winner = {k, logit, 0.0f};
  }
  for (int k = 0; k < classes; ++k) winner.total += expf(cleaned(logits[k * stride]) - winner.logit);
  return winner;
}

}  // namespace rtseg
