// SPDX-License-Identifier: Apache-2.0
// Snapshots: when none is taken, and which are refused.

#include "vtd/dmar/snapshot.h"

#include "support/queue_driver.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <utility>
#include <vector>

namespace vtd::test {
namespace {

namespace reg = spec::reg;
using dmar::snapshot_error;
using remap::access_kind;
using bytes = std::vector<std::byte>;

constexpr std::uint64_t iova = 0x40000000;
constexpr std::uint64_t frame = 0x7000000;
constexpr std::uint64_t queue_base = queue_driver::default_base;
constexpr std::uint64_t pages = 20;

dmar::unit_config configuration() {
  remap::capabilities caps = wide_part();
  caps.ecap.set_qi(true);
  caps.cap.set_afl(true).set_nfr(3);
  dmar::unit_config config = config_of(caps);
  config.ports = 2;
  config.caches.iotlb = {16, 4, remap::replacement::random, 5};
  config.caches.pde = {4, 2, remap::replacement::pseudo_lru, 6};
  config.caches.context = {2, 0, remap::replacement::fifo, 7};
  return config;
}

constexpr spec::source_id devices[] = {nic, disk, spec::source_id::from_bdf(2, 0, 0)};

struct machine : unit_world {
  explicit machine(const dmar::unit_config& config = configuration()) : unit_world(config) {
    std::uint16_t domain = 3;
    for (const spec::source_id device : devices) {
      tables.attach(device, domain++);
      for (std::uint64_t n = 0; n < pages; ++n)
        tables.map(device, address(n), frame + n * spec::page_size);
    }
  }
  static constexpr std::uint64_t address(std::uint64_t n) { return iova + n * spec::page_size; }
  void start() {
    write_register<reg::iqt>(0);
    write_register<reg::iqa>(reg::iqa::address::of(queue_base >> spec::page_shift));
    write_register<reg::rtaddr>(tables.root());
    write_register<reg::gcmd>(reg::gcmd::srtp::of(1));
    settle();
    write_register<reg::gcmd>(reg::gcmd::te::mask | reg::gcmd::qie::mask);
    settle();
  }
  void descriptor(const spec::invalidation_descriptor& what) {
    const std::uint64_t tail = read_register<reg::iqt>();
    memory.store(queue_base + tail, what.lo);
    memory.store(queue_base + tail + 8, what.hi);
    write_register<reg::iqt>((tail + 16) % spec::queue_bytes(0));
  }
  /// Something stands in every part: all caches, a fault record, the queue.
  void use_all() {
    for (const spec::source_id device : devices) {
      for (std::uint64_t n = 0; n <= pages; ++n)
        read(device, address(n));
    }
    descriptor(page_of(3, address(2)));
    settle();
  }
};

// --- What cannot be saved

std::string refusal_of_saving(machine& m) {
  try {
    (void)m.unit.save(m.now_ps());
  } catch (const snapshot_error& error) {
    return error.what();
  }
  return {};
}

TEST(snapshot, is_refused_while_something_is_under_way_and_says_what) {
  machine m;
  m.start();
  EXPECT_TRUE(m.unit.quiescent(m.now_ps()));
  m.offer(1, nic, access_kind::read, machine::address(0));
  m.run_to(m.wheel.now() + 3);
  EXPECT_FALSE(m.unit.quiescent(m.now_ps()));
  EXPECT_EQ(refusal_of_saving(m), "unit: cannot be saved, requests under way; expected a unit at rest");
  m.settle();
  EXPECT_EQ(refusal_of_saving(m), "");
  const auto suspended = m.unit.enter(false);
  EXPECT_NE(refusal_of_saving(m), "") << "a request that waits downstream";
  m.unit.leave(suspended, m.now_ps());
  m.settle();
  m.hold_tables = true;
  m.offer(2, nic, access_kind::read, machine::address(1));
  m.settle();
  m.unit.reset(false);
  m.settle();
  EXPECT_FALSE(m.unit.has_work_in_flight());
  EXPECT_NE(refusal_of_saving(m), "") << "a walker still waits for the answer to its read";
  ASSERT_EQ(m.held_tables.size(), 1U);
  m.unit.table_answered(m.held_tables[0].first, true, m.held_tables[0].second, m.now_ps());
  m.settle();
  EXPECT_EQ(refusal_of_saving(m), "");
  m.hold_tables = false;
  m.start();
  m.descriptor(all_pages());
  m.run_to(m.wheel.now() + 3);
  EXPECT_NE(refusal_of_saving(m).find("the invalidation queue"), std::string::npos);
  m.settle();
  m.write_register<reg::gcmd>(reg::gcmd::te::mask | reg::gcmd::qie::mask | reg::gcmd::srtp::mask);
  EXPECT_NE(refusal_of_saving(m).find("a command"), std::string::npos);
  m.settle();
  m.unit.write_register(m.unit.registers().offset_of<reg::fedata>(), 4, 1, m.now_ps(), 5000);
  EXPECT_NE(refusal_of_saving(m).find("register writes"), std::string::npos);
}

// --- What cannot be restored

std::string refusal(machine& m, const bytes& from) {
  try {
    m.unit.restore(from, m.now_ps());
  } catch (const snapshot_error& error) {
    return error.what();
  }
  return {};
}

TEST(snapshot, of_another_configuration_is_refused_with_what_differs) {
  machine from;
  const bytes saved = from.unit.save(from.now_ps());
  auto config = configuration();
  config.caches.iotlb.entries = 32;
  machine larger(config);
  EXPECT_EQ(refusal(larger, saved), "unit: snapshot of another configuration, "
                                    "saved with \"iotlb.entries 16\", "
                                    "this unit has \"iotlb.entries 32\"");
  config = configuration();
  config.timing.walkers = 1;
  machine slower(config);
  EXPECT_NE(refusal(slower, saved).find("walkers"), std::string::npos);
  config = configuration();
  config.caps.cap.set_cm(true);
  machine other(config);
  EXPECT_NE(refusal(other, saved).find("cap "), std::string::npos);
}

/// Changes one field after the other; each change must show in the description.
class field_changer {
public:
  explicit field_changer(dmar::unit_config& config)
      : config_(config), before_(dmar::snapshot::describe(config)) {}
  template <class... Fields>
  void each(std::string_view where, Fields&... fields) {
    unsigned place = 0;
    (change(where, place++, fields), ...);
  }
  unsigned changed = 0;

private:
  void change(std::string_view where, unsigned place, remap::cache_shape& shape) {
    auto& [entries, ways, policy, seed] = shape;
    each(std::string(where) + ", shape " + std::to_string(place), entries, ways, policy, seed);
  }
  void change(std::string_view where, unsigned place, spec::cap& value) { change(where, place, value.value); }
  void change(std::string_view where, unsigned place, spec::ecap& value) {
    change(where, place, value.value);
  }
  template <class Number>
  void change(std::string_view where, unsigned place, Number& value) {
    const Number was = value;
    value = static_cast<Number>(static_cast<std::uint64_t>(was) ^ 1);
    EXPECT_NE(dmar::snapshot::describe(config_), before_) << where << ", field " << place;
    value = was;
    EXPECT_EQ(dmar::snapshot::describe(config_), before_);
    ++changed;
  }
  dmar::unit_config& config_;
  std::string before_;
};

// A field that is added to one of these structures does not compile here until it is named, too.
TEST(snapshot, every_field_of_a_configuration_is_described) {
  dmar::unit_config config = configuration();
  field_changer fields(config);
  auto& [name, caps, caches, timing, ports, protect_translated, protected_region_shift, hidden_write_buffer,
         context_domain_compared, whole_domain_tables, compress_faults, queue_address_clears_pointers,
         queue_flushes_write_buffer] = config;
  EXPECT_EQ(name, config.name) << "which alone does not count";
  fields.each("unit", ports, protect_translated, protected_region_shift, hidden_write_buffer,
              context_domain_compared, whole_domain_tables, compress_faults, queue_address_clears_pointers,
              queue_flushes_write_buffer);
  {
    auto& [cap, ecap, host_address_width, version, output_range_check, entry_beats, caches_absent,
           pass_through_checks_width] = caps;
    fields.each("capabilities", cap, ecap, host_address_width, version, output_range_check, entry_beats,
                caches_absent, pass_through_checks_width);
  }
  {
    auto& [context, iotlb, large_iotlb, large_pages_in_pieces, pml5, pml4, pdpe, pde] = caches;
    fields.each("caches", context, iotlb, large_iotlb, large_pages_in_pieces, pml5, pml4, pdpe, pde);
  }
  {
    auto& [lookup, requests, walkers, memory_interval, register_access, command, context_invalidation,
           iotlb_global, iotlb_domain, iotlb_page, drain, descriptor_fetch, descriptor_decode, queue_prefetch,
           status_write, device_invalidation, device_timeout, fault_recording, event_message] = timing;
    auto& [context_lookup, iotlb_lookup, structure_lookup] = lookup;
    fields.each("times", context_lookup, iotlb_lookup, structure_lookup, requests, walkers, memory_interval,
                register_access, command, context_invalidation, iotlb_global, iotlb_domain, iotlb_page, drain,
                descriptor_fetch, descriptor_decode, queue_prefetch, status_write, device_invalidation,
                device_timeout, fault_recording, event_message);
  }
  EXPECT_EQ(fields.changed, 9U + 8 + 7 * 4 + 1 + 21);
}

TEST(snapshot, that_knows_a_property_less_or_more_than_this_unit_is_refused) {
  machine m;
  const bytes saved = m.unit.save(m.now_ps());
  const std::string text = dmar::snapshot::describe(m.unit.config());
  // Behind the magic word and the version.
  constexpr std::size_t at = sizeof(std::uint32_t) + 14 + sizeof(std::uint32_t);
  const auto told_with = [&](const std::string& properties) {
    bytes told = saved;
    const auto length = static_cast<std::uint32_t>(properties.size());
    std::memcpy(&told[at], &length, sizeof(length));
    const auto begin = told.begin() + at + sizeof(length);
    told.erase(begin, begin + static_cast<std::ptrdiff_t>(text.size()));
    const auto* const first = reinterpret_cast<const std::byte*>(properties.data());
    told.insert(told.begin() + at + sizeof(length), first, first + properties.size());
    dmar::snapshot::seal(told);
    return told;
  };
  EXPECT_EQ(refusal(m, told_with(text)), "");
  const std::string last = "protected_region_shift 21\n";
  ASSERT_TRUE(text.ends_with(last));
  EXPECT_EQ(refusal(m, told_with(text.substr(0, text.size() - last.size()))),
            "unit: snapshot of another configuration, saved with \"\", "
            "this unit has \"protected_region_shift 21\"");
  EXPECT_EQ(refusal(m, told_with(text + "another 1\n")),
            "unit: snapshot of another configuration, saved with \"another 1\", this unit has \"\"");
}

TEST(snapshot, of_another_name_is_none_of_another_configuration) {
  machine from;
  auto config = configuration();
  config.name = "another";
  machine to(config);
  EXPECT_EQ(refusal(to, from.unit.save(from.now_ps())), "");
}

TEST(snapshot, of_another_version_is_refused) {
  machine m;
  bytes saved = m.unit.save(m.now_ps());
  // Behind the length and the text of the magic word.
  saved[4 + 14] = std::byte{99};
  dmar::snapshot::seal(saved);
  EXPECT_EQ(refusal(m, saved), "snapshot of version 99, expected version 1");
}

TEST(snapshot, that_is_damaged_anywhere_is_refused_and_leaves_the_unit_alone) {
  machine m;
  m.start();
  m.use_all();
  const bytes saved = m.unit.save(m.now_ps());
  for (std::size_t at = 0; at < saved.size(); at += 1 + saved.size() / 400) {
    bytes wrong = saved;
    wrong[at] ^= std::byte{1};
    EXPECT_NE(refusal(m, wrong), "") << at;
  }
  for (const std::size_t length : {std::size_t{0}, std::size_t{7}, saved.size() / 2, saved.size() - 1}) {
    const bytes cut(saved.begin(), saved.begin() + static_cast<std::ptrdiff_t>(length));
    EXPECT_NE(refusal(m, cut), "") << length;
  }
  EXPECT_EQ(m.unit.save(m.now_ps()), saved);
}

TEST(snapshot, with_a_whole_checksum_and_a_section_cut_off_is_refused) {
  machine m;
  bytes saved = m.unit.save(m.now_ps());
  saved.erase(saved.end() - 12, saved.end() - 8);
  dmar::snapshot::seal(saved);
  EXPECT_NE(refusal(m, saved).find("damaged"), std::string::npos);
}

TEST(snapshot, is_restored_only_into_a_unit_at_rest) {
  machine m;
  m.start();
  const bytes saved = m.unit.save(m.now_ps());
  m.offer(1, nic, access_kind::read, machine::address(0));
  m.run_to(m.wheel.now() + 3);
  EXPECT_NE(refusal(m, saved).find("cannot be restored"), std::string::npos);
}

TEST(snapshot, takes_direct_pointers_away_from_those_who_hold_them) {
  machine m;
  const bytes saved = m.unit.save(m.now_ps());
  m.withdrawn.clear();
  m.unit.restore(saved, m.now_ps());
  ASSERT_FALSE(m.withdrawn.empty());
  EXPECT_EQ(m.withdrawn.back(), std::pair(std::uint64_t{0}, ~std::uint64_t{0}));
}

} // namespace
} // namespace vtd::test
