#include "fiber.h"

#include <sys/mman.h>

#include <new>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#else
static void __sanitizer_start_switch_fiber(void**, const void*, std::size_t) {}
static void __sanitizer_finish_switch_fiber(void*, const void**, std::size_t*) {}
#define ASAN_UNPOISON_MEMORY_REGION(address, size) (void)(address)
#endif

namespace emulated {
namespace {

constexpr std::size_t kGuard = 4096, kStack = 128 * 1024;  // only the pages that are touched cost memory
Fiber* entering;                                           // enter() takes no argument

}  // namespace

Fiber::Fiber() {
  void* pages = mmap(nullptr, kGuard + kStack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (pages == MAP_FAILED) throw std::bad_alloc();
  mprotect(pages, kGuard, PROT_NONE);
  stack_ = static_cast<unsigned char*>(pages) + kGuard;
}

Fiber::~Fiber() { munmap(stack_ - kGuard, kGuard + kStack); }

void Fiber::start(void (*entry)()) {
  if (!finished_) ASAN_UNPOISON_MEMORY_REGION(stack_, kStack);  // the abandoned run left its red zones behind
  entry_ = entry;
  finished_ = false;
  make(&inside_, stack_, kStack, enter);
}

void Fiber::resume() {
  void* fake_stack = nullptr;
  entering = this;
  __sanitizer_start_switch_fiber(&fake_stack, stack_, kStack);
  swap(&outside_, &inside_);
  __sanitizer_finish_switch_fiber(fake_stack, nullptr, nullptr);
}

void Fiber::yield() {
  void* fake_stack = nullptr;
  __sanitizer_start_switch_fiber(finished_ ? nullptr : &fake_stack, outside_stack_, outside_size_);
  swap(&inside_, &outside_);
  __sanitizer_finish_switch_fiber(fake_stack, &outside_stack_, &outside_size_);
}

void Fiber::enter() {
  Fiber* self = entering;
  __sanitizer_finish_switch_fiber(nullptr, &self->outside_stack_, &self->outside_size_);
  self->entry_();
  self->finished_ = true;
  self->yield();
}

}  // namespace emulated
