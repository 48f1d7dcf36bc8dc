#pragma once

// The one way into the PJRT C API. Inside this room only: it includes the C header, which no other room sees.

#include <pjrt_c_api.h>

#include <cstddef>
#include <cstring>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "adder/error.h"
#include "pjrt/named_value.h"

namespace adder::pjrt {

/// One entry of the plugin's function table: where it sits and how long the argument struct is in our header.
template <class Return, class Args>
struct Function {
  const char* name;
  std::size_t offset;
  std::size_t args_size;
  Return (*PJRT_Api::*member)(Args*);
};
// Clang 16 deduces no arguments of an aggregate by itself.
template <class Return, class Args>
Function(const char*, std::size_t, std::size_t, Return (*PJRT_Api::*)(Args*)) -> Function<Return, Args>;

/// Names an entry: `call(api, ADDER_PJRT(PJRT_Client_Devices), ...)`.
#define ADDER_PJRT(fn) \
  ::adder::pjrt::Function { #fn, offsetof(PJRT_Api, fn), fn##_Args_STRUCT_SIZE, &PJRT_Api::fn }

/// Whether the plugin's table reaches this entry and fills it in. A plugin built against an older header has
/// a shorter table; an entry that ends exactly at struct_size is still inside.
template <class Return, class Args>
bool has(const PJRT_Api* api, const Function<Return, Args>& function) {
  return api->struct_size >= function.offset + sizeof(void*) && api->*function.member != nullptr;
}

/// The number in a C enum that a plugin filled in. A newer plugin may know values that our header does not,
/// and to read those as the enum is undefined.
template <class Enum>
int as_number(const Enum& value) {
  static_assert(sizeof(Enum) == sizeof(int));
  int number;
  std::memcpy(&number, &value, sizeof(number));
  return number;
}

/// "INVALID_ARGUMENT" for 3; "code 99" for a number that our header does not know.
std::string pjrt_code_name(int code);

/// Turns a plugin's error into ours ("PJRT_Client_Compile: INVALID_ARGUMENT: ...") and frees it.
Error take_error(const PJRT_Api* api, const char* function, PJRT_Error* error);

/// The error for a table that lacks `function`.
Error missing_function(const PJRT_Api* api, const char* function);

/// A zeroed argument struct with struct_size set, as every call wants it.
template <class Return, class Args>
Args make_args(const Function<Return, Args>& function) {
  Args args;
  std::memset(&args, 0, sizeof(args));
  args.struct_size = function.args_size;
  return args;
}

/// Calls one function: `fill(args)` sets its inputs, and the filled struct comes back with its outputs.
/// Thread rule: that of the called function; PJRT's client functions may be called from any thread.
template <class Args, class Fill>
Result<Args> call(const PJRT_Api* api, const Function<PJRT_Error*, Args>& function, Fill&& fill) {
  if (!has(api, function)) return fail(missing_function(api, function.name));
  Args args = make_args(function);
  std::forward<Fill>(fill)(args);
  if (PJRT_Error* error = (api->*function.member)(&args)) return fail(take_error(api, function.name, error));
  return args;
}

/// For destructors, where there is nobody to tell: calls and frees any error.
template <class Args, class Fill>
void call_quietly(const PJRT_Api* api, const Function<PJRT_Error*, Args>& function, Fill&& fill) {
  (void)call(api, function, std::forward<Fill>(fill));
}

/// Copies a plugin's array of attributes.
std::vector<NamedValue> named_values_from_c(const PJRT_NamedValue* values, std::size_t count);
/// Views of `values`, which must outlive the result.
std::vector<PJRT_NamedValue> named_values_to_c(std::span<const NamedValue> values);

}  // namespace adder::pjrt
