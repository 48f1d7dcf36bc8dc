#include <fmt/format.h>

#include <algorithm>

#include "cli/command.h"
#include "cli/common_options.h"
#include "cli/probe.h"
#include "engine/tuning.h"
#include "pjrt/plugin_search.h"

namespace adder::cli {
namespace {

constexpr std::chrono::seconds kPatience{60};

struct DevicesOptions {
  std::string plugin;
  ConsoleOptions console;
  bool json = false, tuning = false;
};

OrderedJson examine(const pjrt::PluginCandidate& candidate, bool verbose) {
  OrderedJson out{{"name", candidate.name}, {"path", candidate.path.string()}, {"source", candidate.source}};
  out.update(candidate.found() ? probe_plugin(candidate.path, verbose, kPatience)
                               : OrderedJson{{"failure", candidate.failure}});
  out["usable"] = !out.contains("failure");
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

std::string to_text(const OrderedJson& plugin) {
  std::string out =
      fmt::format("{}  {}\n", plugin["name"].get<std::string>(), plugin["path"].get<std::string>());
  if (plugin.contains("failure"))
    return out + fmt::format("  not usable: {}\n", plugin["failure"].get<std::string>());
  std::string version = plugin["platform_version"];
  std::replace(version.begin(), version.end(), '\n', ' ');
  out += fmt::format("  platform {}, PJRT API {}, {}\n", plugin["platform"].get<std::string>(),
                     plugin["api_version"].get<std::string>(), version);
  for (const OrderedJson& device : plugin["devices"]) {
    out += fmt::format("  device {}: {}", device["index"].get<int>(), device["kind"].get<std::string>());
    if (device.contains("memory_bytes")) out += ", " + human_bytes(device["memory_bytes"].get<double>());
    out += "\n";
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
                       {"chosen", e.chosen},
                       {"microseconds", e.microseconds}});
    text += fmt::format("{}  {}\n ", e.product, e.device);
    for (const auto& [name, us] : e.microseconds)
      text += fmt::format(" {}{} {:.0f} us", name == e.chosen ? "*" : "", name, us);
    text += "\n";
  }
  if (as_json) return print(json_line({{"tuning", entries}}));
  return print(text.empty() ? "nothing was measured yet: run a model\n" : text);
}

Result<ExitCode> run(const DevicesOptions& o) {
  Console console(o.console);
  if (o.tuning) {
    ADDER_CHECK(print_tuning(o.json));
    return ExitCode::done;
  }
  const bool verbose = o.console.verbose && !o.console.quiet;
  const auto candidates = find_candidates(o.plugin);
  OrderedJson plugins = OrderedJson::array();
  for (const pjrt::PluginCandidate& candidate : candidates)
    if (candidate.found() || verbose || !o.plugin.empty()) plugins.push_back(examine(candidate, verbose));

  if (o.json) {
    ADDER_CHECK(print(json_line({{"plugins", plugins}})));
  } else {
    for (const OrderedJson& plugin : plugins) ADDER_CHECK(print(to_text(plugin)));
  }
  for (const OrderedJson& plugin : plugins)
    if (plugin["usable"] == true) return ExitCode::done;
  return fail(ErrorCode::not_found, fmt::format("no usable plugin among {} places", candidates.size()),
              "`adder devices -v` lists them; install one (pip install lammps-jax-pjrt-cpu) or point "
              "PJRT_NAMES_AND_LIBRARY_PATHS=name:path at one");
}

}  // namespace

Command declare_devices(CLI::App& parent) {
  CLI::App& app = *parent.add_subcommand("devices", "list the plugins there are, and their devices");
  const auto o = std::make_shared<DevicesOptions>();
  app.add_option("--plugin", o->plugin, "only these (default: all)")->type_name("NAME|PATH");
  app.add_flag("--tuning", o->tuning,
               "how products are spelled on this machine, and the times that decided it");
  app.add_flag("--json", o->json, "print one JSON object");
  add_console_options(app, o->console);
  return {&app, nullptr, [o] { return run(*o); }};
}

}  // namespace adder::cli
