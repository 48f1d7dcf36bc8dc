#include "engine/sampler.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "hlo/arith.h"

namespace adder::engine {

using namespace hlo;  // NOLINT: graph code reads as mathematics

namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();

Value column(Value x) { return expand_dims(x, -1); }  // [B] -> [B,1]
/// [B] -> [B,W], the dims of `like`.
Value column_of(Value x, Value like) { return broadcast_to(column(x), like.dims()); }

/// HF's repetition penalty on all tokens seen, OpenAI's presence and frequency penalties on generated ones.
Value penalize(const SamplerParams<Value>& p, Value logits, Value history) {
  Value repetition = column(p.repetition_penalty);
  Value scaled = hlo::where(gt(logits, 0), logits / repetition, logits * repetition);
  Value out = hlo::where(gt(history, 0), scaled, logits);  // [B,V]
  Value times = convert(
      shift_right_arithmetic(history, constant_int(history.function(), DType::s32, 1, history.dims())),
      DType::f32);
  return out - column(p.frequency_penalty) * times - column(p.presence_penalty) * min(times, 1);
}

/// w [B,W] >= 0, running [B,W] its running sums in the order of `label` s32 [B,W] >= 0, target [B] in
/// [0, total): the smallest label of positive weight whose running sum exceeds the target, s32 [B]. Rounding
/// can never select a weight of zero; -1 where no weight is positive.
Value pick(Value w, Value running, Value target, Value label) {
  Value positive = gt(w, 0);
  Value hit = and_(gt(running, column(target)), positive);
  constexpr double kNone = std::numeric_limits<std::int32_t>::max();
  Value first = reduce(hlo::where(hit, label, kNone), Reduction::minimum, {1});
  Value last = reduce(hlo::where(positive, label, -1), Reduction::maximum, {1});
  return min(first, last);
}

Value positions(Value like) { return iota(like.function(), Shape{DType::s32, like.dims()}, 1); }

/// Running sums of w [B,W] along the row, as one product with a triangle of ones.
Value running_sum(Value w) {
  const std::int64_t width = w.dim(1);
  const Shape square{DType::s32, {width, width}};
  Value upper = le(iota(w.function(), square, 0), iota(w.function(), square, 1));
  return dot_general(w, convert(upper, DType::f32), {.lhs_contracting = {1}, .rhs_contracting = {0}});
}

/// x [B,W], index s32 [B] -> [B], x[b, index[b]].
Value at(Value x, Value index) {
  return reduce(hlo::where(eq(positions(x), column(index)), x, 0), Reduction::add, {1});
}

/// What a token of score `best - gap` weighs beside the best one, which weighs 1 exactly. The gap is taken
/// before the division: compilers compute a quotient anew for each op that reads it, once as a product with
/// the reciprocal, and the best token's would then differ from itself (and infinities from each other).
Value weight_of(Value gap, Value is_best, Value temperature) {
  return hlo::where(is_best, 1, exponential(-gap / column(temperature)));
}

/// Among the kCandidates likeliest tokens. scored [B,V]. The draw inverts running sums in the order of token
/// ids, as sample_full does, so that a row's token does not depend on which sampler its neighbours need.
Value sample_candidates(const SamplerParams<Value>& p, Value scored, Value temperature, Value uniform) {
  auto [value, id] = hlo::top_k(scored, std::min(kCandidates, scored.dim(1)));  // [B,K] descending
  Value rank = positions(value), is_best = eq(rank, 0);
  Value gap = slice_axis(value, 1, 0, 1) - value;  // >= 0
  Value weight = weight_of(gap, is_best, temperature);
  weight = hlo::where(or_(lt(rank, column(p.top_k)), is_best), weight, 0);
  Value before = running_sum(weight) - weight;
  Value keep = or_(lt(before, column(p.top_p) * sum(weight, 1, true)), column_of(ge(p.top_p, 1), rank));
  keep = or_(and_(keep, ge(weight, column(p.min_p))), is_best);
  weight = hlo::where(keep, weight, 0);
  Value target = uniform * sum(weight, 1);
  Value not_after = le(expand_dims(id, 1), expand_dims(id, 2));              // [B,K,K]
  Value running = sum(hlo::where(not_after, expand_dims(weight, 1), 0), 2);  // [B,K]
  return pick(weight, running, target, id);
}

/// The smallest cut c such that `enough(gap <= c)` holds, found by bisecting the bit patterns of the
/// non-negative floats (they order as integers). gap >= 0 [B,V]. Returns c [B]; infinity if none is enough.
Value bisect(Value gap, const std::function<Value(Value kept)>& enough) {
  Function& f = gap.function();
  const Dims batch{gap.dim(0)};
  constexpr std::int64_t kInfinityBits = 0x7F800000;
  Value low = constant_int(f, DType::s32, 0, batch), high = constant_int(f, DType::s32, kInfinityBits, batch);
  const Values found = fori(f, 31, {low, high}, [&](Value, const Values& bounds) -> Values {
    Value middle = shift_right_logical(bounds[0] + bounds[1], constant_int(f, DType::s32, 1, batch));
    Value ok = enough(le(gap, column(bitcast_convert(middle, DType::f32))));  // [B]
    return {hlo::where(ok, bounds[0], min(middle + 1, bounds[1])), hlo::where(ok, middle, bounds[1])};
  });
  return bitcast_convert(found[1], DType::f32);
}

/// weight [B,V]: the token whose slice of the total uniform·total falls in. Two levels: rows of a reshaped
/// vocabulary, then inside one row, so that running sums stay short. -1 where no weight is positive, or
/// those of the chosen row are not when computed anew.
Value invert(Value weight, Value uniform) {
  const std::int64_t batch = weight.dim(0), vocab = weight.dim(1);
  const auto width = static_cast<std::int64_t>(std::ceil(std::sqrt(static_cast<double>(vocab))));
  const std::int64_t rows = (vocab + width - 1) / width;
  Value padded = pad(weight, constant(weight.function(), DType::f32, 0), {0, 0}, {0, rows * width - vocab});
  Value table = view(padded, {batch, rows, width});
  Value row_mass = sum(table, -1);  // [B,rows]
  Value running = running_sum(row_mass);
  Value target = uniform * view(slice_axis(running, 1, rows - 1, rows), {batch});
  Value row = pick(row_mass, running, target, positions(row_mass));  // [B]
  Value here = eq(positions(row_mass), column(row));
  Value inside = sum(hlo::where(expand_dims(here, -1), table, 0), 1);  // [B,width]
  Value before = at(running, row) - at(row_mass, row);
  Value place = pick(inside, running_sum(inside), target - before, positions(inside));
  return hlo::where(lt(place, 0), -1, row * static_cast<double>(width) + place);
}

/// Over the whole vocabulary. scored [B,V]. -1 as invert.
Value sample_full(const SamplerSpec& spec, const SamplerParams<Value>& p, Value scored, const Largest& best,
                  Value temperature, Value uniform) {
  Value is_best = eq(positions(scored), column(best.index));
  Value gap = hlo::where(is_best, 0, hlo::max(column(best.value) - scored, 0));  // [B,V] >= 0
  Value weight = weight_of(gap, is_best, temperature);
  Value keep = ge(weight, column(p.min_p));
  if (spec.top_k) {
    Value k = hlo::where(gt(p.top_k, 0), p.top_k, static_cast<double>(scored.dim(1)));
    Value cut = bisect(gap, [&](Value kept) { return ge(sum(convert(kept, DType::s32), 1), k); });
    Value within = le(gap, column(cut));
    keep = and_(keep, within);
    weight = hlo::where(within, weight, 0);
  }
  if (spec.top_p) {
    Value wanted = p.top_p * sum(weight, 1);
    Value cut = bisect(gap, [&](Value kept) { return ge(sum(hlo::where(kept, weight, 0), 1), wanted); });
    keep = and_(keep, or_(le(gap, column(cut)), column_of(ge(p.top_p, 1), gap)));
  }
  return invert(hlo::where(or_(keep, is_best), weight, 0), uniform);
}

}  // namespace

Draw sample(const SamplerSpec& spec, const SamplerParams<Value>& p, Value logits, std::int64_t vocab_size,
            std::optional<Value> history, Value uniform) {
  const std::int64_t rows = logits.dim(1);
  if (vocab_size < rows) {
    Value id = iota(logits.function(), Shape{DType::s32, {1, rows}}, 1);
    logits = hlo::where(lt(id, static_cast<double>(vocab_size)), logits, -kInf);
  }
  Value scored = history ? penalize(p, logits, *history) : logits;
  const Largest best = largest(scored);
  Value token = best.index;
  if (spec.method != SamplerSpec::Method::greedy) {
    Value sampled = gt(p.temperature, 0);
    Value temperature = hlo::where(sampled, p.temperature, 1);
    Value drawn = spec.method == SamplerSpec::Method::candidates
                      ? sample_candidates(p, scored, temperature, uniform)
                      : sample_full(spec, p, scored, best, temperature, uniform);
    // Nothing may drop the best token: where rounding leaves no other, it is what remains.
    token = hlo::where(and_(sampled, ge(drawn, 0)), drawn, best.index);
  }
  if (!spec.logprobs) return {token, zeros(logits.function(), {DType::f32, {logits.dim(0)}})};
  const Largest top = history ? largest(logits) : best;
  Value log_mass = log(sum(exponential(logits - column(top.value)), 1));  // [B]
  return {token, hlo::min(at(logits, token) - top.value - log_mass, 0)};
}

SamplerSpec sampler_for(std::span<const SamplingOptions> rows) {
  SamplerSpec spec;
  bool all_candidates = true, any_sampled = false;
  for (const SamplingOptions& o : rows) {
    spec.penalties |= o.penalizes();
    if (o.greedy()) continue;
    any_sampled = true;
    all_candidates &= o.top_k >= 1 && o.top_k <= kCandidates;
    spec.top_k |= o.top_k > 0;
    spec.top_p |= o.top_p < 1;
  }
  if (any_sampled) spec.method = all_candidates ? SamplerSpec::Method::candidates : SamplerSpec::Method::full;
  if (spec.method != SamplerSpec::Method::full) spec.top_k = spec.top_p = false;
  return spec;
}

Status validate(const SamplingOptions& o) {
  const auto check = [](const char* option, double value, double low, double high, bool open_low) -> Status {
    if (value <= high && (open_low ? value > low : value >= low)) return {};
    return fail(ErrorCode::invalid_argument,
                fmt::format("{} is {}, expected {}{}, {}]", option, value, open_low ? "(" : "[", low, high));
  };
  // Ranges are such that no quotient or product of a logit overflows or vanishes in float32.
  constexpr double kColdest = 1e-30, kHottest = 1e30, kLargestPenalty = 1e6;
  if (o.temperature != 0 && !(o.temperature >= kColdest && o.temperature <= kHottest))
    return fail(ErrorCode::invalid_argument, fmt::format("temperature is {}, expected 0 (greedy) or [{}, {}]",
                                                         o.temperature, kColdest, kHottest));
  ADDER_CHECK(check("top_k", static_cast<double>(o.top_k), 0, 1e9, false));
  ADDER_CHECK(check("top_p", o.top_p, 0, 1, true));
  ADDER_CHECK(check("min_p", o.min_p, 0, 1, false));
  ADDER_CHECK(check("repetition_penalty", o.repetition_penalty, 1e-6, kLargestPenalty, false));
  ADDER_CHECK(check("presence_penalty", o.presence_penalty, -kLargestPenalty, kLargestPenalty, false));
  return check("frequency_penalty", o.frequency_penalty, -kLargestPenalty, kLargestPenalty, false);
}

std::string to_string(const SamplerSpec& spec) {
  static constexpr const char* kNames[] = {"greedy", "candidates", "full"};
  return fmt::format("{}{}{}{}{}", kNames[static_cast<int>(spec.method)], spec.top_k ? "_k" : "",
                     spec.top_p ? "_p" : "", spec.penalties ? "_pen" : "", spec.logprobs ? "_lp" : "");
}

}  // namespace adder::engine
