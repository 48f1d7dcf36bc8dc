#include "cli/provenance.h"

#include <fmt/format.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <thread>

#include "build_commit.h"  // made by the build: ADDER_COMMIT
#include "hub/model_id.h"

namespace adder::cli {
namespace {

/// The first value of a "key : value" line of a /proc file; "" if there is none.
std::string proc_field(const char* file, std::string_view key) {
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    if (!line.starts_with(key)) continue;
    const auto value = line.find_first_not_of(" \t", line.find(':') + 1);
    return value == std::string::npos ? "" : line.substr(value);
  }
  return "";
}

std::int64_t configured(int name) { return std::max<std::int64_t>(::sysconf(name), 0); }

}  // namespace

Host Host::current() {
  utsname system{};
  ::uname(&system);
  Host out;
  out.cpu = proc_field("/proc/cpuinfo", "model name");
  if (out.cpu.empty()) out.cpu = system.machine;
  out.threads = std::thread::hardware_concurrency();
  out.memory_bytes = configured(_SC_PHYS_PAGES) * configured(_SC_PAGESIZE);
  for (const int level : {_SC_LEVEL4_CACHE_SIZE, _SC_LEVEL3_CACHE_SIZE, _SC_LEVEL2_CACHE_SIZE})
    if (out.cache_bytes == 0) out.cache_bytes = configured(level);
  out.system = fmt::format("{} {} {}", system.sysname, system.release, system.machine);
  return out;
}

OrderedJson to_json(const Host& host) {
  return {{"cpu", host.cpu},
          {"threads", host.threads},
          {"memory_bytes", host.memory_bytes},
          {"system", host.system}};
}

OrderedJson device_json(const engine::Engine& engine) {
  const pjrt::Client& client = engine.client();
  return {{"plugin", client.plugin().path().filename().string()},
          {"platform", client.platform_name()},
          {"api_version", to_string(client.plugin().api_version())},
          {"kind", engine.device().kind()}};
}

OrderedJson to_json(const measure::Limits& machine) {
  OrderedJson out{{"read_gb_s", machine.read_gb_s}, {"gemm_gflop_s", machine.gemm_gflop_s}};
  if (machine.gemm_bf16_gflop_s > 0) out["gemm_bf16_gflop_s"] = machine.gemm_bf16_gflop_s;
  return out;
}

std::string model_name(const std::filesystem::path& given, const std::filesystem::path& directory) {
  std::error_code ignored;
  if (given != directory && hub::looks_like_model_id(given.string()) &&
      !std::filesystem::exists(given, ignored))
    return given.string();
  constexpr std::string_view kPrefix = "models--";
  for (const std::filesystem::path& part : directory) {
    std::string name = part.string();
    if (!name.starts_with(kPrefix)) continue;
    name.erase(0, kPrefix.size());
    if (const auto at = name.find("--"); at != std::string::npos)
      return fmt::format("{}/{}", name.substr(0, at), name.substr(at + 2));
  }
  const auto clean = (directory / "").parent_path().lexically_normal();
  return clean.has_filename() && clean.filename() != "." ? clean.filename().string() : directory.string();
}

std::string build_commit() { return ADDER_COMMIT; }

}  // namespace adder::cli
