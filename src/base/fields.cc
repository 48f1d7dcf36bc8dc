#include "base/fields.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <utility>

namespace adder {
namespace {

constexpr std::int64_t kMaxToken = std::numeric_limits<std::int32_t>::max();

// Unsigned values beyond int64 and doubles with a fraction are not whole numbers for us.
std::optional<std::int64_t> as_integer(const Json& value) {
  if (value.is_number_unsigned()) {
    const auto u = value.get<std::uint64_t>();
    if (u > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) return std::nullopt;
    return static_cast<std::int64_t>(u);
  }
  if (value.is_number_integer()) return value.get<std::int64_t>();
  if (!value.is_number_float()) return std::nullopt;
  const auto d = value.get<double>();
  if (!(std::fabs(d) < 0x1p53) || d != std::floor(d)) return std::nullopt;
  return static_cast<std::int64_t>(d);
}

// Infinity comes as a bare word (already a double here), as a string, or as transformers 5 writes it:
// {"__float__": "Infinity"}.
std::optional<double> as_extended_number(const Json& value) {
  if (value.is_number()) return value.get<double>();
  const Json* word = &value;
  if (value.is_object() && value.size() == 1 && value.contains("__float__")) word = &value.at("__float__");
  if (!word->is_string()) return std::nullopt;
  const auto& text = word->get_ref<const std::string&>();
  if (text == "Infinity" || text == "inf" || text == "+inf") return std::numeric_limits<double>::infinity();
  return std::nullopt;
}

}  // namespace

const Json* Fields::raw(std::string_view name) const {
  const auto it = json_.find(std::string(name));
  return it == json_.end() || it->is_null() ? nullptr : &*it;
}

bool Fields::has(std::string_view name) const { return raw(name) != nullptr; }

void Fields::expected(std::string_view name, std::string_view what, const Json& found) {
  problems_.push_back(fmt::format("{}{}: expected {}, found {}", prefix_, name, what, describe(found)));
}

std::optional<std::int64_t> Fields::integer(std::string_view name, std::int64_t low, std::int64_t high) {
  const Json* value = raw(name);
  if (value == nullptr) return std::nullopt;
  const std::optional<std::int64_t> number = as_integer(*value);
  if (number && *number >= low && *number <= high) return number;
  expected(name, fmt::format("a whole number from {} to {}", low, high), *value);
  return std::nullopt;
}

std::optional<double> Fields::number(std::string_view name, double low, double high) {
  const Json* value = raw(name);
  if (value == nullptr) return std::nullopt;
  if (value->is_number()) {
    const auto number = value->get<double>();
    if (number >= low && number <= high) return number;
  }
  expected(name, fmt::format("a number from {} to {}", low, high), *value);
  return std::nullopt;
}

std::optional<bool> Fields::boolean(std::string_view name) {
  const Json* value = raw(name);
  if (value == nullptr) return std::nullopt;
  if (value->is_boolean()) return value->get<bool>();
  expected(name, "true or false", *value);
  return std::nullopt;
}

std::optional<std::string> Fields::text(std::string_view name) {
  const Json* value = raw(name);
  if (value == nullptr) return std::nullopt;
  if (value->is_string()) return value->get<std::string>();
  expected(name, "a string", *value);
  return std::nullopt;
}

std::optional<std::int64_t> Fields::token(std::string_view name) {
  const std::optional<std::int64_t> id = integer(name, -1, kMaxToken);
  return id && *id >= 0 ? id : std::nullopt;
}

std::vector<std::int64_t> Fields::tokens(std::string_view name) {
  const Json* value = raw(name);
  if (value == nullptr) return {};
  std::vector<std::int64_t> ids;
  if (!value->is_array()) {
    if (const std::optional<std::int64_t> id = token(name)) ids.push_back(*id);
    return ids;
  }
  for (const Json& item : *value) {
    const std::optional<std::int64_t> id = as_integer(item);
    if (!id || *id < 0 || *id > kMaxToken) {
      expected(name, "token ids in the list", item);
      return {};
    }
    ids.push_back(*id);
  }
  return ids;
}

std::optional<Fields::Range> Fields::range(std::string_view name) {
  const Json* value = raw(name);
  if (value == nullptr) return std::nullopt;
  if (value->is_array() && value->size() == 2) {
    const std::optional<double> low = as_extended_number((*value)[0]), high = as_extended_number((*value)[1]);
    if (low && high && *low >= 0 && std::isfinite(*low) && *high > 0 && *low <= *high)
      return Range{*low, *high};
  }
  problems_.push_back(fmt::format("{}{}: expected two numbers [low, high], 0 <= low <= high, found {}",
                                  prefix_, name, value->dump().substr(0, 100)));
  return std::nullopt;
}

std::string join_problems(std::string_view origin, std::string_view what,
                          const std::vector<std::string>& problems) {
  if (problems.size() == 1) return fmt::format("{}: {}", origin, problems.front());
  std::string message = fmt::format("{}: {} {}:", origin, problems.size(), what);
  for (const std::string& problem : problems) message += "\n  " + problem;
  return message;
}

}  // namespace adder
