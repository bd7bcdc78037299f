// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtdsim/machine_adapter.h"
#include "vtdsim/run.h"

#include "vtd/check/visibility_checker.h"
#include "vtd/driver/driver.h"
#include "vtd/models/root_complex.h"
#include "vtd/platform/dma_master.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace vtdsim {

/// Host memory that the run uses, away from firmware's places. All in memory below 1 GB, which every board
/// has.
struct host_layout {
  static constexpr std::uint64_t root_pointer = 0xf0000;
  static constexpr std::uint64_t table_list = 0xf0100;
  static constexpr std::uint64_t driver_pages = 0x0200'0000;
  static constexpr std::uint64_t driver_pages_end = 0x1000'0000;
  static constexpr std::uint64_t guest = 0x1000'0000;
};

/// The guest's memory as the guest sees it: not where it is on the host, and not in that order.
struct guest_layout {
  static constexpr std::uint64_t size = 96ULL << 20;
  static constexpr std::uint64_t chunk = 2ULL << 20;
  static constexpr std::uint64_t ring = 0x10'0000;
  static constexpr std::uint64_t source = 0x20'0000;
  static constexpr std::uint64_t destination = 0x40'0000;
  static constexpr std::uint64_t window = 32ULL << 20;
  /// Nothing is mapped here.
  static constexpr std::uint64_t stray = 0x3'2123'4000;

  /// Host address of a guest address.
  [[nodiscard]] static constexpr std::uint64_t host(std::uint64_t guest_address) {
    constexpr std::uint64_t chunks = size / chunk;
    const std::uint64_t index = guest_address / chunk;
    return host_layout::guest + (index * 7 + 3) % chunks * chunk + guest_address % chunk;
  }
};

/// So long may the driver take from the invalidation of the IOTLB to that of a device-TLB before the checker
/// says that it was forgotten.
inline constexpr std::uint64_t driver_patience_ns = 1'000'000;

/// Everything one run holds while it is under way.
struct session {
  vtd::models::root_complex& machine;
  vtd::platform::dma_master& probe;
  /// The assigned device.
  vtd::platform::endpoint& device;
  /// The unit behind which it is; null: none.
  vtd::dmar::unit* unit;
  const run_options& options;
  const line_sink& say;
  run_result& result;
  std::unique_ptr<machine_adapter> adapter;
  std::unique_ptr<vtd::driver::hardware> hardware;
  std::unique_ptr<vtd::driver::driver> driver;
  vtd::driver::domain* guest = nullptr;
  /// A page was taken back from the guest.
  bool unmapped = false;

  /// Does the device use the guest's addresses? Else it is given those of the host.
  [[nodiscard]] bool translated() const { return guest != nullptr; }
  [[nodiscard]] std::uint64_t device_address(std::uint64_t guest_address) const {
    return translated() ? guest_address : guest_layout::host(guest_address);
  }
};

/// What firmware leaves in memory: root pointer, list of tables, the DMAR table.
void write_firmware(session& s, const std::vector<std::byte>& dmar, std::uint64_t dmar_address);

/// The guest's driver moves real bytes through the device's ring, both ways, and checks them.
void run_guest_traffic(session& s);
/// One stray request, which must be blocked.
void provoke_fault(session& s);

/// Of a device that translates for itself (ATS): the driver takes a page back that the device knows, the
/// device goes there once more, which must fail, and the guest gets the page again. False: it is no such
/// device, and nothing was done.
bool take_a_page_back(session& s);

/// The sweep over the working set. `translated` false: before translation is on. Ends early when a read is
/// blocked, which is a failure: such a read measures nothing.
void sweep(session& s, bool translated);

/// A device that reads and writes from its own side, measured: one request at a time.
class measured_traffic {
public:
  explicit measured_traffic(session& s);
  struct sample {
    double latency_ns = 0;
    bool missed = false;
    bool ok = true;
  };
  /// One 64-byte read, alone.
  sample read_one(std::uint64_t address);
  /// `count` reads with `outstanding` under way; requests per second of simulated time.
  double throughput(std::uint64_t count, unsigned outstanding,
                    const std::function<std::uint64_t()>& next_address);
  /// Was a read blocked since the beginning?
  [[nodiscard]] bool blocked() const { return blocked_; }

private:
  session& s_;
  sc_core::sc_event done_;
  std::uint64_t ended_ = 0;
  vtd::engine::picoseconds latency_ = 0;
  bool ok_ = true;
  bool blocked_ = false;
  std::function<void()> more_;
};

} // namespace vtdsim
