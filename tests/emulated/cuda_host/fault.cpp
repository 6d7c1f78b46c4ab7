// Holds the emulated device's description and its fault, which is permanent, as in a CUDA context.
#include "state.h"

emulated_Description emulated_description{"Emulated GPU", 8, 7, 13000, 0, 1, 0, 16, 30};

namespace emulated {

std::recursive_mutex device;
cudaError_t broken = cudaSuccess;

namespace {
std::string failure;  // of the last launch that failed
long steps_until_broken = -1;
cudaError_t breaks_with = cudaSuccess;
}  // namespace

cudaError_t failed(cudaError_t code, const std::string& why) {
  failure = why;
  return code;
}

cudaError_t run(const Step& step) {
  if (broken) return broken;
  if (steps_until_broken >= 0 && steps_until_broken-- == 0) return broken = breaks_with;
  return step();
}

}  // namespace emulated

// Functions for tests.
extern "C" void emulated_schedule(int order, std::uint32_t seed) {
  emulated::schedule(static_cast<emulated::Order>(order), seed);
}
extern "C" void emulated_break(long steps, int code) {
  emulated::steps_until_broken = steps;
  emulated::breaks_with = static_cast<cudaError_t>(code);
}
extern "C" void emulated_mend() {
  emulated::broken = cudaSuccess;
  emulated::steps_until_broken = -1;
  emulated::failure.clear();
}
extern "C" int emulated_broken() { return emulated::broken; }

cudaError_t cudaGetDeviceCount(int* count) { return *count = 1, emulated::broken; }

const char* cudaGetErrorString(cudaError_t code) {
  switch (code) {
    case cudaSuccess:
      return "no error";
    case cudaErrorLaunchFailure:
    case cudaErrorIllegalAddress:
      return emulated::failure.empty() ? "an illegal memory access was encountered" : emulated::failure.c_str();
    case cudaErrorStreamCaptureUnsupported:
      return "operation not permitted when stream is capturing";
    case cudaErrorMemoryAllocation:
      return "out of memory";
    case cudaErrorNoDevice:
      return "no CUDA-capable device is detected";
    case cudaErrorInvalidContext:
      return "invalid device context: none is current on this thread";
    default:
      return "invalid argument";
  }
}

cudaError_t cudaRuntimeGetVersion(int* version) { return *version = 13000, cudaSuccess; }
