// SPDX-License-Identifier: Apache-2.0
// Page tables in memory: which leaves, which tables, which bits, and what is flushed. VT-d 3.7, 9.8

#include "vtd/driver/second_level_tables.h"

#include "event_patterns.h"
#include "fake_machine.h"

#include "vtd/driver/error.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <random>
#include <set>
#include <vector>

namespace vtd::test {
namespace {

using driver::driver_error;
using driver::mapping;
using driver::page_rights;
using driver::table_change;
using driver::table_shape;
using spec::level_size;
using spec::page_size;
using spec::second_level_entry;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::uint64_t iova = 0x40000000; // aligned to every leaf
constexpr std::uint64_t frame = 0x80000000;
constexpr unsigned all_page_sizes = 3; // 2 MB and 1 GB

class second_level_tables : public testing::Test {
public:
  ~second_level_tables() override {
    tables_.reset();
    EXPECT_EQ(hw.pages_in_use(), 0U) << "pages were lost";
    EXPECT_THAT(hw.all_violations(), IsEmpty());
  }

protected:
  second_level_tables() = default;

  driver::second_level_tables& tables() {
    if (!tables_) tables_ = std::make_unique<driver::second_level_tables>(machine_, shape, forget);
    return *tables_;
  }
  /// The entry of `level` for an address, walked from the top table as `levels` levels; what hardware that
  /// does not snoop reads.
  std::optional<second_level_entry> entry(std::uint64_t address, unsigned level, unsigned levels) {
    std::uint64_t table = tables().table_for(levels);
    for (unsigned at = levels;; --at) {
      const second_level_entry found{
          hw.seen_by_hardware(table + spec::level_index(address, at) * sizeof(second_level_entry))};
      if (at == level) return found;
      if (!found.present() || found.page_size()) return std::nullopt;
      table = found.address();
    }
  }
  /// Every present entry below a table, with its level, checked for bits that the unit calls reserved.
  void expect_no_reserved_bits(std::uint64_t table, unsigned level) {
    for (unsigned index = 0; index < spec::entries_per_table; ++index) {
      const second_level_entry e{hw.seen_by_cpu(table + index * sizeof(second_level_entry))};
      if (!e.present()) {
        EXPECT_EQ(e.value, 0U);
        continue;
      }
      const bool leaf = level == 1 || e.page_size();
      const second_level_entry::features has{.host_address_width = shape.host_address_width,
                                             .page_sizes = shape.page_sizes,
                                             .snoop_control = shape.snoop,
                                             .transient_mapping = false};
      EXPECT_EQ(e.value & second_level_entry::reserved(level, leaf, has), 0U) << "level " << level;
      if (!leaf) expect_no_reserved_bits(e.address(), level - 1);
    }
  }
  /// Gives freed tables back, as the driver does after the invalidation.
  table_change unmap(std::uint64_t address, std::uint64_t size) {
    table_change change = tables().unmap(address, size);
    const table_change as_it_was = change;
    tables().release(change);
    EXPECT_THAT(change.freed, IsEmpty());
    return as_it_was;
  }

  fake_hardware hw;
  table_shape shape;
  driver::omit forget;

private:
  driver::hardware machine_{hw.access()};
  std::unique_ptr<driver::second_level_tables> tables_;
};

// --- Shape

TEST_F(second_level_tables, empty_ones_are_one_page_that_reads_zero_in_memory) {
  EXPECT_EQ(tables().pages(), 1U);
  EXPECT_EQ(hw.dirty_lines(), 0U);
  for (unsigned index = 0; index < spec::entries_per_table; ++index)
    EXPECT_EQ(hw.seen_by_hardware(tables().table_for(3) + index * sizeof(second_level_entry)), 0U);
}

TEST_F(second_level_tables, shapes_that_no_hardware_walks_are_refused) {
  driver::hardware machine(hw.access());
  const auto message = [&](const table_shape& odd) {
    return message_of<driver_error>([&] { driver::second_level_tables made(machine, odd, forget); });
  };
  table_shape odd;
  odd.levels = odd.fewest_levels = 1;
  EXPECT_EQ(message(odd), "page tables: 1 levels, entered from 1 on; expected 2 to 5");
  odd.levels = odd.fewest_levels = 6;
  EXPECT_EQ(message(odd), "page tables: 6 levels, entered from 6 on; expected 2 to 5");
  odd.levels = 3;
  odd.fewest_levels = 4;
  EXPECT_EQ(message(odd), "page tables: 3 levels, entered from 4 on; expected 2 to 5");
  odd = {};
  odd.input_width = 40;
  EXPECT_EQ(message(odd), "page tables: device addresses of 40 bits; expected 13 to 39 with 3 levels");
  odd.levels = 4;
  EXPECT_EQ(message(odd), "page tables: device addresses of 40 bits; expected 13 to 39 with 3 levels");
  odd = {};
  odd.host_address_width = 12;
  EXPECT_EQ(message(odd), "page tables: physical addresses of 12 bits; expected 13 to 64");
  EXPECT_EQ(hw.pages_in_use(), 0U);
}

TEST_F(second_level_tables, units_of_fewer_levels_enter_below_the_top) {
  shape.levels = 4;
  shape.fewest_levels = 3;
  EXPECT_EQ(tables().pages(), 2U);
  EXPECT_NE(tables().table_for(4), tables().table_for(3));
  (void)tables().map(iova, frame, page_size, {});
  EXPECT_EQ(entry(iova, 1, 4)->address(), frame);
  EXPECT_EQ(entry(iova, 1, 3)->address(), frame);
  // The last unmap must not free the table that is somebody's top.
  const auto change = unmap(iova, page_size);
  EXPECT_EQ(change.freed.size(), 2U);
  EXPECT_EQ(tables().pages(), 2U);
  (void)tables().map(iova, frame, page_size, {});
  EXPECT_EQ(entry(iova, 1, 3)->address(), frame);
}

TEST_F(second_level_tables, a_number_of_levels_they_do_not_have_is_refused) {
  shape.levels = 4;
  EXPECT_EQ(message_of<driver_error>([&] { (void)tables().table_for(5); }),
            "page tables: asked for 5 levels, they have 3 to 4");
  EXPECT_EQ(message_of<driver_error>([&] { (void)tables().table_for(2); }),
            "page tables: asked for 2 levels, they have 3 to 4");
}

// --- Map

class second_level_tables_depth : public second_level_tables, public testing::WithParamInterface<unsigned> {
protected:
  second_level_tables_depth() {
    shape.levels = shape.fewest_levels = GetParam();
    shape.input_width = spec::page_shift + 9 * GetParam();
    shape.host_address_width = 46;
  }
};

TEST_P(second_level_tables_depth, a_page_at_the_bottom_and_one_at_the_top_of_the_width_are_found) {
  const unsigned levels = GetParam();
  const std::uint64_t last = spec::low_bits(shape.input_width) & ~(page_size - 1);
  (void)tables().map(0, frame, page_size, {});
  (void)tables().map(last, frame + page_size, page_size, {});
  EXPECT_EQ(entry(0, 1, levels)->address(), frame);
  EXPECT_EQ(entry(last, 1, levels)->address(), frame + page_size);
  EXPECT_EQ(tables().find(last + 0x123), (mapping{frame + page_size + 0x123, page_size, {}}));
  EXPECT_EQ(tables().pages(), 1U + 2U * (levels - 1));
  expect_no_reserved_bits(tables().table_for(levels), levels);
  EXPECT_EQ(tables().find(last + page_size), std::nullopt);
  (void)unmap(last, page_size);
  (void)unmap(0, page_size);
  EXPECT_EQ(tables().pages(), 1U);
}

TEST_P(second_level_tables_depth, an_address_beyond_the_width_is_refused) {
  const std::uint64_t end = spec::low_bits(shape.input_width) + 1;
  const std::string bits = "beyond the domain's " + std::to_string(shape.input_width) + " bits";
  EXPECT_THAT(message_of<driver_error>([&] { (void)tables().map(end, frame, page_size, {}); }),
              HasSubstr(bits));
  EXPECT_THAT(
      message_of<driver_error>([&] { (void)tables().map(end - page_size, frame, 2 * page_size, {}); }),
      HasSubstr(bits));
  EXPECT_THAT(message_of<driver_error>([&] { (void)tables().unmap(end - page_size, 2 * page_size); }),
              HasSubstr(bits));
  EXPECT_EQ(tables().pages(), 1U);
}

INSTANTIATE_TEST_SUITE_P(levels, second_level_tables_depth, testing::Values(2U, 3U, 4U, 5U));

TEST_F(second_level_tables, rights_are_in_the_leaf_and_upper_entries_allow_all) {
  const page_rights all[] = {{true, false}, {false, true}, {true, true}};
  std::uint64_t at = iova;
  for (const page_rights& rights : all) {
    (void)tables().map(at, frame, page_size, rights);
    EXPECT_EQ(entry(at, 1, 3)->read(), rights.read);
    EXPECT_EQ(entry(at, 1, 3)->write(), rights.write);
    EXPECT_EQ(tables().find(at)->rights, rights);
    at += page_size;
  }
  for (const unsigned level : {2U, 3U}) {
    EXPECT_TRUE(entry(iova, level, 3)->read());
    EXPECT_TRUE(entry(iova, level, 3)->write());
  }
}

TEST_F(second_level_tables, a_page_is_address_and_rights_and_nothing_else) {
  (void)tables().map(iova, frame, page_size, {true, false});
  EXPECT_EQ(*entry(iova, 1, 3), second_level_entry{}.set_address(frame).set_read(true));
}

TEST_F(second_level_tables, snoop_is_set_in_leaves_only_and_only_where_asked) {
  shape.snoop = true;
  shape.page_sizes = all_page_sizes;
  (void)tables().map(iova, frame, page_size, {});
  EXPECT_TRUE(entry(iova, 1, 3)->snoop());
  EXPECT_FALSE(entry(iova, 2, 3)->snoop());
  (void)tables().map(iova + level_size(2), frame, level_size(2), {});
  EXPECT_TRUE(entry(iova + level_size(2), 2, 3)->snoop());
  expect_no_reserved_bits(tables().table_for(3), 3);
}

TEST_F(second_level_tables, the_largest_leaves_that_fit_are_used) {
  shape.page_sizes = all_page_sizes;
  // One page, then up to 2 MB, then up to 1 GB, one of 1 GB, and back down to a page.
  const std::uint64_t begin = level_size(3) - level_size(2) - page_size;
  const std::uint64_t size = page_size + level_size(2) + level_size(3) + level_size(2) + page_size;
  const auto change = tables().map(begin, level_size(3) * 4 + begin, size, {});
  EXPECT_EQ(change.bytes, size);
  EXPECT_TRUE(change.tables_changed);
  EXPECT_EQ(tables().find(begin)->size, page_size);
  EXPECT_EQ(tables().find(begin + page_size)->size, level_size(2));
  EXPECT_EQ(tables().find(level_size(3))->size, level_size(3));
  EXPECT_EQ(tables().find(2 * level_size(3))->size, level_size(2));
  EXPECT_EQ(tables().find(2 * level_size(3) + level_size(2))->size, page_size);
  EXPECT_EQ(tables().mapped_bytes(), size);
  EXPECT_EQ(tables().find(begin + size - 1)->physical, level_size(3) * 4 + begin + size - 1);
  expect_no_reserved_bits(tables().table_for(3), 3);
}

TEST_F(second_level_tables, a_physical_address_that_is_not_aligned_to_a_superpage_takes_pages) {
  shape.page_sizes = all_page_sizes;
  (void)tables().map(iova, frame + page_size, level_size(2), {});
  EXPECT_EQ(tables().find(iova)->size, page_size);
  EXPECT_EQ(tables().find(iova + level_size(2) - page_size)->physical, frame + level_size(2));
}

TEST_F(second_level_tables, a_part_without_superpages_gets_none) {
  (void)tables().map(iova, frame, 2 * level_size(2), {});
  EXPECT_EQ(tables().find(iova)->size, page_size);
  EXPECT_EQ(tables().pages(), 4U);
  expect_no_reserved_bits(tables().table_for(3), 3);
}

TEST_F(second_level_tables, a_size_counts_only_when_the_smaller_ones_are_there) {
  shape.page_sizes = 2; // 1 GB without 2 MB: could not be split into what the part has
  (void)tables().map(iova, frame, level_size(3), {});
  EXPECT_EQ(tables().find(iova)->size, page_size);
}

TEST_F(second_level_tables, only_leaves_change_where_the_tables_are_there) {
  EXPECT_TRUE(tables().map(iova, frame, page_size, {}).tables_changed);
  EXPECT_FALSE(tables().map(iova + page_size, frame, page_size, {}).tables_changed);
}

// --- Errors

TEST_F(second_level_tables, errors_name_value_and_expectation_and_change_nothing) {
  shape.page_sizes = all_page_sizes;
  (void)tables().map(iova, frame, page_size, {});
  const auto stores = count(hw, any_store());
  const auto pages = hw.pages_in_use();
  struct refused {
    std::uint64_t address, physical, size;
    page_rights rights;
    const char* message;
  };
  const std::uint64_t host_end = std::uint64_t{1} << shape.host_address_width;
  const refused all[] = {
      {iova + 1, frame, page_size, {}, "device range 0x40000001 + 0x1000: expected whole pages of 4 KB"},
      {iova, frame, page_size + 8, {}, "device range 0x40000000 + 0x1008: expected whole pages of 4 KB"},
      {iova, frame, 0, {}, "device range 0x40000000 + 0x0: expected whole pages of 4 KB"},
      {iova, frame + 8, page_size, {}, "physical address 0x80000008: expected a multiple of 4 KB"},
      {iova, host_end, page_size, {}, "beyond the machine's 36 bits"},
      {iova, host_end - page_size, 2 * page_size, {}, "beyond the machine's 36 bits"},
      {iova, frame, page_size, {false, false}, "map: neither read nor write, expected at least one"},
      {iova, frame, page_size, {}, "map: device address 0x40000000 is mapped already"},
      {iova - page_size, frame, 3 * page_size, {}, "map: device address 0x40000000 is mapped already"},
      {iova - page_size, frame, level_size(2), {}, "map: device address 0x40000000 is mapped already"},
      {spec::interrupt_range_first,
       frame,
       page_size,
       {},
       "touches the interrupt range 0xfee00000-0xfeefffff"},
      {spec::interrupt_range_first - page_size, frame, 2 * page_size, {}, "touches the interrupt range"},
      {iova * 2, spec::page_base(spec::interrupt_range_last), page_size, {}, "touches the interrupt range"},
  };
  for (const refused& each : all) {
    EXPECT_THAT(message_of<driver_error>(
                    [&] { (void)tables().map(each.address, each.physical, each.size, each.rights); }),
                HasSubstr(each.message));
  }
  EXPECT_EQ(count(hw, any_store()), stores);
  EXPECT_EQ(hw.pages_in_use(), pages);
  EXPECT_EQ(tables().mapped_bytes(), page_size);
}

TEST_F(second_level_tables, pages_next_to_the_interrupt_range_can_be_mapped) {
  EXPECT_NO_THROW((void)tables().map(spec::interrupt_range_first - page_size, frame, page_size, {}));
  EXPECT_NO_THROW((void)tables().map(spec::interrupt_range_last + 1, frame, page_size, {}));
}

TEST_F(second_level_tables, a_superpage_in_the_way_is_mapped_already) {
  shape.page_sizes = all_page_sizes;
  (void)tables().map(iova, frame, level_size(2), {});
  EXPECT_THAT(
      message_of<driver_error>([&] { (void)tables().map(iova + 5 * page_size, frame, page_size, {}); }),
      HasSubstr("0x40005000 is mapped already"));
}

TEST_F(second_level_tables, physical_addresses_end_where_an_entry_ends) {
  shape.host_address_width = 64; // what a table may say
  shape.levels = shape.fewest_levels = 4;
  constexpr std::uint64_t beyond = second_level_entry::address_field::mask + page_size;
  EXPECT_THAT(message_of<driver_error>([&] { (void)tables().map(iova, beyond, page_size, {}); }),
              HasSubstr("beyond the machine's 52 bits"));
  (void)tables().map(iova, beyond - page_size, page_size, {});
  EXPECT_EQ(tables().find(iova)->physical, beyond - page_size);
}

TEST_F(second_level_tables, no_page_left_takes_the_whole_map_back_before_anything_shows) {
  (void)tables();
  hw.forget_events();
  hw.pages_left = 1; // two are needed
  EXPECT_THAT(message_of<driver_error>([&] { (void)tables().map(iova, frame, page_size, {}); }),
              HasSubstr("page allocation: no memory left"));
  EXPECT_EQ(count(hw, any_store()), 0U);
  EXPECT_EQ(hw.pages_in_use(), 1U);
  EXPECT_EQ(tables().find(iova), std::nullopt);
  hw.pages_left = 2;
  (void)tables().map(iova, frame, page_size, {});
}

TEST_F(second_level_tables, no_page_left_for_a_split_unmaps_nothing) {
  shape.page_sizes = all_page_sizes;
  (void)tables().map(iova, frame, level_size(2), {});
  hw.pages_left = 0;
  EXPECT_THAT(message_of<driver_error>([&] { (void)tables().unmap(iova + page_size, page_size); }),
              HasSubstr("no memory left"));
  EXPECT_EQ(tables().find(iova + page_size)->size, level_size(2));
}

// --- Unmap

TEST_F(second_level_tables, what_was_not_mapped_changes_nothing) {
  const auto change = unmap(iova, level_size(3));
  EXPECT_EQ(change.begin, change.end);
  EXPECT_EQ(change.bytes, 0U);
}

TEST_F(second_level_tables, holes_are_passed_over) {
  (void)tables().map(iova, frame, page_size, {});
  (void)tables().map(iova + 4 * page_size, frame, page_size, {});
  EXPECT_EQ(unmap(iova, 8 * page_size).bytes, 2 * page_size);
  EXPECT_EQ(tables().mapped_bytes(), 0U);
}

TEST_F(second_level_tables, a_table_stays_while_one_entry_is_used_and_goes_with_the_last) {
  (void)tables().map(iova, frame, 2 * page_size, {});
  EXPECT_EQ(tables().pages(), 3U);
  auto change = unmap(iova, page_size);
  EXPECT_FALSE(change.tables_changed);
  EXPECT_EQ(tables().pages(), 3U);
  change = tables().unmap(iova + page_size, page_size);
  EXPECT_TRUE(change.tables_changed);
  EXPECT_EQ(change.freed.size(), 2U);
  // Not before release: a unit may still walk them.
  EXPECT_EQ(tables().pages(), 3U);
  for (const std::uint64_t table : change.freed)
    EXPECT_TRUE(hw.is_table_page(table));
  tables().release(change);
  EXPECT_EQ(tables().pages(), 1U);
}

TEST_F(second_level_tables, a_whole_superpage_goes_without_a_split) {
  shape.page_sizes = all_page_sizes;
  (void)tables().map(iova, frame, level_size(3), {});
  hw.forget_events();
  const auto change = unmap(iova, level_size(3));
  EXPECT_FALSE(change.tables_changed);
  EXPECT_EQ(change.bytes, level_size(3));
  EXPECT_EQ(count(hw, any_store()), 1U);
}

TEST_F(second_level_tables, a_superpage_is_split_down_to_the_bounds_of_the_hole) {
  shape.page_sizes = all_page_sizes;
  (void)tables().map(iova, frame, level_size(3), {true, false});
  const auto change = unmap(iova + level_size(2) + page_size, page_size);
  EXPECT_TRUE(change.tables_changed);
  // All that the old leaf covered may be cached under it.
  EXPECT_EQ(change.begin, iova);
  EXPECT_EQ(change.end, iova + level_size(3));
  EXPECT_EQ(change.bytes, page_size);
  EXPECT_EQ(tables().find(iova), (mapping{frame, level_size(2), {true, false}}));
  EXPECT_EQ(tables().find(iova + level_size(2)), (mapping{frame + level_size(2), page_size, {true, false}}));
  EXPECT_EQ(tables().find(iova + level_size(2) + page_size), std::nullopt);
  EXPECT_EQ(tables().find(iova + level_size(2) + 2 * page_size)->physical,
            frame + level_size(2) + 2 * page_size);
  EXPECT_EQ(tables().find(iova + level_size(3) - 1)->physical, frame + level_size(3) - 1);
  EXPECT_EQ(tables().mapped_bytes(), level_size(3) - page_size);
  expect_no_reserved_bits(tables().table_for(3), 3);
  (void)unmap(iova, level_size(3));
  EXPECT_EQ(tables().pages(), 1U);
}

TEST_F(second_level_tables, a_split_is_complete_in_memory_before_the_old_leaf_goes) {
  shape.page_sizes = 1;
  (void)tables().map(iova, frame, level_size(2), {});
  const std::uint64_t directory = entry(iova, 3, 3)->address();
  const std::uint64_t leaf = directory + spec::level_index(iova, 2) * sizeof(second_level_entry);
  bool looked = false;
  hw.on_event = [&](const event& e) {
    if (e.what != action::store || e.address != leaf) return;
    looked = true;
    const std::uint64_t below = second_level_entry{e.value}.address();
    for (unsigned index = 0; index < spec::entries_per_table; ++index) {
      EXPECT_EQ(second_level_entry{hw.seen_by_hardware(below + index * sizeof(second_level_entry))}.address(),
                frame + index * page_size);
    }
  };
  (void)unmap(iova, page_size);
  hw.on_event = {};
  EXPECT_TRUE(looked);
}

// --- What hardware can see when

TEST_F(second_level_tables, a_table_is_zero_in_memory_before_anything_points_to_it) {
  (void)tables();
  std::set<std::uint64_t> linked;
  hw.on_event = [&](const event& e) {
    const second_level_entry entry_stored{e.value};
    if (e.what != action::store || !entry_stored.present() || !hw.is_table_page(entry_stored.address()))
      return;
    linked.insert(entry_stored.address());
    for (std::uint64_t word = 0; word < page_size; word += sizeof(std::uint64_t))
      EXPECT_EQ(hw.seen_by_hardware(entry_stored.address() + word), 0U);
  };
  (void)tables().map(iova, frame, page_size, {});
  hw.on_event = {};
  EXPECT_EQ(linked.size(), 2U);
}

TEST_F(second_level_tables, nothing_is_left_in_the_cache_after_a_change) {
  shape.page_sizes = all_page_sizes;
  (void)tables().map(iova, frame, level_size(3) + 3 * page_size, {});
  EXPECT_EQ(hw.dirty_lines(), 0U);
  (void)unmap(iova + page_size, level_size(3));
  EXPECT_EQ(hw.dirty_lines(), 0U);
}

TEST_F(second_level_tables, coherent_units_cost_no_flush) {
  shape.flush = false;
  (void)tables().map(iova, frame, 600 * page_size, {});
  (void)unmap(iova, 600 * page_size);
  EXPECT_EQ(count(hw, any_flush()), 0U);
}

TEST_F(second_level_tables, a_run_of_entries_is_flushed_in_one_go) {
  (void)tables().map(iova, frame, page_size, {});
  hw.forget_events();
  (void)tables().map(iova + page_size, frame, 64 * page_size, {});
  EXPECT_EQ(count(hw, any_store()), 64U);
  EXPECT_EQ(count(hw, any_flush()), 1U);
  EXPECT_TRUE(before(hw, any_store(), any_flush()));
}

// --- Against a plain list

TEST_F(second_level_tables, random_maps_and_unmaps_agree_with_a_plain_list) {
  shape.page_sizes = 1;
  shape.levels = 4;
  shape.fewest_levels = 3;
  std::mt19937_64 random(1);
  constexpr std::uint64_t window = 3 * 512;     // pages, three tables
  std::map<std::uint64_t, std::uint64_t> plain; // page to frame
  const auto between = [&](std::uint64_t low, std::uint64_t high) {
    return std::uniform_int_distribution<std::uint64_t>(low, high)(random);
  };
  for (unsigned round = 0; round < 400; ++round) {
    const std::uint64_t first = between(0, 1) == 0 ? between(0, window - 1) : 512 * between(0, 2);
    const std::uint64_t pages = std::min(window - first, between(0, 3) == 0 ? 512 : between(1, 40));
    const std::uint64_t physical =
        frame / page_size + 512 * between(0, 3) + (between(0, 1) == 0 ? 0 : first % 512);
    if (between(0, 1) == 0) {
      const bool taken = plain.lower_bound(first) != plain.lower_bound(first + pages);
      if (taken) {
        EXPECT_THROW(
            (void)tables().map(iova + first * page_size, physical * page_size, pages * page_size, {}),
            driver_error);
      } else {
        (void)tables().map(iova + first * page_size, physical * page_size, pages * page_size, {});
        for (std::uint64_t i = 0; i < pages; ++i)
          plain[first + i] = physical + i;
      }
    } else {
      (void)unmap(iova + first * page_size, pages * page_size);
      plain.erase(plain.lower_bound(first), plain.lower_bound(first + pages));
    }
    ASSERT_EQ(tables().mapped_bytes(), plain.size() * page_size);
    ASSERT_EQ(hw.dirty_lines(), 0U);
    for (std::uint64_t i = 0; i < window; i += 1 + round % 7) {
      const auto found = tables().find(iova + i * page_size);
      const auto wanted = plain.find(i);
      ASSERT_EQ(found.has_value(), wanted != plain.end()) << "round " << round << ", page " << i;
      if (found) {
        ASSERT_EQ(found->physical, wanted->second * page_size);
      }
    }
  }
  expect_no_reserved_bits(tables().table_for(4), 4);
  (void)unmap(iova, window * page_size);
  EXPECT_EQ(tables().pages(), 2U);
}

} // namespace
} // namespace vtd::test
