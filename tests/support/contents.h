#pragma once

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace adder::test {

/// All bytes of a file; none if it cannot be read.
inline std::string contents(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace adder::test
