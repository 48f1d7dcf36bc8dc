#include "hlo/module.h"

#include <fmt/format.h>

#include <algorithm>

#include "hlo/cost.h"
#include "hlo/infer_checks.h"
#include "hlo/node.h"
#include "hlo/print.h"

namespace adder::hlo {
namespace {

std::string_view base_name(std::string_view path) { return path.substr(path.find_last_of('/') + 1); }

/// MLIR symbol names: letters, digits, '_', '$', '.', not starting with a digit.
std::string symbol(std::string name) {
  for (char& c : name) {
    const bool ok =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
    if (!ok) c = '_';
  }
  if (name.empty() || (name[0] >= '0' && name[0] <= '9') || name[0] == '.') name.insert(name.begin(), '_');
  return name;
}

template <class Entries>
int index_by_name(const Entries& entries, std::string_view name) {
  for (std::size_t i = 0; i < entries.size(); ++i)
    if (entries[i].name == name) return static_cast<int>(i);
  return -1;
}

}  // namespace

BuildError::BuildError(std::string op, std::string message, Loc where)
    : text_(fmt::format("{}:{}: {}: {}", base_name(where.file_name()), where.line(), op, message)),
      where_(where) {}

const Shape& Value::shape() const { return function_->body().values[id_].shape; }

std::int64_t Value::dim(std::int64_t axis, Loc loc) const {
  const std::int64_t i = axis < 0 ? axis + rank() : axis;
  if (i < 0 || i >= rank())
    throw BuildError("dim", fmt::format("{} is not a dimension of {}", axis, to_string(shape())), loc);
  return dims()[at(i)];
}

int Signature::argument_index(std::string_view name) const { return index_by_name(arguments, name); }
int Signature::result_index(std::string_view name) const { return index_by_name(results, name); }

Function::Function(std::string name, bool is_public) : body_(std::make_unique<FunctionBody>()) {
  body_->name = std::move(name);
  body_->is_public = is_public;
}
Function::~Function() = default;

const std::string& Function::name() const { return body_->name; }
bool Function::finished() const { return body_->finished; }
const Signature& Function::signature() const { return body_->signature; }

Value Function::argument(Shape shape, ArgumentOptions options, Loc loc) {
  auto error = [&](std::string message) {
    throw BuildError("argument " + options.name, std::move(message), loc);
  };
  if (finished()) error("function @" + name() + " is finished");
  if (!options.name.empty() && signature().argument_index(options.name) >= 0)
    error("function @" + name() + " has an argument of that name already");
  if (!options.donated_to.empty() && !body_->is_public) error("only main's arguments can be donated");
  try {
    check_dims(shape);
  } catch (const ShapeError& e) {
    error(e.what());
  }
  body_->signature.arguments.push_back({options.name, shape, options.donated_to});
  body_->values.push_back({std::move(shape), body_->root.id});
  const auto id = static_cast<ValueId>(body_->values.size() - 1);
  body_->root.arguments.push_back(id);
  return Value(this, id);
}

void Function::finish(std::vector<NamedValue> results, Loc loc) {
  auto error = [&](std::string message) { throw BuildError("finish @" + name(), std::move(message), loc); };
  if (finished()) error("the function is finished already");
  if (body_->open.size() != 1) error("a region is still being built");
  Signature signature = body_->signature;
  for (const auto& [name, value] : results) {
    const std::string what = fmt::format("result '{}' {}", name, to_string(value.shape()));
    if (&value.function() != this) error(what + " belongs to function @" + value.function().name());
    if (body_->values[value.id()].region != body_->root.id)
      error(what + " was defined inside a region that has ended");
    if (!name.empty() && signature.result_index(name) >= 0) error(what + " has a name that is taken");
    signature.results.push_back({name, value.shape()});
  }
  std::vector<bool> taken(results.size());
  for (const auto& argument : signature.arguments) {
    if (argument.donated_to.empty()) continue;
    const int index = signature.result_index(argument.donated_to);
    const std::string what = fmt::format("argument '{}' {}", argument.name, to_string(argument.shape));
    if (index < 0) error(fmt::format("{} is donated to '{}', which is no result", what, argument.donated_to));
    const auto i = static_cast<std::size_t>(index);
    if (signature.results[i].shape != argument.shape)
      error(fmt::format("{} is donated to '{}', which is {}", what, argument.donated_to,
                        to_string(signature.results[i].shape)));
    if (taken[i])
      error(fmt::format("{} is donated to '{}', as another argument is", what, argument.donated_to));
    taken[i] = true;
  }
  body_->signature = std::move(signature);
  for (const NamedValue& result : results) body_->root.yields.push_back(result.value.id());
  body_->finished = true;
}

struct Module::Impl {
  std::string name;
  std::unique_ptr<Function> main;
  std::vector<std::unique_ptr<Function>> functions;  // private ones, in the order of creation

  bool taken(const std::string& candidate) const {
    return candidate == "main" || std::any_of(functions.begin(), functions.end(),
                                              [&](const auto& f) { return f->name() == candidate; });
  }
  std::vector<const Function*> all() const {
    std::vector<const Function*> result;
    if (main) result.push_back(main.get());
    for (const auto& f : functions) result.push_back(f.get());
    return result;
  }
  void verify(const char* what) const {
    if (!main) throw BuildError(what, "module @" + name + " has no main", Loc::current());
    for (const Function* f : all())
      if (!f->finished())
        throw BuildError(what, "function @" + f->name() + " is not finished", Loc::current());
  }
};

Module::Module(std::string name) : impl_(std::make_unique<Impl>()) { impl_->name = symbol(std::move(name)); }
Module::~Module() = default;

Function& Module::main() {
  if (!impl_->main) {
    impl_->main.reset(new Function("main", true));
    impl_->main->body().module = impl_.get();
  }
  return *impl_->main;
}

const Function& Module::main() const {
  impl_->verify("main");
  return *impl_->main;
}

Function& Module::add_function(std::string name) {
  const std::string wanted = symbol(std::move(name));
  std::string unique = wanted;
  for (int i = 1; impl_->taken(unique); ++i) unique = fmt::format("{}_{}", wanted, i);
  impl_->functions.emplace_back(new Function(unique, false));
  impl_->functions.back()->body().module = impl_.get();
  return *impl_->functions.back();
}

std::string Module::text() const {
  impl_->verify("text");
  return print_module(impl_->name, impl_->all());
}
std::string Module::dump() const { return print_module(impl_->name, impl_->all()); }
Cost Module::cost() const {
  impl_->verify("cost");
  return cost_of(*impl_->main);
}

}  // namespace adder::hlo
