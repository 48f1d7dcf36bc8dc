#pragma once

// What a compiler made of a program: XLA's optimised HLO, as PJRT_Executable_OptimizedProgram gives it.
// Fields of HloModuleProto: xla/service/hlo.proto and xla/xla_data.proto.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "adder/error.h"

namespace adder::profile {

/// One instruction that runs as something of its own (a fused loop, a product, a copy), not as a view or as a
/// part of a fusion.
struct Kernel {
  std::string name;    ///< "loop_fusion.12"
  std::string opcode;  ///< "fusion", "dot", "copy", ...
  /// Where it comes from: the scopes of hlo/scope.h, its own or, where the compiler lost them, a neighbour's.
  /// Empty where there are none, and for copies.
  std::string op_name;
  std::string shape;  ///< of its result: "f32[1,3352]"
  /// Of its operands and results in the device's memory (not those in a TPU's on-chip memory); where it
  /// gathers or slices at run time, an operand counts no more than the result. An upper bound: it may read
  /// only a part.
  std::int64_t bytes = 0;
  std::int64_t times = 1;  ///< runs in one run of the program; a loop of unknown length counts once
  bool in_loop = false;    ///< inside of a while loop
  std::string hlo;         ///< ops inside a fusion, "multiply add"; for people
};

/// Kernels of the entry computation and of the loops and branches in it, in the order of the file, which for
/// a scheduled module is the order in which they start. `format` is PJRT's: "hlo" or "hlo_with_config".
/// Errors: unsupported for another format, corrupt for malformed bytes.
Result<std::vector<Kernel>> kernels_of(std::string_view format, std::string_view bytes);

}  // namespace adder::profile
