// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtd/check/finding.h"
#include "vtd/dmar/config.h"
#include "vtd/dmar/observer.h"
#include "vtd/host/store_path.h"
#include "vtd/remap/access.h"
#include "vtd/remap/table_rules.h"
#include "vtd/spec/ats.h"
#include "vtd/spec/invalidation.h"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace vtd::check {

/// Watches one unit whose devices translate for themselves (PCIe ATS), and reports a device that goes on with
/// a translation which the driver took back everywhere but in the device (rule device-tlb.stale): the tables
/// say something else than the device was told, the IOTLB was invalidated for it, no device-TLB invalidation
/// was sent for it, and the device used it.
///
/// It knows what devices were told from the completions that the unit gave out, and asks the tables as the
/// CPU sees them, without any effect. Nothing is reported
/// - while the driver has not invalidated the IOTLB: it is still at work;
/// - of a use that comes less than `patience` cycles after that, if the device-TLB invalidation is sent
/// within
///   them;
/// - where the tables of now would let the request go to the same place;
/// - where another translation that the device has leads to the same place.
/// Devices are believed: once an invalidation request that meets a translation has left, the translation is
/// gone. A device whose ATS was switched off and on again may still be thought to have what it had before; it
/// is named only if it then uses an address that it had before and was not told again.
class device_tlb_checker final : public dmar::unit_observer {
public:
  /// `path` and `sink` must outlive this; `unit` is copied. It must watch from before the root table is set.
  device_tlb_checker(const dmar::unit_config& unit, const host::store_path& path, finding_sink& sink,
                     engine::cycle patience);

  void on_request(const dmar::request_event& event) override;
  void on_passage(const dmar::passage_event& event) override;
  void on_command(const dmar::command_event& event) override;
  void on_device_invalidation(const dmar::device_invalidation_event& event) override;
  void on_reset(engine::cycle at) override;
  /// The unit works no more, and it is `now`: uses whose patience is over are reported.
  void finish(engine::cycle now) { settle(now); }

  /// Translations that devices were told and have not been asked to forget.
  [[nodiscard]] std::size_t known() const { return grants_.size(); }
  /// Uses of translations that were taken back.
  [[nodiscard]] std::uint64_t stale_uses() const { return stale_uses_; }

private:
  // Input addresses that the tables had changed, when the IOTLB was invalidated for them.
  struct stale_range {
    spec::address_range range;
    engine::cycle since = 0;
  };
  // What a device was told.
  struct grant {
    spec::source_id device{};
    spec::address_range range;
    std::uint64_t host = 0;
    bool read = false;
    bool write = false;
    std::uint16_t domain = 0;
    engine::cycle told = 0;
    std::vector<stale_range> stale;
  };
  // What the tables say of one address.
  struct verdict {
    remap::translation page;
    std::uint16_t domain = 0;
  };
  // A translated request on its way.
  struct use {
    remap::dma_access access{};
    std::uint32_t length = 0;
    engine::cycle at = 0;
  };
  // One that is reported unless the driver sends the invalidation in time.
  struct suspect {
    finding_key key;
    finding what;
    spec::source_id device{};
    spec::address_range range;
    engine::cycle due = 0;
  };
  using place = std::pair<std::uint16_t, std::uint64_t>;

  void told(spec::source_id device, std::uint64_t address, spec::ats::translation word, engine::cycle at);
  void used(const use& what);
  void invalidated(spec::iotlb_granularity done, std::uint16_t domain, const spec::address_range& range,
                   engine::cycle at);
  [[nodiscard]] verdict ask_tables(spec::source_id device, std::uint64_t address) const;
  [[nodiscard]] static bool differs(const grant& what, std::uint64_t address, const remap::translation& now);
  void mark_stale(grant& what, const spec::address_range& range, engine::cycle at) const;
  void report(const grant& what, std::uint64_t address, const stale_range& since, const verdict& now,
              const use& by);
  void settle(engine::cycle now);

  std::string unit_;
  remap::table_rules rules_;
  const host::store_path& path_;
  finding_sink& sink_;
  engine::cycle patience_;
  std::uint64_t root_table_ = 0;
  // By device and first address.
  std::map<place, grant> grants_;
  // Grants with stale ranges.
  std::size_t stale_grants_ = 0;
  // In the order of their dues.
  std::vector<suspect> suspects_;
  std::uint64_t stale_uses_ = 0;
};

} // namespace vtd::check
