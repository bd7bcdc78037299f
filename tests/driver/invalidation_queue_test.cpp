// SPDX-License-Identifier: Apache-2.0
// The driver's side of queued invalidation: order, time-outs, and what it does when the queue stops.
// VT-d 6.5.2

#include "vtd/driver/invalidation_queue.h"

#include "vtd/driver/text.h"

#include "event_patterns.h"
#include "fake_machine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cinttypes>
#include <memory>
#include <string>

namespace vtd::test {
namespace {

namespace reg = spec::reg;
using driver::unit_error;
using driver::unit_step;
using spec::descriptor_type;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::uint64_t iova = 0x40000000;
constexpr std::uint16_t domain_id = 5;

/// A unit of the driver over a fake one that has a queue, without the rest of the driver.
class queue_unit {
public:
  explicit queue_unit(spec::ecap ecap = narrow_ecap().set_qi(true))
      : fake(hw.add_unit(first_unit_base, narrow_cap().set_rwbf(false), ecap)) {}
  ~queue_unit() { EXPECT_THAT(hw.all_violations(), IsEmpty()); }
  queue_unit(const queue_unit&) = delete;
  queue_unit& operator=(const queue_unit&) = delete;

  driver::unit& get() {
    if (!unit_) {
      driver::unit_info info;
      info.base = first_unit_base;
      unit_ = std::make_unique<driver::unit>(machine_, 0, info, 36, options, forget);
    }
    return *unit_;
  }
  /// Ready to translate; log and descriptors begin after that.
  driver::unit& running() {
    get().quiesce();
    get().prepare([] {});
    get().enable();
    hw.forget_events();
    fake.descriptors.clear();
    return get();
  }
  void drop() { unit_.reset(); }
  [[nodiscard]] std::string error_of(unit_step step) {
    try {
      get().invalidate_iotlb_domain(domain_id);
    } catch (const unit_error& error) {
      EXPECT_EQ(error.step(), step);
      return error.what();
    }
    ADD_FAILURE() << "no error";
    return {};
  }

  fake_hardware hw;
  fake_unit& fake;
  driver::unit_options options;
  driver::omit forget;

private:
  driver::hardware machine_{hw.access()};
  std::unique_ptr<driver::unit> unit_;
};

TEST(driver_queue, is_switched_on_empty_before_the_root_table_is_set) {
  queue_unit m;
  m.get().quiesce();
  m.hw.forget_events();
  m.get().prepare([] {});
  EXPECT_TRUE(in_order(m.hw, {write_of<reg::fsts, reg::fsts::iqe>(1), write_of<reg::iqt, reg::iqt::qt>(0),
                              write_of<reg::iqa>(), command<reg::gcmd::qie>(), status<reg::gsts::qies>(1),
                              write_of<reg::rtaddr>(), command<reg::gcmd::srtp>(), queue_submitted()}));
  ASSERT_NE(m.get().queue(), nullptr);
  EXPECT_EQ(m.fake.at<reg::iqa>(), m.get().queue()->address());
}

TEST(driver_queue, takes_all_invalidations_of_the_bring_up_and_the_registers_take_none) {
  queue_unit m;
  m.get().quiesce();
  m.get().prepare([] {});
  EXPECT_EQ(count(m.hw, write_of<reg::ccmd>()), 0U);
  EXPECT_EQ(count(m.hw, write_of<reg::iotlb>()), 0U);
  ASSERT_EQ(m.fake.descriptors.size(), 4U);
  EXPECT_EQ(spec::context_cache_descriptor(m.fake.descriptors[0]).granularity(),
            spec::context_granularity::global);
  EXPECT_TRUE(m.fake.descriptors[1].is(descriptor_type::wait));
  EXPECT_EQ(spec::iotlb_descriptor(m.fake.descriptors[2]).granularity(), spec::iotlb_granularity::global);
  EXPECT_TRUE(m.fake.descriptors[3].is(descriptor_type::wait));
}

TEST(driver_queue, is_left_alone_where_the_unit_has_none_or_the_options_want_registers) {
  queue_unit without(narrow_ecap());
  without.running();
  EXPECT_EQ(without.get().queue(), nullptr);
  queue_unit unwanted;
  unwanted.options.use_queue = false;
  unwanted.running();
  EXPECT_EQ(unwanted.get().queue(), nullptr);
  unwanted.get().invalidate_iotlb_domain(domain_id);
  EXPECT_EQ(count(unwanted.hw, write_of<reg::iotlb>()), 1U);
  EXPECT_TRUE(unwanted.fake.descriptors.empty());
}

TEST(driver_queue, a_batch_is_stored_then_told_then_waited_for) {
  queue_unit m;
  auto& unit = m.running();
  const auto tail = m.fake.at<reg::iqt>();
  const std::uint64_t at = unit.queue()->address() + tail;
  unit.invalidate_iotlb_range(domain_id, iova, iova + spec::page_size, true);
  EXPECT_TRUE(in_order(m.hw, {store_to(at), store_to(at + 8), store_to(at + 16), store_to(at + 24),
                              queue_submitted(), load_of(unit.queue()->status_address())}));
  EXPECT_TRUE(writes_are(m.hw, 0, {write_of<reg::iqt>()}));
  EXPECT_EQ(m.fake.at<reg::iqt>(), tail + 32);
  ASSERT_EQ(m.fake.descriptors.size(), 2U);
  const spec::iotlb_descriptor page(m.fake.descriptors[0]);
  EXPECT_EQ(page.granularity(), spec::iotlb_granularity::page);
  EXPECT_EQ(page.domain_id(), domain_id);
  EXPECT_EQ(page.address(), iova);
  EXPECT_EQ(page.address_mask(), 0U);
  EXPECT_TRUE(page.hint());
  EXPECT_TRUE(page.drain_reads());
  EXPECT_TRUE(page.drain_writes());
  const spec::wait_descriptor wait(m.fake.descriptors[1]);
  EXPECT_TRUE(wait.status_write());
  EXPECT_FALSE(wait.interrupt());
  EXPECT_EQ(wait.status_address(), unit.queue()->status_address());
}

TEST(driver_queue, a_context_invalidation_of_one_device_names_domain_and_device) {
  queue_unit m;
  m.running().invalidate_context_device(domain_id, nic.id);
  const spec::context_cache_descriptor found(m.fake.descriptors.at(0));
  EXPECT_EQ(found.granularity(), spec::context_granularity::device);
  EXPECT_EQ(found.domain_id(), domain_id);
  EXPECT_EQ(found.source(), nic.id);
  EXPECT_EQ(found.function_mask(), 0U);
}

TEST(driver_queue, needs_no_flush_of_its_own_memory) {
  queue_unit m;
  m.running().invalidate_iotlb_domain(domain_id);
  EXPECT_EQ(count(m.hw, any_flush()), 0U);
}

TEST(driver_queue, goes_round_many_times) {
  queue_unit m;
  auto& unit = m.running();
  for (unsigned n = 0; n < 1000; ++n)
    unit.invalidate_iotlb_domain(domain_id);
  EXPECT_EQ(m.fake.descriptors.size(), 2000U);
}

TEST(driver_queue, every_wait_has_a_status_of_its_own) {
  queue_unit m;
  auto& unit = m.running();
  unit.invalidate_iotlb_domain(domain_id);
  unit.invalidate_iotlb_domain(domain_id);
  EXPECT_NE(spec::wait_descriptor(m.fake.descriptors.at(1)).status_data(),
            spec::wait_descriptor(m.fake.descriptors.at(3)).status_data());
}

TEST(driver_queue, a_wait_that_is_never_over_ends_with_unit_step_and_pointers) {
  queue_unit m;
  m.options.timeout_ns = 1'000'000;
  m.running();
  m.fake.withhold.wait_status = true;
  const std::uint64_t start = m.hw.now_ns;
  EXPECT_THAT(
      m.error_of(unit_step::queued_invalidation),
      HasSubstr("dmar0 at 0xfed90000: queued invalidation: the status of the wait is 2 after 1000000 ns, "
                "expected 3 (IQH reads 0x50, IQT 0x60)"));
  EXPECT_GE(m.hw.now_ns - start, 1'000'000U);
  // The late end of that wait is not taken for that of the next.
  m.fake.withhold.wait_status = false;
  m.get().invalidate_iotlb_domain(domain_id);
  EXPECT_EQ(m.fake.descriptors.size(), 4U);
}

TEST(driver_queue, batches_that_are_never_over_do_not_overwrite_each_other) {
  queue_unit m;
  m.options.timeout_ns = 100'000;
  m.running();
  m.fake.withhold.wait_status = true;
  std::string last;
  unsigned batches = 0;
  while (last.find("do not fit") == std::string::npos && batches < 1000) {
    last = m.error_of(unit_step::queued_invalidation);
    ++batches;
  }
  EXPECT_EQ(batches, 128U) << "127 batches of two descriptors, and one place free";
  EXPECT_THAT(last, HasSubstr("2 descriptors do not fit, 254 of 256 places are taken"));
  m.fake.withhold.wait_status = false;
}

TEST(driver_queue, a_refused_descriptor_is_replaced_and_the_queue_goes_on) {
  queue_unit m;
  auto& unit = m.running();
  m.fake.wrong_descriptors = 1;
  m.hw.forget_events();
  EXPECT_THAT(
      m.error_of(unit_step::queued_invalidation),
      HasSubstr(
          "the unit stopped at the descriptor at IQH = 0x40, 0x0000000000000000 0x00000000000500e2: the "
          "unit has no IQERCD to say why; expected one that it knows and can read"));
  EXPECT_EQ(count(m.hw, read_of<reg::iqercd>()), 0U) << "which came with revision 3";
  EXPECT_TRUE(
      in_order(m.hw, {queue_submitted(), answer<reg::fsts, reg::fsts::iqe>(1), read_of<reg::iqh>(),
                      store_to(unit.queue()->address() + 0x40), write_of<reg::fsts, reg::fsts::iqe>(1)}));
  // Two waits instead of a descriptor and its wait.
  ASSERT_EQ(m.fake.descriptors.size(), 2U);
  EXPECT_TRUE(m.fake.descriptors[0].is(descriptor_type::wait));
  EXPECT_EQ(reg::fsts::iqe::get(static_cast<std::uint32_t>(m.fake.at<reg::fsts>())), 0U);
  unit.invalidate_iotlb_domain(domain_id);
  EXPECT_EQ(m.fake.descriptors.size(), 4U) << "the next one works";
}

// --- What IQERCD tells, VT-d 10.4.29

/// A unit of revision 3, which has the register.
struct telling_unit : queue_unit {
  telling_unit() { fake.at<reg::version>() = 0x30; }
};

TEST(driver_queue, the_cause_of_a_refusal_is_told_where_the_unit_tells_it) {
  telling_unit m;
  m.running();
  m.fake.wrong_descriptors = 1;
  EXPECT_THAT(m.error_of(unit_step::queued_invalidation),
              HasSubstr("0x00000000000500e2: its type is not known (IQERCD.IQEI = 3); expected one that it "
                        "knows"));
  EXPECT_TRUE(m.fake.descriptors.at(0).is(descriptor_type::wait)) << "in its place";
}

TEST(driver_queue, a_descriptor_that_could_not_be_read_once_is_not_replaced) {
  telling_unit m;
  auto& unit = m.running();
  m.fake.unreadable_descriptors = driver::invalidation_queue::most_tries - 1;
  unit.invalidate_iotlb_domain(domain_id);
  ASSERT_EQ(m.fake.descriptors.size(), 2U);
  EXPECT_EQ(spec::iotlb_descriptor(m.fake.descriptors[0]).domain_id(), domain_id);
  EXPECT_EQ(count(m.hw, log_line("the descriptor could not be read (IQERCD.IQEI = 2); it is let try again")),
            driver::invalidation_queue::most_tries - 1);
}

TEST(driver_queue, a_descriptor_that_cannot_be_read_is_given_up_and_its_address_told) {
  telling_unit m;
  auto& unit = m.running();
  m.fake.unreadable_descriptors = driver::invalidation_queue::most_tries;
  const std::uint64_t start = m.hw.now_ns;
  const std::string address = driver::printed("host address 0x%" PRIx64, unit.queue()->address() + 0x40);
  const std::string told = m.error_of(unit_step::queued_invalidation);
  EXPECT_THAT(told, HasSubstr("the unit stopped at the descriptor at IQH = 0x40"));
  EXPECT_THAT(told, HasSubstr(address));
  EXPECT_THAT(told, HasSubstr("the descriptor could not be read (IQERCD.IQEI = 2); tried 3 times, expected "
                              "memory that the unit can reach"));
  EXPECT_LT(m.hw.now_ns - start, m.options.timeout_ns) << "at once";
  EXPECT_TRUE(m.fake.descriptors.empty());
  // The next one lets it go on where it stood.
  unit.invalidate_iotlb_domain(domain_id + 1);
  ASSERT_EQ(m.fake.descriptors.size(), 4U);
  EXPECT_EQ(spec::iotlb_descriptor(m.fake.descriptors[0]).domain_id(), domain_id);
}

TEST(driver_queue, a_wait_whose_status_could_not_be_written_is_let_try_again) {
  for (const bool tells : {false, true}) {
    queue_unit m;
    if (tells) m.fake.at<reg::version>() = 0x30;
    auto& unit = m.running();
    m.fake.lost_status_writes = 1;
    unit.invalidate_iotlb_domain(domain_id);
    EXPECT_EQ(m.fake.descriptors.size(), 2U);
    EXPECT_EQ(count(m.hw, log_line("the unit stopped at the wait at IQH = 0x50")), 1U);
    m.fake.lost_status_writes = driver::invalidation_queue::most_tries;
    EXPECT_THAT(m.error_of(unit_step::queued_invalidation),
                HasSubstr(tells ? "no cause is given (IQERCD.IQEI = 0); tried 3 times"
                                : "the unit has no IQERCD to say why; tried 3 times"));
  }
}

TEST(driver_queue, clearing_iqe_leaves_other_bits_of_fsts_alone) {
  queue_unit m;
  m.running();
  m.fake.wrong_descriptors = 1;
  m.hw.forget_events();
  (void)m.error_of(unit_step::queued_invalidation);
  EXPECT_EQ(count(m.hw, write_of<reg::fsts>()), 1U);
  EXPECT_EQ(count(m.hw, write_of<reg::fsts, reg::fsts::pfo>(1)), 0U);
}

TEST(driver_queue, a_batch_whose_wait_was_aborted_is_submitted_again) {
  queue_unit m;
  m.running();
  m.fake.timed_out_devices = 2;
  m.get().invalidate_iotlb_domain(domain_id);
  EXPECT_EQ(m.fake.descriptors.size(), 6U) << "three times";
  EXPECT_TRUE(in_order(m.hw, {queue_submitted(), answer<reg::fsts, reg::fsts::ite>(1),
                              write_of<reg::fsts, reg::fsts::ite>(1), queue_submitted(), queue_submitted()}));
}

TEST(driver_queue, an_unexpected_completion_is_cleared) {
  queue_unit m;
  m.running();
  m.fake.latency_ns = 300;
  m.fake.unexpected_completion = true;
  m.fake.timed_out_devices = 1; // so that there is a poll after it
  m.get().invalidate_iotlb_domain(domain_id);
  EXPECT_EQ(m.fake.at<reg::fsts>(), 0U);
}

TEST(driver_queue, a_unit_that_has_gone_ends_the_wait_at_once) {
  queue_unit m;
  m.running();
  m.fake.silent = true;
  const std::uint64_t start = m.hw.now_ns;
  EXPECT_THAT(m.error_of(unit_step::queued_invalidation), HasSubstr("FSTS reads all ones"));
  EXPECT_LT(m.hw.now_ns - start, 10'000U);
  m.fake.silent = false;
}

TEST(driver_queue, is_switched_off_empty_after_translation) {
  queue_unit m;
  m.running();
  m.hw.forget_events();
  m.get().disable();
  EXPECT_TRUE(in_order(m.hw, {command_off<reg::gcmd::te>(), status<reg::gsts::tes>(0),
                              command_off<reg::gcmd::qie>(), status<reg::gsts::qies>(0), any_free()}));
  EXPECT_EQ(m.get().queue(), nullptr);
}

TEST(driver_queue, gives_its_pages_back) {
  queue_unit m;
  m.get();
  const std::size_t before = m.hw.pages_in_use();
  m.running();
  EXPECT_EQ(m.hw.pages_in_use(), before + 2);
  m.get().disable();
  EXPECT_EQ(m.hw.pages_in_use(), before);
}

TEST(driver_queue, of_every_unit_is_on_before_any_root_table_is_set) {
  fake_machine m;
  m.add_unit(wide_cap(), wide_ecap().set_qi(true), {hierarchy_below(root_port)});
  m.add_unit(narrow_cap(), narrow_ecap().set_qi(true));
  m.drv().start();
  EXPECT_TRUE(in_order(m.hw, {status<reg::gsts::qies>(1, 0), status<reg::gsts::qies>(1, 1),
                              write_of<reg::rtaddr>(0), write_of<reg::rtaddr>(1)}));
  EXPECT_EQ(count(m.hw, log_line("translation enabled, queued invalidation")), 2U);
  EXPECT_THAT(m.hw.all_violations(), IsEmpty());
}

TEST(driver_queue, unmap_waits_for_the_queue_before_tables_are_given_back) {
  fake_machine m;
  fake_unit& unit = m.add_unit(narrow_cap(), narrow_ecap().set_qi(true));
  driver::driver& d = m.started();
  auto& guest = d.create_domain("guest");
  d.map(guest, iova, 0x100000, spec::page_size);
  d.attach(guest, nic);
  m.hw.forget_events();
  unit.descriptors.clear();
  d.unmap(guest, iova, spec::page_size);
  EXPECT_TRUE(in_order(m.hw, {command<reg::gcmd::wbf>(), queue_submitted(),
                              load_of(d.unit_at(0).queue()->status_address()), any_free()}));
  ASSERT_EQ(unit.descriptors.size(), 2U);
  EXPECT_FALSE(spec::iotlb_descriptor(unit.descriptors[0]).hint()) << "tables went, too";
  EXPECT_THAT(m.hw.all_violations(), IsEmpty());
}

} // namespace
} // namespace vtd::test
