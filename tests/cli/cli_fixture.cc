#include "cli_fixture.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstdlib>
#include <cstring>
#include <regex>
#include <stdexcept>

#include "base/testing.h"

namespace adder::test {

using ::testing::HasSubstr;
using ::testing::StartsWith;

std::filesystem::path golden(const std::string& name) {
  return std::filesystem::path(ADDER_SOURCE_DIR) / "tests/goldens" / name;
}

std::filesystem::path demo_model() { return std::filesystem::path(ADDER_SOURCE_DIR) / "models/austen-3.6m"; }

std::string test_plugin() {
  const std::vector<std::string> plugins = adder::testing::plugin_paths();
  return plugins.empty() ? "" : plugins.front();
}

Tensors::Tensors(const std::filesystem::path& path) {
  auto opened = formats::SafetensorsFile::open(path);
  if (opened) {
    file_ = *std::move(opened);
  } else {
    ADD_FAILURE() << opened.error().to_string();
  }
}

Dims Tensors::dims(const std::string& name) const {
  return has(name) ? file_->find(name)->shape.dims : Dims{-1};
}

template <class T>
std::vector<T> Tensors::values(const std::string& name) const {
  if (!has(name) || file_->find(name)->shape.dtype != dtype_of<T>()) {
    ADD_FAILURE() << name << " is missing or of another type";
    return {};
  }
  const auto bytes = file_->find(name)->bytes;
  std::vector<T> out(bytes.size() / sizeof(T));
  if (!out.empty()) std::memcpy(out.data(), bytes.data(), bytes.size());
  return out;
}

std::vector<float> Tensors::floats(const std::string& name) const { return values<float>(name); }
Ids Tensors::ids(const std::string& name) const { return values<std::int32_t>(name); }

std::vector<std::string> Tensors::names() const {
  std::vector<std::string> out;
  if (!file_) return out;
  for (const auto& view : file_->tensors()) out.push_back(view.name);
  return out;
}

std::string joined(const Ids& ids) { return fmt::format("{}", fmt::join(ids, ",")); }

Process CliTest::start(const std::vector<std::string>& arguments, const Process::Environment& more) {
  Process::Environment environment{
      {"ADDER_CACHE", ADDER_TEST_CACHE}, {"ADDER_PLUGIN", test_plugin()}, {"ADDER_NO_TUNE", "1"}};
  environment.insert(environment.end(), more.begin(), more.end());
  return Process(ADDER_BINARY, arguments, environment);
}

Json CliTest::json(std::vector<std::string> arguments) {
  arguments.push_back("--json");
  const Outcome outcome = adder(arguments);
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(outcome.out.find('\n'), outcome.out.size() - 1) << outcome.out;
  auto parsed = parse_json(outcome.out, "stdout");
  if (parsed) return *std::move(parsed);
  throw std::runtime_error(parsed.error().to_string() + "\n" + outcome.err);  // fails the test
}

void expect_failure(const Outcome& outcome, int code, const std::string& text) {
  EXPECT_EQ(outcome.exit_code, code) << "signal " << outcome.signal << "\n" << outcome.err;
  EXPECT_EQ(outcome.out, "");
  // On a slow machine notes of progress come first: "compiling: 40%, 2 s".
  static const std::regex kProgress("[^\n]*: ([0-9]+%, )?[0-9]+ s\n");
  EXPECT_THAT(std::regex_replace(outcome.err, kProgress, ""), StartsWith("error: "));
  EXPECT_THAT(outcome.err, HasSubstr(text));
}

}  // namespace adder::test
