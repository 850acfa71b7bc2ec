// cuDNN's functions, found in its library at their first call.
//
// Compiled with hidden visibility: the library is made of parts that look for these names in each
// other, and must not find them here.
#include <cudnn.h>
#include <nvrtc.h>

#include <string>

#include "kernels/cuda_libraries.hpp"
#include "kernels/opened_library.hpp"

namespace {

using causeway::kernels::OpenedLibrary;

/// The version whose header this file is compiled with.
const OpenedLibrary& library() {
  static const OpenedLibrary opened("libcudnn.so." + std::to_string(CUDNN_MAJOR),
                                    CAUSEWAY_CUDNN_LIBRARY_DIR);
  return opened;
}

template <auto function, class... Arguments>
cudnnStatus_t call(const char* name, Arguments... arguments) {
  return causeway::kernels::call_in<function>(library(), CUDNN_STATUS_NOT_INITIALIZED, name,
                                              arguments...);
}

std::string text_of(std::size_t version) {
  return std::to_string(version / 10000) + '.' + std::to_string(version / 100 % 100) + '.' +
         std::to_string(version % 100);
}

std::string find_problem() {
  if (!library().problem().empty()) return library().problem();
  const std::size_t version = cudnnGetVersion();
  // What an older one lacks would show later, graph by graph.
  if (version / 100 >= CUDNN_VERSION / 100) return {};
  return "cuDNN " + text_of(version) + " is older than " + text_of(CUDNN_VERSION) +
         ", with which this program was built";
}

}  // namespace

const char* causeway::kernels::cudnn_problem() {
  static const std::string problem = find_problem();
  return problem.empty() ? nullptr : problem.c_str();
}

extern "C" {

size_t cudnnGetVersion() {
  const auto found = causeway::kernels::find_in<&cudnnGetVersion>(library(), "cudnnGetVersion");
  return found == nullptr ? 0 : found();
}
const char* cudnnGetErrorString(cudnnStatus_t status) {
  const auto found =
      causeway::kernels::find_in<&cudnnGetErrorString>(library(), "cudnnGetErrorString");
  return found == nullptr ? "there is no cuDNN" : found(status);
}
void cudnnGetLastErrorString(char* message, size_t size) {
  const auto found =
      causeway::kernels::find_in<&cudnnGetLastErrorString>(library(), "cudnnGetLastErrorString");
  if (found != nullptr) {
    found(message, size);
  } else if (size > 0) {
    message[0] = '\0';
  }
}
cudnnStatus_t cudnnCreate(cudnnHandle_t* handle) {
  return call<&cudnnCreate>("cudnnCreate", handle);
}
cudnnStatus_t cudnnDestroy(cudnnHandle_t handle) {
  return call<&cudnnDestroy>("cudnnDestroy", handle);
}
cudnnStatus_t cudnnSetStream(cudnnHandle_t handle, cudaStream_t stream) {
  return call<&cudnnSetStream>("cudnnSetStream", handle, stream);
}
cudnnStatus_t cudnnGetStream(cudnnHandle_t handle, cudaStream_t* stream) {
  return call<&cudnnGetStream>("cudnnGetStream", handle, stream);
}
cudnnStatus_t cudnnBackendCreateDescriptor(cudnnBackendDescriptorType_t type,
                                           cudnnBackendDescriptor_t* descriptor) {
  return call<&cudnnBackendCreateDescriptor>("cudnnBackendCreateDescriptor", type, descriptor);
}
cudnnStatus_t cudnnBackendDestroyDescriptor(cudnnBackendDescriptor_t descriptor) {
  return call<&cudnnBackendDestroyDescriptor>("cudnnBackendDestroyDescriptor", descriptor);
}
cudnnStatus_t cudnnBackendFinalize(cudnnBackendDescriptor_t descriptor) {
  return call<&cudnnBackendFinalize>("cudnnBackendFinalize", descriptor);
}
cudnnStatus_t cudnnBackendSetAttribute(cudnnBackendDescriptor_t descriptor,
                                       cudnnBackendAttributeName_t name,
                                       cudnnBackendAttributeType_t type, int64_t count,
                                       const void* values) {
  return call<&cudnnBackendSetAttribute>("cudnnBackendSetAttribute", descriptor, name, type, count,
                                         values);
}
cudnnStatus_t cudnnBackendGetAttribute(const cudnnBackendDescriptor_t descriptor,
                                       cudnnBackendAttributeName_t name,
                                       cudnnBackendAttributeType_t type, int64_t wanted,
                                       int64_t* count, void* values) {
  return call<&cudnnBackendGetAttribute>("cudnnBackendGetAttribute", descriptor, name, type, wanted,
                                         count, values);
}
cudnnStatus_t cudnnBackendExecute(cudnnHandle_t handle, cudnnBackendDescriptor_t plan,
                                  cudnnBackendDescriptor_t tensors) {
  return call<&cudnnBackendExecute>("cudnnBackendExecute", handle, plan, tensors);
}

// cudnn-frontend has kernels of its own, in source, for norms that are not asked of it here;
// nothing compiles them. (cuDNN finds NVRTC for its own kernels itself.)
nvrtcResult nvrtcCreateProgram(nvrtcProgram*, const char*, const char*, int, const char* const*,
                               const char* const*) {
  return NVRTC_ERROR_INTERNAL_ERROR;
}
nvrtcResult nvrtcDestroyProgram(nvrtcProgram*) { return NVRTC_ERROR_INTERNAL_ERROR; }
nvrtcResult nvrtcCompileProgram(nvrtcProgram, int, const char* const*) {
  return NVRTC_ERROR_INTERNAL_ERROR;
}
nvrtcResult nvrtcGetProgramLogSize(nvrtcProgram, size_t*) { return NVRTC_ERROR_INTERNAL_ERROR; }
nvrtcResult nvrtcGetProgramLog(nvrtcProgram, char*) { return NVRTC_ERROR_INTERNAL_ERROR; }
nvrtcResult nvrtcGetCUBINSize(nvrtcProgram, size_t*) { return NVRTC_ERROR_INTERNAL_ERROR; }
nvrtcResult nvrtcGetCUBIN(nvrtcProgram, char*) { return NVRTC_ERROR_INTERNAL_ERROR; }

}  // extern "C"
