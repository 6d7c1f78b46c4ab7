// Declares the state that the parts of the emulated device share: its fault, its lock, and the work on its streams.
#pragma once
#include <deque>
#include <functional>
#include <mutex>
#include <vector>

#include "device.h"

namespace emulated {

using Lock = std::lock_guard<std::recursive_mutex>;
extern std::recursive_mutex device;  // one kernel at a time: the blocks of all share the host's globals

// fault.cpp
extern cudaError_t broken;  // every call fails with it, as after a fault on a real device
cudaError_t failed(cudaError_t code, const std::string& why);  // returns the code, and stores its message

using Step = std::function<cudaError_t()>;
cudaError_t run(const Step& step);  // fails if the device is broken, or breaks now because a test requested it

// memory.cpp
bool is_freed(std::uintptr_t address);
cudaError_t used_after_free(const std::string& who);

// stream.cpp
cudaError_t enqueue(cudaStream_t stream, Step step);  // runs it now, appends it to deferred work, or records it in a graph

// graph.cpp
bool any_captured();

}  // namespace emulated

struct CUgraph_st {
  std::vector<emulated::Step> steps;
};
struct CUstream_st {
  bool late;
  std::deque<emulated::Step> waiting;
  cudaGraph_t recorded = nullptr;
};

namespace emulated {

inline bool is_default(cudaStream_t stream) { return reinterpret_cast<std::uintptr_t>(stream) <= 2; }
inline bool is_captured(cudaStream_t stream) { return !is_default(stream) && stream->recorded; }

}  // namespace emulated
