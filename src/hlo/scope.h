#pragma once

#include <cstdint>
#include <string>

#include "hlo/module.h"

namespace adder::hlo {

/// Names the part of a model that ops belong to: those appended to `function` while this object lives. Scopes
/// nest: the innermost counts, spelled "outer/inner". The name is printed as the op's location, which
/// compilers keep as the name of what they make of it, and parts.h cuts programs along it. It changes no
/// result. Not thread safe, like the building of a module.
class Scope {
 public:
  Scope(Function& function, const std::string& name);
  ~Scope();
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;

  /// Ends this part and begins the next one beside it.
  void next(const std::string& name);

 private:
  Function& function_;
  std::uint32_t outer_;
};

}  // namespace adder::hlo
