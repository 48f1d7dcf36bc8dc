#include "pjrt/buffer_type.h"

#include <pjrt_c_api.h>

#include <array>
#include <utility>

namespace adder::pjrt {
namespace {

constexpr std::array<std::pair<DType, PJRT_Buffer_Type>, 13> kTypes{{
    {DType::i1, PJRT_Buffer_Type_PRED},
    {DType::s8, PJRT_Buffer_Type_S8},
    {DType::s16, PJRT_Buffer_Type_S16},
    {DType::s32, PJRT_Buffer_Type_S32},
    {DType::s64, PJRT_Buffer_Type_S64},
    {DType::u8, PJRT_Buffer_Type_U8},
    {DType::u16, PJRT_Buffer_Type_U16},
    {DType::u32, PJRT_Buffer_Type_U32},
    {DType::u64, PJRT_Buffer_Type_U64},
    {DType::f16, PJRT_Buffer_Type_F16},
    {DType::bf16, PJRT_Buffer_Type_BF16},
    {DType::f32, PJRT_Buffer_Type_F32},
    {DType::f64, PJRT_Buffer_Type_F64},
}};

}  // namespace

int to_buffer_type(DType dtype) {
  for (const auto& [ours, theirs] : kTypes)
    if (ours == dtype) return theirs;
  return PJRT_Buffer_Type_INVALID;
}

std::optional<DType> from_buffer_type(int type) {
  for (const auto& [ours, theirs] : kTypes)
    if (theirs == type) return ours;
  return std::nullopt;
}

}  // namespace adder::pjrt
