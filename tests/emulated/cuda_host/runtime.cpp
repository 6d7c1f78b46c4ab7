// Memory, streams, events, graphs and errors of CUDA's runtime, on the host.
//
// A stream runs its work at once, or, where a test says so, only when somebody waits for it: then a copy that nobody waited
// for has not happened, and what was forgotten shows as a wrong result.
#include "cuda_runtime.h"

#include <cxxabi.h>
#include <dlfcn.h>

#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "device.h"

using Step = std::function<cudaError_t()>;
using Steps = std::vector<Step>;

struct CUgraph_st {
  Steps steps;
};
struct CUgraphExec_st {
  Steps steps;
};
struct CUstream_st {
  bool late;
  std::deque<Step> waiting;
  cudaGraph_t recorded = nullptr;
};
struct Moment {
  unsigned recorded = 0, reached = 0;  // how often
  cudaStream_t stream = nullptr;       // of the newest record
};
struct CUevent_st {
  std::shared_ptr<Moment> moment = std::make_shared<Moment>();  // what waits for it may outlive it
};

namespace {

struct Block {
  std::size_t bytes;
  bool pinned, freed;
};

std::recursive_mutex device;               // one kernel at a time: the blocks of all share the host's globals
std::string failure;                       // of the last launch that failed
std::map<std::uintptr_t, Block> blocks;    // by address, those in quarantine too
std::deque<std::uintptr_t> quarantine;     // freed memory that is kept, so that its use is found
std::size_t in_use, quarantined, limit = ~std::size_t{0};
cudaError_t broken = cudaSuccess;          // every call fails with it, as after a fault on a real device
long steps_until_broken = -1;
cudaError_t breaks_with = cudaSuccess;
unsigned late_streams, streams_made;
int captures, streams_open, events_open, graphs_open;

constexpr std::size_t kQuarantine = 64 << 20;

using Lock = std::lock_guard<std::recursive_mutex>;

bool is_default(cudaStream_t stream) { return reinterpret_cast<std::uintptr_t>(stream) <= 2; }
bool capturing(cudaStream_t stream) { return !is_default(stream) && stream->recorded; }

cudaError_t run(const Step& step) {
  if (broken) return broken;
  if (steps_until_broken >= 0 && steps_until_broken-- == 0) return broken = breaks_with;
  return step();
}

// Runs what waits on a stream until nothing does or `enough` says so; what fails here, later than its call, breaks the device.
cudaError_t advance(cudaStream_t stream, const std::function<bool()>& enough) {
  while (!is_default(stream) && !stream->waiting.empty() && !enough()) {
    const Step step = std::move(stream->waiting.front());
    stream->waiting.pop_front();
    if (const cudaError_t code = run(step)) return broken = code;
  }
  return broken;
}

cudaError_t finish(cudaStream_t stream) {
  return advance(stream, [] { return false; });
}

// Runs the stream of an event until it comes to a record of it.
cudaError_t reach(const std::shared_ptr<Moment>& moment, unsigned turn) {
  return moment->reached >= turn ? broken : advance(moment->stream, [=] { return moment->reached >= turn; });
}

// Runs a step now, puts it behind those that wait, or writes it into the graph that its stream is being captured into.
cudaError_t enqueue(cudaStream_t stream, Step step) {
  const Lock lock(device);
  if (broken) return broken;
  if (capturing(stream)) return stream->recorded->steps.push_back(std::move(step)), cudaSuccess;
  if (is_default(stream) || !stream->late) return run(step);
  return stream->waiting.push_back(std::move(step)), cudaSuccess;
}

cudaError_t refused_in_capture() {
  const Lock lock(device);
  return broken ? broken : captures ? cudaErrorStreamCaptureUnsupported : cudaSuccess;
}

// The block that an address lies in or right behind, null where there is none.
const Block* block_of(std::uintptr_t address) {
  auto after = blocks.upper_bound(address);
  if (after == blocks.begin()) return nullptr;
  --after;
  return address < after->first + after->second.bytes ? &after->second : nullptr;
}

bool is_freed(std::uintptr_t address) {
  const Block* block = block_of(address);
  return block && block->freed;
}

cudaError_t used_after_free(const std::string& who) {
  failure = who + ": memory is used that was freed";
  return broken = cudaErrorIllegalAddress;
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

cudaError_t take(void** pointer, std::size_t bytes, bool pinned) {
  if (const cudaError_t refused = refused_in_capture()) return refused;
  const Lock lock(device);
  if (bytes > limit || in_use > limit - bytes || !(*pointer = std::malloc(bytes ? bytes : 1))) return cudaErrorMemoryAllocation;
  std::memset(*pointer, 0xCD, bytes);
  blocks[reinterpret_cast<std::uintptr_t>(*pointer)] = {bytes ? bytes : 1, pinned, false};
  in_use += bytes ? bytes : 1;
  return cudaSuccess;
}

cudaError_t give(void* pointer) {
  const Lock lock(device);
  if (captures) return cudaErrorStreamCaptureUnsupported;
  if (!pointer) return broken;
  const auto address = reinterpret_cast<std::uintptr_t>(pointer);
  const auto found = blocks.find(address);
  if (found == blocks.end() || found->second.freed) return cudaErrorInvalidValue;
  in_use -= found->second.bytes;
  quarantined += found->second.bytes;
  found->second.freed = true;
  std::memset(pointer, 0xDD, found->second.bytes);
  quarantine.push_back(address);
  while (quarantined > kQuarantine) {
    const auto oldest = blocks.find(quarantine.front());
    quarantined -= oldest->second.bytes;
    std::free(reinterpret_cast<void*>(oldest->first));
    blocks.erase(oldest);
    quarantine.pop_front();
  }
  return broken;  // it is free all the same, as the end of a broken context would have it
}

bool is_pinned(const void* pointer) {
  const Block* block = block_of(reinterpret_cast<std::uintptr_t>(pointer));
  return block && block->pinned && !block->freed;
}

cudaError_t move(void* to, const void* from, std::size_t bytes) {
  const auto target = reinterpret_cast<std::uintptr_t>(to), source = reinterpret_cast<std::uintptr_t>(from);
  if (is_freed(target) || is_freed(source)) return used_after_free("a copy");
  return std::memcpy(to, from, bytes), cudaSuccess;
}

}  // namespace

cudaError_t emulated::submit(const Launch& launch, const void* kernel, cudaStream_t stream) {
  Launch named = launch;
  named.kernel = name_of(kernel);
  return enqueue(stream, [named] {
    for (const std::uint64_t word : named.words)
      if (is_freed(word)) return used_after_free("kernel " + named.kernel);
    const std::string error = run(named);
    if (error.empty()) return cudaSuccess;
    failure = error;
    return cudaErrorLaunchFailure;
  });
}

// What a test asks of the device.
extern "C" void emulated_schedule(int order, std::uint32_t seed) {
  emulated::schedule(static_cast<emulated::Order>(order), seed);
}
extern "C" void emulated_late_streams(unsigned which) {  // bit n: the n-th stream that is made from now on, and each 32nd after
  late_streams = which;
  streams_made = 0;
}
extern "C" void emulated_memory_limit(std::size_t bytes) { limit = bytes; }
extern "C" void emulated_break(long steps, int code) {
  steps_until_broken = steps;
  breaks_with = static_cast<cudaError_t>(code);
}
extern "C" void emulated_mend() {
  broken = cudaSuccess;
  steps_until_broken = -1;
  failure.clear();
}
extern "C" void emulated_in_use(std::size_t* counts) {
  const std::size_t all[] = {in_use, std::size_t(streams_open), std::size_t(events_open), std::size_t(graphs_open)};
  std::copy(all, all + 4, counts);
}
extern "C" int emulated_broken() { return broken; }
extern "C" int emulated_freed(std::uintptr_t address) {
  const Lock lock(device);
  return is_freed(address);
}
extern "C" int emulated_capturing(cudaStream_t stream) { return capturing(stream); }
extern "C" int emulated_host_function(cudaStream_t stream, int (*function)(void*), void* data) {
  return enqueue(stream, [=] { return static_cast<cudaError_t>(function(data)); });
}

cudaError_t cudaMalloc(void** pointer, std::size_t bytes) { return take(pointer, bytes, false); }
cudaError_t cudaFree(void* pointer) { return give(pointer); }
cudaError_t cudaHostAlloc(void** pointer, std::size_t bytes, unsigned) { return take(pointer, bytes, true); }
cudaError_t cudaFreeHost(void* pointer) { return give(pointer); }

cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind, cudaStream_t stream) {
  if (kind == cudaMemcpyHostToDevice && !is_pinned(from)) {  // pageable memory has been read when the call returns
    const auto* start = static_cast<const unsigned char*>(from);
    const auto staged = std::make_shared<std::vector<unsigned char>>(start, start + bytes);
    return enqueue(stream, [=] { return move(to, staged->data(), bytes); });
  }
  const cudaError_t code = enqueue(stream, [=] { return move(to, from, bytes); });
  const bool returns_late = kind == cudaMemcpyDeviceToHost && !is_pinned(to) && !capturing(stream);
  return code || !returns_late ? code : cudaStreamSynchronize(stream);
}

cudaError_t cudaMemsetAsync(void* pointer, int value, std::size_t bytes, cudaStream_t stream) {
  return enqueue(stream, [=] {
    if (is_freed(reinterpret_cast<std::uintptr_t>(pointer))) return used_after_free("a memset");
    return std::memset(pointer, value, bytes), cudaSuccess;
  });
}

cudaError_t cudaStreamCreate(cudaStream_t* stream) {
  const Lock lock(device);
  if (broken) return broken;
  ++streams_open;
  return *stream = new CUstream_st{(late_streams >> streams_made++ % 32 & 1) != 0, {}, nullptr}, cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  const Lock lock(device);
  finish(stream);
  --streams_open;
  return delete stream, broken;
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  const Lock lock(device);
  return capturing(stream) ? cudaErrorStreamCaptureUnsupported : finish(stream);
}

cudaError_t cudaEventCreate(cudaEvent_t* event) {
  const Lock lock(device);
  if (broken) return broken;
  ++events_open;
  return *event = new CUevent_st, cudaSuccess;
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  const Lock lock(device);
  --events_open;
  return delete event, broken;
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  const Lock lock(device);
  if (capturing(stream)) return cudaErrorStreamCaptureUnsupported;  // it may be done; nothing here does it
  const auto moment = event->moment;
  moment->stream = stream;
  const unsigned turn = ++moment->recorded;
  return enqueue(stream, [=] { return moment->reached = turn, cudaSuccess; });
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  const Lock lock(device);
  return reach(event->moment, event->moment->recorded);
}
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  const Lock lock(device);
  const auto moment = event->moment;
  const unsigned turn = moment->recorded;
  return enqueue(stream, [=] { return reach(moment, turn); });
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  if (is_default(stream) || stream->recorded) return cudaErrorStreamCaptureUnsupported;
  if (broken) return broken;
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
  ++graphs_open;
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
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t runnable) {
  --graphs_open;
  return delete runnable, cudaSuccess;
}
cudaError_t cudaGetDeviceCount(int* count) { return *count = 1, broken; }

const char* cudaGetErrorString(cudaError_t code) {
  switch (code) {
    case cudaSuccess:
      return "no error";
    case cudaErrorLaunchFailure:
    case cudaErrorIllegalAddress:
      return failure.empty() ? "an illegal memory access was encountered" : failure.c_str();
    case cudaErrorStreamCaptureUnsupported:
      return "operation not permitted when stream is capturing";
    case cudaErrorMemoryAllocation:
      return "out of memory";
    default:
      return "invalid argument";
  }
}
