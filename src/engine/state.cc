#include "engine/state.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace adder::engine {

std::int64_t State::bytes() const {
  std::int64_t n = 0;
  for (const pjrt::Buffer& b : buffers) n += b.shape().bytes();
  return n;
}

Result<std::vector<std::int64_t>> State::positions() const {
  if (buffers.empty()) return fail(ErrorCode::failed_precondition, "the state is empty");
  ADDER_TRY(const std::vector<std::int32_t> read, buffers.back().to_host<std::int32_t>());
  return std::vector<std::int64_t>(read.begin(), read.end());
}

Result<pjrt::Event> State::ready() const {
  if (buffers.empty()) return fail(ErrorCode::failed_precondition, "the state is empty");
  return buffers.back().ready();
}

Result<State> State::clone(const pjrt::Device& device) const {
  State copy{.buffers = {}, .batch = batch};
  for (const pjrt::Buffer& from : buffers) {
    ADDER_TRY(pjrt::Buffer to, from.copy_to_device(device));
    copy.buffers.push_back(std::move(to));
  }
  return copy;
}

Result<pjrt::Buffer> StatePrograms::upload(std::span<const std::int32_t> rows, std::int64_t limit) const {
  for (const std::int32_t row : rows)
    if (row < 0 || row >= limit)
      return fail(ErrorCode::invalid_argument, fmt::format("row {} of a state of {} rows", row, limit));
  return client_.to_device(rows.data(), Shape{DType::s32, {static_cast<std::int64_t>(rows.size())}}, device_);
}

Result<State> StatePrograms::zero(std::int64_t batch) const {
  ADDER_TRY(const ProgramRef program, programs_.state({.op = StateSpec::Op::zero, .batch = batch}));
  ADDER_TRY(std::vector<pjrt::Buffer> buffers, program->executable.execute({}));
  return State{.buffers = std::move(buffers), .batch = batch};
}

Result<State> StatePrograms::gather(const State& from, std::span<const std::int32_t> rows) const {
  const auto batch = static_cast<std::int64_t>(rows.size());
  ADDER_TRY(const ProgramRef program,
            programs_.state({.op = StateSpec::Op::gather, .batch = batch, .other = from.batch}));
  ADDER_TRY(const pjrt::Buffer index, upload(rows, from.batch));
  std::vector<const pjrt::Buffer*> arguments;
  for (const pjrt::Buffer& b : from.buffers) arguments.push_back(&b);
  arguments.push_back(&index);
  ADDER_TRY(std::vector<pjrt::Buffer> buffers, program->executable.execute(arguments));
  return State{.buffers = std::move(buffers), .batch = batch};
}

Status StatePrograms::scatter(State& into, const State& from, std::span<const std::int32_t> rows) const {
  if (static_cast<std::int64_t>(rows.size()) != from.batch)
    return fail(ErrorCode::invalid_argument,
                fmt::format("{} rows for a state of {}", rows.size(), from.batch));
  ADDER_TRY(const ProgramRef program,
            programs_.state({.op = StateSpec::Op::scatter, .batch = into.batch, .other = from.batch}));
  ADDER_TRY(const pjrt::Buffer index, upload(rows, into.batch));
  std::vector<const pjrt::Buffer*> arguments;
  for (const pjrt::Buffer& b : into.buffers) arguments.push_back(&b);
  for (const pjrt::Buffer& b : from.buffers) arguments.push_back(&b);
  arguments.push_back(&index);
  ADDER_TRY(into.buffers, program->executable.execute(arguments));
  return {};
}

namespace {

/// [rows,columns] -> [columns,rows], elements of `size` bytes.
std::vector<std::byte> transposed(std::span<const std::byte> x, std::int64_t rows, std::int64_t columns,
                                  std::int64_t size) {
  std::vector<std::byte> out(x.size());
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t c = 0; c < columns; ++c)
      std::memcpy(out.data() + (c * rows + r) * size, x.data() + (r * columns + c) * size,
                  static_cast<std::size_t>(size));
  return out;
}

/// One row's bytes as they lie on the device.
std::vector<std::byte> device_bytes(const arch::StateField& field, const HostState::Field& from) {
  std::vector<std::byte> out = from.bytes;
  if (field.transposed) out = transposed(from.bytes, field.row[1], field.row[0], byte_size(field.dtype));
  out.resize(static_cast<std::size_t>(field.shape(1).bytes()));  // kv beyond the position: zeros
  return out;
}

}  // namespace

std::span<const float> HostState::floats(std::string_view name) const {
  for (const Field& field : fields)
    if (field.name == name && field.shape.dtype == DType::f32)
      return {reinterpret_cast<const float*>(field.bytes.data()), field.bytes.size() / sizeof(float)};
  return {};
}

Shape file_shape(const arch::StateField& field, std::int64_t position) {
  Shape out{field.dtype, field.file};
  if (field.kind == arch::StateField::Kind::kv) out.dims.at(0) = std::min(position, out.dims.at(0));
  return out;
}

Result<HostState> to_host(const StatePrograms& programs, const State& state, const model::ModelSpec& model,
                          std::int64_t row) {
  const std::int32_t index[] = {static_cast<std::int32_t>(row)};
  State one;
  if (state.batch != 1 || row != 0) {
    ADDER_TRY(one, programs.gather(state, index));
  }
  const State& from = one.buffers.empty() ? state : one;
  HostState out;
  ADDER_TRY(const std::vector<std::int64_t> positions, from.positions());
  out.position = positions.front();
  for (std::size_t i = 0; i + 1 < model.state.size(); ++i) {
    const arch::StateField& field = model.state[i];
    HostState::Field to{.name = field.name, .shape = file_shape(field, out.position), .bytes = {}};
    to.bytes.resize(static_cast<std::size_t>(field.shape(1).bytes()));
    ADDER_CHECK(from.buffers[i].to_host(to.bytes));
    if (field.transposed) to.bytes = transposed(to.bytes, field.row[0], field.row[1], byte_size(field.dtype));
    to.bytes.resize(static_cast<std::size_t>(to.shape.bytes()));
    out.fields.push_back(std::move(to));
  }
  return out;
}

Result<State> to_device(const std::vector<HostState>& rows, const StatePrograms& programs,
                        const model::ModelSpec& model, const pjrt::Client& client,
                        const pjrt::Device& device) {
  State all;
  for (std::size_t r = 0; r < rows.size(); ++r) {
    State one{.buffers = {}, .batch = 1};
    for (std::size_t i = 0; i + 1 < model.state.size(); ++i) {
      const std::vector<std::byte> bytes = device_bytes(model.state[i], rows[r].fields.at(i));
      ADDER_TRY(pjrt::Buffer buffer, client.to_device(bytes.data(), model.state[i].shape(1), device));
      one.buffers.push_back(std::move(buffer));
    }
    const auto position = static_cast<std::int32_t>(rows[r].position);
    ADDER_TRY(pjrt::Buffer buffer, client.to_device(&position, model.state.back().shape(1), device));
    one.buffers.push_back(std::move(buffer));
    if (rows.size() == 1) return one;
    if (r == 0) {
      ADDER_TRY(all, programs.zero(static_cast<std::int64_t>(rows.size())));
    }
    const std::int32_t index[] = {static_cast<std::int32_t>(r)};
    ADDER_CHECK(programs.scatter(all, one, index));
  }
  return all;
}

}  // namespace adder::engine
