#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace adder {

/// How the next token is chosen. Plain values; checked by validate().
/// Order of application: penalties, temperature, top_k, top_p, min_p (as in Hugging Face and vLLM).
struct SamplingOptions {
  double temperature = 0.8;  ///< 0 is greedy; otherwise logits are divided by it
  std::int64_t top_k = 40;   ///< keep the k likeliest tokens; 0 keeps all
  double top_p = 0.95;       ///< keep the likeliest tokens that together reach this mass; 1 keeps all
  double min_p = 0.05;       ///< drop tokens below min_p times the likeliest one's probability; 0 keeps all
  double repetition_penalty =
      1.0;  ///< divides positive and multiplies negative logits of tokens seen (prompt too)
  double presence_penalty = 0.0;   ///< subtracted from logits of tokens already generated
  double frequency_penalty = 0.0;  ///< subtracted once per time a token was generated
  std::uint64_t seed = 0;          ///< same seed, same model, same options: same tokens

  bool greedy() const { return temperature == 0; }
  bool penalizes() const {
    return repetition_penalty != 1.0 || presence_penalty != 0.0 || frequency_penalty != 0.0;
  }
};

}  // namespace adder
