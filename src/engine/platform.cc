#include "engine/platform.h"

#include "engine/build_guard.h"
#include "hlo/module.h"
#include "hlo/ops.h"

namespace adder::engine {

const PlatformPolicy& platform_policy(std::string_view platform) {
  static const std::vector<PlatformPolicy> kTable{
      // One device: XLA's CPU client makes at least as many threads as devices, four by default, and on fewer
      // cores they take turns (10% of decode on two cores).
      // A batch dimension is what XLA divides among threads; with one row, bfloat16 and int8 products fall to
      // a scalar loop (design section 9).
      {.platform = "cpu",
       .client_options = {{"cpu_device_count", std::int64_t{1}}},
       .spelling = {{DType::f32, "parts4"}, {DType::bf16, "rows2"}, {DType::s8, "first2x8"}},
       // XLA's own loops, norms and int8 or bfloat16 products among them, take 256 bits otherwise. A machine
       // that has fewer uses what it has.
       .compile_flags = {{"xla_cpu_prefer_vector_width", std::int64_t{512}}},
       // Nothing fuses the expansion of int8 weights into a product here: it would be written and read back.
       .int8_activations = true,
       .open_loops = true,
       .block = 64},
  };
  static const PlatformPolicy kNone{};
  for (const PlatformPolicy& row : kTable)
    if (row.platform == platform) return row;
  return kNone;
}

std::string_view device_hint(std::string_view platform) {
  if (platform == "cuda")
    return "is NVIDIA's driver installed, and may this process use a card? `nvidia-smi` must list one (in a "
           "container: "
           "--gpus all), with a driver as new as the plugin's CUDA: 580 or later for CUDA 13, 525 for CUDA "
           "12";
  if (platform == "rocm")
    return "is AMD's driver (amdgpu) loaded, and may this process use a card? `rocm-smi` must list one, and "
           "the user "
           "must be in the groups render and video";
  if (platform == "oneapi")
    return "is Intel's compute runtime (level-zero) installed, and may this process use a card? `clinfo -l` "
           "must "
           "list one";
  if (platform == "tpu")
    return "libtpu runs on a machine with a TPU, one process at a time; /dev/accel* or /dev/vfio must be "
           "there";
  return {};
}

Result<pjrt::Client> create_client(const pjrt::Plugin& plugin, std::string_view platform) {
  const bool guess = platform.empty();
  auto client = pjrt::Client::create(plugin, platform_policy(guess ? "cpu" : platform).client_options);
  if (!client && guess) client = pjrt::Client::create(plugin);
  if (client) return client;
  Error error = std::move(client).error();
  if (error.hint.empty()) error.hint = device_hint(platform);
  return fail(std::move(error));
}

pjrt::CompileOptions compile_options(const pjrt::Client& client, const pjrt::Device& device) {
  pjrt::CompileOptions out;
  if (device.id() != client.default_device().id()) out = pjrt::CompileOptions::for_device(device.id());
  const Result<std::string> program = guard_build("an empty program", [] {
    hlo::Module module("empty");
    module.main().finish({{"out", hlo::constant(module.main(), DType::s32, 0)}});
    return module.text();
  });
  if (!program) return out;  // then no flag is known to be taken
  for (const auto& [name, value] : platform_policy(client.platform_name()).compile_flags) {
    pjrt::CompileOptions with_flag = out;
    with_flag.flags[name] = value;
    if (client.compile(*program, with_flag)) out = std::move(with_flag);
  }
  return out;
}

}  // namespace adder::engine
