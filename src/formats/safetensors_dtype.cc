#include "formats/safetensors_dtype.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

namespace adder::formats {
namespace {

// In the order of DType, so that a DType indexes it.
constexpr std::array<std::string_view, 13> kNames = {"BOOL", "I8",  "I16", "I32",  "I64", "U8", "U16",
                                                     "U32",  "U64", "F16", "BF16", "F32", "F64"};
static_assert(static_cast<std::size_t>(DType::f64) == kNames.size() - 1);

constexpr std::array<std::string_view, 10> kOthers = {"F4",          "F6_E2M3", "F6_E3M2", "F8_E4M3",
                                                      "F8_E5M2",     "F8_E8M0", "C64",     "F8_E4M3FNUZ",
                                                      "F8_E5M2FNUZ", "F8_E3M4"};

}  // namespace

std::optional<DType> parse_safetensors_dtype(std::string_view name) {
  const auto it = std::find(kNames.begin(), kNames.end(), name);
  if (it == kNames.end()) return std::nullopt;
  return static_cast<DType>(it - kNames.begin());
}

std::string_view safetensors_name(DType dtype) { return kNames[static_cast<std::size_t>(dtype)]; }

bool is_other_safetensors_dtype(std::string_view name) {
  return std::find(kOthers.begin(), kOthers.end(), name) != kOthers.end();
}

std::string safetensors_dtype_list() { return fmt::format("{}", fmt::join(kNames, ", ")); }

}  // namespace adder::formats
