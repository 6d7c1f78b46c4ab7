// Turns logits into a label map of the frame in one launch. The reference is argmax_labels.py.
//
// A block labels a tile of the frame. The positions of its rows and columns between the logits are computed once per tile, in
// double precision and in the reference's order of operations, so that equal logits stay equal.
#include <cstdint>

#include "geometry.cuh"
#include "../runtime/launch.cuh"
#include "logits.cuh"

namespace rtseg {

constexpr int kTileWidth = 32, kTileHeight = 8;

struct Axis {  // of the frame: see nodes_inside and node_positions in logits.py
  int box_start, box_length, inner_start, inner_length, size;
  int nodes, first, last;
};

struct ArgmaxLabels {
  const float* logits;  // (classes, rows.nodes, columns.nodes)
  int classes;
  float level;  // for one class: label 1 above it
  Axis rows, columns;
  int height, width;
  uint8_t* labels;  // (height, width)
};

struct Place {
  int before, after;  // two nodes
  float share;        // of the node after
};

__device__ inline Place place_of(int pixel, const Axis& axis) {
  const double in_input = axis.inner_start + (pixel + 0.5) * axis.inner_length / axis.box_length;
  const double at = fmin(fmax(in_input * axis.nodes / axis.size - 0.5, double(axis.first)), double(axis.last));
  const int before = max(axis.first, min(static_cast<int>(floor(at)), max(axis.first, axis.last - 1)));
  return {before, min(before + 1, axis.nodes - 1), static_cast<float>(at - before)};
}

__device__ inline float interpolated(const float* plane, int width, const Place& row, const Place& column) {
  const float *upper = plane + row.before * width, *lower = plane + row.after * width;
  const float left = mix(cleaned(upper[column.before]), cleaned(lower[column.before]), row.share);
  const float right = mix(cleaned(upper[column.after]), cleaned(lower[column.after]), row.share);
  return mix(left, right, column.share);
}

__device__ inline uint8_t label_at(const ArgmaxLabels& call, const Place& row, const Place& column) {
  const int width = call.columns.nodes, plane = call.rows.nodes * width;
  float best = interpolated(call.logits, width, row, column);
  if (call.classes == 1) return best > call.level;
  int label = 0;
  for (int k = 1; k < call.classes; ++k) {
    const float value = interpolated(call.logits + static_cast<size_t>(k) * plane, width, row, column);
    if (value > best) {
      best = value;
      label = k;
    }
  }
  return static_cast<uint8_t>(label);
}

__global__ void __launch_bounds__(kTileWidth* kTileHeight) argmax_labels(ArgmaxLabels call) {
  __shared__ Place rows[kTileHeight];
  __shared__ Place columns[kTileWidth];
  const int left = blockIdx.x * kTileWidth, top = blockIdx.y * kTileHeight;
  const int x = threadIdx.x, y = threadIdx.y;
  if (y == 0) columns[x] = place_of(left + x - call.columns.box_start, call.columns);
  if (y == 1 && x < kTileHeight) rows[x] = place_of(top + x - call.rows.box_start, call.rows);
  __syncthreads();
  if (left + x >= call.width || top + y >= call.height) return;
  const int box_y = top + y - call.rows.box_start, box_x = left + x - call.columns.box_start;
  const bool inside = box_y >= 0 && box_y < call.rows.box_length && box_x >= 0 && box_x < call.columns.box_length;
  call.labels[static_cast<size_t>(top + y) * call.width + left + x] = inside ? label_at(call, rows[y], columns[x]) : 0;
}

inline Axis axis_of(const Box& box, const Box& inner, const int* size, const int* nodes, const int* used, bool down) {
  if (down) return {box.top, box.height, inner.top, inner.height, size[0], nodes[0], used[0], used[1]};
  return {box.left, box.width, inner.left, inner.width, size[1], nodes[1], used[2], used[3]};
}

// box, inner: top, left, height, width. size: of the network's input. nodes: height and width of the logits. used: first and
// last row, first and last column of the nodes inside `inner`.
RTSEG_API int rtseg_argmax_labels(const float* logits, int classes, const int* box, const int* inner, const int* size,
                                  const int* nodes, const int* used, float level, int height, int width, uint8_t* labels,
                                  void* stream) {
  const Box from = as_box(box), to = as_box(inner);
  const ArgmaxLabels call{
      logits, classes, level, axis_of(from, to, size, nodes, used, true), axis_of(from, to, size, nodes, used, false),
      height, width,   labels};
  const dim3 grid(blocks(width, kTileWidth), blocks(height, kTileHeight));
  return launch(argmax_labels, grid, dim3(kTileWidth, kTileHeight), 0, stream, call);
}

}  // namespace rtseg
