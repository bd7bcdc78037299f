// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "support/byte_source.h"
#include "support/queue_driver.h"
#include "support/watched_world.h"
#include "vtd/spec/registers.h"

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace vtd::test {

/// Any bytes as accesses to the registers of one unit: of every size, alignment and place, now and ahead of
/// time, with resets and time between them. What has to hold, whatever software does:
/// - what the declarations say is never writable keeps its reset value; what no register has reads 0;
/// - an access that is none (size, alignment, place) reads 0 and changes nothing;
/// - a power-on reset brings everything back, a warm one leaves sticky bits alone;
/// - the unit comes to rest, and after a reset it can be brought up, translates, and blocks what is not
/// mapped;
/// - all that `watched_world` judges: what the unit writes of its own, the status of waits and fault records,
/// goes where a wait in the queue and AFLOG say, and what requests reach is mapped.
class register_program {
public:
  explicit register_program(std::span<const std::uint8_t> bytes)
      : input_(bytes), world_(configure(input_)), queue_(world_), hidden_(unreadable_bits()) {
    world_.tables.attach(nic, domain);
    world_.tables.map(nic, page, frame);
    tables_ = world_.memory.words();
    world_.begin();
  }

  /// Names the first rule that did not hold; empty: all did.
  [[nodiscard]] std::string run() {
    while (!input_.empty() && violation_.empty() && world_.violation.empty()) {
      step();
      check_registers();
    }
    prove();
    world_.finish();
    return violation_.empty() ? world_.violation : violation_;
  }
  [[nodiscard]] watched_world& world() { return world_; }

private:
  static constexpr std::uint16_t domain = 3;
  static constexpr std::uint64_t page = 0x40000000;
  static constexpr std::uint64_t frame = 0x7000000;
  static constexpr std::uint64_t status_words = 0x800000;
  static constexpr std::uint64_t log_pages = 0x880000;

  [[nodiscard]] static dmar::unit_config configure(byte_source& input) {
    const std::uint64_t choice = input.take(2);
    auto config = config_of(choice % 2 == 0 ? small_part() : wide_part());
    auto& caps = config.caps;
    caps.cap.set_afl((choice >> 1 & 1) != 0)
        .set_plmr((choice >> 2 & 1) != 0)
        .set_phmr((choice >> 3 & 1) != 0);
    caps.ecap.set_qi((choice >> 4 & 1) != 0).set_dt((choice >> 5 & 1) != 0).set_eim((choice >> 6 & 1) != 0);
    caps.ecap.set_smts((choice >> 7 & 1) != 0);
    caps.version = (choice >> 8 & 1) != 0 ? 0x30 : 0x10;
    caps.cap.set_nfr(static_cast<unsigned>(choice >> 9 & 7)).set_esrtps((choice >> 12 & 1) != 0);
    return config;
  }

  void fail(const std::string& what) {
    if (violation_.empty()) violation_ = "cycle " + std::to_string(world_.wheel.now()) + ": " + what;
  }

  // An offset: mostly of a register that there is.
  [[nodiscard]] std::uint32_t offset() {
    const auto choice = static_cast<std::uint32_t>(input_.take(2));
    if (choice % 4 == 0) return choice / 4;
    std::vector<std::uint32_t> all;
    world_.unit.registers().for_each([&all](const spec::register_layout&, unsigned, std::uint32_t at,
                                            std::uint64_t) { all.push_back(at); });
    return all[choice / 4 % all.size()];
  }
  [[nodiscard]] unsigned size() {
    constexpr unsigned sizes[] = {4, 8, 4, 8, 4, 8, 1, 3};
    return sizes[input_.take(1) % 8];
  }
  [[nodiscard]] static bool is_legal(std::uint32_t at, unsigned bytes, std::uint32_t space) {
    return (bytes == 4 || bytes == 8) && at % bytes == 0 && at + bytes <= space;
  }

  void step() {
    switch (input_.take(1) % 8) {
    case 0:
    case 1:
    case 2:
    case 3: {
      const std::uint32_t at = offset();
      const unsigned bytes = size();
      const std::uint64_t value = input_.take(bytes > 4 ? 8 : 4);
      return write(at, bytes, value, input_.take(1));
    }
    case 4: {
      const std::uint32_t at = offset();
      const unsigned bytes = size();
      const std::uint64_t value = world_.unit.read_register(at, bytes, world_.now_ps());
      if (!is_legal(at, bytes, world_.unit.register_space()) && value != 0)
        fail("an access that is none reads");
      if (value != world_.unit.peek_register(at, bytes)) fail("a debug read sees something else");
      return;
    }
    case 5: {
      const auto kind = input_.take(1) % 2 == 0 ? remap::access_kind::read : remap::access_kind::write;
      return world_.request(nic, kind, page + input_.take(2), 64, 0);
    }
    case 6:
      return act_as_driver();
    default:
      return world_.run_to(world_.wheel.now() + input_.take(1));
    }
  }

  // A reset, waits in the queue, or the fault log: what bytes alone hardly ever put together.
  void act_as_driver() {
    const std::uint64_t what = input_.take(1);
    switch (what % 16) {
    case 0:
    case 1:
      return reset(what % 2 == 0);
    case 2:
    case 3:
    case 4:
      if (!queue_.on()) queue_.enable();
      queue_.push(status_wait(status_words + what / 16 * sizeof(std::uint32_t), ++waits_));
      return queue_.ring();
    case 5:
      queue_.clear_error();
      return queue_.ring();
    case 6:
    case 7:
    case 8:
      // With something to write: without a root table of its own any request is a fault.
      world_.set_translation(true);
      world_.settle();
      world_.set_log(log_pages, what >> 4 & 1, (what >> 5 & 3) != 0);
      return world_.request(nic, remap::access_kind::read, page + spec::page_size, 64, 0);
    default:
      return;
    }
  }

  void write(std::uint32_t at, unsigned bytes, std::uint64_t value, std::uint64_t ahead) {
    const bool legal = is_legal(at, bytes, world_.unit.register_space());
    const auto before = legal ? std::vector<std::uint64_t>{} : contents();
    // Mostly now.
    const engine::picoseconds later = ahead < 192 ? 0 : (ahead - 192) * unit_world::period;
    world_.unit.write_register(at, bytes, value, world_.now_ps(), later);
    if (!legal && contents() != before) fail("an access that is none wrote something");
  }

  void reset(bool power_on) {
    std::vector<std::uint64_t> sticky;
    const auto collect = [&](std::vector<std::uint64_t>& into) {
      world_.unit.registers().for_each([&](const spec::register_layout& layout, unsigned, std::uint32_t,
                                           std::uint64_t value) { into.push_back(value & layout.sticky()); });
    };
    collect(sticky);
    world_.unit.reset(power_on);
    std::vector<std::uint64_t> after;
    collect(after);
    if (power_on) {
      if (contents() != first_contents_) fail("a power-on reset leaves something");
    } else if (after != sticky) {
      fail("a warm reset touches sticky bits");
    }
  }

  [[nodiscard]] std::vector<std::uint64_t> contents() const {
    std::vector<std::uint64_t> out;
    world_.unit.registers().for_each([&out](const spec::register_layout&, unsigned, std::uint32_t,
                                            std::uint64_t value) { out.push_back(value); });
    return out;
  }
  // What no declaration lets anybody read.
  [[nodiscard]] std::vector<std::uint64_t> unreadable_bits() const {
    std::vector<std::uint64_t> out;
    world_.unit.registers().for_each([&out](const spec::register_layout& layout, unsigned, std::uint32_t,
                                            std::uint64_t) { out.push_back(~layout.readable()); });
    return out;
  }

  void check_registers() {
    std::size_t index = 0;
    world_.unit.registers().for_each(
        [&](const spec::register_layout& layout, unsigned, std::uint32_t at, std::uint64_t value) {
          const std::uint64_t width = layout.size_bits == 64 ? ~std::uint64_t{0} : 0xffffffff;
          if ((value & hidden_[index] & width) != 0)
            fail("reserved bits read as ones at " + std::to_string(at));
          const bool identity =
              layout.base == spec::register_base::block && layout.offset <= spec::reg::ecap_reg::offset;
          if (identity && value != first_contents_[index]) fail("an identity register changed");
          ++index;
        });
  }

  // Whatever was done before: after a power-on reset the unit translates, and blocks what is not mapped.
  void prove() {
    // A log or a status may have been ordered into the tables.
    for (const auto& [address, value] : tables_) {
      if (world_.memory.load(address) != value) world_.memory.store(address, value);
    }
    world_.settle();
    world_.unit.reset(true);
    if (contents() != first_contents_) fail("a power-on reset leaves something");
    world_.settle();
    world_.enable();
    namespace reg = spec::reg;
    if (reg::gsts::tes::get(world_.read_register<reg::gsts>()) == 0) fail("translation does not come on");
    const auto there = world_.alone(nic, remap::access_kind::read, page);
    if (there.how != dmar::completion::done || there.address != frame) fail("a mapped page is not reached");
    const auto beside = world_.alone(nic, remap::access_kind::read, page + spec::page_size);
    if (beside.how != dmar::completion::blocked) fail("a page that is not mapped is reached");
  }

  byte_source input_;
  watched_world world_;
  queue_driver queue_;
  std::vector<std::uint64_t> hidden_;
  std::vector<std::uint64_t> first_contents_ = contents();
  /// What memory held at the beginning.
  std::map<std::uint64_t, std::uint64_t> tables_;
  std::uint32_t waits_ = 0;
  std::string violation_;
};

} // namespace vtd::test
