#pragma once

// Marks an inline function that device code may call as well; empty where no CUDA compiler reads
// it.
#ifdef __CUDACC__
#define HEADRACE_HOST_DEVICE __host__ __device__
#else
#define HEADRACE_HOST_DEVICE
#endif
