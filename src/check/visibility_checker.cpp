// SPDX-License-Identifier: Apache-2.0
#include "vtd/check/visibility_checker.h"

#include "vtd/check/entry_text.h"
#include "vtd/host/line.h"

#include <algorithm>
#include <array>
#include <cinttypes>
#include <cstdio>
#include <span>
#include <utility>

namespace vtd::check {
namespace {

using remap::table_words;

constexpr unsigned word_size = sizeof(std::uint64_t);

std::uint64_t word_at(const host::line_data& bytes, unsigned word) {
  return host::number_from<std::uint64_t>(
      std::span(bytes).subspan(std::size_t{word} * word_size).first<word_size>());
}

// Two findings about one entry are the same when the hardware saw the same and the driver had written the
// same.
std::uint64_t mix(std::uint64_t hash, std::uint64_t number) {
  constexpr std::uint64_t golden_ratio = 0x9e3779b97f4a7c15; // 2^64 / phi, as boost::hash_combine
  return hash ^ (number + golden_ratio + (hash << 6) + (hash >> 2));
}

std::string raw_text(const table_words& words, unsigned bytes) {
  std::array<char, 48> buffer{};
  if (bytes > word_size) {
    std::snprintf(buffer.data(), buffer.size(), "%016" PRIx64 "_%016" PRIx64, words.hi(), words.lo());
  } else {
    std::snprintf(buffer.data(), buffer.size(), "%016" PRIx64, words.lo());
  }
  return buffer.data();
}

std::string_view forgotten_step(const host::pending_store& waiting, bool buffer_present) {
  if (waiting.place == host::store_place::write_buffer) return "GCMD.WBF write-buffer flush";
  return buffer_present ? "flush of the cache line, then GCMD.WBF write-buffer flush"
                        : "flush of the cache line";
}

std::string_view place_text(const host::pending_store& waiting) {
  if (waiting.place == host::store_place::write_buffer) return "chipset write buffer";
  return waiting.also_buffered ? "CPU cache, and in part the chipset write buffer" : "CPU cache";
}

} // namespace

void visibility_checker::declare_coherent(std::string_view unit) { coherent_units_.emplace_back(unit); }

bool visibility_checker::is_coherent(std::string_view unit) const {
  return std::find(coherent_units_.begin(), coherent_units_.end(), unit) != coherent_units_.end();
}

void visibility_checker::on_first_beat(const remap::table_read& read) {
  torn_.on_first_beat(read, is_coherent(read.unit));
}

void visibility_checker::on_table_read(const remap::table_read& read) {
  const bool coherent = is_coherent(read.unit);
  if (read.part != remap::entry_part::whole) torn_.on_table_read(read, coherent);
  // A lower half is looked at together with the upper one.
  if (read.failed || coherent || read.part == remap::entry_part::lower_half) return;
  ++reads_;
  const unsigned bytes = read.part == remap::entry_part::whole ? read.bytes : 2 * read.bytes;
  const auto waiting = path_.pending(read.entry_address(), bytes);
  if (!waiting) return;

  // A word went past a store when the hardware saw what memory shows and the CPU sees something else. Whoever
  // saw neither read before memory changed last.
  table_words written = read.seen;
  bool bypassed = false;
  const unsigned words =
      std::min<unsigned>(waiting->bytes / word_size, static_cast<unsigned>(written.words.size()));
  for (unsigned i = 0; i < words; ++i) {
    const std::uint64_t cpu = word_at(waiting->cpu, i);
    const std::uint64_t memory = word_at(waiting->memory, i);
    bypassed = bypassed || (cpu != memory && read.seen.words[i] == memory);
    written.words[i] = cpu;
  }
  if (!bypassed) return;
  const engine::cycle stored = waiting->last.time;
  if (stored > read.when || read.when - stored < patience_) return;
  if (!entry_present(read.kind, read.seen) && !entry_present(read.kind, written)) return;

  ++bypasses_;
  report(read, *waiting, written);
}

void visibility_checker::report(const remap::table_read& read, const host::pending_store& waiting,
                                const table_words& written) {
  const bool in_buffer = waiting.place == host::store_place::write_buffer;
  const rule& broken = *find_rule(in_buffer ? "visibility.write-buffer" : "visibility.cache-line");
  std::uint64_t variant = 0;
  for (const std::uint64_t word : read.seen.words)
    variant = mix(variant, word);
  for (const std::uint64_t word : written.words)
    variant = mix(variant, word);

  finding f;
  f.key = {std::string(broken.id), std::string(read.unit), read.entry_address(), variant};
  if (sink_.repeat(f.key, read.when)) return;

  const unsigned bytes = read.part == remap::entry_part::whole ? read.bytes : 2 * read.bytes;
  const std::string name = entry_name(read);
  const std::string saw = entry_text(read.kind, read.level, read.seen);
  const std::string wrote = entry_text(read.kind, read.level, written);
  const std::string_view step = forgotten_step(waiting, path_.buffer().present());
  const bool same_meaning = saw == wrote;
  f.level = same_meaning ? severity::note : broken.level;
  f.first = read.when;
  f.last = read.when;
  f.text = name + ": saw " + saw + "; driver wrote " +
           (same_meaning ? "other ignored or reserved bits" : wrote) + "; forgotten: " + std::string(step);
  const auto add = [&f](std::string_view key, std::string value) {
    f.details.push_back({std::string(key), std::move(value)});
  };
  add("entry", name);
  add("entry address", hex(read.entry_address()));
  add("line", hex(waiting.line));
  add("request", "from " + to_string(read.source) + ", input address " + hex(read.input_address));
  add("hardware saw", saw + " [" + raw_text(read.seen, bytes) + "]");
  add("driver wrote", wrote + " [" + raw_text(written, bytes) + "]");
  add("waits in", std::string(place_text(waiting)));
  add("stored", "at cycle " + std::to_string(waiting.last.time) + " (store " +
                    std::to_string(waiting.last.sequence) + ")");
  add("forgotten", std::string(step));
  add("remedy", std::string(broken.advice) + ", VT-d " + std::string(broken.section));
  sink_.report(std::move(f));
}

} // namespace vtd::check
