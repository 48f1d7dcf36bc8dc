#pragma once

// Writes pickles and torch.save archives by hand, for this room's tests only.

#include <zip.h>

#include <cstdlib>
#include <filesystem>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/shape.h"

namespace adder::formats::testing {

/// Little-endian bytes of a number.
inline std::string little(std::uint64_t value, int width) {
  std::string bytes;
  for (int i = 0; i < width; ++i) bytes += static_cast<char>(value >> (8 * i) & 0xff);
  return bytes;
}

/// Pickle code, each in the spelling that protocol 2 gives it.
namespace code {
inline std::string text(const std::string& value) {
  return std::string("X") + little(value.size(), 4) + value;
}
inline std::string number(std::int64_t value) {
  return std::string("\x8a\x08") + little(static_cast<std::uint64_t>(value), 8);
}
inline std::string global(const std::string& module, const std::string& name) {
  return "c" + module + "\n" + name + "\n";
}
inline std::string tuple(const std::vector<std::string>& items) {
  std::string out = "(";
  for (const std::string& item : items) out += item;
  return out + "t";
}
inline std::string numbers(const Dims& values) {
  std::vector<std::string> items;
  for (const std::int64_t v : values) items.push_back(number(v));
  return tuple(items);
}
inline std::string call(const std::string& callee, const std::vector<std::string>& arguments) {
  return callee + tuple(arguments) + "R";
}
inline std::string dict(const std::vector<std::pair<std::string, std::string>>& items) {
  std::string out = "}(";
  for (const auto& [key, value] : items) out += text(key) + value;
  return out + "u";
}
inline std::string storage(const std::string& type, const std::string& key, std::int64_t size) {
  return tuple({text("storage"), global("torch", type), text(key), text("cpu"), number(size)}) + "Q";
}
inline const std::string kFalse = "\x89";
inline const std::string kHooks = call(global("collections", "OrderedDict"), {});
inline std::string tensor(const std::string& from, std::int64_t offset, const Dims& dims,
                          const Dims& strides) {
  return call(global("torch._utils", "_rebuild_tensor_v2"),
              {from, number(offset), numbers(dims), numbers(strides), kFalse, kHooks});
}
inline std::string program(const std::string& body) { return "\x80\x02" + body + "."; }
}  // namespace code

/// A zip archive of these entries, stored; or deflated if `compress`.
inline void write_zip(const std::filesystem::path& path,
                      const std::vector<std::pair<std::string, std::string>>& entries,
                      bool compress = false) {
  zip_t* zip = zip_open(path.c_str(), ZIP_CREATE | ZIP_TRUNCATE, nullptr);
  for (const auto& [name, content] : entries) {
    zip_source_t* source = zip_source_buffer(zip, content.data(), content.size(), 0);
    const zip_int64_t index = zip_file_add(zip, name.c_str(), source, 0);
    if (index < 0 || zip_set_file_compression(zip, static_cast<zip_uint64_t>(index),
                                              compress ? ZIP_CM_DEFLATE : ZIP_CM_STORE, 0) != 0)
      std::abort();
  }
  if (zip_close(zip) != 0) std::abort();
}

/// What torch.save makes of a pickle and its storages, given as (key, bytes).
inline void write_torch(const std::filesystem::path& path, const std::string& pickle,
                        const std::vector<std::pair<std::string, std::string>>& storages,
                        bool compress = false) {
  std::vector<std::pair<std::string, std::string>> entries{{"archive/data.pkl", pickle},
                                                           {"archive/byteorder", "little"}};
  for (const auto& [key, bytes] : storages) entries.emplace_back("archive/data/" + key, bytes);
  entries.emplace_back("archive/version", "3\n");
  write_zip(path, entries, compress);
}

/// The bytes of numbers in memory order.
template <class T>
std::string raw(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

}  // namespace adder::formats::testing
