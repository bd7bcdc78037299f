// SPDX-License-Identifier: Apache-2.0
// The reference driver's operations against a unit, on the CPU's thread: register accesses, polls, stores and
// flushes take their time. Kinds by how the unit is told: by registers, on the DQ35JO; by the queue, on the
// synthetic board, whose wide unit has one.

#include "bench_case.h"
#include "driven_machine.h"

#include <memory>
#include <string>
#include <utility>

namespace vtd::bench {

namespace {

/// A board, and two functions on it, both behind the unit that serves all other devices, which knows
/// page-selective invalidation.
struct stage {
  std::string board;
  spec::source_id worker;
  spec::source_id bystander;
};
const stage by_register{"dq35jo", spec::source_id::from_bdf(0, 0x19, 0),
                        spec::source_id::from_bdf(0, 0x1f, 2)};
const stage by_queue{"synthetic-wide", spec::source_id::from_bdf(1, 0, 0),
                     spec::source_id::from_bdf(2, 0, 0)};

constexpr std::uint64_t iova = 0x4000'0000;
constexpr std::uint64_t pages = 512;
constexpr std::uint64_t iotlb_entries = 128;

enum class operation : std::uint8_t { invalidate_page, invalidate_domain, map_unmap };

/// The unit's IOTLB is full with entries of another domain throughout.
class driver_case final : public bench_case {
public:
  driver_case(const stage& where, operation what)
      : where_(where), what_(what), world_(where.board, {where.worker, where.bystander}) {}
  [[nodiscard]] std::uint64_t counted_items() const override { return 1024; }
  [[nodiscard]] bool verify() const override {
    const auto& unit = world_.unit(unit_);
    return unit.statistics().invalidations == invalidations_ + next_ &&
           unit.translator().caches().iotlb().occupancy() == iotlb_entries && unit.statistics().faults == 0;
  }

private:
  void set_up() override {
    world_.run([this] {
      driver::driver& d = world_.driver();
      domain_ = &d.create_domain("worker");
      driver::domain& others = d.create_domain("bystander");
      frames_ = world_.take_frames(pages);
      // The last page stays free: it is what is mapped and unmapped, in a table that stays.
      d.map(*domain_, iova, frames_, (pages - 1) * spec::page_size);
      d.map(others, iova, world_.take_frames(iotlb_entries), iotlb_entries * spec::page_size);
      d.attach(*domain_, {0, where_.worker});
      d.attach(others, {0, where_.bystander});
      driver_unit_ = d.unit_for({0, where_.worker});
      id_ = domain_->id_on(driver_unit_->index()).value();
    });
    unit_ = world_.machine().unit_of(where_.worker);
    do_items(16);
    world_.read_pages(1, iova, iotlb_entries);
    invalidations_ = world_.unit(unit_).statistics().invalidations - next_;
  }
  void do_items(std::uint64_t items) override {
    world_.run([&] {
      for (std::uint64_t i = next_; i < next_ + items; ++i)
        do_one(i);
    });
    next_ += items;
    consume(items);
  }
  void do_one(std::uint64_t i) {
    const std::uint64_t page = iova + i % (pages - 1) * spec::page_size;
    const std::uint64_t last = iova + (pages - 1) * spec::page_size;
    switch (what_) {
    case operation::invalidate_page:
      driver_unit_->invalidate_iotlb_range(id_, page, page + spec::page_size, true);
      break;
    case operation::invalidate_domain:
      driver_unit_->invalidate_iotlb_domain(id_);
      break;
    case operation::map_unmap:
      world_.driver().map(*domain_, last, frames_ + (pages - 1) * spec::page_size, spec::page_size);
      world_.driver().unmap(*domain_, last, spec::page_size);
      break;
    }
  }
  [[nodiscard]] std::vector<fact> totals() const override {
    const auto n = world_.unit(unit_).statistics();
    return {{"invalidations", static_cast<double>(n.invalidations)},
            {"simulated_ns", static_cast<double>(platform::now_ps()) / 1000}};
  }

  stage where_;
  operation what_;
  driven_machine world_;
  driver::domain* domain_ = nullptr;
  driver::unit* driver_unit_ = nullptr;
  unsigned unit_ = 0;
  std::uint16_t id_ = 0;
  std::uint64_t frames_ = 0;
  std::uint64_t next_ = 0;
  std::uint64_t invalidations_ = 0;
};

} // namespace

void add_driver_cases(case_list& cases) {
  const auto add = [&cases](const std::string& name, const std::string& item, operation what) {
    cases.push_back({name + "/register", item + ", told by registers",
                     [what] { return std::make_unique<driver_case>(by_register, what); }});
    cases.push_back({name + "/queued", item + ", told by the queue",
                     [what] { return std::make_unique<driver_case>(by_queue, what); }});
  };
  add("invalidate_page", "page-selective IOTLB invalidation by the driver", operation::invalidate_page);
  add("invalidate_domain", "domain-selective IOTLB invalidation by the driver", operation::invalidate_domain);
  add("map_unmap", "mapping and unmapping of a 4 KB page by the driver, with its invalidation",
      operation::map_unmap);
}

} // namespace vtd::bench
