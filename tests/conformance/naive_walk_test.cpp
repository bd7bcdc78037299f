// SPDX-License-Identifier: Apache-2.0
// A second walk, written from VT-d 3.4, 3.6, 3.7, 9.1, 9.3 and 9.8 without a look at src/remap and without
// spec/entries.h: straight through the tables, one bit at a time, no caches. It must agree with the unit over
// random tables, good and spoilt, of every depth, with leaves of every size.

#include "conformance/random_part.h"

#include <map>

namespace vtd::test {
namespace {

using remap::access_kind;
using spec::fault_condition;

struct naive_walk {
  const remap::capabilities& caps;
  const fake_memory& memory;
  const std::set<std::uint64_t>& failing;
  std::uint64_t root;
  /// Of the last request that was allowed: levels of its tables (0: pass-through), and that of its leaf.
  mutable unsigned depth = 0;
  mutable unsigned leaf_level = 0;

  static bool bit(std::uint64_t word, unsigned n) { return (word >> n & 1) != 0; }
  static std::uint64_t bits(std::uint64_t word, unsigned high, unsigned low) {
    std::uint64_t out = 0;
    for (unsigned n = high + 1; n-- > low;)
      out = out << 1 | (word >> n & 1);
    return out;
  }
  /// Any bit of these set?
  static bool any(std::uint64_t word, unsigned high, unsigned low) { return bits(word, high, low) != 0; }
  static std::uint64_t frame_of(std::uint64_t word) { return bits(word, 51, 12) << 12; }

  random_world::result operator()(spec::source_id source, access_kind kind, std::uint64_t address) const {
    // 7.2.1: FPD of the context entry hides all that is found from there on; 9.3: present or not.
    bool hidden = false;
    const auto fault = [&hidden](fault_condition condition) {
      return random_world::fault(condition, hidden);
    };
    const unsigned haw = caps.host_address_width;
    const bool write = kind == access_kind::write;
    // 9.1: a root entry a bus, 16 bytes.
    const std::uint64_t root_at = root + 16U * source.bus();
    if (failing.contains(root_at)) return fault(fault_condition::lrt_1);
    const std::uint64_t r = memory.load(root_at);
    if (!bit(r, 0)) return fault(fault_condition::lrt_2);
    if (any(r, 11, 1) || any(r, 63, haw) || memory.load(root_at + 8) != 0)
      return fault(fault_condition::lrt_3);
    // 9.3: a context entry a function, 16 bytes.
    const std::uint64_t context_at = frame_of(r) + 16U * (8U * source.device() + source.function());
    if (failing.contains(context_at)) return fault(fault_condition::lct_1);
    const std::uint64_t lo = memory.load(context_at);
    const std::uint64_t hi = memory.load(context_at + 8);
    hidden = bit(lo, 1);
    if (!bit(lo, 0)) return fault(fault_condition::lct_2);
    const unsigned domain_bits = 4 + 2 * caps.cap.nd();
    bool reserved = any(lo, 11, 6) || any(lo, 63, haw) || bit(hi, 7);
    if (!caps.ecap.ch()) reserved = reserved || any(lo, 5, 4);
    reserved = reserved || any(hi, 63, 8 + domain_bits);
    if (reserved) return fault(fault_condition::lct_3);
    const std::uint64_t type = bits(lo, 3, 2);
    if (type == 3 || (type == 1 && !caps.ecap.dt()) || (type == 2 && !caps.ecap.pt()))
      return fault(fault_condition::lct_4_2);
    const auto aw = static_cast<unsigned>(bits(hi, 2, 0));
    if (aw > 4 || !bit(caps.cap.sagaw(), aw)) return fault(fault_condition::lct_4_1);
    if (type == 2) {
      if (haw < 64 && any(address, 63, haw)) return fault(fault_condition::lgn_1_3);
      if (is_interrupt(address)) return fault(fault_condition::lgn_4);
      depth = 0;
      return random_world::to(address);
    }
    // 3.6: depth and width follow from AW, MGAW cuts.
    depth = aw + 2;
    const unsigned domain_width = 30 + 9 * aw;
    for (unsigned n = 0; n < 64; ++n) {
      if (!bit(address, n) || (n < domain_width && n < caps.cap.mgaw())) continue;
      return fault(domain_width <= caps.cap.mgaw() ? fault_condition::lgn_1_1 : fault_condition::lgn_1_2);
    }
    // 3.7: nine bits a level.
    std::uint64_t table = frame_of(lo);
    bool may_read = true;
    bool may_write = true;
    for (unsigned level = depth; level != 0; --level) {
      const unsigned shift = 12 + 9 * (level - 1);
      const std::uint64_t at = table + 8 * (shift > 54 ? address >> shift : bits(address, shift + 8, shift));
      if (failing.contains(at))
        return fault(level == depth ? fault_condition::lct_4_3 : fault_condition::lsl_1);
      const std::uint64_t entry = memory.load(at);
      if (!bit(entry, 0) && !bit(entry, 1))
        return fault(write ? fault_condition::lgn_2_np : fault_condition::lgn_3_np);
      const bool leaf = level == 1 || bit(entry, 7);
      // 9.8: what is reserved in it.
      bool wrong = haw < 52 && any(entry, 51, haw);
      if (leaf) {
        // TM: with device-TLBs, until revision 3 took it back.
        const bool has_tm = caps.ecap.dt() && caps.version < 0x30;
        wrong = wrong || (bit(entry, 11) && !caps.ecap.sc()) || (bit(entry, 62) && !has_tm);
        if (level > 1)
          wrong = wrong || level > 5 || !bit(caps.cap.sps(), level - 2) ||
                  any(entry, std::min(shift - 1, 51U), 12);
      } else {
        wrong = wrong || bit(entry, 11) || bit(entry, 62);
      }
      if (wrong) return fault(fault_condition::lsl_2);
      may_read = may_read && bit(entry, 0);
      may_write = may_write && bit(entry, 1);
      table = frame_of(entry);
      if (!leaf) continue;
      if (write && !may_write) return fault(fault_condition::lgn_2);
      if (kind == access_kind::read && !may_read) return fault(fault_condition::lgn_3);
      if (kind == access_kind::zero_length_read && !may_read && !(may_write && caps.cap.zlr()))
        return fault(fault_condition::lgn_3_zlr);
      leaf_level = level;
      const std::uint64_t host = table + bits(address, shift - 1, 0);
      return is_interrupt(host) ? fault(fault_condition::lgn_4) : random_world::to(host);
    }
    return {};
  }

  static bool is_interrupt(std::uint64_t address) { return address >> 20 == 0xfee; }
};

/// Tables of one device: pages of all sizes close to each other and far away, and mistakes in some.
void build(random_world& w, spec::source_id device, std::uint16_t domain, std::vector<std::uint64_t>& inputs,
           std::set<std::uint64_t>& failing) {
  auto& random = w.random;
  const auto below = [&](std::uint64_t n) { return random() % n; };
  auto aw = static_cast<unsigned>(below(5));
  if (!w.cap().supports_agaw(aw) && below(8) != 0) aw = static_cast<unsigned>(w.cap().largest_agaw());
  const unsigned levels = spec::levels_of_agaw(aw);
  w.tables.attach(device, domain, levels);
  const unsigned width = std::min(spec::width_of_agaw(aw), 57U);
  const std::uint64_t host_pages = std::uint64_t{1} << (w.caps().host_address_width - spec::page_shift);
  std::vector<std::uint64_t> entries;
  for (int i = 0; i < 6; ++i) {
    std::uint64_t iova = random() & spec::low_bits(below(2) != 0 ? width : 24);
    const auto level = static_cast<unsigned>(below(3) == 0 ? 1 + below(std::min(levels, 5U)) : 1);
    iova &= ~(spec::level_size(level) - 1);
    const std::uint64_t frames =
        level == 1 && below(8) == 0 ? spec::interrupt_range_first >> spec::page_shift : below(host_pages);
    const auto granted = below(4);
    // A leaf of another size stands in the way: the first one stays.
    bool taken = false;
    for (unsigned above = levels; above >= level && !taken; --above) {
      const std::uint64_t at = w.tables.entry_of(device, iova, above, false);
      taken = at == 0 ? false
                      : spec::second_level_entry{w.memory.load(at)}.page_size() ||
                            (above == level && w.memory.load(at) != 0);
      if (at == 0) break;
    }
    inputs.push_back(iova);
    if (taken) continue;
    const rights allowed{granted != 1, granted != 2};
    w.tables.map(device, iova, (frames << spec::page_shift) & ~(spec::level_size(level) - 1), allowed, level);
    for (unsigned above = level; above <= levels; ++above)
      entries.push_back(w.tables.entry_of(device, iova, above, false));
  }
  // Mistakes.
  for (int i = 0; i < 3; ++i) {
    const std::uint64_t at = entries[below(entries.size())];
    const auto what = below(6);
    if (what == 0) failing.insert(at);
    if (what == 1) w.memory.store(at, w.memory.load(at) ^ std::uint64_t{1} << below(2));
    if (what == 2) w.memory.store(at, w.memory.load(at) ^ std::uint64_t{1} << below(64));
  }
  spec::context_entry entry = w.tables.context(device);
  if (below(3) == 0) entry.set_fault_processing_disable(true);
  switch (below(8)) {
  case 0:
    entry.lo ^= std::uint64_t{1} << below(64);
    break;
  case 1:
    entry.hi ^= std::uint64_t{1} << below(64);
    break;
  case 2:
    entry.set_translation_type(static_cast<spec::translation_type>(below(4)));
    break;
  case 3:
    if (below(4) == 0) failing.insert(w.tables.context_entry_of(device));
    break;
  default:
    break;
  }
  // One domain-id must not come to have two sets of tables, which no software may do (VT-d 6.2.4).
  if (entry.domain_id() == domain || (entry.hi & spec::context_entry::reserved(52, 16, true).hi) != 0)
    w.tables.set_context(device, entry);
}

TEST(naive_walk, agrees_with_the_unit_over_random_tables) {
  std::array<unsigned, spec::fault_conditions.size()> seen{};
  std::array<unsigned, spec::fault_conditions.size()> hidden{};
  std::map<unsigned, unsigned> depths;
  std::map<unsigned, unsigned> leaves;
  for (std::uint64_t seed = 1; seed <= 2000; ++seed) {
    std::mt19937_64 random(seed);
    const remap::capabilities caps = random_part(random);
    dmar::unit_config config = config_of(caps);
    config.caches.pml5 = config.caches.pml4;
    random_world w(config, seed % 2 != 0 ? way::at_once : way::cycle_by_cycle, seed);
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::vector<std::uint64_t> inputs;
    std::set<std::uint64_t> failing;
    std::vector<spec::source_id> devices;
    for (std::uint8_t n = 0; n < 4; ++n) {
      devices.push_back(spec::source_id::from_bdf(n / 2, n, n));
      build(w, devices.back(), static_cast<std::uint16_t>(1 + n), inputs, failing);
    }
    if (seed % 8 == 0) {
      const std::uint64_t at = w.tables.root_entry_of(devices[0]) + (random() % 2) * 8;
      w.memory.store(at, w.memory.load(at) ^ std::uint64_t{1} << random() % 64);
    }
    if (seed % 31 == 0) failing.insert(w.tables.root_entry_of(devices[3]));
    for (const std::uint64_t at : failing)
      w.memory.fail(at);
    w.enable();
    const naive_walk naive{caps, w.memory, failing, w.tables.root()};
    for (int i = 0; i < 60; ++i) {
      const auto device = devices[random() % devices.size()];
      constexpr access_kind kinds[] = {access_kind::read, access_kind::write, access_kind::zero_length_read};
      const access_kind kind = kinds[random() % 3];
      std::uint64_t address = (inputs[random() % inputs.size()] + random() % 8192) & ~std::uint64_t{3};
      if (random() % 8 == 0) address ^= std::uint64_t{1} << (12 + random() % 52);
      if (spec::in_interrupt_range(address)) continue;
      const auto expected = naive(device, kind, address);
      const auto got = w.ask(device, kind, address);
      ASSERT_EQ(got, expected) << to_string(device) << " kind " << static_cast<int>(kind) << " address "
                               << std::hex << address << ": got " << spec::condition_info(got.condition).name
                               << (got.hidden ? ", hidden" : "") << " at " << got.address << ", expected "
                               << spec::condition_info(expected.condition).name
                               << (expected.hidden ? ", hidden" : "") << " at " << expected.address;
      ++seen[static_cast<std::size_t>(expected.condition)];
      hidden[static_cast<std::size_t>(expected.condition)] += expected.hidden ? 1 : 0;
      if (!expected.allowed) continue;
      ++depths[naive.depth];
      if (naive.depth != 0) ++leaves[naive.leaf_level];
    }
  }
  // Pass-through, then tables of 2 to 6 levels; pages of 4 KB to 512 GB.
  for (const unsigned depth : {0U, 2U, 3U, 4U, 5U, 6U})
    EXPECT_GT(depths[depth], 100U) << depth << " levels";
  for (const unsigned level : {1U, 2U, 3U, 4U})
    EXPECT_GT(leaves[level], 100U) << "a leaf of level " << level;
  for (const spec::fault_condition_info& row : spec::fault_conditions) {
    if (row.reason >= spec::fault_reason::interrupt_request_reserved) continue;
    // LCT.5 is about requests with an address type, which this walk does not know.
    if (row.condition == fault_condition::lct_5) continue;
    EXPECT_GT(seen[static_cast<std::size_t>(row.condition)], 0U) << row.name << " was never met";
    if (row.condition == fault_condition::none) continue;
    // 7.1.3: no context entry has been read where these are found.
    const bool before_context =
        row.condition == fault_condition::lrt_1 || row.condition == fault_condition::lrt_2 ||
        row.condition == fault_condition::lrt_3 || row.condition == fault_condition::lct_1;
    EXPECT_EQ(hidden[static_cast<std::size_t>(row.condition)] == 0, before_context)
        << row.name << " with FPD";
  }
}

} // namespace
} // namespace vtd::test
