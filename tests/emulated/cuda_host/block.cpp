#include "block.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <vector>

#include "fiber.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(address, size) (void)(address)
#define ASAN_UNPOISON_MEMORY_REGION(address, size) (void)(address)
#endif

uint3 threadIdx, blockIdx;
dim3 blockDim, gridDim;

// The linker's bounds of all static __shared__ arrays; weak, because a library may have none.
extern "C" __attribute__((weak)) unsigned char __start_emulated_shared[], __stop_emulated_shared[];

namespace emulated {
namespace {

enum class State { ready, at_barrier, at_warp, done };

struct Thread {
  Fiber fiber;
  uint3 index{};
  State state = State::done;
  Place place{};
  unsigned mask = 0;         // at_warp: the lanes that must arrive
  std::uint64_t value = 0;   // at_warp: this lane's value
  std::uint64_t seen[32]{};  // the lanes' values, once all have arrived
};

Order order = Order::forwards;
std::uint32_t random_state = 1;
std::vector<std::unique_ptr<Thread>> threads;  // reused by each launch; the first blockDim of them run
unsigned count, current;
const Launch* launched;
std::string error;
alignas(16) unsigned char dynamic_shared_memory[kSharedMemory];

// Not instrumented, since it also overwrites the red zones between the arrays; and not compiled to memset.
__attribute__((no_sanitize("address"), optimize("no-tree-loop-distribute-patterns"))) void fill(unsigned char* begin,
                                                                                                const unsigned char* end) {
  while (begin != end) *begin++ = 0xCD;  // shared memory is undefined at a block's start
}

std::string text(const uint3& at) {
  return "(" + std::to_string(at.x) + ", " + std::to_string(at.y) + ", " + std::to_string(at.z) + ")";
}

std::string text(const Place& place) {
  return std::string(place.function) + ", " + place.file + ":" + std::to_string(place.line);
}

std::uint32_t random_number() {  // xorshift (Marsaglia 2003)
  random_state ^= random_state << 13;
  random_state ^= random_state >> 17;
  return random_state ^= random_state << 5;
}

std::vector<unsigned> ordered(unsigned size) {
  std::vector<unsigned> indices(size);
  for (unsigned i = 0; i < size; ++i) indices[i] = order == Order::backwards ? size - 1 - i : i;
  if (order == Order::shuffled)
    for (unsigned i = size; i > 1; --i) std::swap(indices[i - 1], indices[random_number() % i]);
  return indices;
}

bool same(const Place& a, const Place& b) { return a.line == b.line && !std::strcmp(a.file, b.file); }

void resume(unsigned index) {
  current = index;
  threadIdx = threads[index]->index;
  threads[index]->fiber.resume();
}

void wait(State state, Place place) {
  Thread& self = *threads[current];
  self.state = state;
  self.place = place;
  self.fiber.yield();
}

void thread_main() {
  launched->body();
  threads[current]->state = State::done;
}

// Releases the lanes of a warp operation if all lanes of its mask have reached the same call.
bool release_lanes(unsigned index) {
  const Thread& self = *threads[index];
  const unsigned first = index / warpSize * warpSize;
  for (unsigned i = 0; i < warpSize; ++i) {
    if (!(self.mask >> i & 1)) continue;
    if (first + i >= count) return false;
    const Thread& other = *threads[first + i];
    if (other.state != State::at_warp || other.mask != self.mask || !same(other.place, self.place)) return false;
  }
  const unsigned mask = self.mask;
  std::uint64_t values[warpSize] = {};
  for (unsigned i = 0; i < warpSize; ++i)
    if (mask >> i & 1) values[i] = threads[first + i]->value;
  for (unsigned i = 0; i < warpSize; ++i) {
    if (!(mask >> i & 1)) continue;
    std::copy(values, values + warpSize, threads[first + i]->seen);
    threads[first + i]->state = State::ready;
  }
  return true;
}

bool release_warps() {
  bool released = false;
  for (unsigned i = 0; i < count; ++i)
    if (threads[i]->state == State::at_warp) released |= release_lanes(i);
  return released;
}

bool release_barrier() {
  for (unsigned i = 0; i < count; ++i)
    if (threads[i]->state != State::at_barrier || !same(threads[i]->place, threads[0]->place)) return false;
  for (unsigned i = 0; i < count; ++i) threads[i]->state = State::ready;
  return true;
}

// Describes a thread that is blocked, and one that does not reach the same place.
std::string stuck() {
  const auto waits = [](const auto& thread) { return thread->state != State::done; };
  const auto end = threads.begin() + count;
  const Thread& waiting = **std::find_if(threads.begin(), end, waits);
  const auto elsewhere = [&](const auto& thread) {
    return thread->state != waiting.state || !same(thread->place, waiting.place);
  };
  const auto other = std::find_if(threads.begin(), end, elsewhere);
  const std::string what = waiting.state == State::at_barrier ? "a barrier" : "a warp operation";
  std::string why = "thread " + text(waiting.index) + " waits at " + what + " (" + text(waiting.place) + ")";
  if (other == end) return why + " for lanes that do not exist or name another mask";
  why += " that thread " + text((*other)->index) + " does not reach: it ";
  return why + ((*other)->state == State::done ? "has ended" : "waits at " + text((*other)->place));
}

void start_block(const uint3& index) {
  blockIdx = index;
  fill(__start_emulated_shared, __stop_emulated_shared);
  fill(dynamic_shared_memory, dynamic_shared_memory + launched->shared);
  for (unsigned i = 0; i < count; ++i) {
    Thread& thread = *threads[i];
    thread.index = {i % blockDim.x, i / blockDim.x % blockDim.y, i / blockDim.x / blockDim.y};
    thread.state = State::ready;
    thread.fiber.start(thread_main);
  }
}

void run_block(const uint3& index) {
  start_block(index);
  const auto done = [](const auto& thread) { return thread->state == State::done; };
  while (error.empty() && !std::all_of(threads.begin(), threads.begin() + count, done)) {
    bool moved = false;
    for (const unsigned i : ordered(count)) {
      if (threads[i]->state != State::ready || !error.empty()) continue;
      resume(i);
      moved = true;
    }
    if (error.empty() && !release_warps() && !release_barrier() && !moved) error = stuck() + " in block " + text(blockIdx);
  }
}

std::string refusal(const Launch& launch) {
  const dim3 &grid = launch.grid, &block = launch.block;
  const std::size_t size = std::size_t{block.x} * block.y * block.z;
  if (size == 0 || size > 1024 || block.z > 64) return "a block of " + std::to_string(size) + " threads";
  if (!grid.x || !grid.y || !grid.z || grid.x > 0x7fffffffu || grid.y > 65535 || grid.z > 65535) return "an impossible grid";
  if (launch.shared > kSharedMemory) return std::to_string(launch.shared) + " bytes of shared memory";
  return "";
}

}  // namespace

void schedule(Order chosen, std::uint32_t seed) {
  order = chosen;
  random_state = seed | 1;  // zero would stay zero
}

std::string run(const Launch& launch) {
  error = refusal(launch);
  launched = &launch;
  gridDim = launch.grid;
  blockDim = launch.block;
  if (error.empty()) {
    count = blockDim.x * blockDim.y * blockDim.z;
    while (threads.size() < count) threads.push_back(std::make_unique<Thread>());
    ASAN_UNPOISON_MEMORY_REGION(dynamic_shared_memory, launch.shared);
    ASAN_POISON_MEMORY_REGION(dynamic_shared_memory + launch.shared, kSharedMemory - launch.shared);
    for (const unsigned i : ordered(gridDim.x * gridDim.y * gridDim.z)) {
      run_block({i % gridDim.x, i / gridDim.x % gridDim.y, i / gridDim.x / gridDim.y});
      if (!error.empty()) break;
    }
  }
  return error.empty() ? "" : "kernel " + launch.kernel + ": " + error;
}

void barrier(Place place) { wait(State::at_barrier, place); }

const std::uint64_t* exchange(unsigned mask, std::uint64_t value, Place place) {
  if (!(mask >> lane() & 1)) fail("a lane calls with a mask that leaves it out", place);
  threads[current]->mask = mask;
  threads[current]->value = value;
  wait(State::at_warp, place);
  return threads[current]->seen;
}

unsigned lane() { return current % warpSize; }

void preempt() {
  if (order == Order::shuffled && random_number() >> 31) threads[current]->fiber.yield();
}

void fail(const std::string& why, Place place) {
  error = "thread " + text(threadIdx) + " of block " + text(blockIdx) + ": " + why + " (" + text(place) + ")";
  for (;;) threads[current]->fiber.yield();
}

void* dynamic_memory() { return dynamic_shared_memory; }

}  // namespace emulated
