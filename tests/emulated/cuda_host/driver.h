// Declares CUDA's driver on the emulated device in C: for libcuda, which the real pycuda calls, and for the stand-in of pycuda.
//
// As with the real driver, a call on a thread without a current context, or with a released one, is an error.
#pragma once
#include "device.h"

extern "C" {
int emulated_initialise();
int emulated_context_retain();
int emulated_context_release();
int emulated_context_push();
int emulated_context_pop();
int emulated_allocate(void** pointer, std::size_t bytes);
int emulated_free(void* pointer);
int emulated_host_allocate(void** pointer, std::size_t bytes);
int emulated_host_free(void* pointer);
int emulated_copy(void* to, const void* from, std::size_t bytes, int kind, cudaStream_t stream);
int emulated_memset(void* pointer, int value, std::size_t bytes, cudaStream_t stream);
int emulated_stream_create(cudaStream_t* stream);
int emulated_stream_destroy(cudaStream_t stream);
int emulated_stream_synchronise(cudaStream_t stream);
int emulated_stream_wait(cudaStream_t stream, cudaEvent_t event);
int emulated_event_create(cudaEvent_t* event, unsigned flags);
int emulated_event_destroy(cudaEvent_t event);
int emulated_event_record(cudaEvent_t event, cudaStream_t stream);
int emulated_event_synchronise(cudaEvent_t event);
int emulated_event_elapsed(float* milliseconds, cudaEvent_t from, cudaEvent_t to);
const char* emulated_error_string(int code);
}
