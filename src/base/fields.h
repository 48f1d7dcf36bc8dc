#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace adder {

/// Reads typed fields out of one JSON object and gathers every complaint instead of stopping at the first. A
/// field that is absent or null is nullopt; so is one that was complained about.
class Fields {
 public:
  /// `json` must be an object that outlives this. `prefix` ("ssm_cfg.") precedes names in messages;
  /// complaints are appended to `problems`.
  Fields(const Json& json, std::string prefix, std::vector<std::string>& problems)
      : json_(json), prefix_(std::move(prefix)), problems_(problems) {}

  bool has(std::string_view name) const;  ///< present and not null
  /// nullptr if absent or null.
  const Json* raw(std::string_view name) const;

  /// A whole number in [low, high]; 4.0 counts as 4.
  std::optional<std::int64_t> integer(std::string_view name, std::int64_t low, std::int64_t high);
  /// A finite number in [low, high].
  std::optional<double> number(std::string_view name, double low, double high);
  std::optional<bool> boolean(std::string_view name);
  std::optional<std::string> text(std::string_view name);
  /// A token id; -1 is the old spelling of "none".
  std::optional<std::int64_t> token(std::string_view name);
  /// A token id, a list of them, or nothing.
  std::vector<std::int64_t> tokens(std::string_view name);
  /// Two numbers, 0 <= low <= high; high may be infinite, in any of the ways in which writers spell that.
  struct Range {
    double low, high;
  };
  std::optional<Range> range(std::string_view name);

  void expected(std::string_view name, std::string_view what, const Json& found);

 private:
  const Json& json_;
  std::string prefix_;
  std::vector<std::string>& problems_;
};

/// "origin: N problems:" and one per line; precondition: problems is not empty.
std::string join_problems(std::string_view origin, std::string_view what,
                          const std::vector<std::string>& problems);

}  // namespace adder
