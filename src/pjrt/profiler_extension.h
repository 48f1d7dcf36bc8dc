#pragma once

// Inside this room only. The ABI of the profiler extension, which the pinned header does not ship, in our own
// words: field for field what xla/pjrt/c/pjrt_c_api_profiler_extension.h and
// xla/backends/profiler/plugin/profiler_c_api.h of openxla/xla lay down. Every struct begins with its size,
// so that either side can tell how far the other's reaches.

#include "pjrt/api.h"

namespace adder::pjrt {

struct PluginProfiler;       // the plugin's session, opaque
struct PluginProfilerError;  // the plugin's error, opaque

struct ProfilerErrorDestroyArgs {
  std::size_t struct_size;
  void* priv;
  PluginProfilerError* error;
};
struct ProfilerErrorMessageArgs {
  std::size_t struct_size;
  void* priv;
  PluginProfilerError* error;
  const char* message;  ///< out; lives as long as the error
  std::size_t message_size;
};
struct ProfilerErrorGetCodeArgs {
  std::size_t struct_size;
  void* priv;
  PluginProfilerError* error;
  int code;  ///< out; absl::StatusCode
};
struct ProfilerCreateArgs {
  std::size_t struct_size;
  const char* options;  ///< serialised tensorflow.ProfileOptions
  std::size_t options_size;
  PluginProfiler* profiler;  ///< out
};
/// Of destroy, start and stop alike.
struct ProfilerSessionArgs {
  std::size_t struct_size;
  PluginProfiler* profiler;
};
struct ProfilerCollectArgs {
  std::size_t struct_size;
  PluginProfiler* profiler;
  std::uint8_t* buffer;  ///< in and out: null asks for the size; a plugin may lend its own buffer instead
  std::size_t buffer_size;
};

struct ProfilerTable {
  std::size_t struct_size;
  void* priv;
  void (*error_destroy)(ProfilerErrorDestroyArgs*);
  void (*error_message)(ProfilerErrorMessageArgs*);
  PluginProfilerError* (*error_get_code)(ProfilerErrorGetCodeArgs*);
  PluginProfilerError* (*create)(ProfilerCreateArgs*);
  PluginProfilerError* (*destroy)(ProfilerSessionArgs*);
  PluginProfilerError* (*start)(ProfilerSessionArgs*);
  PluginProfilerError* (*stop)(ProfilerSessionArgs*);
  PluginProfilerError* (*collect_data)(ProfilerCollectArgs*);
};

struct ProfilerExtension {
  PJRT_Extension_Base base;
  ProfilerTable* table;  ///< null where the node only carries a trace context
  std::int64_t trace_context;
};

/// The table of the first usable profiler node in the API's extension chain, or null.
const ProfilerTable* find_profiler(const PJRT_Api* api);

}  // namespace adder::pjrt
