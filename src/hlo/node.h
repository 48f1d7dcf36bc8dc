#pragma once

// The graph in memory: what Function::body() holds. Model code does not include this; printing, inference
// and cost do. Attributes are typed structs in one variant, never strings.

#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "hlo/ops.h"

namespace adder::hlo {

/// Every op that a graph can hold, in the order of ops.h.
enum class OpKind : std::uint8_t {
  abs,
  ceil,
  cosine,
  exponential,
  exponential_minus_one,
  floor,
  is_finite,
  log,
  log_plus_one,
  logistic,
  negate,
  not_,
  round_nearest_even,
  rsqrt,
  sign,
  sine,
  sqrt,
  tanh,
  add,
  and_,
  atan2,
  divide,
  maximum,
  minimum,
  multiply,
  or_,
  power,
  remainder,
  shift_left,
  shift_right_arithmetic,
  shift_right_logical,
  subtract,
  xor_,
  compare,
  select,
  clamp,
  convert,
  bitcast_convert,
  constant,
  iota,
  broadcast_in_dim,
  reshape,
  transpose,
  reverse,
  slice,
  dynamic_slice,
  dynamic_update_slice,
  concatenate,
  pad,
  gather,
  scatter,
  dot_general,
  reduce,
  reduce_window,
  sort,
  top_k,
  rng_bit_generator,
  while_,
  if_,
  call,
  optimization_barrier,
};
inline constexpr int kOpKinds = static_cast<int>(OpKind::optimization_barrier) + 1;

/// Element types an elementwise op takes.
enum class Accepts : std::uint8_t { any, number, floating, signed_number, logical, integer };

struct OpInfo {
  OpKind kind;
  std::string_view name;  ///< the specification's mnemonic
  Accepts accepts;        ///< for elementwise ops; `any` elsewhere
  bool arithmetic;        ///< one flop per output element in Cost
};
const OpInfo& info(OpKind kind);
bool accepts(Accepts what, DType dtype);

struct NoAttributes {};
/// Little-endian elements in row-major order; exactly one when `splat`.
struct ConstantAttributes {
  Shape shape;
  bool splat = true;
  std::string bytes;
};
struct IotaAttributes {
  Shape shape;
  std::int64_t iota_dimension = 0;
};
struct CompareAttributes {
  Comparison direction = Comparison::EQ;
  DType operand_dtype = DType::f32;
};
struct ConvertAttributes {
  DType to = DType::f32;
};
struct BitcastAttributes {
  DType to = DType::f32;
};
struct BroadcastAttributes {
  Dims result_dims, broadcast_dimensions;
};
struct ReshapeAttributes {
  Dims dims;
};
struct TransposeAttributes {
  Dims permutation;
};
struct ReverseAttributes {
  Dims dimensions;
};
struct SliceAttributes {
  Dims start_indices, limit_indices, strides;
};
struct DynamicSliceAttributes {
  Dims slice_sizes;
};
struct DynamicUpdateSliceAttributes {};
struct ConcatenateAttributes {
  std::int64_t dimension = 0;
};
struct PadAttributes {
  Dims edge_low, edge_high, interior;
};
struct GatherAttributes {
  GatherDims dims;
  Dims slice_sizes;
  bool indices_are_sorted = false;
};
struct ScatterAttributes {
  ScatterDims dims;
  bool unique_indices = false;
};
struct DotAttributes {
  DotDims dims;
  DotOptions options;
};
struct ReduceAttributes {
  Dims dimensions;
};
struct ReduceWindowAttributes {
  WindowDims window;
};
struct SortAttributes {
  std::int64_t dimension = 0;
  bool is_stable = false;
};
struct TopKAttributes {
  std::int64_t k = 0;
};
struct RngAttributes {
  RngAlgorithm algorithm = RngAlgorithm::DEFAULT;
  Shape shape;
};
struct WhileAttributes {
  std::optional<std::int64_t> trip_count;  ///< known for `fori`
};
struct CallAttributes {
  const Function* callee = nullptr;
};

using Attributes =
    std::variant<NoAttributes, ConstantAttributes, IotaAttributes, CompareAttributes, ConvertAttributes,
                 BitcastAttributes, BroadcastAttributes, ReshapeAttributes, TransposeAttributes,
                 ReverseAttributes, SliceAttributes, DynamicSliceAttributes, DynamicUpdateSliceAttributes,
                 ConcatenateAttributes, PadAttributes, GatherAttributes, ScatterAttributes, DotAttributes,
                 ReduceAttributes, ReduceWindowAttributes, SortAttributes, TopKAttributes, RngAttributes,
                 WhileAttributes, CallAttributes>;

using ValueId = std::uint32_t;
using Shapes = std::vector<Shape>;
struct Node;

/// A block of nodes: a function's body, or one of the regions of a while, if, reduce, sort or scatter.
struct Region {
  std::uint32_t id = 0;     ///< unique in its function, never reused
  bool may_capture = true;  ///< whether nodes may use values of enclosing regions
  std::vector<ValueId> arguments;
  std::vector<Node> nodes;
  std::vector<ValueId> yields;
};

/// One op: operands and results are ids into FunctionBody::values.
struct Node {
  OpKind kind;
  std::vector<ValueId> operands, results;
  Attributes attributes;
  std::vector<std::unique_ptr<Region>> regions;
  Loc loc;
  std::uint32_t scope = 0;  ///< index into FunctionBody::scope_names
};

struct ValueInfo {
  Shape shape;
  std::uint32_t region = 0;  ///< id of the region that defines it
};

struct FunctionBody {
  std::string name;
  bool is_public = false;
  const void* module = nullptr;  ///< identity of the owning Module
  bool finished = false;
  Signature signature;
  std::deque<ValueInfo> values;  ///< a deque, so that Value::shape() may hand out references
  Region root;
  std::vector<Region*> open{&root};  ///< regions being built, outermost first
  std::uint32_t region_count = 1;
  std::vector<std::string> scope_names{""};  ///< by Node::scope; the first means none
  std::uint32_t scope = 0;                   ///< that of the nodes being appended (scope.h)

  std::uint32_t intern_scope(const std::string& name);
  Region& current() { return *open.back(); }
  /// A new value of the innermost open region.
  ValueId define(Shape shape);
};

}  // namespace adder::hlo
