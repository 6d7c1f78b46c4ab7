// Implements libnvcuvid (NVDEC) on the emulated device, for FFmpeg, with pictures that were decoded before.
//
// $EMULATED_PICTURES names a file with the pictures in decoding order, as NV12 without padding. Each requested one is copied
// to its surface on the GPU; after the last one the decoder fails, as it does when the GPU is lost.
#include <cstdlib>
#include <fstream>
#include <vector>

#include "driver.h"

#define API extern "C" __attribute__((visibility("default")))

namespace {

constexpr int kLaunchFailed = 719, kNoMemory = 2;

struct Caps {  // CUVIDDECODECAPS
  int codec, chroma;
  unsigned depth_minus_8, reserved[3];
  unsigned char is_supported, decoders;
  unsigned short output_formats;
  unsigned most_width, most_height, most_blocks;
  unsigned short least_width, least_height;
};
struct Wanted {  // CUVIDDECODECREATEINFO, as far as it is read
  unsigned long width, height, surfaces;
  int codec, chroma;
  unsigned long flags, depth_minus_8, intra_only, most_width, most_height, reserved;
  short display_area[4];
  int format, deinterlacing;
  unsigned long target_width, target_height;
};
struct Picture {  // CUVIDPICPARAMS, as far as it is read
  int width_in_blocks, height_in_blocks, surface;
};

class Decoder {
 public:
  explicit Decoder(const Wanted& wanted)
      : width_(wanted.target_width), bytes_(wanted.target_width * wanted.target_height * 3 / 2), surfaces_(wanted.surfaces) {
    if (const char* path = std::getenv("EMULATED_PICTURES")) pictures_.open(path, std::ios::binary);
    for (void*& surface : surfaces_)
      if (emulated_allocate(&surface, bytes_)) surface = nullptr;
  }
  ~Decoder() {
    for (void* surface : surfaces_) emulated_free(surface);
  }
  Decoder(const Decoder&) = delete;

  int decode(int surface) {
    std::vector<char> picture(bytes_);
    if (!surfaces_.at(surface)) return kNoMemory;
    if (!pictures_.read(picture.data(), static_cast<std::streamsize>(bytes_))) return kLaunchFailed;
    return emulated_copy(surfaces_[surface], picture.data(), bytes_, cudaMemcpyHostToDevice, nullptr);
  }
  void* surface(int number) const { return surfaces_.at(number); }
  unsigned pitch() const { return static_cast<unsigned>(width_); }

 private:
  std::size_t width_, bytes_;
  std::vector<void*> surfaces_;
  std::ifstream pictures_;
};

}  // namespace

API int cuvidGetDecoderCaps(Caps* caps) {
  constexpr int kH264 = 4, k420 = 1;
  caps->is_supported = caps->codec == kH264 && caps->chroma == k420 && !caps->depth_minus_8;
  caps->most_width = caps->most_height = 4096;
  caps->most_blocks = 65536;
  caps->least_width = caps->least_height = 16;
  return 0;
}
API int cuvidCreateDecoder(Decoder** decoder, const Wanted* wanted) { return *decoder = new Decoder(*wanted), 0; }
API int cuvidDestroyDecoder(Decoder* decoder) { return delete decoder, 0; }
API int cuvidDecodePicture(Decoder* decoder, const Picture* picture) { return decoder->decode(picture->surface); }
API int cuvidMapVideoFrame64(const Decoder* decoder, int surface, unsigned long long* pointer, unsigned* pitch, const void*) {
  *pointer = reinterpret_cast<unsigned long long>(decoder->surface(surface));
  return *pitch = decoder->pitch(), 0;
}
API int cuvidUnmapVideoFrame64(const Decoder*, unsigned long long) { return 0; }
