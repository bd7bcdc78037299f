// SPDX-License-Identifier: Apache-2.0
// Caching mode once more (CAP.CM, VT-d 6.1): what a request may see of tables that software changes, over
// random changes of root, context and paging entries and random invalidations, with CM = 0 and 1. The second
// opinion (naive_beliefs.h) is written from VT-d 6.1, 6.2 and 6.5.1 without a look at src/.
//
// Open, so what is expected here is this model's choice and no witness for silicon (docs/remap.md):
// - a part with CM = 1 may keep what is not present; with room for all it always does (`caches_absent`);
// - context entries in error are kept under domain-id 0, as those that are not present are;
// - an entry in error or not present, of a table, is removed with IH = 1, too;
// - a device-selective order leaves an entry of another domain than it names;
// - rights are those of all levels and judged at the leaf.
// The lives with little room, and those whose software obeys, expect none of these but the last.

#include "conformance/naive_beliefs.h"
#include "support/queue_driver.h"
#include "support/unit_world.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <random>
#include <sstream>
#include <string>

namespace vtd::test {
namespace {

namespace reg = spec::reg;
using belief::order;
using belief::outcome;

enum class room : std::uint8_t { ample, little };

struct life {
  life(std::uint64_t seed, room size)
      : random(seed), config(random_config(size)), world(config), queue(world), queued(below(2) != 0),
        at_once(below(2) != 0), known(config.caps, world.memory, world.tables.root(), size == room::little,
                                      config.whole_domain_tables) {
    build();
    world.enable();
    if (queued) queue.enable();
  }
  std::uint64_t below(std::uint64_t n) { return random() % n; }

  dmar::unit_config random_config(room size) {
    remap::capabilities caps = wide_part();
    caps.cap.set_nd(static_cast<unsigned>(below(3))).set_psi(below(3) != 0).set_cm(below(3) != 0);
    caps.cap.set_mamv(static_cast<unsigned>(below(2) != 0 ? 18 : below(19))).set_esrtps(below(2) != 0);
    caps.ecap.set_qi(true);
    caps.caches_absent = below(5) != 0;
    dmar::unit_config out = config_of(caps);
    out.whole_domain_tables = below(2) != 0;
    const auto shape = [&]() -> remap::cache_shape {
      if (size == room::ample) return {256, 0, remap::replacement::lru, 1};
      return {static_cast<unsigned>(below(5) == 0 ? 0 : std::uint64_t{1} << below(4)), 0,
              static_cast<remap::replacement>(below(4)), random()};
    };
    out.caches = {shape(), shape(), below(2) != 0 ? shape() : remap::cache_shape{}, false, shape(), shape(),
                  shape(), shape()};
    return out;
  }

  // --- Tables, and what software makes of them

  using words = std::array<std::uint64_t, 2>;
  enum class entry_kind : std::uint8_t { root, context, paging };
  /// An entry, and the values that it takes; the first one is good.
  struct changeable {
    entry_kind kind;
    std::uint64_t address;
    std::vector<words> values;
    std::uint16_t source = 0;
    unsigned domain = 0;
    unsigned level = 0;
    std::uint64_t iova = 0;
  };
  struct mapped {
    std::uint64_t iova;
    unsigned level;
  };

  void build() {
    for (const unsigned function : {0U, 1U, 4U})
      devices.push_back(spec::source_id::from_bdf(1, 3, static_cast<std::uint8_t>(function)));
    devices.push_back(spec::source_id::from_bdf(2, 0, 0));
    for (unsigned n = 0; n < devices.size(); ++n) {
      // The last two share their domain; the tables of one are deeper than they need be.
      const bool shares = n + 1 == devices.size();
      const unsigned domain = shares ? first_domain + n - 1 : first_domain + n;
      const std::uint64_t table = shares ? world.tables.context(devices[n - 1]).second_level_table() : 0;
      world.tables.attach(devices[n], static_cast<std::uint16_t>(domain), domain == first_domain + 1 ? 4 : 3,
                          spec::translation_type::untranslated_only, table);
      if (shares) continue;
      for (const mapped& each : pages)
        world.tables.map(devices[n], each.iova, (std::uint64_t{n + 1} << 34) | each.iova, read_write,
                         each.level);
      for (const mapped& each : pages) {
        for (unsigned level = each.level; level <= (domain == first_domain + 1 ? 4U : 3U); ++level)
          add_paging_entry(devices[n], domain, each.iova, level);
      }
    }
    for (const auto device : devices)
      add_context_entry(device);
    for (const unsigned bus : {1U, 2U}) {
      const std::uint64_t at = world.tables.root() + 16U * bus;
      const std::uint64_t good = world.memory.load(at);
      changes.push_back({entry_kind::root,
                         at,
                         {{good, 0}, {good & ~std::uint64_t{1}, 0}, {good | 4, 0}, {good, 1}},
                         static_cast<std::uint16_t>(bus << 8)});
    }
    for (auto& each : chosen)
      each = below(changes.size());
  }
  void add_paging_entry(spec::source_id device, unsigned domain, std::uint64_t iova, unsigned level) {
    const std::uint64_t at = world.tables.entry_of(device, iova, level, false);
    for (const changeable& each : changes) {
      if (each.address == at) return;
    }
    const std::uint64_t good = world.memory.load(at);
    const bool leaf = level == 1 || (good & 0x80) != 0;
    changeable one{entry_kind::paging, at, {{good}}, 0, domain, level, iova};
    const std::uint64_t reserved = std::uint64_t{1} << (below(2) != 0 ? 50 : 11);
    for (const std::uint64_t value : {std::uint64_t{0}, good & ~std::uint64_t{3}, good | reserved,
                                      good & ~std::uint64_t{2}, good & ~std::uint64_t{1}})
      one.values.push_back({value});
    if (leaf) one.values.push_back({good ^ std::uint64_t{1} << 36});
    // A large page in the place of a table, where there is such a size.
    if (level == 2 && !leaf) one.values.push_back({std::uint64_t{domain} << 35 | 0x83});
    changes.push_back(one);
  }
  void add_context_entry(spec::source_id device) {
    const auto good = world.tables.context(device);
    const auto other = world.tables.context(devices[below(devices.size())]);
    const std::uint64_t lo = good.lo;
    const std::uint64_t hi = good.hi;
    // Not present with and without FPD; FPD; another domain; pass-through; reserved bits; no such TT or AW.
    changes.push_back({entry_kind::context,
                       world.tables.context_entry_of(device),
                       {{lo, hi},
                        {lo & ~std::uint64_t{1}, hi},
                        {2, 0},
                        {lo | 2, hi},
                        {other.lo, other.hi},
                        {lo | 8, hi},
                        {lo | 0x40, hi},
                        {lo, hi | 0x80},
                        {lo | 0xc, hi},
                        {lo, hi & ~std::uint64_t{7}},
                        {lo | 0x42, hi}},
                       device.value()});
  }

  // --- Software

  /// One of few, so that it is changed again and again.
  const changeable& some_entry() { return changes[chosen[below(chosen.size())]]; }
  /// Something is changed, more often for the good; what stood there before.
  words change(const changeable& one) {
    const words before = {world.memory.load(one.address), world.memory.load(one.address + 8)};
    const words& now = one.values[below(2) != 0 ? 0 : below(one.values.size())];
    world.memory.store(one.address, now[0]);
    if (one.kind != entry_kind::paging) world.memory.store(one.address + 8, now[1]);
    return before;
  }
  void invalidate(const order& it) {
    queued ? by_queue(it) : by_register(it);
    known.remove(it);
  }
  void by_register(const order& it) {
    if (it.of_contexts) {
      world.write_register<reg::ccmd>(reg::ccmd::icc::of(1) | reg::ccmd::cirg::of(it.granularity) |
                                      reg::ccmd::did::of(it.domain) | reg::ccmd::sid::of(it.source) |
                                      reg::ccmd::fm::of(it.function_mask));
    } else {
      world.write_register<reg::iva>(reg::iva::addr::of(it.first_page) | reg::iva::am::of(it.address_mask) |
                                     reg::iva::ih::of(it.leaf_only ? 1 : 0));
      world.write_register<reg::iotlb>(reg::iotlb::ivt::of(1) | reg::iotlb::iirg::of(it.granularity) |
                                       reg::iotlb::did::of(it.domain));
    }
    world.settle();
  }
  void by_queue(const order& it) {
    spec::invalidation_descriptor what;
    if (it.of_contexts) {
      what = spec::context_cache_descriptor{}
                 .set_granularity(static_cast<spec::context_granularity>(it.granularity))
                 .set_domain_id(static_cast<std::uint16_t>(it.domain))
                 .set_source(spec::source_id{it.source})
                 .set_function_mask(it.function_mask);
    } else {
      what = spec::iotlb_descriptor{}
                 .set_granularity(static_cast<spec::iotlb_granularity>(it.granularity))
                 .set_domain_id(static_cast<std::uint16_t>(it.domain))
                 .set_address(it.first_page << 12)
                 .set_address_mask(it.address_mask)
                 .set_hint(it.leaf_only);
    }
    queue.run(what);
    ASSERT_FALSE(queue.failed());
  }
  void invalidate_context(std::uint16_t source, unsigned domain) {
    invalidate({true, 3, domain, source, 0, 0, 0, false});
  }
  void invalidate_all() {
    invalidate({true, 1, 0, 0, 0, 0, 0, false});
    invalidate({false, 1, 0, 0, 0, 0, 0, false});
  }
  void invalidate_domain(unsigned domain) { invalidate({false, 2, domain, 0, 0, 0, 0, false}); }
  /// What an entry of this level maps; the domain where the part cannot name it.
  void invalidate_entry(const changeable& one, bool leaf_only) {
    const unsigned mask = 9 * (one.level - 1);
    if (!config.caps.cap.psi() || mask > config.caps.cap.mamv()) return invalidate_domain(one.domain);
    invalidate({false, 3, one.domain, 0, 0, one.iova >> 12, mask, leaf_only});
  }
  void new_root_table() {
    world.write_register<reg::gcmd>(reg::gcmd::te::mask | (queued ? reg::gcmd::qie::mask : 0) |
                                    reg::gcmd::srtp::mask);
    world.settle();
    if (config.caps.cap.esrtps()) known.forget_all();
  }
  void random_order() {
    order it;
    it.of_contexts = below(3) == 0;
    it.granularity = static_cast<unsigned>(std::min<std::uint64_t>(1 + below(10), 3));
    const changeable& about = some_entry();
    it.domain =
        about.kind == entry_kind::paging ? about.domain : first_domain + static_cast<unsigned>(below(3));
    if (below(it.of_contexts ? 3 : 8) == 0) it.domain = 0;
    it.source = devices[below(devices.size())].value();
    it.function_mask = static_cast<unsigned>(below(4));
    it.first_page = about.iova >> 12;
    it.address_mask = static_cast<unsigned>(below(2) == 0 ? 0 : below(config.caps.cap.mamv() + 1));
    it.leaf_only = below(2) != 0;
    if (!it.of_contexts && it.granularity == 3 && !config.caps.cap.psi()) it.granularity = 2;
    invalidate(it);
  }

  /// Software that does all that it must when it has changed an entry, and not more: the specification's
  /// obligations (6.1, 6.5.1, 6.8), as drivers fulfil them.
  void obey(const changeable& one, const words& before) {
    const bool cm = config.caps.cap.cm();
    const words now = {world.memory.load(one.address), world.memory.load(one.address + 8)};
    if (one.kind == entry_kind::paging) {
      // With CM = 0 what is not present or in error is in no cache.
      if (before[0] == now[0] || (!cm && !is_good(one, before))) return;
      invalidate_entry(one, !is_table(one, before[0]) && !is_table(one, now[0]));
    } else if (before == now) {
      return;
    } else if (is_good(one, before)) {
      if (one.kind == entry_kind::root) return invalidate_all();
      const auto domain = static_cast<unsigned>(before[1] >> 8 & 0xffff);
      invalidate_context(one.source, domain);
      invalidate_domain(domain);
    } else if (cm && (before[0] & 1) != 0) {
      // In error: under which domain-id it is held no source is certain of.
      invalidate({true, 1, 0, 0, 0, 0, 0, false});
    } else if (cm) {
      for (const auto device : devices) {
        const bool named = one.kind == entry_kind::context ? device.value() == one.source
                                                           : device.value() >> 8 == one.source >> 8;
        if (!named) continue;
        invalidate_context(device.value(), 0);
        invalidate_domain(world.tables.context(device).domain_id());
      }
    }
  }
  static bool is_table(const changeable& one, std::uint64_t value) {
    return one.level > 1 && (value & 3) != 0 && (value & 0x80) == 0;
  }
  [[nodiscard]] bool is_good(const changeable& one, const words& value) const {
    if (one.kind == entry_kind::root) return (value[0] & 5) == 1 && value[1] == 0;
    if (one.kind == entry_kind::paging)
      return (value[0] & 3) != 0 && (value[0] >> 50 & 1) == 0 && (value[0] >> 11 & 1) == 0;
    return (value[0] & 0x41) == 1 && (value[0] & 0xc) != 0xc && (value[1] & 0x80) == 0 && (value[1] & 7) != 0;
  }

  // --- Requests

  struct asked {
    std::uint16_t source;
    bool write;
    std::uint64_t iova;
  };
  asked random_request() {
    const mapped& page = pages[below(pages.size())];
    asked out{devices[below(devices.size())].value(), below(2) == 0,
              page.iova + below(2) * (spec::level_size(page.level) - 64)};
    // Often what was changed.
    const changeable& one = some_entry();
    if (below(2) == 0 || one.kind == entry_kind::root) return out;
    if (one.kind == entry_kind::context) out.source = one.source;
    if (one.kind == entry_kind::paging) {
      out.source = devices[one.domain - first_domain].value();
      out.iova = one.iova;
    }
    return out;
  }
  outcome ask(const asked& it) {
    dmar::request what;
    what.access = {spec::source_id{it.source},
                   it.write ? remap::access_kind::write : remap::access_kind::read,
                   remap::address_type::untranslated, it.iova};
    what.length = 64;
    world.memory.reads.clear();
    const std::size_t faults = world.faults.size();
    outcome out;
    bool passed = false;
    if (at_once) {
      const auto how = world.unit.pass(what, world.memory, world.now_ps());
      passed = how.leads == dmar::pipeline::passage::way::memory;
      if (passed) out.host = how.address;
      world.settle();
    } else {
      EXPECT_TRUE(world.unit.offer(0, what, world.now_ps()));
      world.settle();
      passed = world.responses.back().how == dmar::completion::done;
      if (passed) out.host = world.forwards.back().address;
    }
    out.reads = world.memory.reads;
    EXPECT_EQ(world.faults.size() - faults, passed ? 0U : 1U);
    if (passed || world.faults.size() == faults) return out;
    out.reason = static_cast<unsigned>(spec::condition_info(world.faults.back().condition).reason);
    out.hidden = world.faults.back().suppressed;
    return out;
  }
  void request() {
    const asked it = random_request();
    const auto stories = known.stories(it.source, it.write, it.iova);
    const outcome got = ask(it);
    std::string all;
    for (const auto& each : stories)
      all += "\n  or " + describe(each.end);
    ASSERT_TRUE(
        std::any_of(stories.begin(), stories.end(), [&](const auto& each) { return each.end == got; }))
        << describe(got) << " for " << std::hex << it.source << (it.write ? " writes " : " reads ") << it.iova
        << all;
    known.saw(stories, got);
    if (got.reason != 0 && got.reads.empty() && !(config.caps.cap.cm() && config.caps.caches_absent)) {
      ASSERT_TRUE(got.reason == 0x05 || got.reason == 0x06) << "only a page can be kept, and its rights";
    }
    const outcome now = known.fresh(it.source, it.write, it.iova);
    if (got.same_end(now)) return;
    // An old state of the tables.
    ++(got.reason != 0 && got.reads.empty() && now.reason == 0 ? old_faults : old_others);
  }
  static std::string describe(const outcome& it) {
    std::ostringstream out;
    out << std::hex << "reason " << it.reason << (it.hidden ? ", hidden" : "") << ", at " << it.host
        << ", read";
    for (const std::uint64_t each : it.reads)
      out << " " << each;
    return out.str();
  }

  void run(unsigned steps) {
    for (unsigned step = 0; step < steps && !testing::Test::HasFatalFailure(); ++step) {
      SCOPED_TRACE("step " + std::to_string(step));
      const auto what = below(24);
      if (what < 4) change(some_entry());
      if (what == 4 || what == 5) random_order();
      if (what == 6 && below(10) == 0) new_root_table();
      if (what > 6) request();
    }
  }
  /// Software obeys: whatever is cached, a request sees the tables as they are.
  void run_obediently(unsigned steps) {
    for (unsigned step = 0; step < steps && !testing::Test::HasFatalFailure(); ++step) {
      SCOPED_TRACE("step " + std::to_string(step));
      if (below(4) == 0) {
        const changeable& one = some_entry();
        obey(one, change(one));
        continue;
      }
      const asked it = random_request();
      const outcome got = ask(it);
      const outcome now = known.fresh(it.source, it.write, it.iova);
      ASSERT_TRUE(got.same_end(now)) << describe(got) << ", should be " << describe(now);
      ++(got.reason == 0 ? passed_as_now : blocked_as_now);
      if (got.reason != 0 && got.reads.empty()) ++blocked_from_cache;
    }
  }

  static constexpr unsigned first_domain = 3;
  static constexpr std::array<mapped, 9> pages = {{{0x1000, 1},
                                                   {0x2000, 1},
                                                   {0x1ff000, 1},
                                                   {0x200000, 1},
                                                   {0x600000, 2},
                                                   {0x40000000, 1},
                                                   {0x40200000, 2},
                                                   {0x80000000, 3},
                                                   {0xc0001000, 1}}};
  std::mt19937_64 random;
  dmar::unit_config config;
  unit_world world;
  queue_driver queue;
  bool queued;
  bool at_once;
  belief::unit_caches known;
  std::vector<spec::source_id> devices;
  std::vector<changeable> changes;
  std::array<std::size_t, 6> chosen{};
  unsigned old_faults = 0;
  unsigned old_others = 0;
  unsigned passed_as_now = 0;
  unsigned blocked_as_now = 0;
  unsigned blocked_from_cache = 0;
};

/// Old faults and other old outcomes, of parts without and with caching mode.
using totals = std::array<unsigned, 4>;
totals live(room size, std::uint64_t lives, unsigned steps) {
  totals out{};
  for (std::uint64_t seed = 1; seed <= lives; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    life one(seed, size);
    one.run(steps);
    if (testing::Test::HasFatalFailure()) break;
    const std::size_t cm = one.config.caps.cap.cm() && one.config.caps.caches_absent ? 2 : 0;
    out[cm] += one.old_faults;
    out[cm + 1] += one.old_others;
  }
  return out;
}

TEST(naive_caching_mode, agrees_to_the_read_with_caches_that_have_room_for_everything) {
  const totals seen = live(room::ample, 1000, 150);
  for (const unsigned each : seen)
    EXPECT_GT(each, 150U) << "all of it happens";
}

TEST(naive_caching_mode, allows_all_that_caches_with_little_room_show) {
  for (const unsigned each : live(room::little, 600, 150))
    EXPECT_GT(each, 20U) << "all of it happens";
}

TEST(naive_caching_mode, software_that_invalidates_what_it_must_never_sees_an_old_entry) {
  std::array<unsigned, 3> seen{};
  for (std::uint64_t seed = 1; seed <= 1500; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    life one(seed, seed % 2 != 0 ? room::ample : room::little);
    one.run_obediently(120);
    if (testing::Test::HasFatalFailure()) return;
    seen[0] += one.passed_as_now;
    seen[1] += one.blocked_as_now;
    seen[2] += one.blocked_from_cache;
  }
  for (const unsigned each : seen)
    EXPECT_GT(each, 3000U) << "all of it happens";
}

} // namespace
} // namespace vtd::test
