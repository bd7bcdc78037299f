// SPDX-License-Identifier: Apache-2.0
// Parts that need a flush without saying so: a driver that believes the capability registers goes wrong, one
// that knows the part does not. driver-side history: the write-buffer quirk lists of Linux and Xen for host
// bridges 2a40 and 2e00 to 2e90.

#include "scenario/machine_scene.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace vtd::test {
namespace {

using testing::HasSubstr;

constexpr source_id nic = nic_of_machine;
constexpr std::uint64_t iova = 0x40000000;
constexpr std::uint64_t frame = 0x20000000;
constexpr std::uint64_t page = spec::page_size;

/// A board whose units have a write buffer and do not say so (CAP.RWBF = 0).
scene_options silent_write_buffer(bool driver_knows) {
  scene_options options;
  options.driving.unit.write_buffer_quirk = driver_knows;
  options.change_board = [](models::board& board) {
    for (auto& unit : board.units) {
      spec::cap cap{unit.cap.value};
      cap.set_rwbf(false);
      unit.cap.value = cap.value;
      unit.hidden_write_buffer.value = true;
    }
  };
  return options;
}

/// One that claims coherent walks (ECAP.C = 1) and reads its tables past the CPU's cache.
scene_options false_coherence(bool claims) {
  scene_options options;
  options.change_board = [claims](models::board& board) {
    for (auto& unit : board.units) {
      spec::ecap ecap{unit.ecap.value};
      ecap.set_c(claims);
      unit.ecap.value = ecap.value;
      unit.hidden_incoherent.value = true;
    }
  };
  return options;
}

// Nothing is invalidated after attach and map (CM = 0 needs none), so nothing else empties the buffer.
void attach_and_read(machine_scene& s, driver::driver& d, bool expected) {
  d.start();
  auto& guest = d.create_domain("guest");
  d.map(guest, iova, frame, page);
  d.attach(guest, {0, nic});
  EXPECT_EQ(s.read(nic, iova).has_value(), expected);
  d.map(guest, iova + page, frame + page, page);
  EXPECT_EQ(s.read(nic, iova + page).has_value(), expected);
}

TEST(hidden_needs, a_write_buffer_that_is_not_told_of_keeps_entries_from_a_driver_that_believes_rwbf) {
  machine_scene s("dq35jo", silent_write_buffer(false));
  s.run([&](driver::driver& d) {
    EXPECT_FALSE(s.unit_of(nic).config().caps.cap.rwbf());
    attach_and_read(s, d, false);
    ASSERT_FALSE(s.findings.empty());
    EXPECT_EQ(s.findings.findings()[0].rule(), "visibility.write-buffer");
    EXPECT_THAT(s.findings.findings()[0].text, HasSubstr("forgotten: GCMD.WBF write-buffer flush"));
  });
}

TEST(hidden_needs, a_driver_with_the_quirk_flushes_it_all_the_same) {
  machine_scene s("dq35jo", silent_write_buffer(true));
  s.run([&](driver::driver& d) {
    attach_and_read(s, d, true);
    EXPECT_TRUE(s.findings.empty());
  });
}

TEST(hidden_needs, a_part_that_claims_coherence_and_has_none_does_not_see_unflushed_entries) {
  machine_scene s("synthetic-wide", false_coherence(true));
  s.run([&](driver::driver& d) {
    EXPECT_TRUE(s.unit_of(nic).config().caps.ecap.c());
    d.start();
    auto& guest = d.create_domain("guest");
    d.map(guest, iova, frame, page);
    d.attach(guest, {0, nic});
    EXPECT_FALSE(s.read(nic, iova));
    ASSERT_FALSE(s.findings.empty());
    EXPECT_EQ(s.findings.findings()[0].rule(), "visibility.cache-line");
    EXPECT_THAT(s.findings.findings()[0].text, HasSubstr("forgotten: flush of the cache line"));
  });
}

TEST(hidden_needs, the_same_part_works_for_a_driver_that_is_told_the_truth) {
  machine_scene s("synthetic-wide", false_coherence(false));
  s.run([&](driver::driver& d) {
    d.start();
    auto& guest = d.create_domain("guest");
    d.map(guest, iova, frame, page);
    d.attach(guest, {0, nic});
    EXPECT_TRUE(s.read(nic, iova));
    EXPECT_TRUE(s.findings.empty());
  });
}

} // namespace
} // namespace vtd::test
