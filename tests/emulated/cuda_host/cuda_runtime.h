// Implements CUDA's language and runtime on the host, as used by rtseg's .cu files, so that g++ compiles them unchanged.
// Blocks run one after another, and streams execute at once: faults that need true concurrency are not found.
#pragma once
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "block.h"

namespace emulated {

constexpr bool is_template(const char* function) {
  for (; *function; ++function)
    if (function[0] == '[' && function[1] == 'w') return true;  // "[with T = float]"
  return false;
}

}  // namespace emulated

#define __global__
#define __device__
#define __launch_bounds__(...)
// One section holds all shared arrays, so that each block fills them with garbage. g++ ignores the section in a template.
#define __shared__                                                                                              \
  static_assert(!::emulated::is_template(__PRETTY_FUNCTION__), "a template takes dynamic_shared<T>() instead"); \
  static __attribute__((section("emulated_shared")))

namespace rtseg {

template <typename T>
T* dynamic_shared() {  // the CUDA version is in launch.cuh
  return static_cast<T*>(emulated::dynamic_memory());
}

}  // namespace rtseg

#include "intrinsics.h"

enum cudaError_t {
  cudaSuccess = 0,
  cudaErrorInvalidValue = 1,
  cudaErrorMemoryAllocation = 2,
  cudaErrorNoDevice = 100,
  cudaErrorInvalidContext = 201,
  cudaErrorInvalidResourceHandle = 400,
  cudaErrorNotReady = 600,
  cudaErrorIllegalAddress = 700,
  cudaErrorLaunchFailure = 719,
  cudaErrorStreamCaptureUnsupported = 900,
};
enum cudaMemcpyKind { cudaMemcpyHostToDevice = 1, cudaMemcpyDeviceToHost = 2, cudaMemcpyDeviceToDevice = 3 };
enum cudaStreamCaptureMode { cudaStreamCaptureModeThreadLocal = 1 };
using cudaStream_t = struct CUstream_st*;
using cudaGraph_t = struct CUgraph_st*;
using cudaGraphExec_t = struct CUgraphExec_st*;

cudaError_t cudaMalloc(void** pointer, std::size_t bytes);
cudaError_t cudaFree(void* pointer);
cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind, cudaStream_t stream);
cudaError_t cudaMemsetAsync(void* pointer, int value, std::size_t bytes, cudaStream_t stream);
cudaError_t cudaStreamCreate(cudaStream_t* stream);
cudaError_t cudaStreamDestroy(cudaStream_t stream);
cudaError_t cudaStreamSynchronize(cudaStream_t stream);
cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode);
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph);
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* runnable, cudaGraph_t graph, unsigned long long flags);
cudaError_t cudaGraphUpload(cudaGraphExec_t runnable, cudaStream_t stream);
cudaError_t cudaGraphLaunch(cudaGraphExec_t runnable, cudaStream_t stream);
cudaError_t cudaGraphDestroy(cudaGraph_t graph);
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t runnable);
cudaError_t cudaGetDeviceCount(int* count);
cudaError_t cudaRuntimeGetVersion(int* version);
const char* cudaGetErrorString(cudaError_t code);

namespace emulated {

cudaError_t submit(const Launch& launch, const void* kernel, cudaStream_t stream);

template <typename... P, std::size_t... I>
std::tuple<P...> copied(void** arguments, std::index_sequence<I...>) {
  return std::tuple<P...>(*static_cast<P*>(arguments[I])...);
}

// Returns the arguments' bytes as 64-bit words, at the alignment of pointers.
template <typename... P, std::size_t... I>
std::vector<std::uint64_t> words_of([[maybe_unused]] void** arguments, std::index_sequence<I...>) {
  std::vector<std::uint64_t> words;
  [[maybe_unused]] const auto add = [&words](const void* argument, std::size_t size) {
    for (std::size_t at = 0; at + 8 <= size; at += 8)
      std::memcpy(&words.emplace_back(), static_cast<const char*>(argument) + at, 8);
  };
  (add(arguments[I], sizeof(P)), ...);
  return words;
}

}  // namespace emulated

template <typename... P>
cudaError_t cudaLaunchKernel(void (*kernel)(P...), dim3 grid, dim3 block, void** arguments, std::size_t shared,
                             cudaStream_t stream) {
  const auto values = emulated::copied<P...>(arguments, std::index_sequence_for<P...>());
  const auto body = [kernel, values] { std::apply(kernel, values); };
  const auto words = emulated::words_of<P...>(arguments, std::index_sequence_for<P...>());
  return emulated::submit({"", grid, block, shared, body, words}, reinterpret_cast<const void*>(kernel), stream);
}
