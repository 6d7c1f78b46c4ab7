// Runs the threads of a CUDA block as fibers of one host thread, in an order that a test selects.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};

struct uint3 {
  unsigned x, y, z;
};

extern uint3 threadIdx, blockIdx;
extern dim3 blockDim, gridDim;
constexpr int warpSize = 32;

namespace emulated {

struct Place {  // the place in the kernel where a thread is blocked
  const char* function;
  const char* file;
  int line;
};

enum class Order { forwards, backwards, shuffled };

struct Launch {
  std::string kernel;
  dim3 grid, block;
  std::size_t shared;
  std::function<void()> body;        // runs the kernel with its arguments in one thread
  std::vector<std::uint64_t> words;  // the arguments' content, pointers included
};

void schedule(Order order, std::uint32_t seed);

std::string run(const Launch& launch);  // returns an error that names the kernel, or ""

// Called by a thread of a kernel.
void barrier(Place place);
const std::uint64_t* exchange(unsigned mask, std::uint64_t value, Place place);  // returns the value of each lane in `mask`
unsigned lane();
void preempt();  // yields to other threads, in the shuffled order
[[noreturn]] void fail(const std::string& why, Place place);
void* dynamic_memory();

constexpr std::size_t kSharedMemory = 48 * 1024;  // available on every GPU without an opt-in

}  // namespace emulated
