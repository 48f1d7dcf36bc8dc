#include "hlo/scope.h"

#include "hlo/node.h"

namespace adder::hlo {

Scope::Scope(Function& function, const std::string& name)
    : function_(function), outer_(function.body().scope) {
  next(name);
}

Scope::~Scope() { function_.body().scope = outer_; }

void Scope::next(const std::string& name) {
  FunctionBody& body = function_.body();
  const std::string& outer = body.scope_names[outer_];
  body.scope = body.intern_scope(outer.empty() ? name : outer + "/" + name);
}

}  // namespace adder::hlo
