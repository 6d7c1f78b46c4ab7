// Implements the atomics, warp operations and arithmetic of CUDA's device code on the host. Included by cuda_runtime.h.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>

#define EMULATED_HERE \
  ::emulated::Place { function, file, line }
#define EMULATED_CALLER \
  const char *function = __builtin_FUNCTION(), const char *file = __builtin_FILE(), int line = __builtin_LINE()

inline void __syncthreads(EMULATED_CALLER) { emulated::barrier(EMULATED_HERE); }
inline void __syncwarp(unsigned mask = 0xffffffffu, EMULATED_CALLER) { emulated::exchange(mask, 0, EMULATED_HERE); }
inline void __threadfence() {}

inline unsigned __ballot_sync(unsigned mask, int predicate, EMULATED_CALLER) {
  const std::uint64_t* given = emulated::exchange(mask, predicate != 0, EMULATED_HERE);
  unsigned ballot = 0;
  for (int i = 0; i < warpSize; ++i)
    if (mask >> i & 1) ballot |= static_cast<unsigned>(given[i]) << i;
  return ballot;
}
inline int __any_sync(unsigned mask, int predicate, EMULATED_CALLER) {
  return __ballot_sync(mask, predicate, function, file, line) != 0;
}
inline int __all_sync(unsigned mask, int predicate, EMULATED_CALLER) {
  return __ballot_sync(mask, predicate, function, file, line) == mask;
}

template <typename T>
unsigned __match_any_sync(unsigned mask, T value, EMULATED_CALLER) {
  std::uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof(T));
  const std::uint64_t* given = emulated::exchange(mask, bits, EMULATED_HERE);
  unsigned alike = 0;
  for (int i = 0; i < warpSize; ++i)
    if ((mask >> i & 1) && given[i] == bits) alike |= 1u << i;
  return alike;
}

namespace emulated {

template <typename T>
T shuffle(unsigned mask, T value, int source, Place place) {
  static_assert(sizeof(T) == 4 || sizeof(T) == 8, "a shuffle moves 32 or 64 bits");
  std::uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof(T));
  const std::uint64_t* given = exchange(mask, bits, place);
  if (!(mask >> source & 1)) fail("a shuffle reads lane " + std::to_string(source) + ", which its mask leaves out", place);
  std::memcpy(&value, &given[source], sizeof(T));
  return value;
}

// Returns the lane that a shuffle by `offset` reads: its own if the other lies in another segment of `width` lanes.
inline int neighbour(int offset, int width) {
  const int self = static_cast<int>(lane()), other = self + offset;
  return other >= 0 && other / width == self / width ? other : self;
}

}  // namespace emulated

template <typename T>
T __shfl_sync(unsigned mask, T value, int source, int width = warpSize, EMULATED_CALLER) {
  const int first = static_cast<int>(emulated::lane()) / width * width;
  return emulated::shuffle(mask, value, first + source % width, EMULATED_HERE);
}
template <typename T>
T __shfl_down_sync(unsigned mask, T value, unsigned by, int width = warpSize, EMULATED_CALLER) {
  return emulated::shuffle(mask, value, emulated::neighbour(static_cast<int>(by), width), EMULATED_HERE);
}
template <typename T>
T __shfl_up_sync(unsigned mask, T value, unsigned by, int width = warpSize, EMULATED_CALLER) {
  return emulated::shuffle(mask, value, emulated::neighbour(-static_cast<int>(by), width), EMULATED_HERE);
}
template <typename T>
T __shfl_xor_sync(unsigned mask, T value, int with, int width = warpSize, EMULATED_CALLER) {
  const int self = static_cast<int>(emulated::lane());
  return emulated::shuffle(mask, value, emulated::neighbour((self ^ with) - self, width), EMULATED_HERE);
}

namespace emulated {

template <typename T, typename Change>
T change(T* at, Change to) {  // atomic for all other threads, which may run before it
  preempt();
  const T before = *at;
  *at = to(before);
  return before;
}

}  // namespace emulated

template <typename T>
T atomicAdd(T* at, T by) {
  return emulated::change(at, [=](T was) { return static_cast<T>(was + by); });
}
template <typename T>
T atomicMin(T* at, T by) {
  return emulated::change(at, [=](T was) { return std::min(was, by); });
}
template <typename T>
T atomicMax(T* at, T by) {
  return emulated::change(at, [=](T was) { return std::max(was, by); });
}
template <typename T>
T atomicCAS(T* at, T expected, T to) {
  return emulated::change(at, [=](T was) { return was == expected ? to : was; });
}

using std::isfinite;
inline int min(int a, int b) { return a < b ? a : b; }
inline int max(int a, int b) { return a < b ? b : a; }
inline unsigned min(unsigned a, unsigned b) { return a < b ? a : b; }
inline unsigned max(unsigned a, unsigned b) { return a < b ? b : a; }
inline int __popc(unsigned bits) { return __builtin_popcount(bits); }
inline int __ffs(unsigned bits) { return __builtin_ffs(static_cast<int>(bits)); }
inline float __fdividef(float a, float b) { return a / b; }
inline float __expf(float x) { return expf(x); }
