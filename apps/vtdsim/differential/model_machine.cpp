// SPDX-License-Identifier: Apache-2.0
#include "vtdsim/differential/model_machine.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace vtdsim::differential {

namespace remap = vtd::remap;
using vtd::engine::picoseconds;

namespace {

vtd::dmar::unit_config config_of(const variant& how, const model_choice& choice) {
  vtd::dmar::unit_config config;
  config.name = "differential";
  config.caps = how.capabilities();
  // QEMU keeps IQH and IQT when IQA is written: one more choice (VT-d 10.4.23).
  config.queue_address_clears_pointers = false;
  // One record, and QEMU drops a second fault of its requester: a choice of the part (VT-d 7.3.1).
  config.compress_faults = true;
  // QEMU takes a context of the named source-id away, whatever domain CCMD names: a choice, too
  // (VT-d 10.4.7).
  config.context_domain_compared = false;
  // QEMU with caching mode keeps nothing that is not present: VT-d 6.1 allows it, and does not ask for it.
  config.caps.caches_absent = false;
  const auto shape = [&](bool there, unsigned entries) {
    return remap::cache_shape{there ? (choice.tiny ? 2 : entries) : 0, 0, remap::replacement::lru, 1};
  };
  config.caches.context = shape(choice.context_cache, 16);
  config.caches.iotlb = shape(choice.iotlb, 64);
  config.caches.pml4 = shape(choice.structure_caches, 8);
  config.caches.pdpe = shape(choice.structure_caches, 8);
  config.caches.pde = shape(choice.structure_caches, 16);
  config.timing.walkers = 2;
  return config;
}

} // namespace

std::string model_choice::text() const {
  return fmt::format("{} context_cache={} iotlb={} structure_caches={} tiny={}",
                     by_cycles ? "by_cycles" : "at_once", int{context_cache}, int{iotlb},
                     int{structure_caches}, int{tiny});
}

model_machine::model_machine(const variant& how, const model_choice& choice) : how_(how), choice_(choice) {
  changed_.fill(true);
  restart(choice);
}

model_machine::~model_machine() = default;

void model_machine::restart(const model_choice& choice) {
  choice_ = choice;
  world_.emplace(config_of(how_, choice), static_cast<vtd::dmar::unit_ports&>(*this));
  world_->unit.set_fault_observer(this);
  for (unsigned device = 0; device < device_count; ++device) {
    if (changed_[device]) fill_with_pattern(device, buffers_[device]);
    changed_[device] = false;
  }
  memory_.reset();
  forget();
}

void model_machine::reset() {
  settle();
  world_->unit.reset(true);
}

picoseconds model_machine::now() const { return world_->wheel.timebase().time_of(world_->wheel.now()); }

void model_machine::settle() { world_->wheel.run(world_->wheel.now() + 1000000); }

void model_machine::write_register(std::uint32_t offset, unsigned bytes, std::uint64_t value) {
  world_->unit.write_register(offset, bytes, value, now());
  settle();
}

void model_machine::read_register(std::uint32_t offset, unsigned bytes, std::uint64_t* out) {
  *out = world_->unit.read_register(offset, bytes, now());
}

void model_machine::access_memory(std::uint64_t address, std::span<std::byte> inside) {
  const std::size_t there =
      address >= layout::memory ? 0 : std::min<std::uint64_t>(inside.size(), layout::memory - address);
  if (current_.to_memory) {
    std::memcpy(memory_.at(there == 0 ? 0 : address), inside.data(), there);
    return;
  }
  std::memcpy(inside.data(), memory_.at(there == 0 ? 0 : address), there);
  // Nobody answers: QEMU's bus reads as zero.
  std::fill(inside.begin() + static_cast<std::ptrdiff_t>(there), inside.end(), std::byte{0});
}

std::optional<std::uint64_t> model_machine::destination(unsigned device, bool to_memory,
                                                        std::uint64_t address) {
  vtd::dmar::request request;
  request.access = {devices[device], to_memory ? remap::access_kind::write : remap::access_kind::read,
                    remap::address_type::untranslated, address};
  request.length = 1;
  return world_->unit.probe(request, *this);
}

void model_machine::dma(const transfer& what) {
  if (!what.to_memory) changed_[what.device] = true;
  for (std::uint32_t done = 0; done < what.bytes;) {
    const std::uint64_t address = what.address + done;
    const std::uint32_t piece = vtd::spec::page_piece(address, what.bytes - done);
    current_ = {what.device, what.to_memory, address, what.buffer + done, piece};
    vtd::dmar::request request;
    request.access = {devices[what.device],
                      what.to_memory ? remap::access_kind::write : remap::access_kind::read,
                      remap::address_type::untranslated, address};
    request.length = piece;
    blocked_ = false;
    if (choice_.by_cycles) {
      world_->unit.offer(0, request, now());
      settle();
    } else {
      const auto way = world_->unit.pass(request, *this, now());
      blocked_ = way.leads != vtd::dmar::pipeline::passage::way::memory;
      if (!blocked_)
        access_memory(way.address, std::span(buffers_[what.device]).subspan(what.buffer + done, piece));
      settle();
    }
    // A read that was blocked gives zeroes, as in QEMU; the specification leaves it open.
    if (blocked_ && !what.to_memory) {
      const auto target = std::span(buffers_[what.device]).subspan(what.buffer + done, piece);
      std::fill(target.begin(), target.end(), std::byte{0});
    }
    done += piece;
  }
}

bool model_machine::forward(const vtd::dmar::forwarded& piece) {
  access_memory(piece.address,
                std::span(buffers_[current_.device]).subspan(current_.buffer + piece.offset, piece.length));
  world_->unit.answered(piece.slot, true, now());
  return true;
}

bool model_machine::read_table(unsigned walker, std::uint64_t address, unsigned bytes) {
  remap::table_words words;
  picoseconds delay = 0;
  const bool ok = read_table(address, bytes, words, delay);
  world_->unit.table_answered(walker, ok, words, now());
  return true;
}

bool model_machine::read_descriptor(unsigned tag, std::uint64_t address, unsigned bytes) {
  vtd::dmar::descriptor_words words{};
  const bool ok = guest_memory::contains(address, bytes);
  for (unsigned word = 0; ok && word < bytes / 8; ++word)
    words[word] = memory_.load(address + 8 * std::uint64_t{word});
  world_->unit.descriptor_answered(tag, ok, words, now());
  return true;
}

bool model_machine::write_status(unsigned tag, std::uint64_t address, std::uint32_t data) {
  const std::uint64_t word = address & ~std::uint64_t{7};
  const bool ok = guest_memory::contains(word, 8);
  if (ok) {
    const unsigned shift = address % 8 * 8;
    memory_.store(word, (memory_.load(word) & ~(std::uint64_t{0xffffffff} << shift)) | std::uint64_t{data}
                                                                                           << shift);
  }
  world_->unit.status_answered(tag, ok, now());
  return true;
}

// No device has a TLB, and QEMU's are done with it at once.
void model_machine::invalidate_device(const vtd::spec::ats::invalidation_request& what) {
  world_->unit.device_completed({what.device, std::uint32_t{1} << what.tag, 1}, now());
}

bool model_machine::complete(unsigned /*port*/, void* /*cookie*/, vtd::dmar::completion how) {
  blocked_ = how == vtd::dmar::completion::blocked;
  return true;
}

bool model_machine::read_table(std::uint64_t address, unsigned bytes, remap::table_words& out,
                               picoseconds& /*delay*/) {
  if (!guest_memory::contains(address, bytes)) return false;
  out.words[0] = memory_.load(address);
  out.words[1] = bytes == 16 ? memory_.load(address + 8) : 0;
  return true;
}

} // namespace vtdsim::differential
