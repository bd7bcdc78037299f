// SPDX-License-Identifier: Apache-2.0
// What programs do with the invalidation queue.

#include "vtdsim/differential/generator_state.h"

#include "vtd/spec/registers.h"

#include <bit>
#include <utility>

namespace vtdsim::differential {

namespace reg = vtd::spec::reg;
namespace spec = vtd::spec;

namespace {
constexpr std::uint64_t descriptor_bytes = sizeof(spec::invalidation_descriptor);
}

// --- What software does

void generator_state::enqueue(const spec::invalidation_descriptor& what, std::string note, bool told) {
  out_.steps.push_back({.kind = told ? step_kind::submit : step_kind::append,
                        .address = what.lo,
                        .value = what.hi,
                        .note = std::move(note)});
  queue_tail_ = (queue_tail_ + 1) % spec::queue_descriptors(queue_size_);
}

void generator_state::start_queue() {
  write(reg::iqt::offset, 8, 0, "queue tail");
  queue_tail_ = 0;
  queue_size_ = random_.chance(75) ? 0 : static_cast<unsigned>(random_.below(8));
  std::uint64_t address = random_.chance(2) ? layout::nowhere : layout::queue;
  if (random_.chance(3)) address |= reg::iqa::dw::mask;
  if (random_.chance(3)) address |= std::uint64_t{1} << random_.between(caps_.host_address_width, 63);
  write_any_way(reg::iqa::offset, address | reg::iqa::qs::of(queue_size_), "queue");
  // Some software puts something in before (VT-d 10.4.4 asks for none, and does not forbid it).
  if (random_.chance(15)) batch();
  command_ |= reg::gcmd::qie::mask;
  order(0, "queue on");
}

spec::wait_descriptor generator_state::status_wait() {
  std::uint64_t address = layout::data + 4 * random_.below(layout::data_pages * layout::page / 4);
  if (random_.chance(20))
    address =
        layout::large + random_.below(layout::large_pages) * layout::large_size + 4 * random_.below(1024);
  spec::wait_descriptor wait;
  return wait.set_status_write(true)
      .set_status_data(static_cast<std::uint32_t>(random_.next()))
      .set_status_address(address)
      .set_fence(random_.chance(30));
}

void generator_state::clear_queue_error() {
  write(reg::fsts::offset, 4, reg::fsts::iqe::mask | (random_.chance(30) ? reg::fsts::pfo::mask : 0),
        "clear IQE");
}

// --- What may happen

// Descriptors that every unit with a queue knows.
spec::invalidation_descriptor generator_state::valid_descriptor(std::string& note) {
  const auto domain = domains_.empty() || random_.chance(20) ? static_cast<std::uint16_t>(random_.next())
                                                             : random_.pick(domains_).id;
  if (how_.device_tlb && random_.chance(20)) {
    note = "device-TLB";
    spec::device_tlb_descriptor d;
    return d
        .set_source(random_.chance(80) ? devices[random_.below(device_count)]
                                       : spec::source_id{static_cast<std::uint16_t>(random_.next())})
        .set_max_pending(static_cast<unsigned>(random_.below(32)))
        .set_range(random_.next(), static_cast<unsigned>(random_.below(53)));
  }
  switch (random_.below(10)) {
  case 0:
  case 1: {
    note = "contexts";
    spec::context_cache_descriptor d;
    return d.set_granularity(static_cast<spec::context_granularity>(random_.between(1, 3)))
        .set_domain_id(domain)
        .set_source(devices[random_.below(device_count)])
        .set_function_mask(static_cast<unsigned>(random_.below(4)));
  }
  case 2:
  case 3:
  case 4: {
    note = "IOTLB";
    spec::iotlb_descriptor d;
    d.set_granularity(static_cast<spec::iotlb_granularity>(random_.between(1, 3)))
        .set_domain_id(domain)
        .set_drain_reads(random_.chance(50))
        .set_drain_writes(random_.chance(50))
        .set_address_mask(static_cast<unsigned>(random_.below(caps_.cap.mamv() + 1)))
        .set_hint(random_.chance(50))
        .set_address(random_.next());
    if (!domains_.empty() && random_.chance(70)) {
      const struct domain& in = random_.pick(domains_);
      if (!in.mappings.empty()) d.set_address(in.mappings[random_.below(in.mappings.size())].iova);
    }
    return d;
  }
  case 5: {
    if (!how_.interrupt_remapping) break;
    note = "interrupt entries";
    spec::interrupt_entry_cache_descriptor d;
    return d.set_index_selective(random_.chance(50))
        .set_index(static_cast<std::uint16_t>(random_.below(256)))
        .set_index_mask(static_cast<unsigned>(random_.below(caps_.ecap.mhmv() + 1)));
  }
  case 6:
  case 7: {
    note = "wait, interrupt";
    spec::wait_descriptor d;
    return d.set_interrupt(true)
        .set_fence(random_.chance(50))
        .set_status_data(static_cast<std::uint32_t>(random_.next()));
  }
  default:
    break;
  }
  note = "wait, status write";
  return status_wait();
}

std::uint64_t generator_state::one_bit_of(std::uint64_t mask) {
  for (std::uint64_t skip = random_.below(static_cast<std::uint64_t>(std::popcount(mask))); skip != 0; --skip)
    mask &= mask - 1;
  return mask & -mask;
}

// One that is wrong, or one that is right and rare.
spec::invalidation_descriptor generator_state::odd_descriptor(std::string& note) {
  spec::invalidation_descriptor d = valid_descriptor(note);
  const auto reserved_bit = [&](const spec::invalidation_descriptor& reserved) {
    note += ", reserved bit";
    if (random_.chance(70)) {
      d.lo |= one_bit_of(reserved.lo);
    } else {
      d.hi |= one_bit_of(reserved.hi);
    }
    return d;
  };
  switch (random_.below(12)) {
  case 0:
    note = "no type";
    d.lo &= ~std::uint64_t{spec::invalidation_descriptor::type_field::mask};
    d.lo |= random_.pick({std::uint64_t{0}, std::uint64_t{8}, std::uint64_t{10}, std::uint64_t{15}});
    return d;
  case 1:
    note += ", type above";
    d.lo = spec::invalidation_descriptor::type_high_field::set(d.lo, random_.between(1, 7));
    return d;
  case 2:
    if (d.is(spec::descriptor_type::context_cache))
      d.lo = spec::context_cache_descriptor::granularity_field::set(d.lo, 0);
    if (d.is(spec::descriptor_type::iotlb)) d.lo = spec::iotlb_descriptor::granularity_field::set(d.lo, 0);
    note += ", no granularity";
    return d;
  case 3: {
    note = "IOTLB, address mask";
    spec::iotlb_descriptor wrong;
    return wrong.set_granularity(static_cast<spec::iotlb_granularity>(random_.chance(80) ? 3 : 2))
        .set_address_mask(static_cast<unsigned>(random_.between(caps_.cap.mamv() + 1, 63)));
  }
  case 4: {
    note = "wait, status beyond the host address width";
    return status_wait().set_status_address(
        layout::data | std::uint64_t{1} << random_.between(caps_.host_address_width, 62));
  }
  case 5:
    note = "wait, status leads nowhere";
    return status_wait().set_status_address(layout::nowhere);
  case 6: {
    note = "wait for nothing";
    spec::wait_descriptor wait;
    return wait.set_fence(random_.chance(50));
  }
  case 7:
    note = "type that this part may not have";
    d.lo = random_.pick({std::uint64_t{4}, std::uint64_t{6}, std::uint64_t{7}});
    if (!how_.device_tlb && random_.chance(30)) d.lo = 3;
    d.hi = random_.chance(50) ? 0 : d.hi;
    return d;
  default:
    break;
  }
  if (d.is(spec::descriptor_type::context_cache))
    return reserved_bit(spec::context_cache_descriptor::reserved());
  if (d.is(spec::descriptor_type::iotlb)) return reserved_bit(spec::iotlb_descriptor::reserved());
  if (d.is(spec::descriptor_type::device_tlb))
    return reserved_bit(spec::device_tlb_descriptor::reserved(false));
  if (d.is(spec::descriptor_type::wait)) return reserved_bit(spec::wait_descriptor::reserved(false));
  return reserved_bit(spec::interrupt_entry_cache_descriptor::reserved());
}

void generator_state::batch() {
  for (std::uint64_t more = random_.between(1, 6); more != 0; --more) {
    std::string note;
    const spec::invalidation_descriptor made = valid_descriptor(note);
    enqueue(made, note, more == 1);
  }
}

// So many that the tail comes near the end of the smallest queue, or round it.
void generator_state::long_batch() {
  if (queue_size_ != 0) return;
  const auto times = static_cast<unsigned>(random_.between(180, 250));
  std::string note;
  const spec::invalidation_descriptor made = valid_descriptor(note);
  out_.steps.push_back({.kind = step_kind::append,
                        .address = made.lo,
                        .value = made.hi,
                        .times = times,
                        .note = note + ", many"});
  queue_tail_ = (queue_tail_ + times) % spec::queue_descriptors(queue_size_);
  enqueue(status_wait(), "wait, status write");
}

void generator_state::wrong_batch() {
  const auto put = [&](bool told) {
    std::string note;
    const spec::invalidation_descriptor made = valid_descriptor(note);
    enqueue(made, note, told);
  };
  for (std::uint64_t before = random_.below(3); before != 0; --before)
    put(false);
  const std::uint64_t at = layout::queue + queue_tail_ * descriptor_bytes;
  const std::uint64_t after = random_.below(4);
  std::string note;
  const spec::invalidation_descriptor wrong = odd_descriptor(note);
  enqueue(wrong, note, after == 0);
  for (std::uint64_t left = after; left != 0; --left)
    put(left == 1);
  if (random_.chance(30)) dma();
  if (random_.chance(25)) batch();
  if (random_.chance(25)) clear_queue_error();
  if (random_.chance(80)) {
    std::string mended;
    const spec::invalidation_descriptor right = valid_descriptor(mended);
    tables_.store(at, right.lo, "mended: " + mended);
    tables_.store(at + 8, right.hi, "");
    clear_queue_error();
  }
}

// A tail that software never moved there by putting descriptors.
void generator_state::wrong_tail() {
  const std::uint64_t size = spec::queue_bytes(queue_size_);
  constexpr std::uint64_t qt_reaches = reg::iqt::qt::mask + descriptor_bytes;
  std::uint64_t tail = random_.below(size);
  if (random_.chance(70)) tail = random_.chance(30) ? size : size + random_.below(qt_reaches);
  write(reg::iqt::offset, random_.chance(50) ? 8 : 4, tail, "a tail");
  if (random_.chance(30)) clear_queue_error();
  if (random_.chance(30)) batch();
  if (random_.chance(85)) {
    write(reg::iqt::offset, 8, queue_tail_ * descriptor_bytes, "the tail again");
    clear_queue_error();
  }
}

void generator_state::restart_queue() {
  if (random_.chance(85)) enqueue(status_wait(), "wait, status write");
  command_ &= ~std::uint32_t{reg::gcmd::qie::mask};
  order(0, "queue off");
  queued_ = false;
  for (std::uint64_t events = random_.below(3); events != 0; --events)
    random_.chance(50) ? random_invalidation() : change_mapping();
  queued_ = true;
  if (random_.chance(80)) return start_queue();
  // All that is in the queue is done once more.
  command_ |= reg::gcmd::qie::mask;
  order(0, "queue on, with its tail");
}

// Software may not order by registers while the queue is on (VT-d 6.5.1), nor move it.
void generator_state::misuse_queue() {
  if (random_.chance(15)) {
    write(reg::iqa::offset, 8, layout::queue | reg::iqa::qs::of(random_.below(8)), "queue, while it is on");
    return;
  }
  queued_ = false;
  random_invalidation();
  queued_ = true;
}

void generator_state::poke_queue_register() {
  const std::uint32_t offset = random_.pick({reg::iqh::offset, reg::iqt::offset + 4, reg::ics::offset,
                                             reg::ics::offset, reg::iectl::offset, reg::iectl::offset,
                                             reg::iedata::offset, reg::ieaddr::offset, reg::ieuaddr::offset});
  std::uint64_t value = (random_.chance(40) ? ~std::uint64_t{0} : random_.next()) & spec::low_bits(32);
  if (offset == reg::ics::offset && random_.chance(60)) value = reg::ics::iwc::mask;
  if (offset == reg::iectl::offset && random_.chance(50)) value = 0;
  // An event must be a fixed interrupt (VT-d 5.1.6); as anything else QEMU's processor would wake up.
  constexpr std::uint64_t delivery_mode = 0x700;
  if (offset == reg::iedata::offset) value &= ~delivery_mode;
  write(offset, 4, value, "some register of the queue");
}

void generator_state::queue_event() {
  if (random_.chance(25)) return poke_queue_register();
  if (!queued_) return;
  const std::uint64_t kind = random_.below(100);
  if (kind < 35) return batch();
  if (kind < 60) return wrong_batch();
  if (kind < 68) return wrong_tail();
  if (kind < 82) return restart_queue();
  if (kind < 90) return misuse_queue();
  if (kind < 94) return long_batch();
  clear_queue_error();
}

} // namespace vtdsim::differential
