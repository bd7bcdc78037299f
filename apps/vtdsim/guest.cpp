// SPDX-License-Identifier: Apache-2.0
// The guest's side: its driver knows the device's registers and its own addresses, and nothing of
// translation.

#include "vtdsim/session.h"

#include "vtd/pci_topology/registers.h"

#include <fmt/format.h>

#include <array>
#include <cstring>
#include <numeric>

namespace vtdsim {

namespace {

using engine = vtd::pci_topology::dma_engine;
using descriptor = engine::descriptor;

constexpr std::uint32_t ring_entries = 16;
constexpr std::uint64_t copy_bytes = 64 << 10;
constexpr std::uint64_t time_limit_ns = 50'000'000;

/// What a guest's driver does with the device it was given.
class guest_driver {
public:
  explicit guest_driver(session& s) : s_(s), bar_(bar_of(s)) {}

  void reset() {
    write(engine::reg::control, engine::reset_bit);
    const std::uint64_t ring = s_.device_address(guest_layout::ring);
    write(engine::reg::ring, static_cast<std::uint32_t>(ring));
    write(engine::reg::ring + 4, static_cast<std::uint32_t>(ring >> 32));
    write(engine::reg::ring_size, ring_entries);
    write(engine::reg::control, engine::run | engine::go_on | engine::interrupts_on);
    tail_ = 0;
  }

  // Puts one descriptor into the ring, rings the bell, waits for its result.
  std::uint64_t execute(engine::operation what, std::uint64_t source, std::uint64_t destination,
                        std::uint64_t length) {
    descriptor d;
    d.order = descriptor::operation_field::of(static_cast<std::uint64_t>(what)) |
              descriptor::length_field::of(length);
    d.source = source;
    d.destination = destination;
    const std::uint64_t at = guest_layout::ring + tail_ * sizeof(descriptor);
    store(at, std::as_bytes(std::span(&d, 1)));
    tail_ = (tail_ + 1) % ring_entries;
    write(engine::reg::tail, tail_);
    const std::uint64_t limit = s_.hardware->now_ns() + time_limit_ns;
    std::uint64_t result = 0;
    while (descriptor::done_field::get(result) == 0 && s_.hardware->now_ns() < limit) {
      s_.hardware->delay_ns(1000);
      load(at + offsetof(descriptor, result), std::as_writable_bytes(std::span(&result, 1)));
    }
    return result;
  }

  [[nodiscard]] std::uint32_t read(std::uint32_t offset) { return s_.hardware->read32(bar_ + offset); }
  void write(std::uint32_t offset, std::uint32_t value) { s_.hardware->write32(bar_ + offset, value); }

  // Guest memory, page by page, as its CPU sees it.
  void store(std::uint64_t address, std::span<const std::byte> data) {
    each_page(address, data.size(), [&](std::uint64_t host, std::size_t offset, std::size_t bytes) {
      (void)s_.hardware->store(host, data.subspan(offset, bytes));
    });
  }
  void load(std::uint64_t address, std::span<std::byte> data) {
    each_page(address, data.size(), [&](std::uint64_t host, std::size_t offset, std::size_t bytes) {
      (void)s_.hardware->load(host, data.subspan(offset, bytes));
    });
  }

private:
  static std::uint64_t bar_of(session& s) {
    for (const auto& bar : s.device.function().description().bars) {
      if (bar.io || bar.size < 64 || bar.prefetchable) continue;
      if (const auto address = s.device.function().bar_address(bar.index)) return *address;
    }
    return 0;
  }
  template <class Visit>
  static void each_page(std::uint64_t address, std::size_t size, Visit visit) {
    for (std::size_t done = 0; done < size;) {
      const std::size_t in_page = vtd::spec::page_size - (address + done) % vtd::spec::page_size;
      const std::size_t bytes = std::min(size - done, in_page);
      visit(guest_layout::host(address + done), done, bytes);
      done += bytes;
    }
  }

  session& s_;
  std::uint64_t bar_;
  std::uint32_t tail_ = 0;
};

std::vector<std::byte> pattern(std::uint64_t seed, std::size_t size) {
  std::vector<std::byte> out(size);
  std::uint64_t x = seed * 0x9e3779b97f4a7c15ULL + 1;
  for (std::byte& b : out) {
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    b = static_cast<std::byte>(x & 0xff);
  }
  return out;
}

void fail(session& s, const std::string& what) { s.result.fail(what); }

} // namespace

void run_guest_traffic(session& s) {
  guest_driver guest(s);
  guest.reset();
  if (guest.read(engine::reg::id) != engine::identity) return fail(s, "the device's registers do not answer");
  auto& dma = s.result.dma;
  dma.verified = true;
  const auto check = [&](bool holds, std::string_view what) {
    if (holds) return;
    dma.verified = false;
    ++dma.errors;
    fail(s, std::string(what));
  };
  // To the device: it reads what the guest wrote, and reports the sum of the bytes.
  const std::vector<std::byte> sent = pattern(s.options.seed, copy_bytes);
  guest.store(guest_layout::source, sent);
  const auto sum =
      std::accumulate(sent.begin(), sent.end(), std::uint32_t{0},
                      [](std::uint32_t a, std::byte b) { return a + std::to_integer<std::uint32_t>(b); });
  const std::uint64_t source = s.device_address(guest_layout::source);
  const std::uint64_t destination = s.device_address(guest_layout::destination);
  std::uint64_t result = guest.execute(engine::operation::read, source, 0, copy_bytes);
  check(descriptor::error_field::get(result) == 0 && descriptor::sum_field::get(result) == sum,
        "the device did not read what the guest wrote");
  // Through the device and back, at an odd place.
  result = guest.execute(engine::operation::copy, source, destination + 24, copy_bytes);
  std::vector<std::byte> back(copy_bytes);
  guest.load(guest_layout::destination + 24, back);
  check(descriptor::error_field::get(result) == 0 && back == sent, "the copy differs from its source");
  // From the device.
  constexpr std::uint64_t word = 0x0123'4567'89ab'cdef;
  result = guest.execute(engine::operation::fill, word, destination, copy_bytes);
  guest.load(guest_layout::destination, back);
  bool filled = descriptor::error_field::get(result) == 0;
  for (std::size_t i = 0; i < back.size(); ++i) {
    filled = filled && back[i] == static_cast<std::byte>(word >> (8 * (i % 8)) & 0xff);
  }
  check(filled, "the guest does not find what the device wrote");
  dma.bytes =
      std::uint64_t{guest.read(engine::reg::bytes)} | std::uint64_t{guest.read(engine::reg::bytes + 4)} << 32;
  s.say(fmt::format("{}: {} bytes by DMA both ways, {}", s.translated() ? "guest" : "host, not translated",
                    dma.bytes, dma.verified ? "verified" : "WRONG"));
}

void provoke_fault(session& s) {
  guest_driver guest(s);
  guest.reset();
  const std::size_t seen = s.driver->faults().size();
  s.say(fmt::format("guest: a stray write of {} to {:#x}, where nothing is mapped",
                    to_string(s.device.port.source()), guest_layout::stray));
  const std::uint64_t result = guest.execute(engine::operation::fill, 0, guest_layout::stray, 64);
  if (descriptor::error_field::get(result) == 0) fail(s, "the stray write was not blocked");
  s.hardware->delay_ns(10'000);
  // A device that translates for itself asked first, and was told: that is no fault (VT-d 4.1).
  if (s.driver->uses_ats({0, s.device.function().id()})) {
    s.say("guest: the device asked for the translation (ATS), and was told that there is none: no fault");
    if (s.driver->faults().size() != seen) fail(s, "a translation request without an answer is a fault");
    return;
  }
  if (s.driver->faults().size() == seen) {
    s.driver->handle_faults();
    if (s.driver->faults().size() == seen) return fail(s, "the driver did not see the fault");
  }
}

bool take_a_page_back(session& s) {
  if (!s.driver->uses_ats({0, s.device.function().id()})) return false;
  constexpr std::uint64_t page = guest_layout::destination;
  guest_driver guest(s);
  guest.reset();
  const auto reaches = [&] {
    return descriptor::error_field::get(guest.execute(engine::operation::fill, 0, page, 64)) == 0;
  };
  if (!reaches()) fail(s, "the device does not reach a page of the guest");
  s.driver->unmap(*s.guest, page, vtd::spec::page_size);
  s.say(fmt::format("host: the page at {:#x} is taken back, and {} tries it", page,
                    to_string(s.device.port.source())));
  if (reaches()) fail(s, "the device still reaches a page that was taken back");
  // Had the driver anything left to do for it, it would have done it by then.
  s.hardware->delay_ns(driver_patience_ns);
  s.driver->map(*s.guest, page, guest_layout::host(page), vtd::spec::page_size);
  return true;
}

} // namespace vtdsim
