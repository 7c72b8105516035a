# What scripts/setup.sh builds lies in a cache outside the tree, a folder per name and version.
if(DEFINED ENV{HEADRACE_CACHE})
  set(HEADRACE_CACHE "$ENV{HEADRACE_CACHE}")
else()
  set(HEADRACE_CACHE "$ENV{HOME}/.cache/headrace")
endif()
list(PREPEND CMAKE_PREFIX_PATH ${HEADRACE_CACHE}/onnx-1.23.2 ${HEADRACE_CACHE}/onednn-3.2.0)

find_package(Threads REQUIRED)
find_package(OpenMP REQUIRED)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(tomlplusplus REQUIRED)
find_package(CLI11 REQUIRED)
find_package(Boost 1.74 REQUIRED)
find_package(Protobuf REQUIRED)
find_package(ONNX 1.23 CONFIG REQUIRED)

find_package(PkgConfig REQUIRED)
pkg_check_modules(LIBZIP REQUIRED IMPORTED_TARGET libzip)
set(HEADRACE_ZIP PkgConfig::LIBZIP)

find_package(ZLIB REQUIRED)
find_package(OpenSSL REQUIRED COMPONENTS Crypto)

# Optional: without it there is no plugin `mpi`.
find_package(MPI COMPONENTS CXX)

find_package(dnnl 3.2 CONFIG REQUIRED)

# Optional, all of it: without it there is no plugin `cuda`. None of these links the driver.
set(HEADRACE_CUDA_FOUND FALSE)
if(HEADRACE_CUDA)
  include(CheckLanguage)
  if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
    set(CMAKE_CUDA_ARCHITECTURES 80-real 90-real 100)
  endif()
  check_language(CUDA)
  find_package(CUDAToolkit QUIET)
  find_path(CUDNN_INCLUDE cudnn.h HINTS ${CUDAToolkit_INCLUDE_DIRS})
  find_library(CUDNN_LIBRARY cudnn HINTS ${CUDAToolkit_LIBRARY_DIR})
  find_path(CUDNN_FRONTEND_INCLUDE cudnn_frontend.h
            HINTS ${HEADRACE_CACHE}/cudnn-frontend-1.32.0/include NO_DEFAULT_PATH)
  if(CMAKE_CUDA_COMPILER AND CUDAToolkit_FOUND AND CUDNN_INCLUDE AND CUDNN_LIBRARY
     AND CUDNN_FRONTEND_INCLUDE)
    enable_language(CUDA)
    set(HEADRACE_CUDA_FOUND TRUE)
  elseif(HEADRACE_CUDA STREQUAL REQUIRED)
    message(FATAL_ERROR "the plugin `cuda` needs a CUDA compiler (${CMAKE_CUDA_COMPILER}), the toolkit "
                        "(${CUDAToolkit_LIBRARY_DIR}), cuDNN (${CUDNN_LIBRARY}) and its frontend "
                        "(${CUDNN_FRONTEND_INCLUDE}; scripts/setup.sh fetches it)")
  endif()
  # Without it there is no plugin `nccl`: GPUs train in one process.
  find_path(NCCL_INCLUDE nccl.h HINTS ${CUDAToolkit_INCLUDE_DIRS})
  find_library(NCCL_LIBRARY nccl HINTS ${CUDAToolkit_LIBRARY_DIR})
endif()
set(HEADRACE_NCCL_FOUND FALSE)
if(HEADRACE_CUDA_FOUND AND NCCL_INCLUDE AND NCCL_LIBRARY)
  set(HEADRACE_NCCL_FOUND TRUE)
endif()
