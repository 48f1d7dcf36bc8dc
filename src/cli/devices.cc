#include <fmt/format.h>

#include <algorithm>

#include "base/file_lock.h"
#include "cli/command.h"
#include "cli/common_options.h"
#include "cli/interrupt.h"
#include "cli/probe.h"
#include "cli/provenance.h"
#include "engine/tuning.h"
#include "pjrt/plugin_search.h"

namespace adder::cli {
namespace {

constexpr std::chrono::seconds kPatience{60};

struct DevicesOptions {
  std::string plugin;
  ModelOptions model;  // to autotune for
  ConsoleOptions console;
  bool json = false, tuning = false, retune = false;
};

/// What a run takes that names no plugin.
std::string usual_plugin() {
  const auto named = pjrt::SearchEnvironment::system().variable("ADDER_PLUGIN").value_or("");
  return named.empty() ? ModelOptions().plugin : named;
}

OrderedJson examine(const pjrt::PluginCandidate& candidate, const std::filesystem::path& usual,
                    bool verbose) {
  OrderedJson out{{"name", candidate.name},
                  {"path", candidate.path.string()},
                  {"source", candidate.source},
                  {"default", candidate.found() && candidate.path == usual}};
  out.update(candidate.found() ? probe_plugin(candidate.path, candidate.platform, verbose, kPatience)
                               : OrderedJson{{"failure", candidate.failure}});
  out["usable"] = !out.contains("failure");
  if (out["usable"] == false) return out;
  const auto first = static_cast<std::size_t>(ModelOptions().device);
  for (std::size_t i = 0; i < out["devices"].size(); ++i)
    out["devices"][i]["default"] = out["default"] == true && i == first;
  return out;
}

/// What `request` may mean; for all, what $ADDER_PLUGIN asks for comes first.
std::vector<pjrt::PluginCandidate> find_candidates(const std::string& request) {
  const auto environment = pjrt::SearchEnvironment::system();
  auto all = pjrt::search_plugins(request, environment);
  const auto preferred = environment.variable("ADDER_PLUGIN").value_or("");
  if (!request.empty() || preferred.empty()) return all;
  std::vector<pjrt::PluginCandidate> out = pjrt::search_plugins(preferred, environment);
  std::erase_if(all, [&](const pjrt::PluginCandidate& c) {
    return std::any_of(out.begin(), out.end(), [&](const auto& first) { return first.path == c.path; });
  });
  out.insert(out.end(), all.begin(), all.end());
  return out;
}

std::string to_text(const Host& host) {
  return fmt::format("CPU: {}, {} threads, {} of memory\n", host.cpu, host.threads,
                     human_bytes(static_cast<double>(host.memory_bytes)));
}

std::string to_text(const OrderedJson& plugin) {
  const auto mark = [](const OrderedJson& of) { return of["default"] == true ? "  (default)" : ""; };
  std::string out = fmt::format("{}  {}{}\n", plugin["name"].get<std::string>(),
                                plugin["path"].get<std::string>(), mark(plugin));
  if (plugin.contains("failure")) {
    out += fmt::format("  not usable: {}\n", plugin["failure"].get<std::string>());
    if (plugin.contains("hint")) out += fmt::format("  hint: {}\n", plugin["hint"].get<std::string>());
    return out;
  }
  std::string version = plugin["platform_version"];
  std::replace(version.begin(), version.end(), '\n', ' ');
  out += fmt::format("  platform {}, PJRT API {}, {}\n", plugin["platform"].get<std::string>(),
                     plugin["api_version"].get<std::string>(), version);
  for (const OrderedJson& device : plugin["devices"]) {
    out += fmt::format("  device {}: {}", device["index"].get<int>(), device["kind"].get<std::string>());
    if (device.contains("memory_bytes")) out += ", " + human_bytes(device["memory_bytes"].get<double>());
    out += std::string(mark(device)) + "\n";
  }
  return out;
}

/// What engine::tune() remembers: every product, what it chose, and what it chose from.
Status print_tuning(bool as_json) {
  const engine::TuningFile file(engine::default_cache_dir());
  OrderedJson entries = OrderedJson::array();
  std::string text;
  for (const engine::TunedProduct& e : file.entries()) {
    entries.push_back({{"device", e.device},
                       {"product", e.product},
                       {"chosen", e.chosen.empty() ? OrderedJson() : OrderedJson(e.chosen)},
                       {"microseconds", e.microseconds},
                       {"unsteady", e.unsteady}});
    text += fmt::format("{}  {}\n ", e.product, e.device);
    for (const auto& [name, us] : e.microseconds)
      text += fmt::format(" {}{} {:.0f} us", name == e.chosen ? "*" : "", name, us);
    text +=
        e.chosen.empty() ? fmt::format("\n  nothing chosen: times disagreed in {} runs\n", e.unsteady) : "\n";
  }
  if (as_json) return print(json_line({{"tuning", entries}}));
  return print(text.empty() ? "nothing was autotuned yet: run a model, or adder devices --retune -m MODEL\n"
                            : text);
}

/// Forgets what was measured; with a model, measures for it.
Status retune(const DevicesOptions& o, Console& console) {
  const std::filesystem::path folder = engine::default_cache_dir();
  if (folder.empty())
    return fail(ErrorCode::failed_precondition, "there is no folder to remember anything in",
                "set ADDER_CACHE, XDG_CACHE_HOME or HOME");
  engine::TuningFile file(folder);
  if (!file.entries().empty()) {
    ADDER_TRY(const auto lock, FileLock::try_acquire(engine::tuning_lock(folder)));
    if (!lock)
      return fail(ErrorCode::failed_precondition, "another adder is autotuning just now", "try again later");
    file = engine::TuningFile(folder);
    console.note(fmt::format("{} measured products forgotten{}", file.entries().size(),
                             o.model.model.empty() ? "; the next run of a model measures again" : ""));
    file.clear();
    ADDER_CHECK(file.save());
  }
  if (o.model.model.empty()) return {};
  ModelOptions model = o.model;
  model.plugin = o.plugin.empty() ? usual_plugin() : o.plugin;
  model.retune = true;
  ADDER_TRY(const engine::Engine engine, open_engine(model, o.console, console));
  return print_tuning(o.json);
}

Result<ExitCode> list(const DevicesOptions& o) {
  const bool verbose = o.console.verbose && !o.console.quiet;
  const auto environment = pjrt::SearchEnvironment::system();
  const auto candidates = find_candidates(o.plugin);
  const auto usual = pjrt::find_plugin(usual_plugin(), environment);
  OrderedJson plugins = OrderedJson::array();
  for (const pjrt::PluginCandidate& candidate : candidates)
    if (candidate.found() || verbose || candidate.source == "path")
      plugins.push_back(examine(candidate, usual ? usual->path : "", verbose));

  const Host host = Host::current();
  if (o.json) {
    ADDER_CHECK(print(json_line({{"host", to_json(host)}, {"plugins", plugins}})));
  } else {
    ADDER_CHECK(print(to_text(host)));
    for (const OrderedJson& plugin : plugins) ADDER_CHECK(print(to_text(plugin)));
  }
  for (const OrderedJson& plugin : plugins)
    if (plugin["usable"] == true) return ExitCode::done;
  if (plugins.empty()) ADDER_CHECK(pjrt::find_plugin(o.plugin, environment));  // which says how to get one
  return fail(ErrorCode::not_found, fmt::format("no usable plugin among {} places", candidates.size()),
              "`adder devices -v` lists them; to install one: " + pjrt::install_line(o.plugin));
}

Result<ExitCode> run(const DevicesOptions& o) {
  if (!o.tuning && !o.retune) return list(o);  // no Console before: it may start a thread
  catch_interrupt();
  Console console(o.console);
  ADDER_CHECK(o.retune ? retune(o, console) : print_tuning(o.json));
  return ExitCode::done;
}

Status check(const DevicesOptions& o) {
  if (!o.model.model.empty() && !o.retune)
    return fail(ErrorCode::invalid_argument, "--model goes with --retune");
  return {};
}

}  // namespace

Command declare_devices(CLI::App& parent) {
  CLI::App& app = *parent.add_subcommand("devices", "list the plugins there are, and their devices");
  const auto o = std::make_shared<DevicesOptions>();
  app.add_option("--plugin", o->plugin, "only these (default: all)")->type_name("NAME|PATH");
  app.add_flag("--tuning", o->tuning,
               "which kernel variants autotuning chose on this machine, and the times that decided it");
  app.add_flag("--retune", o->retune,
               "forget those, so that the next run measures again; with --model measure now, for that model");
  app.add_option("-m,--model", o->model.model, "the model to autotune for")->type_name("DIR|FILE|ORG/NAME");
  add_dtype_option(app, o->model.dtype);
  app.add_flag("--json", o->json, "print one JSON object")->group(kOutputGroup);
  add_console_options(app, o->console);
  app.footer(examples({"adder devices", "adder devices --plugin cuda -v"}));
  return {&app, [o] { return check(*o); }, [o] { return run(*o); }};
}

}  // namespace adder::cli
