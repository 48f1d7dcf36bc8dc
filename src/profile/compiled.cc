#include "profile/compiled.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>
#include <set>

#include "profile/wire.h"

namespace adder::profile {
namespace {

struct Instruction {
  std::int64_t id = 0;
  std::string_view name, opcode, op_name, target, backend, direction;
  std::string shape;
  std::int64_t bytes = 0;  ///< in the device's memory; what lies in on-chip memory does not count
  std::int64_t size = 0;   ///< wherever it lies
  std::optional<std::int64_t> literal;  ///< of a constant: its first 32-bit integer
  std::vector<std::int64_t> operands, called;
};
struct ElementType {
  std::string_view name;
  std::int64_t bytes;
};
/// xla::PrimitiveType; what is not here has no size of interest.
ElementType element_type(std::int64_t type) {
  switch (type) {
    case 1:
      return {"pred", 1};
    case 2:
      return {"s8", 1};
    case 3:
      return {"s16", 2};
    case 4:
      return {"s32", 4};
    case 5:
      return {"s64", 8};
    case 6:
      return {"u8", 1};
    case 7:
      return {"u16", 2};
    case 8:
      return {"u32", 4};
    case 9:
      return {"u64", 8};
    case 10:
      return {"f16", 2};
    case 11:
      return {"f32", 4};
    case 12:
      return {"f64", 8};
    case 16:
      return {"bf16", 2};
    default:
      return {"?", 0};
  }
}

constexpr int kDeepest = 16;                           // nesting of tuples
constexpr std::int64_t kMost = std::int64_t{1} << 50;  // bytes or runs: more is nonsense
std::int64_t at_most(std::int64_t n) { return std::min(n, kMost); }

/// LayoutProto: where an array lies; 0 is the device's memory, others are smaller ones on the chip.
Result<std::int64_t> memory_space(std::string_view layout) {
  std::int64_t space = 0;
  ADDER_CHECK(read_fields(layout, [&](const WireField& f) -> Status {
    if (f.number == 8 && !f.delimited) space = f.as_signed();
    return {};
  }));
  return space;
}

/// LiteralProto: the first of its s32s.
Result<std::optional<std::int64_t>> first_integer(std::string_view literal) {
  std::optional<std::int64_t> out;
  ADDER_CHECK(read_fields(literal, [&](const WireField& f) -> Status {
    if (f.number != 4 || out) return {};
    ADDER_TRY(const auto some, integers(f));
    if (!some.empty()) out = some.front();
    return {};
  }));
  return out;
}

/// ShapeProto: the text and the bytes of an array, of a tuple's parts together.
Status read_shape(std::string_view message, int depth, std::string& text, Instruction& out) {
  std::int64_t type = 0, elements = 1, space = 0;
  std::vector<std::int64_t> dims;
  std::vector<std::string> parts;
  ADDER_CHECK(read_fields(message, [&](const WireField& f) -> Status {
    if (f.number == 2 && !f.delimited) type = f.as_signed();
    if (f.number == 3) {
      ADDER_TRY(const auto some, integers(f));
      dims.insert(dims.end(), some.begin(), some.end());
    }
    if (f.number == 4 && f.delimited && depth < kDeepest)
      return read_shape(f.bytes, depth + 1, parts.emplace_back(), out);
    if (f.number == 5 && f.delimited) {
      ADDER_TRY(space, memory_space(f.bytes));
    }
    return {};
  }));
  if (!parts.empty()) {
    text = fmt::format("({})", fmt::join(parts, ", "));
    return {};
  }
  for (const std::int64_t d : dims)
    if (d < 0 || __builtin_mul_overflow(elements, d, &elements)) elements = 0;
  const ElementType element = element_type(type);
  if (elements > kMost) elements = 0;  // no such array
  const std::int64_t size = at_most(elements * element.bytes);
  out.size = at_most(out.size + size);
  if (space == 0) out.bytes = at_most(out.bytes + size);
  text = fmt::format("{}[{}]", element.name, fmt::join(dims, ","));
  return {};
}

Result<Instruction> read_instruction(std::string_view message) {
  Instruction out;
  ADDER_CHECK(read_fields(message, [&](const WireField& f) -> Status {
    switch (f.number) {
      case 1:
        out.name = f.bytes;
        return {};
      case 2:
        out.opcode = f.bytes;
        return {};
      case 3:
        return read_shape(f.bytes, 0, out.shape, out);
      case 7:
        return read_fields(f.bytes, [&](const WireField& m) -> Status {
          if (m.number == 2) out.op_name = m.bytes;
          return {};
        });
      case 8: {
        ADDER_TRY(out.literal, first_integer(f.bytes));
        return {};
      }
      case 28:
        out.target = f.bytes;
        return {};
      case 35:
        out.id = f.as_signed();
        return {};
      case 36:
      case 38: {
        ADDER_TRY(const auto ids, integers(f));
        auto& to = f.number == 36 ? out.operands : out.called;
        to.insert(to.end(), ids.begin(), ids.end());
        return {};
      }
      case 43:
        out.backend = f.bytes;
        return {};
      case 63:
        out.direction = f.bytes;
        return {};
      default:
        return {};
    }
  }));
  return out;
}

bool is_free(std::string_view opcode) {
  static const std::set<std::string_view> kFree{
      "parameter", "constant",     "tuple",      "get-tuple-element", "bitcast",
      "after-all", "partition-id", "replica-id", "opt-barrier",       "add-dependency"};
  return kFree.count(opcode) > 0;
}
bool is_pick(std::string_view opcode) { return opcode == "gather" || opcode == "dynamic-slice"; }

struct Computation {
  std::int64_t id = 0, root = 0;
  std::vector<Instruction> instructions;
  // Of all its instructions together, for whoever calls it:
  std::string contents;      ///< opcodes, cut after a few hundred
  std::string_view op_name;  ///< the first there is
  bool picks = false;        ///< whether one reads a part chosen at run time
};
Result<Computation> read_computation(std::string_view message) {
  constexpr std::size_t kLongest = 1000;
  Computation out;
  ADDER_CHECK(read_fields(message, [&](const WireField& f) -> Status {
    if (f.number == 5) out.id = f.as_signed();
    if (f.number == 6) out.root = f.as_signed();
    if (f.number != 2) return {};
    ADDER_TRY(Instruction instruction, read_instruction(f.bytes));
    out.instructions.push_back(std::move(instruction));
    return {};
  }));
  for (const Instruction& i : out.instructions) {
    if (is_free(i.opcode)) continue;
    if (out.contents.size() < kLongest)
      out.contents += fmt::format("{}{}", out.contents.empty() ? "" : " ", i.opcode.substr(0, 40));
    if (out.op_name.empty()) out.op_name = i.op_name;
    out.picks = out.picks || is_pick(i.opcode);
  }
  return out;
}

struct Hlo {
  std::int64_t entry = 0;
  std::map<std::int64_t, Computation> computations;
};
Result<Hlo> read_module(std::string_view message) {
  Hlo out;
  ADDER_CHECK(read_fields(message, [&](const WireField& f) -> Status {
    if (f.number == 6) out.entry = f.as_signed();
    if (f.number != 3) return {};
    ADDER_TRY(Computation computation, read_computation(f.bytes));
    out.computations[computation.id] = std::move(computation);
    return {};
  }));
  return out;
}

/// A while's condition: the called computation whose root is one truth value.
const Computation* condition_of(const Hlo& hlo, const Instruction& loop) {
  for (const std::int64_t called : loop.called)
    if (const auto found = hlo.computations.find(called); found != hlo.computations.end())
      for (const Instruction& i : found->second.instructions)
        if (i.id == found->second.root && i.shape == "pred[]") return &found->second;
  return nullptr;
}

/// Of a condition `i < n`: n. hlo::fori counts from zero by one, so that is how often the body runs.
std::optional<std::int64_t> bound_of(const Computation& condition) {
  const Instruction* root = nullptr;
  for (const Instruction& i : condition.instructions)
    if (i.id == condition.root) root = &i;
  if (root == nullptr || root->opcode != "compare" || root->direction != "LT" || root->operands.size() != 2)
    return std::nullopt;
  for (const Instruction& i : condition.instructions)
    if (i.id == root->operands[1]) return i.literal;
  return std::nullopt;
}

/// How often the body of a loop runs. backend_config is JSON with "known_trip_count":{"n":"64"} on some
/// platforms; else the condition tells. 1 where neither does.
std::int64_t trip_count(const Instruction& loop, const Computation* condition) {
  constexpr std::string_view kKey = "\"known_trip_count\":{\"n\":\"";
  const auto at = loop.backend.find(kKey);
  std::int64_t n = 1;
  if (at != std::string_view::npos)
    std::from_chars(loop.backend.data() + at + kKey.size(), loop.backend.data() + loop.backend.size(), n);
  else if (condition != nullptr)
    n = bound_of(*condition).value_or(1);
  return std::clamp<std::int64_t>(n, 1, 8192);
}

/// One computation, with who reads whom.
class Scopes {
 public:
  Scopes(const Hlo& hlo, const Computation& computation) : hlo_(hlo) {
    for (const Instruction& i : computation.instructions) by_id_[i.id] = &i;
    for (const Instruction& i : computation.instructions)
      for (const std::int64_t operand : i.operands) users_[operand].push_back(&i);
  }

  std::vector<const Instruction*> operands(const Instruction& i) const {
    std::vector<const Instruction*> out;
    for (const std::int64_t id : i.operands)
      if (const auto found = by_id_.find(id); found != by_id_.end()) out.push_back(found->second);
    return out;
  }

  /// Where an instruction comes from. Rewriting loses names: a product without one takes that of what it
  /// reads, whatever else that of what reads it. Copies stay without.
  std::string_view origin(const Instruction& i) const {
    const std::string_view own = own_name(i);
    if (!own.empty() || i.opcode == "copy") return own;
    const bool product = i.opcode == "dot" || i.opcode == "convolution" || i.opcode == "custom-call";
    const std::string_view first = nearest(i, !product);
    return first.empty() ? nearest(i, product) : first;
  }

 private:
  static constexpr std::size_t kFarthest = 32;  // instructions looked at

  std::string_view own_name(const Instruction& i) const {
    if (!i.op_name.empty() || (i.opcode != "fusion" && i.opcode != "call")) return i.op_name;
    for (const std::int64_t called : i.called)
      if (const auto found = hlo_.computations.find(called); found != hlo_.computations.end())
        return found->second.op_name;
    return {};
  }
  static bool is_border(std::string_view opcode) {
    return opcode == "copy" || opcode == "while" || opcode == "conditional" ||
           (is_free(opcode) && opcode != "bitcast");
  }
  std::vector<const Instruction*> users(const Instruction& i) const {
    const auto found = users_.find(i.id);
    return found == users_.end() ? std::vector<const Instruction*>() : found->second;
  }
  /// The name of the nearest instruction that has one, going by operands or by users.
  std::string_view nearest(const Instruction& i, bool among_users) const {
    std::vector<const Instruction*> seen{&i};
    for (std::size_t at = 0; at < seen.size(); ++at) {
      for (const Instruction* next : among_users ? users(*seen[at]) : operands(*seen[at])) {
        if (is_border(next->opcode)) continue;
        if (const std::string_view name = own_name(*next); !name.empty()) return name;
        if (seen.size() >= kFarthest) return {};
        if (std::find(seen.begin(), seen.end(), next) == seen.end()) seen.push_back(next);
      }
    }
    return {};
  }

  const Hlo& hlo_;
  std::map<std::int64_t, const Instruction*> by_id_;
  std::map<std::int64_t, std::vector<const Instruction*>> users_;
};

class Collector {
 public:
  explicit Collector(const Hlo& hlo) : hlo_(hlo) {}
  std::vector<Kernel> run() {
    computation(hlo_.entry, 1, false);
    return std::move(kernels_);
  }

 private:
  void computation(std::int64_t id, std::int64_t times, bool in_loop) {
    const auto found = hlo_.computations.find(id);
    if (found == hlo_.computations.end() || !walked_.insert(id).second) return;
    const Scopes scopes(hlo_, found->second);
    for (const Instruction& i : found->second.instructions) {
      if (is_free(i.opcode)) continue;
      if (i.opcode == "while" || i.opcode == "conditional") {
        const bool loop = i.opcode == "while";
        const Computation* condition = loop ? condition_of(hlo_, i) : nullptr;
        const std::int64_t runs = loop ? trip_count(i, condition) : 1;
        for (const std::int64_t called : i.called)
          // With the number of runs known, a condition decides nothing.
          if (condition == nullptr || called != condition->id || runs == 1)
            computation(called, at_most(times * runs), in_loop || loop);
        continue;
      }
      kernels_.push_back(kernel(i, scopes, times, in_loop));
    }
  }

  Kernel kernel(const Instruction& i, const Scopes& scopes, std::int64_t times, bool in_loop) const {
    Kernel out{.name = std::string(i.name),
               .opcode = std::string(i.target.empty() ? i.opcode : i.target),
               .op_name = std::string(scopes.origin(i)),
               .shape = i.shape,
               .bytes = i.bytes,
               .times = times,
               .in_loop = in_loop,
               .hlo = {}};
    bool picks = is_pick(i.opcode);
    for (const std::int64_t called : i.called) {
      const auto found = hlo_.computations.find(called);
      if (found == hlo_.computations.end()) continue;
      out.hlo = found->second.contents;
      picks = picks || found->second.picks;
    }
    const auto operands = scopes.operands(i);
    std::int64_t most = picks ? i.bytes : kMost;  // that is read of one operand
    if (i.opcode.ends_with("-start")) {           // its result names its operands again
      most = i.size;
      for (const Instruction* operand : operands) {
        out.bytes = std::max<std::int64_t>(0, out.bytes - operand->bytes);
        most = std::max<std::int64_t>(0, most - operand->size);
      }
    }
    for (const Instruction* operand : operands)
      out.bytes = at_most(out.bytes + std::min(operand->bytes, most));
    return out;
  }

  const Hlo& hlo_;
  std::set<std::int64_t> walked_;  // a body belongs to one loop
  std::vector<Kernel> kernels_;
};

}  // namespace

Result<std::vector<Kernel>> kernels_of(std::string_view format, std::string_view bytes) {
  std::string_view module = bytes;
  if (format == "hlo_with_config") {
    ADDER_CHECK(read_fields(bytes, [&](const WireField& f) -> Status {
      if (f.number == 1) module = f.bytes;
      return {};
    }));
  } else if (format != "hlo") {
    return fail(
        ErrorCode::unsupported,
        fmt::format("an optimised program in the format '{}': expected hlo or hlo_with_config", format));
  }
  ADDER_TRY(const Hlo hlo, read_module(module));
  return Collector(hlo).run();
}

}  // namespace adder::profile
