// SPDX-License-Identifier: Apache-2.0
// What a device is told that asks for a translation (ATS), once more: written from VT-d 4.1, 4.2.3, 7.1.3,
// 7.2, 9.1, 9.3 and 9.8 and from the completion's layout in PCIe ATS, bit by bit, without a look at src/remap
// or spec/ats.h. Over random tables, good and spoilt, the unit must answer the same; and where it grants
// something, an untranslated request of the device must come to the same place.
//
// Open, and here this model's choice: that NW, where ECAP.NWFS heeds it, takes the right to write from every
// answer (PCIe ATS leaves it to the agent), from one for an interrupt address, too.

#include "support/unit_world.h"

#include <gtest/gtest.h>

#include <array>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>

namespace vtd::test {
namespace {

using remap::access_kind;
using remap::address_type;

struct naive_answer {
  dmar::completion how = dmar::completion::done;
  /// Of the completion; only R and W mean anything where both are 0.
  std::uint64_t word = 0;
  /// FR of the fault record, 0: none.
  unsigned reason = 0;
  friend bool operator==(const naive_answer&, const naive_answer&) = default;
};

struct naive_agent {
  const remap::capabilities& caps;
  const fake_memory& memory;
  std::uint64_t root;

  // R, W, U, N, S of the completion.
  static constexpr std::uint64_t may_read = 1;
  static constexpr std::uint64_t may_write = 2;
  static constexpr std::uint64_t untranslated = 4;
  static constexpr std::uint64_t no_snoop = std::uint64_t{1} << 10;
  static constexpr std::uint64_t sized = std::uint64_t{1} << 11;

  static bool bit(std::uint64_t word, unsigned n) { return (word >> n & 1) != 0; }
  static std::uint64_t bits(std::uint64_t word, unsigned high, unsigned low) {
    std::uint64_t out = 0;
    for (unsigned n = high + 1; n-- > low;)
      out = out << 1 | (word >> n & 1);
    return out;
  }
  static std::uint64_t frame_of(std::uint64_t word) { return bits(word, 51, 12) << 12; }
  static bool is_interrupt(std::uint64_t address) { return address >> 20 == 0xfee; }
  /// Unsupported request, completer abort: a fault is recorded. No rights: none is.
  static naive_answer unsupported(unsigned reason) { return {dmar::completion::blocked, 0, reason}; }
  static naive_answer abort(unsigned reason) { return {dmar::completion::aborted, 0, reason}; }
  static naive_answer no_rights() { return {}; }

  struct context {
    unsigned type = 0;
    unsigned depth = 0;
    std::uint64_t table = 0;
  };
  /// Root and context entry, judged alike for all requests; `asks`: wrong ones abort a translation request.
  std::optional<naive_answer> find(spec::source_id source, address_type type, context& out) const {
    const bool asks = type == address_type::translation_request;
    const auto wrong = [&](unsigned reason) { return asks ? abort(reason) : unsupported(reason); };
    const unsigned haw = caps.host_address_width;
    const std::uint64_t root_at = root + 16U * source.bus();
    if (memory.fails(root_at)) return wrong(0x08);
    const std::uint64_t r = memory.load(root_at);
    if (!bit(r, 0)) return unsupported(0x01);
    if (bits(r, 11, 1) != 0 || bits(r, 63, haw) != 0 || memory.load(root_at + 8) != 0) return wrong(0x0a);
    const std::uint64_t at = frame_of(r) + 16U * (8U * source.device() + source.function());
    if (memory.fails(at)) return wrong(0x09);
    const std::uint64_t lo = memory.load(at);
    const std::uint64_t hi = memory.load(at + 8);
    if (!bit(lo, 0)) return unsupported(0x02);
    bool reserved = bits(lo, 11, 6) != 0 || bits(lo, 63, haw) != 0 || bit(hi, 7);
    reserved = reserved || (!caps.ecap.ch() && bits(lo, 5, 4) != 0);
    reserved = reserved || bits(hi, 63, 8 + 4 + 2 * caps.cap.nd()) != 0;
    if (reserved) return wrong(0x0b);
    out.type = static_cast<unsigned>(bits(lo, 3, 2));
    if (out.type == 3 || (out.type == 2 && !caps.ecap.pt())) return unsupported(0x03);
    // Only a context with TT = 01 lets a device ask, or go where it was told.
    if (type != address_type::untranslated && out.type != 1) return unsupported(0x0d);
    const auto aw = static_cast<unsigned>(bits(hi, 2, 0));
    if (aw > 4 || !bit(caps.cap.sagaw(), aw)) return unsupported(0x03);
    out.depth = aw + 2;
    out.table = frame_of(lo);
    return {};
  }

  naive_answer ask(spec::source_id source, std::uint64_t address, bool no_write, bool of_4_kb) const {
    context from;
    if (const auto refused = find(source, address_type::translation_request, from)) return *refused;
    // To interrupts a device writes, untranslated.
    // Bit 0 of the address is NW, where ECAP.NWFS heeds it: nothing to write is granted.
    const std::uint64_t grantable = no_write && caps.ecap.nwfs() ? may_read : may_read | may_write;
    if (is_interrupt(address))
      return (grantable & may_write) == 0
                 ? no_rights()
                 : naive_answer{dmar::completion::done, frame_of(address) | may_write | untranslated, 0};
    const unsigned width = std::min(caps.cap.mgaw(), 12 + 9 * from.depth);
    if (address >> width != 0) return no_rights();
    std::uint64_t table = from.table;
    std::uint64_t rights = grantable;
    for (unsigned level = from.depth; level != 0; --level) {
      const unsigned shift = 12 + 9 * (level - 1);
      const std::uint64_t at = table + 8 * bits(address, std::min(shift + 8, 63U), shift);
      if (memory.fails(at)) return level == from.depth ? unsupported(0x03) : abort(0x07);
      const std::uint64_t entry = memory.load(at);
      if (bits(entry, 1, 0) == 0) return no_rights();
      const bool leaf = level == 1 || bit(entry, 7);
      bool reserved = bits(entry, 51, caps.host_address_width) != 0;
      if (leaf) {
        reserved = reserved || (bit(entry, 11) && !caps.ecap.sc());
        if (level > 1)
          reserved =
              reserved || level > 5 || !bit(caps.cap.sps(), level - 2) || bits(entry, shift - 1, 12) != 0;
      } else {
        reserved = reserved || bit(entry, 11) || bit(entry, 62);
      }
      if (reserved) return abort(0x0c);
      rights &= entry;
      table = frame_of(entry);
      if (!leaf) continue;
      if (rights == 0) return no_rights();
      std::uint64_t host = table + bits(address, shift - 1, 0);
      if (is_interrupt(host)) return no_rights();
      // A large page that holds interrupt addresses, asked for or told, is not told whole.
      unsigned pages = 9 * (level - 1);
      const auto meets = [&](std::uint64_t first) {
        return first <= 0xfeefffff && first + (std::uint64_t{1} << shift) - 1 >= 0xfee00000;
      };
      if (of_4_kb || meets(address >> shift << shift) || meets(table)) pages = 0;
      std::uint64_t word = rights | (caps.ecap.sc() && !bit(entry, 11) ? no_snoop : 0);
      // The size: ones from bit 12 on, then a zero; 2^(ones + 1) pages.
      host &= ~((std::uint64_t{1} << (12 + pages)) - 1);
      if (pages != 0) {
        word |= sized;
        for (unsigned n = 0; n + 1 < pages; ++n)
          word |= std::uint64_t{1} << (12 + n);
      }
      return {dmar::completion::done, host | word, 0};
    }
    return no_rights();
  }

  /// A translated request: where it goes, or why not.
  naive_answer go(spec::source_id source, std::uint64_t address) const {
    context from;
    if (const auto refused = find(source, address_type::translated, from)) return *refused;
    if (address >> caps.host_address_width != 0) return unsupported(0x04);
    if (is_interrupt(address)) return unsupported(0x0e);
    return {dmar::completion::done, address, 0};
  }
};

struct life {
  explicit life(std::uint64_t seed)
      : random(seed), config(random_config()), world(config),
        at_once(seed % 2 != 0), agent{config.caps, world.memory, world.tables.root()} {
    build();
    world.enable();
  }
  std::uint64_t below(std::uint64_t n) { return random() % n; }

  dmar::unit_config random_config() {
    remap::capabilities caps = wide_part();
    caps.cap.set_sagaw(15).set_mgaw(static_cast<unsigned>(39 + below(19)));
    caps.cap.set_sps(static_cast<unsigned>(below(4) != 0 ? 7 : below(4)));
    caps.ecap.set_dt(true)
        .set_nwfs(below(2) != 0)
        .set_sc(below(2) != 0)
        .set_pt(below(2) != 0)
        .set_ch(below(2) != 0);
    caps.host_address_width = static_cast<unsigned>(39 + below(13));
    dmar::unit_config out = config_of(caps);
    out.caches.large_pages_in_pieces = below(4) == 0;
    return out;
  }
  void build() {
    for (std::uint8_t n = 0; n < 4; ++n) {
      const auto device = spec::source_id::from_bdf(1 + n / 2, n, 0);
      devices.push_back(device);
      // No bit that is spoilt makes one domain-id of two, which no software may do (VT-d 6.2.4).
      world.tables.attach(device, static_cast<std::uint16_t>(0x11 << n), 2 + static_cast<unsigned>(below(4)),
                          spec::translation_type::with_device_tlb);
      std::vector<std::uint64_t> entries;
      const unsigned depth = spec::levels_of_agaw(world.tables.context(device).address_width());
      for (int i = 0; i < 8; ++i) {
        const auto level = static_cast<unsigned>(below(2) == 0 ? 1 : 1 + below(std::min(depth, 4U)));
        const std::uint64_t size = spec::level_size(level);
        std::uint64_t iova = below(std::uint64_t{1} << (below(2) != 0 ? 30 : 21 + below(25))) & ~(size - 1);
        if (below(6) == 0) iova = 0xfee00000 & ~(size - 1);
        std::uint64_t host = below(std::uint64_t{1} << config.caps.host_address_width) & ~(size - 1);
        if (below(6) == 0) host = 0xfee00000 & ~(size - 1);
        inputs.push_back(iova);
        if (iova >> (12 + 9 * depth) != 0 || taken(device, iova, level, depth)) continue;
        world.tables.map(device, iova, host, {below(4) != 0, below(4) != 0}, level);
        const std::uint64_t leaf = world.tables.entry_of(device, iova, level, false);
        if (config.caps.ecap.sc() && below(3) == 0)
          world.memory.store(leaf, world.memory.load(leaf) | std::uint64_t{1} << 11);
        entries.push_back(world.tables.entry_of(
            device, iova, level + static_cast<unsigned>(below(depth - level + 1)), false));
      }
      for (const std::uint64_t entry : entries) {
        if (below(16) == 0) spoil(entry);
      }
      if (below(6) == 0) spoil(world.tables.context_entry_of(device) + 8 * below(2));
      if (below(6) == 0) set_type(device);
    }
    if (below(12) == 0) spoil(world.tables.root_entry_of(devices[3]) + 8 * below(2));
    devices.push_back(spec::source_id::from_bdf(1, 0x1f, 0));
    devices.push_back(spec::source_id::from_bdf(0x77, 0, 0));
  }
  bool taken(spec::source_id device, std::uint64_t iova, unsigned level, unsigned depth) {
    for (unsigned above = depth; above >= level; --above) {
      const std::uint64_t at = world.tables.entry_of(device, iova, above, false);
      if (at == 0) return false;
      const spec::second_level_entry entry{world.memory.load(at)};
      if (above == level ? entry.value != 0 : entry.page_size()) return true;
    }
    return false;
  }
  void spoil(std::uint64_t at) {
    if (below(3) == 0) return world.memory.fail(at);
    world.memory.store(at, world.memory.load(at) ^ std::uint64_t{1} << (below(2) == 0 ? 0 : below(64)));
  }
  void set_type(spec::source_id device) {
    auto entry = world.tables.context(device);
    world.tables.set_context(device,
                             entry.set_translation_type(static_cast<spec::translation_type>(below(4))));
  }

  struct reply {
    naive_answer answer;
    std::optional<std::uint64_t> went;
  };
  reply put(spec::source_id source, address_type type, access_kind kind, std::uint64_t address) {
    dmar::request what;
    what.access = {source, kind, type, address};
    what.length = 8;
    const std::size_t faults = world.faults.size();
    reply out;
    if (at_once) {
      const auto passed = world.unit.pass(what, world.memory, world.now_ps());
      using way = dmar::pipeline::passage::way;
      out.answer.how = passed.leads == way::blocked   ? dmar::completion::blocked
                       : passed.leads == way::aborted ? dmar::completion::aborted
                                                      : dmar::completion::done;
      if (passed.leads == way::answered) out.answer.word = passed.address;
      if (passed.leads == way::memory) out.went = passed.address;
      world.settle();
    } else {
      world.answers.clear();
      world.forwards.clear();
      EXPECT_TRUE(world.unit.offer(0, what, world.now_ps()));
      world.settle();
      out.answer.how = world.responses.back().how;
      if (!world.answers.empty()) out.answer.word = world.answers.back().address;
      if (!world.forwards.empty()) out.went = world.forwards.back().address;
    }
    if (world.faults.size() != faults)
      out.answer.reason = static_cast<unsigned>(spec::condition_info(world.faults.back().condition).reason);
    return out;
  }

  void act() {
    const spec::source_id source = devices[below(devices.size())];
    std::uint64_t address = inputs[below(inputs.size())];
    if (below(3) == 0) address += below(std::uint64_t{1} << 31);
    address &= ~std::uint64_t{0xfff};
    if (below(10) == 0) address = 0xfee00000 + below(256) * 0x1000;
    if (below(4) == 0) return go(source, address + below(512) * 8);
    const bool no_write = below(4) == 0;
    naive_answer expected = agent.ask(source, address, no_write, false);
    const reply got =
        put(source, address_type::translation_request, access_kind::read, address | (no_write ? 1 : 0));
    naive_answer told = got.answer;
    if ((told.word & 3) == 0) told.word = 0;
    // A part that keeps pieces of large pages tells of the piece that it has kept.
    if (config.caches.large_pages_in_pieces && told != expected)
      expected = agent.ask(source, address, no_write, true);
    ASSERT_EQ(told, expected) << to_string(source) << std::hex << " " << address << ": answered "
                              << static_cast<int>(told.how) << " " << told.word << " " << told.reason
                              << ", expected " << static_cast<int>(expected.how) << " " << expected.word
                              << " " << expected.reason;
    ASSERT_FALSE(got.went) << "it is no request to memory";
    ++outcomes[{static_cast<int>(expected.how), expected.reason}];
    if (no_write && (agent.ask(source, address, false, false).word & naive_agent::may_write) != 0)
      ++(config.caps.ecap.nwfs() ? no_write_heeded : no_write_ignored);
    if (expected.word & naive_agent::sized) ++large;
    if (expected.word & naive_agent::no_snoop) ++non_snooped;
    if (expected.word & naive_agent::untranslated) ++untranslated_only;
    if ((expected.word & 3) == 0 || (expected.word & naive_agent::untranslated) != 0) return;
    // Inside of what was granted the device comes to the same place by itself.
    std::uint64_t inside = 0xfff;
    if ((expected.word & naive_agent::sized) != 0) {
      unsigned n = 12;
      while (naive_agent::bit(expected.word, n))
        ++n;
      inside = (std::uint64_t{2} << n) - 1;
    }
    const bool write = (expected.word & naive_agent::may_read) == 0;
    const std::uint64_t offset = below(inside + 1) & ~std::uint64_t{7};
    const reply there = put(source, address_type::untranslated,
                            write ? access_kind::write : access_kind::read, (address & ~inside) + offset);
    ASSERT_EQ(there.went, (expected.word & 0xfffffffffffff000 & ~inside) + offset);
  }
  void go(spec::source_id source, std::uint64_t address) {
    const naive_answer expected = agent.go(source, address);
    reply got = put(source, address_type::translated, below(2) != 0 ? access_kind::read : access_kind::write,
                    address);
    got.answer.word = got.went.value_or(0);
    ASSERT_EQ(got.answer, expected) << to_string(source) << std::hex << " " << address
                                    << ", translated: reason " << got.answer.reason << ", expected "
                                    << expected.reason;
    ++outcomes[{100 + static_cast<int>(expected.how), expected.reason}];
  }
  void run(unsigned steps) {
    for (unsigned step = 0; step < steps && !testing::Test::HasFatalFailure(); ++step)
      act();
  }

  std::mt19937_64 random;
  dmar::unit_config config;
  unit_world world;
  bool at_once;
  naive_agent agent;
  std::vector<spec::source_id> devices;
  std::vector<std::uint64_t> inputs;
  std::map<std::pair<int, unsigned>, unsigned> outcomes;
  unsigned large = 0;
  unsigned non_snooped = 0;
  unsigned untranslated_only = 0;
  // NW asked for where there was a right to write (ECAP.NWFS).
  unsigned no_write_heeded = 0;
  unsigned no_write_ignored = 0;
};

TEST(naive_translation, agrees_with_what_devices_are_told_over_random_tables) {
  std::map<std::pair<int, unsigned>, unsigned> outcomes;
  unsigned large = 0;
  unsigned non_snooped = 0;
  unsigned untranslated_only = 0;
  unsigned no_write_heeded = 0;
  unsigned no_write_ignored = 0;
  for (std::uint64_t seed = 1; seed <= 3000; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    life one(seed);
    one.run(60);
    if (testing::Test::HasFatalFailure()) return;
    for (const auto& [what, count] : one.outcomes)
      outcomes[what] += count;
    large += one.large;
    non_snooped += one.non_snooped;
    untranslated_only += one.untranslated_only;
    no_write_heeded += one.no_write_heeded;
    no_write_ignored += one.no_write_ignored;
  }
  const int done = static_cast<int>(dmar::completion::done);
  const int blocked = static_cast<int>(dmar::completion::blocked);
  const int aborted = static_cast<int>(dmar::completion::aborted);
  using seen = std::pair<int, unsigned>;
  for (const seen& each : {seen{done, 0}, seen{blocked, 0x01}, seen{blocked, 0x02}, seen{blocked, 0x0d},
                           seen{blocked, 0x03}, seen{aborted, 0x07}, seen{aborted, 0x08}, seen{aborted, 0x09},
                           seen{aborted, 0x0a}, seen{aborted, 0x0b}, seen{aborted, 0x0c}, seen{100 + done, 0},
                           seen{100 + blocked, 0x04}, seen{100 + blocked, 0x0d}, seen{100 + blocked, 0x0e}})
    EXPECT_GT(outcomes[each], 20U) << each.first << ", reason " << each.second;
  for (const unsigned each : {large, non_snooped, untranslated_only, no_write_heeded, no_write_ignored})
    EXPECT_GT(each, 500U) << "all of it happens";
}

} // namespace
} // namespace vtd::test
