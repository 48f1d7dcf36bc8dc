#pragma once

// Inside this room only: what a compiled program tells of itself, loaded on a device or not.

#include <string>
#include <vector>

#include "pjrt/api.h"
#include "pjrt/executable.h"

namespace adder::pjrt {

Result<CompiledMemoryStats> memory_stats_of(const PJRT_Api* api, PJRT_Executable* executable);
Result<std::vector<NamedValue>> cost_analysis_of(const PJRT_Api* api, PJRT_Executable* executable);
Result<std::string> serialize(const PJRT_Api* api, PJRT_Executable* executable);
Result<OptimizedProgram> optimized_program_of(const PJRT_Api* api, PJRT_Executable* executable);

/// `program` as the C API takes it: it keeps a copy, since the struct wants a pointer to mutable text.
class ProgramArgument {
 public:
  explicit ProgramArgument(std::string_view program);
  ProgramArgument(const ProgramArgument&) = delete;
  ProgramArgument& operator=(const ProgramArgument&) = delete;
  const PJRT_Program* get() const { return &program_; }

 private:
  std::string code_;
  PJRT_Program program_;
};

}  // namespace adder::pjrt
