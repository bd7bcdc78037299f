// SPDX-License-Identifier: Apache-2.0
// Our unit against QEMU's. Skipped with a reason where there is no QEMU.

#include "vtdsim/differential/compare.h"
#include "vtdsim/differential/interruption.h"
#include "vtdsim/differential/table_writer.h"
#include "vtdsim/differential/verb.h"

#include "vtd/spec/registers.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <unistd.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>

namespace {

using namespace vtdsim::differential; // NOLINT(google-build-using-namespace)
namespace reg = vtd::spec::reg;
namespace spec = vtd::spec;

#define SKIP_IF_IT_WAS(document)                                                                             \
  if ((document).contains("skipped")) GTEST_SKIP() << (document)["skipped"].get<std::string>()

TEST(qemu, three_hundred_random_programs_agree) {
  options what;
  what.programs = 300;
  what.seed = 20;
  const report got = run(what);
  const auto document = nlohmann::json::parse(got.json);
  SKIP_IF_IT_WAS(document);
  EXPECT_EQ(got.status, 0) << got.text;
  EXPECT_EQ(document["programs"], 300);
  EXPECT_TRUE(document["divergences"].empty());
  EXPECT_GT(document["operations"], 10000);
  EXPECT_GT(document["dmas"], 1000);
  EXPECT_GT(document["faults"]["LSL.2"], 0);
  for (const char* kind :
       {"context cache", "IOTLB", "interrupt entry cache", "wait", "wait, status", "refused"})
    EXPECT_GT(document["descriptors"][kind], 0) << kind;
}

TEST(qemu, a_difference_that_nobody_explains_is_made_small_and_fails) {
  // A 64-bit access that is not aligned is undefined (VT-d 10.2): QEMU makes two of it, we refuse it.
  const std::string file =
      (std::filesystem::temp_directory_path() / ("vtdsim_replay_" + std::to_string(::getpid()))).string();
  std::ofstream(file) << "variant narrow\n"
                         "read 0x8 8\n"
                         "write 0x3c 4 0x1234\n"
                         "store 0x110000 7\n"
                         "write 0x3c 8 0xfee0000000004321 # the only step that is needed\n"
                         "dma 0 read 0x200000 0 16\n"
                         "read 0x10 8\n";
  options what;
  what.replay = file;
  const report got = run(what);
  std::filesystem::remove(file);
  const auto document = nlohmann::json::parse(got.json);
  SKIP_IF_IT_WAS(document);
  EXPECT_EQ(got.status, 1);
  ASSERT_EQ(document["divergences"].size(), 1U);
  const auto& found = document["divergences"][0];
  EXPECT_EQ(found["variant"], "narrow");
  ASSERT_EQ(found["steps"].size(), 1U) << got.text;
  EXPECT_EQ(found["steps"][0].get<std::string>().rfind("write 0x3c 8", 0), 0U);
}

TEST(qemu, a_series_that_is_interrupted_tells_what_it_has_seen_and_fails) {
  // A signal ends the process by default: here it waits, also for the thread that sends it.
  const interruption held;
  const std::jthread sender([] {
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    ::kill(::getpid(), SIGINT);
  });
  options what;
  what.programs = 1'000'000;
  what.seed = 20;
  const report got = run(what);
  const auto document = nlohmann::json::parse(got.json);
  SKIP_IF_IT_WAS(document);
  EXPECT_EQ(got.status, 1) << got.text;
  EXPECT_EQ(document["stopped"], true);
  EXPECT_LT(document["programs"], what.programs);
  EXPECT_TRUE(document["divergences"].empty());
  EXPECT_NE(got.text.find("stopped before the end"), std::string::npos) << got.text;
}

TEST(interruption, holds_a_signal_back_until_it_is_asked_for) {
  const interruption signals;
  EXPECT_FALSE(signals.came());
  ::kill(::getpid(), SIGTERM);
  EXPECT_TRUE(signals.came());
  EXPECT_FALSE(signals.came());
}

/// A program by hand: tables by helpers, one device in one domain, and what the deviations need.
class known_deviation : public testing::Test {
protected:
  void SetUp() override {
    const std::string qemu = find_program("qemu-system-x86_64");
    if (qemu.empty()) GTEST_SKIP() << "qemu-system-x86_64 is not installed";
    made.how = find_variant("wide");
    try {
      both = std::make_unique<comparer>(qemu, *made.how);
    } catch (const qemu_error& error) {
      GTEST_SKIP() << error.what();
    }
    if (!both->qemu_version().starts_with("7.2.")) GTEST_SKIP() << "QEMU " << both->qemu_version();
    in.id = 3;
    in.levels = 4;
    in.top = tables.new_table();
    root = tables.new_root();
  }

  void attach(spec::context_entry entry) {
    entry.set_present(true).set_domain_id(in.id).set_second_level_table(in.top).set_address_width(2);
    tables.set_context(tables.context_entry(root, devices[0]), entry, "device 0");
  }
  void map(std::uint64_t iova, bool read, bool write) {
    tables.map(in, {.iova = iova, .host = layout::data, .level = 1, .read = read, .write = write});
  }
  void write(std::uint32_t offset, unsigned bytes, std::uint64_t value) {
    made.steps.push_back(
        {.kind = step_kind::write_register, .address = offset, .value = value, .bytes = bytes, .note = ""});
  }
  void enable() {
    write(reg::rtaddr::offset, 8, root);
    write(reg::gcmd::offset, 4, reg::gcmd::srtp::mask);
    write(reg::gcmd::offset, 4, reg::gcmd::te::mask);
  }
  void dma(bool to_memory, std::uint64_t address, std::uint32_t bytes = 16) {
    made.steps.push_back({.kind = step_kind::dma, .what = {0, to_memory, address, 0, bytes}, .note = ""});
  }
  void queue_on() {
    write(reg::iqa::offset, 8, layout::queue);
    write(reg::gcmd::offset, 4, reg::gcmd::qie::mask);
  }
  void submit(const spec::invalidation_descriptor& what) {
    made.steps.push_back({.kind = step_kind::submit, .address = what.lo, .value = what.hi, .note = ""});
  }
  static spec::wait_descriptor wait(std::uint64_t status = layout::data) {
    return spec::wait_descriptor{}.set_status_write(true).set_status_address(status).set_status_data(0x5a5a);
  }
  void free_record() {
    write(made.how->capabilities().cap.fault_record_offset() + 12, 4, reg::frcd_hi::f::mask >> 32);
  }
  comparison expect(std::string_view name) {
    comparison seen = both->run(made);
    if (seen.unexplained) ADD_FAILURE() << to_string(*seen.unexplained);
    EXPECT_EQ(seen.explained.count(name), 1U) << name;
    return seen;
  }
  // Nothing of the queue is different, but what IQA reads.
  comparison expect_the_same() {
    comparison seen = both->run(made);
    if (seen.unexplained) ADD_FAILURE() << to_string(*seen.unexplained);
    for (const auto& [name, count] : seen.explained)
      EXPECT_TRUE(name == "queue_address_read" || name == "fault_record_pasid") << name << ": " << count;
    return seen;
  }

  program made;
  std::unique_ptr<comparer> both;
  table_writer tables{made.steps};
  domain in;
  std::uint64_t root = 0;
  static constexpr std::uint64_t page = 0x12345000;
};

TEST_F(known_deviation, records_have_all_ones_for_a_pasid) {
  attach({});
  enable();
  dma(false, page);
  expect("fault_record_pasid");
}

TEST_F(known_deviation, records_have_address_bits_beyond_mgaw) {
  attach({});
  enable();
  dma(false, page | std::uint64_t{1} << 50);
  expect("fault_record_address");
}

TEST_F(known_deviation, a_second_fault_of_a_requester_is_dropped_by_both) {
  attach({});
  enable();
  dma(false, page);
  dma(true, page);
  expect("fault_compression");
}

TEST_F(known_deviation, a_freed_record_leaves_the_event_pending) {
  attach({});
  enable();
  dma(false, page);
  free_record();
  expect("fault_event_pending");
}

TEST_F(known_deviation, the_root_table_register_keeps_reserved_bits) {
  write(reg::rtaddr::offset, 8, ~std::uint64_t{0});
  expect("root_table_bits");
}

TEST_F(known_deviation, a_domain_of_contexts_becomes_all_contexts) {
  write(reg::ccmd::offset, 8, reg::ccmd::icc::of(1) | reg::ccmd::cirg::of(2) | reg::ccmd::did::of(in.id));
  expect("context_granularity");
}

TEST_F(known_deviation, a_cached_page_without_the_right_is_refused_in_silence) {
  attach({});
  map(page, true, false);
  enable();
  dma(false, page);
  dma(true, page);
  expect("cached_rights");
}

TEST_F(known_deviation, a_page_that_is_not_cached_is_refused_with_a_record) {
  attach({});
  map(page, true, false);
  enable();
  dma(true, page);
  const comparison seen = both->run(made);
  EXPECT_FALSE(seen.unexplained);
  EXPECT_EQ(seen.explained.count("cached_rights"), 0U);
  EXPECT_EQ(seen.faults.at("LGN.2"), 1U);
}

TEST_F(known_deviation, pass_through_has_no_width) {
  spec::context_entry entry;
  attach(entry.set_translation_type(spec::translation_type::pass_through));
  enable();
  dma(false, std::uint64_t{1} << 50);
  expect("pass_through_width");
}

TEST_F(known_deviation, a_reserved_bit_is_recorded_in_spite_of_fpd) {
  spec::context_entry entry;
  entry.set_fault_processing_disable(true);
  entry.lo |= spec::context_entry::eviction_hint_field::mask; // reserved where ECAP.CH = 0
  attach(entry);
  enable();
  dma(false, page);
  expect("context_reserved_hidden");
}

TEST_F(known_deviation, rights_are_looked_at_before_reserved_bits) {
  attach({});
  map(page, true, false);
  const std::uint64_t leaf = tables.entry_of(in, page, 1);
  tables.store(leaf, tables.load(leaf) | spec::second_level_entry::snoop_field::mask, "reserved without SC");
  enable();
  dma(true, page);
  expect("order_of_checks");
}

TEST_F(known_deviation, without_an_invalidation_old_and_new_are_both_right) {
  made.choice.iotlb = false;
  made.choice.structure_caches = false;
  attach({});
  map(page, true, true);
  enable();
  dma(true, page);
  tables.map(in,
             {.iova = page, .host = layout::data + layout::page, .level = 1, .read = true, .write = true});
  dma(true, page + 64);
  expect("stale_translation");
}

TEST_F(known_deviation, a_page_is_used_though_its_context_was_invalidated) {
  attach({});
  map(page, true, true);
  enable();
  dma(true, page);
  const std::uint64_t at = tables.context_entry(root, devices[0]);
  tables.set_context(at, tables.context(at).set_present(false), "not present");
  write(reg::ccmd::offset, 8, reg::ccmd::icc::of(1) | reg::ccmd::cirg::of(1));
  dma(true, page + 64);
  expect("iotlb_by_requester");
}

TEST_F(known_deviation, pass_through_goes_on_until_an_invalidation) {
  made.choice.context_cache = false;
  spec::context_entry entry;
  attach(entry.set_translation_type(spec::translation_type::pass_through));
  enable();
  const std::uint64_t at = tables.context_entry(root, devices[0]);
  tables.set_context(at, tables.context(at).set_present(false), "not present");
  dma(true, layout::data);
  expect("early_pass_through");
}

// --- The invalidation queue

TEST_F(known_deviation, iqa_reads_where_the_queue_was_enabled) {
  write(reg::iqa::offset, 8, layout::queue);
  expect("queue_address_read");
}

TEST_F(known_deviation, the_data_of_the_invalidation_event_has_an_upper_half) {
  write(reg::iedata::offset, 4, 0x12340021);
  expect("event_data_high");
}

TEST_F(known_deviation, the_queue_is_moved_while_it_is_on) {
  queue_on();
  write(reg::iqa::offset, 8, layout::queue | reg::iqa::qs::of(1));
  expect("queue_address_moved");
}

TEST_F(known_deviation, an_order_by_register_is_never_over_while_the_queue_is_on) {
  queue_on();
  write(reg::ccmd::offset, 8, reg::ccmd::icc::of(1) | reg::ccmd::cirg::of(1));
  expect("queue_orders_by_register");
}

TEST_F(known_deviation, an_order_by_register_is_over_while_the_queue_is_off) {
  queue_on();
  submit(wait());
  write(reg::gcmd::offset, 4, 0);
  write(reg::ccmd::offset, 8, reg::ccmd::icc::of(1) | reg::ccmd::cirg::of(1));
  expect_the_same();
}

TEST_F(known_deviation, the_queue_goes_on_when_its_error_is_cleared) {
  queue_on();
  submit({});
  made.steps.push_back({.kind = step_kind::store, .address = layout::queue, .value = wait().lo, .note = ""});
  made.steps.push_back(
      {.kind = step_kind::store, .address = layout::queue + 8, .value = wait().hi, .note = ""});
  write(reg::fsts::offset, 4, reg::fsts::iqe::mask);
  const comparison seen = expect("queue_resumes");
  EXPECT_EQ(seen.descriptors.at("refused"), 1U);
  EXPECT_EQ(seen.descriptors.at("wait, status"), 1U);
}

TEST_F(known_deviation, a_queue_that_never_did_anything_stays_on) {
  queue_on();
  write(reg::gcmd::offset, 4, 0);
  expect("queue_stays_on");
}

TEST_F(known_deviation, a_wait_without_purpose_is_an_error) {
  queue_on();
  submit(spec::wait_descriptor{}.set_fence(true));
  expect("wait_for_nothing");
}

TEST_F(known_deviation, a_status_that_leads_nowhere_stops_both_queues_at_the_wait) {
  queue_on();
  submit(wait(layout::nowhere));
  submit(wait());
  EXPECT_EQ(expect_the_same().descriptors.at("refused"), 1U);
}

TEST_F(known_deviation, types_that_the_part_does_not_have_are_taken) {
  queue_on();
  submit(spec::interrupt_entry_cache_descriptor{});
  EXPECT_EQ(expect("descriptor_not_checked").descriptors.at("refused"), 1U);
}

TEST_F(known_deviation, what_both_queues_refuse_is_none) {
  queue_on();
  submit({}); // of no type
  submit(wait());
  EXPECT_EQ(expect_the_same().descriptors.at("refused"), 1U);
}

TEST_F(known_deviation, a_queue_of_meaningful_descriptors_is_none) {
  attach({});
  map(page, true, true);
  enable();
  queue_on();
  write(reg::gcmd::offset, 4, reg::gcmd::te::mask | reg::gcmd::qie::mask);
  dma(true, page);
  tables.map(in,
             {.iova = page, .host = layout::data + layout::page, .level = 1, .read = true, .write = true});
  submit(spec::iotlb_descriptor{}
             .set_granularity(spec::iotlb_granularity::page)
             .set_domain_id(in.id)
             .set_address(page));
  submit(wait());
  submit(spec::wait_descriptor{}.set_interrupt(true));
  dma(true, page + 64);
  const comparison seen = expect_the_same();
  EXPECT_EQ(seen.dmas, 2U);
  EXPECT_EQ(seen.descriptors.at("IOTLB"), 1U);
}

} // namespace
