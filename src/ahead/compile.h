#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ahead/target.h"
#include "engine/graphs.h"
#include "pjrt/topology.h"
#include "profile/compiled.h"

namespace adder::ahead {

/// What a compiler made of one program, for one step of a decode program and for one run of another.
/// nullopt: the plugin does not tell.
struct ProgramReport {
  std::string name;
  double compile_s = 0;
  std::optional<std::int64_t> argument_bytes, aliased_bytes, temporary_bytes;
  std::optional<double> kernels, copies;
  /// What the kernels' operands and results have in the device's memory, those in on-chip memory left out.
  std::optional<double> bytes_accessed;
  double bytes_needed = 0, flops = 0;  ///< hlo::Cost
  std::optional<double> optimal_s;     ///< the compiler's own estimate
};

struct CompileRequest {
  Target target;
  std::filesystem::path plugin;  ///< the plugin's file
  arch::ConfigRef model;
  DType weight_dtype = DType::f32;
  hlo::Precision precision = hlo::Precision::HIGHEST;
  std::int64_t batch = 1;
  std::string only;                 ///< only programs whose name contains this
  std::filesystem::path cache_dir;  ///< store executables there for pjrt::ExecutableCache; empty: do not
  std::filesystem::path dump_hlo;   ///< as ProgramsOptions::dump_hlo
  bool verbose_plugin = false;
};

/// The graph and the compiled program, for whoever wants to see more of them than the report holds.
struct CompiledFor {
  const engine::Graph& graph;
  const pjrt::UnloadedExecutable& executable;
  const std::vector<profile::Kernel>& kernels;  ///< empty where the plugin does not tell
  const ProgramReport& report;
};

struct CompileReport {
  std::string platform;
  std::vector<ProgramReport> programs;
};

/// The programs that `generate` runs on this platform with this batch, where calls need not be shorter:
/// decode blocks of the platform's length (greedy, and with the default sampler), and an extend program for
/// each length of the ladder; and the one that makes the state they begin with. Decode's first.
std::vector<std::function<Result<engine::Graph>(const engine::ModelSpec&)>> programs_of(
    std::string_view platform, std::int64_t batch);

/// Compiles them for the target, one after another; `on_program` (may be empty) sees each as it is done.
/// Errors: those of opening the plugin; failed_precondition if it is one for another platform; unsupported
/// if it cannot compile without its device; the compiler's, naming the program; not_found if `only` names
/// none.
Result<CompileReport> compile_for(const CompileRequest& request,
                                  const std::function<void(const CompiledFor&)>& on_program = {});

}  // namespace adder::ahead
