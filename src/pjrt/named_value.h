#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace adder::pjrt {

/// PJRT_NamedValue as a C++ value: a client's create option, or an attribute of a plugin or device.
struct NamedValue {
  std::string name;
  std::variant<std::string, std::int64_t, std::vector<std::int64_t>, float, bool> value;

  bool operator==(const NamedValue&) const = default;
};

/// "name=value"; a list is "name=[1,2]".
std::string to_string(const NamedValue& value);

}  // namespace adder::pjrt
