#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "adder/error.h"

/// Python's pickle format (the comments of CPython's Lib/pickletools.py define it), read as data. A pickle is
/// a program for a stack machine whose only dangerous instructions import a name and call it; here an
/// imported name is a node, and so is a call: nothing is looked up, nothing runs.
namespace adder::formats {

/// What a program built, as nodes in one flat array that refer to each other by index. A node may be shared,
/// or contain itself (the format allows it), so walkers must not recurse without a bound.
class Pickle {
 public:
  using Id = std::uint32_t;
  enum class Kind : std::uint8_t {
    none,
    boolean,
    integer,
    real,
    text,        ///< str
    bytes,       ///< bytes, or Python 2's str
    tuple,       ///< items
    list,        ///< items
    dict,        ///< items: key, value, key, value, ...; collections.OrderedDict too
    global,      ///< module.text, one of those allowed
    call,        ///< items: the global called, the tuple of its arguments
    persistent,  ///< items: the persistent id, an object kept outside the pickle
  };
  struct Node {
    Kind kind = Kind::none;
    std::int64_t integer = 0;  ///< also of a boolean: 0 or 1
    double real = 0;
    std::string_view text{};    ///< points into the bytes that were parsed
    std::string_view module{};  ///< of a global
    std::vector<Id> items{};
  };

  const Node& operator[](Id id) const { return nodes_[id]; }
  const Node& root() const { return nodes_[root_]; }

 private:
  friend class PickleMachine;
  std::vector<Node> nodes_;
  Id root_ = 0;
};

/// "a dict of 12", "the string \"x\"", "torch.FloatStorage": for messages.
std::string describe(const Pickle& pickle, const Pickle::Node& node);

/// Bounds on what a program may make the reader do. Memory is at most a few hundred bytes per opcode.
struct PickleLimits {
  std::size_t max_opcodes = 500'000;  ///< mamba2-2.7b takes some 30,000
  std::size_t max_marks = 64;         ///< marks open at a time
  std::size_t max_text = 4096;        ///< bytes in one string
};

/// Whether a program may name `module`.`name`.
using AllowGlobal = std::function<bool(std::string_view module, std::string_view name)>;

/// Runs the program in `bytes`, which must outlive the result; `origin` names them in messages. Knows the
/// opcodes that protocols 2 to 5 use for None, booleans, numbers of up to 64 bits, strings, tuples, lists,
/// dicts, globals, calls and persistent ids. The attributes that a dict is given after its construction
/// (BUILD) are dropped. Errors: unsupported (a global that is not allowed, an opcode that is not known, a
/// call's result that is given a state: by name), corrupt (truncated, stack underflow, unknown memo entry,
/// over a limit); each names the byte.
Result<Pickle> parse_pickle(std::span<const std::byte> bytes, std::string_view origin,
                            const AllowGlobal& allowed, const PickleLimits& limits = {});

}  // namespace adder::formats
