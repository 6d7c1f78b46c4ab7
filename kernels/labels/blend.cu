// Blends fill and inner contour over a gray or RGB image in one launch. The reference is blend.py.
#include "square.cuh"

namespace rtseg {

constexpr int kOpaque = 256, kMostColours = 255;

struct Palette {  // a launch argument: 765 bytes need no device memory
  uint8_t rgb[kMostColours][3];
  int count;
};

struct Blend {
  const uint8_t* image;  // (height, width, channels)
  int channels;
  const uint8_t* labels;  // (height, width)
  int height, width;
  int part, reach;  // the fill's opacity in 256ths; the contour's width
  uint8_t* out;     // (height, width, 3), may be the image
};

__global__ void __launch_bounds__(kSquareThreads) blend(Blend call, Palette palette) {
  const Rim rim(call.labels, call.height, call.width, call.reach);
  for (int i = threadIdx.x; i < kSquareHeight * kSquareWidth; i += kSquareThreads) {
    const int y = blockIdx.y * kSquareHeight + i / kSquareWidth, x = blockIdx.x * kSquareWidth + i % kSquareWidth;
    if (y >= call.height || x >= call.width) continue;
    const size_t at = static_cast<size_t>(y) * call.width + x;
    const int label = call.labels[at];
    const int part = label == 0 ? 0 : rim.has(i / kSquareWidth, i % kSquareWidth) ? kOpaque : call.part;
    const uint8_t* colour = palette.rgb[label == 0 ? 0 : (label - 1) % palette.count];
    for (int channel = 0; channel < 3; ++channel) {
      const int base = call.image[call.channels == 3 ? at * 3 + channel : at];
      call.out[at * 3 + channel] = static_cast<uint8_t>((base * (kOpaque - part) + colour[channel] * part + kOpaque / 2) >> 8);
    }
  }
}

// palette: `colours` times red, green, blue, in host memory, read before this returns; colors beyond 255 are never used.
RTSEG_API int rtseg_blend(const uint8_t* image, int channels, const uint8_t* labels, int height, int width,
                          const uint8_t* palette, int colours, int part, int reach, uint8_t* out, void* stream) {
  Palette table{};
  table.count = colours < kMostColours ? colours : kMostColours;
  for (int i = 0; i < table.count * 3; ++i) table.rgb[i / 3][i % 3] = palette[i];
  const Blend call{image, channels, labels, height, width, part, reach, out};
  return launch(blend, square_grid(height, width), kSquareThreads, square_bytes(reach, Rim::kExtremes), stream, call, table);
}

}  // namespace rtseg
