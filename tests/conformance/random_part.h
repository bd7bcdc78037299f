// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "support/unit_world.h"
#include "vtd/models/board.h"
#include "vtd/spec/registers.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <random>
#include <string>

namespace vtd::test {

/// How a request is put to the unit: cycle by cycle, or at once (loosely timed).
enum class way : std::uint8_t { cycle_by_cycle, at_once };

/// A part that could be: random capabilities, valid among themselves, and only what the models advertise,
/// although the silicon it is drawn from has any of the others, too.
[[nodiscard]] inline remap::capabilities random_part(std::mt19937_64& random) {
  const auto below = [&](std::uint64_t n) { return static_cast<unsigned>(random() % n); };
  const auto flag = [&] { return below(2) != 0; };
  spec::cap real{random()};
  spec::ecap more{random()};
  real.set_nd(below(7)).set_rwbf(flag()).set_plmr(flag()).set_phmr(flag()).set_zlr(flag()).set_isoch(flag());
  real.set_sagaw(1 + below(31)).set_sps(below(16)).set_psi(flag()).set_dwd(flag()).set_drd(flag());
  real.set_mamv(below(19)).set_esrtps(flag()).set_nfr(below(16));
  const unsigned widest = spec::width_of_agaw(static_cast<unsigned>(real.largest_agaw()));
  real.set_mgaw(std::min(57U, widest - below(3)));
  // Where no other register stands, of those that are declared and those that are not.
  more.set_iro(0x46 + below(8));
  real.set_fro(flag() ? 0x50 + below(0x60) : 0x100 + below(0x200));
  more.set_qi(flag()).set_ch(flag()).set_pt(flag()).set_sc(flag());
  remap::capabilities caps;
  caps.cap = models::advertised(real);
  caps.ecap = models::advertised(more);
  // Wide enough for the largest page (`dmar::checked`).
  const unsigned least_width = std::max(36U, spec::level_shift(caps.cap.largest_page_level()));
  caps.host_address_width = least_width + below(53 - least_width);
  // Rules by version are walked like those by bits.
  caps.version = (1 + below(4)) << 4;
  return caps;
}

/// A unit with random capabilities, times and resources, and tables of its own.
class random_world : public unit_world {
public:
  static constexpr std::uint16_t domain = 3;
  static constexpr std::uint64_t frame = 0x7abcd000;
  static constexpr std::uint64_t other_frame = 0x6789a000;

  random_world(const dmar::unit_config& config, way asked_by, std::uint64_t seed)
      : unit_world(config), how(asked_by), random(seed) {}

  [[nodiscard]] const remap::capabilities& caps() const { return unit.config().caps; }
  [[nodiscard]] spec::cap cap() const { return caps().cap; }
  [[nodiscard]] spec::ecap ecap() const { return caps().ecap; }
  /// The deepest tables that this part knows.
  [[nodiscard]] unsigned levels() const {
    return spec::levels_of_agaw(static_cast<unsigned>(cap().largest_agaw()));
  }
  /// Bits of an input address that reach a page.
  [[nodiscard]] unsigned width() const {
    return std::min(cap().mgaw(), spec::width_of_agaw(static_cast<unsigned>(cap().largest_agaw())));
  }
  /// Some page that can be mapped, below 1 GB.
  [[nodiscard]] std::uint64_t some_page() { return (1 + random() % 0x30000) << spec::page_shift; }

  struct result {
    bool allowed = false;
    /// Where it went.
    std::uint64_t address = 0;
    spec::fault_condition condition = spec::fault_condition::none;
    /// FPD kept it from being recorded.
    bool hidden = false;
    friend bool operator==(const result&, const result&) = default;
  };
  /// A request, alone, until nothing is left to do.
  result ask(spec::source_id source, remap::access_kind kind, std::uint64_t address,
             remap::address_type type = remap::address_type::untranslated) {
    dmar::request what;
    what.access = {source, kind, type, address};
    what.length = 4;
    const std::size_t faults_before = faults.size();
    result out;
    if (how == way::at_once) {
      using way_out = dmar::pipeline::passage::way;
      const auto passed = unit.pass(what, memory, now_ps());
      out.allowed = passed.leads != way_out::blocked && passed.leads != way_out::aborted;
      out.address = out.allowed ? passed.address : 0;
      settle();
    } else {
      unit.offer(0, what, now_ps());
      settle();
      out.allowed = responses.back().how == dmar::completion::done;
      out.address = out.allowed ? forwards.back().address : 0;
    }
    if (faults.size() > faults_before) {
      out.condition = faults.back().condition;
      out.hidden = faults.back().suppressed;
    }
    return out;
  }
  result ask_read(spec::source_id source, std::uint64_t address) {
    return ask(source, remap::access_kind::read, address);
  }
  result ask_write(spec::source_id source, std::uint64_t address) {
    return ask(source, remap::access_kind::write, address);
  }
  [[nodiscard]] static result to(std::uint64_t address) {
    return {true, address, spec::fault_condition::none, false};
  }
  [[nodiscard]] static result fault(spec::fault_condition condition, bool hidden = false) {
    return {false, 0, condition, hidden};
  }

  /// Registers by their offset, as software without any declaration would.
  [[nodiscard]] std::uint64_t read_at(std::uint32_t offset, unsigned bytes) {
    return unit.read_register(offset, bytes, now_ps());
  }
  void write_at(std::uint32_t offset, unsigned bytes, std::uint64_t value) {
    unit.write_register(offset, bytes, value, now_ps());
    settle();
  }
  template <class Register>
  void order(typename Register::word value) {
    write_register<Register>(value);
    settle();
  }

  way how;
  std::mt19937_64 random;
};

/// A mapped device, translation on.
inline void map_and_enable(random_world& w, std::uint64_t iova, rights allowed = read_write) {
  w.tables.attach(nic, random_world::domain, w.levels());
  w.tables.map(nic, iova, random_world::frame, allowed);
  w.enable();
}

/// Two pages of one domain are cached, then both are mapped to another frame: from now on a request tells
/// whether its page is still cached.
inline void cache_two_pages(random_world& w, std::uint64_t first, std::uint64_t second) {
  map_and_enable(w, first);
  w.tables.map(nic, second, random_world::frame);
  for (const std::uint64_t iova : {first, second})
    EXPECT_EQ(w.ask_read(nic, iova), w.to(random_world::frame));
  for (const std::uint64_t iova : {first, second}) {
    w.tables.map(nic, iova, random_world::other_frame);
    EXPECT_EQ(w.ask_read(nic, iova), w.to(random_world::frame)) << "still cached";
  }
}

/// Runs `probe` over random parts by both ways. The probe says whether the part had what it looks for (or how
/// much of it): that must not have been the same all the time.
inline void over_random_parts(const std::function<std::uint64_t(random_world&)>& probe,
                              const std::function<void(remap::capabilities&)>& change = {}) {
  constexpr std::uint64_t parts = 40;
  std::uint64_t first = 0;
  bool differed = false;
  for (std::uint64_t seed = 1; seed <= parts; ++seed) {
    for (const way how : {way::cycle_by_cycle, way::at_once}) {
      std::mt19937_64 random(seed);
      remap::capabilities caps = random_part(random);
      if (change) change(caps);
      dmar::unit_config config = config_of(caps);
      config.caches.pml5 = config.caches.pml4;
      config.timing.requests = 2 + static_cast<unsigned>(random() % 8);
      config.timing.walkers = 1 + static_cast<unsigned>(random() % 3);
      config.timing.lookup = {random() % 3, 1 + random() % 3, random() % 3};
      config.whole_domain_tables = random() % 2 != 0;
      config.protected_region_shift = 12 + static_cast<unsigned>(random() % 17);
      SCOPED_TRACE("seed " + std::to_string(seed) + (how == way::at_once ? ", at once" : ", cycle by cycle"));
      random_world world(config, how, seed);
      const std::uint64_t had = probe(world);
      if (seed == 1) first = had;
      differed = differed || had != first;
      if (testing::Test::HasFailure()) return;
    }
  }
  EXPECT_TRUE(differed) << "all parts were the same in what is looked for";
}

} // namespace vtd::test
