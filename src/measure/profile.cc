#include "measure/profile.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <map>

#include "engine/ladder.h"
#include "measure/part_timing.h"
#include "pjrt/profiler.h"
#include "profile/attribution.h"

namespace adder::measure {

namespace {

using Clock = std::chrono::steady_clock;
using OnPart = std::function<void(const std::string&)>;

double milliseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

std::vector<std::vector<std::int32_t>> prompt_of(std::int64_t tokens, std::int64_t batch,
                                                 std::int64_t vocab) {
  std::vector<std::vector<std::int32_t>> rows(static_cast<std::size_t>(batch));
  for (std::int64_t b = 0; b < batch; ++b)
    for (std::int64_t t = 0; t < tokens; ++t)
      rows[static_cast<std::size_t>(b)].push_back(static_cast<std::int32_t>((t * 7919 + b * 104729) % vocab));
  return rows;
}

/// Milliseconds of one prompt.
Result<double> time_prefill(const engine::Engine& engine, const ProfileOptions& o) {
  ADDER_TRY(engine::State zero, engine.zero_state(o.batch));
  engine::Session session(engine, std::move(zero));
  const auto start = Clock::now();
  ADDER_TRY(const pjrt::Buffer logits,
            session.extend_logits(prompt_of(o.prompt, o.batch, engine.config().vocab_size)));
  ADDER_TRY(const pjrt::Event done, logits.ready());
  ADDER_CHECK(done.wait());
  return milliseconds_since(start);
}

/// Milliseconds of one block of steps.
Result<double> time_block(const engine::Engine& engine, const ProfileOptions& o) {
  ADDER_TRY(engine::State zero, engine.zero_state(o.batch));
  engine::Session session(engine, std::move(zero));
  const auto rows = static_cast<std::size_t>(o.batch);
  ADDER_TRY(engine::Generation generation,
            engine::Generation::start(session, prompt_of(1, o.batch, engine.config().vocab_size),
                                      {.sampling = std::vector<SamplingOptions>(rows, {.temperature = 0}),
                                       .stop_ids = {},
                                       .max_tokens = std::vector<std::int64_t>(rows, o.generate),
                                       .block = o.generate}));
  const auto start = Clock::now();
  while (true) {
    ADDER_TRY(const auto block, generation.next());
    if (!block) return milliseconds_since(start);
  }
}

/// One program to look at, and how to run it.
struct Subject {
  std::string run, unit;
  double units = 1;       ///< in one run of the program
  bool all_sites = true;  ///< see TimingOptions
  engine::ProgramRef program = {};
  std::function<Result<engine::Graph>(const engine::Inspect&)> build = {};
  std::function<Result<double>()> milliseconds = {};  ///< one run of the program
};

/// Looks at one subject and fills in its RunProfile.
class Profiling {
 public:
  Profiling(const engine::Engine& engine, const ProfileOptions& options, const Subject& subject,
            const OnPart& on_part)
      : engine_(engine), options_(options), subject_(subject), on_part_(on_part) {}

  Result<RunProfile> run(profile::Trace& trace);

 private:
  Status time_whole();
  Status find_parts(const hlo::Module& module);
  void find_kernels();
  Status record(profile::Trace& trace);
  void lay_out(profile::Trace& trace) const;

  std::string part_of(const std::string& op_name) const {
    const std::string scope = profile::scope_in(op_name, scopes_);
    return scope.empty() ? "other" : scope;
  }
  PartProfile& part(const std::string& name);

  const engine::Engine& engine_;
  const ProfileOptions& options_;
  const Subject& subject_;
  const OnPart& on_part_;
  std::vector<std::string> scopes_;
  std::vector<profile::Kernel> compiled_;
  RunProfile out_;
};

Status Profiling::time_whole() {
  ADDER_CHECK(subject_.milliseconds());  // warms up
  std::vector<double> times;
  for (std::int64_t i = 0; i < options_.repetitions; ++i) {
    ADDER_TRY(const double ms, subject_.milliseconds());
    times.push_back(ms / subject_.units);
  }
  std::sort(times.begin(), times.end());
  out_.wall_ms = times[times.size() / 2];
  return {};
}

PartProfile& Profiling::part(const std::string& name) {
  const auto found = std::find_if(out_.parts.begin(), out_.parts.end(),
                                  [&](const PartProfile& p) { return p.part == name; });
  if (found != out_.parts.end()) return *found;
  return out_.parts.emplace_back(PartProfile{.part = name, .cost = {}});
}

/// The parts of the graph with their costs, each timed where nothing records the whole. Several pieces of one
/// scope, with others between them, become one row.
Status Profiling::find_parts(const hlo::Module& module) {
  std::vector<std::string> arguments;
  for (const auto& argument : module.main().signature().arguments) arguments.push_back(argument.name);
  for (const hlo::Part& piece : hlo::parts_of(module.main(), options_.depth)) {
    if (!piece.scope.empty()) scopes_.push_back(piece.scope);
    if (piece.outputs.empty()) continue;
    const std::string name = piece.scope.empty() ? "other" : piece.scope;
    double runs = 0;
    for (const auto& site : piece.sites) runs += static_cast<double>(site.times) / subject_.units;
    const hlo::Cost once = cost_of(piece);
    const auto all = [&](std::int64_t n) { return static_cast<std::int64_t>(static_cast<double>(n) * runs); };
    PartProfile& row = part(name);
    row.runs = std::max(row.runs, runs);
    row.cost += {.dot_flops = all(once.dot_flops),
                 .elementwise_flops = all(once.elementwise_flops),
                 .bytes = all(once.bytes)};
    if (out_.recorded) continue;
    if (on_part_) on_part_(fmt::format("{}: {}", subject_.run, name));
    ADDER_TRY(const double ms,
              time_part(engine_, piece, arguments,
                        {.all_sites = subject_.all_sites, .repetitions = options_.repetitions}));
    row.ms += ms * runs;
  }
  return {};
}

void Profiling::find_kernels() {
  const auto read = [&]() -> Result<std::vector<profile::Kernel>> {
    ADDER_TRY(const auto program, subject_.program->executable.optimized_program());
    return profile::kernels_of(program.format, program.bytes);
  };
  auto kernels = read();
  if (!kernels) {
    out_.kernels_unknown = kernels.error().message;
    return;
  }
  compiled_ = *std::move(kernels);
  std::map<std::string, std::size_t> known;
  for (PartProfile& p : out_.parts) p.kernels = 0;
  for (const profile::Kernel& k : compiled_) {
    const std::string name = part_of(k.op_name);
    const double launches = static_cast<double>(k.times) / subject_.units;
    part(name).kernels = std::max(part(name).kernels, 0.0) + launches;
    const std::string kind = fmt::format("{}|{}|{}|{}|{}", name, k.opcode, k.shape, k.bytes, k.hlo);
    const auto [entry, is_new] = known.try_emplace(kind, out_.kernels.size());
    if (is_new) out_.kernels.push_back({.part = name, .kernel = k});
    out_.kernels[entry->second].launches += launches;
  }
}

/// Runs the program once under the plugin's profiler.
Status Profiling::record(profile::Trace& trace) {
  ADDER_TRY(pjrt::Profiler profiler, pjrt::Profiler::start(engine_.client().plugin()));
  ADDER_CHECK(subject_.milliseconds());
  ADDER_TRY(const std::string bytes, profiler.stop());
  ADDER_TRY(const profile::XSpace space, profile::read_xspace(bytes));
  const auto name_of = [&](const std::string& op_name) { return part_of(op_name); };
  const profile::Attribution found = profile::attribute(space, compiled_, name_of);
  out_.busy_ms = found.busy_ms / subject_.units;
  for (const auto& [name, busy] : found.parts) part(name).ms = busy.ms / subject_.units;
  std::map<std::string, double> by_kind;
  for (KernelProfile& row : out_.kernels) row.ms = 0;
  for (const profile::Kernel& k : compiled_) {
    const auto recorded = found.names.find(k.name);
    if (recorded == found.names.end()) continue;
    for (KernelProfile& row : out_.kernels)
      if (row.part == part_of(k.op_name) && row.kernel.opcode == k.opcode && row.kernel.shape == k.shape &&
          row.kernel.bytes == k.bytes && row.kernel.hlo == k.hlo)
        row.ms += recorded->second.ms / subject_.units;
  }
  std::stable_sort(out_.kernels.begin(), out_.kernels.end(),
                   [](const KernelProfile& a, const KernelProfile& b) { return a.ms > b.ms; });
  trace.append(profile::to_trace(space, name_of), subject_.run + ": ");
  return {};
}

/// One unit as its parts laid end to end; neighbours that run equally often take turns, as layers do.
void Profiling::lay_out(profile::Trace& trace) const {
  profile::Trace rows;
  rows.name_process(1, subject_.run + " (parts timed on their own, laid end to end)");
  rows.name_thread(1, 1, "parts of one " + subject_.unit);
  double at = 0;
  for (std::size_t first = 0; first < out_.parts.size();) {
    std::size_t last = first + 1;
    while (last < out_.parts.size() && out_.parts[last].runs == out_.parts[first].runs) ++last;
    const auto turns = std::max<std::int64_t>(1, static_cast<std::int64_t>(out_.parts[first].runs));
    for (std::int64_t turn = 0; turn < turns; ++turn)
      for (std::size_t i = first; i < last; ++i) {
        const double us = 1e3 * out_.parts[i].ms / static_cast<double>(turns);
        profile::TraceSpan span{.name = out_.parts[i].part, .category = out_.parts[i].part, .details = {}};
        span.start_us = at;
        span.duration_us = us;
        span.process = span.thread = 1;
        if (turns > 1) span.details.emplace_back("layer", std::to_string(turn));
        rows.add(std::move(span));
        at += us;
      }
    first = last;
  }
  trace.append(rows, "");
}

Result<RunProfile> Profiling::run(profile::Trace& trace) {
  out_.run = subject_.run;
  out_.unit = subject_.unit;
  out_.recorded = options_.use_profiler && pjrt::has_profiler(engine_.client().plugin());
  ADDER_CHECK(time_whole());
  Status parts;
  ADDER_CHECK(subject_.build([&](const hlo::Module& module) { parts = find_parts(module); }));
  ADDER_CHECK(std::move(parts));
  find_kernels();
  if (out_.recorded) {
    ADDER_CHECK(record(trace));
  } else {
    out_.busy_ms = out_.parts_ms();
    lay_out(trace);
  }
  return std::move(out_);
}

Result<Subject> decode_subject(const engine::Engine& engine, const ProfileOptions& o) {
  const engine::DecodeSpec spec{.batch = o.batch, .steps = o.generate, .sampler = {}};
  Subject s{.run = "decode", .unit = "step", .units = static_cast<double>(o.generate), .all_sites = true};
  ADDER_TRY(s.program, engine.programs().decode(spec));
  s.build = [&engine, spec](const engine::Inspect& inspect) {
    return engine::build_decode(engine.programs().model(), spec, inspect);
  };
  s.milliseconds = [&engine, &o] { return time_block(engine, o); };
  return s;
}

Result<Subject> prefill_subject(const engine::Engine& engine, const ProfileOptions& o) {
  constexpr std::int64_t kShort = 128;  // tokens; up to here weights from memory count
  const auto pieces = engine::plan_pieces(o.prompt);
  if (pieces.size() != 1)
    return fail(ErrorCode::invalid_argument,
                fmt::format("a prompt of {} tokens runs as {} pieces", o.prompt, pieces.size()),
                "profile one that runs as one piece: 1, 16, 128, 512 or 2048 tokens");
  const engine::ExtendSpec spec{
      .batch = o.batch, .tokens = pieces[0], .outputs = engine::ExtendSpec::Outputs::last};
  Subject s{.run = "prefill", .unit = "prompt", .units = 1, .all_sites = pieces[0] <= kShort};
  ADDER_TRY(s.program, engine.programs().extend(spec));
  s.build = [&engine, spec](const engine::Inspect& inspect) {
    return engine::build_extend(engine.programs().model(), spec, inspect);
  };
  s.milliseconds = [&engine, &o] { return time_prefill(engine, o); };
  return s;
}

}  // namespace

double RunProfile::parts_ms() const {
  double sum = 0;
  for (const PartProfile& p : parts) sum += p.ms;
  return sum;
}

Result<ProfileReport> run_profile(const engine::Engine& engine, const ProfileOptions& options,
                                  const OnPart& on_part) {
  std::vector<Subject> subjects;
  if (options.generate > 0) {
    ADDER_TRY(Subject decode, decode_subject(engine, options));
    subjects.push_back(std::move(decode));
  }
  if (options.prompt > 0) {
    ADDER_TRY(Subject prefill, prefill_subject(engine, options));
    subjects.push_back(std::move(prefill));
  }
  ProfileReport report;
  for (const Subject& subject : subjects) {
    ADDER_TRY(RunProfile run, Profiling(engine, options, subject, on_part).run(report.trace));
    report.runs.push_back(std::move(run));
  }
  return report;
}

}  // namespace adder::measure
