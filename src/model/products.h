#pragma once

// Products of activations with weight matrices, and the equivalent ways to spell one. Which way is fastest
// differs by device, shape and plugin version: that choice is data in Policy, measured by `engine`.
// Legend: R rows, I inputs, O outputs.

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "hlo/ops.h"
#include "model/parameters.h"

namespace adder::model {

using hlo::Value;

/// One way to spell the product x [1,I] by W [O,I]: the same numbers up to the order of float32 sums.
struct Spelling {
  std::string_view name;
  /// The outputs are cut into this many batches of O/parts: a batch dimension is what compilers divide among
  /// threads.
  std::int64_t parts = 1;
  /// The row is repeated so often: some compilers have a fast path from two rows on only.
  std::int64_t repeat = 1;
  /// The weights are the left operand, read as they lie, instead of the right one.
  bool weights_first = false;
  /// Other than 0: no dot_general. A row of weights is cut into pieces of `terms` x kLanes; the terms of a
  /// piece are expanded to float32, multiplied and added lane by lane, then the lanes. Compilers without a
  /// fast one-row product for narrow weights read them at memory speed so.
  std::int64_t terms = 0;
  static constexpr std::int64_t kLanes = 32;

  /// Whether it can spell this product.
  bool applies(const Shape& weight) const {
    return weight.dims[0] % parts == 0 && (terms == 0 || weight.dims[1] % (terms * kLanes) == 0);
  }
};

/// Every spelling there is for weights of this type (f32, bf16 or s8); the first is the plainest and applies
/// to every shape. One entry is all that a new one needs.
std::span<const Spelling> spellings(DType weight);
/// The entry of that name for this type; nullopt if there is none.
std::optional<Spelling> find_spelling(DType weight, std::string_view name);

/// A one-row product by the shape of its weights.
using SpellingChoice = std::map<std::string, Spelling>;
/// Its key in SpellingChoice: "f32[1536,768]".
std::string product_key(const Shape& weight);

/// How the device should compute; per-platform choices are data, made by `engine`.
struct Policy {
  hlo::Precision precision = hlo::Precision::HIGHEST;
  /// Int8 weights meet activations that are quantised too; otherwise activations in bfloat16, for devices
  /// whose compiler expands the weights inside the product.
  bool int8_activations = true;
  /// How one-row products are spelled. A shape that is not listed takes `otherwise` of its type, and if that
  /// does not apply the plainest.
  SpellingChoice spelling;
  std::map<DType, Spelling> otherwise;

  Spelling spelling_of(const Shape& weight) const;
};

/// x [R,I] float32 by `w` [O,I] -> [R,O] float32. Bfloat16 weights round x to bfloat16 and accumulate in
/// float32. Int8 weights quantise each row of x to int8 (scale = max|row| / 127, round to nearest even),
/// accumulate in int32, which is exact, and multiply by both scales; without policy.int8_activations they are
/// what their integers are as bfloat16, exactly, and the sums are multiplied by their scale.
Value product(const Policy& policy, Value x, const Matrix<Value>& w);

/// The same for one row, R = 1, spelled so: for measuring and for tests.
Value one_row_product(const Policy& policy, const Spelling& spelling, Value x, const Matrix<Value>& w);

}  // namespace adder::model
