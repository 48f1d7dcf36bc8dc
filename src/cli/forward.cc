#include <fmt/format.h>

#include <array>
#include <optional>

#include "checkpoint/model_fingerprint.h"
#include "cli/command.h"
#include "cli/common_options.h"
#include "cli/interrupt.h"
#include "cli/outputs.h"
#include "cli/text_input.h"
#include "cli/token_list.h"
#include "engine/session.h"
#include "engine/snapshot.h"
#include "formats/safetensors.h"
#include "serve/start_up.h"

namespace adder::cli {
namespace {

struct ForwardOptions {
  ModelOptions model;
  ConsoleOptions console;
  std::optional<std::string> ids, ids_file;  // exactly one
  std::string split;
  std::filesystem::path out, state_in, state_out;
};

/// Pieces as asked for, and what is left as the last one. Error: together more than `tokens`, or one below 1.
Result<std::vector<std::int64_t>> piece_lengths(const std::string& split, std::int64_t tokens) {
  ADDER_TRY(std::vector<std::int64_t> pieces, parse_numbers(split, "--split"));
  std::int64_t left = tokens;
  for (const std::int64_t piece : pieces) {
    if (piece < 1)
      return fail(ErrorCode::invalid_argument,
                  fmt::format("--split: a piece of {} tokens, expected at least 1", piece));
    if (piece > left)
      return fail(ErrorCode::invalid_argument,
                  fmt::format("--split: the pieces hold more than the {} tokens", tokens));
    left -= piece;
  }
  if (left > 0) pieces.push_back(left);
  return pieces;
}

Result<std::vector<std::int64_t>> read_ids(const ForwardOptions& o) {
  if (o.ids) return parse_numbers(*o.ids, "--ids");
  ADDER_TRY(const std::string text, read_text_file(*o.ids_file));
  return parse_numbers(text, *o.ids_file);
}

/// Runs every piece. Error cancelled if interrupted.
Result<engine::AllOutputs> run_pieces(engine::Session& session, std::span<const std::int32_t> ids,
                                      const std::vector<std::int64_t>& pieces) {
  engine::AllOutputs all;
  const auto append = [](std::vector<float>& to, const std::vector<float>& more) {
    to.insert(to.end(), more.begin(), more.end());
  };
  for (const std::int64_t piece : pieces) {
    ADDER_TRY(const engine::AllOutputs part,
              session.extend_all(ids.first(static_cast<std::size_t>(piece)), &interrupted()));
    all.hidden.resize(part.hidden.size());
    for (std::size_t i = 0; i < part.hidden.size(); ++i) append(all.hidden[i], part.hidden[i]);
    append(all.final_hidden, part.final_hidden);
    append(all.logits, part.logits);
    ids = ids.subspan(static_cast<std::size_t>(piece));
  }
  return all;
}

Status write_result(const std::filesystem::path& path, const std::vector<std::int32_t>& ids,
                    const engine::AllOutputs& all, const engine::HostState& state, const arch::Config& c) {
  std::vector<formats::TensorView> tensors;
  const auto add = [&](std::string name, const auto& values, Dims dims) {
    const DType dtype = dtype_of<std::decay_t<decltype(values[0])>>();
    tensors.push_back({std::move(name), Shape{dtype, std::move(dims)}, std::as_bytes(std::span(values)), {}});
  };
  const auto n = static_cast<std::int64_t>(ids.size());
  add("input_ids", ids, {n});
  for (std::size_t i = 0; i < all.hidden.size(); ++i)
    add(fmt::format("hidden.{}", i), all.hidden[i], {n, c.d_model});
  add("final_hidden", all.final_hidden, {n, c.d_model});
  add("logits", all.logits, {n, c.padded_vocab_size});
  for (const engine::HostState::Field& field : state.fields)
    tensors.push_back({field.name, field.shape, field.bytes, {}});
  return formats::write_safetensors(path, tensors);
}

/// A snapshot to continue, or the beginning of everything.
Result<engine::Snapshot> initial(const ForwardOptions& o, const engine::Engine& engine, Console& console) {
  const DType dtype = engine.programs().model().weight_dtype;
  std::uint64_t fingerprint = 0;  // all weights are read for it, so only where a snapshot asks
  if (!o.state_in.empty() || !o.state_out.empty()) {
    checkpoint::FingerprintOptions how{.memory = {}, .progress = &console.progress(), .stop = &interrupted()};
    if (!o.model.no_cache) how.memory = engine::default_cache_dir().parent_path();
    ADDER_TRY(fingerprint, checkpoint::fingerprint_of(engine.checkpoint(), how));
  }
  if (o.state_in.empty())
    return engine::Snapshot{.state = {}, .tokens = {}, .fingerprint = fingerprint, .weight_dtype = dtype};
  ADDER_TRY(engine::Snapshot snapshot, engine::read_snapshot(o.state_in, engine.model(), fingerprint));
  if (snapshot.weight_dtype != dtype)
    adder::log(console, LogLevel::warn, "{}: made with {} weights, continued with {}", o.state_in.string(),
               name(snapshot.weight_dtype), name(dtype));
  snapshot.weight_dtype = dtype;
  return snapshot;
}

Result<engine::State> on_device(const engine::Snapshot& snapshot, const engine::Engine& engine) {
  if (snapshot.state.fields.empty()) return engine.zero_state();
  return engine::to_device({snapshot.state}, engine.states(), engine.model(), engine.client(),
                           engine.device());
}

std::array<NamedFile, 2> outputs(const ForwardOptions& o) {
  return {{{"--out", o.out}, {"--state-out", o.state_out}}};
}

Status check(const ForwardOptions& o) {
  if (o.ids.has_value() + o.ids_file.has_value() != 1)
    return fail(ErrorCode::invalid_argument, "give exactly one of --ids-file and --ids");
  if (o.ids) ADDER_CHECK(parse_numbers(*o.ids, "--ids"));
  ADDER_CHECK(parse_numbers(o.split, "--split"));
  // A snapshot may replace the one it continues.
  const NamedFile read[] = {{"--ids-file", o.ids_file.value_or("")}, {"--state-in", o.state_in}};
  ADDER_CHECK(check_distinct(std::array{outputs(o)[0]}, read));
  return check_distinct(outputs(o), std::span(read).first(1));
}

Result<ExitCode> run(const ForwardOptions& o) {
  catch_interrupt();
  Console console(o.console);
  ADDER_TRY(const std::vector<std::int64_t> numbers, read_ids(o));
  const auto pieces = piece_lengths(o.split, static_cast<std::int64_t>(numbers.size()));
  if (!pieces) {  // wrong use, though it takes the file to see it
    print_error(pieces.error());
    return ExitCode::usage;
  }
  ADDER_CHECK(check_writable(outputs(o)));
  ADDER_TRY(engine::Engine engine, open_engine(o.model, o.console, console));
  ADDER_CHECK(check_not_model(outputs(o), engine.checkpoint()));
  ADDER_TRY(const std::vector<std::int32_t> ids, check_token_ids(numbers, engine.config().vocab_size));
  ADDER_TRY(engine::Snapshot snapshot, initial(o, engine, console));

  serve::ProgramPlan plan;
  for (const std::int64_t piece : *pieces) plan.add_extend(piece, engine::ExtendSpec::Outputs::all);
  ADDER_TRY(const serve::StartUpTimes times, serve::start_up(engine, plan));
  ADDER_TRY(engine::State state, on_device(snapshot, engine));
  engine::Session session(engine, std::move(state));
  ADDER_TRY(const engine::AllOutputs all, run_pieces(session, ids, *pieces));

  ADDER_TRY(snapshot.state, engine::to_host(engine.states(), session.state(), engine.model()));
  ADDER_CHECK(engine.check_unchanged());
  ADDER_CHECK(write_result(o.out, ids, all, snapshot.state, engine.config()));
  if (!o.state_out.empty()) {
    snapshot.tokens.insert(snapshot.tokens.end(), ids.begin(), ids.end());
    ADDER_CHECK(engine::write_snapshot(o.state_out, snapshot, engine.model()));
  }
  console.note(
      fmt::format("load {:.0f} ms | compile {:.0f} ms | {} tokens, pieces: {}, position {} | {} (API {}), {}",
                  times.load_ms, times.compile_ms, ids.size(), pieces->size(), snapshot.state.position,
                  engine.client().plugin().path().filename().string(),
                  to_string(engine.client().plugin().api_version()), dtype_note(o.model, engine)));
  return ExitCode::done;
}

}  // namespace

Command declare_forward(CLI::App& parent) {
  CLI::App& app =
      *parent.add_subcommand("forward", "write every intermediate value of a run over given tokens");
  const auto o = std::make_shared<ForwardOptions>();
  add_model_options(app, o->model);
  app.add_option("--ids-file", o->ids_file,
                 "file of token ids, separated by commas, blanks or newlines; - for stdin")
      ->type_name("FILE");
  app.add_option("--ids", o->ids, "the token ids themselves")->type_name("1,2,3");
  app.add_option("--out", o->out,
                 "safetensors file to write: input_ids, hidden.i, final_hidden, logits, states")
      ->required()
      ->type_name("FILE");
  app.add_option("--split", o->split,
                 "absorb the tokens in pieces of these lengths; what is left is the last piece")
      ->type_name("5,1,64");
  app.add_option("--state-in", o->state_in, "continue from this snapshot")->type_name("FILE");
  app.add_option("--state-out", o->state_out, "write a snapshot of the state afterwards")->type_name("FILE");
  add_console_options(app, o->console);
  app.footer(examples(
      {"adder forward DIR --ids 1,2,3 --out result.safetensors --dtype f32",
       "adder forward DIR --ids-file ids.txt --split 64,64 --state-out s.safetensors --out r.safetensors"}));
  return {&app, [o] { return check(*o); }, [o] { return run(*o); }};
}

}  // namespace adder::cli
