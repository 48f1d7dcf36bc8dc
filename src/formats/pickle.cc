#include "formats/pickle.h"

#include <fmt/format.h>

#include <bit>
#include <string>
#include <unordered_map>
#include <utility>

#include "base/json.h"
#include "formats/pickle_opcodes.h"

namespace adder::formats {

using Kind = Pickle::Kind;
using Id = Pickle::Id;

/// One run of one program.
class PickleMachine {
 public:
  PickleMachine(std::span<const std::byte> bytes, std::string_view origin, const AllowGlobal& allowed,
                const PickleLimits& limits)
      : bytes_(bytes), origin_(origin), allowed_(allowed), limits_(limits) {}

  Result<Pickle> run() {
    for (std::size_t n = 0;; ++n) {
      if (n == limits_.max_opcodes) return corrupt(fmt::format("more than {} opcodes", n));
      opcode_at_ = at_;
      ADDER_TRY(const std::uint64_t code, number(1));
      if (static_cast<Op>(code) == Op::stop) break;
      ADDER_CHECK(step(static_cast<Op>(code)));
    }
    if (stack_.size() != 1 || !marks_.empty())
      return corrupt(fmt::format("expected one value at the end, found {}", stack_.size()));
    pickle_.root_ = stack_.back();
    return std::move(pickle_);
  }

 private:
  tl::unexpected<Error> error(ErrorCode code, std::string_view what) const {
    return fail(code, fmt::format("{}: byte {}: {}", origin_, opcode_at_, what),
                code == ErrorCode::unsupported
                    ? "only plain state dicts are read; nothing in a file is executed"
                    : "");
  }
  tl::unexpected<Error> corrupt(std::string_view what) const { return error(ErrorCode::corrupt, what); }

  // Input ---------------------------------------------------------------------------------------------------

  Result<std::string_view> take(std::uint64_t n) {
    if (n > bytes_.size() - at_)
      return corrupt(fmt::format("the pickle ends early: {} bytes needed, {} left", n, bytes_.size() - at_));
    const std::string_view text(reinterpret_cast<const char*>(bytes_.data()) + at_,
                                static_cast<std::size_t>(n));
    at_ += text.size();
    return text;
  }

  // Little-endian, unsigned, of up to 8 bytes.
  Result<std::uint64_t> number(std::size_t width) {
    ADDER_TRY(const std::string_view text, take(width));
    std::uint64_t value = 0;
    for (std::size_t i = width; i-- > 0;) value = value << 8 | static_cast<unsigned char>(text[i]);
    return value;
  }

  Result<std::string_view> string(std::size_t length_width) {
    ADDER_TRY(const std::uint64_t size, number(length_width));
    if (size > limits_.max_text)
      return corrupt(fmt::format("a string of {} bytes; expected at most {}", size, limits_.max_text));
    return take(size);
  }

  Result<std::string_view> line() {
    for (std::size_t n = 0; n < limits_.max_text && n < bytes_.size() - at_; ++n) {
      if (bytes_[at_ + n] != std::byte{'\n'}) continue;
      ADDER_TRY(const std::string_view text, take(n + 1));
      return text.substr(0, n);
    }
    return corrupt("a line without an end");
  }

  // Stack ---------------------------------------------------------------------------------------------------

  Id make(Pickle::Node node) {
    pickle_.nodes_.push_back(std::move(node));
    return static_cast<Id>(pickle_.nodes_.size() - 1);
  }
  Status push(Pickle::Node node) {
    stack_.push_back(make(std::move(node)));
    return {};
  }
  std::size_t floor() const { return marks_.empty() ? 0 : marks_.back(); }

  // The last n values above the last mark, oldest first.
  Result<std::vector<Id>> pop(std::size_t n) {
    if (stack_.size() - floor() < n)
      return corrupt(fmt::format("the stack holds {} values; {} needed", stack_.size() - floor(), n));
    std::vector<Id> items(stack_.end() - static_cast<std::ptrdiff_t>(n), stack_.end());
    stack_.resize(stack_.size() - n);
    return items;
  }
  Result<std::vector<Id>> pop_to_mark() {
    if (marks_.empty()) return corrupt("no mark on the stack");
    auto items = pop(stack_.size() - marks_.back());
    marks_.pop_back();
    return items;
  }
  Result<Id> top() {
    if (stack_.size() <= floor()) return corrupt("the stack is empty");
    return stack_.back();
  }

  // Opcodes -------------------------------------------------------------------------------------------------

  Status step(Op op) {
    switch (op) {
      case Op::proto:
      case Op::frame:
        return header(op);
      case Op::mark:
      case Op::pop:
      case Op::pop_mark:
      case Op::dup:
        return shuffle(op);
      case Op::tuple:
      case Op::tuple1:
      case Op::tuple2:
      case Op::tuple3:
        return tuple(op);
      case Op::append:
      case Op::appends:
        return extend(op == Op::append ? pop(1) : pop_to_mark(), Kind::list);
      case Op::set_item:
      case Op::set_items:
        return extend(op == Op::set_item ? pop(2) : pop_to_mark(), Kind::dict);
      case Op::global:
        return global();
      case Op::stack_global:
        return stack_global();
      case Op::reduce:
        return reduce();
      case Op::build:
        return build();
      case Op::bin_persid:
        return persistent();
      case Op::bin_put:
      case Op::long_bin_put:
      case Op::memoize:
        return put(op);
      case Op::bin_get:
      case Op::long_bin_get:
        return get(op);
      default:
        return constant(op);
    }
  }

  // Opcodes that push a value of their own.
  Status constant(Op op) {
    switch (op) {
      case Op::none:
        return push({});
      case Op::new_true:
      case Op::new_false:
        return push({.kind = Kind::boolean, .integer = op == Op::new_true ? 1 : 0});
      case Op::bin_int:
      case Op::bin_int1:
      case Op::bin_int2:
      case Op::long1:
      case Op::long4:
        return integer(op);
      case Op::bin_float:
        return real();
      case Op::bin_unicode:
      case Op::short_bin_unicode:
      case Op::bin_unicode8:
      case Op::bin_string:
      case Op::short_bin_string:
      case Op::bin_bytes:
      case Op::short_bin_bytes:
        return text(op);
      case Op::empty_tuple:
        return push({.kind = Kind::tuple});
      case Op::empty_list:
        return push({.kind = Kind::list});
      case Op::empty_dict:
        return push({.kind = Kind::dict});
      default:
        return refuse(op);
    }
  }

  Status refuse(Op op) const {
    const auto code = static_cast<unsigned>(op);
    const std::string_view known = opcode_name(op);
    if (known.empty()) return corrupt(fmt::format("0x{:02x} is not an opcode", code));
    return error(ErrorCode::unsupported,
                 fmt::format("the pickle uses the opcode {}, which state dicts do not need: refused", known));
  }

  Status header(Op op) {
    ADDER_TRY(const std::uint64_t value, number(op == Op::proto ? 1 : 8));
    if (op == Op::proto && (value < 2 || value > 5))
      return error(ErrorCode::unsupported, fmt::format("pickle protocol {}; expected 2 to 5", value));
    if (op == Op::frame && value > bytes_.size() - at_)
      return corrupt(fmt::format("a frame of {} bytes, {} are left", value, bytes_.size() - at_));
    return {};
  }

  Status shuffle(Op op) {
    if (op == Op::mark) {
      if (marks_.size() == limits_.max_marks)
        return corrupt(fmt::format("nested deeper than {}", limits_.max_marks));
      marks_.push_back(stack_.size());
      return {};
    }
    if (op == Op::dup) {
      ADDER_TRY(const Id id, top());
      stack_.push_back(id);
      return {};
    }
    const auto dropped = op == Op::pop ? pop(1) : pop_to_mark();
    if (!dropped) return fail(dropped.error());
    return {};
  }

  Status integer(Op op) {
    std::size_t width = op == Op::bin_int ? 4 : op == Op::bin_int2 ? 2 : 1;
    bool is_signed = op == Op::bin_int;
    if (op == Op::long1 || op == Op::long4) {
      ADDER_TRY(const std::uint64_t size, number(op == Op::long1 ? 1 : 4));
      if (size > 8) return corrupt(fmt::format("an integer of {} bytes; expected at most 8", size));
      width = static_cast<std::size_t>(size);
      is_signed = true;
    }
    ADDER_TRY(std::uint64_t value, number(width));
    const std::size_t bits = width * 8;
    if (is_signed && bits > 0 && bits < 64 && (value >> (bits - 1) & 1) != 0)
      value |= ~std::uint64_t{0} << bits;
    return push({.kind = Kind::integer, .integer = static_cast<std::int64_t>(value)});
  }

  Status real() {
    ADDER_TRY(const std::string_view raw, take(8));
    std::uint64_t bits = 0;  // the one big-endian field of the format
    for (const char c : raw) bits = bits << 8 | static_cast<unsigned char>(c);
    return push({.kind = Kind::real, .real = std::bit_cast<double>(bits)});
  }

  Status text(Op op) {
    const bool is_short =
        op == Op::short_bin_unicode || op == Op::short_bin_string || op == Op::short_bin_bytes;
    ADDER_TRY(const std::string_view value, string(op == Op::bin_unicode8 ? 8 : is_short ? 1 : 4));
    const bool unicode = op == Op::bin_unicode || op == Op::short_bin_unicode || op == Op::bin_unicode8;
    return push({.kind = unicode ? Kind::text : Kind::bytes, .text = value});
  }

  Status tuple(Op op) {
    const std::size_t n = op == Op::tuple1 ? 1 : op == Op::tuple2 ? 2 : 3;
    ADDER_TRY(std::vector<Id> items, op == Op::tuple ? pop_to_mark() : pop(n));
    return push({.kind = Kind::tuple, .items = std::move(items)});
  }

  // Moves items into the container under them.
  Status extend(Result<std::vector<Id>> items, Kind kind) {
    if (!items) return fail(std::move(items).error());
    ADDER_TRY(const Id id, top());
    Pickle::Node& container = pickle_.nodes_[id];
    if (container.kind != kind || (kind == Kind::dict && items->size() % 2 != 0))
      return corrupt(fmt::format("cannot add {} values to {}", items->size(), describe(pickle_, container)));
    container.items.insert(container.items.end(), items->begin(), items->end());
    return {};
  }

  Status import(std::string_view module, std::string_view name) {
    if (!allowed_(module, name))
      return error(ErrorCode::unsupported, fmt::format("the pickle wants to import {}.{}: refused",
                                                       printable(module), printable(name)));
    return push({.kind = Kind::global, .text = name, .module = module});
  }
  static std::string printable(std::string_view text) {
    const std::string quoted = in_quotes(text);
    return quoted.substr(1, quoted.size() - 2);
  }

  Status global() {
    ADDER_TRY(const std::string_view module, line());
    ADDER_TRY(const std::string_view name, line());
    return import(module, name);
  }

  Status stack_global() {
    ADDER_TRY(const std::vector<Id> names, pop(2));
    const Pickle::Node &module = pickle_.nodes_[names[0]], &name = pickle_.nodes_[names[1]];
    if (module.kind != Kind::text || name.kind != Kind::text)
      return corrupt("expected the names of a module and of something in it");
    return import(module.text, name.text);
  }

  Status reduce() {
    ADDER_TRY(std::vector<Id> items, pop(2));
    const Pickle::Node &callee = pickle_.nodes_[items[0]], &arguments = pickle_.nodes_[items[1]];
    if (callee.kind != Kind::global || arguments.kind != Kind::tuple)
      return error(ErrorCode::unsupported,
                   fmt::format("the pickle wants to call {}: refused", describe(pickle_, callee)));
    if (callee.module == "collections" && callee.text == "OrderedDict" && arguments.items.empty())
      return push({.kind = Kind::dict});
    return push({.kind = Kind::call, .items = std::move(items)});
  }

  Status persistent() {
    ADDER_TRY(std::vector<Id> id, pop(1));
    return push({.kind = Kind::persistent, .items = std::move(id)});
  }

  // Attributes of a dict: the _metadata of a state dict (module versions), say. What a call made would get
  // them through its own __setstate__, and a tensor's replaces its values.
  Status build() {
    ADDER_TRY(const std::vector<Id> state, pop(1));
    ADDER_TRY(const Id id, top());
    const Pickle::Node& object = pickle_.nodes_[id];
    if (object.kind == Kind::dict) return {};
    if (object.kind == Kind::call)
      return error(ErrorCode::unsupported,
                   fmt::format("the pickle sets the state of {}: refused", describe(pickle_, object)));
    return corrupt("cannot set attributes of " + describe(pickle_, object));
  }

  Status put(Op op) {
    std::uint64_t key = memo_.size();
    if (op != Op::memoize) {
      ADDER_TRY(key, number(op == Op::bin_put ? 1 : 4));
    }
    ADDER_TRY(const Id id, top());
    memo_[key] = id;
    return {};
  }

  Status get(Op op) {
    ADDER_TRY(const std::uint64_t key, number(op == Op::bin_get ? 1 : 4));
    const auto it = memo_.find(key);
    if (it == memo_.end()) return corrupt(fmt::format("memo entry {} was never stored", key));
    stack_.push_back(it->second);
    return {};
  }

  std::span<const std::byte> bytes_;
  std::string_view origin_;
  const AllowGlobal& allowed_;
  const PickleLimits& limits_;
  std::size_t at_ = 0, opcode_at_ = 0;
  std::vector<Id> stack_;
  std::vector<std::size_t> marks_;  // heights of stack_
  std::unordered_map<std::uint64_t, Id> memo_;
  Pickle pickle_;
};

std::string describe(const Pickle& pickle, const Pickle::Node& node) {
  switch (node.kind) {
    case Kind::none:
      return "None";
    case Kind::boolean:
      return node.integer != 0 ? "True" : "False";
    case Kind::integer:
      return fmt::format("the number {}", node.integer);
    case Kind::real:
      return fmt::format("the number {}", node.real);
    case Kind::text:
      return "the string " + in_quotes(node.text);
    case Kind::bytes:
      return fmt::format("{} bytes", node.text.size());
    case Kind::tuple:
      return fmt::format("a tuple of {}", node.items.size());
    case Kind::list:
      return fmt::format("a list of {}", node.items.size());
    case Kind::dict:
      return fmt::format("a dict of {}", node.items.size() / 2);
    case Kind::global:
      return fmt::format("{}.{}", node.module, node.text);
    case Kind::call: {
      const Pickle::Node& callee = pickle[node.items[0]];
      return fmt::format("a {}.{}", callee.module, callee.text);
    }
    case Kind::persistent:
      return "a storage";
  }
  return {};
}

Result<Pickle> parse_pickle(std::span<const std::byte> bytes, std::string_view origin,
                            const AllowGlobal& allowed, const PickleLimits& limits) {
  return PickleMachine(bytes, origin, allowed, limits).run();
}

}  // namespace adder::formats
