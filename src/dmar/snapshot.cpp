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
    text_ += name + ".policy " + std::string(to_string(shape.policy)) + '\n';
    (*this)(name + ".entries", shape.entries)(name + ".ways", shape.ways)(name + ".seed", shape.seed);
  }
  [[nodiscard]] std::string take() { return std::move(text_); }

private:
  std::string text_;
};

} // namespace

std::string snapshot::describe(const unit_config& config) {
  lines out;
  out("cap", config.caps.cap.value)("ecap", config.caps.ecap.value)("version", config.caps.version);
  out("host_address_width", config.caps.host_address_width);
  out("output_range_check", config.caps.output_range_check)("caches_absent", config.caps.caches_absent);
  out("entry_beats", config.caps.entry_beats);
  out.shape("context", config.caches.context);
  out.shape("iotlb", config.caches.iotlb);
  out.shape("large_iotlb", config.caches.large_iotlb);
  out("large_pages_in_pieces", config.caches.large_pages_in_pieces);
  out.shape("pml5", config.caches.pml5);
  out.shape("pml4", config.caches.pml4);
  out.shape("pdpe", config.caches.pdpe);
  out.shape("pde", config.caches.pde);
  const unit_timing& t = config.timing;
  out("context_lookup", t.lookup.context_lookup)("iotlb_lookup", t.lookup.iotlb_lookup);
  out("structure_lookup", t.lookup.structure_lookup)("requests", t.requests)("walkers", t.walkers);
  out("memory_interval", t.memory_interval)("register_access", t.register_access)("command", t.command);
  out("context_invalidation", t.context_invalidation);
  out("iotlb_invalidation_global", t.iotlb_invalidation_global);
  out("iotlb_invalidation_domain", t.iotlb_invalidation_domain);
  out("iotlb_invalidation_page", t.iotlb_invalidation_page);
  out("descriptor_fetch", t.descriptor_fetch)("descriptor_decode", t.descriptor_decode);
  out("queue_prefetch", t.queue_prefetch)("status_write", t.status_write);
  out("device_invalidation", t.device_invalidation)("device_timeout", t.device_timeout);
  out("fault_recording", t.fault_recording)("event_message", t.event_message);
  out("ports", config.ports)("protect_translated", config.protect_translated);
  out("hidden_write_buffer", config.hidden_write_buffer);
  out("context_domain_compared", config.context_domain_compared);
  out("whole_domain_tables", config.whole_domain_tables)("compress_faults", config.compress_faults);
  out("queue_address_clears_pointers", config.queue_address_clears_pointers);
  out("protected_region_shift", config.protected_region_shift);
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
