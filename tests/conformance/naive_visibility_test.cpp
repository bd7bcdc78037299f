// SPDX-License-Identifier: Apache-2.0
// What memory holds and what the CPU wrote, once more: written from VT-d 6.8, 10.4.2 (RWBF), 10.4.3 (C) and
// docs/host.md without a look at src/. Over random stores, flushes and DMA it foretells which tables the unit
// sees, where each request goes, and what the visibility checker must say.

#include "support/unit_world.h"
#include "vtd/check/visibility_checker.h"
#include "vtd/host/store_path.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>

namespace vtd::test {
namespace {

/// Memory, a write buffer and a CPU cache as lists of 8-byte words.
struct naive_machine {
  using words = std::map<std::uint64_t, std::uint64_t>;
  struct buffered {
    std::uint64_t line;
    words content;
  };
  struct cached {
    std::uint64_t line;
    words content;
    // Words stored since it was fetched or written back.
    std::set<std::uint64_t> dirty;
    std::uint64_t used = 0;
  };

  words memory;
  std::vector<buffered> buffer; // oldest first
  std::vector<cached> cache;
  std::size_t buffer_limit = 0;
  std::size_t sets = 0; // 0: nothing is evicted
  std::size_t ways = 0;
  std::uint64_t clock = 0;

  [[nodiscard]] static std::uint64_t line_of(std::uint64_t address) { return address & ~std::uint64_t{63}; }
  [[nodiscard]] std::uint64_t in_memory(std::uint64_t address) const {
    const auto found = memory.find(address);
    return found == memory.end() ? 0 : found->second;
  }
  [[nodiscard]] std::uint64_t below_cache(std::uint64_t address) const {
    for (const buffered& each : buffer) {
      if (each.content.contains(address)) return each.content.at(address);
    }
    return in_memory(address);
  }
  [[nodiscard]] const cached* find(std::uint64_t address) const {
    for (const cached& each : cache) {
      if (each.line == line_of(address)) return &each;
    }
    return nullptr;
  }
  [[nodiscard]] bool last_stored_in_cache(std::uint64_t address) const {
    const cached* line = find(address);
    return line != nullptr && line->dirty.contains(address);
  }
  [[nodiscard]] std::uint64_t seen_by_cpu(std::uint64_t address) const {
    const cached* line = find(address);
    return line != nullptr ? line->content.at(address) : below_cache(address);
  }

  void oldest_goes() {
    for (const auto& [address, value] : buffer.front().content)
      memory[address] = value;
    buffer.erase(buffer.begin());
  }
  void drain() {
    while (!buffer.empty())
      oldest_goes();
  }
  void post(std::uint64_t line, const words& content) {
    for (buffered& each : buffer) {
      if (each.line != line) continue;
      for (const auto& [address, value] : content)
        each.content[address] = value;
      return;
    }
    if (buffer_limit != 0 && buffer.size() == buffer_limit) oldest_goes();
    buffer.push_back({line, content});
    if (buffer_limit == 0) drain();
  }
  void write_back(cached& line) {
    if (!line.dirty.empty()) post(line.line, line.content);
    line.dirty.clear();
  }
  void flush(std::uint64_t address) {
    for (std::size_t i = 0; i < cache.size(); ++i) {
      if (cache[i].line != line_of(address)) continue;
      write_back(cache[i]);
      cache.erase(cache.begin() + static_cast<std::ptrdiff_t>(i));
      return;
    }
  }
  cached& fetch(std::uint64_t address) {
    const std::uint64_t line = line_of(address);
    for (cached& each : cache) {
      if (each.line == line) return each;
    }
    if (sets != 0) {
      const auto set_of = [&](const cached& one) { return one.line / 64 % sets; };
      std::vector<const cached*> set;
      for (const cached& each : cache) {
        if (set_of(each) == line / 64 % sets) set.push_back(&each);
      }
      if (set.size() == ways) {
        const auto oldest = *std::min_element(
            set.begin(), set.end(), [](const cached* a, const cached* b) { return a->used < b->used; });
        flush(oldest->line);
      }
    }
    cached fresh{line, {}, {}, 0};
    for (std::uint64_t at = line; at < line + 64; at += 8)
      fresh.content[at] = below_cache(at);
    cache.push_back(fresh);
    return cache.back();
  }
  void store(std::uint64_t address, std::uint64_t value) {
    cached& line = fetch(address);
    line.content[address] = value;
    line.dirty.insert(address);
    line.used = ++clock;
  }
  void load(std::uint64_t address) { fetch(address).used = ++clock; }
  void uncached_store(std::uint64_t address, std::uint64_t value) {
    flush(address);
    post(line_of(address), {{address, value}});
  }
  void device_reads(std::uint64_t address) {
    for (cached& each : cache) {
      if (each.line == line_of(address)) write_back(each);
    }
  }
  void device_writes(std::uint64_t address, std::uint64_t value) {
    flush(address);
    const auto waits = [&](const buffered& each) { return each.line == line_of(address); };
    while (std::any_of(buffer.begin(), buffer.end(), waits))
      oldest_goes();
    memory[address] = value;
  }
};

/// What a request meets on its way: entries as the unit saw them, and where it went.
struct naive_passage {
  std::optional<std::uint64_t> host;
  // Findings of the checker, by the rule's id and whether it is an error.
  std::map<std::pair<std::string, bool>, unsigned> findings;
};

struct naive_unit {
  naive_machine& machine;
  bool coherent;
  std::uint64_t root;

  /// Reads an entry, and says what a checker has to say about it: `meaning` are the bits that hardware uses.
  std::array<std::uint64_t, 2> read(std::uint64_t address, unsigned count, bool has_present_in_bit_1,
                                    std::array<std::uint64_t, 2> meaning, naive_passage& out) {
    std::array<std::uint64_t, 2> saw{};
    std::array<std::uint64_t, 2> wrote{};
    bool differs = false;
    bool waits_in_cache = false;
    if (coherent) machine.device_reads(address);
    for (unsigned i = 0; i < count; ++i) {
      const std::uint64_t at = address + 8 * i;
      wrote[i] = machine.seen_by_cpu(at);
      saw[i] = coherent ? wrote[i] : machine.in_memory(at);
      if (saw[i] == wrote[i]) continue;
      differs = true;
      waits_in_cache = waits_in_cache || machine.last_stored_in_cache(at);
    }
    const std::uint64_t present = has_present_in_bit_1 ? 3 : 1;
    if (!differs || ((saw[0] | wrote[0]) & present) == 0) return saw;
    const bool same_present = ((saw[0] & present) != 0) == ((wrote[0] & present) != 0);
    const bool same =
        same_present && ((saw[0] ^ wrote[0]) & meaning[0]) == 0 && ((saw[1] ^ wrote[1]) & meaning[1]) == 0;
    ++out.findings[{waits_in_cache ? "visibility.cache-line" : "visibility.write-buffer", !same}];
    return saw;
  }

  naive_passage passes(std::uint16_t source, bool write, std::uint64_t address) {
    naive_passage out;
    constexpr std::uint64_t frame = 0x000ffffffffff000;
    const auto r = read(root + 16 * (source >> 8), 2, false, {frame | 1, 0}, out);
    if ((r[0] & 1) == 0) return out;
    const auto c = read((r[0] & frame) + 16 * (source & 0xffU), 2, false, {frame | 0xf, 0xffff07}, out);
    if ((c[0] & 1) == 0) return out;
    std::uint64_t table = c[0] & frame;
    bool allowed = true;
    for (auto level = static_cast<unsigned>(c[1] & 7) + 2; level != 0; --level) {
      const unsigned shift = 12 + 9 * (level - 1);
      const auto e = read(table + 8 * (address >> shift & 0x1ff), 1, true,
                          {frame | 3 | (level > 1 ? 0x80U : 0U), 0}, out);
      if ((e[0] & 3) == 0) return out;
      allowed = allowed && (e[0] & (write ? 2U : 1U)) != 0;
      table = e[0] & frame;
    }
    if (allowed) out.host = table | (address & 0xfff);
    return out;
  }
};

/// The unit, with the CPU's way to memory behind it.
class path_world final : public unit_world {
public:
  path_world(const dmar::unit_config& config, host::store_path& way) : unit_world(config), path(way) {}
  bool read_table(unsigned walker, std::uint64_t address, unsigned bytes) override {
    remap::table_words words;
    const bool ok =
        path.table_read(address, std::span(words.words).first(bytes / 8), unit.config().caps.ecap.c());
    unit.table_answered(walker, ok, words, now_ps() + 5 * period);
    return true;
  }
  bool forward(const dmar::forwarded& piece) override {
    std::array<std::byte, 8> zeros{};
    writes ? path.device_write(piece.address, zeros) : path.device_read(piece.address, zeros);
    return unit_world::forward(piece);
  }
  void drain_write_buffer() override { path.drain(host::drain_cause::implicit); }
  host::store_path& path;
  bool writes = false;
};

/// Counts what the checker says.
struct counting_sink final : check::finding_sink {
  bool repeat(const check::finding_key&, engine::cycle) override { return false; }
  void report(check::finding found) override {
    ++findings[{found.rule(), found.level == check::severity::error}];
  }
  std::map<std::pair<std::string, bool>, unsigned> findings;
};

struct life {
  explicit life(std::uint64_t seed)
      : random(seed), config(random_config()), path(memory, random_path()), world(config, path),
        checker(path, sink), unit{machine, config.caps.ecap.c(), world.tables.root()} {
    build();
    machine.buffer_limit = path_config.write_buffer_entries;
    machine.sets = path_config.cache.sets;
    machine.ways = path_config.cache.ways;
    for (const auto& [address, value] : world.memory.words()) {
      machine.memory[address] = value;
      path.debug_write(address, host::bytes_from(value));
      entries.push_back(address);
    }
    world.enable();
    machine.drain();
    world.unit.set_walk_observer(&checker);
  }
  std::uint64_t below(std::uint64_t n) { return random() % n; }

  dmar::unit_config random_config() {
    remap::capabilities caps = wide_part();
    caps.cap.set_rwbf(below(2) != 0).set_sagaw(7);
    caps.ecap.set_c(below(4) == 0);
    dmar::unit_config out = config_of(caps);
    // Every request reads all tables.
    out.caches = {};
    out.hidden_write_buffer = below(4) == 0;
    return out;
  }
  host::store_path_config random_path() {
    path_config.write_buffer_entries = below(5);
    path_config.cache.sets = below(2) == 0 ? 0 : std::size_t{1} << below(3);
    path_config.cache.ways = 1 + below(3);
    return path_config;
  }
  void build() {
    const auto a = spec::source_id::from_bdf(1, 0, 0);
    const auto b = spec::source_id::from_bdf(1, 0, 1);
    const auto c = spec::source_id::from_bdf(2, 0, 0);
    devices = {a, b, c};
    world.tables.attach(a, 5, 3);
    world.tables.attach(b, 6, 2);
    world.tables.attach(c, 7, 4);
    for (const auto device : devices) {
      for (const std::uint64_t iova : {0x1000U, 0x2000U, 0x201000U})
        world.tables.map(device, iova, data + below(8) * 0x1000);
      // A device may write into tables.
      world.tables.map(device, 0x5000, world.tables.root() + below(12) * 0x1000);
    }
    // The upper halves of root and context entries can be written, too.
    for (const auto device : devices)
      world.memory.store(world.tables.context_entry_of(device) + 8,
                         world.memory.load(world.tables.context_entry_of(device) + 8));
  }

  [[nodiscard]] std::uint64_t changed(std::uint64_t address) {
    const std::uint64_t root_first = world.tables.root();
    const std::uint64_t now = machine.seen_by_cpu(address);
    const bool paging = address >= root_first + 0x1000 && !is_context(address);
    switch (below(4)) {
    case 0:
      return original(address);
    case 1:
      // Ignored bits: 9 of a paging entry, none of the others; so they go away.
      return paging ? now ^ 0x200 : 0;
    case 2:
      return is_upper(address) ? now ^ 0x100 : now ^ 1;
    default:
      return is_upper(address) || !paging ? original(address) : now ^ (1 + below(3));
    }
  }
  [[nodiscard]] std::uint64_t original(std::uint64_t address) const { return world.memory.load(address); }
  [[nodiscard]] bool is_context(std::uint64_t address) const {
    return std::any_of(devices.begin(), devices.end(), [&](spec::source_id each) {
      return (address & ~0xfffULL) == (world.tables.context_entry_of(each) & ~0xfffULL);
    });
  }
  [[nodiscard]] bool is_upper(std::uint64_t address) const {
    return is_context(address) && address % 16 == 8;
  }

  void store() {
    const std::uint64_t address = entries[below(entries.size())];
    const std::uint64_t value =
        is_upper(address) ? (below(2) != 0 ? original(address) : machine.seen_by_cpu(address) ^ 0x100)
                          : changed(address);
    if (below(6) == 0) {
      ASSERT_TRUE(path.uncached_store(address, host::bytes_from(value), world.wheel.now()));
      machine.uncached_store(address, value);
    } else {
      ASSERT_TRUE(path.cpu_store(address, value, world.wheel.now()));
      machine.store(address, value);
    }
  }
  void act() {
    const std::uint64_t somewhere = entries[below(entries.size())];
    const auto what = below(20);
    if (what < 8) return store();
    if (what < 10) {
      path.clflush(somewhere);
      return machine.flush(somewhere);
    }
    if (what == 10) {
      for (const std::uint64_t each : entries) {
        path.clflush(each);
        machine.flush(each);
      }
      return;
    }
    if (what == 11) {
      ASSERT_EQ(path.cpu_load<std::uint64_t>(somewhere), machine.seen_by_cpu(somewhere));
      return machine.load(somewhere);
    }
    if (what == 12) return drain();
    request();
  }
  /// By command, or on the way of an invalidation; only where the part says so, or needs it without saying.
  void drain() {
    namespace reg = spec::reg;
    const auto how = below(3);
    if (how == 0) world.write_register<reg::gcmd>(reg::gcmd::te::mask | reg::gcmd::wbf::mask);
    if (how == 1) world.invalidate_iotlb_global();
    if (how == 2) world.invalidate_contexts_global();
    world.settle();
    if (config.caps.cap.rwbf() || config.hidden_write_buffer) machine.drain();
  }
  void request() {
    constexpr std::array<std::uint64_t, 5> pages = {0x1000, 0x2000, 0x201000, 0x3000, 0x5000};
    const spec::source_id source = devices[below(devices.size())];
    world.writes = below(2) != 0;
    const std::uint64_t iova = pages[below(pages.size())] + below(512) * 8;
    sink.findings.clear();
    const std::size_t before = world.forwards.size();
    const auto got =
        world.dma(source, world.writes ? remap::access_kind::write : remap::access_kind::read, iova, 8);
    const naive_passage expected = unit.passes(source.value(), world.writes, iova);
    ASSERT_EQ(world.forwards.size() != before, expected.host.has_value());
    ASSERT_EQ(sink.findings, expected.findings);
    for (const auto& [what, count] : expected.findings)
      said[what] += count;
    if (!expected.host) return;
    ++passed;
    ASSERT_EQ(got.address, *expected.host);
    world.writes ? machine.device_writes(*expected.host, 0) : machine.device_reads(*expected.host);
  }
  void run(unsigned steps) {
    for (unsigned step = 0; step < steps && !testing::Test::HasFatalFailure(); ++step) {
      SCOPED_TRACE("step " + std::to_string(step));
      act();
      for (const std::uint64_t each : entries) {
        ASSERT_EQ(memory_word(each), machine.in_memory(each)) << "memory at " << std::hex << each;
      }
    }
  }
  [[nodiscard]] std::uint64_t memory_word(std::uint64_t address) {
    std::array<std::byte, 8> raw{};
    EXPECT_TRUE(memory.read(address, raw));
    return host::number_from<std::uint64_t>(raw);
  }

  static constexpr std::uint64_t data = 0x7000000;
  std::mt19937_64 random;
  dmar::unit_config config;
  host::store_path_config path_config;
  host::sparse_memory memory{std::uint64_t{1} << 36};
  host::store_path path;
  path_world world;
  counting_sink sink;
  check::visibility_checker checker;
  naive_machine machine;
  naive_unit unit;
  std::vector<spec::source_id> devices;
  std::vector<std::uint64_t> entries;
  std::map<std::pair<std::string, bool>, unsigned> said;
  unsigned passed = 0;
};

TEST(naive_visibility, agrees_with_unit_and_checker_over_random_stores_and_flushes) {
  std::map<std::pair<std::string, bool>, unsigned> said;
  unsigned passed = 0;
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    life one(seed);
    one.run(200);
    if (testing::Test::HasFatalFailure()) return;
    for (const auto& [what, count] : one.said)
      said[what] += count;
    passed += one.passed;
  }
  EXPECT_GT(passed, 1000U);
  for (const auto* rule : {"visibility.cache-line", "visibility.write-buffer"}) {
    for (const bool error : {false, true})
      EXPECT_GT((said[{rule, error}]), 20U) << rule << (error ? ", an error" : ", a note");
  }
}

} // namespace
} // namespace vtd::test
