#pragma once

#include "arch/config.h"

// What Mamba and Mamba-2 checkpoints have in common: the tensors around their layers, under mamba_ssm's
// names, and how layers keep their windows.
namespace adder::arch {

/// A list that begins with the embedding [V,D].
TensorList begin_backbone(const Config& config);
/// The list, ended by the final norm [D] and the head [V,D].
std::vector<TensorField> end_backbone(TensorList list, const Config& config);

/// "conv_state.i": the last K-1 inputs of a convolution over `channels`, oldest first; mamba_ssm, and with it
/// a snapshot, has channels first.
StateField conv_state(std::int64_t layer, std::int64_t width, std::int64_t channels);
/// "ssm_state.i": the recurrence's [H,P,N], which a snapshot holds as `file`.
StateField ssm_state(std::int64_t layer, Dims row, Dims file);

/// How many layers a checkpoint holds, by their in_proj.
std::int64_t stored_layers(const Stored& stored);

}  // namespace adder::arch
