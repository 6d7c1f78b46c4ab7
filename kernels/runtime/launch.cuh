// Launches and exports every kernel: C ABI, the caller's stream, an error code that is 0 for success.
#pragma once
#include <cuda_runtime.h>

#define RTSEG_API extern "C" __attribute__((visibility("default")))

namespace rtseg {

constexpr unsigned kAllLanes = 0xffffffffu;  // of a warp

template <typename T>
struct Plain {
  using type = T;
};

// Launches a kernel by an API call, not <<<>>>, so that the host emulator of the tests compiles it too.
template <typename... P>
int launch(void (*kernel)(P...), dim3 grid, dim3 block, size_t shared, void* stream, typename Plain<P>::type... arguments) {
  void* pointers[] = {&arguments...};
  return cudaLaunchKernel(kernel, grid, block, pointers, shared, static_cast<cudaStream_t>(stream));
}

constexpr unsigned blocks(size_t items, size_t in_one) { return static_cast<unsigned>((items + in_one - 1) / in_one); }

#ifdef __CUDACC__
// Returns the launch's dynamic shared memory; in a template `extern __shared__ T name[]` would clash with another T.
template <typename T>
__device__ T* dynamic_shared() {
  extern __shared__ __align__(16) unsigned char bytes[];
  return reinterpret_cast<T*>(bytes);
}
#endif

}  // namespace rtseg
