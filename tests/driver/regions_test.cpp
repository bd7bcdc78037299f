// SPDX-License-Identifier: Apache-2.0
// Reserved regions (VT-d 8.4) go with their function from domain to domain.

#include "vtd/driver/driver.h"

#include "event_patterns.h"
#include "fake_machine.h"

#include "vtd/driver/error.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vtd::test {
namespace {

using driver::driver_error;
using spec::page_size;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::uint64_t first = 0x7f000000;
constexpr std::uint64_t pages = 3;
constexpr std::uint64_t last = first + pages * page_size - 1;
constexpr std::uint64_t frame = 0x80000000;

class regions : public testing::Test {
protected:
  regions() { m.add_region(first, last, usb); }
  void TearDown() override { EXPECT_THAT(m.hw.all_violations(), IsEmpty()); }
  [[nodiscard]] bool reaches(source_id who) {
    for (std::uint64_t at = first; at < last; at += page_size) {
      if (m.translate(who, at) != at) return false;
    }
    return true;
  }
  static bool maps(driver::domain& in) { return in.tables().find(first).has_value(); }
  narrow_machine m;
};

TEST_F(regions, follow_their_function_into_another_domain) {
  auto& d = m.started();
  auto& guest = d.create_domain("guest");
  unsigned seen = 0;
  m.hw.on_event = [&](const event&) {
    if (!m.context_in_memory(usb.id).present()) return;
    ++seen;
    EXPECT_TRUE(reaches(usb.id)) << "the device is there without its region";
  };
  d.attach(guest, usb);
  m.hw.on_event = {};
  EXPECT_GT(seen, 0U);
  EXPECT_EQ(d.domain_of(usb), &guest);
  EXPECT_TRUE(reaches(usb.id));
  EXPECT_EQ(guest.tables().mapped_bytes(), pages * page_size);
}

TEST_F(regions, are_there_for_a_function_that_had_a_domain_before_the_start) {
  auto& guest = m.drv().create_domain("guest");
  m.drv().attach(guest, usb);
  (void)m.started();
  EXPECT_EQ(m.drv().domain_of(usb), &guest);
  EXPECT_TRUE(reaches(usb.id));
}

TEST_F(regions, go_with_the_last_function_that_needs_them) {
  m.add_region(first + page_size, last + page_size, disk);
  auto& d = m.started();
  auto& guest = d.create_domain("guest");
  d.attach(guest, usb);
  d.attach(guest, disk);
  EXPECT_EQ(guest.tables().mapped_bytes(), (pages + 1) * page_size);
  d.detach(usb);
  EXPECT_FALSE(guest.tables().find(first).has_value());
  for (std::uint64_t at = first + page_size; at <= last; at += page_size)
    EXPECT_EQ(m.translate(disk.id, at), at);
  d.detach(disk);
  EXPECT_EQ(guest.tables().mapped_bytes(), 0U);
}

TEST_F(regions, that_software_mapped_itself_stay) {
  auto& d = m.started();
  auto& guest = d.create_domain("guest");
  d.map(guest, first, first, page_size);
  d.attach(guest, usb);
  EXPECT_TRUE(reaches(usb.id));
  d.detach(usb);
  EXPECT_TRUE(maps(guest));
  EXPECT_EQ(guest.tables().mapped_bytes(), page_size);
}

TEST_F(regions, come_back_with_the_function) {
  auto& d = m.started();
  auto& firmware = *d.domain_of(usb);
  d.attach(d.create_domain("guest"), usb);
  d.attach(firmware, usb);
  EXPECT_TRUE(reaches(usb.id));
  d.detach(usb);
  EXPECT_TRUE(maps(firmware)) << "it is the start that maps them there";
}

TEST_F(regions, are_not_brought_where_something_else_is_mapped) {
  auto& d = m.started();
  auto& guest = d.create_domain("guest");
  d.map(guest, first + page_size, frame, page_size);
  try {
    d.attach(guest, usb);
    ADD_FAILURE() << "attached";
  } catch (const driver_error& error) {
    EXPECT_THAT(error.what(), HasSubstr("domain guest maps 0x7f001000 of its reserved region to 0x80000000"));
  }
  EXPECT_EQ(d.domain_of(usb)->name(), "firmware");
  EXPECT_TRUE(reaches(usb.id));
  EXPECT_EQ(guest.tables().mapped_bytes(), page_size);
}

TEST_F(regions, need_all_rights) {
  auto& d = m.started();
  auto& guest = d.create_domain("guest");
  d.map(guest, first, first, page_size, {.read = true, .write = false});
  EXPECT_THROW(d.attach(guest, usb), driver_error);
}

TEST_F(regions, are_given_back_where_no_domain_id_is_left_for_the_function) {
  auto functions = all_functions();
  for (unsigned f = 0; f < 15; ++f) {
    functions.push_back({});
    functions.back().address = {0, source_id::from_bdf(0, 0x10 + f / 8, f % 8)};
  }
  driver::hardware machine(m.hw.access());
  driver::driver d(machine, m.table, functions);
  for (std::size_t i = functions.size() - 15; i < functions.size(); ++i)
    d.attach(d.create_domain("other"), functions[i].address);
  auto& guest = d.create_domain("guest");
  EXPECT_THROW(d.attach(guest, usb), driver_error);
  EXPECT_EQ(guest.tables().mapped_bytes(), 0U);
}

TEST_F(regions, of_a_driver_that_forgets_them_stay_behind) {
  m.forget.reserved_regions = true;
  auto& d = m.started();
  auto& guest = d.create_domain("guest");
  d.attach(guest, usb);
  EXPECT_FALSE(maps(guest));
}

} // namespace
} // namespace vtd::test
