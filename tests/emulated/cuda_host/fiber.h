// Defines a fiber: a function with its own stack that runs until it yields.
#pragma once
#include "context.h"

namespace emulated {

class Fiber {
 public:
  Fiber();
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  void start(void (*entry)());  // makes it ready; an unfinished earlier run is abandoned
  void resume();                // runs it until it yields or its entry returns
  void yield();                 // called on the fiber: returns to its caller of resume()

 private:
  static void enter();

  unsigned char* stack_;
  void (*entry_)() = nullptr;
  bool finished_ = true;
  Context inside_{}, outside_{};
  const void* outside_stack_ = nullptr;  // the resumer's stack, for the address sanitizer
  std::size_t outside_size_ = 0;
};

}  // namespace emulated
