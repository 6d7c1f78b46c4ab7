// What a real device has beyond what the kernels themselves use: what it tells of itself, contexts, pinned memory and events.
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

// A test writes here what GPU it wants, and reads how often its primary context is held. device.py knows the order.
struct emulated_Description {
  char name[64];
  int major, minor, driver, integrated, present, contexts;
};
extern "C" emulated_Description emulated_description;
