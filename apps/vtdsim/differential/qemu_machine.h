// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtdsim/differential/machine.h"
#include "vtdsim/differential/qemu_process.h"
#include "vtdsim/differential/qtest_client.h"
#include "vtdsim/differential/variant.h"

#include <array>
#include <optional>
#include <string>
#include <vector>

namespace vtdsim::differential {

/// QEMU's q35 with its VT-d unit and several `edu` devices, run without a guest. Members throw `qemu_error`.
class qemu_machine final : public machine {
public:
  qemu_machine(const std::string& program, const variant& how);

  void restart() override;
  void reset() override;
  void store(std::uint64_t address, std::uint64_t value) override;
  void write_register(std::uint32_t offset, unsigned bytes, std::uint64_t value) override;
  void read_register(std::uint32_t offset, unsigned bytes, std::uint64_t* out) override;
  void dma(const transfer& what) override;
  void sync() override { qtest_.sync(); }
  [[nodiscard]] std::span<const std::byte> buffer(unsigned device) override;
  [[nodiscard]] const guest_memory& memory() const override { return memory_; }
  [[nodiscard]] const std::string& version() const { return monitor_->version(); }
  [[nodiscard]] std::string last_words() const { return process_.last_words(); }

private:
  void set_up_devices();
  void write_config(vtd::spec::source_id function, std::uint32_t offset, std::uint32_t value);
  void start(const transfer& what);
  void wait_for(unsigned device);
  void fetch_buffers();

  guest_memory memory_;
  qemu_process process_;
  qtest_client qtest_;
  std::optional<qmp_client> monitor_;
  // Devices whose buffer the program may have changed; all of them at first.
  std::array<bool, device_count> changed_{};
  bool fetched_ = false;
  // Commands since the last `sync` that may have looked at memory.
  bool pending_writes_ = false;
};

} // namespace vtdsim::differential
