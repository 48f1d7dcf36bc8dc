#include "pjrt/executable_queries.h"

#include <algorithm>

namespace adder::pjrt {

namespace {
constexpr std::string_view kFormat = "mlir";
}

Result<CompiledMemoryStats> memory_stats_of(const PJRT_Api* api, PJRT_Executable* executable) {
  ADDER_TRY(const auto args, call(api, ADDER_PJRT(PJRT_Executable_GetCompiledMemoryStats),
                                  [&](auto& a) { a.executable = executable; }));
  CompiledMemoryStats stats{.arguments = args.argument_size_in_bytes,
                            .outputs = args.output_size_in_bytes,
                            .aliased = args.alias_size_in_bytes,
                            .temporaries = args.temp_size_in_bytes,
                            .generated_code = args.generated_code_size_in_bytes,
                            .peak = std::nullopt};
  // Older plugins do not know the field and leave it zero.
  if (args.peak_memory_in_bytes > 0) stats.peak = args.peak_memory_in_bytes;
  return stats;
}

Result<std::vector<NamedValue>> cost_analysis_of(const PJRT_Api* api, PJRT_Executable* executable) {
  ADDER_TRY(const auto args, call(api, ADDER_PJRT(PJRT_Executable_GetCostAnalysis),
                                  [&](auto& a) { a.executable = executable; }));
  return named_values_from_c(args.properties, args.num_properties);
}

Result<std::string> serialize(const PJRT_Api* api, PJRT_Executable* executable) {
  ADDER_TRY(const auto args,
            call(api, ADDER_PJRT(PJRT_Executable_Serialize), [&](auto& a) { a.executable = executable; }));
  std::string bytes(args.serialized_bytes, args.serialized_bytes_size);
  if (args.serialized_executable_deleter != nullptr)
    args.serialized_executable_deleter(args.serialized_executable);
  return bytes;
}

Result<OptimizedProgram> optimized_program_of(const PJRT_Api* api, PJRT_Executable* executable) {
  PJRT_Program program;
  std::memset(&program, 0, sizeof(program));
  program.struct_size = PJRT_Program_STRUCT_SIZE;
  const auto get = [&] {
    return call(api, ADDER_PJRT(PJRT_Executable_OptimizedProgram), [&](auto& a) {
      a.executable = executable;
      a.program = &program;
    });
  };
  ADDER_CHECK(get());  // without a buffer it gives the size
  OptimizedProgram out;
  out.bytes.resize(program.code_size);
  program.code = out.bytes.data();
  ADDER_CHECK(get());
  out.bytes.resize(std::min(out.bytes.size(), program.code_size));
  out.format.assign(program.format, program.format_size);
  return out;
}

ProgramArgument::ProgramArgument(std::string_view program) : code_(program), program_{} {
  program_.struct_size = PJRT_Program_STRUCT_SIZE;
  program_.code = code_.data();
  program_.code_size = code_.size();
  program_.format = kFormat.data();
  program_.format_size = kFormat.size();
}

}  // namespace adder::pjrt
