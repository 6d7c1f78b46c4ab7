// Exercises the rules of CUDA's language for test_language.py: each function writes its observations to `out`.
#include "runtime/launch.cuh"

namespace language {

// Tests static shared memory: its content at a block's start, and its sharing among the threads.
__global__ void reverse(const int* in, int* out, int count) {
  __shared__ int tile[1024];
  const int i = threadIdx.x;
  if (i == 0) out[count] = tile[0];
  __syncthreads();
  tile[i] = in[i];
  __syncthreads();
  out[i] = tile[count - 1 - i];
}

// Tests dynamic shared memory, shuffles and an atomic: the sum over all blocks, twice.
template <typename T>
__global__ void total(const T* in, T* out) {
  T* parts = rtseg::dynamic_shared<T>();
  T down = in[threadIdx.x], across = down;
  for (int by = 16; by; by /= 2) {
    down += __shfl_down_sync(~0u, down, by);
    across += __shfl_xor_sync(~0u, across, by);
  }
  if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = down;
  if (threadIdx.x % 32 == 31) atomicAdd(&out[1], across);
  __syncthreads();
  if (threadIdx.x >= blockDim.x / 32) return;
  atomicAdd(&out[0], parts[threadIdx.x]);
}

__global__ void lanes(int* out) {
  const int lane = threadIdx.x % 32;
  out[threadIdx.x] = __shfl_up_sync(~0u, lane, 1);
  out += blockDim.x;
  out[threadIdx.x] = __shfl_sync(~0u, lane, 3, 8);
  out += blockDim.x;
  out[threadIdx.x] = static_cast<int>(__ballot_sync(~0u, lane % 3 == 0));
  out += blockDim.x;
  out[threadIdx.x] = __any_sync(~0u, lane == 7) + 2 * __all_sync(~0u, lane < 31);
  if (lane < 4) out[threadIdx.x] += 4 * __shfl_sync(0xfu, lane, 2);
}

// Counts with compare-and-swap, which must not lose a step.
__global__ void count_up(int* out) {
  int expected, seen = out[0];
  do {
    expected = seen;
    seen = atomicCAS(out, expected, expected + 1);
  } while (seen != expected);
}

__global__ void index(int* out) {
  const int thread = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
  const int block = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
  out[block * blockDim.x * blockDim.y * blockDim.z + thread] = 1 + threadIdx.z + 10 * blockIdx.z;
}

__global__ void some_wait(int count) {
  if (static_cast<int>(threadIdx.x) < count) __syncthreads();
}

__global__ void wait_apart() {
  if (threadIdx.x % 2) {
    __syncthreads();
  } else {
    __syncthreads();
  }
}

__global__ void some_shuffle(int* out) {
  if (threadIdx.x != 5) out[threadIdx.x] = __shfl_sync(~0u, 1, 0);
}

__global__ void shuffle_from_outside(int* out) {
  if (threadIdx.x < 8) out[threadIdx.x] = __shfl_sync(0xffu, 1, 9);
}

__global__ void nothing() {}

}  // namespace language

RTSEG_API int language_reverse(const int* in, int* out, int count, void* stream) {
  return rtseg::launch(language::reverse, 1, count, 0, stream, in, out, count);
}
RTSEG_API int language_total(const float* in, float* out, int count, int blocks, void* stream) {
  return rtseg::launch(language::total<float>, blocks, count, count / 32 * sizeof(float), stream, in, out);
}
RTSEG_API int language_lanes(int* out, void* stream) { return rtseg::launch(language::lanes, 1, 64, 0, stream, out); }
RTSEG_API int language_count_up(int* out, void* stream) { return rtseg::launch(language::count_up, 3, 100, 0, stream, out); }
RTSEG_API int language_index(int* out, void* stream) {
  return rtseg::launch(language::index, dim3(2, 3, 4), dim3(4, 3, 2), 0, stream, out);
}
RTSEG_API int language_some_wait(int count, void* stream) {
  return rtseg::launch(language::some_wait, 2, 64, 0, stream, count);
}
RTSEG_API int language_wait_apart(void* stream) { return rtseg::launch(language::wait_apart, 1, 64, 0, stream); }
RTSEG_API int language_some_shuffle(int* out, void* stream) {
  return rtseg::launch(language::some_shuffle, 1, 64, 0, stream, out);
}
RTSEG_API int language_shuffle_from_outside(int* out, void* stream) {
  return rtseg::launch(language::shuffle_from_outside, 1, 32, 0, stream, out);
}
RTSEG_API int language_nothing(int threads, int blocks, int shared, void* stream) {
  return rtseg::launch(language::nothing, blocks, threads, shared, stream);
}
