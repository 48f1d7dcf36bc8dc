#pragma once

// A finished program cut along its scopes (scope.h), so that each part can be measured on its own.

#include <string>
#include <vector>

#include "hlo/node.h"

namespace adder::hlo {

/// Nodes of one scope that can run as one: nothing outside lies between them. Constants, iotas and views
/// (reshape, slice, broadcast) belong to whoever uses them, as compilers fuse them there, and may occur in
/// several parts. A scope is one part unless others interleave with it.
struct Part {
  std::string scope;                   ///< empty: outside of every scope
  const Function* function = nullptr;  ///< whose nodes these are; the Module must outlive the part
  std::vector<const Node*> nodes;      ///< in program order
  std::vector<ValueId> inputs;         ///< values of `function` that the part reads, in order of first use
  std::vector<ValueId> outputs;        ///< values that others read
  /// For each output, the index of the input whose next value it is (a state, updated in place); else -1.
  std::vector<int> updates;

  /// One place from which the part is run.
  struct Site {
    /// For each input, the index of main's argument that it is or, in a loop, started as; else -1.
    std::vector<int> arguments;
    std::int64_t times = 1;  ///< runs in one run of main
  };
  std::vector<Site> sites;

  const Shape& shape(ValueId id) const { return function->body().values[id].shape; }
};

inline constexpr int kAnyDepth = 1 << 20;

/// All parts of what main runs, in the order in which they first run. Functions are walked once for each
/// call; loops that call functions are walked, all other loops are nodes like any other. Of a scope's path
/// the first `depth` names count: with 1, "mixer/conv" and "mixer/gates" are one part, "mixer".
std::vector<Part> parts_of(const Function& main, int depth = kAnyDepth);

/// Appends the part's nodes to `into`, which belongs to another module; `inputs` stand for part.inputs.
/// Returns the values of part.outputs.
Values emit(const Part& part, Function& into, const Values& inputs);

}  // namespace adder::hlo
