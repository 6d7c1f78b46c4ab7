// Turns a frame into a network's input in one launch: crop, color to gray, resize, normalize. The reference is fit_input.py.
// Does the same in 8 bits, for a filter before the network: the reference is grey_view.py.
//
// One thread computes one pixel of the input, in all its planes. Positions are fractions with a known denominator, so that the
// weights are computed in integers and are exact for any frame size. Pixels are read twice only where two outputs share an
// edge, which the cache holds: no shared memory is needed.
#include <cstdint>

#include "geometry.cuh"
#include "../runtime/launch.cuh"

namespace rtseg {

struct Normal {  // value * gain + shift, one per plane
  float gain[3], shift[3];
};

struct FitInput {
  const uint8_t* image;  // (H, W, channels)
  int width;
  Box box, inner;
  int out_height, out_width;
  Normal normal;
  float* out;  // (planes, out_height, out_width)
};

// Adds weight times one pixel to the planes: gray is repeated, RGB becomes BT.601 luma where there is one plane.
template <int kChannels, int kPlanes>
__device__ void add_pixel(const uint8_t* pixel, float weight, float* planes) {
  if constexpr (kChannels == 3 && kPlanes == 1) {
    planes[0] += weight * (0.299f * pixel[0] + 0.587f * pixel[1] + 0.114f * pixel[2]);
  } else {
    for (int plane = 0; plane < kPlanes; ++plane) planes[plane] += weight * pixel[kChannels == 3 ? plane : 0];
  }
}

template <int kChannels, int kPlanes>
__device__ void resample(const FitInput& call, int y, int x, float* planes) {
  const Taps rows(y, call.box.height, call.inner.height), columns(x, call.box.width, call.inner.width);
  for (int i = 0; i < rows.count; ++i) {
    const size_t row = static_cast<size_t>(call.box.top + rows.first + i) * call.width;
    const uint8_t* pixel = call.image + (row + call.box.left + columns.first) * kChannels;
    float line[kPlanes] = {};
    for (int j = 0; j < columns.count; ++j) add_pixel<kChannels, kPlanes>(pixel + j * kChannels, columns.weight(j), line);
    for (int plane = 0; plane < kPlanes; ++plane) planes[plane] += rows.weight(i) * line[plane];
  }
}

template <int kChannels, int kPlanes>
__global__ void __launch_bounds__(256) fit_input(FitInput call) {
  const int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
  if (x >= call.out_width || y >= call.out_height) return;
  float planes[kPlanes] = {};
  const int inner_y = y - call.inner.top, inner_x = x - call.inner.left;
  if (inner_y >= 0 && inner_y < call.inner.height && inner_x >= 0 && inner_x < call.inner.width)
    resample<kChannels, kPlanes>(call, inner_y, inner_x, planes);
  for (int plane = 0; plane < kPlanes; ++plane)
    call.out[(static_cast<size_t>(plane) * call.out_height + y) * call.out_width + x] =
        planes[plane] * call.normal.gain[plane] + call.normal.shift[plane];
}

// box, inner: top, left, height, width. mean, std: one float per plane, in host memory, read before this returns.
RTSEG_API int rtseg_fit_input(const uint8_t* image, int width, int channels, const int* box, const int* inner, int out_height,
                              int out_width, const float* mean, const float* std, int planes, float* out, void* stream) {
  FitInput call{image, width, as_box(box), as_box(inner), out_height, out_width, {}, out};
  for (int plane = 0; plane < planes; ++plane) {
    call.normal.gain[plane] = 1 / std[plane];
    call.normal.shift[plane] = -mean[plane] / std[plane];
  }
  const auto kernel =
      channels == 3 ? (planes == 3 ? fit_input<3, 3> : fit_input<3, 1>) : (planes == 3 ? fit_input<1, 3> : fit_input<1, 1>);
  const dim3 grid(blocks(out_width, 32), blocks(out_height, 8));
  return launch(kernel, grid, dim3(32, 8), 0, stream, call);
}

// 4 blocks per multiprocessor: for its default of 6 the compiler spills registers.
template <int kChannels>
__global__ void __launch_bounds__(256, 4) grey_view(FitInput call, uint8_t* out) {
  const int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
  if (x >= call.out_width || y >= call.out_height) return;
  float level = 0;
  resample<kChannels, 1>(call, y, x, &level);
  out[static_cast<size_t>(y) * call.out_width + x] = static_cast<uint8_t>(rintf(fminf(fmaxf(level, 0.0f), 255.0f)));
}

RTSEG_API int rtseg_grey_view(const uint8_t* image, int width, int channels, const int* box, int out_height, int out_width,
                              uint8_t* out, void* stream) {
  const FitInput call{image, width, as_box(box), {0, 0, out_height, out_width}, out_height, out_width, {}, nullptr};
  const dim3 grid(blocks(out_width, 32), blocks(out_height, 8));
  return launch(channels == 3 ? grey_view<3> : grey_view<1>, grid, dim3(32, 8), 0, stream, call, out);
}

}  // namespace rtseg
