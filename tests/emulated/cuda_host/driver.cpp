// The emulated device in plain C, for the stand-in of pycuda's driver: rtseg's own library has the rest.
#include "device.h"

#define API extern "C"

API int emulated_allocate(void** pointer, std::size_t bytes) { return cudaMalloc(pointer, bytes); }
API int emulated_free(void* pointer) { return cudaFree(pointer); }
API int emulated_host_allocate(void** pointer, std::size_t bytes) { return cudaHostAlloc(pointer, bytes, 0); }
API int emulated_host_free(void* pointer) { return cudaFreeHost(pointer); }
API int emulated_copy(void* to, const void* from, std::size_t bytes, int kind, cudaStream_t stream) {
  return cudaMemcpyAsync(to, from, bytes, static_cast<cudaMemcpyKind>(kind), stream);
}
API int emulated_memset(void* pointer, int value, std::size_t bytes, cudaStream_t stream) {
  return cudaMemsetAsync(pointer, value, bytes, stream);
}
API int emulated_stream_create(cudaStream_t* stream) { return cudaStreamCreate(stream); }
API int emulated_stream_destroy(cudaStream_t stream) { return cudaStreamDestroy(stream); }
API int emulated_stream_synchronise(cudaStream_t stream) { return cudaStreamSynchronize(stream); }
API int emulated_stream_wait(cudaStream_t stream, cudaEvent_t event) { return cudaStreamWaitEvent(stream, event, 0); }
API int emulated_event_create(cudaEvent_t* event) { return cudaEventCreate(event); }
API int emulated_event_destroy(cudaEvent_t event) { return cudaEventDestroy(event); }
API int emulated_event_record(cudaEvent_t event, cudaStream_t stream) { return cudaEventRecord(event, stream); }
API int emulated_event_synchronise(cudaEvent_t event) { return cudaEventSynchronize(event); }
API const char* emulated_error_string(int code) { return cudaGetErrorString(static_cast<cudaError_t>(code)); }
