// SPDX-License-Identifier: Apache-2.0
#include "vtdsim/trace_words.h"

#include "vtd/spec/ats.h"
#include "vtd/spec/invalidation.h"

#include <fmt/format.h>

namespace vtdsim {

namespace spec = vtd::spec;
using vtd::dmar::unit_command;
using outcome = vtd::remap::translator::outcome;

std::string_view access_name(vtd::remap::access_kind kind) {
  switch (kind) {
  case vtd::remap::access_kind::read:
    return "read";
  case vtd::remap::access_kind::write:
    return "write";
  case vtd::remap::access_kind::zero_length_read:
    return "zero-length read";
  }
  return "";
}

std::string_view lookup_name(outcome found) {
  switch (found) {
  case outcome::translated:
    return "hit";
  case outcome::blocked:
    return "hit, blocked";
  case outcome::context_miss:
    return "context miss";
  case outcome::page_miss:
    return "page miss";
  }
  return "";
}

std::string_view completion_name(vtd::dmar::completion how) {
  switch (how) {
  case vtd::dmar::completion::done:
    return "done";
  case vtd::dmar::completion::failed:
    return "failed";
  case vtd::dmar::completion::blocked:
    return "blocked";
  case vtd::dmar::completion::aborted:
    return "aborted";
  }
  return "";
}

std::string entry_name(vtd::remap::table_kind kind, unsigned level) {
  switch (kind) {
  case vtd::remap::table_kind::root:
    return "read root entry";
  case vtd::remap::table_kind::context:
    return "read context entry";
  case vtd::remap::table_kind::paging:
    return fmt::format("read level-{} entry", level);
  }
  return {};
}

std::string_view granularity_name(spec::context_granularity g) {
  switch (g) {
  case spec::context_granularity::none:
    return "none";
  case spec::context_granularity::global:
    return "global";
  case spec::context_granularity::domain:
    return "domain";
  case spec::context_granularity::device:
    return "device";
  }
  return "";
}

std::string_view granularity_name(spec::iotlb_granularity g) {
  switch (g) {
  case spec::iotlb_granularity::none:
    return "none";
  case spec::iotlb_granularity::global:
    return "global";
  case spec::iotlb_granularity::domain:
    return "domain";
  case spec::iotlb_granularity::page:
    return "page";
  }
  return "";
}

std::string fact(std::string_view name, std::string_view text) {
  return fmt::format("\"{}\":\"{}\",", name, text);
}
std::string fact(std::string_view name, std::uint64_t number) {
  return fmt::format("\"{}\":{},", name, number);
}
std::string fact_hex(std::string_view name, std::uint64_t value) {
  return fmt::format("\"{}\":\"{:#x}\",", name, value);
}
std::string fact_flag(std::string_view name, bool value) { return fmt::format("\"{}\":{},", name, value); }

std::string facts_of(const vtd::remap::dma_access& access) {
  const bool asks = access.type == vtd::remap::address_type::translation_request;
  // A question's address has a flag in it.
  const spec::ats::question question{access.address};
  std::string out = fact("source_id", to_string(access.source)) +
                    fact_hex("iova", asks ? question.address() : access.address);
  if (access.type == vtd::remap::address_type::translated) out += fact("address_type", "translated");
  if (asks) out += fact("address_type", "translation request");
  if (asks && question.no_write()) out += fact_flag("no_write", true);
  return out;
}

std::string fact_blocked(spec::fault_condition condition) {
  return fact("blocked", condition == spec::fault_condition::none ? std::string_view("not recorded")
                                                                  : spec::condition_info(condition).name);
}

namespace {

std::string facts_of_contexts(const vtd::dmar::command_event& e) {
  std::string out = fact("asked", granularity_name(e.context_asked));
  if (e.context_asked != spec::context_granularity::global) out += fact("domain", e.domain);
  if (e.context_asked == spec::context_granularity::device)
    out += fact("source_id", to_string(e.source)) + fact("function_mask", e.function_mask);
  return out;
}

std::string facts_of_pages(const vtd::dmar::command_event& e) {
  std::string out = fact("asked", granularity_name(e.iotlb_asked));
  if (e.iotlb_asked != spec::iotlb_granularity::global) out += fact("domain", e.domain);
  if (e.iotlb_asked == spec::iotlb_granularity::page)
    out += fact_hex("iova", e.address) + fact("address_mask", e.address_mask) +
           fact_flag("leaf_only", e.leaf_only);
  return out;
}

std::string facts_of_descriptor(const vtd::dmar::command_event& e) {
  using spec::descriptor_type;
  if (e.descriptor.is(descriptor_type::context_cache))
    return fact("caches", "context") + facts_of_contexts(e);
  if (e.descriptor.is(descriptor_type::iotlb)) return fact("caches", "IOTLB") + facts_of_pages(e);
  if (e.descriptor.is(descriptor_type::device_tlb)) {
    const spec::device_tlb_descriptor d(e.descriptor);
    return fact("caches", "device-TLB") + fact("source_id", to_string(d.source())) +
           fact_hex("iova", d.range().first) + fact("address_mask", d.address_mask());
  }
  if (!e.descriptor.is(descriptor_type::wait)) return fact("caches", "interrupt entries");
  const spec::wait_descriptor wait(e.descriptor);
  std::string out;
  if (wait.status_write())
    out += fact_hex("status_address", wait.status_address()) + fact_hex("status", wait.status_data());
  return out + fact_flag("interrupt", wait.interrupt()) + fact_flag("fence", wait.fence());
}

} // namespace

std::string facts_of_order(const vtd::dmar::command_event& e) {
  switch (e.what) {
  case unit_command::set_root_table:
    return fact_hex("root_table", e.root_table);
  case unit_command::write_buffer_flush:
    return {};
  case unit_command::translation:
  case unit_command::protected_memory:
  case unit_command::fault_log:
  case unit_command::invalidation_queue:
    return fact_flag("on", e.on);
  case unit_command::context_invalidation:
    return facts_of_contexts(e);
  case unit_command::iotlb_invalidation:
    return facts_of_pages(e);
  case unit_command::fault_log_pointer:
    return fact_hex("log", e.log_address) + fact("bytes", e.log_bytes);
  case unit_command::queued_invalidation:
  case unit_command::queued_wait:
    return facts_of_descriptor(e);
  }
  return {};
}

} // namespace vtdsim
