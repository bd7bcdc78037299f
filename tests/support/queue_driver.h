// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "support/unit_world.h"
#include "vtd/spec/invalidation.h"

#include <cstdint>

namespace vtd::test {

/// Descriptors as tests want them.
[[nodiscard]] inline spec::context_cache_descriptor all_contexts() {
  return spec::context_cache_descriptor{}.set_granularity(spec::context_granularity::global);
}
[[nodiscard]] inline spec::context_cache_descriptor contexts_of(std::uint16_t domain) {
  return spec::context_cache_descriptor{}
      .set_granularity(spec::context_granularity::domain)
      .set_domain_id(domain);
}
[[nodiscard]] inline spec::context_cache_descriptor context_of(spec::source_id who, std::uint16_t domain) {
  return spec::context_cache_descriptor{}
      .set_granularity(spec::context_granularity::device)
      .set_source(who)
      .set_domain_id(domain);
}
[[nodiscard]] inline spec::iotlb_descriptor all_pages() {
  return spec::iotlb_descriptor{}.set_granularity(spec::iotlb_granularity::global);
}
[[nodiscard]] inline spec::iotlb_descriptor pages_of(std::uint16_t domain) {
  return spec::iotlb_descriptor{}.set_granularity(spec::iotlb_granularity::domain).set_domain_id(domain);
}
[[nodiscard]] inline spec::iotlb_descriptor page_of(std::uint16_t domain, std::uint64_t address,
                                                    unsigned mask = 0, bool leaf_only = false) {
  return spec::iotlb_descriptor{}
      .set_granularity(spec::iotlb_granularity::page)
      .set_domain_id(domain)
      .set_address(address)
      .set_address_mask(mask)
      .set_hint(leaf_only);
}
[[nodiscard]] inline spec::wait_descriptor status_wait(std::uint64_t address, std::uint32_t data) {
  return spec::wait_descriptor{}.set_status_write(true).set_status_address(address).set_status_data(data);
}
[[nodiscard]] inline spec::wait_descriptor interrupt_wait() {
  return spec::wait_descriptor{}.set_interrupt(true);
}

/// Software's side of the invalidation queue of a unit's world.
class queue_driver {
public:
  static constexpr std::uint64_t default_base = 0x900000;

  explicit queue_driver(unit_world& world, unsigned qs = 0, bool wide = false,
                        std::uint64_t base = default_base)
      : world_(world), base_(base), qs_(qs), wide_(wide) {}

  /// IQT = 0, IQA, QIE, until QIES = 1.
  void enable() {
    namespace reg = spec::reg;
    set_address();
    world_.write_register<reg::gcmd>(kept() | reg::gcmd::qie::mask);
    world_.settle();
  }
  void disable() {
    namespace reg = spec::reg;
    world_.write_register<reg::gcmd>(kept() & ~reg::gcmd::qie::mask);
  }
  void set_address() {
    namespace reg = spec::reg;
    world_.write_register<reg::iqt>(0);
    world_.write_register<reg::iqa>(reg::iqa::address::of(base_ >> spec::page_shift) | reg::iqa::qs::of(qs_) |
                                    reg::iqa::dw::of(wide_ ? 1 : 0));
    tail_ = 0;
  }

  /// Stores a descriptor behind the last one; hardware learns of it by `ring`.
  void push(const spec::invalidation_descriptor& d) {
    put(tail_, d);
    tail_ = (tail_ + bytes()) % spec::queue_bytes(qs_);
  }
  void put(std::uint64_t offset, const spec::invalidation_descriptor& d) {
    world_.memory.store(base_ + offset, d.lo);
    world_.memory.store(base_ + offset + 8, d.hi);
    if (!wide_) return;
    world_.memory.store(base_ + offset + 16, 0);
    world_.memory.store(base_ + offset + 24, 0);
  }
  void ring() { world_.write_register<spec::reg::iqt>(tail_); }
  template <class... Descriptors>
  void submit(const Descriptors&... each) {
    (push(each), ...);
    ring();
  }
  /// Submits and lets the world come to rest.
  template <class... Descriptors>
  void run(const Descriptors&... each) {
    submit(each...);
    world_.settle();
  }

  [[nodiscard]] std::uint64_t head() const { return world_.unit.registers().read<spec::reg::iqh>(); }
  [[nodiscard]] std::uint64_t tail() const { return tail_; }
  [[nodiscard]] std::uint64_t base() const { return base_; }
  [[nodiscard]] unsigned bytes() const { return wide_ ? 32 : 16; }
  [[nodiscard]] bool on() { return spec::reg::gsts::qies::get(world_.read_register<spec::reg::gsts>()) != 0; }
  [[nodiscard]] bool failed() {
    return spec::reg::fsts::iqe::get(world_.read_register<spec::reg::fsts>()) != 0;
  }
  /// FSTS.IQE: software clears it.
  void clear_error() { world_.write_register<spec::reg::fsts>(spec::reg::fsts::iqe::mask); }
  [[nodiscard]] spec::queue_error error() {
    namespace reg = spec::reg;
    return static_cast<spec::queue_error>(reg::iqercd::iqei::get(world_.read_register<reg::iqercd>()));
  }

private:
  // GCMD as the status says, without one-shot commands.
  [[nodiscard]] std::uint32_t kept() {
    namespace reg = spec::reg;
    return world_.read_register<reg::gsts>() & (reg::gsts::tes::mask | reg::gsts::qies::mask);
  }

  unit_world& world_;
  std::uint64_t base_;
  unsigned qs_;
  bool wide_;
  std::uint64_t tail_ = 0;
};

} // namespace vtd::test
