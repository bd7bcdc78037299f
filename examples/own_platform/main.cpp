// SPDX-License-Identifier: Apache-2.0
// A platform of one's own: a device that knows the TLM base protocol and nothing else, a memory that is a
// plain array, and between them a remapping unit. The program is its driver, in the fewest steps that make it
// translate.

#include "vtd/platform/kernel_wheel.h"
#include "vtd/platform/remapping_unit.h"
#include "vtd/spec/entries.h"
#include "vtd/spec/registers.h"

#include <systemc>
#include <tlm_utils/simple_initiator_socket.h>
#include <tlm_utils/simple_target_socket.h>

#include <cstring>
#include <iostream>
#include <vector>

namespace {

namespace spec = vtd::spec;
namespace reg = vtd::spec::reg;

// The user's memory: 16 MB, 60 ns.
struct my_memory : sc_core::sc_module {
  tlm_utils::simple_target_socket<my_memory> port{"port"};
  std::vector<unsigned char> bytes = std::vector<unsigned char>(16U << 20);

  explicit my_memory(const sc_core::sc_module_name& name) : sc_module(name) {
    port.register_b_transport(this, &my_memory::transport);
  }
  void transport(tlm::tlm_generic_payload& trans, sc_core::sc_time& delay) {
    if (trans.get_address() + trans.get_data_length() > bytes.size()) {
      trans.set_response_status(tlm::TLM_ADDRESS_ERROR_RESPONSE);
      return;
    }
    unsigned char* const at = bytes.data() + trans.get_address();
    if (trans.is_read()) {
      std::memcpy(trans.get_data_ptr(), at, trans.get_data_length());
    } else {
      std::memcpy(at, trans.get_data_ptr(), trans.get_data_length());
    }
    delay += sc_core::sc_time(60, sc_core::SC_NS);
    trans.set_response_status(tlm::TLM_OK_RESPONSE);
  }
  template <class Entry>
  void put(std::uint64_t address, const Entry& entry) {
    std::memcpy(bytes.data() + address, &entry, sizeof(entry));
  }
};

// Where interrupt messages of the unit would go.
struct my_interrupts : sc_core::sc_module {
  tlm_utils::simple_target_socket<my_interrupts> port{"port"};
  explicit my_interrupts(const sc_core::sc_module_name& name) : sc_module(name) {
    port.register_b_transport(this, &my_interrupts::transport);
  }
  void transport(tlm::tlm_generic_payload& trans, sc_core::sc_time& /*delay*/) {
    trans.set_response_status(tlm::TLM_OK_RESPONSE);
  }
};

struct my_platform : sc_core::sc_module {
  vtd::platform::kernel_wheel wheel{"wheel", vtd::engine::clock{3000}};
  my_memory memory{"memory"};
  my_interrupts interrupts{"interrupts"};
  vtd::platform::remapping_unit unit;
  tlm_utils::simple_initiator_socket<my_platform> device{"device"};
  tlm_utils::simple_initiator_socket<my_platform> cpu{"cpu"};
  int failures = 0;

  static vtd::dmar::unit_config config() {
    vtd::dmar::unit_config out;
    out.caps.cap.set_nd(2).set_sagaw(2).set_mgaw(39).set_fault_record_offset(0x200).set_psi(true);
    out.caps.ecap.set_iotlb_offset(0x100);
    out.caches.context.entries = 8;
    out.caches.iotlb.entries = 16;
    out.caches.pde.entries = 4;
    return out;
  }

  explicit my_platform(const sc_core::sc_module_name& name) : sc_module(name), unit("unit", wheel, config()) {
    device.bind(unit.upstream[0]);
    unit.memory.bind(memory.port);
    unit.interrupts.bind(interrupts.port);
    cpu.bind(unit.registers);
    unit.set_default_source(0, requester);
    SC_HAS_PROCESS(my_platform);
    SC_THREAD(run);
  }

  static constexpr spec::source_id requester = spec::source_id::from_bdf(1, 0, 0);
  static constexpr std::uint64_t root = 0x1000;
  static constexpr std::uint64_t contexts = 0x2000;
  static constexpr std::uint64_t top = 0x3000;
  static constexpr std::uint64_t middle = 0x4000;
  static constexpr std::uint64_t leaves = 0x5000;
  static constexpr std::uint64_t page = 0x800000;

  void write_tables() {
    memory.put(root + requester.bus() * sizeof(spec::root_entry),
               spec::root_entry{}.set_present(true).set_context_table(contexts));
    memory.put(
        contexts + requester.devfn() * sizeof(spec::context_entry),
        spec::context_entry{}.set_present(true).set_domain_id(1).set_address_width(1).set_second_level_table(
            top));
    // Address 0 of the device is `page`.
    const auto entry = [](std::uint64_t to) {
      return spec::second_level_entry{}.set_read(true).set_write(true).set_address(to);
    };
    memory.put(top, entry(middle));
    memory.put(middle, entry(leaves));
    memory.put(leaves, entry(page));
  }

  template <class Socket>
  tlm::tlm_response_status access(Socket& socket, tlm::tlm_command command, std::uint64_t address, void* data,
                                  unsigned bytes) {
    tlm::tlm_generic_payload trans;
    trans.set_command(command);
    trans.set_address(address);
    trans.set_data_ptr(static_cast<unsigned char*>(data));
    trans.set_data_length(bytes);
    trans.set_streaming_width(bytes);
    sc_core::sc_time delay;
    socket->b_transport(trans, delay);
    wait(delay);
    return trans.get_response_status();
  }
  void write_register(std::uint32_t offset, std::uint64_t value, unsigned bytes) {
    access(cpu, tlm::TLM_WRITE_COMMAND, offset, &value, bytes);
  }
  void wait_for(std::uint32_t bit) {
    std::uint32_t status = 0;
    do {
      access(cpu, tlm::TLM_READ_COMMAND, reg::gsts::offset, &status, 4);
    } while ((status & bit) == 0);
  }
  void expect(bool holds, const char* what) {
    std::cout << (holds ? "ok:     " : "FAILED: ") << what << " (" << sc_core::sc_time_stamp() << ")\n";
    failures += holds ? 0 : 1;
  }

  void run() {
    write_tables();
    write_register(reg::rtaddr::offset, root, 8);
    write_register(reg::gcmd::offset, reg::gcmd::srtp::mask, 4);
    wait_for(reg::gsts::rtps::mask);
    write_register(reg::gcmd::offset, reg::gcmd::te::mask, 4);
    wait_for(reg::gsts::tes::mask);

    std::uint64_t word = 0x0123456789abcdef;
    expect(access(device, tlm::TLM_WRITE_COMMAND, 0x18, &word, 8) == tlm::TLM_OK_RESPONSE,
           "the device writes to its address 0x18");
    std::uint64_t there = 0;
    std::memcpy(&there, memory.bytes.data() + page + 0x18, 8);
    expect(there == word, "the word is at 0x800018 in memory");
    expect(access(device, tlm::TLM_READ_COMMAND, 0x5000, &word, 8) == tlm::TLM_ADDRESS_ERROR_RESPONSE &&
               word == ~std::uint64_t{0},
           "a read of an address that is not mapped is blocked, and gives all ones");
    wait(sc_core::sc_time(1, sc_core::SC_US));
    std::uint32_t status = 0;
    access(cpu, tlm::TLM_READ_COMMAND, reg::fsts::offset, &status, 4);
    expect(reg::fsts::ppf::get(status) == 1, "the unit has recorded the fault");
    sc_core::sc_stop();
  }
};

} // namespace

int sc_main(int /*argc*/, char** /*argv*/) {
  my_platform platform("platform");
  sc_core::sc_start();
  return platform.failures;
}
