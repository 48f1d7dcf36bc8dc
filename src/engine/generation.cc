#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "engine/session.h"

namespace adder::engine {

namespace {

Status check_options(const Session& session, std::span<const std::vector<std::int32_t>> prompts,
                     const GenerationOptions& o) {
  const auto batch = static_cast<std::size_t>(session.state().batch());
  const auto want = [&](const char* what, std::size_t n) -> Status {
    if (n == batch) return {};
    return fail(ErrorCode::invalid_argument, fmt::format("{} {} for a batch of {}", n, what, batch));
  };
  ADDER_CHECK(want("prompts", prompts.size()));
  ADDER_CHECK(want("sampling options", o.sampling.size()));
  ADDER_CHECK(want("token limits", o.max_tokens.size()));
  for (const auto& prompt : prompts)
    if (prompt.empty())
      return fail(ErrorCode::invalid_argument, "the prompt is empty: expected at least one token");
  for (const SamplingOptions& sampling : o.sampling) ADDER_CHECK(validate(sampling));
  if (o.block < 1 || o.block > 4096)
    return fail(ErrorCode::invalid_argument, fmt::format("block is {}, expected 1 to 4096", o.block));
  if (o.in_flight < 1)
    return fail(ErrorCode::invalid_argument,
                fmt::format("in_flight is {}, expected at least 1", o.in_flight));
  if (o.stop_ids.size() > static_cast<std::size_t>(kStopIds))
    return fail(ErrorCode::unsupported,
                fmt::format("{} stop ids, expected at most {}", o.stop_ids.size(), kStopIds));
  return {};
}

SamplerParams<std::vector<std::uint32_t>> host_params(const std::vector<SamplingOptions>& rows) {
  const auto bits = [](double value) { return std::bit_cast<std::uint32_t>(static_cast<float>(value)); };
  SamplerParams<std::vector<std::uint32_t>> p;
  for (const SamplingOptions& o : rows) {
    p.key.push_back(static_cast<std::uint32_t>(o.seed));
    p.key.push_back(static_cast<std::uint32_t>(o.seed >> 32));
    p.temperature.push_back(bits(o.temperature));
    p.top_p.push_back(bits(o.top_p));
    p.min_p.push_back(bits(o.min_p));
    p.repetition_penalty.push_back(bits(o.repetition_penalty));
    p.presence_penalty.push_back(bits(o.presence_penalty));
    p.frequency_penalty.push_back(bits(o.frequency_penalty));
    p.top_k.push_back(static_cast<std::uint32_t>(o.top_k));
  }
  return p;
}

}  // namespace

Result<Generation> Generation::start(Session& session, std::span<const std::vector<std::int32_t>> prompts,
                                     const GenerationOptions& options) {
  ADDER_CHECK(check_options(session, prompts, options));
  ADDER_CHECK(session.check_tokens(prompts));
  Generation generation(session);
  ADDER_CHECK(generation.prepare(prompts, options));
  return generation;
}

Status Generation::prepare(std::span<const std::vector<std::int32_t>> prompts,
                           const GenerationOptions& options) {
  const Engine& engine = session_->engine();
  const std::int64_t batch = session_->state().batch(), rows = engine.config().vocab_rows;
  SamplerSpec sampler = sampler_for(options.sampling);
  sampler.logprobs = options.logprobs;
  remaining_ = options.max_tokens;
  stop_ids_ = options.stop_ids;
  steps_ = options.block;
  ahead_ = options.in_flight;
  wants_logprobs_ = options.logprobs;
  ADDER_TRY(program_, engine.programs().decode({.batch = batch, .steps = steps_, .sampler = sampler}));

  const auto upload = [&](std::vector<pjrt::Buffer>& to, const void* data, DType dtype, Dims dims) -> Status {
    ADDER_TRY(pjrt::Buffer buffer,
              engine.client().to_device(data, Shape{dtype, std::move(dims)}, engine.device()));
    to.push_back(std::move(buffer));
    return {};
  };
  std::vector<std::int32_t> last, budget(remaining_.begin(), remaining_.end());
  for (const auto& prompt : prompts) last.push_back(prompt.back());
  const std::vector<std::uint32_t> counter(static_cast<std::size_t>(batch), 0);
  ADDER_CHECK(upload(carried_, last.data(), DType::s32, {batch}));
  ADDER_CHECK(upload(carried_, counter.data(), DType::u32, {batch}));
  ADDER_CHECK(upload(carried_, budget.data(), DType::s32, {batch}));
  if (sampler.penalties) {
    std::vector<std::int32_t> history(static_cast<std::size_t>(batch * rows), 0);
    for (std::int64_t b = 0; b < batch; ++b)
      for (const std::int32_t id : prompts[static_cast<std::size_t>(b)])
        history[static_cast<std::size_t>(b * rows + id)] = 1;
    ADDER_CHECK(upload(carried_, history.data(), DType::s32, {batch, rows}));
  }
  const auto params = host_params(options.sampling);
  Status status;
  visit_sampler(
      [&](const std::string& name, const std::vector<std::uint32_t>& words) {
        if (!status) return;
        const auto& shape = program_->signature.arguments
                                .at(static_cast<std::size_t>(program_->signature.argument_index(name)))
                                .shape;
        status = upload(fixed_, words.data(), shape.dtype, shape.dims);
      },
      params);
  ADDER_CHECK(std::move(status));
  std::vector<std::int32_t> stops(static_cast<std::size_t>(kStopIds), -1);
  std::copy(stop_ids_.begin(), stop_ids_.end(), stops.begin());
  return upload(fixed_, stops.data(), DType::s32, {kStopIds});
}

Status Generation::enqueue() {
  std::vector<const pjrt::Buffer*> arguments;
  const auto push = [&](const std::string&, const pjrt::Buffer& b) { arguments.push_back(&b); };
  State& state = session_->state_;
  model::visit(push, session_->engine().weights());
  model::visit_state(push, state.layers);
  for (const auto& b : carried_) arguments.push_back(&b);
  for (const auto& b : fixed_) arguments.push_back(&b);
  ADDER_TRY(std::vector<pjrt::Buffer> results, program_->executable.execute(arguments));

  auto next = results.begin();
  InFlight block{std::move(*next), std::move(*(next + 1))};
  next += 2;
  model::visit_state([&](const std::string&, pjrt::Buffer& b) { b = std::move(*next++); }, state.layers);
  for (auto& b : carried_) b = std::move(*next++);
  in_flight_.push_back(std::move(block));
  enqueued_steps_ += steps_;
  return {};
}

bool Generation::finished() const {
  return std::all_of(remaining_.begin(), remaining_.end(), [](std::int64_t n) { return n == 0; });
}

Result<std::optional<TokenBlock>> Generation::next() {
  if (finished()) {
    in_flight_.clear();
    return std::nullopt;
  }
  // Keep blocks computing while another is read (unless in_flight is 1), but none that no row can need.
  const std::int64_t most = *std::max_element(remaining_.begin(), remaining_.end());
  while (static_cast<std::int64_t>(in_flight_.size()) < ahead_ && enqueued_steps_ - read_steps_ < most)
    ADDER_CHECK(enqueue());
  const InFlight block = std::move(in_flight_.front());
  in_flight_.pop_front();
  read_steps_ += steps_;
  ADDER_TRY(const auto tokens, block.tokens.to_host<std::int32_t>());
  std::vector<float> logprobs;
  if (wants_logprobs_) {
    ADDER_TRY(logprobs, block.logprobs.to_host<float>());
  }

  const std::size_t batch = remaining_.size(), steps = static_cast<std::size_t>(steps_);
  TokenBlock out{.tokens = std::vector<std::vector<std::int32_t>>(batch),
                 .logprobs = std::vector<std::vector<float>>(batch)};
  for (std::size_t b = 0; b < batch; ++b) {
    for (std::size_t s = 0; s < steps && remaining_[b] > 0; ++s) {
      const std::int32_t id = tokens[b * steps + s];
      out.tokens[b].push_back(id);
      if (wants_logprobs_) out.logprobs[b].push_back(logprobs[b * steps + s]);
      ++session_->state_.positions[b];
      --remaining_[b];
      if (std::find(stop_ids_.begin(), stop_ids_.end(), id) != stop_ids_.end()) remaining_[b] = 0;
    }
  }
  return out;
}

}  // namespace adder::engine
