#pragma once

// Inside this room only: what a Client and everything made from it share.

#include <string>
#include <vector>

#include "pjrt/api.h"
#include "pjrt/plugin.h"
#include "pjrt/stats.h"

namespace adder::pjrt {

/// What is known of a device from the day the client was made; never changes.
struct DeviceRecord {
  PJRT_Device* raw = nullptr;  ///< owned by the client
  int id = 0;
  int local_hardware_id = -1;
  std::string kind, description;
  std::vector<NamedValue> attributes;
};

/// Owns the PJRT_Client. Buffers, executables, events and devices each hold a shared_ptr to it, so the client
/// goes last whatever order its users are destroyed in.
struct ClientState {
  ClientState(Plugin p, PJRT_Client* c) : plugin(std::move(p)), api(plugin.api()), raw(c) {}
  ~ClientState() {
    call_quietly(api, ADDER_PJRT(PJRT_Client_Destroy), [&](auto& args) { args.client = raw; });
  }
  ClientState(const ClientState&) = delete;
  ClientState& operator=(const ClientState&) = delete;

  Plugin plugin;
  const PJRT_Api* api;
  PJRT_Client* raw;
  std::string platform_name, platform_version, options;
  std::vector<DeviceRecord> devices;  ///< addressable ones; filled in before the state is shared
  Stats stats;
};

}  // namespace adder::pjrt
