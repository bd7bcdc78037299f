// SPDX-License-Identifier: Apache-2.0
#include "vtd/platform/cpu.h"

#include "vtd/platform/binding.h"

#include <cstring>

namespace vtd::platform {

cpu::cpu(const sc_core::sc_module_name& name, kernel_wheel& wheel, host::store_path& path,
         const cpu_timing& timing)
    : sc_module(name), bus("bus"), wheel_(wheel), path_(path), timing_(timing) {
  SC_HAS_PROCESS(cpu);
  SC_THREAD(run_program);
}

void cpu::before_end_of_elaboration() {
  binding_check check(*this);
  check.need(bus, "bus", "a target for uncached accesses");
  check.report();
}

void cpu::run_program() {
  if (!program_) return;
  running_ = true;
  try {
    program_();
  } catch (const sc_core::sc_unwind_exception&) {
    throw;
  } catch (...) {
    failure_ = std::current_exception();
  }
  running_ = false;
  finished_ = true;
  sc_core::sc_stop();
}

void cpu::pass(engine::picoseconds span) {
  if (running_) wait(to_sc_time(span));
}

bool cpu::load(std::uint64_t address, std::span<std::byte> out) {
  pass(timing_.load);
  return path_.cpu_load(address, out);
}

bool cpu::store(std::uint64_t address, std::span<const std::byte> data) {
  pass(timing_.store);
  // Stamped with the last edge, so that it is not later than a table read that happens after it.
  return path_.cpu_store(address, data, wheel_.timebase().last_edge_until(now_ps()));
}

void cpu::flush(std::uint64_t address, std::uint64_t bytes) {
  if (bytes == 0) return;
  const std::uint64_t first = address / host::line_size;
  const std::uint64_t last = (address + bytes - 1) / host::line_size;
  pass(timing_.flush_line * (last - first + 1));
  path_.clflush(address, bytes);
}

bool cpu::transport(tlm::tlm_command command, std::uint64_t address, unsigned char* data, unsigned bytes,
                    io_space_extension* space) {
  tlm::tlm_generic_payload trans;
  if (space != nullptr) trans.set_extension(space);
  trans.set_command(command);
  trans.set_address(address);
  trans.set_data_ptr(data);
  trans.set_data_length(bytes);
  trans.set_streaming_width(bytes);
  trans.set_response_status(tlm::TLM_INCOMPLETE_RESPONSE);
  sc_core::sc_time delay = sc_core::SC_ZERO_TIME;
  bus->b_transport(trans, delay);
  // The caller owns it; the payload would free it.
  if (space != nullptr) trans.clear_extension(space);
  pass(to_ps(delay));
  return trans.is_response_ok();
}

std::uint64_t cpu::read(std::uint64_t address, unsigned bytes) {
  std::uint64_t value = 0;
  if (!transport(tlm::TLM_READ_COMMAND, address, reinterpret_cast<unsigned char*>(&value), bytes)) {
    return spec::low_bits(8 * bytes);
  }
  return value;
}

void cpu::write(std::uint64_t address, unsigned bytes, std::uint64_t value) {
  transport(tlm::TLM_WRITE_COMMAND, address, reinterpret_cast<unsigned char*>(&value), bytes);
}

std::uint32_t cpu::read_port(std::uint16_t port, unsigned bytes) {
  std::uint32_t value = 0;
  io_space_extension space;
  if (!transport(tlm::TLM_READ_COMMAND, port, reinterpret_cast<unsigned char*>(&value), bytes, &space))
    return static_cast<std::uint32_t>(spec::low_bits(8 * bytes));
  return value;
}

void cpu::write_port(std::uint16_t port, unsigned bytes, std::uint32_t value) {
  io_space_extension space;
  transport(tlm::TLM_WRITE_COMMAND, port, reinterpret_cast<unsigned char*>(&value), bytes, &space);
}

engine::picoseconds cpu::drain_time() const { return timing_.drain_line * path_.buffer().size(); }

void cpu::drain() { path_.drain(); }

} // namespace vtd::platform
