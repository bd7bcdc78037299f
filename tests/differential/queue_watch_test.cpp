// SPDX-License-Identifier: Apache-2.0
// What is told of our queue, without QEMU.

#include "vtdsim/differential/queue_watch.h"

#include "vtd/spec/registers.h"

#include <gtest/gtest.h>

namespace {

using namespace vtdsim::differential; // NOLINT(google-build-using-namespace)
namespace reg = vtd::spec::reg;
namespace spec = vtd::spec;

class queue_watch_test : public testing::Test {
protected:
  void append(const spec::invalidation_descriptor& what) {
    software.append(model, what, [this](std::uint64_t at, std::uint64_t word) { model.store(at, word); });
  }
  std::optional<queue_step> write(std::uint32_t offset, unsigned bytes, std::uint64_t value) {
    watch.begin();
    model.write_register(offset, bytes, value);
    return watch.end();
  }
  std::optional<queue_step> tell() { return write(reg::iqt::offset, 8, software.tail()); }
  std::optional<queue_step> turn(bool on) {
    return write(reg::gcmd::offset, 4, on ? reg::gcmd::qie::mask : 0);
  }
  static spec::wait_descriptor wait() {
    return spec::wait_descriptor{}.set_status_write(true).set_status_address(layout::data);
  }
  static spec::iotlb_descriptor all_pages() {
    return spec::iotlb_descriptor{}.set_granularity(spec::iotlb_granularity::global);
  }

  model_machine model{*find_variant("wide"), {}};
  queue_watch watch{model};
  queue_writer software;
};

TEST_F(queue_watch_test, nothing_is_told_while_the_queue_is_off) {
  append(wait());
  EXPECT_FALSE(tell());
  EXPECT_FALSE(watch.is_on());
}

TEST_F(queue_watch_test, what_stood_before_the_tail_is_done_when_the_queue_is_enabled) {
  write(reg::iqa::offset, 8, layout::queue);
  append(all_pages());
  append(wait());
  tell();
  EXPECT_EQ(watch.enabled_at(), 0U);
  const auto seen = turn(true);
  ASSERT_TRUE(seen);
  ASSERT_EQ(seen->done.size(), 2U);
  EXPECT_EQ(seen->done[0].place, 0U);
  EXPECT_EQ(seen->done[0].what, all_pages());
  EXPECT_EQ(seen->done[1].place, 16U);
  EXPECT_FALSE(seen->refused);
  EXPECT_EQ(watch.enabled_at(), layout::queue);
}

TEST_F(queue_watch_test, a_descriptor_that_is_refused_is_told_and_what_waits_behind_it_is_stuck) {
  write(reg::iqa::offset, 8, layout::queue);
  turn(true);
  append(wait());
  append({});
  append(wait());
  const auto seen = tell();
  ASSERT_TRUE(seen);
  EXPECT_EQ(seen->done.size(), 1U);
  ASSERT_TRUE(seen->refused);
  EXPECT_EQ(seen->refused->place, 16U);
  write(reg::ics::offset, 4, 0);
  EXPECT_TRUE(watch.was_stuck());
}

TEST_F(queue_watch_test, a_queue_is_quiet_when_it_is_empty_and_has_done_a_wait_last) {
  write(reg::iqa::offset, 8, layout::queue);
  turn(true);
  EXPECT_FALSE(turn(false)->was_quiet) << "nothing was done";
  turn(true);
  append(wait());
  tell();
  append(all_pages());
  tell();
  EXPECT_FALSE(turn(false)->was_quiet) << "an invalidation was last";
  turn(true);
  append(wait());
  tell();
  EXPECT_TRUE(turn(false)->was_quiet);
}

TEST_F(queue_watch_test, the_queue_is_followed_round_its_end) {
  write(reg::iqa::offset, 8, layout::queue);
  turn(true);
  const std::size_t places = spec::queue_descriptors(0);
  for (std::size_t i = 0; i < places - 2; ++i)
    append(all_pages());
  EXPECT_EQ(tell()->done.size(), places - 2);
  for (unsigned i = 0; i < 5; ++i)
    append(wait());
  EXPECT_EQ(software.tail(), 3 * sizeof(spec::invalidation_descriptor));
  const auto seen = tell();
  ASSERT_EQ(seen->done.size(), 5U);
  EXPECT_EQ(seen->done[2].place, 0U);
}

TEST_F(queue_watch_test, software_follows_a_tail_that_was_written_and_comes_back_into_the_queue) {
  write(reg::iqa::offset, 8, layout::queue);
  model.write_register(reg::iqt::offset, 8, spec::queue_bytes(0) + 32);
  software.follow(model);
  append(wait());
  EXPECT_EQ(software.tail(), 48U);
  EXPECT_EQ(model.memory().load(layout::queue + 32), wait().lo);
}

} // namespace
