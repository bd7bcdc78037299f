// SPDX-License-Identifier: Apache-2.0
// Protected memory once more, written from VT-d 10.4.16 to 10.4.20 without a look at src/: random parts with
// each region, both or none, of every granularity, random register writes and random DMA of every kind, with
// translation off and on.
//
// Open, so what is expected here is this model's choice and no witness for silicon:
// - registers of the high region have no bit at or above the host address width;
// - a region whose limit lies below its base protects nothing;
// - with translation on, parts of VER 1 may check what tables translated or not (`protect_translated`);
// - a request that a table blocks is a fault, also where the page it asks for is protected;
// - the answer to a translation request and an interrupt message are no access to memory, and not checked.
// Software leaves bases and limits alone while protection is on, as it must.

#include "support/unit_world.h"

#include <gtest/gtest.h>

#include <array>
#include <optional>
#include <random>
#include <string>

namespace vtd::test {
namespace {

using remap::access_kind;
using remap::address_type;

// Offsets and bits by number, as software without any declaration would have them.
constexpr std::uint32_t pmen_at = 0x64;
constexpr std::uint32_t low_base_at = 0x68;
constexpr std::uint32_t low_limit_at = 0x6c;
constexpr std::uint32_t high_base_at = 0x70;
constexpr std::uint32_t high_limit_at = 0x78;
constexpr std::uint64_t enable_protection = 0x80000000;

struct naive_region {
  bool there = false;
  std::uint64_t base = 0;
  std::uint64_t limit = 0;
};

/// The five registers, and which bytes they protect.
struct naive_protection {
  unsigned shift = 0;
  unsigned host_width = 0;
  naive_region low{};
  naive_region high{};
  bool on = false;

  [[nodiscard]] std::uint64_t granule() const { return std::uint64_t{1} << shift; }
  /// Low bits of bases and limits cannot be written.
  [[nodiscard]] std::uint64_t writable(unsigned width) const {
    const std::uint64_t all = width == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << width) - 1;
    return all - (granule() - 1);
  }
  void write(std::uint32_t at, unsigned bytes, std::uint64_t value) {
    if (at == pmen_at) {
      on = (low.there || high.there) && (value & enable_protection) != 0;
    } else if (at < high_base_at) {
      if (low.there) (at == low_base_at ? low.base : low.limit) = value & writable(32);
    } else if (high.there) {
      std::uint64_t& field = at < high_limit_at ? high.base : high.limit;
      const std::uint64_t half = 0xffffffff;
      if (bytes == 8) field = value;
      if (bytes == 4 && at % 8 == 0) field = (field & ~half) | value;
      if (bytes == 4 && at % 8 != 0) field = (field & half) | value << 32;
      field &= writable(host_width);
    }
  }
  /// PRS follows when it is done.
  [[nodiscard]] std::uint64_t pmen() const { return on ? enable_protection | 1 : 0; }

  [[nodiscard]] bool inside(const naive_region& one, std::uint64_t host) const {
    // Low bits of a limit count as ones.
    return one.there && one.base <= host && host <= one.limit + (granule() - 1);
  }
  [[nodiscard]] bool covers(std::uint64_t host) const {
    return on && (inside(low, host) || inside(high, host));
  }
};

/// What becomes of a request or of a piece of it.
enum class naive_end : std::uint8_t { memory, message, answered, protected_memory, fault, refused };

struct life {
  explicit life(std::uint64_t seed)
      : random(seed), config(random_config()), world(config), at_once(seed % 2 != 0) {
    registers = {config.protected_region_shift,
                 config.caps.host_address_width,
                 {config.caps.cap.plmr(), 0, 0},
                 {config.caps.cap.phmr(), 0, 0},
                 false};
    build();
    world.write_register<spec::reg::rtaddr>(world.tables.root());
    world.write_register<spec::reg::gcmd>(spec::reg::gcmd::srtp::of(1));
    world.settle();
  }
  std::uint64_t below(std::uint64_t n) { return random() % n; }

  dmar::unit_config random_config() {
    remap::capabilities caps = wide_part();
    caps.cap.set_plmr(below(4) != 0).set_phmr(below(4) != 0);
    caps.ecap.set_dt(true);
    caps.host_address_width = static_cast<unsigned>(36 + below(10));
    if (below(3) == 0) caps.version = static_cast<unsigned>(0x10 * (2 + below(4)));
    dmar::unit_config out = config_of(caps);
    out.protect_translated = below(2) != 0;
    out.protected_region_shift = static_cast<unsigned>(below(2) != 0 ? 12 + below(20) : 12 + below(10));
    return out;
  }

  // A page that a device may ask for, and where it leads; of some megabytes, too.
  struct mapped {
    std::uint64_t iova;
    std::uint64_t host;
    unsigned level;
    rights allowed;
    [[nodiscard]] std::uint64_t size() const { return std::uint64_t{1} << (12 + 9 * (level - 1)); }
  };
  void build() {
    world.tables.attach(by_tables, 3, 4, spec::translation_type::with_device_tlb);
    world.tables.attach(passing, 4, 4, spec::translation_type::pass_through);
    // Round these the regions begin and end: the tables, the end of low memory, above 4 GB.
    const std::uint64_t top = (std::uint64_t{1} << config.caps.host_address_width) - registers.granule();
    marks = {0, 0x100000, 0x7000000, 0x80000000, 0xfffff000, 0x100000000, 0x240000000, top};
    for (int i = 0; i < 6; ++i)
      marks.push_back(below(std::uint64_t{1} << (24 + below(config.caps.host_address_width - 24))));
    for (auto& each : marks)
      each &= ~(registers.granule() - 1);
    for (unsigned n = 0; n < 12; ++n) {
      const auto level = static_cast<unsigned>(n < 8 ? 1 : n < 11 ? 2 : 3);
      mapped one{std::uint64_t{n + 1} << 31, 0, level, {below(6) != 0, below(6) != 0}};
      one.host = somewhere() & ~(one.size() - 1);
      // A few pages side by side, so that a request can cross into the next.
      for (unsigned i = 0; i < (level == 1 ? 3U : 1U);
           ++i, one.iova += 0x1000, one.host = somewhere() & ~0xfffULL) {
        if (to_interrupts(one)) one.host = 0x7000000 & ~(one.size() - 1);
        world.tables.map(by_tables, one.iova, one.host, one.allowed, level);
        pages.push_back(one);
      }
    }
  }
  static bool to_interrupts(const mapped& page) {
    return page.host <= 0xfeefffff && page.host + page.size() > 0xfee00000;
  }
  /// Some host address near the end of something.
  std::uint64_t somewhere() {
    const std::uint64_t mark = marks[below(marks.size())];
    std::uint64_t out = mark + below(4) * registers.granule();
    if (below(3) == 0) out -= 0x1000;
    if (below(3) == 0) out += below(registers.granule());
    if (below(4) == 0) out = mark + below(0x400000);
    out &= (std::uint64_t{1} << config.caps.host_address_width) - 1;
    return out >> 20 == 0xfee ? 0x7000000 : out;
  }

  // --- Registers

  void compare_registers() {
    ASSERT_EQ(read(pmen_at, 4), registers.pmen());
    ASSERT_EQ(read(low_base_at, 4), registers.low.base);
    ASSERT_EQ(read(low_limit_at, 4), registers.low.limit);
    ASSERT_EQ(read(high_base_at, 8), registers.high.base);
    ASSERT_EQ(read(high_limit_at, 8), registers.high.limit);
    ASSERT_EQ(read(high_limit_at + 4, 4), registers.high.limit >> 32);
  }
  std::uint64_t read(std::uint32_t at, unsigned bytes) {
    return world.unit.read_register(at, bytes, world.now_ps());
  }
  void write(std::uint32_t at, unsigned bytes, std::uint64_t value) {
    world.unit.write_register(at, bytes, value, world.now_ps());
    registers.write(at, bytes, value);
  }
  void write_some_register() {
    if (registers.on) return switch_protection();
    const std::uint64_t value = below(12) == 0 ? ~std::uint64_t{0} : somewhere();
    const auto which = static_cast<std::uint32_t>(below(4));
    if (which < 2) {
      write(low_base_at + 4 * which, 4, value & 0xffffffff);
    } else {
      const std::uint32_t at = high_base_at + 8 * (which - 2);
      if (below(3) != 0) return write(at, 8, value);
      const bool upper_first = below(2) != 0;
      write(at + (upper_first ? 4 : 0), 4, (upper_first ? value >> 32 : value) & 0xffffffff);
      if (below(4) != 0)
        write(at + (upper_first ? 0 : 4), 4, (upper_first ? value : value >> 32) & 0xffffffff);
    }
  }
  /// The granularity as software finds it: ones written, and read back.
  void probe() {
    if (registers.on) return;
    if (registers.low.there) {
      write(low_limit_at, 4, 0xffffffff);
      ASSERT_EQ(read(low_limit_at, 4), 0x100000000 - registers.granule());
    }
    if (registers.high.there) {
      write(high_base_at, 8, ~std::uint64_t{0});
      ASSERT_EQ(read(high_base_at, 8) & (~read(high_base_at, 8) + 1), registers.granule());
    }
  }
  void switch_protection() {
    // PRS is read-only.
    write(pmen_at, 4, (registers.on ? 0 : enable_protection) | below(2));
    world.settle();
    if (registers.on && registers.covers(world.tables.root())) ++tables_protected;
    if (registers.on && registers.low.base > registers.low.limit) ++inverted;
  }
  /// PRS waits for what was translated before.
  void switch_protection_under_a_request() {
    if (at_once || !translating || !(registers.low.there || registers.high.there)) return;
    const mapped& page = pages[0];
    if (!page.allowed.read ||
        expected(untranslated(by_tables, access_kind::read, page.iova)).how != naive_end::memory)
      return;
    world.hold_answers = true;
    const std::size_t ended = world.responses.size();
    ASSERT_TRUE(world.offer(1, by_tables, access_kind::read, page.iova));
    world.settle();
    ASSERT_EQ(world.held.size(), 1U);
    const std::uint64_t before = read(pmen_at, 4) & 1;
    write(pmen_at, 4, registers.on ? 0 : enable_protection);
    world.settle();
    ASSERT_EQ(read(pmen_at, 4) & 1, before) << "a request is in memory";
    world.unit.answered(world.held[0], true, world.now_ps());
    world.held.clear();
    world.hold_answers = false;
    world.settle();
    ASSERT_EQ(world.responses.size(), ended + 1);
    ASSERT_EQ(world.responses.back().how, dmar::completion::done) << "it was there before";
    ASSERT_EQ(read(pmen_at, 4) & 1, registers.on ? 1U : 0U);
    ++waited;
  }
  void switch_translation() {
    translating = !translating;
    world.write_register<spec::reg::gcmd>(translating ? 0x80000000 : 0);
    world.settle();
  }

  // --- Requests

  static remap::dma_access untranslated(spec::source_id who, access_kind kind, std::uint64_t address) {
    return {who, kind, address_type::untranslated, address};
  }
  struct outcome {
    naive_end how;
    std::uint64_t host;
  };
  /// Of one page or a part of it.
  [[nodiscard]] outcome expected(const remap::dma_access& it) const {
    if (it.type == address_type::untranslated && it.address >> 20 == 0xfee)
      return {naive_end::message, it.address};
    bool checked = true;
    std::uint64_t host = it.address;
    if (!translating) {
      if (it.type != address_type::untranslated) return {naive_end::refused, 0};
    } else if (it.type != address_type::untranslated && it.source == passing) {
      return {naive_end::fault, 0};
    } else if (it.type == address_type::translation_request) {
      return {naive_end::answered, 0};
    } else if (it.type == address_type::untranslated && it.source == by_tables) {
      const mapped* found = nullptr;
      for (const mapped& each : pages) {
        if (each.iova <= it.address && it.address < each.iova + each.size()) found = &each;
      }
      if (found == nullptr) return {naive_end::fault, 0};
      const bool may = it.kind == access_kind::write  ? found->allowed.write
                       : it.kind == access_kind::read ? found->allowed.read
                                                      : found->allowed.read || found->allowed.write;
      if (!may) return {naive_end::fault, 0};
      host = found->host + (it.address - found->iova);
      checked = config.caps.version >= 0x20 || config.protect_translated;
    }
    if (!checked || !registers.covers(host)) return {naive_end::memory, host};
    return {naive_end::protected_memory, 0};
  }

  dmar::request random_request() {
    dmar::request what;
    what.access.source = below(3) == 0 ? passing : by_tables;
    what.access.kind = static_cast<access_kind>(below(3));
    what.access.type = below(3) == 0 ? static_cast<address_type>(below(3)) : address_type::untranslated;
    what.length = static_cast<std::uint32_t>(1 + below(at_once || below(2) != 0 ? 64 : 9000));
    what.access.address = somewhere();
    if (what.access.type == address_type::untranslated && what.access.source == by_tables && translating &&
        below(10) != 0) {
      const mapped& page = pages[below(pages.size())];
      what.access.address = page.iova + below(page.size());
      if (below(2) != 0) what.access.address = page.iova + (somewhere() & (page.size() - 1));
    }
    if (!at_once && below(8) == 0) {
      // From outside of a region into it.
      what.access =
          untranslated(passing, access_kind::write, below(2) != 0 ? registers.low.base : registers.high.base);
      what.access.address -= std::min(what.access.address, 1 + below(0x1800));
      what.length = 0x2000;
    }
    what.access.address &= ~std::uint64_t{7};
    if (at_once)
      what.length = std::min(what.length, static_cast<std::uint32_t>(0x1000 - what.access.address % 0x1000));
    if (what.access.type == address_type::translation_request) {
      what.access.kind = access_kind::read;
      what.access.address &= ~std::uint64_t{0xfff};
      what.length = 8;
    }
    if (what.access.kind == access_kind::zero_length_read) what.length = 4;
    if (below(30) == 0) {
      what.access =
          untranslated(below(2) != 0 ? passing : by_tables, access_kind::write, 0xfee00000 + 4 * below(1024));
      what.length = 4;
      what.is_dword_write = true;
    }
    return what;
  }
  void request() {
    const dmar::request what = random_request();
    // Piece by piece; the first that does not go to memory is the last.
    std::vector<std::uint64_t> reached;
    outcome last{naive_end::memory, 0};
    remap::dma_access piece = what.access;
    for (std::uint64_t left = what.length; left != 0 && last.how == naive_end::memory;) {
      const std::uint64_t now = std::min(left, 0x1000 - piece.address % 0x1000);
      if (piece.address + now - 1 > (std::uint64_t{1} << config.caps.host_address_width) - 1) return;
      if (piece.address >> 20 == 0xfee && !what.is_dword_write) return;
      last = expected(piece);
      if (last.how == naive_end::memory || last.how == naive_end::message) reached.push_back(last.host);
      piece.address += now;
      left -= now;
    }
    const std::size_t faults = world.faults.size();
    world.forwards.clear();
    world.answers.clear();
    bool passed = false;
    std::vector<std::uint64_t> went;
    if (at_once) {
      using way = dmar::pipeline::passage::way;
      const auto how = world.unit.pass(what, world.memory, world.now_ps());
      passed = how.leads == way::memory || how.leads == way::interrupt || how.leads == way::answered;
      if (how.leads == way::memory || how.leads == way::interrupt) went.push_back(how.address);
      world.settle();
    } else {
      ASSERT_TRUE(world.unit.offer(0, what, world.now_ps()));
      world.settle();
      for (const auto& each : world.forwards)
        went.push_back(each.address);
      passed = world.responses.back().how == dmar::completion::done;
      if (!passed) {
        ASSERT_EQ(world.responses.back().how, dmar::completion::blocked);
      }
    }
    ASSERT_EQ(went, reached) << describe(what);
    ASSERT_EQ(passed, last.how <= naive_end::answered) << describe(what);
    ASSERT_EQ(world.faults.size() - faults, last.how == naive_end::fault ? 1U : 0U) << describe(what);
    ++seen[static_cast<std::size_t>(last.how)];
    if (last.how == naive_end::protected_memory) count_blocked(what, reached.size());
    if (last.how == naive_end::memory && registers.on && (registers.covers(last.host))) ++let_through;
    if (last.how == naive_end::memory || last.how == naive_end::protected_memory) direct(what.access);
  }
  void count_blocked(const dmar::request& what, std::size_t pieces_before) {
    if (pieces_before != 0) ++blocked_later;
    ++blocked[what.access.type == address_type::translated ? 3
              : !translating                               ? 0
              : what.access.source == passing              ? 1
                                                           : 2];
  }
  /// A pointer that is given out leads to nothing that a request would not reach.
  void direct(const remap::dma_access& access) {
    const auto page = world.unit.direct(access);
    if (!page) return;
    ++pointers;
    const std::uint64_t size = page->last - page->first + 1;
    for (const std::uint64_t offset : {std::uint64_t{0}, size - 1, below(size), below(size)}) {
      for (const access_kind kind : {access_kind::read, access_kind::write}) {
        if (!(kind == access_kind::read ? page->read : page->write)) continue;
        const outcome is = expected(untranslated(access.source, kind, page->first + offset));
        ASSERT_EQ(is.how, naive_end::memory) << std::hex << page->first + offset;
        ASSERT_EQ(is.host, page->host + offset);
      }
    }
  }
  [[nodiscard]] std::string describe(const dmar::request& what) const {
    std::ostringstream out;
    out << std::hex << "address " << what.access.address << ", length " << what.length << ", type "
        << static_cast<int>(what.access.type) << ", kind " << static_cast<int>(what.access.kind) << ", from "
        << to_string(what.access.source) << ", translation " << translating << ", low " << registers.low.base
        << " to " << registers.low.limit << ", high " << registers.high.base << " to " << registers.high.limit
        << ", on " << registers.on << ", version " << config.caps.version << ", shift " << std::dec
        << registers.shift;
    return out.str();
  }

  void run(unsigned steps) {
    for (unsigned step = 0; step < steps && !testing::Test::HasFatalFailure(); ++step) {
      SCOPED_TRACE("step " + std::to_string(step));
      const auto what = below(24);
      if (what < 3) write_some_register();
      if (what == 3) probe();
      if (what == 4 || what == 5) switch_protection();
      if (what == 6) switch_protection_under_a_request();
      if (what == 7) switch_translation();
      if (what > 7) request();
      compare_registers();
    }
  }

  static constexpr auto by_tables = spec::source_id::from_bdf(1, 0, 0);
  static constexpr auto passing = spec::source_id::from_bdf(1, 0, 1);
  std::mt19937_64 random;
  dmar::unit_config config;
  unit_world world;
  bool at_once;
  bool translating = false;
  naive_protection registers;
  std::vector<std::uint64_t> marks;
  std::vector<mapped> pages;
  // What happened: outcomes; blocked with translation off, passing through, by tables, translated.
  std::array<unsigned, 6> seen{};
  std::array<unsigned, 4> blocked{};
  unsigned blocked_later = 0;
  unsigned let_through = 0;
  unsigned waited = 0;
  unsigned tables_protected = 0;
  unsigned inverted = 0;
  unsigned pointers = 0;
};

TEST(naive_protection, agrees_with_the_unit_over_random_regions_and_requests) {
  std::array<unsigned, 16> happened{};
  for (std::uint64_t seed = 1; seed <= 3000; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    life one(seed);
    one.run(120);
    if (testing::Test::HasFatalFailure()) return;
    std::size_t n = 0;
    for (const unsigned each : one.seen)
      happened[n++] += each;
    for (const unsigned each : one.blocked)
      happened[n++] += each;
    for (const unsigned each :
         {one.blocked_later, one.let_through, one.waited, one.tables_protected, one.inverted, one.pointers})
      happened[n++] += each;
  }
  for (std::size_t n = 0; n < happened.size(); ++n)
    EXPECT_GT(happened[n], 300U) << "all of it happens: " << n;
}

} // namespace
} // namespace vtd::test
