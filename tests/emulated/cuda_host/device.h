// Declares the parts of a device that the kernels do not use: its description, contexts, pinned memory and events.
#pragma once
#include "cuda_runtime.h"

using cudaEvent_t = struct CUevent_st*;

constexpr unsigned cudaEventDisableTiming = 2;

cudaError_t cudaHostAlloc(void** pointer, std::size_t bytes, unsigned flags);
cudaError_t cudaFreeHost(void* pointer);
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags);
cudaError_t cudaEventDestroy(cudaEvent_t event);
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream);
cudaError_t cudaEventSynchronize(cudaEvent_t event);
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t from, cudaEvent_t to);
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned flags);

// Describes the GPU: a test sets the fields, and reads how often the primary context is retained. device.py has the same order.
struct emulated_Description {
  char name[64];
  int major, minor, driver, integrated, present, contexts, sm_count, memory_gib;
};
extern "C" emulated_Description emulated_description;
