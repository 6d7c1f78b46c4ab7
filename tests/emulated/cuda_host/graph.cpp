// Implements CUDA graphs on the emulated device: a stream's work is recorded instead of run, and runs at each launch.
#include "state.h"

struct CUgraphExec_st {
  std::vector<emulated::Step> steps;
  bool uploaded = false;
};

namespace {

int captures, graphs_open;

}  // namespace

bool emulated::any_captured() { return captures > 0; }

// Functions for tests.
extern "C" int emulated_graphs_open() { return graphs_open; }
extern "C" int emulated_capturing(cudaStream_t stream) { return emulated::is_captured(stream); }

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  const emulated::Lock lock(emulated::device);
  if (emulated::is_default(stream) || stream->recorded) return cudaErrorStreamCaptureUnsupported;
  if (emulated::broken) return emulated::broken;
  stream->recorded = new CUgraph_st;
  ++captures;
  return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  const emulated::Lock lock(emulated::device);
  if (!emulated::is_captured(stream)) return cudaErrorInvalidValue;
  *graph = std::exchange(stream->recorded, nullptr);
  --captures;
  return cudaSuccess;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* runnable, cudaGraph_t graph, unsigned long long) {
  ++graphs_open;
  return *runnable = new CUgraphExec_st{graph->steps, false}, cudaSuccess;
}

cudaError_t cudaGraphUpload(cudaGraphExec_t runnable, cudaStream_t) {
  runnable->uploaded = true;
  return emulated::broken;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t runnable, cudaStream_t stream) {
  if (!runnable->uploaded) return emulated::failed(cudaErrorInvalidValue, "a graph is launched that was not uploaded: its first launch waits");
  return emulated::enqueue(stream, [steps = runnable->steps] {
    for (const auto& step : steps)
      if (const cudaError_t code = step()) return code;
    return cudaSuccess;
  });
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) { return delete graph, cudaSuccess; }
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t runnable) {
  --graphs_open;
  return delete runnable, cudaSuccess;
}
