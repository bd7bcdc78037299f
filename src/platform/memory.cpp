// SPDX-License-Identifier: Apache-2.0
#include "vtd/platform/memory.h"

#include "vtd/platform/binding.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <span>

namespace vtd::platform {

namespace {
std::span<std::byte> bytes_of(tlm::tlm_generic_payload& trans) {
  return {reinterpret_cast<std::byte*>(trans.get_data_ptr()), trans.get_data_length()};
}
} // namespace

memory::memory(const sc_core::sc_module_name& name, host::store_path& path, const memory_timing& timing,
               unsigned port_count)
    : sc_module(name), ports("ports", port_count), path_(path),
      timing_(timing), times_{sc_core::SC_ZERO_TIME, to_sc_time(timing.read), to_sc_time(timing.write),
                              to_sc_time(timing.table_read)},
      direct_given_(port_count), never_snooped_(port_count) {
  for (unsigned port = 0; port < port_count; ++port) {
    ports[port].serve(*this, static_cast<int>(port));
  }
}

void memory::before_end_of_elaboration() {
  binding_check check(*this);
  check.need_all(ports, "ports", "an initiator");
  check.report();
}

void memory::fail(std::uint64_t first, std::uint64_t last) {
  failing_.push_back({first, last});
  withdraw(spec::page_base(first), spec::page_base(last) + spec::page_size - 1);
}

void memory::allow_dmi(bool on) {
  dmi_allowed_ = on;
  if (!on) withdraw(0, ~std::uint64_t{0});
}

void memory::withdraw(std::uint64_t first, std::uint64_t last) {
  for (std::size_t port = 0; port < direct_given_.size(); ++port) {
    if (direct_given_[port]) ports[port]->invalidate_direct_mem_ptr(first, last);
  }
}

bool memory::fails(std::uint64_t address, std::uint64_t bytes) const {
  return std::any_of(failing_.begin(), failing_.end(), [&](const range& bad) {
    return address <= bad.last && address + bytes - 1 >= bad.first;
  });
}

// What no memory access can be, by the rules of TLM-2.0; TLM_OK_RESPONSE: nothing is wrong with it.
inline tlm::tlm_response_status memory::refusal(const tlm::tlm_generic_payload& trans) {
  if (trans.get_data_length() == 0 || trans.get_streaming_width() < trans.get_data_length())
    return tlm::TLM_BURST_ERROR_RESPONSE;
  if (trans.get_byte_enable_ptr() != nullptr && trans.get_byte_enable_length() == 0)
    return tlm::TLM_BYTE_ENABLE_ERROR_RESPONSE;
  return tlm::TLM_OK_RESPONSE;
}

// The invalidation queue is coherent whatever a part does with its tables (VT-d 6.5.2).
inline bool memory::meets_cache(int port, const table_read_extension& what) const {
  return what.coherent && (what.queue_fetch || !never_snooped_[static_cast<std::size_t>(port)]);
}

// An empty cache is asked first: nothing else costs anything where no CPU runs.
inline bool memory::passes_cache(const tlm::tlm_generic_payload& trans) const {
  if (path_.cache().lines() == 0) [[likely]]
    return false;
  const auto* const carried = trans.get_extension<dma_extension>();
  return carried != nullptr && carried->no_snoop;
}

// Moves the data and sets the response.
memory::kind memory::access(int port, tlm::tlm_generic_payload& trans) {
  const std::uint64_t address = trans.get_address();
  const unsigned bytes = trans.get_data_length();
  if (const auto status = refusal(trans); status != tlm::TLM_OK_RESPONSE) {
    trans.set_response_status(status);
    return kind::refused;
  }
  bool ok = failing_.empty() || !fails(address, bytes);
  kind what = kind::read;
  const table_read_extension* const table = trans.get_extension<table_read_extension>();
  if (table != nullptr) {
    ++table_reads_;
    what = kind::table_read;
    std::array<std::uint64_t, 4> words;
    const std::size_t count = std::min<std::size_t>(bytes / 8, words.size());
    ok = ok && path_.table_read(address, std::span(words).first(count), meets_cache(port, *table));
    if (ok) std::memcpy(trans.get_data_ptr(), words.data(), count * 8);
  } else if (trans.get_byte_enable_ptr() != nullptr) {
    if (trans.is_write()) what = kind::write;
    ok = ok && access_enabled_bytes(trans, passes_cache(trans));
  } else if (trans.is_read()) {
    ++reads_;
    ok = ok && read_for_device(address, bytes_of(trans), passes_cache(trans));
  } else if (trans.is_write()) {
    ++writes_;
    what = kind::write;
    ok = ok && write_for_device(address, bytes_of(trans), passes_cache(trans));
  }
  trans.set_response_status(ok ? tlm::TLM_OK_RESPONSE : tlm::TLM_ADDRESS_ERROR_RESPONSE);
  trans.set_dmi_allowed(dmi_allowed_);
  return what;
}

bool memory::access_enabled_bytes(tlm::tlm_generic_payload& trans, bool passes_cache) {
  ++(trans.is_read() ? reads_ : writes_);
  // All or nothing, also where a byte that is not enabled lies outside.
  if (!path_.memory().contains(trans.get_address(), trans.get_data_length())) return false;
  const std::span<std::byte> data = bytes_of(trans);
  const unsigned period = trans.get_byte_enable_length();
  for (std::size_t i = 0; i < data.size(); ++i) {
    if (trans.get_byte_enable_ptr()[i % period] == TLM_BYTE_DISABLED) continue;
    const std::span<std::byte> one = data.subspan(i, 1);
    const std::uint64_t address = trans.get_address() + i;
    if (!(trans.is_read() ? read_for_device(address, one, passes_cache)
                          : write_for_device(address, one, passes_cache)))
      return false;
  }
  return true;
}

void memory::transport(int port, tlm::tlm_generic_payload& trans, sc_core::sc_time& delay) {
  delay += time_of(access(port, trans));
}

tlm::tlm_sync_enum memory::forward_phase(int port, tlm::tlm_generic_payload& trans, tlm::tlm_phase& phase,
                                         sc_core::sc_time& delay) {
  if (phase != tlm::BEGIN_REQ) return tlm::TLM_COMPLETED;
  const engine::picoseconds now = now_ps();
  engine::picoseconds start = now + to_ps(delay);
  if (timing_.interval != 0) {
    start = std::max(start, free_at_);
    free_at_ = start + timing_.interval;
  }
  delay = time_of(access(port, trans));
  if (start != now) delay += to_sc_time(start - now);
  return tlm::TLM_COMPLETED;
}

unsigned memory::debug(int port, tlm::tlm_generic_payload& trans) {
  const table_read_extension* const table = trans.get_extension<table_read_extension>();
  if (table != nullptr && !meets_cache(port, *table)) {
    return path_.memory().read(trans.get_address(), bytes_of(trans)) ? trans.get_data_length() : 0;
  }
  const bool ok = trans.is_write() ? path_.debug_write(trans.get_address(), bytes_of(trans))
                                   : path_.debug_read(trans.get_address(), bytes_of(trans));
  return ok ? trans.get_data_length() : 0;
}

bool memory::direct(int port, tlm::tlm_generic_payload& trans, tlm::tlm_dmi& dmi) {
  dmi.init();
  const std::uint64_t page = spec::page_base(trans.get_address());
  dmi.set_start_address(page);
  dmi.set_end_address(page + spec::page_size - 1);
  if (!dmi_allowed_ || fails(page, spec::page_size)) return false;
  std::byte* const data = path_.memory().page(page, true);
  if (data == nullptr) return false;
  dmi.set_dmi_ptr(reinterpret_cast<unsigned char*>(data));
  dmi.allow_read_write();
  dmi.set_read_latency(to_sc_time(timing_.read));
  dmi.set_write_latency(to_sc_time(timing_.write));
  direct_given_[static_cast<std::size_t>(port)] = true;
  return true;
}

} // namespace vtd::platform
