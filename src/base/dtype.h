#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace adder {

/// Element types, named as the StableHLO specification names them. One byte per i1 in memory.
enum class DType : std::uint8_t { i1, s8, s16, s32, s64, u8, u16, u32, u64, f16, bf16, f32, f64 };

/// Bytes one element takes on the host (i1 takes one).
std::int64_t byte_size(DType dtype);
/// "f32", "s8", "i1", ...
std::string_view name(DType dtype);
/// MLIR spelling: "f32", "i8" (for s8), "ui8" (for u8), "i1".
std::string_view mlir_name(DType dtype);
/// Inverse of name(); nullopt for anything else.
std::optional<DType> parse_dtype(std::string_view name);

bool is_float(DType dtype);
bool is_signed_integer(DType dtype);    ///< s8 s16 s32 s64
bool is_unsigned_integer(DType dtype);  ///< u8 u16 u32 u64
inline bool is_integer(DType dtype) { return is_signed_integer(dtype) || is_unsigned_integer(dtype); }

/// The DType of a C++ scalar: dtype_of<float>() == DType::f32.
template <class T>
constexpr DType dtype_of();
template <>
constexpr DType dtype_of<bool>() {
  return DType::i1;
}
template <>
constexpr DType dtype_of<std::int8_t>() {
  return DType::s8;
}
template <>
constexpr DType dtype_of<std::int16_t>() {
  return DType::s16;
}
template <>
constexpr DType dtype_of<std::int32_t>() {
  return DType::s32;
}
template <>
constexpr DType dtype_of<std::int64_t>() {
  return DType::s64;
}
template <>
constexpr DType dtype_of<std::uint8_t>() {
  return DType::u8;
}
template <>
constexpr DType dtype_of<std::uint16_t>() {
  return DType::u16;
}
template <>
constexpr DType dtype_of<std::uint32_t>() {
  return DType::u32;
}
template <>
constexpr DType dtype_of<std::uint64_t>() {
  return DType::u64;
}
template <>
constexpr DType dtype_of<float>() {
  return DType::f32;
}
template <>
constexpr DType dtype_of<double>() {
  return DType::f64;
}

}  // namespace adder
