// Opens and closes with a flat square: an erosion and a dilation, in either order. The reference is morphology.py.
#include "square.cuh"

namespace rtseg {

template <typename Choose>
__global__ void __launch_bounds__(kSquareThreads)
    extreme(const uint8_t* image, int height, int width, int reach, uint8_t* out) {
  const Square square(reach);
  square.load(image, height, width);
  square.along_rows(Choose(), square.plane(0));
  __syncthreads();
  for (int i = threadIdx.x; i < kSquareHeight * kSquareWidth; i += kSquareThreads) {
    const int y = blockIdx.y * kSquareHeight + i / kSquareWidth, x = blockIdx.x * kSquareWidth + i % kSquareWidth;
    if (y >= height || x >= width) continue;
    const int chosen = square.down_column(Choose(), square.plane(0), i / kSquareWidth, i % kSquareWidth);
    out[static_cast<size_t>(y) * width + x] = static_cast<uint8_t>(chosen);
  }
}

template <typename Choose>
int launch_extreme(const uint8_t* image, int height, int width, int reach, uint8_t* out, void* stream) {
  return launch(extreme<Choose>, square_grid(height, width), kSquareThreads, square_bytes(reach, 1), stream, image, height,
                width, reach, out);
}

// reach: at most 32. between: height * width bytes of scratch memory. out: may be the image.
RTSEG_API int rtseg_opening(const uint8_t* image, int height, int width, int reach, uint8_t* between, uint8_t* out,
                            void* stream) {
  const int code = launch_extreme<Least>(image, height, width, reach, between, stream);
  return code ? code : launch_extreme<Greatest>(between, height, width, reach, out, stream);
}

RTSEG_API int rtseg_closing(const uint8_t* image, int height, int width, int reach, uint8_t* between, uint8_t* out,
                            void* stream) {
  const int code = launch_extreme<Greatest>(image, height, width, reach, between, stream);
  return code ? code : launch_extreme<Least>(between, height, width, reach, out, stream);
}

}  // namespace rtseg
