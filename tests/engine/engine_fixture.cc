#include "engine_fixture.h"

#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <map>
#include <stdexcept>

#include "base/testing.h"

namespace adder::engine {

Difference difference(std::span<const float> actual, std::span<const float> expected) {
  EXPECT_EQ(actual.size(), expected.size());
  Difference d;
  if (actual.size() != expected.size()) return {.max = HUGE_VAL, .rmse = HUGE_VAL, .scale = 1};
  for (std::size_t i = 0; i < actual.size(); ++i) {
    const double gap = std::fabs(static_cast<double>(actual[i]) - expected[i]);
    d.max = std::isnan(gap) ? HUGE_VAL : std::max(d.max, gap);
    d.rmse += gap * gap;
    d.scale = std::max(d.scale, std::fabs(static_cast<double>(expected[i])));
  }
  d.rmse = std::sqrt(d.rmse / std::max<double>(1, static_cast<double>(actual.size())));
  return d;
}

namespace {
/// $ADDER_SOURCE_DIR where it is set: bench/device runs these tests on another machine than built them.
std::filesystem::path source_dir() {
  const char* elsewhere = std::getenv("ADDER_SOURCE_DIR");
  return elsewhere != nullptr ? elsewhere : ADDER_SOURCE_DIR;
}
}  // namespace

Golden::Golden(const std::string& name) {
  auto file = formats::SafetensorsFile::open(source_dir() / "tests/goldens" / name / "expected.safetensors");
  if (!file) throw std::runtime_error(file.error().to_string());
  file_ = *std::move(file);
}

Ids Golden::ids(const char* tensor) const {
  const formats::TensorView* view = file_->find(tensor);
  if (!view) throw std::runtime_error(std::string("no tensor ") + tensor);
  Ids out(static_cast<std::size_t>(view->shape.elements()));
  std::memcpy(out.data(), view->bytes.data(), view->bytes.size());
  return out;
}

std::vector<float> Golden::floats(const std::string& tensor) const {
  const formats::TensorView* view = file_->find(tensor);
  if (!view) throw std::runtime_error("no tensor " + tensor);
  std::vector<float> out(static_cast<std::size_t>(view->shape.elements()));
  std::memcpy(out.data(), view->bytes.data(), view->bytes.size());
  return out;
}

std::vector<OwnedTensor> tensors_of(const checkpoint::Checkpoint& source) {
  std::vector<OwnedTensor> out;
  for (const auto& [spec, view] : source.entries()) {
    OwnedTensor t{{.name = spec.name, .shape = {DType::f32, view.shape.dims}, .bytes = {}, .file = {}}, {}};
    t.values.resize(static_cast<std::size_t>(view.shape.elements()));
    EXPECT_TRUE(formats::read_as_f32(view, t.values));
    out.push_back(std::move(t));
  }
  return out;
}

void write_tensors(const std::filesystem::path& path, std::vector<OwnedTensor>& tensors) {
  std::vector<formats::TensorView> views;
  for (OwnedTensor& t : tensors) {
    t.view.bytes = std::as_bytes(std::span(t.values));
    views.push_back(t.view);
  }
  EXPECT_TRUE(formats::write_safetensors(path, views));
}

std::vector<std::string> EngineTest::plugins() { return adder::testing::plugin_paths(); }

void EngineTest::SetUp() {
  if (plugins().empty()) GTEST_SKIP() << "no plugin: set ADDER_TEST_PLUGINS=path:path";
}

std::filesystem::path EngineTest::golden_dir(const std::string& name) {
  return source_dir() / "tests/goldens" / name;
}
std::filesystem::path EngineTest::demo_dir() { return source_dir() / "models/austen-3.6m"; }

namespace {
/// RapidCheck's hundred cases a property are many where each runs a model; a run that asks for more gets
/// them.
[[maybe_unused]] const int kFewCases = setenv("RC_PARAMS", "max_success=20", /*overwrite=*/0);

/// ctest runs each test in its own process; compiled programs are shared between them.
std::filesystem::path cache_dir() {
  return std::filesystem::path(::testing::TempDir()) / ("adder-test-cache-" + std::to_string(getuid()));
}
}  // namespace

namespace {

using Engines = std::map<std::pair<std::string, std::string>, Engine>;

Engines& engine_cache() {
  static Engines cache;
  return cache;
}

/// Ends the clients before the process runs its static destructors; see ../op/op_fixture.cc.
struct CloseEngines : ::testing::Environment {
  void TearDown() override { engine_cache().clear(); }
};
[[maybe_unused]] const auto* const kCloseEngines = ::testing::AddGlobalTestEnvironment(new CloseEngines);

}  // namespace

Engine& EngineTest::engine(const std::string& plugin, const std::filesystem::path& model, DType weights,
                           const std::string& policy) {
  const auto key = std::make_pair(plugin, model.string() + " " + std::string(name(weights)) + " " + policy);
  if (auto found = engine_cache().find(key); found != engine_cache().end()) return found->second;
  std::optional<bool> preallocate;  // several clients share a GPU here
  if (plugin.find("cuda") != std::string::npos) preallocate = false;
  auto made = Engine::open({.model = model,
                            .plugin = plugin,
                            .weight_dtype = weights,
                            .preallocate = preallocate,
                            .policy = policy,
                            .dump_hlo = {},
                            .cache_dir = cache_dir()});
  if (!made) throw std::runtime_error(made.error().to_string());
  if (auto loaded = made->load(); !loaded) throw std::runtime_error(loaded.error().to_string());
  return engine_cache().emplace(key, *std::move(made)).first->second;
}

void absorb(const Engine& engine, const Ids& ids, const std::vector<std::size_t>& split, HostState* out) {
  ASSIGN_OK(State zero, engine.zero_state());
  Session session(engine, std::move(zero));
  std::size_t at = 0;
  const auto feed = [&](std::size_t n) {
    const Rows rows{Ids(ids.begin() + static_cast<std::ptrdiff_t>(at),
                        ids.begin() + static_cast<std::ptrdiff_t>(at + n))};
    at += n;
    return session.extend(rows);
  };
  for (const std::size_t n : split) ASSERT_OK(feed(std::min(n, ids.size() - at)));
  if (at < ids.size()) ASSERT_OK(feed(ids.size() - at));
  ASSIGN_OK(*out, to_host(engine.states(), session.state(), engine.model()));
}

void generate(const Engine& engine, const Ids& prompt, const SamplingOptions& sampling, std::int64_t n,
              std::int64_t block, Ids* out) {
  ASSIGN_OK(State zero, engine.zero_state());
  Session session(engine, std::move(zero));
  const Rows head{Ids(prompt.begin(), prompt.end() - 1)}, whole{prompt};
  ASSERT_OK(session.extend(head));
  ASSIGN_OK(Generation generation,
            Generation::start(session, whole,
                              {.sampling = {sampling}, .stop_ids = {}, .max_tokens = {n}, .block = block}));
  while (true) {
    ASSIGN_OK(const auto tokens, generation.next());
    if (!tokens) return;
    out->insert(out->end(), tokens->tokens[0].begin(), tokens->tokens[0].end());
  }
}

}  // namespace adder::engine
