// SPDX-License-Identifier: Apache-2.0
// Which cached entries an invalidation of any granularity removes, once more: sets of what is cached, written
// from VT-d 6.5.1.1, 6.5.1.2, 6.5.2.1, 6.5.2.3, 10.4.7 and 10.4.8 without a look at src/. Random parts, with
// and without PSI, must read just the tables that the sets do not hold, and say what they have done.

#include "support/queue_driver.h"
#include "support/unit_world.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <map>
#include <random>
#include <set>
#include <string>
#include <tuple>

namespace vtd::test {
namespace {

namespace reg = spec::reg;

/// An entry for 2^(9 (level - 1)) pages from `number` times as many on; a table or a page.
struct naive_entry {
  unsigned domain = 0;
  unsigned level = 0;
  std::uint64_t number = 0;
  friend auto operator<=>(const naive_entry&, const naive_entry&) = default;

  [[nodiscard]] bool covers_any(std::uint64_t first_page, std::uint64_t last_page) const {
    const std::uint64_t size = std::uint64_t{1} << 9 * (level - 1);
    return number * size <= last_page && (number + 1) * size - 1 >= first_page;
  }
};

/// What a unit holds that never has to give anything up.
struct naive_caches {
  std::map<std::uint16_t, unsigned> contexts; // source-id, domain-id
  std::set<naive_entry> pages;
  std::set<naive_entry> tables;

  template <class Set, class Predicate>
  static void remove(Set& from, const Predicate& goes) {
    for (auto each = from.begin(); each != from.end();)
      each = goes(*each) ? from.erase(each) : std::next(each);
  }
};

/// An order as software gives it, by register or by descriptor.
struct naive_order {
  bool of_contexts = false;
  /// CIRG, IIRG, G: 0 none (wrong), 1 global, 2 domain, 3 device or page.
  unsigned granularity = 0;
  unsigned domain = 0;
  std::uint16_t source = 0;
  unsigned function_mask = 0;
  std::uint64_t page = 0;
  unsigned address_mask = 0;
  bool leaf_only = false;
};

struct naive_invalidator {
  const remap::capabilities& caps;
  bool whole_domain_tables;
  naive_caches& held;

  /// What CAIG or IAIG says. Without PSI a page means its domain; a mask above MAMV is wrong.
  [[nodiscard]] unsigned actual(const naive_order& it) const {
    if (it.of_contexts || it.granularity != 3) return it.granularity;
    if (!caps.cap.psi()) return 2;
    return it.address_mask > caps.cap.mamv() ? 0 : 3;
  }
  /// The queue is stricter: what is not there is an error.
  [[nodiscard]] bool wrong_in_queue(const naive_order& it) const {
    if (it.granularity == 0) return true;
    return !it.of_contexts && it.granularity == 3 && (!caps.cap.psi() || it.address_mask > caps.cap.mamv());
  }
  void remove(const naive_order& it) {
    const unsigned done = actual(it);
    if (done == 0) return;
    // Bits of the domain-id that the part has not are not looked at.
    const unsigned domain = it.domain % (1U << (4 + 2 * caps.cap.nd()));
    if (it.of_contexts) {
      constexpr std::array<std::uint16_t, 4> any = {0, 4, 6, 7};
      naive_caches::remove(held.contexts, [&](const auto& entry) {
        if (done == 1) return true;
        if (entry.second != domain) return false;
        return done == 2 || ((entry.first ^ it.source) & ~any[it.function_mask]) == 0;
      });
      return;
    }
    const std::uint64_t count = std::uint64_t{1} << it.address_mask;
    const std::uint64_t first = it.page / count * count;
    naive_caches::remove(held.pages, [&](const naive_entry& entry) {
      if (done == 1) return true;
      return entry.domain == domain && (done == 2 || entry.covers_any(first, first + count - 1));
    });
    if (done == 3 && it.leaf_only) return;
    naive_caches::remove(held.tables, [&](const naive_entry& entry) {
      if (done == 1) return true;
      return entry.domain == domain &&
             (done == 2 || whole_domain_tables || entry.covers_any(first, first + count - 1));
    });
  }
};

struct life {
  explicit life(std::uint64_t seed)
      : random(seed), config(random_config()), world(config),
        queue(world), invalidator{config.caps, config.whole_domain_tables, held}, queued(below(2) != 0) {
    build();
    world.enable();
    if (queued) queue.enable();
  }
  std::uint64_t below(std::uint64_t n) { return random() % n; }

  dmar::unit_config random_config() {
    remap::capabilities caps = wide_part();
    caps.cap.set_nd(static_cast<unsigned>(below(3))).set_psi(below(2) != 0);
    caps.cap.set_mamv(static_cast<unsigned>(below(19)));
    caps.ecap.set_qi(true);
    dmar::unit_config out = config_of(caps);
    out.whole_domain_tables = below(2) != 0;
    const remap::cache_shape roomy{256, 0, remap::replacement::lru, 1};
    out.caches = {roomy, roomy, below(2) != 0 ? roomy : remap::cache_shape{}, false, roomy, roomy,
                  roomy, roomy};
    return out;
  }

  struct mapped {
    std::uint64_t iova;
    unsigned level;
  };
  void build() {
    // Functions of one device, which FM names together, and another; two of them share a domain.
    for (const unsigned function : {0U, 1U, 2U, 4U, 7U})
      devices.push_back(spec::source_id::from_bdf(1, 3, static_cast<std::uint8_t>(function)));
    devices.push_back(spec::source_id::from_bdf(2, 0, 0));
    for (unsigned n = 0; n < devices.size(); ++n) {
      // The last two share their tables.
      const bool shares = n + 1 == devices.size();
      const auto domain = static_cast<std::uint16_t>(shares ? 3 + n - 1 : 3 + n);
      const std::uint64_t table = shares ? world.tables.context(devices[n - 1]).second_level_table() : 0;
      world.tables.attach(devices[n], domain, 3, spec::translation_type::untranslated_only, table);
      if (shares) continue;
      for (const mapped& each : pages)
        world.tables.map(devices[n], each.iova, (0x40000000U * (n + 1)) | each.iova, read_write, each.level);
    }
  }

  void request() {
    const spec::source_id source = devices[below(devices.size())];
    const mapped& page = pages[below(pages.size())];
    const std::uint64_t iova = page.iova + below(2) * (spec::level_size(page.level) - 64);
    const unsigned domain = world.tables.context(source).domain_id();
    std::vector<std::uint64_t> expected;
    if (!held.contexts.contains(source.value())) {
      expected = {world.tables.root_entry_of(source), world.tables.context_entry_of(source)};
      held.contexts[source.value()] = domain;
    }
    const auto entry = [&](unsigned level) {
      return naive_entry{domain, level, iova >> (12 + 9 * (level - 1))};
    };
    if (!held.pages.contains(entry(page.level))) {
      // The deepest table that is known is read, and all below it.
      unsigned level = page.level;
      while (level < 3 && !held.tables.contains(entry(level + 1)))
        ++level;
      for (; level >= page.level; --level) {
        expected.push_back(world.tables.entry_of(source, iova, level, false));
        if (level > page.level) held.tables.insert(entry(level));
      }
      held.pages.insert(entry(page.level));
    }
    world.memory.reads.clear();
    const auto got = world.read(source, iova);
    ASSERT_EQ(got.how, dmar::completion::done);
    ASSERT_EQ(world.memory.reads, expected) << to_string(source) << " " << std::hex << iova;
  }

  [[nodiscard]] naive_order random_order() {
    naive_order it;
    it.of_contexts = below(3) == 0;
    it.granularity = static_cast<unsigned>(below(12) == 0 ? 0 : std::min<std::uint64_t>(1 + below(8), 3));
    const spec::source_id device = devices[below(devices.size())];
    it.source = device.value();
    it.domain = world.tables.context(device).domain_id();
    if (below(4) == 0) it.domain = static_cast<unsigned>(below(12));
    if (below(4) == 0) it.domain += 1U << 8;
    it.function_mask = static_cast<unsigned>(below(4));
    it.page = pages[below(pages.size())].iova >> 12;
    it.address_mask = static_cast<unsigned>(below(2) == 0 ? 0 : below(20));
    it.leaf_only = below(2) != 0;
    return it;
  }
  void order() {
    const naive_order it = random_order();
    ++asked[it.granularity];
    queued ? by_queue(it) : by_register(it);
  }
  void by_register(const naive_order& it) {
    const unsigned expected = invalidator.actual(it);
    if (it.of_contexts) {
      world.write_register<reg::ccmd>(reg::ccmd::icc::of(1) | reg::ccmd::cirg::of(it.granularity) |
                                      reg::ccmd::did::of(it.domain) | reg::ccmd::sid::of(it.source) |
                                      reg::ccmd::fm::of(it.function_mask));
      world.settle();
      const std::uint64_t now = world.read_register<reg::ccmd>();
      ASSERT_EQ(reg::ccmd::icc::get(now), 0U);
      ASSERT_EQ(reg::ccmd::caig::get(now), expected);
    } else {
      world.write_register<reg::iva>(reg::iva::addr::of(it.page) | reg::iva::am::of(it.address_mask) |
                                     reg::iva::ih::of(it.leaf_only ? 1 : 0));
      world.write_register<reg::iotlb>(reg::iotlb::ivt::of(1) | reg::iotlb::iirg::of(it.granularity) |
                                       reg::iotlb::did::of(it.domain));
      world.settle();
      const std::uint64_t now = world.read_register<reg::iotlb>();
      ASSERT_EQ(reg::iotlb::ivt::get(now), 0U);
      ASSERT_EQ(reg::iotlb::iaig::get(now), expected);
    }
    if (expected != it.granularity) ++coarser;
    invalidator.remove(it);
  }
  void by_queue(const naive_order& it) {
    const std::uint64_t place = queue.tail();
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
                 .set_address(it.page << 12)
                 .set_address_mask(it.address_mask)
                 .set_hint(it.leaf_only);
    }
    queue.run(what);
    const bool wrong = invalidator.wrong_in_queue(it);
    ASSERT_EQ(queue.failed(), wrong);
    ASSERT_EQ(queue.head(), wrong ? place : queue.tail());
    if (!wrong) return invalidator.remove(it);
    ++errors;
    // Something harmless in its place.
    queue.put(place, spec::wait_descriptor{});
    queue.clear_error();
    world.settle();
    ASSERT_FALSE(queue.failed());
    ASSERT_EQ(queue.head(), queue.tail());
  }
  void run(unsigned steps) {
    for (unsigned step = 0; step < steps && !testing::Test::HasFatalFailure(); ++step) {
      SCOPED_TRACE("step " + std::to_string(step));
      below(4) == 0 ? order() : request();
    }
  }

  static constexpr std::array<mapped, 12> pages = {{{0x1000, 1},
                                                    {0x2000, 1},
                                                    {0x3000, 1},
                                                    {0x1ff000, 1},
                                                    {0x200000, 1},
                                                    {0x5ff000, 1},
                                                    {0x600000, 2},
                                                    {0x800000, 2},
                                                    {0x40000000, 1},
                                                    {0x40200000, 2},
                                                    {0x80000000, 3},
                                                    {0xc0001000, 1}}};
  std::mt19937_64 random;
  dmar::unit_config config;
  unit_world world;
  queue_driver queue;
  naive_caches held;
  naive_invalidator invalidator;
  std::vector<spec::source_id> devices;
  // Orders go by the queue.
  bool queued;
  std::array<unsigned, 4> asked{};
  unsigned coarser = 0;
  unsigned errors = 0;
};

TEST(naive_granularity, agrees_with_the_unit_over_random_orders) {
  std::array<unsigned, 4> asked{};
  unsigned coarser = 0;
  unsigned errors = 0;
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    life one(seed);
    one.run(400);
    if (testing::Test::HasFatalFailure()) return;
    for (std::size_t i = 0; i < asked.size(); ++i)
      asked[i] += one.asked[i];
    coarser += one.coarser;
    errors += one.errors;
  }
  for (const unsigned each : {asked[0], asked[1], asked[2], asked[3], coarser, errors})
    EXPECT_GT(each, 500U) << "all of it happens";
}

} // namespace
} // namespace vtd::test
