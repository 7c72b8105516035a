// Stands in for libcuda.so.1 where there is no GPU, for cudnn_plans_tests alone. cuDNN hands
// modules that it compiled at run time to the driver before it calls a plan whole; this driver says
// that they were loaded and nothing more. There is no device in it, and nothing can run on it.

enum { SUCCESS = 0, NO_DEVICE = 100 };

// By which the test knows that it has not met a real driver.
const int headrace_stand_in_driver = 1;

int cuDriverGetVersion(int* version) {
  *version = 13000;
  return SUCCESS;
}

int cuLibraryLoadData(void** library, const void* code, void* options, void* values, unsigned count,
                      void* library_options, void* library_values, unsigned library_count) {
  (void)code, (void)options, (void)values, (void)count;
  (void)library_options, (void)library_values, (void)library_count;
  static int a_library;
  *library = &a_library;
  return SUCCESS;
}

int cuLibraryGetKernel(void** kernel, void* library, const char* name) {
  (void)library, (void)name;
  static int a_kernel;
  *kernel = &a_kernel;
  return SUCCESS;
}

int cuLibraryUnload(void* library) {
  (void)library;
  return SUCCESS;
}

int cuGetErrorName(int code, const char** text) {
  (void)code;
  *text = "the stand-in for a driver has no device";
  return SUCCESS;
}

int cuGetErrorString(int code, const char** text) { return cuGetErrorName(code, text); }

// The rest of what cuDNN looks up by name.
#define HAS_NO_DEVICE(function) \
  int function(void) { return NO_DEVICE; }

HAS_NO_DEVICE(cuCtxGetCurrent)
HAS_NO_DEVICE(cuCtxGetLimit)
HAS_NO_DEVICE(cuCtxPopCurrent)
HAS_NO_DEVICE(cuCtxPushCurrent)
HAS_NO_DEVICE(cuDeviceGet)
HAS_NO_DEVICE(cuDeviceGetCount)
HAS_NO_DEVICE(cuKernelGetAttribute)
HAS_NO_DEVICE(cuKernelSetAttribute)
HAS_NO_DEVICE(cuLaunchCooperativeKernel)
HAS_NO_DEVICE(cuLaunchKernel)
HAS_NO_DEVICE(cuLaunchKernelEx)
HAS_NO_DEVICE(cuLibraryLoadFromFile)
HAS_NO_DEVICE(cuLinkAddData)
HAS_NO_DEVICE(cuLinkComplete)
HAS_NO_DEVICE(cuLinkCreate)
HAS_NO_DEVICE(cuLinkDestroy)
HAS_NO_DEVICE(cuOccupancyMaxPotentialClusterSize)
HAS_NO_DEVICE(cuStreamGetCtx)
