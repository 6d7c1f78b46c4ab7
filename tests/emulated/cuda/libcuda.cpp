// Implements libcuda on the emulated device: NVIDIA's driver API, by NVIDIA's own header, for the real pycuda and for FFmpeg.
//
// For functions that they need and that are missing here, compiler.py generates stubs that return "not supported".
#include <cuda.h>
#include <dlfcn.h>

#include <cstdio>

#include "driver.h"

#define API extern "C" __attribute__((visibility("default")))

namespace {

// Releases Python's GIL during a call: pycuda holds it in calls that never block on a real device, but deferred work here may
// run a Python function on any thread.
class WithoutPython {
 public:
  WithoutPython() : state_(held() ? leave() : nullptr) {}
  ~WithoutPython() {
    if (state_) enter(state_);
  }
  WithoutPython(const WithoutPython&) = delete;

 private:
  template <typename Function>
  static Function* of_python(const char* name) {
    return reinterpret_cast<Function*>(dlsym(RTLD_DEFAULT, name));
  }
  static bool held() {
    static const auto is_initialised = of_python<int()>("Py_IsInitialized");
    static const auto check = of_python<int()>("PyGILState_Check");
    return is_initialised && is_initialised() && check();
  }
  static void* leave() { return of_python<void*()>("PyEval_SaveThread")(); }
  static void enter(void* state) { of_python<void(void*)>("PyEval_RestoreThread")(state); }

  void* state_;
};

template <typename Call>
CUresult result_of(Call call) {
  const WithoutPython without;
  return static_cast<CUresult>(call());
}

CUcontext primary() { return reinterpret_cast<CUcontext>(&emulated_description); }
void* memory(CUdeviceptr pointer) { return reinterpret_cast<void*>(pointer); }

}  // namespace

API CUresult cuInit(unsigned) { return result_of(emulated_initialise); }
API CUresult cuDriverGetVersion(int* version) { return *version = emulated_description.driver, CUDA_SUCCESS; }
API CUresult cuGetErrorString(CUresult code, const char** words) {
  return *words = emulated_error_string(code), CUDA_SUCCESS;
}
API CUresult cuGetErrorName(CUresult code, const char** name) { return cuGetErrorString(code, name); }

API CUresult cuDeviceGetCount(int* count) { return *count = emulated_description.present, CUDA_SUCCESS; }
API CUresult cuDeviceGet(CUdevice* device, int ordinal) {
  return *device = 0, ordinal ? CUDA_ERROR_INVALID_DEVICE : CUDA_SUCCESS;
}
API CUresult cuDeviceGetName(char* name, int size, CUdevice) {
  return std::snprintf(name, size, "%s", emulated_description.name), CUDA_SUCCESS;
}
API CUresult cuDeviceComputeCapability(int* major, int* minor, CUdevice) {
  return *major = emulated_description.major, *minor = emulated_description.minor, CUDA_SUCCESS;
}
API CUresult cuDeviceTotalMem(size_t* bytes, CUdevice) {
  return *bytes = static_cast<size_t>(emulated_description.memory_gib) << 30, CUDA_SUCCESS;
}
API CUresult cuDeviceGetAttribute(int* value, CUdevice_attribute attribute, CUdevice) {
  if (attribute == CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT) return *value = emulated_description.sm_count, CUDA_SUCCESS;
  if (attribute != CU_DEVICE_ATTRIBUTE_INTEGRATED && attribute != CU_DEVICE_ATTRIBUTE_TEXTURE_ALIGNMENT)
    return CUDA_ERROR_NOT_SUPPORTED;
  *value = attribute == CU_DEVICE_ATTRIBUTE_INTEGRATED ? emulated_description.integrated : 512;
  return CUDA_SUCCESS;
}

API CUresult cuDevicePrimaryCtxRetain(CUcontext* context, CUdevice) {
  *context = primary();
  return result_of(emulated_context_retain);
}
API CUresult cuDevicePrimaryCtxRelease(CUdevice) { return result_of(emulated_context_release); }
#undef cuDevicePrimaryCtxRelease  // FFmpeg calls these two by the names of older headers
API CUresult cuDevicePrimaryCtxRelease(CUdevice device) { return cuDevicePrimaryCtxRelease_v2(device); }
API CUresult cuCtxCreate_v2(CUcontext* context, unsigned, CUdevice device) {
  const CUresult code = cuDevicePrimaryCtxRetain(context, device);
  return code ? code : cuCtxPushCurrent(*context);
}
API CUresult cuCtxDestroy(CUcontext) { return result_of(emulated_context_release); }
API CUresult cuCtxPushCurrent(CUcontext) { return result_of(emulated_context_push); }
API CUresult cuCtxPopCurrent(CUcontext* context) {
  *context = primary();
  return result_of(emulated_context_pop);
}
API CUresult cuCtxGetDevice(CUdevice* device) { return *device = 0, CUDA_SUCCESS; }

API CUresult cuMemAlloc(CUdeviceptr* pointer, size_t bytes) {
  return result_of([=] { return emulated_allocate(reinterpret_cast<void**>(pointer), bytes); });
}
API CUresult cuMemFree(CUdeviceptr pointer) {
  return result_of([=] { return emulated_free(memory(pointer)); });
}
API CUresult cuMemHostAlloc(void** pointer, size_t bytes, unsigned) {
  return result_of([=] { return emulated_host_allocate(pointer, bytes); });
}
API CUresult cuMemFreeHost(void* pointer) {
  return result_of([=] { return emulated_host_free(pointer); });
}
API CUresult cuMemHostGetDevicePointer(CUdeviceptr* pointer, void* host, unsigned) {
  return *pointer = reinterpret_cast<CUdeviceptr>(host), CUDA_SUCCESS;
}
API CUresult cuMemcpyHtoDAsync(CUdeviceptr to, const void* from, size_t bytes, CUstream stream) {
  return result_of([=] { return emulated_copy(memory(to), from, bytes, cudaMemcpyHostToDevice, stream); });
}
API CUresult cuMemcpyDtoHAsync(void* to, CUdeviceptr from, size_t bytes, CUstream stream) {
  return result_of([=] { return emulated_copy(to, memory(from), bytes, cudaMemcpyDeviceToHost, stream); });
}
API CUresult cuMemcpy2DAsync(const CUDA_MEMCPY2D* copy, CUstream stream) {
  const bool down = copy->dstMemoryType == CU_MEMORYTYPE_HOST;
  const char* from = static_cast<const char*>(memory(copy->srcDevice)) + copy->srcY * copy->srcPitch + copy->srcXInBytes;
  char* target = static_cast<char*>(down ? copy->dstHost : memory(copy->dstDevice));
  char* to = target + copy->dstY * copy->dstPitch + copy->dstXInBytes;
  const int kind = down ? cudaMemcpyDeviceToHost : cudaMemcpyDeviceToDevice;
  for (size_t row = 0; row < copy->Height; ++row) {
    const auto one = [&] {
      return emulated_copy(to + row * copy->dstPitch, from + row * copy->srcPitch, copy->WidthInBytes, kind, stream);
    };
    if (const CUresult code = result_of(one)) return code;
  }
  return CUDA_SUCCESS;
}
API CUresult cuMemsetD8Async(CUdeviceptr pointer, unsigned char value, size_t bytes, CUstream stream) {
  return result_of([=] { return emulated_memset(memory(pointer), value, bytes, stream); });
}

API CUresult cuStreamCreate(CUstream* stream, unsigned) {
  return result_of([=] { return emulated_stream_create(stream); });
}
API CUresult cuStreamDestroy(CUstream stream) {
  return result_of([=] { return emulated_stream_destroy(stream); });
}
API CUresult cuStreamSynchronize(CUstream stream) {
  return result_of([=] { return emulated_stream_synchronise(stream); });
}
API CUresult cuStreamWaitEvent(CUstream stream, CUevent event, unsigned) {
  return result_of([=] { return emulated_stream_wait(stream, event); });
}
API CUresult cuEventCreate(CUevent* event, unsigned flags) {
  return result_of([=] { return emulated_event_create(event, flags); });
}
API CUresult cuEventDestroy(CUevent event) {
  return result_of([=] { return emulated_event_destroy(event); });
}
API CUresult cuEventRecord(CUevent event, CUstream stream) {
  return result_of([=] { return emulated_event_record(event, stream); });
}
API CUresult cuEventSynchronize(CUevent event) {
  return result_of([=] { return emulated_event_synchronise(event); });
}
API CUresult cuEventElapsedTime(float* milliseconds, CUevent from, CUevent to) {
  return result_of([=] { return emulated_event_elapsed(milliseconds, from, to); });
}
