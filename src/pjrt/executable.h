#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "adder/error.h"
#include "base/shape.h"
#include "pjrt/buffer.h"
#include "pjrt/event.h"
#include "pjrt/program_signature.h"

struct PJRT_Executable;
struct PJRT_LoadedExecutable;

namespace adder::pjrt {

/// Bytes of device memory one run needs, as the compiler planned it.
struct CompiledMemoryStats {
  std::int64_t arguments = 0;
  std::int64_t outputs = 0;
  std::int64_t aliased = 0;  ///< part of the outputs that lives in donated arguments
  std::int64_t temporaries = 0;
  std::int64_t generated_code = 0;
  std::optional<std::int64_t> peak;  ///< nullopt where the plugin does not say
};

struct OptimizedProgram {
  std::string format;  ///< "hlo" (xla::HloModuleProto), "hlo_with_config" or "mlir"
  std::string bytes;
};

struct ExecuteOptions {
  /// Indices of arguments that must survive although the program would take them over; the plugin copies
  /// them.
  std::span<const std::int64_t> not_donated = {};
  /// If set, receives an event that completes when the whole program has run, or fails with its error.
  Event* completion = nullptr;
};

/// A compiled program on one device. Immutable and move-only; keeps its client alive.
/// Thread rule: const members may be called from any thread at the same time; moving and destroying may not
/// overlap with them. Destroying it while runs are in flight is fine.
class Executable {
 public:
  Executable() = default;
  /// Takes ownership of `raw`, also on failure. `program` is the text it came from, if known; it is what the
  /// arguments of execute() are checked against.
  static Result<Executable> adopt(std::shared_ptr<ClientState> client, PJRT_LoadedExecutable* raw,
                                  std::string_view program);
  ~Executable();
  Executable(Executable&& other) noexcept;
  Executable& operator=(Executable&& other) noexcept;

  explicit operator bool() const { return loaded_ != nullptr; }
  const std::string& name() const { return name_; }  ///< the module's name, as the plugin keeps it
  std::int64_t num_outputs() const { return num_outputs_; }
  /// Shapes of the outputs; nullopt where the plugin cannot say.
  const std::optional<std::vector<Shape>>& output_shapes() const { return output_shapes_; }
  /// What main declares; nullopt where the text was not given or not understood.
  const std::optional<ProgramSignature>& signature() const { return signature_; }

  /// Error unsupported where the plugin has no such statistics.
  Result<CompiledMemoryStats> memory_stats() const;
  /// Equal for equal programs, options and compilers; unsupported on some platforms.
  Result<std::string> fingerprint() const;
  /// Bytes for Client::load on the same plugin and kind of machine, and on no other.
  Result<std::string> serialize() const;

  /// What the compiler made of the program, in the plugin's own form; for profiles. Unsupported on some
  /// platforms, and for executables that were loaded from serialised bytes on some.
  Result<OptimizedProgram> optimized_program() const;

  /// Enqueues one run and returns at once; the outputs are usable immediately, in the order of main's
  /// results, and whoever reads them waits. An error here means that nothing ran; a failure during the run
  /// shows in the outputs' ready() and in options.completion.
  ///
  /// Donation: each argument that main marks with tf.aliasing_output and that options.not_donated does not
  /// list is taken over by the run. On success its Buffer reports is_deleted() and its memory holds the
  /// output; the caller keeps the empty-shelled Buffer and should drop it. A donated argument may appear only
  /// once in `arguments`, and no other thread may be using it. All other arguments stay valid and may be
  /// shared. On failure nothing promises that donated arguments survived: check is_deleted().
  ///
  /// Checked before the plugin sees anything: the number of arguments, their shapes, that none is null or
  /// empty, and that all belong to this executable's client.
  Result<std::vector<Buffer>> execute(std::span<const Buffer* const> arguments,
                                      const ExecuteOptions& options = {}) const;

 private:
  void reset();
  Status check_filled(const char* what) const;
  Status check_arguments(std::span<const Buffer* const> arguments, const ExecuteOptions& options) const;
  Status read_outputs();

  std::shared_ptr<ClientState> client_;
  PJRT_LoadedExecutable* loaded_ = nullptr;
  PJRT_Executable* executable_ = nullptr;
  std::string name_;
  std::int64_t num_outputs_ = 0;
  std::size_t num_devices_ = 1;
  std::optional<std::vector<Shape>> output_shapes_;
  std::optional<ProgramSignature> signature_;
};

}  // namespace adder::pjrt
