// SPDX-License-Identifier: Apache-2.0
// Rule device-tlb.stale, on a unit that works: translations are asked for, tables change, and the driver
// forgets the device, or does not.
#include "vtd/check/device_tlb_checker.h"

#include "vtd/check/entry_text.h"

#include "support/queue_driver.h"
#include "support/unit_world.h"
#include "vtd/host/sparse_memory.h"
#include "vtd/host/store_path.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <span>
#include <string>

namespace vtd::check {
namespace {

using namespace vtd::test; // NOLINT(google-build-using-namespace)
using remap::access_kind;
using remap::address_type;
namespace reg = spec::reg;

constexpr std::uint16_t domain = 3;
constexpr std::uint64_t iova = 0x40000000;
constexpr std::uint64_t frame = 0x7000000;
constexpr std::uint64_t other_frame = 0x7800000;
constexpr std::uint64_t status_word = 0x800000;
constexpr std::uint64_t two_mb = spec::level_size(2);
constexpr engine::cycle patience = 10'000;

dmar::unit_config part() {
  remap::capabilities caps = wide_part();
  caps.ecap.set_dt(true).set_qi(true).set_nwfs(true);
  dmar::unit_config out = config_of(caps);
  out.name = "DRHD1";
  return out;
}

struct scene : unit_world {
  scene() : unit_world(part()), queue(*this) {
    memory.watch([this](std::uint64_t address, std::uint64_t value) {
      ASSERT_TRUE(path.debug_write(address, std::as_bytes(std::span(&value, 1))));
    });
    for (const spec::source_id device : {nic, disk})
      tables.attach(device, device == nic ? domain : domain + 1, 3, spec::translation_type::with_device_tlb);
    unit.set_observer(&checker);
    enable();
    queue.enable();
  }
  ~scene() { unit.set_observer(nullptr); }
  scene(const scene&) = delete;
  scene& operator=(const scene&) = delete;

  /// A device asks for a translation, and keeps it.
  void ask(std::uint64_t address, spec::source_id device = nic, bool no_write = false) {
    put({device, access_kind::read, address_type::translation_request,
         spec::ats::question{address}.set_no_write(no_write).value},
        spec::ats::translation_bytes);
    ASSERT_EQ(responses.back().how, dmar::completion::done);
  }
  /// It goes to a host address by one.
  void use(std::uint64_t host, access_kind kind = access_kind::write, spec::source_id device = nic) {
    put({device, kind, address_type::translated, host}, 64);
    ASSERT_EQ(responses.back().how, dmar::completion::done);
  }
  /// What the driver does of its duties.
  void invalidate_iotlb(std::uint64_t address = iova, std::uint16_t of = domain) {
    queue.run(page_of(of, address), status_wait(status_word, 1));
  }
  void invalidate_device(std::uint64_t address = iova, unsigned mask = 0, spec::source_id device = nic) {
    queue.run(spec::device_tlb_descriptor{}.set_source(device).set_max_pending(4).set_range(address, mask),
              status_wait(status_word, 2));
  }
  void be_patient() { run_to(wheel.now() + patience); }
  [[nodiscard]] std::size_t found() const {
    EXPECT_EQ(log.count("device-tlb.stale"), [this] {
      std::uint64_t all = 0;
      for (const finding& each : log.findings())
        all += each.count;
      return all;
    }());
    return log.size();
  }
  [[nodiscard]] const finding& only() const {
    EXPECT_EQ(log.size(), 1U);
    return log.findings().at(0);
  }

  bool at_once = false;
  queue_driver queue;
  host::sparse_memory store{std::uint64_t{1} << 32};
  host::store_path path{store, {}};
  finding_log log;
  device_tlb_checker checker{unit.config(), path, log, patience};

  /// `span`: cycles to wait for its end; 0: until nothing is left to do.
  void put(const remap::dma_access& access, std::uint32_t length, engine::cycle span = 0) {
    dmar::request what;
    what.access = access;
    what.length = length;
    if (at_once) {
      const auto passed = unit.pass(what, memory, now_ps());
      const bool ok = passed.leads == dmar::pipeline::passage::way::memory ||
                      passed.leads == dmar::pipeline::passage::way::answered;
      responses.push_back({wheel.now(), 0, 0, ok ? dmar::completion::done : dmar::completion::blocked});
    } else {
      unit.offer(0, what, now_ps());
    }
    span == 0 ? settle() : run_to(wheel.now() + span);
  }
};

TEST(device_tlb_checker, names_device_page_what_it_knows_what_the_tables_say_and_the_forgotten_step) {
  scene s;
  s.tables.map(nic, iova, frame);
  s.ask(iova);
  s.use(frame + 0x40);
  s.tables.unmap(nic, iova);
  s.invalidate_iotlb();
  s.be_patient();
  EXPECT_EQ(s.found(), 0U) << "the device has not used it";
  const engine::cycle before = s.wheel.now();
  s.use(frame + 0x40);
  const finding& f = s.only();
  EXPECT_EQ(f.rule(), "device-tlb.stale");
  EXPECT_EQ(f.unit(), "DRHD1");
  EXPECT_EQ(f.level, severity::error);
  EXPECT_EQ(f.text,
            "01:00.0 goes on with a translation of 0x40000000 that was taken back: write at host address "
            "0x7000040; the tables say not mapped; forgotten: device-TLB invalidation");
  EXPECT_EQ(f.find("device"), "01:00.0");
  EXPECT_EQ(f.find("request"), "translated write of 64 bytes at 0x7000040");
  EXPECT_EQ(f.find("input page"), "0x40000000");
  EXPECT_EQ(f.find("domain"), "3");
  EXPECT_EQ(f.find("device knows").substr(0, 64),
            "read-write, 4 KB at host address 0x7000000 for 0x40000000, told ");
  EXPECT_EQ(f.find("tables say"), "not mapped");
  EXPECT_EQ(f.find("IOTLB").substr(0, 21), "invalidated at cycle ");
  EXPECT_EQ(f.find("forgotten"), "device-TLB invalidation of 01:00.0 for 0x40000000");
  EXPECT_NE(f.find("remedy").find("6.5.2.5"), std::string_view::npos);
  EXPECT_GT(f.first, before);
  s.use(frame + 0x80);
  EXPECT_EQ(s.only().count, 2U);
  EXPECT_EQ(s.checker.stale_uses(), 2U);
}

TEST(device_tlb_checker, says_nothing_of_a_driver_that_does_all) {
  scene s;
  for (const std::uint64_t to : {frame, other_frame, frame}) {
    s.tables.map(nic, iova, to);
    s.invalidate_iotlb();
    s.use(frame); // the device goes on until it is told
    s.invalidate_device();
    s.ask(iova);
    s.use(to);
    s.be_patient();
  }
  s.checker.finish(s.wheel.now());
  EXPECT_EQ(s.found(), 0U);
}

TEST(device_tlb_checker, says_nothing_while_the_iotlb_is_not_invalidated) {
  scene s;
  s.tables.map(nic, iova, frame);
  s.tables.map(disk, iova, frame);
  s.ask(iova);
  s.tables.unmap(nic, iova);
  s.use(frame);
  s.invalidate_iotlb(iova, domain + 1);
  s.invalidate_iotlb(iova + spec::page_size);
  s.be_patient();
  s.use(frame);
  EXPECT_EQ(s.found(), 0U) << "of another domain, of another page";
  EXPECT_EQ(s.checker.stale_uses(), 0U);
}

TEST(device_tlb_checker, waits_so_long_for_the_invalidation_and_no_longer) {
  for (const bool in_time : {true, false}) {
    scene s;
    s.tables.map(nic, iova, frame);
    s.ask(iova);
    s.tables.unmap(nic, iova);
    s.invalidate_iotlb();
    s.use(frame);
    EXPECT_EQ(s.checker.stale_uses(), 1U);
    s.checker.finish(s.wheel.now());
    EXPECT_EQ(s.found(), 0U) << "the driver may be on its way";
    if (in_time) s.invalidate_device();
    s.be_patient();
    s.checker.finish(s.wheel.now());
    EXPECT_EQ(s.found(), in_time ? 0U : 1U);
    // Nothing takes back what was reported.
    s.invalidate_device();
    EXPECT_EQ(s.found(), in_time ? 0U : 1U);
    EXPECT_EQ(s.checker.known(), 0U);
  }
}

TEST(device_tlb_checker, reports_at_the_cycle_at_which_patience_ends) {
  scene s;
  s.tables.map(nic, iova, frame);
  s.ask(iova);
  s.tables.unmap(nic, iova);
  s.invalidate_iotlb();
  s.use(frame);
  const engine::cycle seen = s.wheel.now();
  engine::cycle due = seen;
  for (; s.found() == 0 && due < seen + 2 * patience; ++due)
    s.checker.finish(due);
  const std::string at(s.only().find("IOTLB").substr(21));
  EXPECT_EQ(due - 1, std::stoull(at) + patience);
  EXPECT_LT(s.only().first, due - 1) << "the time of the use";
}

TEST(device_tlb_checker, an_invalidation_of_another_device_or_place_is_none) {
  scene s;
  s.tables.map(nic, iova, frame);
  s.ask(iova);
  s.tables.unmap(nic, iova);
  s.invalidate_iotlb();
  s.invalidate_device(iova, 0, disk);
  s.invalidate_device(iova + spec::page_size);
  s.be_patient();
  s.use(frame);
  EXPECT_EQ(s.found(), 1U);
}

TEST(device_tlb_checker, an_invalidation_before_that_of_the_iotlb_does_not_help_if_the_device_asks_between) {
  scene s;
  s.tables.map(nic, iova, frame);
  s.ask(iova);
  s.tables.map(nic, iova, other_frame);
  s.invalidate_device();
  s.ask(iova); // from the IOTLB: the old page
  s.invalidate_iotlb();
  s.be_patient();
  s.use(frame);
  EXPECT_EQ(s.only().find("tables say"), "read-write, host page 0x7800000");
}

TEST(device_tlb_checker, only_a_right_that_was_taken_away_and_is_used_counts) {
  scene s;
  s.tables.map(nic, iova, frame);
  s.ask(iova);
  s.tables.map(nic, iova, frame, read_only);
  s.invalidate_iotlb();
  s.be_patient();
  s.use(frame, access_kind::read);
  EXPECT_EQ(s.found(), 0U);
  s.use(frame, access_kind::write);
  EXPECT_EQ(s.only().find("tables say"), "read-only, host page 0x7000000");
  // More than the device knows of harms nobody.
  scene more;
  more.tables.map(nic, iova, frame);
  more.ask(iova, nic, true);
  more.tables.map(nic, iova, frame, read_only);
  more.invalidate_iotlb();
  more.be_patient();
  more.use(frame, access_kind::read);
  EXPECT_EQ(more.found(), 0U) << "it never had the right to write";
  // Nor can it come by that translation where it was not told that it may.
  more.tables.unmap(nic, iova);
  more.invalidate_iotlb();
  more.be_patient();
  more.use(frame, access_kind::write);
  EXPECT_EQ(more.found(), 0U);
  more.use(frame, access_kind::read);
  EXPECT_EQ(more.found(), 1U);
}

TEST(device_tlb_checker, knows_what_the_device_was_told_last) {
  scene s;
  s.tables.map(nic, iova, frame);
  s.ask(iova);
  s.tables.map(nic, iova, other_frame);
  s.invalidate_iotlb();
  s.ask(iova);
  s.use(other_frame);
  s.tables.unmap(nic, iova);
  s.invalidate_iotlb();
  s.be_patient();
  s.use(other_frame);
  EXPECT_EQ(s.only().find("request"), "translated write of 64 bytes at 0x7800000");
  s.use(frame);
  EXPECT_EQ(s.found(), 1U) << "it had to forget this one to ask again";
}

TEST(device_tlb_checker, what_a_device_is_told_while_it_forgets_is_new) {
  scene s;
  s.tables.map(nic, iova, frame);
  s.ask(iova);
  s.devices_answer = false;
  s.queue.submit(spec::device_tlb_descriptor{}.set_source(nic).set_max_pending(4).set_range(iova, 0));
  s.run_to(s.wheel.now() + 100);
  EXPECT_EQ(s.checker.known(), 0U);
  s.put({nic, access_kind::read, address_type::translation_request, iova}, spec::ats::translation_bytes, 200);
  EXPECT_EQ(s.checker.known(), 1U);
  s.unit.device_completed({nic, 1U << s.invalidations.back().second.tag, 1}, s.now_ps());
  s.settle();
  EXPECT_EQ(s.checker.known(), 1U);
}

TEST(device_tlb_checker, says_nothing_where_the_page_is_back_or_the_device_was_told_again) {
  for (const bool asks : {false, true}) {
    scene s;
    s.tables.map(nic, iova, frame);
    s.ask(iova);
    s.tables.unmap(nic, iova);
    s.invalidate_iotlb();
    s.be_patient();
    s.tables.map(nic, iova, frame);
    if (asks) s.ask(iova);
    s.use(frame);
    EXPECT_EQ(s.found(), 0U);
  }
}

TEST(device_tlb_checker, says_nothing_where_another_translation_leads_to_the_same_place) {
  scene s;
  const std::uint64_t alias = iova + 7 * spec::page_size;
  s.tables.map(nic, iova, frame);
  s.tables.map(nic, alias, frame);
  s.ask(iova);
  s.ask(alias);
  s.tables.unmap(nic, iova);
  s.invalidate_iotlb();
  s.be_patient();
  s.use(frame);
  EXPECT_EQ(s.found(), 0U);
  s.use(frame, access_kind::write, disk);
  EXPECT_EQ(s.found(), 0U) << "a device that was told nothing lies, which is no mistake of the driver";
}

TEST(device_tlb_checker, looks_at_the_page_of_a_large_translation_that_changed) {
  scene s;
  s.tables.map(nic, iova, two_mb * 8, read_write, 2);
  s.ask(iova + 5 * spec::page_size);
  // Split, but for one page the same.
  const std::uint64_t gone = iova + 3 * spec::page_size;
  s.tables.unmap(nic, iova, 2);
  for (std::uint64_t at = 0; at < two_mb; at += spec::page_size)
    s.tables.map(nic, iova + at, two_mb * 8 + at);
  s.tables.unmap(nic, gone);
  s.queue.run(page_of(domain, iova, 9), status_wait(status_word, 1));
  s.be_patient();
  s.use(two_mb * 8);
  s.use(two_mb * 8 + 4 * spec::page_size);
  EXPECT_EQ(s.found(), 0U);
  s.use(two_mb * 8 + 3 * spec::page_size + 0x80);
  EXPECT_EQ(s.only().find("input page"), hex(gone));
  EXPECT_EQ(s.only().find("device knows").substr(0, 16), "read-write, 2 MB");
  s.invalidate_device(gone);
  EXPECT_EQ(s.checker.known(), 0U) << "a device forgets all of it";
}

TEST(device_tlb_checker, hears_invalidations_of_every_granularity_by_queue_and_register) {
  for (const bool by_queue : {true, false}) {
    for (const auto how : {spec::iotlb_granularity::global, spec::iotlb_granularity::domain}) {
      scene s;
      s.tables.map(nic, iova, frame);
      s.ask(iova);
      s.tables.unmap(nic, iova);
      if (by_queue) {
        s.queue.run(spec::iotlb_descriptor{}.set_granularity(how).set_domain_id(domain));
      } else {
        s.queue.disable();
        s.settle();
        how == spec::iotlb_granularity::global ? s.invalidate_iotlb_global()
                                               : s.invalidate_iotlb_domain(domain);
        s.settle();
      }
      s.be_patient();
      s.use(frame);
      EXPECT_EQ(s.found(), 1U) << by_queue << static_cast<unsigned>(how);
    }
  }
}

TEST(device_tlb_checker, sees_what_passes_at_once_as_well) {
  scene s;
  s.at_once = true;
  s.tables.map(nic, iova, frame);
  s.ask(iova);
  s.tables.unmap(nic, iova);
  s.invalidate_iotlb();
  s.be_patient();
  s.use(frame);
  EXPECT_EQ(s.found(), 1U);
}

TEST(device_tlb_checker, knows_nothing_after_a_reset) {
  scene s;
  s.tables.map(nic, iova, frame);
  s.ask(iova);
  EXPECT_EQ(s.checker.known(), 1U);
  s.unit.reset(false);
  EXPECT_EQ(s.checker.known(), 0U);
}

TEST(device_tlb_checker, keeps_nothing_of_answers_without_rights_and_of_interrupt_addresses) {
  scene s;
  s.ask(iova);
  s.ask(spec::interrupt_range_first);
  EXPECT_EQ(s.checker.known(), 0U);
}

TEST(device_tlb_checker, a_page_of_a_domain_that_the_device_left_counts_too) {
  scene s;
  s.tables.map(nic, iova, frame);
  s.tables.map(disk, iova, other_frame);
  s.ask(iova);
  const auto theirs = s.tables.context(disk);
  s.tables.set_context(nic, theirs);
  s.queue.run(
      all_contexts(),
      spec::iotlb_descriptor{}.set_granularity(spec::iotlb_granularity::domain).set_domain_id(domain));
  s.be_patient();
  s.use(frame);
  EXPECT_EQ(s.only().find("tables say"), "read-write, host page 0x7800000");
}

} // namespace
} // namespace vtd::check
