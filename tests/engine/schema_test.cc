// The schema holds for state that grows: a toy architecture whose one layer is attention with a cache of
// keys and values. Its programs, slots and snapshots come from the same lists as everybody's; no file but
// this one knows it. Also what moves states about: zero, gather, scatter.

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "../op/op_fixture.h"
#include "base/testing.h"
#include "engine/snapshot.h"
#include "engine_fixture.h"
#include "hlo/arith.h"
#include "model/layers.h"

namespace adder::engine {
namespace {

constexpr std::int64_t kWidth = 8, kIds = 16, kCapacity = 12;

struct ToyConfig final : arch::Config {
  ToyConfig() { d_model = kWidth, n_layer = 1, vocab_size = padded_vocab_size = kIds; }
  std::string_view architecture() const override { return "toy"; }
  std::string_view title() const override { return "Toy"; }
  std::vector<arch::TensorField> tensors() const override {
    arch::TensorList t("layers.");
    t.outside("embed.weight", "embedding.weight", "", {kIds, kWidth}).matrix = true;
    t.begin_layer(0);
    for (const char* name : {"q.weight", "k.weight", "v.weight", "o.weight"})
      t.matrix(name, "", kWidth, kWidth);
    t.outside("norm.weight", "final_norm.weight", "", {kWidth});
    return std::move(t).take();
  }
  std::vector<arch::StateField> layer_state(std::int64_t capacity) const override {
    std::vector<arch::StateField> out;
    for (const char* name : {"attn_key", "attn_value"})
      out.push_back({.kind = arch::StateField::Kind::kv,
                     .name = std::string(name) + ".0",
                     .local = name,
                     .layer = 0,
                     .row = {capacity, kWidth},
                     .file = {capacity, kWidth}});
    return out;
  }
  OrderedJson facts() const override { return {{"width", kWidth}}; }
  std::string describe() const override { return "a toy"; }
  OrderedJson hugging_face() const override { return OrderedJson::object(); }
};

/// x + attention(x), one head, over a cache of keys and values. Legend: C capacity.
struct ToyGraph final : model::LayerGraph {
  bool reads_position(std::int64_t) const override { return true; }

  model::LayerOut layer(const model::LayerIn& in) const override {
    using namespace hlo;  // NOLINT: graph code reads as mathematics
    Function& f = in.x.function();
    const std::int64_t b = in.x.dim(0), t = in.x.dim(1);
    const auto project = [&](const char* name) { return linear(in.policy, in.x, in.weights.matrix(name)); };
    const Shape grid{DType::s32, {b, kCapacity, t}};
    Value begin = view(in.place.position, {b, 1, 1}), slot = iota(f, grid, 1), token = iota(f, grid, 2);
    // Token j of these lies in slot position + j.
    Value written = and_(broadcast_to(eq(slot, token + begin), grid.dims),
                         broadcast_to(lt(token, view(in.place.lengths, {b, 1, 1})), grid.dims));
    Value any = expand_dims(reduce(written, Reduction::or_, {2}), -1);  // [B,C,1]
    model::LayerOut out{.x = in.x, .state = {}};
    const auto remember = [&](const char* name, Value rows) {
      Value placed = dot_general(
          convert(written, DType::f32), rows,
          {.lhs_batching = {0}, .rhs_batching = {0}, .lhs_contracting = {2}, .rhs_contracting = {1}});
      Value cache = hlo::where(any, placed, in.state[name]);  // [B,C,D]
      out.state.add(name, cache);
      return cache;
    };
    Value keys = remember("attn_key", project("k")), values = remember("attn_value", project("v"));
    Value scores = dot_general(project("q"), keys,
                               {.lhs_batching = {0},
                                .rhs_batching = {0},
                                .lhs_contracting = {2},
                                .rhs_contracting = {2}});  // [B,T,C]
    const Shape square{DType::s32, {b, t, kCapacity}};
    Value visible = le(iota(f, square, 2), iota(f, square, 1) + begin);
    scores = hlo::where(visible, scores, -std::numeric_limits<double>::infinity());
    Value mass = exponential(scores - max_over(scores, 2, true));
    Value read = dot_general(mass / sum(mass, 2, true), values,
                             {.lhs_batching = {0},
                              .rhs_batching = {0},
                              .lhs_contracting = {2},
                              .rhs_contracting = {1}});  // [B,T,D]
    out.x = in.x + linear(in.policy, read, in.weights.matrix("o"));
    return out;
  }
};

struct Toy {
  Toy(const pjrt::Client& on)
      : client(on),
        programs(client,
                 model::make_spec(std::make_shared<const ToyConfig>(), std::make_shared<const ToyGraph>(), {},
                                  DType::f32, kCapacity),
                 {}),
        states(programs, client, client.default_device()) {
    float next = 0.1F;
    for (const arch::Parameter& p : programs.model().parameters) {
      std::vector<float> values(static_cast<std::size_t>(p.shape.elements()));
      for (float& x : values) x = std::sin(next += 0.7F);
      weights.push_back(*client.to_device(values.data(), p.shape, client.default_device()));
    }
  }

  /// Absorbs rows[b] into row b of `state`; logits [B,V] at each row's last token.
  std::vector<float> extend(State& state, const Rows& rows) {
    std::size_t longest = 1;
    for (const Ids& row : rows) longest = std::max(longest, row.size());
    const auto batch = static_cast<std::int64_t>(rows.size()), tokens = static_cast<std::int64_t>(longest);
    const ProgramRef program =
        *programs.extend({.batch = batch, .tokens = tokens, .outputs = ExtendSpec::Outputs::last});
    std::vector<std::int32_t> ids(rows.size() * longest, 0), lengths;
    for (std::size_t b = 0; b < rows.size(); ++b) {
      std::copy(rows[b].begin(), rows[b].end(), ids.begin() + static_cast<std::ptrdiff_t>(b * longest));
      lengths.push_back(static_cast<std::int32_t>(rows[b].size()));
    }
    const pjrt::Buffer id_buffer =
        *client.to_device(ids.data(), Shape{DType::s32, {batch, tokens}}, client.default_device());
    const pjrt::Buffer length_buffer =
        *client.to_device(lengths.data(), Shape{DType::s32, {batch}}, client.default_device());
    std::vector<const pjrt::Buffer*> arguments;
    for (const pjrt::Buffer& w : weights) arguments.push_back(&w);
    for (const pjrt::Buffer& s : state.buffers) arguments.push_back(&s);
    arguments.insert(arguments.end(), {&id_buffer, &length_buffer});
    std::vector<pjrt::Buffer> results = *program->executable.execute(arguments);
    for (std::size_t i = 0; i < state.buffers.size(); ++i) state.buffers[i] = std::move(results[i]);
    return *results.back().to_host<float>();
  }
  std::vector<float> logits_of(const Ids& ids) {
    State state = *states.zero(1);
    return extend(state, Rows{ids});
  }
  HostState host(const State& state, std::int64_t row = 0) {
    return *to_host(states, state, programs.model(), row);
  }

  pjrt::Client client;
  Programs programs;
  StatePrograms states;
  Weights weights;
};

std::vector<float> row_of(const std::vector<float>& logits, std::size_t row) {
  const auto first = logits.begin() + static_cast<std::ptrdiff_t>(row * kIds);
  return {first, first + kIds};
}

void expect_near(const std::vector<float>& a, const std::vector<float>& b) {
  const Difference d = difference(a, b);
  EXPECT_LE(d.max, 2e-5 * d.scale);
}

struct Schema : op::OpTest {};

TEST_F(Schema, ACacheGrowsAndSplitsAnywhere) {
  const Ids ids{3, 9, 1, 14, 14, 0, 7};
  for (const auto& [plugin, client] : clients()) {
    SCOPED_TRACE(plugin);
    Toy toy(client);
    const std::vector<float> whole = toy.logits_of(ids);
    for (std::size_t cut = 1; cut < ids.size(); ++cut) {
      State state = *toy.states.zero(1);
      const auto middle = ids.begin() + static_cast<std::ptrdiff_t>(cut);
      toy.extend(state, Rows{Ids(ids.begin(), middle)});
      expect_near(toy.extend(state, Rows{Ids(middle, ids.end())}), whole);
      EXPECT_EQ(state.positions()->at(0), static_cast<std::int64_t>(ids.size()));
    }
  }
}

TEST_F(Schema, RowsMoveBetweenBatchesOnTheDevice) {
  const Rows rows{{1, 2, 3}, {4}, {5, 6}};
  for (const auto& [plugin, client] : clients()) {
    SCOPED_TRACE(plugin);
    Toy toy(client);
    State three = *toy.states.zero(3);
    toy.extend(three, rows);
    const std::int64_t sent = client.stats().host_to_device_bytes;
    const std::int32_t order[] = {2, 0, 0, 1};
    State four = *toy.states.gather(three, order);
    // Nothing but the indices crossed.
    EXPECT_EQ(client.stats().host_to_device_bytes - sent, static_cast<std::int64_t>(sizeof order));
    EXPECT_EQ(*four.positions(), (std::vector<std::int64_t>{2, 3, 3, 1}));
    const std::vector<float> logits = toy.extend(four, Rows{{7}, {7}, {}, {7}});
    expect_near(row_of(logits, 0), toy.logits_of({5, 6, 7}));
    expect_near(row_of(logits, 1), toy.logits_of({1, 2, 3, 7}));
    expect_near(row_of(logits, 3), toy.logits_of({4, 7}));
    // Row 2 absorbed nothing, and the rows gathered from stayed as they were, bit for bit.
    EXPECT_EQ(toy.host(four, 2).fields[0].bytes, toy.host(three, 0).fields[0].bytes);

    const std::int32_t into[] = {1, 3};
    State two = *toy.states.zero(2);
    toy.extend(two, Rows{{8, 8}, {9}});
    ASSERT_OK(toy.states.scatter(four, two, into));
    EXPECT_EQ(*four.positions(), (std::vector<std::int64_t>{3, 2, 3, 1}));
    EXPECT_EQ(toy.host(four, 1).fields[1].bytes, toy.host(two, 0).fields[1].bytes);
    const auto outside = toy.states.gather(four, std::vector<std::int32_t>{4});
    ASSERT_FALSE(outside);
    EXPECT_EQ(outside.error().code, ErrorCode::invalid_argument);
  }
}

TEST_F(Schema, ASnapshotHoldsWhatIsInUse) {
  const adder::testing::TempDirectory dir;
  for (const auto& [plugin, client] : clients()) {
    SCOPED_TRACE(plugin);
    Toy toy(client);
    State state = *toy.states.zero(2);
    toy.extend(state, Rows{{1, 2}, {3, 4, 5}});
    const Snapshot taken{.state = toy.host(state, 1), .tokens = {3, 4, 5}, .fingerprint = 7};
    EXPECT_EQ(taken.state.position, 3);
    EXPECT_EQ(taken.state.fields[0].shape, (Shape{DType::f32, {3, kWidth}}));
    ASSERT_OK(write_snapshot(dir / "toy", taken, toy.programs.model()));
    ASSIGN_OK(const Snapshot read, read_snapshot(dir / "toy", toy.programs.model(), 7));
    ASSIGN_OK(State restored,
              to_device({read.state}, toy.states, toy.programs.model(), client, client.default_device()));
    EXPECT_EQ(toy.host(restored).fields[1].bytes, taken.state.fields[1].bytes);
    expect_near(toy.extend(restored, Rows{{6}}), toy.logits_of({3, 4, 5, 6}));
  }
}

// Of a batch's row that row is read, not the batch.
TEST_F(Schema, OneRowIsReadAlone) {
  for (const auto& [plugin, client] : clients()) {
    SCOPED_TRACE(plugin);
    Toy toy(client);
    State many = *toy.states.zero(8);
    toy.host(many, 3);
    const std::int64_t before = client.stats().device_to_host_bytes;
    toy.host(many, 3);
    EXPECT_EQ(client.stats().device_to_host_bytes - before, many.bytes() / 8);
  }
}

// States begin on the device: zeros are not uploaded.
TEST_F(Schema, ZerosAreMadeOnTheDevice) {
  for (const auto& [plugin, client] : clients()) {
    SCOPED_TRACE(plugin);
    Toy toy(client);
    const std::int64_t before = client.stats().host_to_device_bytes;
    ASSIGN_OK(const State zero, toy.states.zero(4));
    EXPECT_EQ(client.stats().host_to_device_bytes, before);
    EXPECT_EQ(*zero.positions(), std::vector<std::int64_t>(4, 0));
    const HostState row = toy.host(zero, 2);
    for (const std::byte b : row.fields[0].bytes) EXPECT_EQ(b, std::byte{0});
  }
}

}  // namespace
}  // namespace adder::engine
