#include "profile/compiled.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <set>

#include "profile/wire.h"

namespace adder::profile {
namespace {

struct Instruction {
  std::int64_t id = 0;
  std::string_view name, opcode, op_name, target, backend;
  std::string shape;
  std::int64_t bytes = 0;
  std::vector<std::int64_t> operands, called;
};
struct Computation {
  std::string_view name;
  std::vector<Instruction> instructions;
};
struct Hlo {
  std::int64_t entry = 0;
  std::map<std::int64_t, Computation> computations;
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

constexpr int kDeepest = 16;  // nesting of tuples

/// ShapeProto: the text and the bytes of an array, of a tuple's parts together.
Status read_shape(std::string_view message, int depth, std::string& text, std::int64_t& bytes) {
  std::int64_t type = 0, elements = 1;
  std::vector<std::int64_t> dims;
  std::vector<std::string> parts;
  ADDER_CHECK(read_fields(message, [&](const WireField& f) -> Status {
    if (f.number == 2 && !f.delimited) type = f.as_signed();
    if (f.number == 3) {
      ADDER_TRY(const auto some, integers(f));
      dims.insert(dims.end(), some.begin(), some.end());
    }
    if (f.number == 4 && f.delimited && depth < kDeepest)
      ADDER_CHECK(read_shape(f.bytes, depth + 1, parts.emplace_back(), bytes));
    return {};
  }));
  if (!parts.empty()) {
    text = fmt::format("({})", fmt::join(parts, ", "));
    return {};
  }
  for (const std::int64_t d : dims)
    if (d < 0 || __builtin_mul_overflow(elements, d, &elements)) elements = 0;
  const ElementType element = element_type(type);
  if (elements > (std::int64_t{1} << 50)) elements = 0;  // no such array
  bytes += elements * element.bytes;
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
        return read_shape(f.bytes, 0, out.shape, out.bytes);
      case 7:
        return read_fields(f.bytes, [&](const WireField& m) -> Status {
          if (m.number == 2) out.op_name = m.bytes;
          return {};
        });
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
      default:
        return {};
    }
  }));
  return out;
}

Result<Hlo> read_module(std::string_view message) {
  Hlo out;
  ADDER_CHECK(read_fields(message, [&](const WireField& f) -> Status {
    if (f.number == 6) out.entry = f.as_signed();
    if (f.number != 3) return {};
    Computation computation;
    std::int64_t id = 0;
    ADDER_CHECK(read_fields(f.bytes, [&](const WireField& c) -> Status {
      if (c.number == 1) computation.name = c.bytes;
      if (c.number == 5) id = c.as_signed();
      if (c.number != 2) return {};
      ADDER_TRY(Instruction instruction, read_instruction(c.bytes));
      computation.instructions.push_back(std::move(instruction));
      return {};
    }));
    out.computations[id] = std::move(computation);
    return {};
  }));
  return out;
}

bool is_free(std::string_view opcode) {
  static const std::set<std::string_view> kFree{
      "parameter", "constant",     "tuple",      "get-tuple-element", "bitcast",
      "after-all", "partition-id", "replica-id", "opt-barrier",       "add-dependency"};
  return kFree.count(opcode) > 0;
}

/// backend_config is JSON with "known_trip_count":{"n":"64"} for a loop whose length the compiler knows.
std::int64_t trip_count(std::string_view backend) {
  constexpr std::string_view kKey = "\"known_trip_count\":{\"n\":\"";
  const auto at = backend.find(kKey);
  std::int64_t n = 1;
  if (at != std::string_view::npos)
    std::from_chars(backend.data() + at + kKey.size(), backend.data() + backend.size(), n);
  return std::clamp<std::int64_t>(n, 1, 1 << 30);
}

class Collector {
 public:
  explicit Collector(const Hlo& hlo) : hlo_(hlo) {}
  std::vector<Kernel> run() {
    computation(hlo_.entry, 1, false, 0);
    return std::move(kernels_);
  }

 private:
  void computation(std::int64_t id, std::int64_t times, bool in_loop, int depth) {
    const auto found = hlo_.computations.find(id);
    if (found == hlo_.computations.end() || depth > kDeepest) return;
    std::map<std::int64_t, const Instruction*> by_id;
    for (const Instruction& i : found->second.instructions) by_id[i.id] = &i;
    for (const Instruction& i : found->second.instructions) {
      if (is_free(i.opcode)) continue;
      if (i.opcode == "while" || i.opcode == "conditional") {
        const bool loop = i.opcode == "while";
        for (const std::int64_t called : i.called)
          computation(called, loop ? times * trip_count(i.backend) : times, in_loop || loop, depth + 1);
        continue;
      }
      kernels_.push_back(kernel(i, by_id, times, in_loop));
    }
  }

  Kernel kernel(const Instruction& i, const std::map<std::int64_t, const Instruction*>& by_id,
                std::int64_t times, bool in_loop) const {
    Kernel out{.name = std::string(i.name),
               .opcode = std::string(i.target.empty() ? i.opcode : i.target),
               .op_name = std::string(i.op_name),
               .shape = i.shape,
               .bytes = i.bytes,
               .times = times,
               .in_loop = in_loop,
               .hlo = {}};
    for (const std::int64_t operand : i.operands)
      if (const auto found = by_id.find(operand); found != by_id.end()) out.bytes += found->second->bytes;
    for (const std::int64_t called : i.called) {
      const auto found = hlo_.computations.find(called);
      if (found == hlo_.computations.end()) continue;
      for (const Instruction& inner : found->second.instructions) {
        if (!is_free(inner.opcode)) out.hlo += fmt::format("{}{}", out.hlo.empty() ? "" : " ", inner.opcode);
        if (out.op_name.empty() && !inner.op_name.empty()) out.op_name = std::string(inner.op_name);
      }
    }
    return out;
  }

  const Hlo& hlo_;
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
