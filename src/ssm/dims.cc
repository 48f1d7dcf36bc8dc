#include "ssm/dims.h"

#include <fmt/format.h>

namespace adder::ssm {
namespace {

void expect(const char* what, const Value& value, const Dims& dims, hlo::Loc loc) {
  if (value.dtype() == DType::f32 && value.dims() == dims) return;
  throw hlo::BuildError("ssm",
                        fmt::format("{} is {}, expected {}", what, to_string(value.shape()),
                                    to_string(Shape{DType::f32, dims})),
                        loc);
}

}  // namespace

Sizes sizes_of(const Recurrence& r, const Value& state, hlo::Loc loc) {
  if (r.input.rank() != 4 || r.key.rank() != 4)
    throw hlo::BuildError("ssm",
                          fmt::format("input {} and key {} must have rank 4", to_string(r.input.shape()),
                                      to_string(r.key.shape())),
                          loc);
  const Dims u = r.input.dims(), k = r.key.dims();
  const bool written_out = r.log_decay.rank() == 4 && !r.rate;
  const Sizes s{.b = u[0],
                .t = u[1],
                .h = u[2],
                .p = u[3],
                .g = k[2],
                .n = k[3],
                .r = k[2] ? u[2] / k[2] : 0,
                .per_channel = written_out || r.rate};
  if (s.g == 0 || s.h % s.g != 0)
    throw hlo::BuildError("ssm", fmt::format("{} heads do not divide into {} groups", s.h, s.g), loc);
  expect("log_decay", r.log_decay, written_out ? Dims{s.b, s.t, s.h, s.n} : Dims{s.b, s.t, s.h}, loc);
  if (r.rate) expect("rate", *r.rate, {s.h, s.n}, loc);
  expect("input", r.input, {s.b, s.t, s.h, s.p}, loc);
  expect("key", r.key, {s.b, s.t, s.g, s.n}, loc);
  expect("query", r.query, {s.b, s.t, s.g, s.n}, loc);
  expect("state", state, {s.b, s.h, s.p, s.n}, loc);
  return s;
}

}  // namespace adder::ssm
