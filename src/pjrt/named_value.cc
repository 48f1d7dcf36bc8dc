#include "pjrt/named_value.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <type_traits>

#include "pjrt/api.h"

namespace adder::pjrt {
namespace {

NamedValue from_c(const PJRT_NamedValue& c) {
  NamedValue out{std::string(c.name, c.name_size), false};
  switch (as_number(c.type)) {
    case PJRT_NamedValue_kString:
      out.value = std::string(c.string_value, c.value_size);
      break;
    case PJRT_NamedValue_kInt64:
      out.value = c.int64_value;
      break;
    case PJRT_NamedValue_kInt64List:
      out.value = std::vector<std::int64_t>(c.int64_array_value, c.int64_array_value + c.value_size);
      break;
    case PJRT_NamedValue_kFloat:
      out.value = c.float_value;
      break;
    case PJRT_NamedValue_kBool:
      out.value = c.bool_value;
      break;
  }
  return out;
}

}  // namespace

std::vector<NamedValue> named_values_from_c(const PJRT_NamedValue* values, std::size_t count) {
  std::vector<NamedValue> out;
  out.reserve(count);
  for (std::size_t i = 0; i < count; ++i) out.push_back(from_c(values[i]));
  return out;
}

std::vector<PJRT_NamedValue> named_values_to_c(std::span<const NamedValue> values) {
  std::vector<PJRT_NamedValue> out(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    PJRT_NamedValue& c = out[i];
    c.struct_size = PJRT_NamedValue_STRUCT_SIZE;
    c.name = values[i].name.data();
    c.name_size = values[i].name.size();
    c.value_size = 1;
    std::visit(
        [&c](const auto& v) {
          using T = std::decay_t<decltype(v)>;
          if constexpr (std::is_same_v<T, std::string>) {
            c.type = PJRT_NamedValue_kString;
            c.string_value = v.c_str();
            c.value_size = v.size();
          } else if constexpr (std::is_same_v<T, std::int64_t>) {
            c.type = PJRT_NamedValue_kInt64;
            c.int64_value = v;
          } else if constexpr (std::is_same_v<T, std::vector<std::int64_t>>) {
            c.type = PJRT_NamedValue_kInt64List;
            c.int64_array_value = v.data();
            c.value_size = v.size();
          } else if constexpr (std::is_same_v<T, float>) {
            c.type = PJRT_NamedValue_kFloat;
            c.float_value = v;
          } else {
            c.type = PJRT_NamedValue_kBool;
            c.bool_value = v;
          }
        },
        values[i].value);
  }
  return out;
}

std::string to_string(const NamedValue& value) {
  return std::visit([&](const auto& v) { return fmt::format("{}={}", value.name, v); }, value.value);
}

}  // namespace adder::pjrt
