#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "adder/error.h"
#include "pjrt/named_value.h"

namespace adder::ahead {

/// A device that programs can be compiled for although it is not there: one small text file.
///
///   platform = cuda              which plugin; also the row of choices in engine/platform.h
///   topology = 1x1x1             the name for PJRT_TopologyDescription_Create
///   bandwidth = 3.352e12         peaks, bytes and operations a second; those that are not known are left out
///   bf16_flops = 989.4e12
///   f32_flops = 66.9e12
///   [options]                    create options: a number, true or false, [1,2,3], else text
///   [flags]                      compiler flags, as text
///   [environment]                variables to set, where unset, before the plugin is loaded
///
/// An indented line goes on with the value above it; '#' starts a comment line.
struct Target {
  std::string name;  ///< "h100", or the file's name without .txt
  std::string platform, topology;
  std::optional<double> bandwidth, bf16_flops, f32_flops;
  std::vector<pjrt::NamedValue> options;
  std::vector<std::pair<std::string, std::string>> flags, environment;
};

/// Errors: corrupt, with the line, what was expected and what is there.
Result<Target> parse_target(std::string_view text, std::string name, std::string_view origin);

/// The targets that Adder comes with, by name: src/ahead/targets/*.txt, in the binary.
const std::map<std::string, std::string_view, std::less<>>& known_targets();

/// `request` is a known name, or a file. Errors: not_found, naming the known ones; those of parse_target.
Result<Target> find_target(const std::string& request);

}  // namespace adder::ahead
