// SPDX-License-Identifier: Apache-2.0
#include "vtd/dmar/snapshot.h"

#include "vtd/dmar/unit.h"
#include "vtd/engine/archive.h"

#include <cstring>
#include <string_view>

namespace vtd::dmar {

using engine::archive_error;
using engine::archive_reader;
using engine::archive_writer;
using engine::picoseconds;

// --- The form

namespace {

constexpr std::string_view magic = "vtd unit state";
constexpr std::size_t checksum_bytes = sizeof(std::uint64_t);

// FNV-1a: it need not resist anybody, only notice.
std::uint64_t checksum_of(std::span<const std::byte> bytes) {
  std::uint64_t sum = 0xcbf29ce484222325;
  for (const std::byte each : bytes)
    sum = (sum ^ std::to_integer<std::uint64_t>(each)) * 0x100000001b3;
  return sum;
}

std::span<const std::byte> unsealed(std::span<const std::byte> bytes) {
  if (bytes.size() < checksum_bytes)
    throw snapshot_error("snapshot of " + std::to_string(bytes.size()) + " bytes is cut off");
  const auto body = bytes.first(bytes.size() - checksum_bytes);
  archive_reader tail(bytes.subspan(body.size()));
  std::uint64_t sum = 0;
  tail(sum);
  if (sum != checksum_of(body))
    throw snapshot_error("snapshot is damaged: its checksum is not that of its bytes");
  return body;
}

// The head: what it is, its version, the configuration. Returns the latter.
std::string read_head(archive_reader& in) {
  if (const std::string found = in.get_text(); found != magic)
    throw snapshot_error("no snapshot of a unit: begins with \"" + found + "\"");
  std::uint32_t found = 0;
  in(found);
  if (found != snapshot::version) {
    throw snapshot_error("snapshot of version " + std::to_string(found) + ", expected version " +
                         std::to_string(snapshot::version));
  }
  return in.get_text();
}

// The first line in which the two differ.
std::string difference(std::string_view saved, std::string_view here) {
  const auto line = [](std::string_view& text) {
    const std::size_t end = text.find('\n');
    const std::string_view out = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    return out;
  };
  while (!saved.empty() || !here.empty()) {
    const std::string_view theirs = line(saved);
    const std::string_view ours = line(here);
    if (theirs != ours)
      return "saved with \"" + std::string(theirs) + "\", this unit has \"" + std::string(ours) + '"';
  }
  return {};
}

class lines {
public:
  template <class Number>
  lines& operator()(std::string_view name, Number value) {
    text_ += std::string(name) + ' ' + std::to_string(static_cast<std::uint64_t>(value)) + '\n';
    return *this;
  }
  void shape(const std::string& name, const remap::cache_shape& shape) {
    const auto& [entries, ways, policy, seed] = shape;
    text_ += name + ".policy " + std::string(to_string(policy)) + '\n';
    (*this)(name + ".entries", entries)(name + ".ways", ways)(name + ".seed", seed);
  }
  [[nodiscard]] std::string take() { return std::move(text_); }

private:
  std::string text_;
};

} // namespace

// Each structure is taken apart into all its fields: one that is added to it does not compile here until it
// is named, and tests/dmar/snapshot_test.cpp sees that it is written.
std::string snapshot::describe(const unit_config& config) {
  const auto& [name, caps, caches, timing, ports, protect_translated, protected_region_shift,
               hidden_write_buffer, context_domain_compared, whole_domain_tables, compress_faults,
               queue_address_clears_pointers, queue_flushes_write_buffer] = config;
  // A unit may go on under another name.
  static_cast<void>(name);
  lines out;
  {
    const auto& [cap, ecap, host_address_width, part_version, output_range_check, entry_beats, caches_absent,
                 pass_through_checks_width] = caps;
    out("cap", cap.value)("ecap", ecap.value)("version", part_version);
    out("host_address_width", host_address_width)("output_range_check", output_range_check);
    out("caches_absent", caches_absent)("pass_through_checks_width", pass_through_checks_width);
    out("entry_beats", entry_beats);
  }
  {
    const auto& [context, iotlb, large_iotlb, large_pages_in_pieces, pml5, pml4, pdpe, pde] = caches;
    out.shape("context", context);
    out.shape("iotlb", iotlb);
    out.shape("large_iotlb", large_iotlb);
    out("large_pages_in_pieces", large_pages_in_pieces);
    out.shape("pml5", pml5);
    out.shape("pml4", pml4);
    out.shape("pdpe", pdpe);
    out.shape("pde", pde);
  }
  {
    const auto& [lookup, requests, walkers, memory_interval, register_access, command, context_invalidation,
                 iotlb_invalidation_global, iotlb_invalidation_domain, iotlb_invalidation_page, drain,
                 descriptor_fetch, descriptor_decode, queue_prefetch, status_write, device_invalidation,
                 device_timeout, fault_recording, event_message] = timing;
    const auto& [context_lookup, iotlb_lookup, structure_lookup] = lookup;
    out("context_lookup", context_lookup)("iotlb_lookup", iotlb_lookup);
    out("structure_lookup", structure_lookup)("requests", requests)("walkers", walkers);
    out("memory_interval", memory_interval)("register_access", register_access)("command", command);
    out("context_invalidation", context_invalidation);
    out("iotlb_invalidation_global", iotlb_invalidation_global);
    out("iotlb_invalidation_domain", iotlb_invalidation_domain);
    out("iotlb_invalidation_page", iotlb_invalidation_page)("drain", drain);
    out("descriptor_fetch", descriptor_fetch)("descriptor_decode", descriptor_decode);
    out("queue_prefetch", queue_prefetch)("status_write", status_write);
    out("device_invalidation", device_invalidation)("device_timeout", device_timeout);
    out("fault_recording", fault_recording)("event_message", event_message);
  }
  out("ports", ports)("protect_translated", protect_translated)("hidden_write_buffer", hidden_write_buffer);
  out("context_domain_compared", context_domain_compared)("whole_domain_tables", whole_domain_tables);
  out("compress_faults", compress_faults);
  out("queue_address_clears_pointers", queue_address_clears_pointers);
  out("queue_flushes_write_buffer", queue_flushes_write_buffer);
  out("protected_region_shift", protected_region_shift);
  return out.take();
}

std::vector<snapshot::section> snapshot::sections_of(std::span<const std::byte> bytes) {
  try {
    archive_reader in(unsealed(bytes));
    (void)read_head(in);
    std::vector<section> out;
    while (!in.at_end()) {
      const std::size_t begin = in.position();
      section next{in.get_text(), begin, 0};
      std::uint32_t length = 0;
      in(length);
      in.skip(length);
      next.size = in.position() - begin;
      out.push_back(std::move(next));
    }
    return out;
  } catch (const archive_error& error) {
    throw snapshot_error(std::string("snapshot is damaged: ") + error.what());
  }
}

void snapshot::seal(std::vector<std::byte>& bytes) {
  const std::size_t body = bytes.size() - checksum_bytes;
  const std::uint64_t sum = checksum_of(std::span<const std::byte>(bytes).first(body));
  std::memcpy(bytes.data() + body, &sum, checksum_bytes);
}

// --- What a unit consists of

template <class Archive>
void unit::serialize(Archive& archive) {
  const engine::cycle now = owning_wheel().now();
  archive.section("registers", [&] { registers_.serialize(archive); });
  translator_.caches().serialize(archive);
  archive.section("protected memory", [&] { protection_.serialize(archive); });
  archive.section("state", [&] { state_.serialize(archive); });
  archive.section("pipeline", [&] { pipeline_.serialize(archive, now); });
  archive.section("faults", [&] { faults_.serialize(archive); });
  archive.section("invalidations", [&] { removal_.serialize(archive); });
  archive.section("queue", [&] { queue_.serialize(archive); });
  archive.section("commands", [&] { commands_.serialize(archive); });
}

std::string unit::under_way() const {
  if (!posted_.empty()) return "register writes that lie ahead";
  if (!pipeline_.quiescent()) return "requests";
  if (!commands_.quiet()) return "a command of a register";
  if (!queue_.quiet()) return "the invalidation queue";
  if (!faults_.quiet()) return "a fault record or a fault event";
  return {};
}

bool unit::quiescent(picoseconds now) {
  catch_up(now);
  return under_way().empty();
}

std::vector<std::byte> unit::save(picoseconds now) {
  catch_up(now);
  if (const std::string what = under_way(); !what.empty())
    throw snapshot_error(config_.name + ": cannot be saved, " + what + " under way; expected a unit at rest");
  archive_writer out;
  out.put_text(magic);
  std::uint32_t version = snapshot::version;
  out(version);
  out.put_text(snapshot::describe(config_));
  serialize(out);
  std::uint64_t sum = checksum_of(out.bytes());
  out(sum);
  return out.take();
}

void unit::restore(std::span<const std::byte> bytes, picoseconds now) {
  catch_up(now);
  if (const std::string what = under_way(); !what.empty())
    throw snapshot_error(config_.name + ": cannot be restored, " + what +
                         " under way; expected a unit at rest");
  try {
    archive_reader in(unsealed(bytes));
    if (const std::string other = difference(read_head(in), snapshot::describe(config_)); !other.empty())
      throw snapshot_error(config_.name + ": snapshot of another configuration, " + other);
    // Direct pointers and whatever else others keep of it are void.
    reset(true);
    serialize(in);
    if (!in.at_end()) throw archive_error("more bytes than sections");
  } catch (const archive_error& error) {
    reset(true);
    throw snapshot_error(config_.name + ": snapshot is damaged: " + error.what());
  }
}

} // namespace vtd::dmar
