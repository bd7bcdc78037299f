// SPDX-License-Identifier: Apache-2.0
// One remapping unit: the order of bring-up and invalidation, and every wait that is not answered. VT-d 10.4

#include "vtd/driver/unit.h"

#include "event_patterns.h"
#include "fake_machine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>

namespace vtd::test {
namespace {

namespace reg = spec::reg;
using driver::unit_error;
using driver::unit_step;
using spec::context_granularity;
using spec::iotlb_granularity;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::uint64_t iova = 0x40000000;
constexpr std::uint16_t domain_id = 5;

/// A unit of the driver over a fake one, without the rest of the driver.
class one_unit {
public:
  explicit one_unit(spec::cap cap = narrow_cap(), spec::ecap ecap = narrow_ecap())
      : fake(hw.add_unit(first_unit_base, cap, ecap)) {}
  ~one_unit() { EXPECT_THAT(hw.all_violations(), IsEmpty()); }
  one_unit(const one_unit&) = delete;
  one_unit& operator=(const one_unit&) = delete;

  driver::unit& probe() {
    driver::unit_info info;
    info.base = first_unit_base;
    unit_ = std::make_unique<driver::unit>(machine_, 0, info, host_address_width, options, forget);
    return *unit_;
  }
  driver::unit& get() { return unit_ ? *unit_ : probe(); }
  /// Ready to translate, and the log begins after that.
  driver::unit& running() {
    get().quiesce();
    get().prepare([] {});
    get().enable();
    hw.forget_events();
    return get();
  }

  fake_hardware hw;
  fake_unit& fake;
  driver::unit_options options;
  driver::omit forget;
  unsigned host_address_width = 36;

private:
  driver::hardware machine_{hw.access()};
  std::unique_ptr<driver::unit> unit_;
};

// --- Probe

TEST(unit, a_probe_only_reads) {
  one_unit m;
  m.probe();
  EXPECT_EQ(count(m.hw, any_write(0)), 0U);
  EXPECT_EQ(count(m.hw, read_of<reg::cap_reg>()), 1U);
  EXPECT_EQ(count(m.hw, read_of<reg::ecap_reg>()), 1U);
}

TEST(unit, says_what_it_is) {
  one_unit m(wide_cap(), wide_ecap());
  const auto& unit = m.get();
  EXPECT_EQ(unit.name(), "dmar0");
  EXPECT_TRUE(unit.coherent());
  EXPECT_FALSE(unit.needs_write_buffer_flush());
  EXPECT_EQ(unit.input_width(), 48U);
  EXPECT_TRUE(unit.supports_levels(3));
  EXPECT_TRUE(unit.supports_levels(4));
  EXPECT_FALSE(unit.supports_levels(5));
  EXPECT_FALSE(unit.supports_levels(1));
  EXPECT_FALSE(unit.enabled());
}

TEST(unit, mgaw_limits_the_width_when_it_is_below_what_the_tables_resolve) {
  one_unit m(narrow_cap().set_mgaw(36), narrow_ecap());
  EXPECT_EQ(m.get().input_width(), 36U);
}

TEST(unit, one_that_answers_all_ones_is_refused_with_the_reason) {
  one_unit m;
  m.fake.silent = true;
  try {
    m.probe();
    FAIL() << "accepted";
  } catch (const unit_error& error) {
    EXPECT_EQ(error.step(), unit_step::probe);
    EXPECT_STREQ(error.what(),
                 "dmar0 at 0xfed90000: probe: [Firmware Bug]: the table names it and its registers "
                 "return all ones");
  }
  EXPECT_EQ(m.hw.pages_in_use(), 0U);
}

TEST(unit, odd_capabilities_are_refused_with_place_value_and_expectation) {
  struct odd {
    spec::cap cap;
    spec::ecap ecap;
    unsigned host_address_width;
    const char* message;
  };
  const odd all[] = {
      {spec::cap{}, spec::ecap{}, 36, "CAP reads 0x0"},
      {spec::cap{}, narrow_ecap(), 36, "CAP reads 0x0"},
      {narrow_cap(), spec::ecap{~std::uint64_t{0}}, 36, "ECAP 0xffffffffffffffff"},
      {narrow_cap().set_sagaw(0), narrow_ecap(), 36, "SAGAW is 0x0, expected at least one width"},
      {narrow_cap(), narrow_ecap(), 0, "host address width is 0"},
      {narrow_cap().set_fro(0), narrow_ecap(), 36,
       "FRO is 0x0, fault records at 0x0; expected 0x80 or above"},
      {narrow_cap().set_fro(7), narrow_ecap(), 36, "FRO is 0x7, fault records at 0x70"},
      {narrow_cap(), narrow_ecap().set_iro(1), 36, "IRO is 0x1, IOTLB registers at 0x10; expected 0x80"},
  };
  for (const odd& each : all) {
    one_unit m(each.cap, each.ecap);
    m.host_address_width = each.host_address_width;
    EXPECT_THAT(message_of<unit_error>([&] { m.probe(); }), HasSubstr(each.message));
    m.hw.violations.clear(); // with FRO = 0 the fake has two registers at one place
  }
}

// --- Bring-up

TEST(unit, a_unit_left_on_by_firmware_is_quiet_before_anything_else) {
  one_unit m(narrow_cap(), narrow_ecap().set_ir(true).set_qi(true));
  m.fake.left_on<reg::gsts::rtps>();
  m.fake.left_on<reg::gsts::tes>();
  m.fake.left_on<reg::gsts::ires>();
  m.fake.left_on<reg::gsts::qies>();
  m.fake.fault(nic.id, spec::fault_reason::no_read_permission, iova);
  m.get().quiesce();
  EXPECT_TRUE(
      in_order(m.hw, {command_off<reg::gcmd::te>(), status<reg::gsts::tes>(0), command_off<reg::gcmd::ire>(),
                      status<reg::gsts::ires>(0), command_off<reg::gcmd::qie>(), status<reg::gsts::qies>(0),
                      write_of<reg::fectl, reg::fectl::im>(1), write_of<reg::frcd_hi, reg::frcd_hi::f>(1)}));
  EXPECT_EQ(m.fake.full_records(), 0U);
}

TEST(unit, what_firmware_left_on_goes_off_one_by_one_and_nothing_else_changes) {
  one_unit m(narrow_cap(), narrow_ecap().set_ir(true).set_qi(true));
  m.fake.left_on<reg::gsts::tes>();
  m.fake.left_on<reg::gsts::ires>();
  m.fake.left_on<reg::gsts::qies>();
  m.get().quiesce();
  // VT-d 10.4.4: the value written is the status with one bit changed.
  EXPECT_TRUE(in_order(m.hw, {write_of<reg::gcmd, reg::gcmd::ire>(1), write_of<reg::gcmd, reg::gcmd::qie>(1),
                              write_of<reg::gcmd, reg::gcmd::qie>(0)}));
}

TEST(unit, the_fault_log_that_firmware_left_on_goes_off_after_all_that_could_write_to_it) {
  one_unit m(narrow_cap().set_afl(true), narrow_ecap().set_ir(true).set_qi(true));
  m.fake.left_on<reg::gsts::tes>();
  m.fake.left_on<reg::gsts::ires>();
  m.fake.left_on<reg::gsts::qies>();
  m.fake.left_on<reg::gsts::afls>();
  m.fake.at<reg::fsts>() |= reg::fsts::apf::mask | reg::fsts::afo::mask;
  m.get().quiesce();
  EXPECT_TRUE(writes_are(m.hw, 0,
                         {command_off<reg::gcmd::te>(), command_off<reg::gcmd::ire>(),
                          command_off<reg::gcmd::qie>(), command_off<reg::gcmd::eafl>(),
                          write_of<reg::fectl, reg::fectl::im>(1), write_of<reg::fsts, reg::fsts::apf>(1)}));
  EXPECT_TRUE(in_order(m.hw, {status<reg::gsts::qies>(0), command_off<reg::gcmd::eafl>(),
                              status<reg::gsts::afls>(0), write_of<reg::fectl>()}));
  EXPECT_EQ(m.fake.at<reg::fsts>(), 0U);
}

TEST(unit, a_reserved_bit_in_the_place_of_afls_is_no_log_to_switch_off) {
  one_unit m;
  m.fake.left_on<reg::gsts::afls>();
  m.get().quiesce();
  EXPECT_EQ(count(m.hw, write_of<reg::gcmd>()), 0U);
}

TEST(unit, a_quiet_unit_gets_no_command) {
  one_unit m;
  m.get().quiesce();
  EXPECT_TRUE(writes_are(m.hw, 0, {write_of<reg::fectl, reg::fectl::im>(1)}));
}

TEST(unit, preparing_writes_these_registers_in_this_order_and_no_others) {
  one_unit m;
  auto& unit = m.get();
  m.hw.forget_events();
  unit.prepare([] {});
  EXPECT_TRUE(writes_are(m.hw, 0,
                         {command<reg::gcmd::wbf>(), write_of<reg::rtaddr>(), command<reg::gcmd::srtp>(),
                          context_invalidation(context_granularity::global),
                          iotlb_invalidation(iotlb_granularity::global), write_of<reg::fedata>(),
                          write_of<reg::feaddr>(), write_of<reg::fectl, reg::fectl::im>(0)}));
  EXPECT_EQ(m.fake.at<reg::rtaddr>(), unit.tables().address());
}

TEST(unit, every_command_of_the_bring_up_waits_for_its_answer) {
  one_unit m;
  auto& unit = m.get();
  m.hw.forget_events();
  unit.prepare([] {});
  unit.enable();
  EXPECT_TRUE(in_order(m.hw, {command<reg::gcmd::wbf>(), status<reg::gsts::wbfs>(0), write_of<reg::rtaddr>(),
                              command<reg::gcmd::srtp>(), status<reg::gsts::rtps>(1),
                              context_invalidation(context_granularity::global), context_done(),
                              iotlb_invalidation(iotlb_granularity::global), iotlb_done(),
                              interrupt_registered(), write_of<reg::fedata>(), write_of<reg::feaddr>(),
                              write_of<reg::fectl, reg::fectl::im>(0), command<reg::gcmd::te>(),
                              status<reg::gsts::tes>(1), write_of<reg::pmen, reg::pmen::epm>(0),
                              answer<reg::pmen, reg::pmen::prs>(0)}));
  EXPECT_TRUE(unit.enabled());
}

TEST(unit, without_rwbf_there_is_no_write_buffer_flush_unless_the_chipset_is_known) {
  one_unit plain(narrow_cap().set_rwbf(false));
  plain.get().prepare([] {});
  EXPECT_EQ(count(plain.hw, command<reg::gcmd::wbf>()), 0U);

  one_unit known(narrow_cap().set_rwbf(false));
  known.options.write_buffer_quirk = true;
  known.get().prepare([] {});
  EXPECT_EQ(count(known.hw, command<reg::gcmd::wbf>()), 1U);
}

TEST(unit, one_shot_commands_are_not_given_again) {
  one_unit m;
  m.running();
  m.get().flush_write_buffer();
  // RTPS is 1 and must not become SRTP, TES is 1 and must stay.
  EXPECT_TRUE(writes_are(m.hw, 0, {command<reg::gcmd::wbf>()}));
  EXPECT_EQ(count(m.hw, command<reg::gcmd::srtp>()), 0U);
  EXPECT_EQ(count(m.hw, command<reg::gcmd::te>()), 1U);
}

TEST(unit, without_protected_regions_pmen_is_not_touched) {
  one_unit m(wide_cap(), wide_ecap());
  m.running();
  EXPECT_EQ(count(m.hw, read_of<reg::pmen>()), 0U);
  EXPECT_EQ(count(m.hw, write_of<reg::pmen>()), 0U);
}

TEST(unit, protected_regions_go_off_only_once_translation_guards_memory) {
  one_unit m;
  m.fake.at<reg::pmen>() = reg::pmen::epm::mask | reg::pmen::prs::mask;
  m.get().prepare([] {});
  m.get().enable();
  EXPECT_TRUE(before(m.hw, status<reg::gsts::tes>(1), write_of<reg::pmen>()));
  EXPECT_EQ(m.fake.at<reg::pmen>(), 0U);
}

TEST(unit, the_upper_half_of_the_message_is_written_only_where_the_register_is) {
  one_unit narrow;
  narrow.get().prepare([] {});
  EXPECT_EQ(count(narrow.hw, write_of<reg::feuaddr>()), 0U);
  one_unit wide(wide_cap(), wide_ecap());
  wide.get().prepare([] {});
  EXPECT_EQ(count(wide.hw, write_of<reg::feuaddr>()), 1U);
  EXPECT_TRUE(before(wide.hw, write_of<reg::feuaddr>(), write_of<reg::fectl>()));
}

TEST(unit, masking_the_fault_event_keeps_the_reserved_bits_of_fectl) {
  one_unit m;
  constexpr std::uint64_t left_by_firmware = 0x5a;
  static_assert((left_by_firmware & ~reg::fectl::layout.reserved()) == 0);
  m.fake.at<reg::fectl>() |= left_by_firmware;
  m.running();
  m.get().disable();
  EXPECT_EQ(m.fake.at<reg::fectl>(), left_by_firmware | reg::fectl::im::mask);
} // the fake notes a violation for every write that loses them

TEST(unit, without_a_handler_the_event_stays_masked) {
  one_unit m;
  m.get().quiesce();
  m.get().prepare({});
  EXPECT_EQ(count(m.hw, interrupt_registered()), 0U);
  EXPECT_EQ(m.fake.at<reg::fectl>(), reg::fectl::im::mask);
}

TEST(unit, a_fault_that_waited_behind_the_mask_is_told_when_it_goes) {
  one_unit m;
  unsigned calls = 0;
  auto& unit = m.get();
  m.fake.fault(nic.id, spec::fault_reason::no_read_permission, iova);
  unit.prepare([&] { ++calls; });
  m.hw.deliver_interrupts();
  EXPECT_EQ(calls, 1U);
}

TEST(unit, switching_off_masks_the_event_and_gives_the_vector_back) {
  one_unit m;
  auto& unit = m.running();
  unit.disable();
  EXPECT_TRUE(in_order(m.hw, {command_off<reg::gcmd::te>(), status<reg::gsts::tes>(0),
                              write_of<reg::fectl, reg::fectl::im>(1), interrupt_given_back()}));
  EXPECT_FALSE(unit.enabled());
  EXPECT_EQ(m.hw.vectors_in_use(), 0U);
}

// --- Invalidation

TEST(unit, a_context_invalidation_of_one_device_names_domain_and_device) {
  one_unit m;
  m.running().invalidate_context_device(domain_id, nic.id);
  EXPECT_TRUE(writes_are(m.hw, 0, {context_invalidation(context_granularity::device)}));
  EXPECT_EQ(count(m.hw, write_of<reg::ccmd, reg::ccmd::did>(domain_id)), 1U);
  EXPECT_EQ(count(m.hw, write_of<reg::ccmd, reg::ccmd::sid>(nic.id.value())), 1U);
  EXPECT_EQ(count(m.hw, write_of<reg::ccmd, reg::ccmd::fm>(0)), 1U);
}

/// What one invalidation of `pages` pages from iova on writes.
void expect_page_selective(const fake_hardware& hw, std::uint64_t address, unsigned mask, bool hint) {
  EXPECT_TRUE(writes_are(hw, 0, {write_of<reg::iva>(), iotlb_invalidation(iotlb_granularity::page)}));
  EXPECT_EQ(count(hw, write_of<reg::iva, reg::iva::addr>(address >> spec::page_shift)), 1U);
  EXPECT_EQ(count(hw, write_of<reg::iva, reg::iva::am>(mask)), 1U);
  EXPECT_EQ(count(hw, write_of<reg::iva, reg::iva::ih>(hint ? 1 : 0)), 1U);
  EXPECT_EQ(count(hw, write_of<reg::iotlb, reg::iotlb::did>(domain_id)), 1U);
}

TEST(unit, one_page_is_invalidated_alone) {
  one_unit m;
  m.running().invalidate_iotlb_range(domain_id, iova, iova + spec::page_size, true);
  expect_page_selective(m.hw, iova, 0, true);
}

TEST(unit, the_hint_is_not_given_when_tables_changed) {
  one_unit m;
  m.running().invalidate_iotlb_range(domain_id, iova, iova + spec::page_size, false);
  expect_page_selective(m.hw, iova, 0, false);
}

TEST(unit, a_range_that_is_not_aligned_to_its_size_takes_the_mask_that_covers_it) {
  one_unit m;
  // Pages 3 and 4: a mask of 1 would cover 2 and 3.
  m.running().invalidate_iotlb_range(domain_id, iova + 3 * spec::page_size, iova + 5 * spec::page_size, true);
  expect_page_selective(m.hw, iova, 3, true);
}

TEST(unit, a_range_of_just_the_largest_mask_is_page_selective_and_one_page_more_takes_the_domain) {
  const std::uint64_t largest = spec::page_size << narrow_cap().mamv();
  one_unit just;
  just.running().invalidate_iotlb_range(domain_id, iova, iova + largest, true);
  expect_page_selective(just.hw, iova, narrow_cap().mamv(), true);
  one_unit more;
  more.running().invalidate_iotlb_range(domain_id, iova, iova + largest + spec::page_size, true);
  EXPECT_TRUE(writes_are(more.hw, 0, {iotlb_invalidation(iotlb_granularity::domain)}));
  EXPECT_EQ(count(more.hw, write_of<reg::iotlb, reg::iotlb::did>(domain_id)), 1U);
}

TEST(unit, without_psi_every_range_takes_the_domain) {
  one_unit m(narrow_cap().set_psi(false));
  m.running().invalidate_iotlb_range(domain_id, iova, iova + spec::page_size, true);
  EXPECT_TRUE(writes_are(m.hw, 0, {iotlb_invalidation(iotlb_granularity::domain)}));
}

TEST(unit, with_psi_and_mamv_0_only_single_pages_are_selective) {
  one_unit m(narrow_cap().set_mamv(0));
  m.running().invalidate_iotlb_range(domain_id, iova, iova + spec::page_size, true);
  expect_page_selective(m.hw, iova, 0, true);
  m.hw.forget_events();
  m.get().invalidate_iotlb_range(domain_id, iova, iova + 2 * spec::page_size, true);
  EXPECT_TRUE(writes_are(m.hw, 0, {iotlb_invalidation(iotlb_granularity::domain)}));
}

TEST(unit, drains_are_asked_for_where_the_unit_can) {
  for (const bool reads : {false, true}) {
    for (const bool writes : {false, true}) {
      one_unit m(narrow_cap().set_drd(reads).set_dwd(writes));
      m.running().invalidate_iotlb_global();
      EXPECT_EQ(count(m.hw, write_of<reg::iotlb, reg::iotlb::dr>(reads ? 1 : 0)), 1U);
      EXPECT_EQ(count(m.hw, write_of<reg::iotlb, reg::iotlb::dw>(writes ? 1 : 0)), 1U);
    }
  }
}

TEST(unit, one_that_does_more_than_was_asked_is_welcome) {
  one_unit m;
  auto& unit = m.running();
  m.fake.caig = static_cast<std::uint64_t>(context_granularity::global);
  m.fake.iaig = static_cast<std::uint64_t>(iotlb_granularity::domain);
  EXPECT_NO_THROW(unit.invalidate_context_device(domain_id, nic.id));
  EXPECT_NO_THROW(unit.invalidate_iotlb_range(domain_id, iova, iova + spec::page_size, true));
}

TEST(unit, one_that_does_less_than_was_asked_or_nothing_is_an_error) {
  one_unit m;
  auto& unit = m.running();
  m.fake.caig = static_cast<std::uint64_t>(context_granularity::none);
  EXPECT_THAT(message_of<unit_error>([&] { unit.invalidate_context_device(domain_id, nic.id); }),
              HasSubstr("dmar0 at 0xfed90000: context-cache invalidation: CCMD.CAIG is 0, expected 1 to 3"));
  m.fake.caig = static_cast<std::uint64_t>(context_granularity::device);
  EXPECT_THAT(message_of<unit_error>([&] { unit.invalidate_context_global(); }),
              HasSubstr("CCMD.CAIG is 3, expected 1 to 1"));
  m.fake.iaig = static_cast<std::uint64_t>(iotlb_granularity::none);
  EXPECT_THAT(message_of<unit_error>([&] { unit.invalidate_iotlb_global(); }),
              HasSubstr("dmar0 at 0xfed90000: IOTLB invalidation: IOTLB.IAIG is 0, expected 1 to 1"));
  m.fake.iaig = static_cast<std::uint64_t>(iotlb_granularity::page);
  EXPECT_THAT(message_of<unit_error>([&] { unit.invalidate_iotlb_domain(domain_id); }),
              HasSubstr("IOTLB.IAIG is 3, expected 1 to 2"));
}

// --- Waits without an answer

/// One wait of the driver: how it is reached, what is withheld, what the error says.
struct wait {
  const char* name;
  unit_step step;
  const char* waited_for;
  std::function<void(fake_unit&)> withhold;
  std::function<void(one_unit&)> act;
};

std::ostream& operator<<(std::ostream& out, const wait& w) { return out << w.name; }

// A unit whose options do without the queue.
void by_register(one_unit& m) {
  m.options.use_queue = false;
  m.probe().prepare([] {});
}

const wait all_waits[] = {
    {"tes_off", unit_step::translation_off, "GSTS.TES is 1 after 5000000 ns, expected 0",
     [](fake_unit& u) { u.withhold.tes = true; }, [](one_unit& m) { m.get().quiesce(); }},
    {"ires_off", unit_step::interrupt_remapping_off, "GSTS.IRES is 1 after 5000000 ns, expected 0",
     [](fake_unit& u) { u.withhold.ires = true; }, [](one_unit& m) { m.get().quiesce(); }},
    {"qies_off", unit_step::queue_off, "GSTS.QIES is 1 after 5000000 ns, expected 0",
     [](fake_unit& u) { u.withhold.qies = true; }, [](one_unit& m) { m.get().quiesce(); }},
    {"afls_off", unit_step::fault_log, "GSTS.AFLS is 1 after 5000000 ns, expected 0",
     [](fake_unit& u) { u.withhold.afls = true; }, [](one_unit& m) { m.get().quiesce(); }},
    {"wbfs", unit_step::write_buffer_flush, "GSTS.WBFS is 1 after 5000000 ns, expected 0",
     [](fake_unit& u) { u.withhold.wbfs = true; }, [](one_unit& m) { m.get().prepare([] {}); }},
    {"rtps", unit_step::root_table_pointer, "GSTS.RTPS is 0 after 5000000 ns, expected 1",
     [](fake_unit& u) { u.withhold.rtps = true; }, [](one_unit& m) { m.get().prepare([] {}); }},
    {"icc", unit_step::context_invalidation, "CCMD.ICC is 1 after 5000000 ns, expected 0",
     [](fake_unit& u) { u.withhold.icc = true; }, by_register},
    {"ivt", unit_step::iotlb_invalidation, "IOTLB.IVT is 1 after 5000000 ns, expected 0",
     [](fake_unit& u) { u.withhold.ivt = true; }, by_register},
    {"qies_on", unit_step::queue_on, "GSTS.QIES is 0 after 5000000 ns, expected 1",
     [](fake_unit& u) { u.withhold.qies = true; }, [](one_unit& m) { m.get().enable_queue(); }},
    {"wait", unit_step::queued_invalidation, "the status of the wait is 0 after 5000000 ns, expected 1",
     [](fake_unit& u) { u.withhold.wait_status = true; }, [](one_unit& m) { m.get().prepare([] {}); }},
    {"tes_on", unit_step::translation_on, "GSTS.TES is 0 after 5000000 ns, expected 1",
     [](fake_unit& u) { u.withhold.tes = true; }, [](one_unit& m) { m.get().enable(); }},
    {"prs", unit_step::protected_memory_off, "PMEN.PRS is 1 after 5000000 ns, expected 0",
     [](fake_unit& u) {
       u.at<reg::pmen>() = reg::pmen::epm::mask | reg::pmen::prs::mask;
       u.withhold.prs = true;
     },
     [](one_unit& m) { m.get().enable(); }},
};

class unit_waits : public testing::TestWithParam<wait> {
protected:
  static constexpr std::uint64_t timeout_ns = 5'000'000;

  unit_waits() {
    m.options.timeout_ns = timeout_ns;
    m.fake.left_on<reg::gsts::rtps>();
    if (GetParam().name == std::string("tes_off")) m.fake.left_on<reg::gsts::tes>();
    if (GetParam().name == std::string("ires_off")) m.fake.left_on<reg::gsts::ires>();
    if (GetParam().name == std::string("qies_off")) m.fake.left_on<reg::gsts::qies>();
    if (GetParam().name == std::string("afls_off")) m.fake.left_on<reg::gsts::afls>();
    m.get();
  }
  one_unit m{narrow_cap().set_afl(true), narrow_ecap().set_ir(true).set_qi(true)};
};

TEST_P(unit_waits, end_in_time_with_unit_step_register_and_field) {
  GetParam().withhold(m.fake);
  const std::uint64_t start = m.hw.now_ns;
  try {
    GetParam().act(m);
    FAIL() << "no error";
  } catch (const unit_error& error) {
    EXPECT_EQ(error.step(), GetParam().step);
    const std::string place =
        "dmar0 at 0xfed90000: " + std::string(driver::step_name(GetParam().step)) + ": ";
    EXPECT_THAT(error.what(), HasSubstr(place + GetParam().waited_for));
  }
  EXPECT_GE(m.hw.now_ns - start, timeout_ns);
  // The longest pause between two polls, and what came before the wait.
  EXPECT_LE(m.hw.now_ns - start, timeout_ns + 1'100'000);
  EXPECT_FALSE(m.get().enabled() && GetParam().step != unit_step::protected_memory_off);
}

TEST_P(unit_waits, are_not_cut_short_for_a_slow_unit) {
  m.fake.latency_ns = timeout_ns - 5'000;
  const std::uint64_t start = m.hw.now_ns;
  EXPECT_NO_THROW(GetParam().act(m));
  EXPECT_GE(m.hw.now_ns - start, m.fake.latency_ns) << "it waited";
}

TEST_P(unit_waits, end_at_once_when_the_unit_has_gone) {
  // It goes just before it would answer: after the driver's command.
  GetParam().withhold(m.fake);
  m.hw.on_event = [this, polls = 0](const event& e) mutable {
    if (e.what == action::read && ++polls > 200) m.fake.silent = true;
  };
  const std::uint64_t start = m.hw.now_ns;
  try {
    GetParam().act(m);
    FAIL() << "no error";
  } catch (const unit_error& error) {
    EXPECT_EQ(error.step(), GetParam().step);
    const std::string waited_for = GetParam().waited_for;
    // The queue answers in memory; that the unit has gone shows in FSTS.
    const bool in_memory = GetParam().step == unit_step::queued_invalidation;
    const std::string place = in_memory ? "FSTS" : waited_for.substr(0, waited_for.find('.'));
    const std::string wanted = waited_for.substr(0, waited_for.find(' '));
    EXPECT_THAT(error.what(),
                HasSubstr(place + " reads all ones, the unit has stopped answering; expected " + wanted));
  }
  EXPECT_LT(m.hw.now_ns - start, timeout_ns / 10);
}

INSTANTIATE_TEST_SUITE_P(every_wait, unit_waits, testing::ValuesIn(all_waits),
                         [](const auto& which) { return std::string(which.param.name); });

TEST(unit, a_machine_without_a_vector_left_is_told_with_the_unit) {
  one_unit m;
  m.hw.vectors_left = 0;
  try {
    m.get().prepare([] {});
    FAIL() << "no error";
  } catch (const unit_error& error) {
    EXPECT_EQ(error.step(), unit_step::fault_interrupt);
    EXPECT_STREQ(error.what(),
                 "dmar0 at 0xfed90000: fault interrupt: interrupt registration: no vector left");
  }
  EXPECT_EQ(m.fake.at<reg::fectl>(), reg::fectl::im::mask);
}

TEST(unit, a_dead_unit_has_no_faults) {
  one_unit m;
  auto& unit = m.running();
  m.fake.silent = true;
  const auto batch = unit.take_faults();
  EXPECT_FALSE(batch.answered);
  EXPECT_THAT(batch.faults, IsEmpty());
  EXPECT_FALSE(batch.overflow);
  EXPECT_EQ(count(m.hw, any_write(0)), 0U);
}

} // namespace
} // namespace vtd::test
