// The threads of a CUDA block as fibers of one host thread, scheduled in an order that a test chooses.
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

struct Place {  // where in the kernel a thread waits
  const char* function;
  const char* file;
  int line;
};

enum class Order { forwards, backwards, shuffled };

struct Launch {
  std::string kernel;
  dim3 grid, block;
  std::size_t shared;
  std::function<void()> body;        // the kernel with its arguments, as one thread runs it
  std::vector<std::uint64_t> words;  // what its arguments hold: the pointers are among them
};

void schedule(Order order, std::uint32_t seed);

std::string run(const Launch& launch);  // what went wrong, naming the kernel; empty where nothing did

// Called by a thread of a kernel.
void barrier(Place place);
const std::uint64_t* exchange(unsigned mask, std::uint64_t value, Place place);  // what each lane in `mask` gave
unsigned lane();
void preempt();  // lets others run here, in the shuffled order
[[noreturn]] void fail(const std::string& why, Place place);
void* dynamic_memory();

constexpr std::size_t kSharedMemory = 48 * 1024;  // what every GPU grants without being asked

}  // namespace emulated
