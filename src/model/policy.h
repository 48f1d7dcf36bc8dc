#pragma once

// What differs by device, as data: how products are spelled, what is computed once, how sums are cut.
// `engine` has the table by platform, and measures spellings. Legend: R rows, I inputs, O outputs.

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "hlo/ops.h"
#include "ssm/recurrence.h"

namespace adder::model {

/// One way to spell the product x [R,I] by W [O,I]: the same numbers up to the order of float32 sums.
struct Spelling {
  std::string_view name;
  /// The outputs are cut into this many batches of O/parts: a batch dimension is what compilers divide among
  /// threads.
  std::int64_t parts = 1;
  /// The rows are repeated so often: some compilers have a fast path from two rows on only.
  std::int64_t repeat = 1;
  /// The weights are the left operand, read as they lie, instead of the right one.
  bool weights_first = false;
  /// Other than 0: no dot_general, one row only. A row of weights is cut into pieces of `terms` x kLanes; the
  /// terms of a piece are expanded to float32, multiplied and added lane by lane, then the lanes. Compilers
  /// without a fast one-row product for narrow weights read them at memory speed so.
  std::int64_t terms = 0;
  static constexpr std::int64_t kLanes = 32;

  /// Whether it can spell the product of so many rows by this matrix.
  bool applies(std::int64_t rows, const Shape& weight) const {
    return weight.dims[0] % parts == 0 &&
           (terms == 0 || (rows == 1 && weight.dims[1] % (terms * kLanes) == 0));
  }
};

/// Every spelling there is for weights of this type (f32, bf16 or s8); the first is the plainest and applies
/// to every shape. One entry is all that a new one needs.
std::span<const Spelling> spellings(DType weight);
/// The entry of that name for this type; nullopt if there is none.
std::optional<Spelling> find_spelling(DType weight, std::string_view name);

/// A product of few rows, by its key.
using SpellingChoice = std::map<std::string, Spelling>;
/// The key of rows x [R,I] by `weight` [O,I]: "f32[1536,768]" for one row, "8 x f32[1536,768]" for eight.
std::string product_key(std::int64_t rows, const Shape& weight);

/// How a device should compute: what is a platform's fact, not a model's. Each member's default is the plain
/// spelling, which is right everywhere; what is faster somewhere is a row of engine's platform table, found
/// by measuring. All values give the same numbers up to the order of float32 sums, but for int8_activations.
struct Policy {
  hlo::Precision precision = hlo::Precision::HIGHEST;
  /// Int8 weights meet activations that are quantised too; otherwise activations in bfloat16, for devices
  /// whose compiler expands the weights inside the product.
  bool int8_activations = false;
  /// How products of few rows are spelled. What is not listed takes `otherwise` of its type where that is one
  /// row and applies, else the plainest.
  SpellingChoice spelling;
  std::map<DType, Spelling> otherwise;

  /// in_proj is two products, z apart from x, B, C and dt: nothing waits for z until the recurrence is done,
  /// so that its product can run beside the small programs in between.
  bool split_in_proj = false;
  /// Int8 matrices that are parts of a tensor have a multiple of so many rows, the last ones zeros: products
  /// that are cut into batches need divisors.
  std::int64_t row_multiple = 1;
  /// norm(x) W as r·(W (x∘g)), r = 1/rms(x), one number a row: the product does not wait for the sum of
  /// squares. The gated norm likewise where it has one group.
  bool norm_after_product = false;
  /// What several ops read is computed once, behind an optimization barrier, where the compiler would compute
  /// it again in each reader.
  bool barriers = false;
  /// Sums along rows of numbers are nested short sums: see reductions.h.
  bool nested_sums = false;
  /// Inside a loop of steps the windows of the convolution are rings: a step writes one row of each in place,
  /// where moving all rows up makes a compiler copy every window on every step.
  bool ring_windows = false;
  /// A prompt's window and inputs are joined by adding padded arrays, which a compiler computes where they
  /// are read; a concatenation is written out by some.
  bool padded_windows = false;
  ssm::Form scan;  ///< but for its precision, which is that of products

  Spelling spelling_of(std::int64_t rows, const Shape& weight) const;
};

}  // namespace adder::model
