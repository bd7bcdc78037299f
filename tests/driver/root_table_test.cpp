// SPDX-License-Identifier: Apache-2.0
// Root and context entries in memory: no moment at which hardware finds half of one. VT-d 9.1, 9.3

#include "vtd/driver/root_table.h"

#include "event_patterns.h"
#include "fake_machine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

namespace vtd::test {
namespace {

using testing::IsEmpty;

constexpr std::uint64_t page_table = 0x3000000;
constexpr std::uint64_t word = sizeof(std::uint64_t);

class root_table : public testing::Test {
public:
  ~root_table() override {
    table_.reset();
    EXPECT_EQ(hw.pages_in_use(), 0U);
    EXPECT_THAT(hw.all_violations(), IsEmpty());
  }

protected:
  root_table() = default;

  driver::root_table& table() {
    if (!table_) table_ = std::make_unique<driver::root_table>(machine_, flush, forget);
    return *table_;
  }
  static spec::context_entry some_entry(std::uint16_t domain_id = 7) {
    return spec::context_entry{}
        .set_domain_id(domain_id)
        .set_address_width(1)
        .set_second_level_table(page_table)
        .set_present(true);
  }
  std::uint64_t root_slot(source_id id) { return table().address() + id.bus() * sizeof(spec::root_entry); }
  spec::root_entry root_in_memory(source_id id) {
    return {hw.seen_by_hardware(root_slot(id)), hw.seen_by_hardware(root_slot(id) + word)};
  }
  std::uint64_t slot(source_id id) {
    return spec::root_entry{hw.seen_by_cpu(root_slot(id)), 0}.context_table() +
           id.devfn() * sizeof(spec::context_entry);
  }
  spec::context_entry in_memory(source_id id) {
    return {hw.seen_by_hardware(slot(id)), hw.seen_by_hardware(slot(id) + word)};
  }

  fake_hardware hw;
  bool flush = true;
  driver::omit forget;

private:
  driver::hardware machine_{hw.access()};
  std::unique_ptr<driver::root_table> table_;
};

TEST_F(root_table, a_new_one_is_a_page_of_zeroes_in_memory) {
  for (std::uint64_t at = 0; at < spec::page_size; at += word)
    EXPECT_EQ(hw.seen_by_hardware(table().address() + at), 0U);
  EXPECT_EQ(table().entry(nic.id), spec::context_entry{});
}

TEST_F(root_table, an_installed_entry_is_what_hardware_reads) {
  table().install(nic.id, some_entry());
  EXPECT_EQ(in_memory(nic.id), some_entry());
  EXPECT_EQ(table().entry(nic.id), some_entry());
  EXPECT_TRUE(root_in_memory(nic.id).present());
  const auto reserved = spec::root_entry::reserved(36);
  EXPECT_EQ(root_in_memory(nic.id).lo & reserved.lo, 0U);
  EXPECT_EQ(root_in_memory(nic.id).hi & reserved.hi, 0U);
  EXPECT_EQ(hw.dirty_lines(), 0U);
}

TEST_F(root_table, the_present_bit_is_stored_last) {
  table().install(nic.id, some_entry());
  EXPECT_TRUE(in_order(hw, {store_to(slot(nic.id) + word), store_to(slot(nic.id)), flush_of(slot(nic.id))}));
  EXPECT_TRUE(before(hw, store_to(slot(nic.id) + word), store_to(slot(nic.id))));
}

TEST_F(root_table, the_present_bit_goes_first) {
  table().install(nic.id, some_entry());
  const std::uint64_t at = slot(nic.id);
  hw.forget_events();
  EXPECT_EQ(table().clear(nic.id), some_entry());
  EXPECT_TRUE(before(hw, store_to(at), store_to(at + word)));
  EXPECT_EQ(in_memory(nic.id), spec::context_entry{});
  EXPECT_EQ(hw.dirty_lines(), 0U);
}

TEST_F(root_table, an_active_entry_is_replaced_through_not_present) {
  table().install(nic.id, some_entry(7));
  const std::uint64_t at = slot(nic.id);
  hw.forget_events();
  bool was_absent = false;
  hw.on_event = [&](const event& e) {
    if (e.what == action::store && e.address == at + word) was_absent = !in_memory(nic.id).present();
  };
  table().replace(nic.id, some_entry(8));
  hw.on_event = {};
  EXPECT_TRUE(was_absent) << "the upper word changed under an entry that was present in memory";
  EXPECT_TRUE(in_order(hw, {store_to(at), flush_of(at), store_to(at + word), store_to(at), flush_of(at)}));
  EXPECT_EQ(in_memory(nic.id), some_entry(8));
}

TEST_F(root_table, forgotten_present_bit_leaves_out_just_that_step) {
  table().install(nic.id, some_entry(7));
  const std::uint64_t at = slot(nic.id);
  hw.forget_events();
  forget.present_cleared_first = true;
  table().replace(nic.id, some_entry(8));
  EXPECT_EQ(count(hw, any_store()), 2U);
  EXPECT_EQ(count(hw, any_flush()), 1U);
  EXPECT_EQ(count(hw, store_to(at)), 1U);
  EXPECT_EQ(in_memory(nic.id), some_entry(8));
}

TEST_F(root_table, functions_of_one_bus_share_a_context_table_and_buses_have_their_own) {
  table().install(usb.id, some_entry());
  EXPECT_EQ(hw.pages_in_use(), 2U);
  table().install(disk.id, some_entry());
  EXPECT_EQ(hw.pages_in_use(), 2U);
  table().install(nic.id, some_entry());
  EXPECT_EQ(hw.pages_in_use(), 3U);
  EXPECT_NE(root_in_memory(nic.id).context_table(), root_in_memory(usb.id).context_table());
}

TEST_F(root_table, the_last_function_of_the_last_bus_has_its_place) {
  const auto last = source_id::from_bdf(255, 31, 7);
  table().install(last, some_entry());
  EXPECT_EQ(root_slot(last), table().address() + spec::page_size - sizeof(spec::root_entry));
  EXPECT_EQ(slot(last) % spec::page_size, spec::page_size - sizeof(spec::context_entry));
  EXPECT_EQ(in_memory(last), some_entry());
}

TEST_F(root_table, a_context_table_is_zero_in_memory_before_the_root_entry_points_to_it) {
  const std::uint64_t root = root_slot(nic.id);
  bool looked = false;
  hw.on_event = [&](const event& e) {
    if (e.what != action::store || e.address != root) return;
    looked = true;
    for (std::uint64_t at = 0; at < spec::page_size; at += word)
      EXPECT_EQ(hw.seen_by_hardware(spec::root_entry{e.value, 0}.context_table() + at), 0U);
  };
  table().install(nic.id, some_entry());
  hw.on_event = {};
  EXPECT_TRUE(looked);
}

TEST_F(root_table, clearing_what_is_not_there_touches_nothing) {
  (void)table();
  hw.forget_events();
  EXPECT_EQ(table().clear(nic.id), spec::context_entry{});
  EXPECT_EQ(count(hw, any_store()), 0U);
  EXPECT_EQ(hw.pages_in_use(), 1U);
}

TEST_F(root_table, each_touched_line_is_flushed_once_and_none_where_the_unit_is_coherent) {
  table().install(nic.id, some_entry());
  hw.forget_events();
  table().install(source_id::from_bdf(1, 0, 1), some_entry());
  EXPECT_EQ(count(hw, any_flush()), 1U);
}

TEST_F(root_table, a_coherent_unit_costs_no_flush) {
  flush = false;
  table().install(nic.id, some_entry());
  table().replace(nic.id, some_entry(8));
  (void)table().clear(nic.id);
  EXPECT_EQ(count(hw, any_flush()), 0U);
}

} // namespace
} // namespace vtd::test
