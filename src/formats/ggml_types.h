#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/dtype.h"

/// The element types of ggml tensors, as GGUF files number them (docs/gguf.md of ggml, enum ggml_type), and
/// how the block-quantised ones spell their elements.
namespace adder::formats {

/// The types that Adder reads. A row (the fastest dimension) is a whole number of blocks.
enum class GgmlType : std::uint32_t { f32 = 0, f16 = 1, q4_0 = 2, q8_0 = 8, q4_k = 12, q6_k = 14, bf16 = 30 };

inline constexpr std::size_t kLargestGgmlBlock = 256;  ///< elements

/// nullopt if Adder does not read that type, or it does not exist.
std::optional<GgmlType> parse_ggml_type(std::uint32_t number);
/// "Q4_K"; also for types that Adder does not read; "type 77" for numbers that mean nothing.
std::string ggml_type_name(std::uint32_t number);
inline std::string ggml_type_name(GgmlType type) { return ggml_type_name(static_cast<std::uint32_t>(type)); }
/// "F32, F16, ..." for messages.
std::string_view ggml_type_list();

std::int64_t block_elements(GgmlType type);  ///< 1, 32 or 256
std::int64_t block_bytes(GgmlType type);
/// What the elements are read as: f32 for block-quantised types.
DType element_dtype(GgmlType type);

/// Expands one block. Preconditions: `type` is block-quantised, block.size() == block_bytes(type),
/// out.size() == block_elements(type). Arithmetic is float32, in the order of the formulas below, so that
/// results equal ggml's reference (and the PyPI package gguf) bit for bit:
///   Q8_0  f16 d; 32 s8 q:                      q*d
///   Q4_0  f16 d; 16 bytes, low nibbles are elements 0-15, high ones 16-31:  (q-8)*d
///   Q4_K  f16 d, f16 dmin; 8 pairs of 6-bit (scale, min) in 12 bytes; 128 bytes of nibbles, of each 32 the
///         low ones are one group of 32, the high ones the next:             (d*scale)*q - (dmin*min)
///   Q6_K  128 bytes of low nibbles, 64 bytes of upper bit pairs, 16 s8 scales, f16 d; groups of 16:
///         (d*scale)*(q-32)
void dequantise_block(GgmlType type, std::span<const std::byte> block, std::span<float> out);

}  // namespace adder::formats
