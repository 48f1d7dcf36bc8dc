#pragma once

#include <cstdint>
#include <span>

namespace adder {

/// Conversions between float32 and the two 16-bit float formats, which are carried as their bits:
/// f16 is IEEE 754 binary16 (1-5-10), bf16 the upper half of a float32 (1-8-7).
/// Widening is exact. Narrowing rounds to nearest, ties to even; overflow gives infinity, subnormals are
/// kept. A NaN stays a NaN with its sign and the upper payload bits, so widening and narrowing again gives
/// the same 16 bits for every pattern. Pure functions, safe from any thread.
float f16_to_f32(std::uint16_t bits);
float bf16_to_f32(std::uint16_t bits);
std::uint16_t f32_to_f16(float value);
std::uint16_t f32_to_bf16(float value);

/// Nearest f16/bf16 to a double, rounded once: going through the nearest float32 would round twice.
std::uint16_t f64_to_f16(double value);
std::uint16_t f64_to_bf16(double value);

/// The same over whole arrays. Precondition: in.size() == out.size(); in and out do not overlap.
void f16_to_f32(std::span<const std::uint16_t> in, std::span<float> out);
void bf16_to_f32(std::span<const std::uint16_t> in, std::span<float> out);
void f32_to_f16(std::span<const float> in, std::span<std::uint16_t> out);
void f32_to_bf16(std::span<const float> in, std::span<std::uint16_t> out);

}  // namespace adder
