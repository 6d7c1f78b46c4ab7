// Exports memory, copies, streams, graphs and error messages, for callers without CUDA bindings of their own.
#include "launch.cuh"

RTSEG_API int rtseg_device_count(int* count) { return cudaGetDeviceCount(count); }
RTSEG_API int rtseg_cuda_version(int* version) { return cudaRuntimeGetVersion(version); }
RTSEG_API const char* rtseg_error_string(int code) { return cudaGetErrorString(static_cast<cudaError_t>(code)); }

RTSEG_API int rtseg_allocate(void** pointer, size_t bytes) { return cudaMalloc(pointer, bytes); }
RTSEG_API int rtseg_free(void* pointer) { return cudaFree(pointer); }

RTSEG_API int rtseg_upload(void* to, const void* from, size_t bytes, void* stream) {
  return cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, static_cast<cudaStream_t>(stream));
}
RTSEG_API int rtseg_download(void* to, const void* from, size_t bytes, void* stream) {
  return cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, static_cast<cudaStream_t>(stream));
}
RTSEG_API int rtseg_copy(void* to, const void* from, size_t bytes, void* stream) {
  return cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, static_cast<cudaStream_t>(stream));
}
RTSEG_API int rtseg_synchronise(void* stream) { return cudaStreamSynchronize(static_cast<cudaStream_t>(stream)); }

RTSEG_API int rtseg_stream_create(void** stream) { return cudaStreamCreate(reinterpret_cast<cudaStream_t*>(stream)); }
RTSEG_API int rtseg_stream_destroy(void* stream) { return cudaStreamDestroy(static_cast<cudaStream_t>(stream)); }

// Work put on the stream between begin and end is not run but recorded, and runs at each replay in one call.
RTSEG_API int rtseg_capture_begin(void* stream) {
  return cudaStreamBeginCapture(static_cast<cudaStream_t>(stream), cudaStreamCaptureModeThreadLocal);
}
RTSEG_API int rtseg_capture_end(void** runnable, void* stream) {
  cudaGraph_t graph = nullptr;
  if (const int code = cudaStreamEndCapture(static_cast<cudaStream_t>(stream), &graph)) return code;
  auto* made = reinterpret_cast<cudaGraphExec_t*>(runnable);
  int code = cudaGraphInstantiate(made, graph, 0);
  cudaGraphDestroy(graph);
  if (!code && (code = cudaGraphUpload(*made, static_cast<cudaStream_t>(stream)))) {  // else the first replay would wait for it
    cudaGraphExecDestroy(*made);
    *made = nullptr;
  }
  return code;
}
RTSEG_API int rtseg_replay(void* runnable, void* stream) {
  return cudaGraphLaunch(static_cast<cudaGraphExec_t>(runnable), static_cast<cudaStream_t>(stream));
}
RTSEG_API int rtseg_graph_destroy(void* runnable) { return cudaGraphExecDestroy(static_cast<cudaGraphExec_t>(runnable)); }
