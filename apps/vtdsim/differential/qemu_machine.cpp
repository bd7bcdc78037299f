// SPDX-License-Identifier: Apache-2.0
#include "vtdsim/differential/qemu_machine.h"

#include <fmt/format.h>

#include <chrono>

namespace vtdsim::differential {

namespace {

constexpr std::uint64_t unit_base = 0xfed90000;
// The port that leads to the last device's bus.
constexpr auto root_port = vtd::spec::source_id::from_bdf(0, 0x1c, 0);
constexpr std::uint32_t other_bus = devices.back().bus();
static_assert(other_bus != 0);

// QEMU's `edu`: registers in its BAR 0, its buffer in an address space of its own.
namespace edu {
constexpr std::uint64_t bar = 0xe0000000;
constexpr std::uint64_t bar_size = 0x100000;
constexpr std::uint64_t source = 0x80;
constexpr std::uint64_t destination = 0x88;
constexpr std::uint64_t count = 0x90;
constexpr std::uint64_t command = 0x98;
constexpr std::uint64_t run = 1;
constexpr std::uint64_t to_memory = 2;
constexpr std::uint64_t buffer = 0x40000;
[[nodiscard]] constexpr std::uint64_t base(unsigned device) { return bar + device * bar_size; }
} // namespace edu

// PCI configuration by ports (PCI 3.0, 3.2.2.3.2), and what of it is needed.
namespace pci {
constexpr std::uint16_t address_port = 0xcf8;
constexpr std::uint16_t data_port = 0xcfc;
constexpr std::uint32_t enable = 0x80000000;
constexpr std::uint32_t bar0 = 0x10;
constexpr std::uint32_t command = 0x04;
constexpr std::uint32_t memory_and_master = 6;
constexpr std::uint32_t bus_numbers = 0x18;
constexpr std::uint32_t memory_window = 0x20;
} // namespace pci

std::vector<std::string> arguments_of(const variant& how) {
  std::vector<std::string> out{"-device", "intel-iommu," + how.qemu_properties(), "-device",
                               fmt::format("pcie-root-port,id=other,chassis=1,bus=pcie.0,addr={:x}.{:x}",
                                           root_port.device(), root_port.function())};
  for (const vtd::spec::source_id id : devices) {
    out.emplace_back("-device");
    out.push_back(fmt::format("edu,bus={},addr={:x}.{:x},multifunction=on,dma_mask=0xffffffffffffffff",
                              id.bus() == 0 ? "pcie.0" : "other", id.device(), id.function()));
  }
  return out;
}

[[nodiscard]] constexpr std::uint64_t exchange_of(unsigned device) {
  return layout::exchange + device * layout::page;
}

} // namespace

void fill_with_pattern(unsigned device, std::span<std::byte> buffer) {
  std::uint32_t value = 0x1234567 * (device + 1);
  for (std::byte& each : buffer) {
    value = value * 1664525 + 1013904223;
    each = static_cast<std::byte>(value >> 24);
  }
}

qemu_machine::qemu_machine(const std::string& program, const variant& how)
    : process_(program, memory_.descriptor(), layout::memory, arguments_of(how)),
      qtest_(process_.qtest_socket()) {
  try {
    monitor_.emplace(process_.monitor_socket());
    changed_.fill(true);
    restart();
  } catch (const qemu_error& error) {
    throw qemu_error(fmt::format("{} ({})", error.what(), process_.last_words()));
  }
}

void qemu_machine::write_config(vtd::spec::source_id function, std::uint32_t offset, std::uint32_t value) {
  qtest_.out(pci::address_port, pci::enable | std::uint32_t{function.value()} << 8 | offset);
  qtest_.out(pci::data_port, value);
}

void qemu_machine::set_up_devices() {
  constexpr auto window = static_cast<std::uint32_t>(edu::base(device_count - 1) >> 16);
  write_config(root_port, pci::bus_numbers, other_bus << 16 | other_bus << 8);
  write_config(root_port, pci::memory_window, window << 16 | window);
  write_config(root_port, pci::command, pci::memory_and_master);
  for (unsigned device = 0; device < device_count; ++device) {
    write_config(devices[device], pci::bar0, static_cast<std::uint32_t>(edu::base(device)));
    write_config(devices[device], pci::command, pci::memory_and_master);
  }
}

void qemu_machine::start(const transfer& what) {
  const std::uint64_t base = edu::base(what.device);
  const std::uint64_t inside = edu::buffer + what.buffer;
  qtest_.write(base + edu::source, 8, what.to_memory ? inside : what.address);
  qtest_.write(base + edu::destination, 8, what.to_memory ? what.address : inside);
  qtest_.write(base + edu::count, 8, what.bytes);
  qtest_.write(base + edu::command, 8, edu::run | (what.to_memory ? edu::to_memory : 0));
}

void qemu_machine::wait_for(unsigned device) {
  // Virtual time jumps to the device's timer once the processor is idle; some hundred microseconds.
  using clock = std::chrono::steady_clock;
  constexpr auto patience = std::chrono::seconds(5);
  const auto begin = clock::now();
  std::uint64_t command = edu::run;
  while ((command & edu::run) != 0) {
    if (clock::now() - begin > patience) throw qemu_error("QEMU: a DMA does not end");
    qtest_.read(edu::base(device) + edu::command, 8, &command);
    qtest_.sync();
  }
}

void qemu_machine::dma(const transfer& what) {
  start(what);
  wait_for(what.device);
  pending_writes_ = false;
  if (!what.to_memory) changed_[what.device] = true;
}

void qemu_machine::store(std::uint64_t address, std::uint64_t value) {
  // Registers written before this must not see it.
  if (pending_writes_) qtest_.sync();
  pending_writes_ = false;
  memory_.store(address, value);
}

void qemu_machine::write_register(std::uint32_t offset, unsigned bytes, std::uint64_t value) {
  qtest_.write(unit_base + offset, bytes, value);
  pending_writes_ = true;
}

void qemu_machine::read_register(std::uint32_t offset, unsigned bytes, std::uint64_t* out) {
  qtest_.read(unit_base + offset, bytes, out);
}

void qemu_machine::reset() {
  qtest_.sync();
  monitor_->reset();
  set_up_devices();
  qtest_.sync();
  pending_writes_ = false;
}

// After a reset nothing is translated, so buffers can be had by DMA without a program noticing.
void qemu_machine::fetch_buffers() {
  if (fetched_) return;
  fetched_ = true;
  reset();
  for (unsigned device = 0; device < device_count; ++device) {
    if (changed_[device]) start({device, true, exchange_of(device), 0, device_buffer});
  }
  for (unsigned device = 0; device < device_count; ++device) {
    if (changed_[device]) wait_for(device);
  }
}

std::span<const std::byte> qemu_machine::buffer(unsigned device) {
  fetch_buffers();
  if (!changed_[device]) fill_with_pattern(device, {memory_.at(exchange_of(device)), device_buffer});
  return {memory_.at(exchange_of(device)), device_buffer};
}

void qemu_machine::restart() {
  if (!fetched_) reset();
  fetched_ = false;
  for (unsigned device = 0; device < device_count; ++device) {
    if (!changed_[device]) continue;
    fill_with_pattern(device, {memory_.at(exchange_of(device)), device_buffer});
    start({device, false, exchange_of(device), 0, device_buffer});
  }
  for (unsigned device = 0; device < device_count; ++device) {
    if (changed_[device]) wait_for(device);
    changed_[device] = false;
  }
  memory_.reset();
}

} // namespace vtdsim::differential
