// SPDX-License-Identifier: Apache-2.0
#include "vtd/host/dram_channel.h"

#include <algorithm>
#include <bit>
#include <stdexcept>
#include <string>

namespace vtd::host {

using engine::cycle;
using engine::never;

namespace {

void demand(bool holds, const std::string& name, unsigned value, const std::string& expectation) {
  if (!holds)
    throw std::invalid_argument("dram: " + name + " is " + std::to_string(value) + ", expected " +
                                expectation);
}

} // namespace

dram_channel::dram_channel(engine::wheel& wheel, const dram_config& config, dram_client& client)
    : component(wheel), config_(config), client_(client),
      // Between its column command and its answer a request is in no queue; the data bus bounds how many.
      endings_(static_cast<std::size_t>((config.timing.cl + config.timing.cwl + config.timing.controller) /
                                        std::max<cycle>(config.timing.burst, 1)) +
               4) {
  const dram_shape& shape = config_.shape;
  constexpr unsigned most_banks = 32;
  demand(std::has_single_bit(shape.banks) && shape.banks <= most_banks, "banks", shape.banks,
         "a power of two of at most 32");
  demand(std::has_single_bit(shape.row_bytes), "row_bytes", shape.row_bytes, "a power of two");
  demand(std::has_single_bit(shape.line_bytes) && shape.line_bytes <= shape.row_bytes, "line_bytes",
         shape.line_bytes, "a power of two, not above row_bytes");
  demand(shape.bank_queue != 0, "bank_queue", shape.bank_queue, "at least 1");
  constexpr unsigned most_ports = 256;
  demand(shape.ports != 0 && shape.ports <= most_ports, "ports", shape.ports, "1 to 256");
  demand(config_.timing.burst != 0, "burst", 0, "at least 1 cycle");
  row_shift_ = static_cast<unsigned>(std::countr_zero(shape.row_bytes));
  bank_bits_ = static_cast<unsigned>(std::countr_zero(shape.banks));
  banks_.resize(shape.banks);
  for (bank& b : banks_)
    b.queue.reserve(shape.bank_queue);
  ports_.resize(shape.ports);
}

bool dram_channel::offer(unsigned port, const dram_request& what, engine::picoseconds now) {
  port_state& p = ports_[port];
  if (p.waiting) return false;
  p.offered = what;
  p.seen = owning_wheel().timebase().first_edge_after(now);
  p.waiting = true;
  ++waiting_ports_;
  wake_at(p.seen);
  return true;
}

cycle dram_channel::pass(const dram_request& what, engine::picoseconds now) {
  const dram_timing& t = config_.timing;
  refresh(owning_wheel().timebase().last_edge_until(now));
  bank& b = banks_[bank_of(what.address)];
  const std::uint64_t row = row_of(what.address);
  cycle takes = t.controller + (what.write ? t.cwl : t.cl);
  if (b.open_row == row) {
    ++statistics_.row_hits;
  } else if (b.open_row == no_row) {
    ++statistics_.row_misses;
    takes += t.rcd;
  } else {
    ++statistics_.row_conflicts;
    takes += t.rp + t.rcd;
  }
  if (b.queue.empty()) b.open_row = row;
  const unsigned line = config_.shape.line_bytes;
  const std::uint64_t bursts = (what.address % line + what.bytes + line - 1) / line;
  ++(what.write ? statistics_.writes : statistics_.reads);
  statistics_.bus_cycles += bursts * t.burst;
  return takes + bursts * t.burst;
}

void dram_channel::step(cycle now) {
  while (!endings_.empty() && endings_.front().at <= now) {
    const ending e = endings_.pop();
    client_.answered(e.port, e.cookie);
  }
  if (waiting_ports_ != 0) admit(now);
  if (busy_banks_ != 0) issue(now);
  sleep(now);
}

void dram_channel::admit(cycle now) {
  const auto count = static_cast<unsigned>(ports_.size());
  const unsigned first = next_port_;
  for (unsigned i = 0; i < count; ++i) {
    const unsigned at = first + i < count ? first + i : first + i - count;
    port_state& p = ports_[at];
    if (!p.waiting || p.seen > now) continue;
    const unsigned to = bank_of(p.offered.address);
    bank& b = banks_[to];
    if (b.queue.size() >= config_.shape.bank_queue) continue;
    next_port_ = at + 1 < count ? at + 1 : 0;
    const unsigned line = config_.shape.line_bytes;
    waiting entry;
    entry.row = row_of(p.offered.address);
    entry.sequence = next_sequence_++;
    entry.cookie = p.offered.cookie;
    entry.lines = static_cast<std::uint32_t>((p.offered.address % line + p.offered.bytes + line - 1) / line);
    entry.port = static_cast<std::uint8_t>(at);
    entry.write = p.offered.write;
    b.queue.push_back(entry);
    busy_banks_ |= 1U << to;
    statistics_.admission_wait_cycles += now - p.seen;
    p.waiting = false;
    --waiting_ports_;
    client_.accepted(at, entry.cookie);
  }
}

// The earliest cycle for a column command, as far as the channel is concerned.
cycle dram_channel::column_at(const bank& b, bool write) const {
  const dram_timing& t = config_.timing;
  const cycle gap = write && last_was_read_ ? t.turnaround : 0;
  const cycle latency = write ? t.cwl : t.cl;
  const cycle bus = bus_free_at_ + gap > latency ? bus_free_at_ + gap - latency : 0;
  cycle at = std::max(b.column_at, bus);
  if (!write) at = std::max(at, read_at_);
  return at;
}

// What the bank wants next: the oldest request to the open row, unless too many have passed an older one.
dram_channel::candidate dram_channel::next_of(const bank& b) const {
  candidate out;
  if (b.open_row == no_row) {
    out.what = command::activate;
    out.at = std::max({b.activate_at, activate_at_, activates_[next_activate_]});
    return out;
  }
  const std::size_t end = b.hits_in_a_row < config_.shape.hit_limit ? b.queue.size() : 1;
  for (std::size_t i = 0; i < end; ++i) {
    if (b.queue[i].row != b.open_row) continue;
    out.what = command::column;
    out.entry = i;
    out.at = column_at(b, b.queue[i].write);
    return out;
  }
  out.what = command::precharge;
  out.at = b.precharge_at;
  return out;
}

// One command a cycle: of those that may be given now a column command first, then the oldest request's.
void dram_channel::issue(cycle now) {
  refresh(now);
  bank* chosen = nullptr;
  candidate best;
  std::uint64_t age = 0;
  for (std::uint32_t left = busy_banks_; left != 0; left &= left - 1) {
    bank& b = banks_[static_cast<unsigned>(std::countr_zero(left))];
    const candidate c = next_of(b);
    if (c.at > now) continue;
    const std::uint64_t sequence = b.queue[c.entry].sequence;
    const bool better = chosen == nullptr || (c.what == command::column) > (best.what == command::column) ||
                        ((c.what == command::column) == (best.what == command::column) && sequence < age);
    if (!better) continue;
    chosen = &b;
    best = c;
    age = sequence;
  }
  if (chosen == nullptr) return;
  const dram_timing& t = config_.timing;
  switch (best.what) {
  case command::column:
    do_column(*chosen, best.entry, now);
    break;
  case command::activate:
    chosen->open_row = chosen->queue.front().row;
    chosen->queue.front().activated = true;
    chosen->column_at = now + t.rcd;
    chosen->precharge_at = now + t.ras;
    activate_at_ = now + t.rrd;
    activates_[next_activate_] = now + t.faw;
    next_activate_ = (next_activate_ + 1) % static_cast<unsigned>(activates_.size());
    break;
  case command::precharge:
    chosen->open_row = no_row;
    chosen->queue.front().precharged = true;
    chosen->activate_at = now + t.rp;
    break;
  }
}

void dram_channel::do_column(bank& b, std::size_t index, cycle now) {
  const dram_timing& t = config_.timing;
  const waiting entry = b.queue[index];
  b.queue.erase(b.queue.begin() + static_cast<std::ptrdiff_t>(index));
  freed_ = true;
  if (b.queue.empty()) busy_banks_ &= ~(1U << static_cast<unsigned>(&b - banks_.data()));
  b.hits_in_a_row = index == 0 ? 0 : b.hits_in_a_row + 1;
  const cycle moving = entry.lines * t.burst;
  const cycle end = now + (entry.write ? t.cwl : t.cl) + moving;
  bus_free_at_ = end;
  last_was_read_ = !entry.write;
  if (entry.write) {
    read_at_ = end + t.wtr;
    b.precharge_at = std::max(b.precharge_at, end + t.wr);
  } else {
    b.precharge_at = std::max(b.precharge_at, now + t.rtp + moving - t.burst);
  }
  ++(entry.write ? statistics_.writes : statistics_.reads);
  ++(entry.precharged  ? statistics_.row_conflicts
     : entry.activated ? statistics_.row_misses
                       : statistics_.row_hits);
  statistics_.bus_cycles += moving;
  client_.transfer(entry.cookie);
  endings_.push({end + t.controller, entry.cookie, entry.port});
}

// Refreshes are due at multiples of tREFI. Nothing else can be seen of them than that all banks are closed
// for a while, so they are done when somebody looks.
void dram_channel::refresh(cycle now) {
  const dram_timing& t = config_.timing;
  if (t.refi == 0 || now / t.refi == refreshes_done_) return;
  const cycle due = now / t.refi;
  statistics_.refreshes += due - refreshes_done_;
  refreshes_done_ = due;
  const cycle first = due * t.refi;
  cycle start = first;
  for (const bank& b : banks_)
    start = std::max(start, b.open_row == no_row ? b.activate_at : std::max(first, b.precharge_at) + t.rp);
  for (bank& b : banks_) {
    b.open_row = no_row;
    b.activate_at = start + t.rfc;
  }
}

void dram_channel::sleep(cycle now) {
  cycle next = endings_.empty() ? never : endings_.front().at;
  for (std::uint32_t left = busy_banks_; left != 0; left &= left - 1) {
    next =
        std::min(next, std::max(next_of(banks_[static_cast<unsigned>(std::countr_zero(left))]).at, now + 1));
  }
  if (waiting_ports_ != 0) {
    for (const port_state& p : ports_) {
      if (!p.waiting) continue;
      // One that waits for a queue looks again in the cycle after a slot became free.
      if (p.seen > now)
        next = std::min(next, p.seen);
      else if (freed_)
        next = now + 1;
    }
  }
  freed_ = false;
  if (next != never) wake_at(next);
}

} // namespace vtd::host
