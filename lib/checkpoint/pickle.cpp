// A pickle read as inert data: nothing in it is ever called.
#include "checkpoint/pickle.hpp"

#include <algorithm>
#include <bit>
#include <unordered_map>
#include <utility>

#include "checkpoint/pickle_opcodes.hpp"
#include "checkpoint/wording.hpp"
#include "core/utf8.hpp"
#include "core/error.hpp"

namespace causeway {
namespace {

constexpr std::size_t largest_pickle = 1 << 26;  ///< bytes; thousands of tensors need few MB
constexpr std::size_t most_values = 1 << 22;
constexpr std::string_view ordered_dict = "collections.OrderedDict";

/// The stack machine that a pickle is a program for; of its effects only the building of values is
/// left.
class Machine {
 public:
  Machine(Bytes bytes, std::span<const std::string_view> globals, const std::string& file,
          std::deque<PickleValue>& values)
      : bytes_(bytes), globals_(globals), file_(file), values_(values) {}

  const PickleValue* run() {
    while (true) {
      start_ = position_;
      const auto opcode = take<std::uint8_t>();
      if (opcode == op_stop) break;
      if (!push_constant(opcode) && !use_memo(opcode) && !build_container(opcode) &&
          !make_object(opcode)) {
        refuse(fmt::format("unknown opcode 0x{:02x}", opcode));
      }
    }
    if (stack_.size() != 1 || !marks_.empty()) refuse("stops before its value is complete");
    return stack_.back();
  }

 private:
  [[noreturn]] void refuse(const std::string& reason) const {
    fail(ExitCode::input,
         "'{}': its pickle, at byte {}: {} (only plain data and tensors are read; nothing is "
         "executed); "
         "re-save the bare state dictionary with torch.save",
         file_, start_, reason);
  }

  Bytes take_bytes(std::uint64_t count) {
    if (!lies_within(position_, count, bytes_.size())) refuse("the stream is truncated");
    const Bytes result = bytes_.subspan(position_, count);
    position_ += count;
    return result;
  }
  template <class T>
  T take() {
    return load<T>(take_bytes(sizeof(T)), 0);
  }
  std::string_view take_line() {
    const std::string_view rest = as_text(bytes_.subspan(position_));
    const std::size_t length = rest.find('\n');
    if (length == std::string_view::npos) refuse("the stream is truncated");
    position_ += length + 1;
    return rest.substr(0, length);
  }

  PickleValue* make(PickleKind kind) {
    if (values_.size() >= most_values) refuse(fmt::format("more than {} values", most_values));
    PickleValue& value = values_.emplace_back();
    value.kind = kind;
    return &value;
  }
  PickleValue* push(PickleKind kind) { return stack_.emplace_back(make(kind)); }
  void push_integer(std::int64_t integer) { push(PickleKind::integer)->integer = integer; }

  std::size_t floor() const { return marks_.empty() ? 0 : marks_.back(); }
  PickleValue* top() {
    if (stack_.size() <= floor()) refuse("the stack is empty");
    return stack_.back();
  }
  PickleValue* pop() {
    PickleValue* value = top();
    stack_.pop_back();
    return value;
  }
  /// What was pushed since the last mark, which goes away.
  std::vector<const PickleValue*> pop_to_mark() {
    if (marks_.empty()) refuse("a mark is missing");
    const auto begin = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
    std::vector<const PickleValue*> result(begin, stack_.end());
    stack_.erase(begin, stack_.end());
    marks_.pop_back();
    return result;
  }

  bool push_constant(std::uint8_t opcode) {
    switch (opcode) {
      case op_proto:
        return check_protocol(), true;
      case op_none:
        return push(PickleKind::none), true;
      case op_newtrue:
        return push(PickleKind::boolean)->integer = 1, true;
      case op_newfalse:
        return push(PickleKind::boolean), true;
      case op_binint:
        return push_integer(take<std::int32_t>()), true;
      case op_binint1:
        return push_integer(take<std::uint8_t>()), true;
      case op_binint2:
        return push_integer(take<std::uint16_t>()), true;
      case op_long1:
        return push_long(take_bytes(take<std::uint8_t>())), true;
      case op_binfloat:
        return push_real(), true;
      case op_binunicode: {
        const auto length = take<std::uint32_t>();
        const std::string_view text = as_text(take_bytes(length));
        if (!is_utf8(text)) refuse("a text is not UTF-8");
        push(PickleKind::text)->text = text;
        return true;
      }
      default:
        return false;
    }
  }

  void check_protocol() {
    const auto protocol = take<std::uint8_t>();
    if (protocol != 2) refuse(fmt::format("protocol {} (PyTorch writes protocol 2)", protocol));
  }

  /// Two's complement of any width.
  void push_long(Bytes digits) {
    if (digits.size() > 8) {
      push(PickleKind::other);
      return;
    }
    std::uint64_t word = 0;
    for (std::size_t i = 0; i < digits.size(); ++i) {
      word |= std::uint64_t{std::to_integer<std::uint8_t>(digits[i])} << (8 * i);
    }
    const bool negative =
        !digits.empty() && (std::to_integer<std::uint8_t>(digits.back()) & 0x80u) != 0;
    if (negative && digits.size() < 8) word |= ~std::uint64_t{0} << (8 * digits.size());
    push_integer(std::bit_cast<std::int64_t>(word));
  }

  /// The one big-endian number of the format.
  void push_real() {
    std::uint64_t word = 0;
    for (const std::byte digit : take_bytes(8))
      word = word << 8 | std::to_integer<std::uint64_t>(digit);
    push(PickleKind::real)->real = std::bit_cast<double>(word);
  }

  bool use_memo(std::uint8_t opcode) {
    switch (opcode) {
      case op_binput:
        return memo_[take<std::uint8_t>()] = top(), true;
      case op_long_binput:
        return memo_[take<std::uint32_t>()] = top(), true;
      case op_binget:
        return push_memo(take<std::uint8_t>()), true;
      case op_long_binget:
        return push_memo(take<std::uint32_t>()), true;
      default:
        return false;
    }
  }

  void push_memo(std::uint32_t index) {
    const auto place = memo_.find(index);
    if (place == memo_.end()) refuse(fmt::format("memo {} was never set", index));
    stack_.push_back(place->second);
  }

  bool build_container(std::uint8_t opcode) {
    switch (opcode) {
      case op_mark:
        return marks_.push_back(stack_.size()), true;
      case op_empty_tuple:
        return push(PickleKind::tuple), true;
      case op_empty_list:
        return push(PickleKind::list), true;
      case op_empty_dict:
        return push(PickleKind::dictionary), true;
      case op_tuple1:
      case op_tuple2:
      case op_tuple3:
        return push_tuple(opcode - op_tuple1 + 1), true;
      case op_tuple: {
        auto items = pop_to_mark();
        push(PickleKind::tuple)->items = std::move(items);
        return true;
      }
      case op_append: {
        const auto* item = pop();
        return extend(PickleKind::list, {item}), true;
      }
      case op_appends:
        return extend(PickleKind::list, pop_to_mark()), true;
      case op_setitem: {
        const auto* value = pop();
        const auto* key = pop();
        return extend(PickleKind::dictionary, {key, value}), true;
      }
      case op_setitems:
        return extend(PickleKind::dictionary, pop_to_mark()), true;
      default:
        return false;
    }
  }

  void push_tuple(int count) {
    std::vector<const PickleValue*> items(static_cast<std::size_t>(count));
    std::generate(items.rbegin(), items.rend(), [this] { return pop(); });
    push(PickleKind::tuple)->items = std::move(items);
  }

  void extend(PickleKind kind, const std::vector<const PickleValue*>& items) {
    PickleValue* container = top();
    if (!container->is(kind)) refuse("items are put into something that takes none");
    if (kind == PickleKind::dictionary && items.size() % 2 != 0) refuse("a key has no value");
    container->items.insert(container->items.end(), items.begin(), items.end());
  }

  bool make_object(std::uint8_t opcode) {
    switch (opcode) {
      case op_global:
        return push_global(), true;
      case op_reduce:
        return reduce(), true;
      case op_build:
        return drop_state(), true;
      case op_binpersid: {
        const auto* id = pop();
        push(PickleKind::persistent)->items = {id};
        return true;
      }
      default:
        return false;
    }
  }

  void push_global() {
    const std::string_view module = take_line();
    const std::string_view name = take_line();
    const std::string full = fmt::format("{}.{}", module, name);
    const auto place = std::find(globals_.begin(), globals_.end(), full);
    if (place == globals_.end() && full != ordered_dict) {
      refuse(
          fmt::format("it asks for '{}', which is not on the list of harmless names", shown(full)));
    }
    push(PickleKind::global)->text = place == globals_.end() ? ordered_dict : *place;
  }

  void reduce() {
    const PickleValue* arguments = pop();
    const PickleValue* function = pop();
    if (!arguments->is(PickleKind::tuple)) refuse("a call without a tuple of arguments");
    if (!function->is(PickleKind::global)) refuse("a call of something that is not a global");
    if (function->is_global(ordered_dict)) {
      if (!arguments->items.empty()) refuse("an OrderedDict made from arguments");
      push(PickleKind::dictionary);
      return;
    }
    push(PickleKind::call)->items = {function, arguments};
  }

  /// A module's state dictionary carries an attribute `_metadata` (versions of layers): not needed.
  void drop_state() {
    pop();
    if (!top()->is(PickleKind::dictionary) && !top()->is(PickleKind::call)) {
      refuse("attributes are set on something that has none");
    }
  }

  Bytes bytes_;
  std::span<const std::string_view> globals_;
  const std::string& file_;
  std::deque<PickleValue>& values_;
  std::uint64_t position_ = 0;
  std::uint64_t start_ = 0;  ///< of the current opcode
  std::vector<PickleValue*> stack_;
  std::vector<std::size_t> marks_;  ///< stack heights
  std::unordered_map<std::uint32_t, PickleValue*> memo_;
};

}  // namespace

Pickle::Pickle(Bytes bytes, std::span<const std::string_view> globals, const std::string& file) {
  require(
      bytes.size() <= largest_pickle, ExitCode::input,
      "'{}': its pickle has {} bytes (at most {} are read); re-save the bare state dictionary with "
      "torch.save",
      file, bytes.size(), largest_pickle);
  root_ = Machine(bytes, globals, file, values_).run();
}

}  // namespace causeway
