#pragma once

#include <cstddef>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "adder/error.h"

namespace adder {

using Json = nlohmann::json;
using OrderedJson = nlohmann::ordered_json;  ///< keeps keys in the order they were given

struct JsonOptions {
  int max_depth = 64;                  ///< nested arrays and objects; deeper text is refused
  bool reject_duplicate_keys = false;  ///< otherwise the last value of a key counts, as in Python
};

/// Parses RFC 8259 JSON in which the bare words Infinity, -Infinity and NaN are numbers too, as Python's json
/// module writes them (they become non-finite doubles). Never throws. Error (corrupt): "origin:line:column:
/// reason", line and column counted from 1, columns in bytes. `origin` is the file's name or what else the
/// text is.
Result<Json> parse_json(std::string_view text, std::string_view origin, const JsonOptions& options = {});

/// Reads and parses a whole file. Files over `max_bytes` are refused before anything is read.
Result<Json> read_json_file(const std::filesystem::path& path, const JsonOptions& options = {},
                            std::size_t max_bytes = 64u << 20);

/// What a value is, for messages: "null", "a boolean", "the number 3", "the string \"x\"", "an array of 2",
/// "an object". Long strings are cut.
std::string describe(const Json& value);

/// Text in double quotes for a message: control characters and quotes escaped, cut after `limit` bytes with
/// "...". For names that come out of files and may be hostile.
std::string in_quotes(std::string_view text, std::size_t limit = 120);

}  // namespace adder
