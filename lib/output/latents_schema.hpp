// How latents files are laid out in HDF5: element types and attributes, for the writer and the
// reader. For the sources of lib/output only, like hdf5_handles.hpp.
#pragma once

#include <optional>

#include "output/hdf5_handles.hpp"
#include "output/latents_file.hpp"

namespace causeway::latents_schema {

inline constexpr const char* dataset_name = "latents";

/// The HDF5 type of one element in the file. Use it as the memory type too: then HDF5 converts
/// nothing (its own rounding to bf16 takes ties up and clamps instead of giving infinity).
hdf5::Handle storage_type(LatentsType type, const hdf5::Blame& blame);

/// Which of ours a dataset's type is; nothing when it is none.
std::optional<LatentsType> recognise_type(hid_t stored, const hdf5::Blame& blame);

/// Bytes of one element.
std::int64_t element_bytes(LatentsType type);

/// Scalar attributes on `object`, in order; strings of variable length, so that h5py gives `str`.
void write_attributes(hid_t object, const Attributes& attributes, const hdf5::Blame& blame);

/// All scalar attributes of `object` in the order of their creation (of name, where the file kept
/// no order). Other kinds, which we never write, are listed with a text that says so.
Attributes read_attributes(hid_t object, const hdf5::Blame& blame);

}  // namespace causeway::latents_schema
