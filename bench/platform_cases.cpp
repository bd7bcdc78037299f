// SPDX-License-Identifier: Apache-2.0
// The unit behind TLM sockets, and what the same hops cost with no unit in between. Every case has modules of
// its own; all are built before the simulation starts, and those that do not run cost nothing.

#include "bench_case.h"
#include "machine.h"
#include "streams.h"

#include "vtd/engine/delay_line.h"
#include "vtd/host/sparse_memory.h"
#include "vtd/host/store_path.h"
#include "vtd/platform/interrupt_sink.h"
#include "vtd/platform/kernel_wheel.h"
#include "vtd/platform/memory.h"
#include "vtd/platform/payload_pool.h"
#include "vtd/platform/remapping_unit.h"

#include <benchmark/benchmark.h>
#include <systemc>
#include <tlm_utils/simple_initiator_socket.h>
#include <tlm_utils/simple_target_socket.h>

#include <array>
#include <cstring>
#include <functional>
#include <memory>

namespace vtd::bench {

namespace {

constexpr engine::picoseconds period = 1000;
constexpr unsigned request_bytes = 64;
constexpr std::uint64_t thrash = 4096;

enum class stream_kind : std::uint8_t { same_page, working_set };

std::uint64_t address_of(stream_kind kind, std::uint64_t i) {
  return kind == stream_kind::same_page ? same_page(i) : working_set(i, thrash);
}

/// Reads of 64 bytes by b_transport, one payload for all.
struct blocking_initiator : sc_core::sc_module {
  tlm_utils::simple_initiator_socket<blocking_initiator> socket{"socket"};
  explicit blocking_initiator(const sc_core::sc_module_name& name) : sc_module(name) {
    trans.set_command(tlm::TLM_READ_COMMAND);
    trans.set_data_ptr(data.data());
    trans.set_data_length(request_bytes);
    trans.set_streaming_width(request_bytes);
  }
  std::uint64_t run(stream_kind kind, std::uint64_t first, std::uint64_t items) {
    std::uint64_t sum = 0;
    for (std::uint64_t i = first; i < first + items; ++i) {
      trans.set_address(address_of(kind, i));
      trans.set_response_status(tlm::TLM_INCOMPLETE_RESPONSE);
      sc_core::sc_time delay;
      socket->b_transport(trans, delay);
      sum += data[0] + (trans.is_response_ok() ? 1U : 0U);
    }
    return sum;
  }
  tlm::tlm_generic_payload trans;
  std::array<unsigned char, request_bytes> data{};
};

/// Reads of 64 bytes in four phases, 32 outstanding.
struct phased_initiator : sc_core::sc_module {
  static constexpr std::size_t outstanding = 32;
  tlm_utils::simple_initiator_socket<phased_initiator> socket{"socket"};
  explicit phased_initiator(const sc_core::sc_module_name& name) : sc_module(name) {
    socket.register_nb_transport_bw(this, &phased_initiator::backward);
    SC_HAS_PROCESS(phased_initiator);
    SC_METHOD(issue);
    sensitive << kick;
    dont_initialize();
  }
  struct request final : tlm::tlm_generic_payload {
    std::array<unsigned char, request_bytes> data{};
  };
  std::uint64_t run(stream_kind which, std::uint64_t first, std::uint64_t items) {
    kind = which;
    next = first;
    last = first + items;
    done = 0;
    goal = items;
    kick.notify(sc_core::SC_ZERO_TIME);
    sc_core::sc_start();
    return sum;
  }
  void issue() {
    while (!busy && next < last && pool.out() < outstanding) {
      request& r = pool.take();
      r.set_command(tlm::TLM_READ_COMMAND);
      r.set_address(address_of(kind, next++));
      r.set_data_ptr(r.data.data());
      r.set_data_length(request_bytes);
      r.set_streaming_width(request_bytes);
      r.set_byte_enable_ptr(nullptr);
      r.set_response_status(tlm::TLM_INCOMPLETE_RESPONSE);
      tlm::tlm_phase phase = tlm::BEGIN_REQ;
      sc_core::sc_time delay;
      busy = true;
      if (socket->nb_transport_fw(r, phase, delay) == tlm::TLM_UPDATED) busy = false;
    }
  }
  tlm::tlm_sync_enum backward(tlm::tlm_generic_payload& trans, tlm::tlm_phase& phase,
                              sc_core::sc_time& /*delay*/) {
    if (phase == tlm::END_REQ) {
      busy = false;
      issue();
      return tlm::TLM_ACCEPTED;
    }
    auto& r = static_cast<request&>(trans);
    sum += r.data[0] + (r.is_response_ok() ? 1U : 0U);
    r.release();
    if (++done == goal) sc_core::sc_pause();
    issue();
    return tlm::TLM_COMPLETED;
  }
  sc_core::sc_event kick{"kick"};
  platform::payload_pool<request> pool;
  stream_kind kind = stream_kind::same_page;
  std::uint64_t next = 0;
  std::uint64_t last = 0;
  std::uint64_t done = 0;
  std::uint64_t goal = 0;
  std::uint64_t sum = 0;
  bool busy = false;
};

/// What the floors have in the unit's place: the same phases and latencies, forwarding, and nothing else.
struct plain_hop : sc_core::sc_module {
  static constexpr engine::picoseconds accept_after = period;
  static constexpr engine::picoseconds forward_after = 4 * period;
  tlm_utils::simple_target_socket<plain_hop> in{"in"};
  tlm_utils::simple_initiator_socket<plain_hop> out{"out"};
  explicit plain_hop(const sc_core::sc_module_name& name) : sc_module(name) {
    in.register_b_transport(this, &plain_hop::transport);
    in.register_nb_transport_fw(this, &plain_hop::forward);
    SC_HAS_PROCESS(plain_hop);
    SC_METHOD(work);
    sensitive << wake;
    dont_initialize();
  }
  void transport(tlm::tlm_generic_payload& trans, sc_core::sc_time& delay) { out->b_transport(trans, delay); }
  tlm::tlm_sync_enum forward(tlm::tlm_generic_payload& trans, tlm::tlm_phase& phase,
                             sc_core::sc_time& /*delay*/) {
    if (phase != tlm::BEGIN_REQ) return tlm::TLM_COMPLETED;
    schedule(accepts, accept_after, trans);
    schedule(forwards, forward_after, trans);
    return tlm::TLM_ACCEPTED;
  }
  struct item {
    engine::picoseconds due = 0;
    tlm::tlm_generic_payload* trans = nullptr;
  };
  using queue = engine::ring<item>;
  void schedule(queue& to, engine::picoseconds after, tlm::tlm_generic_payload& trans) {
    const engine::picoseconds due = platform::now_ps() + after;
    to.push({due, &trans});
    if (due < next_wake) {
      next_wake = due;
      wake.notify(platform::to_sc_time(after));
    }
  }
  void work() {
    const engine::picoseconds now = platform::now_ps();
    next_wake = ~engine::picoseconds{0};
    sc_core::sc_time zero;
    while (!accepts.empty() && accepts.front().due <= now) {
      tlm::tlm_phase phase = tlm::END_REQ;
      in->nb_transport_bw(*accepts.pop().trans, phase, zero);
    }
    while (!forwards.empty() && forwards.front().due <= now) {
      tlm::tlm_generic_payload& trans = *forwards.pop().trans;
      tlm::tlm_phase phase = tlm::BEGIN_REQ;
      sc_core::sc_time delay;
      out->nb_transport_fw(trans, phase, delay);
      responses.push({now + platform::to_ps(delay) + period, &trans});
    }
    while (!responses.empty() && responses.front().due <= now) {
      tlm::tlm_phase phase = tlm::BEGIN_RESP;
      in->nb_transport_bw(*responses.pop().trans, phase, zero);
    }
    for (const queue* each : {&accepts, &forwards, &responses}) {
      if (!each->empty() && each->front().due < next_wake) next_wake = each->front().due;
    }
    if (next_wake != ~engine::picoseconds{0}) wake.notify(platform::to_sc_time(next_wake - now));
  }
  sc_core::sc_event wake{"wake"};
  queue accepts{64};
  queue forwards{64};
  queue responses{64};
  engine::picoseconds next_wake = ~engine::picoseconds{0};
};

/// Binds the register socket; the cases write registers directly.
struct register_side : sc_core::sc_module {
  tlm_utils::simple_initiator_socket<register_side> socket{"socket"};
  explicit register_side(const sc_core::sc_module_name& name) : sc_module(name) {}
};

/// A memory with the tables of `flat_tables` in it.
struct memory_side {
  explicit memory_side(const sc_core::sc_module_name& name)
      : store(std::uint64_t{1} << 40), path(store, host::store_path_config{}),
        ram(name, path, platform::memory_timing{}, 1) {}
  void write_tables() {
    const flat_tables tables(4);
    std::uint64_t address = flat_tables::base;
    for (const std::uint64_t word : tables.words()) {
      store.store<std::uint64_t>(address, word);
      address += 8;
    }
  }
  host::sparse_memory store;
  host::store_path path;
  platform::memory ram;
};

dmar::unit_config unit_of(stream_kind kind, unsigned walkers) {
  dmar::unit_config out;
  out.caps = part();
  out.caches = shapes(128, kind == stream_kind::same_page);
  out.timing.lookup = {1, 2, 1};
  out.timing.requests = 64;
  out.timing.walkers = walkers;
  return out;
}

/// Initiator, unit, memory. `Initiator` decides how.
template <class Initiator>
class unit_case final : public bench_case {
public:
  unit_case(std::string name, stream_kind kind)
      : bench_case(std::move(name)), kind_(kind),
        wheel_(sc_core::sc_gen_unique_name("wheel"), engine::clock{period}),
        memory_(sc_core::sc_gen_unique_name("memory")), sink_(sc_core::sc_gen_unique_name("sink"), 1),
        unit_(sc_core::sc_gen_unique_name("unit"), wheel_, unit_of(kind, 5)),
        initiator_(sc_core::sc_gen_unique_name("initiator")), cpu_(sc_core::sc_gen_unique_name("cpu")) {
    initiator_.socket.bind(unit_.upstream[0]);
    unit_.memory.bind(memory_.ram.ports[0]);
    unit_.interrupts.bind(sink_.ports[0]);
    cpu_.socket.bind(unit_.registers);
    unit_.set_default_source(0, device);
  }
  void prepare() override {
    namespace reg = spec::reg;
    memory_.write_tables();
    dmar::unit& hardware = unit_.hardware();
    sc_core::sc_start(sc_core::SC_ZERO_TIME);
    hardware.write_register(reg::rtaddr::offset, 8, flat_tables::root(), platform::now_ps());
    hardware.write_register(reg::gcmd::offset, 4, reg::gcmd::srtp::mask, platform::now_ps());
    sc_core::sc_start(sc_core::sc_time(1, sc_core::SC_US));
    hardware.write_register(reg::gcmd::offset, 4, reg::gcmd::te::mask, platform::now_ps());
    sc_core::sc_start(sc_core::sc_time(1, sc_core::SC_US));
    run(2 * thrash);
  }
  void run(std::uint64_t items) override {
    consume(initiator_.run(kind_, next_, items));
    next_ += items;
  }
  [[nodiscard]] std::uint64_t counted_items() const override { return 8192; }

private:
  stream_kind kind_;
  platform::kernel_wheel wheel_;
  memory_side memory_;
  platform::interrupt_sink sink_;
  platform::remapping_unit unit_;
  Initiator initiator_;
  register_side cpu_;
  std::uint64_t next_ = 0;
};

/// The same without a unit: the kernel's own limit.
template <class Initiator>
class floor_case final : public bench_case {
public:
  explicit floor_case(std::string name)
      : bench_case(std::move(name)), memory_(sc_core::sc_gen_unique_name("memory")),
        hop_(sc_core::sc_gen_unique_name("hop")), initiator_(sc_core::sc_gen_unique_name("initiator")) {
    initiator_.socket.bind(hop_.in);
    hop_.out.bind(memory_.ram.ports[0]);
  }
  void prepare() override {
    sc_core::sc_start(sc_core::SC_ZERO_TIME);
    run(2 * thrash);
  }
  void run(std::uint64_t items) override {
    consume(initiator_.run(stream_kind::same_page, next_, items));
    next_ += items;
  }
  [[nodiscard]] std::uint64_t counted_items() const override { return 8192; }

private:
  memory_side memory_;
  plain_hop hop_;
  Initiator initiator_;
  std::uint64_t next_ = 0;
};

/// Accesses through a direct pointer that was granted for the page: what software on a fast platform pays.
class direct_case final : public bench_case {
public:
  explicit direct_case(std::string name)
      : bench_case(std::move(name)), wheel_(sc_core::sc_gen_unique_name("wheel"), engine::clock{period}),
        memory_(sc_core::sc_gen_unique_name("memory")), sink_(sc_core::sc_gen_unique_name("sink"), 1),
        unit_(sc_core::sc_gen_unique_name("unit"), wheel_, unit_of(stream_kind::same_page, 1)),
        initiator_(sc_core::sc_gen_unique_name("initiator")), cpu_(sc_core::sc_gen_unique_name("cpu")) {
    memory_.ram.allow_dmi(true);
    initiator_.socket.bind(unit_.upstream[0]);
    unit_.memory.bind(memory_.ram.ports[0]);
    unit_.interrupts.bind(sink_.ports[0]);
    cpu_.socket.bind(unit_.registers);
    unit_.set_default_source(0, device);
  }
  void prepare() override {
    sc_core::sc_start(sc_core::SC_ZERO_TIME);
    // Translation is off here: the pointer's price does not depend on how it was come by.
    initiator_.trans.set_address(same_page(0));
    tlm::tlm_dmi dmi;
    if (initiator_.socket->get_direct_mem_ptr(initiator_.trans, dmi)) {
      entries_[slot(device, same_page(0))] = {key(device, same_page(0)), dmi.get_dmi_ptr()};
    }
  }
  void run(std::uint64_t items) override {
    std::uint64_t sum = 0;
    std::array<unsigned char, request_bytes> data{};
    for (std::uint64_t i = 0; i < items; ++i) {
      const std::uint64_t address = same_page(i);
      const entry& e = entries_[slot(device, address)];
      if (e.key != key(device, address)) continue;
      std::memcpy(data.data(), e.host + (address & (spec::page_size - 1)), request_bytes);
      // Without this the compiler would see that one byte is enough.
      benchmark::DoNotOptimize(data);
      sum += data[0] + 1U;
    }
    consume(sum);
  }

private:
  struct entry {
    std::uint64_t key = 0;
    unsigned char* host = nullptr;
  };
  [[nodiscard]] static std::uint64_t key(spec::source_id source, std::uint64_t address) {
    return std::uint64_t{1} << 63 | std::uint64_t{source.value()} << 40 | address >> spec::page_shift;
  }
  [[nodiscard]] static std::size_t slot(spec::source_id source, std::uint64_t address) {
    return (address >> spec::page_shift ^ source.value()) & 0xff;
  }

  platform::kernel_wheel wheel_;
  memory_side memory_;
  platform::interrupt_sink sink_;
  platform::remapping_unit unit_;
  blocking_initiator initiator_;
  register_side cpu_;
  std::array<entry, 256> entries_{};
};

} // namespace

void add_platform_cases(case_list& cases) {
  cases.push_back(std::make_unique<floor_case<blocking_initiator>>("sc_floor_lt"));
  cases.push_back(std::make_unique<unit_case<blocking_initiator>>("lt_hit", stream_kind::same_page));
  cases.push_back(std::make_unique<unit_case<blocking_initiator>>("lt_miss", stream_kind::working_set));
  cases.push_back(std::make_unique<direct_case>("dmi_hit"));
  cases.push_back(std::make_unique<floor_case<phased_initiator>>("sc_floor_at"));
  cases.push_back(std::make_unique<unit_case<phased_initiator>>("at_hit", stream_kind::same_page));
  cases.push_back(std::make_unique<unit_case<phased_initiator>>("at_miss", stream_kind::working_set));
}

} // namespace vtd::bench
