# The CUDA backend: found where it is wanted and there; a machine without a toolkit never notices.
set(CAUSEWAY_CUDA AUTO CACHE STRING "CUDA backend: AUTO (where there is a toolkit), ON, OFF")
set_property(CACHE CAUSEWAY_CUDA PROPERTY STRINGS AUTO ON OFF)
if(NOT CAUSEWAY_CUDA MATCHES "^(AUTO|ON|OFF)$")
  message(FATAL_ERROR "CAUSEWAY_CUDA is '${CAUSEWAY_CUDA}'; it takes AUTO, ON or OFF.")
endif()

set(CAUSEWAY_HAVE_CUDA FALSE)
set(CAUSEWAY_CUDA_TEXT "not built")
if(NOT CAUSEWAY_CUDA STREQUAL "OFF")
  include(CheckLanguage)
  check_language(CUDA)
  if(CMAKE_CUDA_COMPILER)
    find_package(CUDAToolkit QUIET)
  endif()
  if(CMAKE_CUDA_COMPILER AND CUDAToolkit_VERSION VERSION_GREATER_EQUAL 12)
    # Code for one GPU, so that the default build stays short; clusters name theirs, e.g.
    # -DCMAKE_CUDA_ARCHITECTURES="80-real;90a-real;100-real;120-real".
    if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
      set(CMAKE_CUDA_ARCHITECTURES 90a-real)
    endif()
    enable_language(CUDA)
    set(CMAKE_CUDA_STANDARD 20)
    set(CMAKE_CUDA_STANDARD_REQUIRED ON)
    if(NOT CMAKE_CUDA20_STANDARD_COMPILE_OPTION)  # CMake 3.25 does not know this dialect of nvcc
      set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION -std=c++20)
      set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION -std=c++20)
    endif()
    set(CAUSEWAY_HAVE_CUDA TRUE)
    list(JOIN CMAKE_CUDA_ARCHITECTURES " " cuda_architectures)
    set(CAUSEWAY_CUDA_TEXT "CUDA ${CUDAToolkit_VERSION} for ${cuda_architectures}")
  elseif(CAUSEWAY_CUDA STREQUAL "ON")
    message(FATAL_ERROR "CAUSEWAY_CUDA=ON, but there is no CUDA compiler of version 12 or newer (found: "
                        "'${CMAKE_CUDA_COMPILER}' ${CUDAToolkit_VERSION}); put nvcc on the PATH or name it with "
                        "-DCMAKE_CUDA_COMPILER=…, or use AUTO or OFF.")
  endif()
endif()
message(STATUS "CUDA backend: ${CAUSEWAY_CUDA_TEXT}")
