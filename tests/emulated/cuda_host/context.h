// Saves and restores the registers of a function: a few instructions on x86-64, else ucontext, whose system calls are slow.
#pragma once
#include <cstddef>

#if defined(__x86_64__) && !defined(EMULATED_UCONTEXT)

// Saves the callee-saved registers on the old stack, and restores them from the new one.
asm(R"(
.pushsection .text
.weak emulated_switch
.type emulated_switch, @function
emulated_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq (%rsi), %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size emulated_switch, . - emulated_switch
.popsection
)");

namespace emulated {

using Context = void*;  // the stack pointer

extern "C" void emulated_switch(Context* from, Context* to);

inline void make(Context* context, unsigned char* stack, std::size_t size, void (*entry)()) {
  void** top = reinterpret_cast<void**>(stack + size) - 2;  // the stack is aligned as after a call: 16 n + 8
  *top = reinterpret_cast<void*>(entry);
  *context = top - 6;
}

inline void swap(Context* from, Context* to) { emulated_switch(from, to); }

}  // namespace emulated

#else
#include <ucontext.h>

namespace emulated {

using Context = ucontext_t;

inline void make(Context* context, unsigned char* stack, std::size_t size, void (*entry)()) {
  getcontext(context);
  context->uc_stack.ss_sp = stack;
  context->uc_stack.ss_size = size;
  context->uc_link = nullptr;
  makecontext(context, entry, 0);
}

inline void swap(Context* from, Context* to) { swapcontext(from, to); }

}  // namespace emulated

#endif
