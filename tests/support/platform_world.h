// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "support/fake_memory.h"
#include "support/parts.h"
#include "support/table_builder.h"
#include "vtd/dmar/fault_recorder.h"
#include "vtd/host/sparse_memory.h"
#include "vtd/host/store_path.h"
#include "vtd/platform/fault_injector.h"
#include "vtd/platform/interrupt_sink.h"
#include "vtd/platform/kernel_wheel.h"
#include "vtd/platform/memory.h"
#include "vtd/platform/remapping_unit.h"

#include <systemc>
#include <tlm>
#include <tlm_utils/simple_initiator_socket.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace vtd::test {

/// One unit between a plain initiator and a memory, as a user would wire them. The initiator knows the base
/// protocol only, unless a test attaches the extension.
class platform_world : public sc_core::sc_module, public dmar::fault_observer {
public:
  static constexpr engine::picoseconds period = 1000;
  struct outcome {
    tlm::tlm_response_status status = tlm::TLM_INCOMPLETE_RESPONSE;
    std::vector<unsigned char> data;
    engine::picoseconds latency = 0;
    friend bool operator==(const outcome&, const outcome&) = default;
  };

  /// `injectors`: with `memory_faults` and `register_faults` in between.
  explicit platform_world(const dmar::unit_config& config, const sc_core::sc_module_name& name = "world",
                          bool injectors = false)
      : sc_module(name), wheel("wheel", engine::clock{period}), store(std::uint64_t{1} << 40),
        path(store, host::store_path_config{}), tables(words), unit("unit", wheel, config),
        ram("memory", path, platform::memory_timing{}, 1), sink("sink", 1), device("device"), cpu("cpu") {
    device.register_nb_transport_bw(this, &platform_world::backward_phase);
    device.register_invalidate_direct_mem_ptr(this, &platform_world::on_withdraw);
    device.bind(unit.upstream[0]);
    unit.interrupts.bind(sink.ports[0]);
    if (injectors) {
      memory_faults = std::make_unique<platform::fault_injector>("memory_faults");
      register_faults = std::make_unique<platform::fault_injector>("register_faults");
      unit.memory.bind(memory_faults->port);
      memory_faults->next.bind(ram.ports[0]);
      cpu.bind(register_faults->port);
      register_faults->next.bind(unit.registers);
    } else {
      unit.memory.bind(ram.ports[0]);
      cpu.bind(unit.registers);
    }
    unit.set_default_source(0, nic);
    unit.hardware().set_fault_observer(this);
  }

  /// Runs a test's body as a SystemC thread, then ends.
  void run(std::function<void()> body) {
    sc_core::sc_spawn([body = std::move(body)] {
      body();
      sc_core::sc_stop();
    });
    sc_core::sc_start();
  }

  /// Puts the tables that were built so far into memory.
  void write_tables() {
    for (const auto& [address, value] : words.words()) {
      std::array<std::byte, 8> raw;
      std::memcpy(raw.data(), &value, 8);
      path.debug_write(address, raw);
    }
  }
  template <class Register>
  void write_register(typename Register::word value) {
    access_register(tlm::TLM_WRITE_COMMAND, unit.hardware().registers().template offset_of<Register>(),
                    &value, sizeof(value));
  }
  template <class Register>
  typename Register::word read_register() {
    typename Register::word value = 0;
    access_register(tlm::TLM_READ_COMMAND, unit.hardware().registers().template offset_of<Register>(), &value,
                    sizeof(value));
    return value;
  }
  void enable() {
    namespace reg = spec::reg;
    write_tables();
    write_register<reg::rtaddr>(tables.root());
    write_register<reg::gcmd>(reg::gcmd::srtp::of(1));
    while (reg::gsts::rtps::get(read_register<reg::gsts>()) == 0) {
    }
    write_register<reg::gcmd>(reg::gcmd::te::of(1));
    while (reg::gsts::tes::get(read_register<reg::gsts>()) == 0) {
    }
  }
  void invalidate_contexts() {
    namespace reg = spec::reg;
    write_register<reg::ccmd>(reg::ccmd::icc::of(1) | reg::ccmd::cirg::of(1));
    while (reg::ccmd::icc::get(read_register<reg::ccmd>()) != 0) {
    }
  }
  void invalidate_iotlb_global() {
    namespace reg = spec::reg;
    write_register<reg::iotlb>(reg::iotlb::ivt::of(1) | reg::iotlb::iirg::of(1));
    while (reg::iotlb::ivt::get(read_register<reg::iotlb>()) != 0) {
    }
  }

  outcome loosely(tlm::tlm_command command, std::uint64_t address, std::vector<unsigned char> data) {
    tlm::tlm_generic_payload trans;
    fill(trans, command, address, data);
    sc_core::sc_time delay = sc_core::SC_ZERO_TIME;
    const engine::picoseconds begin = platform::now_ps();
    device->b_transport(trans, delay);
    wait(delay);
    return {trans.get_response_status(), data, platform::now_ps() - begin};
  }
  /// One request through all four phases; another may stand before it and never end.
  outcome accurately(tlm::tlm_command command, std::uint64_t address, std::vector<unsigned char> data) {
    platform::payload_pool<tlm::tlm_generic_payload> pool;
    tlm::tlm_generic_payload& trans = pool.take();
    fill(trans, command, address, data);
    const engine::picoseconds begin = platform::now_ps();
    phases.clear();
    tlm::tlm_phase phase = tlm::BEGIN_REQ;
    sc_core::sc_time delay = sc_core::SC_ZERO_TIME;
    if (device->nb_transport_fw(trans, phase, delay) != tlm::TLM_COMPLETED) {
      do
        wait(response_);
      while (responded_ != &trans);
    }
    outcome out{trans.get_response_status(), data, platform::now_ps() - begin};
    phase = tlm::END_RESP;
    delay = sc_core::SC_ZERO_TIME;
    if (!phases.empty()) device->nb_transport_fw(trans, phase, delay);
    wait(2 * sc_core::sc_time(period, sc_core::SC_PS));
    trans.release();
    return out;
  }
  /// By a direct pointer, when one is given.
  outcome directly(tlm::tlm_command command, std::uint64_t address, std::vector<unsigned char> data) {
    tlm::tlm_generic_payload trans;
    fill(trans, command, address, data);
    tlm::tlm_dmi dmi;
    if (!device->get_direct_mem_ptr(trans, dmi)) return {tlm::TLM_GENERIC_ERROR_RESPONSE, data, 0};
    unsigned char* const at = dmi.get_dmi_ptr() + (address - dmi.get_start_address());
    if (command == tlm::TLM_READ_COMMAND) {
      std::memcpy(data.data(), at, data.size());
    } else {
      std::memcpy(at, data.data(), data.size());
    }
    return {tlm::TLM_OK_RESPONSE, data, 0};
  }
  [[nodiscard]] bool gives_direct_access(std::uint64_t address,
                                         tlm::tlm_command command = tlm::TLM_READ_COMMAND) {
    return directly(command, address, std::vector<unsigned char>(1)).status == tlm::TLM_OK_RESPONSE;
  }

  void on_fault(const dmar::fault_report& report) override { faults.push_back(report); }

  platform::kernel_wheel wheel;
  host::sparse_memory store;
  host::store_path path;
  fake_memory words;
  table_builder tables;
  platform::remapping_unit unit;
  platform::memory ram;
  platform::interrupt_sink sink;
  std::unique_ptr<platform::fault_injector> memory_faults;
  std::unique_ptr<platform::fault_injector> register_faults;
  tlm_utils::simple_initiator_socket<platform_world> device;
  tlm_utils::simple_initiator_socket<platform_world> cpu;

  std::vector<dmar::fault_report> faults;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> withdrawn;
  struct seen_phase {
    std::string phase;
    engine::picoseconds when = 0;
    tlm::tlm_generic_payload* trans = nullptr;
  };
  std::vector<seen_phase> phases;

private:
  static void fill(tlm::tlm_generic_payload& trans, tlm::tlm_command command, std::uint64_t address,
                   std::vector<unsigned char>& data) {
    trans.set_command(command);
    trans.set_address(address);
    trans.set_data_ptr(data.data());
    trans.set_data_length(static_cast<unsigned>(data.size()));
    trans.set_streaming_width(static_cast<unsigned>(data.size()));
    trans.set_byte_enable_ptr(nullptr);
    trans.set_dmi_allowed(false);
    trans.set_response_status(tlm::TLM_INCOMPLETE_RESPONSE);
  }
  void access_register(tlm::tlm_command command, std::uint32_t offset, void* value, unsigned bytes) {
    tlm::tlm_generic_payload trans;
    std::vector<unsigned char> raw(bytes);
    std::memcpy(raw.data(), value, bytes);
    fill(trans, command, offset, raw);
    sc_core::sc_time delay = sc_core::SC_ZERO_TIME;
    cpu->b_transport(trans, delay);
    sc_assert(trans.is_response_ok());
    wait(delay);
    std::memcpy(value, raw.data(), bytes);
  }
  tlm::tlm_sync_enum backward_phase(tlm::tlm_generic_payload& trans, tlm::tlm_phase& phase,
                                    sc_core::sc_time& delay) {
    phases.push_back({phase.get_name(), platform::now_ps() + platform::to_ps(delay), &trans});
    if (phase == tlm::BEGIN_RESP) {
      responded_ = &trans;
      response_.notify(delay);
    }
    return tlm::TLM_ACCEPTED;
  }
  void on_withdraw(sc_dt::uint64 first, sc_dt::uint64 last) { withdrawn.emplace_back(first, last); }

  sc_core::sc_event response_;
  const tlm::tlm_generic_payload* responded_ = nullptr;
};

} // namespace vtd::test
