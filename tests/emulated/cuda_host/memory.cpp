// Implements the emulated device's memory, with a limit that a test sets and detection of use after free.
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>

#include "state.h"

namespace {

using emulated::device, emulated::Lock;

struct Block {
  std::size_t bytes;
  bool pinned, freed;
  int test;  // in which it was taken
};
struct Copy {
  cudaMemcpyKind kind;
  std::size_t bytes;
};

constexpr std::size_t kQuarantine = 64 << 20, kCopies = 4096;

std::map<std::uintptr_t, Block> blocks;  // by address, those in quarantine too
std::deque<std::uintptr_t> quarantine;   // freed memory that is retained, so that its use is detected
std::size_t in_use, in_use_of_test, quarantined, limit = ~std::size_t{0};
int test;
std::deque<Copy> copies;  // the newest requested copies

cudaError_t refused() { return emulated::broken ? emulated::broken : emulated::any_captured() ? cudaErrorStreamCaptureUnsupported : cudaSuccess; }

// Returns the block that contains an address, or null.
const Block* block_of(std::uintptr_t address) {
  auto after = blocks.upper_bound(address);
  if (after == blocks.begin()) return nullptr;
  --after;
  return address < after->first + after->second.bytes ? &after->second : nullptr;
}

// Returns memory that is aligned as cudaMalloc's is.
void* aligned(std::size_t bytes) {
  void* pointer = nullptr;
  return posix_memalign(&pointer, 256, bytes) ? nullptr : pointer;
}

cudaError_t take(void** pointer, std::size_t bytes, bool pinned) {
  const Lock lock(device);
  if (const cudaError_t code = refused()) return code;
  bytes = bytes ? bytes : 1;
  if (bytes > limit || in_use > limit - bytes || !(*pointer = aligned(bytes))) return cudaErrorMemoryAllocation;
  std::memset(*pointer, 0xCD, bytes);
  blocks[reinterpret_cast<std::uintptr_t>(*pointer)] = {bytes, pinned, false, test};
  in_use += bytes, in_use_of_test += bytes;
  return cudaSuccess;
}

void forget_oldest() {
  const auto oldest = blocks.find(quarantine.front());
  quarantined -= oldest->second.bytes;
  std::free(reinterpret_cast<void*>(oldest->first));
  blocks.erase(oldest);
  quarantine.pop_front();
}

cudaError_t give(void* pointer) {
  const Lock lock(device);
  if (emulated::any_captured()) return cudaErrorStreamCaptureUnsupported;
  if (!pointer) return emulated::broken;
  const auto address = reinterpret_cast<std::uintptr_t>(pointer);
  const auto found = blocks.find(address);
  if (found == blocks.end() || found->second.freed) return cudaErrorInvalidValue;
  in_use -= found->second.bytes;
  if (found->second.test == test) in_use_of_test -= found->second.bytes;
  quarantined += found->second.bytes;
  found->second.freed = true;
  std::memset(pointer, 0xDD, found->second.bytes);
  quarantine.push_back(address);
  while (quarantined > kQuarantine) forget_oldest();
  return emulated::broken;  // the memory is freed even so, as at the end of a broken context
}

bool is_pinned(const void* pointer) {
  const Lock lock(device);
  const Block* block = block_of(reinterpret_cast<std::uintptr_t>(pointer));
  return block && block->pinned && !block->freed;
}

cudaError_t move(void* to, const void* from, std::size_t bytes) {
  const auto target = reinterpret_cast<std::uintptr_t>(to), source = reinterpret_cast<std::uintptr_t>(from);
  if (emulated::is_freed(target) || emulated::is_freed(source)) return emulated::used_after_free("a copy");
  return std::memcpy(to, from, bytes), cudaSuccess;
}

void remember(cudaMemcpyKind kind, std::size_t bytes) {
  const Lock lock(device);
  copies.push_back({kind, bytes});
  if (copies.size() > kCopies) copies.pop_front();
}

}  // namespace

bool emulated::is_freed(std::uintptr_t address) {
  const Block* block = block_of(address);
  return block && block->freed;
}

cudaError_t emulated::used_after_free(const std::string& who) {
  return broken = failed(cudaErrorIllegalAddress, who + ": memory is used that was freed");
}

// Functions for tests.
extern "C" void emulated_memory_limit(std::size_t bytes) { limit = bytes; }
extern "C" std::size_t emulated_bytes_in_use() { return in_use; }
extern "C" std::size_t emulated_bytes_of_test() { return in_use_of_test; }  // an earlier test's leftovers may be freed at any time
extern "C" void emulated_begin_test() {
  const Lock lock(device);
  ++test, in_use_of_test = 0;
}
extern "C" int emulated_freed(std::uintptr_t address) {
  const Lock lock(device);
  return emulated::is_freed(address);
}
extern "C" int emulated_next_copy(std::size_t* bytes) {  // returns the kind of the oldest unread copy, or 0
  const Lock lock(device);
  if (copies.empty()) return 0;
  const Copy oldest = copies.front();
  copies.pop_front();
  return *bytes = oldest.bytes, oldest.kind;
}

cudaError_t cudaMalloc(void** pointer, std::size_t bytes) { return take(pointer, bytes, false); }
cudaError_t cudaFree(void* pointer) { return give(pointer); }
cudaError_t cudaHostAlloc(void** pointer, std::size_t bytes, unsigned) { return take(pointer, bytes, true); }
cudaError_t cudaFreeHost(void* pointer) { return give(pointer); }

cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind, cudaStream_t stream) {
  remember(kind, bytes);
  if (kind == cudaMemcpyHostToDevice && !is_pinned(from)) {  // pageable memory has been read when the call returns
    const auto* start = static_cast<const unsigned char*>(from);
    const auto staged = std::make_shared<std::vector<unsigned char>>(start, start + bytes);
    return emulated::enqueue(stream, [=] { return move(to, staged->data(), bytes); });
  }
  const cudaError_t code = emulated::enqueue(stream, [=] { return move(to, from, bytes); });
  const bool returns_late = kind == cudaMemcpyDeviceToHost && !is_pinned(to) && !emulated::is_captured(stream);
  return code || !returns_late ? code : cudaStreamSynchronize(stream);
}

cudaError_t cudaMemsetAsync(void* pointer, int value, std::size_t bytes, cudaStream_t stream) {
  return emulated::enqueue(stream, [=] {
    if (emulated::is_freed(reinterpret_cast<std::uintptr_t>(pointer))) return emulated::used_after_free("a memset");
    return std::memset(pointer, value, bytes), cudaSuccess;
  });
}
