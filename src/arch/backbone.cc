#include "arch/backbone.h"

#include <fmt/format.h>

namespace adder::arch {

TensorList begin_backbone(const Config& c) {
  TensorList list("backbone.layers.");
  TensorField& embedding = list.outside("backbone.embeddings.weight", "embedding.weight", "token_embd.weight",
                                        {c.padded_vocab_size, c.d_model});
  embedding.matrix = true;
  for (const char* other :
       {"backbone.embedding.weight", "embedding.weight", "model.backbone.embedding.weight"})
    embedding.aliases.emplace_back(other);
  return list;
}

std::vector<TensorField> end_backbone(TensorList list, const Config& c) {
  list.outside("backbone.norm_f.weight", "final_norm.weight", "output_norm.weight", {c.d_model});
  TensorField& head =
      list.outside("lm_head.weight", "head.weight", "output.weight", {c.padded_vocab_size, c.d_model});
  head.matrix = true;
  head.used = !c.tie_embeddings;
  return std::move(list).take();
}

StateField conv_state(std::int64_t layer, std::int64_t width, std::int64_t channels) {
  return {.kind = StateField::Kind::window,
          .name = fmt::format("conv_state.{}", layer),
          .local = "conv_state",
          .layer = layer,
          .row = {width - 1, channels},
          .file = {channels, width - 1},
          .transposed = true};
}

StateField ssm_state(std::int64_t layer, Dims row, Dims file) {
  return {.kind = StateField::Kind::recurrent,
          .name = fmt::format("ssm_state.{}", layer),
          .local = "ssm_state",
          .layer = layer,
          .row = std::move(row),
          .file = std::move(file)};
}

std::int64_t stored_layers(const Stored& stored) {
  std::int64_t layers = 0;
  while (stored.has(fmt::format("backbone.layers.{}.mixer.in_proj.weight", layers)) ||
         stored.has(fmt::format("layers.{}.mixer.in_proj.weight", layers)))
    ++layers;
  return layers;
}

}  // namespace adder::arch
