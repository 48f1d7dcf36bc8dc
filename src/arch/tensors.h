#pragma once

// What a model holds and what it remembers, as lists: the one description that the reader, the loader, the
// graphs, the state, the snapshots and the converter go by.

#include <cstdint>
#include <string>
#include <vector>

#include "base/shape.h"

namespace adder::arch {

/// How a parameter's numbers come from what a checkpoint stores.
enum class Read {
  as_stored,
  decay,  ///< -exp(stored); a GGUF file stores that already
};

/// Rows of a matrix that are a parameter, and a product, of their own.
struct RowRange {
  std::string name;  ///< "z"
  std::int64_t rows = 0;
};

/// One tensor of a model.
struct TensorField {
  std::string name;                  ///< canonical: what transformers calls it, "backbone.layers.3.mixer.D"
  std::string local;                 ///< what graph code calls it: the name inside its layer, "mixer.D"
  std::int64_t layer = -1;           ///< -1 outside the layers
  std::vector<std::string> aliases;  ///< other names in use for the same thing
  std::string gguf;                  ///< llama.cpp's, "blk.3.ssm_d"; empty: it has none
  Dims dims;
  /// Multiplied with, or looked up: kept in the weights' type, may be int8 with a scale for each row. All
  /// else is float32.
  bool matrix = false;
  Read read = Read::as_stored;
  bool used = true;             ///< false: may be stored and is ignored (the head of a tied model)
  std::vector<RowRange> parts;  ///< of a matrix, in order; empty: it is one
};

/// One thing that a sequence remembers.
struct StateField {
  enum class Kind {
    recurrent,  ///< of one size at every position
    window,     ///< the last few inputs; of one size at every position
    kv,         ///< row[0] is a capacity in tokens, of which position are in use
    position,   ///< s32, how many tokens were absorbed
  };
  Kind kind = Kind::recurrent;
  std::string name;         ///< in snapshots and programs: "ssm_state.3"
  std::string local;        ///< what graph code calls it: "ssm_state"
  std::int64_t layer = -1;  ///< -1: of the whole model (the position)
  DType dtype = DType::f32;
  Dims row;                 ///< one sequence's on a device; a batch has [B, row...]
  Dims file;                ///< the same in a snapshot file
  bool transposed = false;  ///< row has two axes, which a file exchanges; else file is row reshaped

  Shape shape(std::int64_t batch) const {
    Dims dims{batch};
    dims.insert(dims.end(), row.begin(), row.end());
    return {dtype, dims};
  }
};

/// The field that every state ends with.
StateField position_field();

/// How the tensors become the arguments of programs.
struct ParameterLayout {
  DType weight_dtype = DType::f32;  ///< of matrices: f32, bf16 or s8 (with f32 scales)
  bool parts = true;                ///< a matrix with parts is as many parameters
  /// Rows of int8 matrices that are parts are rounded up to a multiple of this: products that are cut into
  /// batches need divisors.
  std::int64_t row_multiple = 1;
  bool operator==(const ParameterLayout&) const = default;
};

/// One argument of every program: a tensor, some rows of one, or the scales of those rows.
struct Parameter {
  std::string name;   ///< "backbone.layers.3.mixer.in_proj.z.weight"
  std::string local;  ///< the same inside its layer
  std::int64_t layer = -1;
  Shape shape;
  std::size_t field = 0;                 ///< index of its tensor in the list it was made from
  std::int64_t first_row = 0, rows = 0;  ///< those of the tensor; rows of `shape` beyond them are zeros
  bool scales = false;                   ///< the scales of an int8 matrix
};

/// The parameters of `tensors` in argument order: that of the list, parts in theirs, scales after their
/// weight.
std::vector<Parameter> parameters(const std::vector<TensorField>& tensors, const ParameterLayout& layout);

/// Builds a list of tensors, one call a tensor. Names are given as inside a layer.
class TensorList {
 public:
  /// `prefix` of the layers' names: "backbone.layers." gives "backbone.layers.3.norm.weight".
  explicit TensorList(std::string prefix) : prefix_(std::move(prefix)) {}

  /// A tensor outside the layers: canonical name, what graph code calls it, llama.cpp's name.
  TensorField& outside(std::string name, std::string local, std::string gguf, Dims dims);
  /// The tensors that follow are of this layer.
  void begin_layer(std::int64_t layer) { layer_ = layer; }
  /// A tensor of the layer: its name inside it, llama.cpp's ("attn_norm.weight" for blk.3.attn_norm.weight).
  TensorField& vector(std::string local, std::string gguf, Dims dims);
  TensorField& matrix(std::string local, std::string gguf, std::int64_t rows, std::int64_t columns);

  std::vector<TensorField> take() && { return std::move(tensors_); }

 private:
  std::string prefix_;
  std::int64_t layer_ = 0;
  std::vector<TensorField> tensors_;
};

}  // namespace adder::arch
