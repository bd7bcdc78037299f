// SPDX-License-Identifier: Apache-2.0
// The unit behind TLM sockets, and what the same hops cost with no unit in between.

#include "bench_case.h"
#include "initiators.h"
#include "machine.h"

#include "vtd/host/sparse_memory.h"
#include "vtd/host/store_path.h"
#include "vtd/models/data_files.h"
#include "vtd/models/dram_preset.h"
#include "vtd/platform/dram.h"
#include "vtd/platform/interrupt_sink.h"
#include "vtd/platform/memory.h"
#include "vtd/platform/remapping_unit.h"

#include <benchmark/benchmark.h>

#include <array>
#include <cstring>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

namespace vtd::bench {

namespace {

using sc_core::sc_gen_unique_name;

/// A memory of fixed 50 ns.
struct memory_side {
  explicit memory_side(unsigned ports)
      : store(std::uint64_t{1} << 40), path(store, host::store_path_config{}),
        ram(sc_gen_unique_name("memory"), path, platform::memory_timing{}, ports) {}
  void write_tables() {
    const flat_tables tables(4);
    std::uint64_t address = flat_tables::base;
    for (const std::uint64_t word : tables.words()) {
      store.store<std::uint64_t>(address, word);
      address += 8;
    }
  }
  /// Data for all addresses of a stream, from `base` on.
  void write_data(stream_kind kind, std::uint64_t base) {
    for (std::uint64_t i = 0; i < thrash; ++i) {
      const std::uint64_t address = address_of(kind, i);
      store.store<std::uint64_t>(base + address, byte_at(address));
    }
  }
  host::sparse_memory store;
  host::store_path path;
  platform::memory ram;
};

// What all initiators' checksums must be after `items`: right data and a right answer each.
std::uint64_t expected_sum(stream_kind kind, std::uint64_t items) {
  std::uint64_t sum = 0;
  for (std::uint64_t i = 0; i < items; ++i)
    sum += byte_at(address_of(kind, i)) + 1U;
  return sum;
}

struct variant {
  stream_kind stream = stream_kind::same_page;
  bool structures = true;
  unsigned walkers = 5;
  /// A DRAM type before the memory; empty: none.
  std::string dram;
};

dmar::unit_config unit_of(const variant& v) {
  dmar::unit_config out;
  out.caps = part();
  out.caches = shapes(128, v.structures);
  out.timing.lookup = {context_lookup, iotlb_lookup, 1};
  out.timing.requests = 64;
  out.timing.walkers = v.walkers;
  return out;
}

/// Binds the register socket; the cases write registers directly.
struct register_side : sc_core::sc_module {
  tlm_utils::simple_initiator_socket<register_side> socket{"socket"};
  explicit register_side(const sc_core::sc_module_name& name) : sc_module(name) {}
};

/// A unit between an initiator's socket and a memory.
class unit_world {
public:
  template <class Socket>
  unit_world(const variant& v, Socket& initiator)
      : wheel(sc_gen_unique_name("wheel"), engine::clock{period}), memory(1),
        sink(sc_gen_unique_name("sink"), 1), unit(sc_gen_unique_name("unit"), wheel, unit_of(v)),
        cpu(sc_gen_unique_name("cpu")) {
    initiator.bind(unit.upstream[0]);
    if (v.dram.empty()) {
      unit.memory.bind(memory.ram.ports[0]);
    } else {
      const auto preset = models::load_dram_preset(v.dram, models::data_directories());
      dram.emplace(sc_gen_unique_name("dram"), wheel, preset.config(period, 1));
      unit.memory.bind(dram->ports[0]);
      dram->memory.bind(memory.ram.ports[0]);
    }
    unit.interrupts.bind(sink.ports[0]);
    cpu.socket.bind(unit.registers);
    unit.set_default_source(0, device);
  }
  void enable() {
    namespace reg = spec::reg;
    memory.write_tables();
    dmar::unit& hardware = unit.hardware();
    const sc_core::sc_time microsecond(1, sc_core::SC_US);
    begin_simulation();
    hardware.write_register(reg::rtaddr::offset, 8, flat_tables::root(), platform::now_ps());
    hardware.write_register(reg::gcmd::offset, 4, reg::gcmd::srtp::mask, platform::now_ps());
    sc_core::sc_start(microsecond);
    hardware.write_register(reg::gcmd::offset, 4, reg::gcmd::te::mask, platform::now_ps());
    sc_core::sc_start(microsecond);
  }

  platform::kernel_wheel wheel;
  memory_side memory;
  platform::interrupt_sink sink;
  platform::remapping_unit unit;
  std::optional<platform::dram> dram;
  register_side cpu;
};

/// Initiator, unit, memory. `Initiator` decides how.
template <class Initiator>
class unit_case final : public bench_case {
public:
  explicit unit_case(const variant& v)
      : variant_(v), initiator_(sc_gen_unique_name("initiator")), world_(v, initiator_.socket) {}
  [[nodiscard]] std::uint64_t counted_items() const override { return 8192; }
  [[nodiscard]] bool verify() const override { return checksum() == expected_sum(variant_.stream, next_); }

private:
  void set_up() override {
    world_.memory.write_data(variant_.stream, flat_tables::host_of(0));
    world_.enable();
    do_items(2 * thrash);
  }
  void do_items(std::uint64_t items) override {
    consume(initiator_.run(variant_.stream, next_, items));
    next_ += items;
  }
  [[nodiscard]] std::vector<fact> totals() const override {
    const auto n = world_.unit.hardware().statistics();
    std::vector<fact> out{{"iotlb_hits", static_cast<double>(n.iotlb_hits)},
                          {"iotlb_misses", static_cast<double>(n.iotlb_misses)},
                          {"walk_reads", static_cast<double>(n.walk_reads)},
                          {"merged", static_cast<double>(n.merged)},
                          {"simulated_ns", static_cast<double>(initiator_.simulated()) / 1000},
                          {"wake_ups", static_cast<double>(world_.wheel.wake_ups())}};
    if (world_.dram) {
      const host::dram_statistics& d = world_.dram->channel().statistics();
      out.push_back({"row_hits", static_cast<double>(d.row_hits)});
      out.push_back({"row_misses", static_cast<double>(d.row_misses)});
      out.push_back({"row_conflicts", static_cast<double>(d.row_conflicts)});
    }
    return out;
  }

  variant variant_;
  Initiator initiator_;
  unit_world world_;
  std::uint64_t next_ = 0;
};

/// The same without a unit: the kernel's own limit.
template <class Initiator>
class floor_case final : public bench_case {
public:
  floor_case() : memory_(1), hop_(sc_gen_unique_name("hop")), initiator_(sc_gen_unique_name("initiator")) {
    initiator_.socket.bind(hop_.in);
    hop_.out.bind(memory_.ram.ports[0]);
  }
  [[nodiscard]] std::uint64_t counted_items() const override { return 8192; }
  [[nodiscard]] bool verify() const override {
    return checksum() == expected_sum(stream_kind::same_page, next_);
  }

private:
  void set_up() override {
    memory_.write_data(stream_kind::same_page, 0);
    begin_simulation();
    do_items(2 * thrash);
  }
  void do_items(std::uint64_t items) override {
    consume(initiator_.run(stream_kind::same_page, next_, items));
    next_ += items;
  }
  [[nodiscard]] std::vector<fact> totals() const override {
    return {{"simulated_ns", static_cast<double>(initiator_.simulated()) / 1000},
            {"wake_ups", static_cast<double>(hop_.wake_ups())}};
  }

  memory_side memory_;
  plain_hop hop_;
  Initiator initiator_;
  std::uint64_t next_ = 0;
};

/// Accesses through a direct pointer that the unit granted for a page that it translates. The initiator keeps
/// its grants by source-id and page, as one that speaks for several functions must.
class direct_case final : public bench_case {
public:
  direct_case() : initiator_(sc_gen_unique_name("initiator")), world_(variant{}, initiator_.socket) {
    world_.memory.ram.allow_dmi(true);
    initiator_.on_withdraw = [this](std::uint64_t first, std::uint64_t last) { withdraw(first, last); };
  }
  [[nodiscard]] bool verify() const override {
    return checksum() == expected_sum(stream_kind::same_page, next_);
  }

private:
  struct entry {
    std::uint64_t key = 0;
    const unsigned char* host = nullptr;
  };
  // The request's, not the case's: it comes with each request.
  struct request {
    spec::source_id source{};
    std::uint64_t address = 0;
  };
  [[nodiscard]] static std::uint64_t key(const request& r) {
    return std::uint64_t{1} << 63 | std::uint64_t{r.source.value()} << 40 | r.address >> spec::page_shift;
  }
  [[nodiscard]] static std::size_t slot(const request& r) {
    return (r.address >> spec::page_shift ^ r.source.value()) & 0xff;
  }

  void set_up() override {
    world_.memory.write_data(stream_kind::same_page, flat_tables::host_of(0));
    world_.enable();
    // Only what the IOTLB holds is granted.
    consume(initiator_.run(stream_kind::same_page, next_, 1));
    ++next_;
    tlm::tlm_dmi dmi;
    const request first{device, same_page(0)};
    initiator_.trans.set_address(first.address);
    if (!initiator_.socket->get_direct_mem_ptr(initiator_.trans, dmi) || !dmi.is_read_allowed() ||
        dmi.get_start_address() != spec::page_base(first.address)) {
      throw std::runtime_error("dmi_hit: the unit granted no direct pointer for a page that it translates");
    }
    entries_[slot(first)] = {key(first), dmi.get_dmi_ptr()};
  }
  void do_items(std::uint64_t items) override {
    std::uint64_t sum = 0;
    std::array<unsigned char, request_bytes> data{};
    request r{device, 0};
    for (std::uint64_t i = next_; i < next_ + items; ++i) {
      r.address = same_page(i);
      // Without this the compiler would know the source-id.
      benchmark::DoNotOptimize(r);
      const entry& e = entries_[slot(r)];
      const std::uint64_t offset = r.address & (spec::page_size - 1);
      if (e.key != key(r) || offset + request_bytes > spec::page_size) [[unlikely]]
        throw std::runtime_error("dmi_hit: the direct pointer is gone");
      std::memcpy(data.data(), e.host + offset, request_bytes);
      // Without this the compiler would see that one byte is enough.
      benchmark::DoNotOptimize(data);
      sum += data[0] + 1U;
    }
    next_ += items;
    consume(sum);
  }
  void withdraw(std::uint64_t first, std::uint64_t last) {
    for (entry& e : entries_) {
      const std::uint64_t page = e.key & spec::low_bits(40);
      if (e.host != nullptr && page >= first >> spec::page_shift && page <= last >> spec::page_shift) e = {};
    }
  }
  [[nodiscard]] std::vector<fact> totals() const override {
    return {{"requests_at_unit", static_cast<double>(world_.unit.hardware().statistics().requests)}};
  }

  blocking_initiator initiator_;
  unit_world world_;
  std::array<entry, 256> entries_{};
  std::uint64_t next_ = 0;
};

template <class Case, class... Arguments>
void add(case_list& cases, std::string name, const Arguments&... arguments) {
  cases.push_back({std::move(name), dma_request, [=] { return std::make_unique<Case>(arguments...); }});
}

} // namespace

void add_platform_cases(case_list& cases) {
  const variant hit{stream_kind::same_page, true, 5, ""};
  const variant miss{stream_kind::working_set, true, 5, ""};
  // Four table reads each: no paging-structure caches.
  const variant four_reads{stream_kind::working_set, false, 5, ""};
  const variant dram{stream_kind::working_set, false, 5, "ddr3-1600"};
  add<floor_case<blocking_initiator>>(cases, "sc_floor_lt");
  add<unit_case<blocking_initiator>>(cases, "lt_hit", hit);
  add<unit_case<blocking_initiator>>(cases, "lt_miss", miss);
  add<direct_case>(cases, "dmi_hit");
  add<floor_case<phased_initiator>>(cases, "sc_floor_at");
  add<unit_case<phased_initiator>>(cases, "at_hit", hit);
  add<unit_case<phased_initiator>>(cases, "at_miss", four_reads);
  add<unit_case<phased_initiator>>(cases, "at_dram", dram);
}

} // namespace vtd::bench
