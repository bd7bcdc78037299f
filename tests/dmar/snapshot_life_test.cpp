// SPDX-License-Identifier: Apache-2.0
// Snapshots: a unit that goes on from one does what the unit it was taken from does, cycle for cycle.

#include "support/queue_driver.h"
#include "vtd/dmar/snapshot.h"

#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <optional>
#include <random>
#include <span>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace vtd::test {
namespace {

namespace reg = spec::reg;
using remap::access_kind;
using remap::address_type;
using remap::replacement;
using bytes = std::vector<std::byte>;

constexpr std::uint64_t iova = 0x40000000;
constexpr std::uint64_t large = 0x100000000;
constexpr std::uint64_t huge = 0x200000000;
constexpr std::uint64_t frame = 0x7000000;
constexpr std::uint64_t large_frame = 0x40000000;
constexpr std::uint64_t huge_frame = 0x200000000;
constexpr std::uint64_t below_low_region = 0x1000000;
constexpr std::uint64_t low_region = 0x2000000;
constexpr std::uint64_t high_region = 0x180000000;
constexpr std::uint64_t log_base = 0xa00000;
constexpr std::uint64_t status_word = 0x800000;
constexpr std::uint64_t queue_base = queue_driver::default_base;
constexpr unsigned pages = 40;
constexpr unsigned large_pages = 8;
constexpr unsigned huge_pages = 4;

/// Three levels, narrow descriptors, records in registers.
dmar::unit_config plain(replacement policy = replacement::random) {
  remap::capabilities caps = wide_part();
  caps.ecap.set_qi(true);
  caps.cap.set_afl(true).set_nfr(3);
  dmar::unit_config config = config_of(caps);
  config.ports = 2;
  config.caches.iotlb = {16, 4, policy, 5};
  config.caches.pde = {4, 2, replacement::pseudo_lru, 6};
  config.caches.context = {2, 0, replacement::fifo, 7};
  return config;
}

/// All that a part can have: up to five levels with a cache for each, an array for large pages, caching mode,
/// device-TLBs, snoop control, wide descriptors, protected regions, and a log of faults in memory.
dmar::unit_config rich(replacement policy = replacement::random) {
  dmar::unit_config config = plain(policy);
  config.caps.version = 0x30;
  config.caps.cap.set_sagaw(14).set_mgaw(56).set_cm(true).set_plmr(true).set_phmr(true).set_rwbf(true);
  config.caps.ecap.set_dt(true).set_sc(true).set_smts(true);
  config.caches.context = {4, 0, replacement::fifo, 7};
  config.caches.large_iotlb = {4, 2, policy, 8};
  config.caches.pml5 = {2, 0, policy, 9};
  config.caches.pml4 = {2, 0, policy, 10};
  // So many ways keep their order in another form.
  config.caches.pdpe = {18, 0, replacement::lru, 11};
  config.timing.device_invalidation = 3;
  config.timing.device_timeout = 600;
  config.timing.memory_interval = 3;
  return config;
}

struct device {
  spec::source_id id{};
  std::uint16_t domain = 0;
  unsigned levels = 3;
  spec::translation_type type = spec::translation_type::untranslated_only;
};
using enum spec::translation_type;
constexpr device plain_devices[] = {
    {nic, 3}, {disk, 4}, {spec::source_id::from_bdf(2, 0, 0), 5}, {spec::source_id::from_bdf(9, 0, 0), 0, 0}};
constexpr device rich_devices[] = {{nic, 3, 5, with_device_tlb},
                                   {disk, 4, 4},
                                   {spec::source_id::from_bdf(2, 0, 0), 5, 3, with_device_tlb},
                                   {spec::source_id::from_bdf(2, 1, 0), 6, 5},
                                   {spec::source_id::from_bdf(2, 2, 0), 7, 4, pass_through},
                                   {spec::source_id::from_bdf(9, 0, 0), 0, 0}};

/// A unit on which random programs run; a program is a seed, and what it does depends on nothing else but
/// memory and the unit.
struct machine : unit_world {
  explicit machine(const dmar::unit_config& config) : unit_world(config), is_rich_(config.caps.ecap.dt()) {
    for (const device& each : devices()) {
      // The last one has no context.
      if (each.levels == 0) continue;
      tables.attach(each.id, each.domain, each.levels, each.type);
      if (each.domain == 6)
        tables.set_context(each.id, tables.context(each.id).set_fault_processing_disable(true));
      for (std::uint64_t n = 0; n < pages; ++n) {
        if (n % 7 != 6) map(each, n);
      }
      for (std::uint64_t n = 0; n + 1 < large_pages; ++n)
        tables.map(each.id, large + n * spec::level_size(2),
                   n == 3 ? low_region : large_frame + n * spec::level_size(2), read_write, 2);
      for (std::uint64_t n = 0; n < huge_pages; ++n)
        tables.map(each.id, huge + n * spec::level_size(3), huge_frame + n * spec::level_size(3), read_write,
                   3);
    }
  }
  [[nodiscard]] std::span<const device> devices() const {
    return is_rich_ ? std::span<const device>(rich_devices) : std::span<const device>(plain_devices);
  }
  /// Far from each other, for the paging-structure caches of all levels that the device has.
  static std::uint64_t address(const device& who, std::uint64_t n) {
    std::uint64_t out =
        iova + n * spec::page_size + (n % 4) * spec::level_size(2) + (n % 3) * spec::level_size(3);
    if (who.levels > 3) out += (n % 2) * spec::level_size(4);
    if (who.levels > 4) out += (n % 5) * spec::level_size(5);
    return out;
  }
  /// Some pages lie in protected regions, some may be read only, some force snooping.
  void map(const device& who, std::uint64_t n) {
    const std::uint64_t host = n % 11 == 2   ? low_region
                               : n % 11 == 5 ? high_region
                               : n % 11 == 8 ? below_low_region
                                             : frame;
    const std::uint64_t at = address(who, n);
    tables.map(who.id, at, host + n * spec::page_size, n % 5 == 4 ? read_only : read_write);
    if (!is_rich_ || n % 3 != 0) return;
    const std::uint64_t entry = tables.entry_of(who.id, at, 1, false);
    memory.store(entry, spec::second_level_entry{memory.load(entry)}.set_snoop(true).value);
  }

  // --- Software

  void order(std::uint32_t more) {
    constexpr std::uint32_t lasting = reg::gsts::tes::mask | reg::gsts::qies::mask | reg::gsts::afls::mask;
    write_register<reg::gcmd>((read_register<reg::gsts>() & lasting) ^ more);
  }
  void done(std::uint32_t more) {
    order(more);
    settle();
  }
  /// `logged`: so many faults stand in the log from the beginning, for the end of its first page not to be
  /// far.
  void start(unsigned logged = 0) {
    write_register<reg::iqt>(0);
    write_register<reg::iqa>(reg::iqa::address::of(queue_base >> spec::page_shift) |
                             reg::iqa::dw::of(is_rich_ ? 1 : 0));
    write_register<reg::rtaddr>(tables.root());
    done(reg::gcmd::srtp::mask);
    done(reg::gcmd::te::mask | reg::gcmd::qie::mask);
    if (!is_rich_) return;
    write_register<reg::plmbase>(low_region);
    write_register<reg::plmlimit>(low_region + 0x20000);
    write_register<reg::phmbase>(high_region);
    write_register<reg::phmlimit>(high_region + 0x20000);
    write_register<reg::pmen>(reg::pmen::epm::of(1));
    write_register<reg::aflog>(log_base | reg::aflog::fls::of(1));
    done(reg::gcmd::sfl::mask);
    done(reg::gcmd::eafl::mask);
    for (unsigned n = 0; n < logged; ++n)
      read(devices().back().id, iova);
  }
  void descriptor(const spec::invalidation_descriptor& what) {
    const std::uint64_t tail = read_register<reg::iqt>();
    memory.store(queue_base + tail, what.lo);
    memory.store(queue_base + tail + 8, what.hi);
    write_register<reg::iqt>((tail + (is_rich_ ? 32 : 16)) % spec::queue_bytes(0));
  }

  void run(std::uint32_t seed, unsigned steps) {
    engine_.seed(seed);
    for (unsigned step = 0; step < steps; ++step) {
      act(step + 1);
      run_to(wheel.now() + below(40));
    }
    settle();
  }
  void take_over(const machine& other, const bytes& saved) {
    for (const auto& [at, value] : other.memory.words())
      memory.store(at, value);
    unit.restore(saved, now_ps());
  }
  void forget_diaries() {
    for (auto* diary : {&admissions, &table_reads, &descriptor_reads, &status_writes, &responses, &log_reads,
                        &log_writes, &answers})
      diary->clear();
    notes_.clear();
    drains.clear();
    faults.clear();
  }

  // --- What the world notes beyond the diaries

  bool forward(const dmar::forwarded& p) override {
    note() << "forward " << reinterpret_cast<std::uint64_t>(p.cookie) << ' ' << p.offset << ' ' << p.length
           << ' ' << p.address << ' ' << p.slot << p.no_snoop << p.interrupt;
    return unit_world::forward(p);
  }
  // Of some pages the device never says that it has forgotten them.
  void invalidate_device(const spec::ats::invalidation_request& what) override {
    note() << "invalidate " << what.device.value() << ' ' << what.tag << ' ' << what.what.first() << ' '
           << what.what.last();
    if (what.what.first() / spec::page_size % 8 != 3)
      unit.device_completed({what.device, 1U << what.tag, 1}, now_ps() + data_delay);
  }
  void send_message(const spec::msi_message& message) override { note() << "message " << message.data; }
  void withdraw(std::uint64_t first, std::uint64_t last) override {
    note() << "withdraw " << first << ' ' << last;
  }

  /// What the unit did from `since` on, each event with its cycle, and how it stands now.
  [[nodiscard]] std::vector<std::string> story(engine::cycle since) {
    std::vector<std::string> out;
    const auto add = [&](const char* what, const std::vector<event>& diary) {
      for (const event& e : diary) {
        out.push_back(std::string(what) + ' ' + std::to_string(e.at - since) + ' ' + std::to_string(e.id) +
                      ' ' + std::to_string(e.address) + ' ' + std::to_string(static_cast<int>(e.how)));
      }
    };
    add("admitted", admissions);
    add("table", table_reads);
    add("descriptor", descriptor_reads);
    add("status", status_writes);
    add("responded", responses);
    add("log read", log_reads);
    add("log written", log_writes);
    add("answered", answers);
    for (const auto& [at, text] : notes_)
      out.push_back(std::to_string(at - since) + ' ' + text.str());
    for (const engine::cycle at : drains)
      out.push_back("drained " + std::to_string(at - since));
    for (const dmar::fault_report& fault : faults) {
      out.push_back("fault " + std::to_string(fault.when - since) + ' ' +
                    std::string(spec::condition_info(fault.condition).name) + ' ' +
                    std::to_string(fault.access.address) + ' ' + std::to_string(fault.recorded) +
                    std::to_string(fault.suppressed));
    }
    add_state(out);
    return out;
  }

private:
  [[nodiscard]] std::uint32_t below(std::uint32_t n) { return static_cast<std::uint32_t>(engine_()) % n; }
  std::ostream& note() { return notes_.emplace_back(wheel.now(), std::ostringstream{}).second; }

  [[nodiscard]] std::uint64_t some_address(const device& who) {
    const std::uint32_t dice = below(64);
    const std::uint64_t line = below(64) * 64;
    if (dice < 44) return address(who, below(pages)) + line;
    if (dice < 54) return large + below(large_pages) * spec::level_size(2) + below(2) * low_region / 2 + line;
    if (dice < 58) return huge + below(huge_pages) * spec::level_size(3) + below(3) * spec::page_size + line;
    if (dice < 60) return spec::interrupt_range_first + line;
    return std::uint64_t{1} << (dice < 63 ? 57 : 50);
  }
  [[nodiscard]] dmar::request some_request() {
    const device& who = devices()[below(static_cast<std::uint32_t>(devices().size()))];
    dmar::request what;
    what.access = {who.id, static_cast<access_kind>(below(16) == 0 ? 2 : below(2)),
                   address_type::untranslated, some_address(who)};
    what.length = below(8) == 0 ? 6000 : 64;
    what.no_snoop = below(3) == 0;
    const std::uint32_t kind = is_rich_ ? below(8) : 8;
    if (kind < 2) {
      what.access.type = address_type::translation_request;
      what.access.kind = access_kind::read;
      what.length = spec::ats::translation_bytes;
    } else if (kind == 2) {
      what.access.type = address_type::translated;
      what.access.address = (below(2) != 0 ? low_region : frame) + below(256) * spec::page_size;
    } else if (what.access.address >> 20 == spec::interrupt_range_first >> 20) {
      what.length = 4;
      what.is_dword_write = what.access.kind == access_kind::write;
    }
    return what;
  }

  void offer(unsigned port, std::uint64_t id) {
    dmar::request what = some_request();
    what.cookie = reinterpret_cast<void*>(id); // NOLINT(performance-no-int-to-ptr)
    unit.offer(port, what, now_ps());
  }
  void act(std::uint64_t id) {
    const std::uint32_t dice = below(200);
    if (dice < 110) {
      const unsigned port = below(2);
      offer(port, id);
      // Then it matters whose turn it is.
      if (dice < 30) offer(1 - port, id + 1000);
    } else if (dice < 124) {
      dmar::request what = some_request();
      if (what.length > 64) what.length = 8;
      const auto passed = unit.pass(what, memory, now_ps());
      note() << "passed " << static_cast<int>(passed.leads) << ' ' << passed.address << ' '
             << passed.leaves - now_ps() << passed.read_tables << passed.no_snoop;
    } else if (dice < 168) {
      order_invalidation(dice);
    } else if (dice < 172) {
      const dmar::request what = some_request();
      if (const auto page = unit.direct(what.access))
        note() << "direct " << page->first << ' ' << page->last << ' ' << page->host << page->read
               << page->write;
    } else {
      act_as_software(dice);
    }
  }
  void order_invalidation(std::uint32_t dice) {
    const device& who = devices()[below(static_cast<std::uint32_t>(devices().size()))];
    const std::uint64_t where = spec::page_base(some_address(who));
    if (dice < 136) {
      descriptor(page_of(who.domain, where, below(8) == 0 ? 9 : 0, dice < 130));
    } else if (dice < 144) {
      descriptor(context_of(who.id, who.domain));
    } else if (dice < 152 || !is_rich_) {
      descriptor(status_wait(status_word, dice).set_interrupt(dice < 148).set_fence(dice < 146));
    } else if (dice < 167) {
      descriptor(spec::device_tlb_descriptor{}.set_source(who.id).set_max_pending(below(3)).set_range(
          where, below(4)));
    } else {
      unit.device_completed({who.id, 1U << below(32), 1}, now_ps());
    }
  }
  void act_as_software(std::uint32_t dice) {
    if (dice < 176) {
      write_register<reg::frcd_hi>(reg::frcd_hi::f::mask, below(4));
    } else if (dice < 182) {
      write_register<reg::fsts>(below(2) != 0 ? ~std::uint32_t{0} : 1);
    } else if (dice < 185) {
      write_register<reg::fectl>(below(2) != 0 ? reg::fectl::im::mask : 0);
      write_register<reg::iectl>(below(2) != 0 ? reg::iectl::im::mask : 0);
    } else if (dice < 190) {
      // Without an invalidation: whether it counts yet is a matter of what is cached.
      const device& who = devices()[below(static_cast<std::uint32_t>(devices().size() - 1))];
      const std::uint64_t n = below(pages);
      if (below(2) == 0) {
        map(who, n);
      } else if (const std::uint64_t entry = tables.entry_of(who.id, address(who, n), 1, false)) {
        memory.store(entry, 0);
      }
    } else if (dice < 192) {
      for (unsigned n = 0; n < 8; ++n)
        memory.store(log_base + below(512) * sizeof(spec::fault_log_record) + 8, 0);
    } else if (dice < 194) {
      // Taken over when it is ordered only.
      write_register<reg::plmlimit>(low_region + below(2) * 0x20000);
      write_register<reg::phmlimit>(high_region + below(2) * 0x20000);
      write_register<reg::aflog>(log_base + below(2) * 0x10000);
      write_register<reg::rtaddr>(0x1000);
    } else if (dice < 196) {
      write_register<reg::pmen>(reg::pmen::epm::of(below(4) != 0 ? 1 : 0));
    } else if (dice < 197) {
      if (below(4) == 0) unit.clear_statistics();
      order(reg::gcmd::wbf::mask);
      // The second one is ignored.
      order(reg::gcmd::wbf::mask);
    } else {
      order_by_command(dice);
    }
  }
  // One after the other, as software does.
  void order_by_command(std::uint32_t dice) {
    settle();
    if (dice == 197) {
      if (below(4) == 0 && is_rich_) order(reg::gcmd::eafl::mask);
    } else if (dice == 198) {
      if (below(2) == 0 || !unit.translation_enabled()) order(reg::gcmd::te::mask);
    } else {
      done(reg::gcmd::qie::mask);
      invalidate_iotlb_page(static_cast<std::uint16_t>(3 + below(4)), iova, 20);
      invalidate_contexts_global();
      settle();
      write_register<reg::iqt>(0);
      order(reg::gcmd::qie::mask);
    }
    settle();
  }

  void add_state(std::vector<std::string>& out) {
    unit.registers().for_each(
        [&](const spec::register_layout& layout, unsigned index, std::uint32_t, std::uint64_t value) {
          out.push_back(std::string(layout.name) + ' ' + std::to_string(index) + ' ' + std::to_string(value));
        });
    const auto counts = [&](const char* what, const auto& counters) {
      std::string text = what;
      using words = std::array<std::uint64_t, sizeof(counters) / sizeof(std::uint64_t)>;
      for (const std::uint64_t each : std::bit_cast<words>(counters))
        text += ' ' + std::to_string(each);
      out.push_back(std::move(text));
    };
    const remap::translation_caches& caches = unit.translator().caches();
    const auto cache = [&](const char* what, const auto& one) {
      counts(what, one.statistics());
      out.push_back(std::to_string(one.occupancy()));
    };
    counts("unit", unit.statistics());
    cache("contexts", caches.contexts());
    cache("iotlb", caches.iotlb());
    cache("large", caches.large_iotlb());
    for (unsigned level = 2; level <= remap::translation_caches::max_cached_level; ++level)
      cache("tables", caches.tables(level));
    out.push_back(std::to_string(unit.faults().recorded()) + ' ' + std::to_string(unit.faults().lost()));
    const auto admitted = unit.enter(false);
    out.push_back("request " + std::to_string(admitted.sequence));
    unit.leave(admitted, now_ps());
  }

  bool is_rich_;
  std::mt19937 engine_;
  std::vector<std::pair<engine::cycle, std::ostringstream>> notes_;
};

// The first difference, not both stories.
std::string difference(const std::vector<std::string>& one, const std::vector<std::string>& other) {
  for (std::size_t n = 0; n < one.size() && n < other.size(); ++n) {
    if (one[n] != other[n]) return one[n] + " became " + other[n];
  }
  return one.size() == other.size() ? "" : "one of them is longer";
}

void goes_on(dmar::unit_config (*configuration)(replacement), std::uint32_t seed) {
  const dmar::unit_config config = configuration(static_cast<replacement>(seed % 4));
  machine first(config);
  first.start(200 + seed % 50);
  first.run(seed, 20 + seed * 7 % 150);
  const bytes saved = first.unit.save(first.now_ps());
  machine second(config);
  // At another time: only what lies ahead is kept.
  second.run_to(1000 + seed);
  second.take_over(first, saved);
  EXPECT_EQ(second.unit.save(second.now_ps()), saved) << seed;
  // A unit that was restored looks once whether there is anything to do.
  for (machine* each : {&first, &second})
    each->run_to(each->wheel.now() + 1);
  first.forget_diaries();
  second.forget_diaries();
  const engine::cycle begin_first = first.wheel.now();
  const engine::cycle begin_second = second.wheel.now();
  first.run(seed + 1000, 120);
  second.run(seed + 1000, 120);
  ASSERT_EQ(difference(first.story(begin_first), second.story(begin_second)), "") << seed;
  ASSERT_EQ(first.unit.save(first.now_ps()), second.unit.save(second.now_ps())) << seed;
}

TEST(snapshot, the_unit_goes_on_as_if_nothing_had_happened) {
  for (std::uint32_t seed = 1; seed <= 60; ++seed)
    goes_on(plain, seed);
}

TEST(snapshot, a_unit_with_all_that_a_part_can_have_goes_on_as_if_nothing_had_happened) {
  for (std::uint32_t seed = 1; seed <= 60; ++seed)
    goes_on(rich, seed);
}

TEST(snapshot, taking_one_changes_nothing) {
  for (const auto configuration : {plain, rich}) {
    machine with(configuration(replacement::random));
    machine without(configuration(replacement::random));
    for (machine* each : {&with, &without}) {
      each->start();
      each->run(3, 50);
      if (each == &with) (void)each->unit.save(each->now_ps());
      each->run(4, 50);
    }
    EXPECT_EQ(difference(with.story(0), without.story(0)), "");
  }
}

// --- What of it matters

// Without its section, taken from a unit that has never run, the unit goes on in another way.
struct part {
  dmar::unit_config (*configuration)(replacement);
  std::string section;
  replacement policy;
};
class each_part : public testing::TestWithParam<part> {};

std::optional<dmar::snapshot::section> find_section(const bytes& from, std::string_view name) {
  for (const auto& section : dmar::snapshot::sections_of(from)) {
    if (section.name == name) return section;
  }
  return {};
}
bytes with_section_of(const bytes& saved, const bytes& other, std::string_view name) {
  const auto there = find_section(saved, name);
  const auto here = find_section(other, name);
  if (!there || !here) return {};
  const auto at = [](const bytes& of, std::size_t n) { return of.begin() + static_cast<std::ptrdiff_t>(n); };
  bytes mixed(saved.begin(), at(saved, there->begin));
  mixed.insert(mixed.end(), at(other, here->begin), at(other, here->begin + here->size));
  mixed.insert(mixed.end(), at(saved, there->begin + there->size), saved.end());
  dmar::snapshot::seal(mixed);
  return mixed;
}

TEST_P(each_part, matters_to_what_follows) {
  const auto& [configuration, section, policy] = GetParam();
  const auto config = configuration(policy);
  const bytes empty = machine(config).unit.save(0);
  // Not to every program: what was cached may be gone by the end of the first one.
  bool matters = false;
  for (std::uint32_t seed = 1; seed <= 60 && !matters; ++seed) {
    machine used(config);
    used.start(10);
    used.run(seed, 200);
    const bytes saved = used.unit.save(used.now_ps());
    const bytes mixed = with_section_of(saved, empty, section);
    ASSERT_FALSE(mixed.empty()) << "no such section";
    const auto go_on = [&](const bytes& from) {
      machine next(config);
      next.take_over(used, from);
      const engine::cycle begin = next.wheel.now();
      next.run(seed + 1000, 200);
      return next.story(begin);
    };
    const auto whole = go_on(saved);
    EXPECT_EQ(difference(whole, go_on(saved)), "");
    matters = !difference(whole, go_on(mixed)).empty();
  }
  EXPECT_TRUE(matters) << section;
}

std::string name_of(const testing::TestParamInfo<part>& one) {
  std::string name = one.param.section;
  for (char& c : name)
    c = c == ' ' ? '_' : c;
  return name + '_' + std::string(remap::to_string(one.param.policy));
}

// Replacement is another matter with each policy.
std::vector<part> parts(dmar::unit_config (*configuration)(replacement),
                        const std::vector<std::string>& sections,
                        const std::vector<std::string>& replacements) {
  std::vector<part> out;
  for (const std::string& section : sections)
    out.push_back({configuration, section, replacement::lru});
  for (const std::string& section : replacements) {
    for (const auto policy :
         {replacement::lru, replacement::pseudo_lru, replacement::fifo, replacement::random})
      out.push_back({configuration, section, policy});
  }
  return out;
}

INSTANTIATE_TEST_SUITE_P(
    snapshot, each_part,
    testing::ValuesIn(parts(plain,
                            {"registers", "context_cache lines", "context_cache statistics", "iotlb lines",
                             "iotlb statistics", "pde_cache lines", "pde_cache replacement", "page sizes",
                             "state", "pipeline", "faults", "invalidations", "queue"},
                            {"iotlb replacement"})),
    name_of);

INSTANTIATE_TEST_SUITE_P(
    snapshot_of_all, each_part,
    testing::ValuesIn(parts(rich,
                            {"registers", "context_cache lines", "context_cache replacement", "iotlb lines",
                             "large_iotlb lines", "large_iotlb statistics", "pde_cache lines",
                             "pdpe_cache lines", "pdpe_cache replacement", "pml4_cache lines",
                             "pml5_cache lines", "pml5_cache statistics", "page sizes", "protected memory",
                             "state", "pipeline", "faults", "queue", "commands"},
                            {"large_iotlb replacement", "pml5_cache replacement"})),
    name_of);

// --- Settings that random programs leave alone

TEST(snapshot, keeps_the_mode_of_the_tables_and_with_it_who_takes_orders) {
  machine first(rich());
  first.start();
  first.done(reg::gcmd::qie::mask);
  first.write_register<reg::rtaddr>(first.tables.root() | reg::rtaddr::ttm::of(1));
  first.done(reg::gcmd::srtp::mask);
  machine second(rich());
  second.take_over(first, first.unit.save(first.now_ps()));
  for (machine* each : {&first, &second}) {
    each->invalidate_contexts_global();
    each->settle();
    EXPECT_EQ(reg::ccmd::caig::get(each->read_register<reg::ccmd>()), 0U) << "nothing was done";
  }
}

} // namespace
} // namespace vtd::test
