#include "engine/random.h"

#include <array>

#include "hlo/arith.h"

namespace adder::engine {

using namespace hlo;  // NOLINT: graph code reads as mathematics

namespace {

Value word(Value like, std::int64_t value) {
  return constant_int(like.function(), DType::u32, value, like.dims());
}

Value rotate_left(Value x, int bits) {
  return or_(shift_left(x, word(x, bits)), shift_right_logical(x, word(x, 32 - bits)));
}

}  // namespace

std::pair<Value, Value> threefry_2x32(Value key0, Value key1, Value counter0, Value counter1) {
  constexpr std::array<std::array<int, 4>, 2> kRotations{{{13, 15, 26, 6}, {17, 29, 16, 24}}};
  constexpr std::int64_t kParity = 0x1BD11BDA;
  const std::array<Value, 3> schedule{key0, key1, xor_(xor_(key0, key1), word(key0, kParity))};
  Value x0 = add(counter0, schedule[0]), x1 = add(counter1, schedule[1]);
  for (int group = 0; group < 5; ++group) {
    for (int bits : kRotations[static_cast<std::size_t>(group % 2)]) {
      x0 = add(x0, x1);
      x1 = xor_(rotate_left(x1, bits), x0);
    }
    x0 = add(x0, schedule[static_cast<std::size_t>((group + 1) % 3)]);
    x1 = add(add(x1, schedule[static_cast<std::size_t>((group + 2) % 3)]), word(x1, group + 1));
  }
  return {x0, x1};
}

Value uniform(Value key, Value counter) {
  const std::int64_t batch = counter.dim(0);
  const auto half = [&](std::int64_t i) { return view(slice_axis(key, 1, i, i + 1), {batch}); };
  Value bits = threefry_2x32(half(0), half(1), counter, word(counter, 0)).first;  // u32 [B]
  // 23 bits fill a float's fraction: u < 1 and u·total < total hold exactly.
  return convert(shift_right_logical(bits, word(bits, 9)), DType::f32) * (1.0 / (1 << 23));
}

}  // namespace adder::engine
