#pragma once

#include <functional>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "hlo/value.h"

namespace adder::hlo {

struct FunctionBody;  // nodes, regions and shapes (node.h); not needed to build graphs

/// How an argument is passed. `donated_to` names the result whose buffer it becomes (printed as
/// tf.aliasing_output); both must have the same shape. Empty: not donated.
struct ArgumentOptions {
  std::string name = {};
  std::string donated_to = {};
};
struct NamedValue {
  std::string name;
  Value value;
};

/// What a caller of a finished function sees, in order.
struct Signature {
  struct Argument {
    std::string name;
    Shape shape;
    std::string donated_to;
  };
  struct Result {
    std::string name;
    Shape shape;
  };
  std::vector<Argument> arguments;
  std::vector<Result> results;
  /// Index by name; -1 when absent.
  int argument_index(std::string_view name) const;
  int result_index(std::string_view name) const;
};

/// Work of a program, counted in the graph. A `fori` body counts once per iteration, a called function once
/// per call; other loops count once.
struct Cost {
  std::int64_t dot_flops = 0;          ///< 2·M·N·K of every dot_general
  std::int64_t elementwise_flops = 0;  ///< one per output element of arithmetic ops, one per input of reduce
  /// Least traffic to main memory: arguments read (those used inside a loop once per iteration, however often
  /// the body names them), loop-carried values read and written once per iteration where the body changes
  /// them, results written unless a loop carried them. Of an argument that only slices and gathers touch, and
  /// of a carried value that only dynamic_update_slice changes, the touched part counts.
  std::int64_t bytes = 0;
  Cost& operator+=(const Cost& other);
};

/// One func.func: arguments in, ops appended in program order, results out.
class Function {
 public:
  const std::string& name() const;
  /// Declares the next argument. All arguments come before the first op that uses them; any time before
  /// finish.
  Value argument(Shape shape, ArgumentOptions options = {}, Loc loc = Loc::current());
  /// Ends the function. Throws BuildError on a second call, an unknown donated_to, or a shape mismatch there.
  void finish(std::vector<NamedValue> results, Loc loc = Loc::current());
  bool finished() const;
  const Signature& signature() const;

  FunctionBody& body() { return *body_; }
  const FunctionBody& body() const { return *body_; }
  ~Function();

 private:
  friend class Module;
  Function(std::string name, bool is_public);
  std::unique_ptr<FunctionBody> body_;
};

/// A StableHLO module: one public `main` and any private functions it calls. Owns its functions; not
/// copyable.
class Module {
 public:
  explicit Module(std::string name);
  ~Module();
  Module(const Module&) = delete;
  Module& operator=(const Module&) = delete;

  /// The entry point, created on first use.
  Function& main();
  /// The entry point of a finished module.
  const Function& main() const;
  /// A new private function; `name` is made unique by a suffix when taken.
  Function& add_function(std::string name);

  /// The finished program as text: verified (every function finished, main present), deterministic.
  std::string text() const;
  /// The program so far, finished or not; for debugging.
  std::string dump() const;
  /// Cost of main.
  Cost cost() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace adder::hlo
