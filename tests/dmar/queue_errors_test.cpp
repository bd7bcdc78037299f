// SPDX-License-Identifier: Apache-2.0
// What stops the invalidation queue, what the unit says of it, and how it goes on (VT-d 6.5.2.10, 10.4.29).

#include "support/queue_scene.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace vtd::test {
namespace {

using namespace queue_tests; // NOLINT(google-build-using-namespace)
namespace reg = spec::reg;

// --- What is wrong

struct wrong_case {
  std::string name;
  spec::invalidation_descriptor what;
  spec::queue_error why;
};

TEST(queue_errors, stops_at_a_wrong_descriptor_and_says_why) {
  using spec::invalidation_descriptor;
  using spec::queue_error;
  const auto with = [](invalidation_descriptor d, std::uint64_t lo, std::uint64_t hi = 0) {
    d.lo |= lo;
    d.hi |= hi;
    return d;
  };
  const auto bit = [](unsigned n) { return std::uint64_t{1} << n; };
  std::vector<wrong_case> cases{
      {"type 0", {0, 0}, queue_error::invalid_type},
      {"device-TLB without DT", spec::device_tlb_descriptor{}.set_source(nic), queue_error::invalid_type},
      {"interrupt entries without IR", spec::interrupt_entry_cache_descriptor{}, queue_error::invalid_type},
      {"PASID-based", {6, 0}, queue_error::invalid_type},
      {"type beyond 15", with(all_pages(), bit(9)), queue_error::invalid_type},
      {"context without granularity", spec::context_cache_descriptor{}, queue_error::reserved_field},
      {"pages without granularity", spec::iotlb_descriptor{}, queue_error::reserved_field},
      {"mask above MAMV", page_of(domain, 0, 10), queue_error::reserved_field},
      {"page drain", spec::wait_descriptor{}.set_page_request_drain(true), queue_error::reserved_field},
      {"status beyond memory", status_wait(bit(36), 1), queue_error::reserved_field},
  };
  for (const unsigned n : {6U, 8U, 12U, 15U, 50U, 63U})
    cases.push_back(
        {"context bit " + std::to_string(n), with(all_contexts(), bit(n)), queue_error::reserved_field});
  for (const unsigned n : {0U, 63U})
    cases.push_back({"context bit 64+" + std::to_string(n), with(all_contexts(), 0, bit(n)),
                     queue_error::reserved_field});
  for (const unsigned n : {8U, 12U, 15U, 32U, 63U})
    cases.push_back(
        {"IOTLB bit " + std::to_string(n), with(all_pages(), bit(n)), queue_error::reserved_field});
  for (const unsigned n : {7U, 11U})
    cases.push_back(
        {"IOTLB bit 64+" + std::to_string(n), with(all_pages(), 0, bit(n)), queue_error::reserved_field});
  for (const unsigned n : {8U, 12U, 31U})
    cases.push_back(
        {"wait bit " + std::to_string(n), with(interrupt_wait(), bit(n)), queue_error::reserved_field});
  for (const unsigned n : {0U, 1U})
    cases.push_back(
        {"wait bit 64+" + std::to_string(n), with(interrupt_wait(), 0, bit(n)), queue_error::reserved_field});
  for (const wrong_case& each : cases) {
    auto caps = queue_part();
    caps.version = 0x30;
    scene s(caps);
    s.make_stale(0);
    s.queue.run(status_wait(status_word, 1), each.what, all_pages(), status_wait(status_word, 2));
    EXPECT_TRUE(s.queue.failed()) << each.name;
    EXPECT_EQ(s.queue.error(), each.why) << each.name;
    EXPECT_EQ(s.queue.head(), 16U) << each.name << ": IQH stays at it";
    EXPECT_EQ(s.status(), 1U) << each.name << ": what stood before it was done";
    EXPECT_TRUE(s.is_stale(0)) << each.name << ": what stands behind it was not";
    EXPECT_EQ(s.unit.statistics().queue_errors, 1U) << each.name;
    // What software can do about it: another descriptor in its place.
    s.queue.put(16, all_pages());
    s.queue.clear_error();
    s.settle();
    EXPECT_FALSE(s.queue.failed()) << each.name;
    EXPECT_FALSE(s.is_stale(0)) << each.name;
    EXPECT_EQ(s.status(), 2U) << each.name;
  }
}

TEST(queue_errors, fields_that_capabilities_allow_are_no_error) {
  auto caps = queue_part();
  caps.ecap.set_ir(true).set_mhmv(3).set_pds(true);
  scene s(caps);
  s.queue.run(spec::interrupt_entry_cache_descriptor{}.set_index_selective(true).set_index_mask(3),
              spec::wait_descriptor{}.set_page_request_drain(true), page_of(domain, 0, 9));
  EXPECT_FALSE(s.queue.failed());
  s.queue.run(spec::interrupt_entry_cache_descriptor{}.set_index_selective(true).set_index_mask(4));
  EXPECT_TRUE(s.queue.failed()) << "IM above MHMV";
}

TEST(queue_errors, a_page_descriptor_is_wrong_without_page_selective_invalidation) {
  auto caps = queue_part();
  caps.cap.set_psi(false);
  scene s(caps);
  s.queue.run(page_of(domain, page(0)));
  EXPECT_TRUE(s.queue.failed());
}

TEST(queue_errors, the_upper_half_of_a_wide_descriptor_is_reserved) {
  for (const unsigned word : {2U, 3U}) {
    scene s(config_of(later_part()), 0, true);
    s.queue.push(all_pages());
    s.memory.store(s.queue.base() + 8 * word, std::uint64_t{1} << 63);
    s.queue.ring();
    s.settle();
    EXPECT_TRUE(s.queue.failed());
    EXPECT_EQ(s.queue.error(), spec::queue_error::reserved_field);
    EXPECT_EQ(s.queue.head(), 0U);
  }
}

TEST(queue_errors, a_descriptor_that_cannot_be_read_stops_it) {
  auto caps = queue_part();
  caps.version = 0x30;
  scene s(caps);
  s.memory.fail(s.queue.base() + 16);
  s.queue.run(status_wait(status_word, 1), status_wait(status_word, 2));
  EXPECT_TRUE(s.queue.failed());
  EXPECT_EQ(s.queue.error(), spec::queue_error::fetch_failed);
  EXPECT_EQ(s.queue.head(), 16U);
  s.memory.heal();
  s.queue.clear_error();
  s.settle();
  EXPECT_EQ(s.status(), 2U);
}

TEST(queue_errors, a_tail_beyond_its_end_stops_it_and_a_good_one_goes_on) {
  auto caps = queue_part();
  caps.version = 0x30;
  scene s(caps);
  s.queue.push(status_wait(status_word, 1));
  s.write_register<reg::iqt>(spec::queue_bytes(0));
  s.settle();
  EXPECT_TRUE(s.queue.failed());
  EXPECT_EQ(s.queue.error(), spec::queue_error::tail_out_of_range);
  EXPECT_TRUE(s.descriptor_reads.empty());
  s.queue.ring();
  s.settle();
  EXPECT_TRUE(s.descriptor_reads.empty()) << "a valid tail does nothing while IQE is set";
  s.queue.clear_error();
  s.settle();
  EXPECT_EQ(s.status(), 1U);
}

TEST(queue_errors, a_tail_in_the_middle_of_a_wide_descriptor_stops_it) {
  scene s(config_of(later_part()), 0, true);
  s.write_register<reg::iqt>(16);
  s.settle();
  EXPECT_TRUE(s.queue.failed());
  EXPECT_EQ(s.queue.error(), spec::queue_error::tail_misaligned);
}

// A queue on a part that knows these modes, and a root table of that mode in use.
struct mode_scene : scene {
  mode_scene(unsigned mode, const remap::capabilities& caps, bool wide = false)
      : scene(config_of(caps), 0, wide) {
    write_register<reg::rtaddr>(tables.root() | reg::rtaddr::ttm::of(mode));
    queue.run(status_wait(status_word, 1));
    EXPECT_EQ(status(), 1U) << "not latched yet";
    write_register<reg::gcmd>(reg::gcmd::qie::mask | reg::gcmd::te::mask | reg::gcmd::srtp::mask);
    settle();
    queue.run(status_wait(status_word, 2));
  }
};

TEST(queue_errors, a_root_table_of_another_mode_stops_it) {
  for (const bool wide : {false, true}) {
    // No mode, or one that is not built.
    mode_scene s(wide ? 1 : 2, later_part(), wide);
    EXPECT_TRUE(s.queue.failed());
    EXPECT_EQ(s.queue.error(), spec::queue_error::invalid_translation_mode);
    EXPECT_EQ(s.status(), 1U);
  }
}

TEST(queue_errors, a_mode_that_needs_wide_descriptors_stops_a_queue_of_narrow_ones) {
  for (const bool aborts : {false, true}) {
    auto caps = queue_part();
    caps.ecap.set_smts(!aborts).set_adms(aborts);
    mode_scene s(aborts ? 3 : 1, caps);
    EXPECT_TRUE(s.queue.failed());
    EXPECT_EQ(s.queue.error(), spec::queue_error::invalid_width);
    mode_scene other(aborts ? 1 : 3, caps);
    EXPECT_EQ(other.queue.error(), spec::queue_error::invalid_translation_mode) << "the part has no such";
  }
}

TEST(queue_errors, an_error_that_is_still_there_is_an_error_again) {
  scene s;
  s.queue.run(spec::invalidation_descriptor{});
  s.queue.clear_error();
  EXPECT_FALSE(s.queue.failed());
  s.settle();
  EXPECT_TRUE(s.queue.failed());
  EXPECT_EQ(s.unit.statistics().queue_errors, 2U);
}

TEST(queue_errors, the_status_of_a_wait_that_cannot_be_written_is_an_error_and_the_wait_is_not_over) {
  for (const bool fence : {false, true}) {
    scene s;
    s.write_register<reg::iectl>(0);
    s.memory.fail(status_word);
    s.queue.run(status_wait(status_word, 1).set_interrupt(true).set_fence(fence));
    EXPECT_TRUE(s.queue.failed());
    EXPECT_EQ(s.read_register<reg::ics>(), 0U);
    EXPECT_TRUE(s.messages.empty());
    EXPECT_EQ(s.queue.head(), 0U) << "the wait stands there";
    s.memory.heal();
    s.queue.run(status_wait(status_word, 2));
    EXPECT_EQ(s.status(), 0U) << "stopped";
    s.status_writes.clear();
    s.queue.clear_error();
    s.settle();
    ASSERT_EQ(s.status_writes.size(), 2U) << "it is done again";
    EXPECT_EQ(s.status_writes[0].id, 1U);
    EXPECT_EQ(s.status(), 2U);
    EXPECT_EQ(s.messages.size(), 1U);
    EXPECT_EQ(s.queue.head(), s.queue.tail());
  }
}

TEST(queue_errors, a_wait_whose_status_is_lost_is_stood_at_whatever_was_fetched_behind_it) {
  for (const unsigned prefetch : {0U, 1U, 4U}) {
    dmar::unit_config config = config_of(queue_part());
    config.timing.queue_prefetch = prefetch;
    scene s(config);
    // The others are fetched long before memory says that it could not.
    s.data_delay = 1000 * scene::period;
    s.memory.fail(status_word);
    s.queue.run(page_of(domain, page(0)), status_wait(status_word, 1), page_of(domain, page(1)),
                page_of(domain, page(2)), status_wait(status_word + 4, 2));
    EXPECT_TRUE(s.queue.failed());
    EXPECT_EQ(s.queue.head(), 16U) << prefetch;
    EXPECT_EQ(s.memory.load(status_word), 0U) << "nor is the next wait over";
    // Software may put another in its place (VT-d 6.5.2.10).
    s.memory.heal();
    s.queue.put(16, status_wait(status_word, 7));
    s.queue.clear_error();
    s.settle();
    EXPECT_FALSE(s.queue.failed());
    EXPECT_EQ(s.status(), 7U);
    EXPECT_EQ(s.memory.load(status_word) >> 32, 2U);
    EXPECT_EQ(s.queue.head(), s.queue.tail());
  }
}

TEST(queue_errors, the_cause_of_an_error_is_told_by_parts_of_revision_3_only) {
  scene s;
  s.queue.run(spec::invalidation_descriptor{});
  EXPECT_TRUE(s.queue.failed());
  EXPECT_EQ(s.read_register<reg::iqercd>(), 0U);
  EXPECT_FALSE(s.unit.registers().has<reg::iqercd>());
  scene later(later_part());
  EXPECT_TRUE(later.unit.registers().has<reg::iqercd>());
}

TEST(queue_errors, an_error_raises_the_fault_event) {
  scene s;
  s.write_register<reg::fectl>(0);
  s.queue.run(spec::invalidation_descriptor{});
  EXPECT_EQ(s.messages.size(), 1U);
  s.read(nic, page(70));
  EXPECT_EQ(s.messages.size(), 1U) << "one cause of the event is pending";
  s.write_register<reg::frcd_hi>(reg::frcd_hi::f::of(1));
  s.read(nic, page(70));
  EXPECT_EQ(s.messages.size(), 1U) << "IQE still is";
  s.write_register<reg::frcd_hi>(reg::frcd_hi::f::of(1));
  s.queue.put(0, spec::wait_descriptor{});
  s.queue.clear_error();
  s.read(nic, page(70));
  EXPECT_EQ(s.messages.size(), 2U);
}

TEST(queue_errors, an_error_while_a_fault_is_pending_raises_no_second_event) {
  scene s;
  s.write_register<reg::fectl>(0);
  s.read(nic, page(70));
  ASSERT_EQ(s.messages.size(), 1U);
  s.queue.run(spec::invalidation_descriptor{});
  EXPECT_TRUE(s.queue.failed());
  EXPECT_EQ(s.messages.size(), 1U);
}

TEST(queue_errors, a_pending_fault_event_goes_with_the_error_that_raised_it) {
  scene s;
  s.queue.run(spec::invalidation_descriptor{});
  EXPECT_EQ(reg::fectl::ip::get(s.read_register<reg::fectl>()), 1U);
  s.queue.put(0, spec::wait_descriptor{});
  s.queue.clear_error();
  EXPECT_EQ(reg::fectl::ip::get(s.read_register<reg::fectl>()), 0U);
}

TEST(queue_errors, of_two_mistakes_of_a_tail_the_first_is_told) {
  // The mode of the root table, then the range, then the alignment.
  for (const bool other_mode : {true, false}) {
    scene s(config_of(later_part()), 0, true);
    if (other_mode) {
      s.write_register<reg::rtaddr>(s.tables.root() | reg::rtaddr::ttm::of(1));
      s.write_register<reg::gcmd>(reg::gcmd::qie::mask | reg::gcmd::te::mask | reg::gcmd::srtp::mask);
      s.settle();
    }
    s.write_register<reg::iqt>(static_cast<std::uint32_t>(spec::queue_bytes(0)) + 16);
    s.settle();
    EXPECT_TRUE(s.queue.failed());
    EXPECT_EQ(s.queue.error(), other_mode ? spec::queue_error::invalid_translation_mode
                                          : spec::queue_error::tail_out_of_range);
  }
}

TEST(queue_errors, the_event_of_an_error_needs_no_cycle_where_the_part_says_so) {
  auto config = config_of(queue_part());
  config.timing.event_message = 0;
  scene s(config);
  s.write_register<reg::fectl>(0);
  s.queue.submit(spec::invalidation_descriptor{});
  while (!s.queue.failed())
    s.run_to(s.wheel.now() + 1);
  ASSERT_EQ(s.messages.size(), 1U);
  EXPECT_EQ(s.messages[0].first, s.wheel.now()) << "in the cycle of the error";
}

TEST(queue_errors, of_two_mistakes_of_a_descriptor_its_type_is_told) {
  scene s(config_of(later_part()), 0, true);
  s.memory.store(s.queue.base(), 0);
  s.queue.push(spec::invalidation_descriptor{});
  s.memory.store(s.queue.base() + 16, 1);
  s.queue.ring();
  s.settle();
  EXPECT_EQ(s.queue.error(), spec::queue_error::invalid_type);
}

TEST(queue_errors, a_descriptor_is_taken_from_the_first_answer_to_its_read) {
  scene s;
  s.hold_answers = true;
  s.queue.submit(spec::wait_descriptor{});
  s.settle();
  ASSERT_EQ(s.held_descriptors.size(), 1U);
  const auto& [tag, words] = s.held_descriptors[0];
  s.unit.descriptor_answered(tag, true, words, s.now_ps());
  s.unit.descriptor_answered(tag, false, {}, s.now_ps());
  s.settle();
  EXPECT_FALSE(s.queue.failed());
  EXPECT_EQ(s.queue.head(), s.queue.tail());
}

TEST(queue_errors, a_wait_whose_place_software_has_used_again_is_lost_and_nothing_is_done_twice) {
  // The status write is answered after the queue has gone round; to stand at the wait again would be to stand
  // at IQT, or to do other descriptors for it.
  for (const std::uint64_t behind : {254U, 257U}) {
    scene s;
    s.hold_answers = true;
    s.queue.push(status_wait(status_word, 1));
    s.queue.ring();
    const auto feed = [&s] {
      while (!s.held_descriptors.empty()) {
        const auto [tag, words] = s.held_descriptors.back();
        s.held_descriptors.pop_back();
        s.unit.descriptor_answered(tag, true, words, s.now_ps());
        s.settle();
      }
    };
    s.settle();
    feed();
    ASSERT_EQ(s.held_status.size(), 1U);
    for (std::uint64_t n = 0; n < behind; ++n) {
      s.queue.push(all_contexts());
      s.queue.ring();
      s.settle();
      feed();
    }
    ASSERT_EQ(s.queue.head(), s.queue.tail());
    const std::uint64_t head = s.queue.head();
    s.unit.status_answered(s.held_status[0], false, s.now_ps());
    s.settle();
    EXPECT_TRUE(s.queue.failed());
    const bool round = behind == 257;
    EXPECT_EQ(s.queue.head(), round ? head : 0U);
    const std::uint64_t done = s.unit.statistics().descriptors;
    s.hold_answers = false;
    s.queue.clear_error();
    s.settle();
    EXPECT_EQ(s.status_writes.size(), round ? 1U : 2U) << "it is done again, or not at all";
    EXPECT_EQ(s.unit.statistics().descriptors - done, round ? 0U : behind + 1) << "nor what stands there now";
    s.queue.run(status_wait(status_word, 2));
    EXPECT_EQ(s.status(), 2U) << "the queue goes on";
  }
}

TEST(queue_errors, a_wait_whose_place_is_behind_the_tail_again_is_lost_and_nothing_is_left_out) {
  scene s;
  s.hold_answers = true;
  s.queue.submit(status_wait(status_word, 1));
  s.settle();
  const auto feed = [&s] {
    const auto [tag, words] = s.held_descriptors.back();
    s.held_descriptors.pop_back();
    s.unit.descriptor_answered(tag, true, words, s.now_ps());
    s.settle();
  };
  feed();
  for (unsigned n = 0; n < 100; ++n) {
    s.queue.submit(all_contexts());
    s.settle();
    feed();
  }
  // The tail goes round and past the wait, while the head stands.
  for (unsigned n = 0; n < 200; ++n)
    s.queue.push(all_contexts());
  s.queue.ring();
  s.settle();
  const std::uint64_t head = s.queue.head();
  ASSERT_LT(s.queue.tail(), head);
  s.unit.status_answered(s.held_status[0], false, s.now_ps());
  s.settle();
  EXPECT_TRUE(s.queue.failed());
  EXPECT_EQ(s.queue.head(), head);
  s.hold_answers = false;
  const std::uint64_t done = s.unit.statistics().descriptors;
  s.held_descriptors.clear();
  s.queue.clear_error();
  s.settle();
  // The one whose read is still out is answered now.
  if (s.queue.head() == head && !s.descriptor_reads.empty()) {
    s.unit.descriptor_answered(static_cast<unsigned>(s.descriptor_reads.back().id), true,
                               {all_contexts().lo, all_contexts().hi, 0, 0}, s.now_ps());
    s.settle();
  }
  EXPECT_EQ(s.unit.statistics().descriptors - done, 200U);
  EXPECT_EQ(s.queue.head(), s.queue.tail());
}

} // namespace
} // namespace vtd::test
