// Implements the streams and events of the emulated device.
//
// A stream runs its work at once, or, if a test defers it, only when it is synchronized. A copy without a synchronization has
// then not happened, and the missing synchronization shows as a wrong result.
#include <cxxabi.h>
#include <dlfcn.h>

#include <chrono>
#include <cstdlib>
#include <memory>

#include "state.h"

using Clock = std::chrono::steady_clock;

struct Moment {
  unsigned recorded = 0, reached = 0;  // how often
  Clock::time_point at;                // when it was last reached
  cudaStream_t stream = nullptr;       // of the newest record
};
struct CUevent_st {
  bool timed;
  std::shared_ptr<Moment> moment = std::make_shared<Moment>();  // deferred work may outlive the event
};

namespace {

using emulated::broken, emulated::device, emulated::Lock, emulated::Step;

unsigned late_streams, streams_made;
int streams_open, events_open;

// Runs a stream's deferred work until none is left or `enough` returns true; a failure here breaks the device.
cudaError_t advance(cudaStream_t stream, const std::function<bool()>& enough) {
  while (!emulated::is_default(stream) && !stream->waiting.empty() && !enough()) {
    const Step step = std::move(stream->waiting.front());
    stream->waiting.pop_front();
    if (const cudaError_t code = emulated::run(step)) return broken = code;
  }
  return broken;
}

cudaError_t finish(cudaStream_t stream) {
  return advance(stream, [] { return false; });
}

// Runs the stream of an event until it reaches a record of the event.
cudaError_t reach(const std::shared_ptr<Moment>& moment, unsigned turn) {
  return moment->reached >= turn ? broken : advance(moment->stream, [=] { return moment->reached >= turn; });
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

cudaError_t emulated::enqueue(cudaStream_t stream, Step step) {
  const Lock lock(device);
  if (broken) return broken;
  if (is_captured(stream)) return stream->recorded->steps.push_back(std::move(step)), cudaSuccess;
  if (is_default(stream) || !stream->late) return run(step);
  return stream->waiting.push_back(std::move(step)), cudaSuccess;
}

cudaError_t emulated::submit(const Launch& launch, const void* kernel, cudaStream_t stream) {
  Launch named = launch;
  named.kernel = name_of(kernel);
  return enqueue(stream, [named] {
    for (const std::uint64_t word : named.words)
      if (is_freed(word)) return used_after_free("kernel " + named.kernel);
    const std::string error = run(named);
    return error.empty() ? cudaSuccess : failed(cudaErrorLaunchFailure, error);
  });
}

// Functions for tests.
extern "C" void emulated_late_streams(unsigned which) {  // bit n: the n-th stream created from now on, and each 32nd after it
  late_streams = which;
  streams_made = 0;
}
extern "C" int emulated_streams_open() { return streams_open; }
extern "C" int emulated_events_open() { return events_open; }
extern "C" int emulated_host_function(cudaStream_t stream, int (*function)(void*), void* data) {
  return emulated::enqueue(stream, [=] { return static_cast<cudaError_t>(function(data)); });
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
  return emulated::is_captured(stream) ? cudaErrorStreamCaptureUnsupported : finish(stream);
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags) {
  const Lock lock(device);
  if (broken) return broken;
  ++events_open;
  return *event = new CUevent_st{(flags & cudaEventDisableTiming) == 0}, cudaSuccess;
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  const Lock lock(device);
  --events_open;
  return delete event, broken;
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  const Lock lock(device);
  if (emulated::is_captured(stream)) return cudaErrorStreamCaptureUnsupported;  // CUDA allows this, but rtseg does not use it
  const auto moment = event->moment;
  moment->stream = stream;
  const unsigned turn = ++moment->recorded;
  return emulated::enqueue(stream, [=] { return moment->reached = turn, moment->at = Clock::now(), cudaSuccess; });
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  const Lock lock(device);
  return reach(event->moment, event->moment->recorded);
}
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t from, cudaEvent_t to) {
  const Lock lock(device);
  for (const auto* const event : {from, to}) {
    if (!event->timed || event->moment->recorded == 0) return cudaErrorInvalidResourceHandle;
    if (event->moment->reached < event->moment->recorded) return cudaErrorNotReady;
  }
  *milliseconds = std::chrono::duration<float, std::milli>(to->moment->at - from->moment->at).count();
  return broken;
}
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  const Lock lock(device);
  const auto moment = event->moment;
  const unsigned turn = moment->recorded;
  return emulated::enqueue(stream, [=] { return reach(moment, turn); });
}
