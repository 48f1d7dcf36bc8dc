#pragma once

#include <exception>

#include "adder/error.h"

namespace adder {

/// The failure behind an exception of the standard library or of a library that we call: no memory and no
/// threads are resource_exhausted, what the system refused is internal in its words; anything else nobody
/// foresaw, and its hint asks for a report. Precondition: not null.
Error error_of(const std::exception_ptr& exception);

}  // namespace adder
