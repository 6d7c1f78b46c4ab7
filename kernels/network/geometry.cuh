// Defines boxes, and the weights that resize one axis of an image.
#pragma once
#include "../runtime/launch.cuh"

namespace rtseg {

struct Box {
  int top, left, height, width;
};

inline Box as_box(const int* numbers) { return {numbers[0], numbers[1], numbers[2], numbers[3]}; }

// Holds the inputs of one output of an axis: exact coverage when it shrinks, bilinear with half-pixel centers and clamped edges
// when it grows. In units of 1 / outputs, input p covers p * outputs .. (p + 1) * outputs, and output o covers o * inputs ..
// (o + 1) * inputs.
struct Taps {
  int first, count;

  __device__ Taps(int output, int inputs, int outputs)
      : shrinks_(inputs > outputs), low_(output * inputs), inputs_(inputs), outputs_(outputs) {
    if (shrinks_) {
      first = low_ / outputs;
      count = (low_ + inputs - 1) / outputs - first + 1;
    } else {
      const int centre = min(max((2 * output + 1) * inputs - outputs, 0), (inputs - 1) * 2 * outputs);  // times 2 outputs
      first = centre / (2 * outputs);
      low_ = centre - first * 2 * outputs;
      count = low_ ? 2 : 1;
    }
  }

  __device__ float weight(int tap) const {
    if (!shrinks_) return static_cast<float>(tap ? low_ : 2 * outputs_ - low_) / static_cast<float>(2 * outputs_);
    const int from = max((first + tap) * outputs_, low_), to = min((first + tap + 1) * outputs_, low_ + inputs_);
    return static_cast<float>(to - from) / static_cast<float>(inputs_);
  }

 private:
  bool shrinks_;
  int low_;  // the output's start; the second tap's weight when the axis grows
  int inputs_, outputs_;
};

}  // namespace rtseg
