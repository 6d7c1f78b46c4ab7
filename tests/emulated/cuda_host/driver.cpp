#include "driver.h"

#define API extern "C"

namespace {

thread_local int current;  // how often the primary context is pushed on this thread

template <typename Call>
int with_context(Call call) {
  return current && emulated_description.contexts ? call() : cudaErrorInvalidContext;
}

}  // namespace

API int emulated_initialise() { return emulated_description.present ? cudaSuccess : cudaErrorNoDevice; }
API int emulated_context_retain() { return ++emulated_description.contexts, cudaSuccess; }
API int emulated_context_release() {
  return emulated_description.contexts ? --emulated_description.contexts, cudaSuccess : cudaErrorInvalidContext;
}
API int emulated_context_push() { return ++current, cudaSuccess; }
API int emulated_context_pop() { return current ? --current, cudaSuccess : cudaErrorInvalidContext; }

API int emulated_contexts_current() { return current; }

API int emulated_allocate(void** pointer, std::size_t bytes) {
  return with_context([=] { return cudaMalloc(pointer, bytes); });
}
API int emulated_free(void* pointer) {
  return with_context([=] { return cudaFree(pointer); });
}
API int emulated_host_allocate(void** pointer, std::size_t bytes) {
  return with_context([=] { return cudaHostAlloc(pointer, bytes, 0); });
}
API int emulated_host_free(void* pointer) {
  return with_context([=] { return cudaFreeHost(pointer); });
}
API int emulated_copy(void* to, const void* from, std::size_t bytes, int kind, cudaStream_t stream) {
  return with_context([=] { return cudaMemcpyAsync(to, from, bytes, static_cast<cudaMemcpyKind>(kind), stream); });
}
API int emulated_memset(void* pointer, int value, std::size_t bytes, cudaStream_t stream) {
  return with_context([=] { return cudaMemsetAsync(pointer, value, bytes, stream); });
}
API int emulated_stream_create(cudaStream_t* stream) {
  return with_context([=] { return cudaStreamCreate(stream); });
}
API int emulated_stream_destroy(cudaStream_t stream) {
  return with_context([=] { return cudaStreamDestroy(stream); });
}
API int emulated_stream_synchronise(cudaStream_t stream) {
  return with_context([=] { return cudaStreamSynchronize(stream); });
}
API int emulated_stream_wait(cudaStream_t stream, cudaEvent_t event) {
  return with_context([=] { return cudaStreamWaitEvent(stream, event, 0); });
}
API int emulated_event_create(cudaEvent_t* event, unsigned flags) {
  return with_context([=] { return cudaEventCreateWithFlags(event, flags); });
}
API int emulated_event_destroy(cudaEvent_t event) {
  return with_context([=] { return cudaEventDestroy(event); });
}
API int emulated_event_record(cudaEvent_t event, cudaStream_t stream) {
  return with_context([=] { return cudaEventRecord(event, stream); });
}
API int emulated_event_synchronise(cudaEvent_t event) {
  return with_context([=] { return cudaEventSynchronize(event); });
}
API int emulated_event_elapsed(float* milliseconds, cudaEvent_t from, cudaEvent_t to) {
  return with_context([=] { return cudaEventElapsedTime(milliseconds, from, to); });
}
API const char* emulated_error_string(int code) { return cudaGetErrorString(static_cast<cudaError_t>(code)); }
