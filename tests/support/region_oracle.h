// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtd/dmar/config.h"
#include "vtd/dmar/observer.h"
#include "vtd/dmar/register_file.h"
#include "vtd/remap/access.h"
#include "vtd/spec/address.h"
#include "vtd/spec/registers.h"

#include <algorithm>
#include <cstdint>
#include <vector>

namespace vtd::test {

/// What the registers of a unit close to its requesters, and where they let the unit write on its own: the
/// protected regions while PRS = 1 (VT-d 10.4.16), and the advanced fault log.
class region_oracle {
public:
  region_oracle(const dmar::unit_config& config, const dmar::register_file& registers)
      : config_(config), registers_(registers) {}

  void on_command(const dmar::command_event& event) {
    using dmar::command_step;
    if (event.what == dmar::unit_command::fault_log_pointer && event.step == command_step::effective)
      log_ = {event.log_address, event.log_address + event.log_bytes - 1};
    if (event.what != dmar::unit_command::protected_memory) return;
    in_force_ = false;
    if (event.step == command_step::effective) read_regions();
    if (event.step != command_step::ended || !event.on) return;
    in_force_ = true;
    since_ = event.at;
  }
  void reset() {
    in_force_ = false;
    regions_.clear();
    log_ = first_page;
  }

  /// May a request that was admitted then, with translation on or off, be at these bytes of memory? Requests
  /// that are translated may, in parts that leave it open.
  [[nodiscard]] bool allows(const remap::dma_access& access, bool translation, engine::cycle admission,
                            std::uint64_t host, std::uint32_t length) const {
    const bool untranslated = access.type == remap::address_type::untranslated;
    const bool counts = !untranslated || !translation || config_.checks_translated();
    if (!in_force_ || admission <= since_ || !counts) return true;
    return std::none_of(regions_.begin(), regions_.end(), [&](const spec::address_range& each) {
      return host <= each.last && host + length - 1 >= each.first;
    });
  }
  [[nodiscard]] bool in_force() const { return in_force_; }
  [[nodiscard]] bool in_log(std::uint64_t address, unsigned bytes) const {
    return address % bytes == 0 && address >= log_.first && address + bytes - 1 <= log_.last;
  }

private:
  // Where the log is for software that switches it on and never said where: AFLOG is 0.
  static constexpr spec::address_range first_page{0, spec::page_size - 1};

  // The low bits of a limit read 0 and count as ones (VT-d 10.4.18, 10.4.20).
  void read_regions() {
    namespace reg = spec::reg;
    const std::uint64_t below = spec::low_bits(config_.protected_region_shift);
    regions_.clear();
    const auto add = [&](std::uint64_t base, std::uint64_t limit) {
      if (base <= (limit | below)) regions_.push_back({base, limit | below});
    };
    if (config_.caps.cap.plmr()) add(registers_.read<reg::plmbase>(), registers_.read<reg::plmlimit>());
    if (config_.caps.cap.phmr()) add(registers_.read<reg::phmbase>(), registers_.read<reg::phmlimit>());
  }

  const dmar::unit_config& config_;
  const dmar::register_file& registers_;
  std::vector<spec::address_range> regions_;
  spec::address_range log_ = first_page;
  bool in_force_ = false;
  engine::cycle since_ = 0;
};

} // namespace vtd::test
