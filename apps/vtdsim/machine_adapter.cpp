// SPDX-License-Identifier: Apache-2.0
#include "vtdsim/machine_adapter.h"

#include "vtd/spec/ats.h"
#include "vtd/spec/message.h"

#include <cstddef>
#include <span>
#include <utility>

namespace vtdsim {

machine_adapter::machine_adapter(vtd::models::root_complex& machine, std::uint64_t pages_begin,
                                 std::uint64_t pages_end, log_sink log)
    : machine_(machine), next_page_(pages_begin), pages_end_(pages_end), log_(std::move(log)) {
  access_.context = this;
  access_.read32 = [](void* c, std::uint64_t address) {
    return static_cast<std::uint32_t>(static_cast<machine_adapter*>(c)->machine_.cpu().read(address, 4));
  };
  access_.read64 = [](void* c, std::uint64_t address) {
    return static_cast<machine_adapter*>(c)->machine_.cpu().read(address, 8);
  };
  access_.write32 = [](void* c, std::uint64_t address, std::uint32_t value) {
    static_cast<machine_adapter*>(c)->machine_.cpu().write(address, 4, value);
  };
  access_.write64 = [](void* c, std::uint64_t address, std::uint64_t value) {
    static_cast<machine_adapter*>(c)->machine_.cpu().write(address, 8, value);
  };
  access_.load64 = [](void* c, std::uint64_t address) {
    std::uint64_t value = 0;
    (void)static_cast<machine_adapter*>(c)->machine_.cpu().load(address,
                                                                std::as_writable_bytes(std::span(&value, 1)));
    return value;
  };
  access_.store64 = [](void* c, std::uint64_t address, std::uint64_t value) {
    (void)static_cast<machine_adapter*>(c)->machine_.cpu().store(address,
                                                                 std::as_bytes(std::span(&value, 1)));
  };
  access_.load_bytes = [](void* c, std::uint64_t address, void* to, std::size_t size) {
    return static_cast<machine_adapter*>(c)->machine_.cpu().load(address, {static_cast<std::byte*>(to), size})
               ? 0
               : -1;
  };
  access_.store_bytes = [](void* c, std::uint64_t address, const void* from, std::size_t size) {
    return static_cast<machine_adapter*>(c)->machine_.cpu().store(address,
                                                                  {static_cast<const std::byte*>(from), size})
               ? 0
               : -1;
  };
  access_.flush_lines = [](void* c, std::uint64_t address, std::uint64_t size) {
    static_cast<machine_adapter*>(c)->machine_.cpu().flush(address, size);
  };
  access_.now_ns = [](void*) { return vtd::platform::now_ps() / 1000; };
  access_.delay_ns = [](void* c, std::uint64_t ns) {
    auto& adapter = *static_cast<machine_adapter*>(c);
    adapter.machine_.cpu().delay(ns * 1000);
    adapter.deliver_interrupts();
  };
  access_.relax = [](void* c) {
    auto& adapter = *static_cast<machine_adapter*>(c);
    adapter.machine_.cpu().delay(10000);
    adapter.deliver_interrupts();
  };
  access_.allocate_pages = [](void* c, std::size_t count) {
    return static_cast<machine_adapter*>(c)->allocate(count);
  };
  access_.free_pages = [](void* c, std::uint64_t address, std::size_t count) {
    static_cast<machine_adapter*>(c)->free(address, count);
  };
  access_.register_interrupt = [](void* c, vtd_interrupt_handler handler, void* argument,
                                  vtd_interrupt_message* message) {
    return static_cast<machine_adapter*>(c)->register_interrupt(handler, argument, message);
  };
  access_.unregister_interrupt = [](void* c, const vtd_interrupt_message* message) {
    static_cast<machine_adapter*>(c)->vectors_[message->data & 0xff] = {};
  };
  access_.log = [](void* c, const char* line) { static_cast<machine_adapter*>(c)->log_(line); };
}

std::uint64_t machine_adapter::allocate(std::size_t count) {
  constexpr std::uint64_t page = vtd::spec::page_size;
  std::uint64_t at = 0;
  if (count == 1 && !free_pages_.empty()) {
    at = free_pages_.back();
    free_pages_.pop_back();
  } else {
    if (count > (pages_end_ - next_page_) / page) return 0;
    at = next_page_;
    next_page_ += count * page;
  }
  pages_in_use_ += count;
  const std::vector<std::byte> zeroes(count * page);
  return machine_.cpu().store(at, zeroes) ? at : 0;
}

void machine_adapter::free(std::uint64_t address, std::size_t count) {
  pages_in_use_ -= count;
  for (std::size_t i = 0; i < count; ++i)
    free_pages_.push_back(address + i * vtd::spec::page_size);
}

int machine_adapter::register_interrupt(vtd_interrupt_handler handler, void* argument,
                                        vtd_interrupt_message* message) {
  for (unsigned vector = first_vector; vector < vectors_.size(); ++vector) {
    if (vectors_[vector].handler != nullptr) continue;
    vectors_[vector] = {handler, argument};
    const auto number = static_cast<std::uint8_t>(vector);
    machine_.interrupts().on_vector(
        number, [this, number](const vtd::spec::msi_message&) { arrived_.push_back(number); });
    const auto wanted = vtd::spec::msi_message::to_cpu(0, number);
    *message = {wanted.address, wanted.data};
    return 0;
  }
  return -1;
}

void machine_adapter::deliver_interrupts() {
  while (!arrived_.empty()) {
    const vector_entry entry = vectors_[arrived_.front()];
    arrived_.pop_front();
    if (entry.handler != nullptr) entry.handler(entry.argument);
  }
}

std::vector<vtd::driver::pci_function> function_list(const vtd::pci_topology::topology& tree) {
  std::vector<vtd::driver::pci_function> out;
  tree.for_each([&out, &tree](const vtd::pci_topology::function& f) {
    vtd::driver::pci_function each;
    each.address = {tree.description().segment, f.id()};
    each.vendor = f.description().vendor_id;
    each.device = f.description().device_id;
    each.class_code = f.description().class_code;
    each.bridge = f.is_bridge();
    if (f.is_bridge()) each.secondary_bus = f.buses().secondary;
    if (f.parent() != nullptr) each.parent = f.parent()->id();
    const unsigned ats = f.capability(vtd::pci_topology::capability_kind::address_translation_services);
    const auto& place = tree.description();
    if (ats != 0 && place.ecam_base != 0 && f.bus() <= place.ecam_last_bus) {
      each.ats_registers = place.ecam_base + (std::uint64_t{f.id().value()} << 12) + ats +
                           vtd::spec::ats::function_registers::offset;
    }
    for (const vtd::spec::source_id id : vtd::pci_topology::topology::aliases(f)) {
      if (id != f.id()) each.aliases.push_back(id);
    }
    out.push_back(each);
  });
  return out;
}

} // namespace vtdsim
