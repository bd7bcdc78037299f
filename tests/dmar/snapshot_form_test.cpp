// SPDX-License-Identifier: Apache-2.0
// The form of snapshots, which has to stay as long as their version does; what of a configuration counts; and
// which of several reasons against a snapshot is told.

#include "support/queue_driver.h"
#include "vtd/dmar/snapshot.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace vtd::test {
namespace {

namespace reg = spec::reg;
using dmar::snapshot_error;
using dmar::unit_config;
using remap::access_kind;
using bytes = std::vector<std::byte>;

constexpr std::uint64_t iova = 0x40000000;

std::string refusal_of_saving(unit_world& w) {
  try {
    (void)w.unit.save(w.now_ps());
  } catch (const snapshot_error& error) {
    return error.what();
  }
  return {};
}
std::string refusal_of_restoring(unit_world& w, const bytes& from) {
  try {
    w.unit.restore(from, w.now_ps());
  } catch (const snapshot_error& error) {
    return error.what();
  }
  return {};
}

// --- The form of version 1

TEST(snapshot_form, names_every_property_of_the_configuration_in_its_order) {
  EXPECT_EQ(dmar::snapshot::version, 1U) << "a new form is a new version";
  std::string text = dmar::snapshot::describe(config_of(small_part()));
  std::vector<std::string> names;
  for (std::size_t at = 0; at < text.size(); at = text.find('\n', at) + 1)
    names.push_back(text.substr(at, text.find(' ', at) - at));
  std::vector<std::string> expected{"cap",
                                    "ecap",
                                    "version",
                                    "host_address_width",
                                    "output_range_check",
                                    "caches_absent",
                                    "pass_through_checks_width",
                                    "entry_beats"};
  const auto shape = [&expected](const std::string& name) {
    for (const char* part : {".policy", ".entries", ".ways", ".seed"})
      expected.push_back(name + part);
  };
  for (const char* name : {"context", "iotlb", "large_iotlb"})
    shape(name);
  expected.emplace_back("large_pages_in_pieces");
  for (const char* name : {"pml5", "pml4", "pdpe", "pde"})
    shape(name);
  for (const char* name : {"context_lookup",
                           "iotlb_lookup",
                           "structure_lookup",
                           "requests",
                           "walkers",
                           "memory_interval",
                           "register_access",
                           "command",
                           "context_invalidation",
                           "iotlb_invalidation_global",
                           "iotlb_invalidation_domain",
                           "iotlb_invalidation_page",
                           "drain",
                           "descriptor_fetch",
                           "descriptor_decode",
                           "queue_prefetch",
                           "status_write",
                           "device_invalidation",
                           "device_timeout",
                           "fault_recording",
                           "event_message",
                           "ports",
                           "protect_translated",
                           "hidden_write_buffer",
                           "context_domain_compared",
                           "whole_domain_tables",
                           "compress_faults",
                           "queue_address_clears_pointers",
                           "queue_flushes_write_buffer",
                           "protected_region_shift"})
    expected.emplace_back(name);
  EXPECT_EQ(names, expected);
}

TEST(snapshot_form, has_its_sections_in_their_order) {
  unit_world w(config_of(small_part()));
  std::vector<std::string> names;
  for (const auto& section : dmar::snapshot::sections_of(w.unit.save(0)))
    names.push_back(section.name);
  std::vector<std::string> expected{"registers"};
  for (const char* cache :
       {"context_cache", "iotlb", "large_iotlb", "pde_cache", "pdpe_cache", "pml4_cache", "pml5_cache"}) {
    for (const char* part : {" lines", " replacement", " statistics"})
      expected.push_back(std::string(cache) + part);
  }
  for (const char* name : {"page sizes", "protected memory", "state", "pipeline", "faults", "invalidations",
                           "queue", "commands"})
    expected.emplace_back(name);
  EXPECT_EQ(names, expected);
}

// FNV-1a of 64 bits, as its authors give it: offset basis and prime.
TEST(snapshot_form, ends_with_the_checksum_of_all_that_stands_before_it) {
  unit_world w(config_of(small_part()));
  const bytes saved = w.unit.save(0);
  std::uint64_t sum = 14695981039346656037U;
  for (std::size_t at = 0; at + sizeof(sum) < saved.size(); ++at) {
    sum ^= std::to_integer<std::uint64_t>(saved[at]);
    sum *= 1099511628211U;
  }
  std::uint64_t there = 0;
  std::memcpy(&there, saved.data() + saved.size() - sizeof(there), sizeof(there));
  EXPECT_EQ(there, sum);
}

TEST(snapshot_form, that_is_shorter_than_its_checksum_is_cut_off_and_one_of_a_checksum_alone_is_damaged) {
  unit_world w(config_of(small_part()));
  EXPECT_EQ(refusal_of_restoring(w, bytes(7)), "snapshot of 7 bytes is cut off");
  EXPECT_THAT(refusal_of_restoring(w, bytes(8)), testing::HasSubstr("damaged"));
}

// --- What counts of a configuration

TEST(snapshot_form, of_a_unit_that_differs_in_one_property_is_refused_by_its_name) {
  using change = std::pair<std::string, std::function<void(unit_config&)>>;
  std::vector<change> changes{
      {"cap", [](unit_config& c) { c.caps.cap.set_zlr(!c.caps.cap.zlr()); }},
      {"ecap", [](unit_config& c) { c.caps.ecap.set_sc(!c.caps.ecap.sc()); }},
      {"version", [](unit_config& c) { c.caps.version = 0x11; }},
      {"host_address_width", [](unit_config& c) { ++c.caps.host_address_width; }},
      {"output_range_check", [](unit_config& c) { c.caps.output_range_check = !c.caps.output_range_check; }},
      {"pass_through_checks_width",
       [](unit_config& c) { c.caps.pass_through_checks_width = !c.caps.pass_through_checks_width; }},
      {"caches_absent", [](unit_config& c) { c.caps.caches_absent = !c.caps.caches_absent; }},
      {"entry_beats", [](unit_config& c) { c.caps.entry_beats = 3 - c.caps.entry_beats; }},
      {"large_pages_in_pieces",
       [](unit_config& c) { c.caches.large_pages_in_pieces = !c.caches.large_pages_in_pieces; }},
      {"context_lookup", [](unit_config& c) { ++c.timing.lookup.context_lookup; }},
      {"iotlb_lookup", [](unit_config& c) { ++c.timing.lookup.iotlb_lookup; }},
      {"structure_lookup", [](unit_config& c) { ++c.timing.lookup.structure_lookup; }},
      {"requests", [](unit_config& c) { ++c.timing.requests; }},
      {"walkers", [](unit_config& c) { ++c.timing.walkers; }},
      {"memory_interval", [](unit_config& c) { ++c.timing.memory_interval; }},
      {"register_access", [](unit_config& c) { ++c.timing.register_access; }},
      {"command", [](unit_config& c) { ++c.timing.command; }},
      {"context_invalidation", [](unit_config& c) { ++c.timing.context_invalidation; }},
      {"iotlb_invalidation_global", [](unit_config& c) { ++c.timing.iotlb_invalidation_global; }},
      {"iotlb_invalidation_domain", [](unit_config& c) { ++c.timing.iotlb_invalidation_domain; }},
      {"iotlb_invalidation_page", [](unit_config& c) { ++c.timing.iotlb_invalidation_page; }},
      {"drain", [](unit_config& c) { ++c.timing.drain; }},
      {"descriptor_fetch", [](unit_config& c) { ++c.timing.descriptor_fetch; }},
      {"descriptor_decode", [](unit_config& c) { ++c.timing.descriptor_decode; }},
      {"queue_prefetch", [](unit_config& c) { ++c.timing.queue_prefetch; }},
      {"status_write", [](unit_config& c) { ++c.timing.status_write; }},
      {"device_invalidation", [](unit_config& c) { ++c.timing.device_invalidation; }},
      {"device_timeout", [](unit_config& c) { ++c.timing.device_timeout; }},
      {"fault_recording", [](unit_config& c) { ++c.timing.fault_recording; }},
      {"event_message", [](unit_config& c) { ++c.timing.event_message; }},
      {"ports", [](unit_config& c) { ++c.ports; }},
      {"protect_translated", [](unit_config& c) { c.protect_translated = !c.protect_translated; }},
      {"hidden_write_buffer", [](unit_config& c) { c.hidden_write_buffer = !c.hidden_write_buffer; }},
      {"context_domain_compared",
       [](unit_config& c) { c.context_domain_compared = !c.context_domain_compared; }},
      {"whole_domain_tables", [](unit_config& c) { c.whole_domain_tables = !c.whole_domain_tables; }},
      {"compress_faults", [](unit_config& c) { c.compress_faults = !c.compress_faults; }},
      {"queue_address_clears_pointers",
       [](unit_config& c) { c.queue_address_clears_pointers = !c.queue_address_clears_pointers; }},
      {"queue_flushes_write_buffer",
       [](unit_config& c) { c.queue_flushes_write_buffer = !c.queue_flushes_write_buffer; }},
      {"protected_region_shift", [](unit_config& c) { ++c.protected_region_shift; }},
  };
  const std::pair<std::string, remap::cache_shape remap::cache_shapes::*> shapes[] = {
      {"context", &remap::cache_shapes::context},
      {"iotlb", &remap::cache_shapes::iotlb},
      {"large_iotlb", &remap::cache_shapes::large_iotlb},
      {"pml5", &remap::cache_shapes::pml5},
      {"pml4", &remap::cache_shapes::pml4},
      {"pdpe", &remap::cache_shapes::pdpe},
      {"pde", &remap::cache_shapes::pde}};
  for (const auto& [name, member] : shapes) {
    changes.emplace_back(name + ".policy",
                         [member](unit_config& c) { (c.caches.*member).policy = remap::replacement::fifo; });
    changes.emplace_back(name + ".entries", [member](unit_config& c) { (c.caches.*member).entries += 4; });
    changes.emplace_back(name + ".ways", [member](unit_config& c) { (c.caches.*member).ways = 4; });
    changes.emplace_back(name + ".seed", [member](unit_config& c) { (c.caches.*member).seed = 99; });
  }
  unit_world from(config_of(small_part()));
  const bytes saved = from.unit.save(0);
  for (const auto& [name, alter] : changes) {
    unit_config config = config_of(small_part());
    alter(config);
    unit_world to(config);
    EXPECT_THAT(
        refusal_of_restoring(to, saved),
        testing::AllOf(testing::HasSubstr("snapshot of another configuration, saved with \"" + name + ' '),
                       testing::HasSubstr("this unit has \"" + name + ' ')))
        << name;
  }
}

// --- Which reason is told

struct busy_world : unit_world {
  static unit_config configuration() {
    remap::capabilities caps = small_part();
    caps.ecap.set_qi(true);
    return config_of(caps);
  }
  busy_world() : unit_world(configuration()), queue(*this) {
    tables.attach(nic, 3);
    tables.map(nic, iova, 0x7000000);
    enable();
    queue.enable();
    read(nic, iova);
  }
  void ahead() { unit.write_register(reg::fedata::offset, 4, 1, now_ps(), 5000 * period); }
  void request() { offer(1, nic, access_kind::read, iova); }
  void command() {
    write_register<reg::gcmd>(reg::gcmd::te::mask | reg::gcmd::qie::mask | reg::gcmd::srtp::mask);
  }
  void order() { queue.submit(all_pages()); }
  queue_driver queue;
};

TEST(snapshot_form, of_several_reasons_against_it_the_outermost_is_told) {
  using action = void (busy_world::*)();
  const std::pair<action, std::string> reasons[] = {{&busy_world::ahead, "register writes that lie ahead"},
                                                    {&busy_world::request, "requests"},
                                                    {&busy_world::command, "a command of a register"},
                                                    {&busy_world::order, "the invalidation queue"}};
  for (std::size_t first = 0; first < std::size(reasons); ++first) {
    busy_world w;
    for (std::size_t n = std::size(reasons); n-- != first;)
      (w.*reasons[n].first)();
    EXPECT_THAT(refusal_of_saving(w),
                testing::HasSubstr("cannot be saved, " + reasons[first].second + " under way"));
  }
  // A fault that has its record, and whose event has not gone out yet; and one that has no record yet.
  for (const bool recorded : {false, true}) {
    busy_world w;
    w.write_register<reg::fectl>(0);
    w.settle();
    w.offer(1, disk, access_kind::read, iova);
    while (recorded ? w.faults.empty() : w.responses.size() < 2)
      w.run_to(w.wheel.now() + 1);
    EXPECT_THAT(refusal_of_saving(w), testing::HasSubstr("a fault record or a fault event under way"));
    w.order();
    EXPECT_THAT(refusal_of_saving(w), testing::HasSubstr("the invalidation queue under way"));
  }
}

TEST(snapshot_form, what_is_due_is_done_before_the_unit_is_looked_at) {
  for (const bool asks : {false, true}) {
    busy_world w;
    w.command();
    // Nobody drives the wheel; the question comes much later.
    const engine::picoseconds later = w.now_ps() + 500 * unit_world::period;
    if (asks) {
      EXPECT_TRUE(w.unit.quiescent(later));
    } else {
      EXPECT_NO_THROW((void)w.unit.save(later));
    }
    EXPECT_EQ(reg::gsts::rtps::get(w.read_register<reg::gsts>()), 1U);
  }
  busy_world w;
  const bytes saved = w.unit.save(w.now_ps());
  w.command();
  EXPECT_NO_THROW(w.unit.restore(saved, w.now_ps() + 500 * unit_world::period));
}

// --- A unit that took one

TEST(snapshot_form, that_turns_out_damaged_halfway_leaves_a_unit_as_after_power_on) {
  busy_world w;
  // With a fault record, which stays over any reset but that of power.
  w.read(disk, iova);
  w.settle();
  bytes saved = w.unit.save(w.now_ps());
  // The last section cut off: all others have been taken by then.
  const auto sections = dmar::snapshot::sections_of(saved);
  saved.erase(saved.begin() + static_cast<std::ptrdiff_t>(sections.back().begin),
              saved.end() - sizeof(std::uint64_t));
  dmar::snapshot::seal(saved);
  EXPECT_THAT(refusal_of_restoring(w, saved), testing::HasSubstr("damaged"));
  EXPECT_FALSE(w.unit.translation_enabled());
  EXPECT_EQ(w.unit.translator().caches().iotlb().occupancy(), 0U);
  EXPECT_EQ(w.read_register<reg::fsts>(), 0U);
  EXPECT_EQ(w.read_register<reg::frcd_hi>(), 0U);
}

TEST(snapshot_form, with_more_than_its_sections_is_damaged) {
  busy_world w;
  bytes saved = w.unit.save(w.now_ps());
  saved.insert(saved.end() - sizeof(std::uint64_t), 3, std::byte{0});
  dmar::snapshot::seal(saved);
  EXPECT_THAT(refusal_of_restoring(w, saved), testing::HasSubstr("damaged"));
}

TEST(snapshot_form, takes_large_pages_and_protected_regions_along) {
  unit_config config = config_of(wide_part());
  config.caps.cap.set_plmr(true);
  config.protect_translated = true;
  const auto make = [&] {
    auto w = std::make_unique<unit_world>(config);
    w->tables.attach(nic, 3, 4);
    w->tables.map(nic, iova, 0x40000000, read_write, 2);
    w->tables.map(nic, iova + spec::level_size(2), 0x2000000);
    return w;
  };
  const auto first = make();
  first->enable();
  first->write_register<reg::plmbase>(0x2000000);
  first->write_register<reg::plmlimit>(0x2000000);
  first->write_register<reg::pmen>(reg::pmen::epm::of(1));
  first->settle();
  first->read(nic, iova);
  const auto saved = first->unit.save(first->now_ps());
  const auto second = make();
  second->unit.restore(saved, second->now_ps());
  EXPECT_EQ(second->read(nic, iova + 0x12345).address, 0x40012345U);
  EXPECT_TRUE(second->table_reads.empty()) << "the large page is cached";
  EXPECT_EQ(second->read(nic, iova + spec::level_size(2)).how, dmar::completion::blocked) << "protected";
}

TEST(snapshot_form, takes_statistics_and_turns_along) {
  unit_config config = busy_world::configuration();
  config.ports = 2;
  const auto make = [&] {
    auto w = std::make_unique<unit_world>(config);
    w->tables.attach(nic, 3);
    w->tables.map(nic, iova, 0x7000000);
    return w;
  };
  const auto first = make();
  first->enable();
  first->read(nic, iova);
  first->read(disk, iova);
  first->write_register<reg::gcmd>(reg::gcmd::te::mask | reg::gcmd::srtp::mask);
  first->write_register<reg::gcmd>(0);
  ASSERT_TRUE(first->offer(1, nic, access_kind::read, iova, 64, 0));
  first->settle();
  const auto saved = first->unit.save(first->now_ps());
  const auto second = make();
  second->unit.restore(saved, second->now_ps());
  const auto& there = first->unit.statistics();
  const auto& here = second->unit.statistics();
  EXPECT_EQ(here.requests, 3U);
  EXPECT_EQ(here.requests, there.requests);
  EXPECT_EQ(here.walk_reads, there.walk_reads);
  EXPECT_EQ(here.faults, there.faults);
  EXPECT_EQ(here.ignored_orders, 1U) << "while the root table was being taken over";
  // Port 0 had its turn last.
  ASSERT_TRUE(second->offer(10, nic, access_kind::read, iova, 64, 0));
  ASSERT_TRUE(second->offer(11, nic, access_kind::read, iova, 64, 1));
  second->settle();
  EXPECT_EQ(second->admissions.at(0).id, 11U);
}

TEST(snapshot_form, takes_the_counts_of_the_queue_along) {
  busy_world first;
  first.queue.run(all_pages(), interrupt_wait());
  const auto saved = first.unit.save(first.now_ps());
  busy_world second;
  second.unit.restore(saved, second.now_ps());
  EXPECT_EQ(second.unit.statistics().descriptors, 2U);
  EXPECT_EQ(second.unit.statistics().waits, 1U);
}

TEST(snapshot_form, keeps_nothing_of_what_stands_in_invalid_lines) {
  const auto size_of = [](unit_world& w) {
    for (const auto& section : dmar::snapshot::sections_of(w.unit.save(w.now_ps()))) {
      if (section.name == "iotlb lines") return section.size;
    }
    return std::size_t{0};
  };
  busy_world w;
  const std::size_t one = size_of(w);
  w.queue.run(all_pages());
  const std::size_t none = size_of(w);
  EXPECT_LT(none, one);
  w.unit.reset(true);
  EXPECT_EQ(size_of(w), none);
  EXPECT_EQ(size_of(*std::make_unique<unit_world>(busy_world::configuration())), none);
}

TEST(snapshot_form, takes_along_how_long_the_way_to_memory_rests) {
  unit_config config = busy_world::configuration();
  config.timing.memory_interval = 1000;
  const auto make = [&] {
    auto w = std::make_unique<unit_world>(config);
    w->tables.attach(nic, 3);
    w->tables.map(nic, iova, 0x7000000);
    return w;
  };
  const auto first = make();
  first->enable();
  first->read(nic, iova);
  const auto saved = first->unit.save(first->now_ps());
  const engine::cycle left = 1000 - (first->wheel.now() - first->forwards.back().at);
  const auto second = make();
  second->unit.restore(saved, second->now_ps());
  const engine::cycle t = second->wheel.now();
  second->read(nic, iova);
  EXPECT_EQ(second->forwards.at(0).at, t + left);
}

TEST(snapshot_form, takes_along_whose_turn_it_is_to_read) {
  unit_config config = busy_world::configuration();
  config.timing.memory_interval = 1000;
  const auto make = [&] {
    auto w = std::make_unique<unit_world>(config);
    w->tables.attach(nic, 3);
    for (std::uint64_t n = 0; n < 3; ++n)
      w->tables.map(nic, iova + n * spec::page_size, 0x7000000);
    return w;
  };
  const auto first = make();
  first->enable();
  first->read(nic, iova);
  const auto saved = first->unit.save(first->now_ps());
  const auto second = make();
  second->unit.restore(saved, second->now_ps());
  // Two walks wait for the way to memory, which rests; walker 0 read last.
  for (unit_world* each : {first.get(), second.get()}) {
    each->table_reads.clear();
    each->offer(1, nic, access_kind::read, iova + spec::page_size);
    each->run_to(each->wheel.now() + 10);
    each->offer(2, nic, access_kind::read, iova + 2 * spec::page_size);
    each->settle();
    EXPECT_EQ(each->table_reads.at(0).id, 1U);
  }
}

} // namespace
} // namespace vtd::test
