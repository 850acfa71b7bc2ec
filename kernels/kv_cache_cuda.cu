// The cache of keys and values on the GPU: [heads, capacity, head_dim], all keys, then all values.
#include "kernels/cuda_backend.hpp"
#include "kernels/elements_cuda.hpp"
#include "kernels/kv_layout_cuda.hpp"
#include "kernels/launch_cuda.hpp"

namespace causeway::kernels::CAUSEWAY_DEVICE {
namespace {

/// Keys and values of one element of [tokens, heads, head_dim], between a cache and views.
template <class T>
struct StoredToken {
  KvPlaces places;
  T* cache;
  const T *k, *v;
  std::int64_t slot, k_strides[2], v_strides[2];  ///< of tokens and heads
  __device__ void operator()(std::int64_t i) const {
    const std::int64_t column = i % places.head_dim, head = i / places.head_dim % places.heads;
    const std::int64_t token = i / (places.head_dim * places.heads);
    const std::int64_t at = places.key(head, slot + token) + column;
    cache[at] = k[token * k_strides[0] + head * k_strides[1] + column];
    cache[at + places.values()] = v[token * v_strides[0] + head * v_strides[1] + column];
  }
};

template <class T>
struct LoadedToken {
  KvPlaces places;
  const T* cache;
  float *k, *v;
  std::int64_t slot, k_strides[2], v_strides[2];
  __device__ void operator()(std::int64_t i) const {
    const std::int64_t column = i % places.head_dim, head = i / places.head_dim % places.heads;
    const std::int64_t token = i / (places.head_dim * places.heads);
    const std::int64_t at = places.key(head, slot + token) + column;
    k[token * k_strides[0] + head * k_strides[1] + column] = read_element(cache + at);
    v[token * v_strides[0] + head * v_strides[1] + column] =
        read_element(cache + at + places.values());
  }
};

}  // namespace

std::size_t kv_bytes(const KvLayout& layout) {
  return static_cast<std::size_t>(2 * layout.heads * layout.capacity * layout.head_dim) *
         bytes_of(layout.type);
}

Status kv_clear(const KvLayout& layout, void* cache, Stream stream) {
  if (!is_f32_or_bf16(layout.type)) return Status::unsupported_type;
  if (!is_valid(layout)) return Status::bad_shape;
  return status_of(cudaMemsetAsync(cache, 0, kv_bytes(layout), static_cast<cudaStream_t>(stream)));
}

Status kv_store(const KvStoreArgs& args, Stream stream) {
  if (args.k.type != args.layout.type || args.v.type != args.layout.type) {
    return Status::unsupported_type;
  }
  const Status status = check_tokens(args.layout, args.slot, args.k, args.v);
  if (status != Status::ok) return status;
  return with_type(args.layout.type, args.cache, [&](auto* cache) {
    using T = std::remove_cvref_t<decltype(*cache)>;
    return for_each_element(args.k.size(), stream,
                            StoredToken<T>{KvPlaces(args.layout),
                                           cache,
                                           static_cast<const T*>(args.k.data),
                                           static_cast<const T*>(args.v.data),
                                           args.slot,
                                           {args.k.stride[0], args.k.stride[1]},
                                           {args.v.stride[0], args.v.stride[1]}});
  });
}

Status kv_load(const KvLoadArgs& args, Stream stream) {
  if (args.k.type != ElementType::f32 || args.v.type != ElementType::f32) {
    return Status::unsupported_type;
  }
  const Status status = check_tokens(args.layout, args.slot, args.k, args.v);
  if (status != Status::ok) return status;
  return with_type(args.layout.type, args.cache, [&](auto* cache) {
    using T = std::remove_cvref_t<decltype(*cache)>;
    return for_each_element(args.k.size(), stream,
                            LoadedToken<T>{KvPlaces(args.layout),
                                           cache,
                                           static_cast<float*>(args.k.data),
                                           static_cast<float*>(args.v.data),
                                           args.slot,
                                           {args.k.stride[0], args.k.stride[1]},
                                           {args.v.stride[0], args.v.stride[1]}});
  });
}

}  // namespace causeway::kernels::CAUSEWAY_DEVICE
