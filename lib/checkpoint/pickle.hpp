// A pickle read as inert data: nothing in it is ever called.
#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/bytes.hpp"

namespace causeway {

/// What a pickled value is. `call` is a function and its arguments, left uncalled; `persistent`
/// refers to something outside the pickle; `other` is a number too large for int64.
enum class PickleKind {
  none,
  boolean,
  integer,
  real,
  text,
  tuple,
  list,
  dictionary,
  global,
  call,
  persistent,
  other
};

/// One value. Values may be shared, and containers may hold themselves: bound the depth of any
/// walk.
struct PickleValue {
  PickleKind kind = PickleKind::none;
  std::int64_t integer = 0;  ///< integer; boolean as 0 or 1
  double real = 0;
  std::string_view text;  ///< text: into the pickle's bytes; global: "module.name"
  /// Elements; of a dictionary key, value, key, value…; of a call the global and the tuple of
  /// arguments; of a persistent value its id.
  std::vector<const PickleValue*> items;

  bool is(PickleKind wanted) const { return kind == wanted; }
  bool is_global(std::string_view name) const { return is(PickleKind::global) && text == name; }
  bool is_call_of(std::string_view name) const {
    return is(PickleKind::call) && items[0]->is_global(name);
  }
  /// The arguments of a call.
  const std::vector<const PickleValue*>& arguments() const { return items[1]->items; }
};

/// All values of a pickle. Owns them, and borrows the bytes it was read from.
class Pickle {
 public:
  /// Reads protocol 2, the one PyTorch writes. Only the globals named ("module.name") are let in,
  /// besides `collections.OrderedDict`, which comes out as a dictionary; attributes set on objects
  /// are dropped. Throws Error(input), naming `file` and the byte, for any opcode or global that is
  /// not known to be harmless, and for a damaged stream.
  Pickle(Bytes bytes, std::span<const std::string_view> globals, const std::string& file);

  const PickleValue& root() const { return *root_; }

 private:
  std::deque<PickleValue> values_;
  const PickleValue* root_ = nullptr;
};

}  // namespace causeway
