#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>

#include "engine/platform.h"
#include "engine/session.h"

namespace adder::engine {

namespace {

Status check_options(const Session& session, std::span<const std::vector<std::int32_t>> prompts,
                     const GenerationOptions& o) {
  const auto batch = static_cast<std::size_t>(session.state().batch);
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
  if (o.longest_call && !(o.longest_call->count() > 0))
    return fail(ErrorCode::invalid_argument,
                fmt::format("longest_call is {} s, expected more than 0", o.longest_call->count()));
  return {};
}

std::int64_t most(const std::vector<std::int64_t>& remaining) {
  return *std::max_element(remaining.begin(), remaining.end());
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

std::vector<std::int64_t> block_lengths(std::int64_t block, bool open_loops) {
  std::vector<std::int64_t> out{block};
  for (std::int64_t n = open_loops ? std::int64_t{1} << 11 : 16; n > 0; n /= open_loops ? 2 : 4)
    if (n < block) out.push_back(n);
  return out;
}

DecodeSpec decode_spec(const Engine& engine, const GenerationOptions& options) {
  DecodeSpec spec{.batch = static_cast<std::int64_t>(options.sampling.size()),
                  .steps = options.block,
                  .sampler = sampler_for(options.sampling)};
  spec.sampler.logprobs = options.logprobs;
  if (!options.longest_call) return spec;
  spec.open = options.open_loops.value_or(platform_policy(engine.client().platform_name()).open_loops);
  if (spec.open) return spec;
  const std::int64_t wanted = std::max<std::int64_t>(1, most(options.max_tokens));
  for (const std::int64_t length : block_lengths(options.block, false)) {
    spec.steps = length;
    if (length <= wanted) break;
  }
  return spec;
}

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
  const std::int64_t batch = session_->state().batch, rows = engine.config().padded_vocab_size;
  remaining_ = options.max_tokens;
  stop_ids_ = options.stop_ids;
  ahead_ = options.in_flight;
  wants_logprobs_ = options.logprobs;
  spec_ = decode_spec(engine, options);
  ADDER_TRY(program_, engine.programs().decode(spec_));
  ADDER_CHECK(prepare_lengths(options));

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
  if (spec_.sampler.penalties) {
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

/// Which lengths calls may have, and which the first has: of an open loop one step, from which the speed is
/// known.
Status Generation::prepare_lengths(const GenerationOptions& options) {
  steps_ = spec_.steps;
  if (!options.longest_call) return {};
  const Engine& engine = session_->engine();
  longest_call_ = options.longest_call->count();
  if (!std::isinf(longest_call_)) lengths_ = block_lengths(spec_.steps, spec_.open);
  if (!spec_.open) return {};
  if (!lengths_.empty()) steps_ = lengths_.back();
  for (const std::int64_t length : lengths_.empty() ? std::vector{steps_} : lengths_) {
    const auto limit = static_cast<std::int32_t>(length);
    ADDER_TRY(limits_[length], engine.client().to_device(&limit, Shape{DType::s32, {}}, engine.device()));
  }
  return {};
}

Status Generation::enqueue() {
  std::vector<const pjrt::Buffer*> arguments;
  State& state = session_->state_;
  for (const auto& b : session_->engine().weights()) arguments.push_back(&b);
  for (const auto& b : state.buffers) arguments.push_back(&b);
  for (const auto& b : carried_) arguments.push_back(&b);
  for (const auto& b : fixed_) arguments.push_back(&b);
  if (spec_.open) arguments.push_back(&limits_.at(steps_));
  const auto now = Clock::now();
  ADDER_TRY(std::vector<pjrt::Buffer> results, program_->executable.execute(arguments));

  auto next = results.begin();
  InFlight block{std::move(*next), std::move(*(next + 1)), steps_, spec_.steps, now};
  next += 2;
  for (auto& b : state.buffers) b = std::move(*next++);
  for (auto& b : carried_) b = std::move(*next++);
  in_flight_.push_back(std::move(block));
  enqueued_steps_ += steps_;
  return {};
}

bool Generation::finished() const { return !failure_ && most(remaining_) == 0; }

Result<std::optional<TokenBlock>> Generation::next() {
  if (failure_) return fail(*failure_);
  if (finished()) {
    in_flight_.clear();
    return std::nullopt;
  }
  // Keep blocks computing while another is read (unless in_flight is 1), but none that no row can need.
  while (static_cast<std::int64_t>(in_flight_.size()) < ahead_ &&
         enqueued_steps_ - read_steps_ < most(remaining_))
    ADDER_CHECK(enqueue());
  const InFlight block = std::move(in_flight_.front());
  in_flight_.pop_front();
  ADDER_TRY(TokenBlock out, read(block));
  const bool empty =
      std::all_of(out.tokens.begin(), out.tokens.end(), [](const auto& row) { return row.empty(); });
  if (failure_ && empty) return fail(*failure_);
  return std::optional<TokenBlock>(std::move(out));
}

Result<TokenBlock> Generation::read(const InFlight& block) {
  const auto asked = Clock::now();
  ADDER_TRY(const auto tokens, block.tokens.to_host<std::int32_t>());
  std::vector<float> logprobs;
  if (wants_logprobs_) {
    ADDER_TRY(logprobs, block.logprobs.to_host<float>());
  }
  const std::chrono::duration<double> took = Clock::now() - std::max(block.enqueued, last_read_),
                                      waited = Clock::now() - asked;
  last_read_ = Clock::now();
  read_steps_ += block.steps;
  // A block that had to be waited for only briefly may have been ready for long.
  const double per_step = took.count() / static_cast<double>(block.steps);
  if (waited > took / 10 || step_seconds_ == 0 || per_step < step_seconds_) ADDER_CHECK(adapt(per_step));

  const std::size_t batch = remaining_.size();
  TokenBlock out{.tokens = std::vector<std::vector<std::int32_t>>(batch),
                 .logprobs = std::vector<std::vector<float>>(batch)};
  for (std::size_t b = 0; b < batch; ++b) {
    for (std::int64_t s = 0; s < block.steps && remaining_[b] > 0; ++s) {
      const std::size_t at = b * static_cast<std::size_t>(block.stride) + static_cast<std::size_t>(s);
      const std::int32_t id = tokens[at];
      if (id == kNotFinite) {
        ADDER_TRY(const auto absorbed, session_->state_.positions());
        failure_ = not_finite(fmt::format("the logits at position {}{}", absorbed[b] - 1,
                                          batch > 1 ? fmt::format(" of row {}", b) : ""));
        break;
      }
      out.tokens[b].push_back(id);
      if (wants_logprobs_) out.logprobs[b].push_back(logprobs[at]);
      --remaining_[b];
      if (std::find(stop_ids_.begin(), stop_ids_.end(), id) != stop_ids_.end()) remaining_[b] = 0;
    }
  }
  return out;
}

/// Chooses the length of the calls that follow. Where each length is a program of its own they only become
/// shorter: a slow step gains nothing from longer ones, and what is compiled goes on.
Status Generation::adapt(double seconds_per_step) {
  step_seconds_ = seconds_per_step;
  for (const std::int64_t length : lengths_) {
    if (!spec_.open && length > steps_) continue;
    if (length > 1 && static_cast<double>(length) * seconds_per_step > longest_call_) continue;
    if (!spec_.open && length != spec_.steps) {
      spec_.steps = length;
      ADDER_TRY(program_, session_->engine().programs().decode(spec_));
    }
    steps_ = length;
    break;
  }
  return {};
}

}  // namespace adder::engine
