// A fiber: a function on a stack of its own, that runs until it yields.
#pragma once
#include "context.h"

namespace emulated {

class Fiber {
 public:
  Fiber();
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  void start(void (*entry)());  // made ready; an unfinished earlier run is abandoned
  void resume();                // runs it until it yields or its entry returns
  void yield();                 // called on the fiber: back to who resumed it

 private:
  static void enter();

  unsigned char* stack_;
  void (*entry_)() = nullptr;
  bool finished_ = true;
  Context inside_{}, outside_{};
  const void* outside_stack_ = nullptr;  // what the address sanitizer is told of the resumer's stack
  std::size_t outside_size_ = 0;
};

}  // namespace emulated
