#include "op_fixture.h"

#include <cmath>
#include <optional>

#include "base/testing.h"
#include "hlo/literal.h"

namespace adder::op {
namespace {

using adder::testing::plugin_paths;

std::string to_bytes(const Tensor& t) {
  std::string bytes;
  for (double v : t.values) bytes += hlo::encode(t.shape.dtype, v);
  return bytes;
}

double element(DType dtype, std::string_view bytes) {
  if (is_float(dtype)) return hlo::decode_float(dtype, bytes);
  const std::uint64_t bits = hlo::decode_bits(bytes);
  if (!is_signed_integer(dtype)) return static_cast<double>(bits);
  const int unused = static_cast<int>(64 - 8 * bytes.size());
  return static_cast<double>(static_cast<std::int64_t>(bits << unused) >> unused);
}

void compare(const Tensor& actual, const Tensor& expected, double tolerance) {
  ASSERT_EQ(to_string(actual.shape), to_string(expected.shape));
  ASSERT_EQ(actual.values.size(), expected.values.size());
  for (std::size_t i = 0; i < expected.values.size(); ++i) {
    const double a = actual.values[i], e = expected.values[i];
    const bool same = a == e || (std::isnan(a) && std::isnan(e)) ||
                      std::fabs(a - e) <= tolerance * std::max(1.0, std::fabs(e));
    EXPECT_TRUE(same) << "element " << i << " is " << a << ", expected " << e;
  }
}

}  // namespace

void OpTest::SetUp() {
  if (plugin_paths().empty()) GTEST_SKIP() << "no plugin: set ADDER_TEST_PLUGINS=path:path";
  ASSERT_EQ(clients().size(), plugin_paths().size()) << "a plugin does not load; see the messages above";
}

namespace {

using Clients = std::vector<std::pair<std::string, pjrt::Client>>;

std::optional<Clients>& client_cache() {
  static std::optional<Clients> cache;
  return cache;
}

/// Ends the clients, and with them the plugins' threads, before the process runs its static destructors: a
/// plugin's thread that outlives the plugin's own statics aborts (seen with XLA's CPU plugins).
struct CloseClients : ::testing::Environment {
  void TearDown() override { client_cache().reset(); }
};
[[maybe_unused]] const auto* const kCloseClients = ::testing::AddGlobalTestEnvironment(new CloseClients);

}  // namespace

const std::vector<std::pair<std::string, pjrt::Client>>& OpTest::clients() {
  std::optional<Clients>& cache = client_cache();
  if (cache) return *cache;
  cache.emplace();
  for (const std::string& path : plugin_paths()) {
    auto plugin = pjrt::Plugin::open(path);
    EXPECT_TRUE(plugin) << plugin.error().to_string();
    if (!plugin) continue;
    auto client = pjrt::Client::create(*plugin);
    EXPECT_TRUE(client) << client.error().to_string();
    if (client) cache->emplace_back(path, *client);
  }
  return *cache;
}

Result<std::vector<Tensor>> OpTest::run(const pjrt::Client& client, const std::string& program,
                                        const std::vector<Tensor>& inputs) {
  ADDER_TRY(const auto executable, client.compile(program));
  std::vector<pjrt::Buffer> buffers;
  for (const Tensor& t : inputs) {
    const std::string bytes = to_bytes(t);
    ADDER_TRY(auto buffer, client.to_device(bytes.data(), t.shape, client.default_device()));
    buffers.push_back(std::move(buffer));
  }
  std::vector<const pjrt::Buffer*> arguments;
  for (const pjrt::Buffer& b : buffers) arguments.push_back(&b);
  ADDER_TRY(const auto outputs, executable.execute(arguments));
  std::vector<Tensor> results;
  for (const pjrt::Buffer& output : outputs) {
    Tensor t{output.shape(), {}};
    std::string bytes(static_cast<std::size_t>(t.shape.bytes()), '\0');
    ADDER_CHECK(output.to_host(std::as_writable_bytes(std::span(bytes))));
    const auto size = static_cast<std::size_t>(byte_size(t.shape.dtype));
    for (std::size_t at = 0; at < bytes.size(); at += size)
      t.values.push_back(element(t.shape.dtype, std::string_view(bytes).substr(at, size)));
    results.push_back(std::move(t));
  }
  return results;
}

void OpTest::expect(const std::vector<Tensor>& inputs, const Build& build,
                    const std::vector<Tensor>& expected, double tolerance) {
  hlo::Module module("op");
  hlo::Function& main = module.main();
  hlo::Values arguments;
  for (const Tensor& t : inputs) arguments.push_back(main.argument(t.shape));
  std::vector<hlo::NamedValue> results;
  for (const hlo::Value& v : build(arguments)) results.push_back({"", v});
  main.finish(std::move(results));
  const std::string program = module.text();
  for (const auto& [path, client] : clients()) {
    SCOPED_TRACE(path + "\n" + program);
    const auto actual = run(client, program, inputs);
    ASSERT_TRUE(actual) << actual.error().to_string();
    ASSERT_EQ(actual->size(), expected.size());
    for (std::size_t i = 0; i < expected.size(); ++i) {
      SCOPED_TRACE("result " + std::to_string(i));
      compare((*actual)[i], expected[i], tolerance);
    }
  }
}

void OpTest::expect_one(const std::vector<Tensor>& inputs,
                        const std::function<hlo::Value(const hlo::Values&)>& build, const Tensor& expected,
                        double tolerance) {
  expect(
      inputs, [&](const hlo::Values& v) -> hlo::Values { return {build(v)}; }, {expected}, tolerance);
}

}  // namespace adder::op
