#include "engine/state.h"

#include <fmt/format.h>

#include <algorithm>

namespace adder::engine {

namespace {

/// [rows,columns] -> [columns,rows].
std::vector<float> transposed(const float* x, std::int64_t rows, std::int64_t columns) {
  std::vector<float> out(static_cast<std::size_t>(rows * columns));
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t c = 0; c < columns; ++c)
      out[static_cast<std::size_t>(c * rows + r)] = x[r * columns + c];
  return out;
}

/// Fills a model::State<Buffer> by make(shape, layer index, is_conv) -> Result<Buffer>.
template <class Make>
Result<model::State<pjrt::Buffer>> make_layers(const model::State<Shape>& shapes, Make&& make) {
  model::State<pjrt::Buffer> out(shapes.size());
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    ADDER_TRY(out[i].conv, make(shapes[i].conv, i, true));
    ADDER_TRY(out[i].ssm, make(shapes[i].ssm, i, false));
  }
  return out;
}

}  // namespace

std::int64_t State::bytes() const {
  std::int64_t n = 0;
  model::visit_state([&](const std::string&, const pjrt::Buffer& b) { n += b.shape().bytes(); }, layers);
  return n;
}

Result<State> State::zero(const pjrt::Client& client, const model::Mamba2Config& config, std::int64_t batch,
                          const pjrt::Device& device) {
  const auto shapes = model::state_shapes(config, batch);
  const std::int64_t largest = std::max(shapes[0].conv.bytes(), shapes[0].ssm.bytes());
  const std::vector<std::byte> zeros(static_cast<std::size_t>(largest));
  State state;
  ADDER_TRY(state.layers, make_layers(shapes, [&](const Shape& shape, std::size_t, bool) {
              return client.to_device(zeros.data(), shape, device);
            }));
  state.positions.assign(static_cast<std::size_t>(batch), 0);
  return state;
}

Result<State> State::clone(const pjrt::Device& device) const {
  State copy;
  copy.layers.resize(layers.size());
  Status status;
  model::visit_state(
      [&](const std::string&, const pjrt::Buffer& from, pjrt::Buffer& to) {
        if (!status) return;
        if (auto copied = from.copy_to_device(device)) {
          to = *std::move(copied);
        } else {
          status = fail(std::move(copied).error());
        }
      },
      layers, copy.layers);
  ADDER_CHECK(std::move(status));
  copy.positions = positions;
  return copy;
}

Result<HostState> to_host(const State& state, const model::Mamba2Config& config, std::int64_t row) {
  HostState out;
  out.position = state.positions.at(static_cast<std::size_t>(row));
  const std::int64_t window = config.d_conv - 1, channels = config.conv_dim();
  const std::int64_t ssm_size = config.d_inner() * config.d_state;
  for (const auto& layer : state.layers) {
    ADDER_TRY(const auto conv, layer.conv.to_host<float>());
    ADDER_TRY(const auto ssm, layer.ssm.to_host<float>());
    const float* own = ssm.data() + row * ssm_size;
    out.layers.push_back({transposed(conv.data() + row * window * channels, window, channels),
                          std::vector<float>(own, own + ssm_size)});
  }
  return out;
}

Result<State> to_device(const std::vector<HostState>& rows, const model::Mamba2Config& config,
                        const pjrt::Client& client, const pjrt::Device& device) {
  const auto batch = static_cast<std::int64_t>(rows.size());
  const std::int64_t window = config.d_conv - 1, channels = config.conv_dim();
  State state;
  ADDER_TRY(state.layers, make_layers(model::state_shapes(config, batch), [&](const Shape& shape,
                                                                              std::size_t i, bool is_conv) {
              std::vector<float> all;
              for (const HostState& row : rows) {
                const auto part =
                    is_conv ? transposed(row.layers[i].conv.data(), channels, window) : row.layers[i].ssm;
                all.insert(all.end(), part.begin(), part.end());
              }
              return client.to_device(all.data(), shape, device);
            }));
  for (const HostState& row : rows) state.positions.push_back(row.position);
  return state;
}

}  // namespace adder::engine
