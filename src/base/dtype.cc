#include "base/dtype.h"

#include <array>

namespace adder {
namespace {

struct Row {
  DType dtype;
  std::int64_t bytes;
  std::string_view name, mlir;
};
constexpr std::array<Row, 13> kTable{{
    {DType::i1, 1, "i1", "i1"},
    {DType::s8, 1, "s8", "i8"},
    {DType::s16, 2, "s16", "i16"},
    {DType::s32, 4, "s32", "i32"},
    {DType::s64, 8, "s64", "i64"},
    {DType::u8, 1, "u8", "ui8"},
    {DType::u16, 2, "u16", "ui16"},
    {DType::u32, 4, "u32", "ui32"},
    {DType::u64, 8, "u64", "ui64"},
    {DType::f16, 2, "f16", "f16"},
    {DType::bf16, 2, "bf16", "bf16"},
    {DType::f32, 4, "f32", "f32"},
    {DType::f64, 8, "f64", "f64"},
}};
constexpr bool table_is_in_enum_order() {
  for (std::size_t i = 0; i < kTable.size(); ++i)
    if (static_cast<std::size_t>(kTable[i].dtype) != i) return false;
  return true;
}
static_assert(table_is_in_enum_order());
const Row& row(DType dtype) { return kTable[static_cast<std::size_t>(dtype)]; }

}  // namespace

std::int64_t byte_size(DType dtype) { return row(dtype).bytes; }
std::string_view name(DType dtype) { return row(dtype).name; }
std::string_view mlir_name(DType dtype) { return row(dtype).mlir; }

std::optional<DType> parse_dtype(std::string_view name) {
  for (const Row& r : kTable)
    if (r.name == name) return r.dtype;
  return std::nullopt;
}

bool is_float(DType dtype) { return dtype >= DType::f16; }
bool is_signed_integer(DType dtype) { return dtype >= DType::s8 && dtype <= DType::s64; }
bool is_unsigned_integer(DType dtype) { return dtype >= DType::u8 && dtype <= DType::u64; }

}  // namespace adder
