// Memory, streams, graphs and errors of CUDA's runtime, on the host.
#include "cuda_runtime.h"

#include <cxxabi.h>
#include <dlfcn.h>

#include <cstdlib>
#include <cstring>
#include <functional>
#include <mutex>
#include <vector>

using Steps = std::vector<std::function<cudaError_t()>>;

struct CUgraph_st {
  Steps steps;
};
struct CUgraphExec_st {
  Steps steps;
};
struct CUstream_st {
  cudaGraph_t recorded = nullptr;
};

namespace {

std::mutex device;    // one kernel at a time: the blocks of all share the host's globals
std::string failure;  // of the last launch that failed
int captures = 0;

bool capturing(cudaStream_t stream) {
  const auto handle = reinterpret_cast<std::uintptr_t>(stream);
  return handle > 2 && stream->recorded;  // 0, 1 and 2 name the default streams
}

// Runs a step now, or writes it into the graph that its stream is being captured into.
cudaError_t enqueue(cudaStream_t stream, std::function<cudaError_t()> step) {
  const std::lock_guard<std::mutex> lock(device);
  if (!capturing(stream)) return step();
  stream->recorded->steps.push_back(std::move(step));
  return cudaSuccess;
}

cudaError_t refused_in_capture() {
  const std::lock_guard<std::mutex> lock(device);
  return captures ? cudaErrorStreamCaptureUnsupported : cudaSuccess;
}

std::string name_of(const void* kernel) {
  Dl_info symbol{};
  if (!dladdr(kernel, &symbol) || !symbol.dli_sname) return "of internal linkage";
  int status = 0;
  char* readable = abi::__cxa_demangle(symbol.dli_sname, nullptr, nullptr, &status);
  const std::string name = status == 0 ? readable : symbol.dli_sname;
  std::free(readable);
  return name;
}

}  // namespace

cudaError_t emulated::submit(const Launch& launch, const void* kernel, cudaStream_t stream) {
  Launch named = launch;
  named.kernel = name_of(kernel);
  return enqueue(stream, [named] {
    const std::string error = run(named);
    if (error.empty()) return cudaSuccess;
    failure = error;
    return cudaErrorLaunchFailure;
  });
}

extern "C" void emulated_schedule(int order, std::uint32_t seed) {
  emulated::schedule(static_cast<emulated::Order>(order), seed);
}

cudaError_t cudaMalloc(void** pointer, std::size_t bytes) {
  if (const cudaError_t refused = refused_in_capture()) return refused;
  *pointer = std::malloc(bytes ? bytes : 1);
  if (!*pointer) return cudaErrorMemoryAllocation;
  std::memset(*pointer, 0xCD, bytes);
  return cudaSuccess;
}

cudaError_t cudaFree(void* pointer) {
  if (const cudaError_t refused = refused_in_capture()) return refused;
  std::free(pointer);
  return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind, cudaStream_t stream) {
  return enqueue(stream, [=] { return std::memcpy(to, from, bytes), cudaSuccess; });
}

cudaError_t cudaMemsetAsync(void* pointer, int value, std::size_t bytes, cudaStream_t stream) {
  return enqueue(stream, [=] { return std::memset(pointer, value, bytes), cudaSuccess; });
}

cudaError_t cudaStreamCreate(cudaStream_t* stream) { return *stream = new CUstream_st, cudaSuccess; }
cudaError_t cudaStreamDestroy(cudaStream_t stream) { return delete stream, cudaSuccess; }
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  return capturing(stream) ? cudaErrorStreamCaptureUnsupported : cudaSuccess;
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  if (reinterpret_cast<std::uintptr_t>(stream) <= 2 || stream->recorded) return cudaErrorStreamCaptureUnsupported;
  stream->recorded = new CUgraph_st;
  ++captures;
  return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  if (!capturing(stream)) return cudaErrorInvalidValue;
  *graph = std::exchange(stream->recorded, nullptr);
  --captures;
  return cudaSuccess;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* runnable, cudaGraph_t graph, unsigned long long) {
  return *runnable = new CUgraphExec_st{graph->steps}, cudaSuccess;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t runnable, cudaStream_t stream) {
  return enqueue(stream, [steps = runnable->steps] {
    for (const auto& step : steps)
      if (const cudaError_t code = step()) return code;
    return cudaSuccess;
  });
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) { return delete graph, cudaSuccess; }
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t runnable) { return delete runnable, cudaSuccess; }
cudaError_t cudaGetDeviceCount(int* count) { return *count = 1, cudaSuccess; }

const char* cudaGetErrorString(cudaError_t code) {
  switch (code) {
    case cudaSuccess:
      return "no error";
    case cudaErrorLaunchFailure:
      return failure.c_str();
    case cudaErrorStreamCaptureUnsupported:
      return "operation not permitted when stream is capturing";
    case cudaErrorMemoryAllocation:
      return "out of memory";
    default:
      return "invalid argument";
  }
}
