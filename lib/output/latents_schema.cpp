// Element types and attributes of latents files, in HDF5's terms.
#include "output/latents_schema.hpp"

#include <bit>
#include <string>

namespace causeway {

std::string_view name_of(LatentsType type) {
  switch (type) {
    case LatentsType::f32:
      return "f32";
    case LatentsType::f16:
      return "f16";
    case LatentsType::bf16:
      return "bf16";
  }
  expects(false, "a latents type is one of the three");
  return {};
}

}  // namespace causeway

namespace causeway::latents_schema {
namespace {

using hdf5::Blame;
using hdf5::check;
using hdf5::Handle;

static_assert(std::endian::native == std::endian::little,
              "elements are written as they lie in memory");

struct Number {
  hid_t stored, memory;
};
// HDF5's predefined types are variables that exist only once the library is open.
Number number_type(std::int64_t) { return {H5T_STD_I64LE, H5T_NATIVE_INT64}; }
Number number_type(std::uint64_t) { return {H5T_STD_U64LE, H5T_NATIVE_UINT64}; }
Number number_type(double) { return {H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE}; }

Handle string_type(const Blame& blame) {
  Handle type(check(H5Tcopy(H5T_C_S1), "making a string type", blame), H5Tclose);
  check(H5Tset_size(type, H5T_VARIABLE), "making a string type", blame);
  check(H5Tset_cset(type, H5T_CSET_UTF8), "making a string type", blame);
  return type;
}

void write_attribute(hid_t object, const std::string& name, hid_t stored, hid_t memory,
                     const void* value, const Blame& blame) {
  const std::string step = fmt::format("writing attribute '{}'", name);
  const Handle scalar(check(H5Screate(H5S_SCALAR), step, blame), H5Sclose);
  const Handle attribute(
      check(H5Acreate2(object, name.c_str(), stored, scalar, H5P_DEFAULT, H5P_DEFAULT), step,
            blame),
      H5Aclose);
  check(H5Awrite(attribute, memory, value), step, blame);
}

std::string read_string(hid_t attribute, hid_t stored, const Blame& blame) {
  if (check(H5Tis_variable_str(stored), "reading a string attribute", blame) > 0) {
    char* text = nullptr;
    check(H5Aread(attribute, stored, static_cast<void*>(&text)), "reading a string attribute",
          blame);
    std::string copy = text == nullptr ? "" : text;
    if (text != nullptr) H5free_memory(text);
    return copy;
  }
  std::string text(H5Tget_size(stored), '\0');
  check(H5Aread(attribute, stored, text.data()), "reading a string attribute", blame);
  return text.substr(0, text.find('\0'));
}

template <class Value>
Value read_number(hid_t attribute, const Blame& blame) {
  Value value{};
  check(H5Aread(attribute, number_type(value).memory, &value), "reading an attribute", blame);
  return value;
}

AttributeValue read_value(hid_t attribute, const Blame& blame) {
  const Handle space(check(H5Aget_space(attribute), "reading an attribute", blame), H5Sclose);
  const Handle type(check(H5Aget_type(attribute), "reading an attribute", blame), H5Tclose);
  if (H5Sget_simple_extent_type(space) != H5S_SCALAR) return std::string("(an array, not shown)");
  switch (H5Tget_class(type)) {
    case H5T_STRING:
      return read_string(attribute, type, blame);
    case H5T_FLOAT:
      return read_number<double>(attribute, blame);
    case H5T_INTEGER:
      if (H5Tget_sign(type) == H5T_SGN_NONE) return read_number<std::uint64_t>(attribute, blame);
      return read_number<std::int64_t>(attribute, blame);
    default:
      return std::string("(a compound or other value, not shown)");
  }
}

}  // namespace

Handle storage_type(LatentsType type, const Blame& blame) {
  Handle made(check(H5Tcopy(H5T_IEEE_F32LE), "making the element type", blame), H5Tclose);
  if (type == LatentsType::f32) return made;
  struct Layout {
    std::size_t exponent_position, exponent_bits, mantissa_bits, bias;
  };
  const Layout layout = type == LatentsType::bf16 ? Layout{7, 8, 7, 127} : Layout{10, 5, 10, 15};
  // Fields first: precision and size may only shrink around fields that already fit.
  check(H5Tset_fields(made, 15, layout.exponent_position, layout.exponent_bits, 0,
                      layout.mantissa_bits),
        "making the element type", blame);
  check(H5Tset_precision(made, 16), "making the element type", blame);
  check(H5Tset_size(made, 2), "making the element type", blame);
  check(H5Tset_ebias(made, layout.bias), "making the element type", blame);
  return made;
}

std::optional<LatentsType> recognise_type(hid_t stored, const Blame& blame) {
  for (const auto type : {LatentsType::f32, LatentsType::f16, LatentsType::bf16}) {
    const Handle ours = storage_type(type, blame);
    if (check(H5Tequal(stored, ours), "comparing element types", blame) > 0) return type;
  }
  return std::nullopt;
}

std::int64_t element_bytes(LatentsType type) { return type == LatentsType::f32 ? 4 : 2; }

void write_attributes(hid_t object, const Attributes& attributes, const Blame& blame) {
  const Handle text_type = string_type(blame);
  for (const auto& [name, value] : attributes) {
    if (const auto* text = std::get_if<std::string>(&value)) {
      require(text->find('\0') == std::string::npos, ExitCode::input,
              "{}: attribute '{}' holds a NUL byte at {} (text in HDF5 ends there); remove it from "
              "the text",
              blame.what, name, text->find('\0'));
      const char* start = text->c_str();
      write_attribute(object, name, text_type, text_type, static_cast<const void*>(&start), blame);
    } else {
      std::visit(
          [&](const auto& number) {
            if constexpr (!std::is_same_v<std::decay_t<decltype(number)>, std::string>) {
              const Number type = number_type(number);
              write_attribute(object, name, type.stored, type.memory, &number, blame);
            }
          },
          value);
    }
  }
}

Attributes read_attributes(hid_t object, const Blame& blame) {
  H5O_info_t info{};
  check(H5Oget_info2(object, &info, H5O_INFO_NUM_ATTRS), "counting attributes", blame);
  Attributes attributes;
  for (hsize_t i = 0; i < info.num_attrs; ++i) {
    hid_t id =
        H5Aopen_by_idx(object, ".", H5_INDEX_CRT_ORDER, H5_ITER_INC, i, H5P_DEFAULT, H5P_DEFAULT);
    if (id < 0) {
      H5Eclear2(H5E_DEFAULT);
      id = H5Aopen_by_idx(object, ".", H5_INDEX_NAME, H5_ITER_INC, i, H5P_DEFAULT, H5P_DEFAULT);
    }
    const Handle attribute(check(id, "opening an attribute", blame), H5Aclose);
    const auto length = check(H5Aget_name(attribute, 0, nullptr), "naming an attribute", blame);
    std::string name(static_cast<std::size_t>(length) + 1, '\0');
    check(H5Aget_name(attribute, name.size(), name.data()), "naming an attribute", blame);
    name.pop_back();
    attributes.emplace_back(std::move(name), read_value(attribute, blame));
  }
  return attributes;
}

}  // namespace causeway::latents_schema
