// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtd/engine/delay_line.h"
#include "vtd/engine/wheel.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace vtd::host {

/// Times of one DRAM channel in cycles of the wheel; names are those of JEDEC's DDR standards.
struct dram_timing {
  engine::cycle rcd = 14;        ///< tRCD: ACTIVATE to READ or WRITE
  engine::cycle rp = 14;         ///< tRP: PRECHARGE to ACTIVATE
  engine::cycle cl = 14;         ///< CL: READ to its first data
  engine::cycle cwl = 10;        ///< CWL: WRITE to its first data
  engine::cycle ras = 35;        ///< tRAS: ACTIVATE to PRECHARGE, at least
  engine::cycle rtp = 8;         ///< tRTP: READ to PRECHARGE
  engine::cycle wr = 15;         ///< tWR: last data of a write to PRECHARGE
  engine::cycle wtr = 8;         ///< tWTR: last data of a write to a READ, of any bank
  engine::cycle rrd = 6;         ///< tRRD: ACTIVATE to ACTIVATE of another bank
  engine::cycle faw = 30;        ///< tFAW: four ACTIVATEs, at most, in such a window
  engine::cycle burst = 5;       ///< the data bus, for one line
  engine::cycle turnaround = 3;  ///< the data bus stays idle when a write follows a read
  engine::cycle refi = 0;        ///< tREFI: from refresh to refresh; 0: no refresh
  engine::cycle rfc = 160;       ///< tRFC: a refresh of all banks
  engine::cycle controller = 20; ///< everything that is not DRAM, both ways together
};

/// How one channel is built. Addresses count through the columns of a row, then the banks, then the rows.
struct dram_shape {
  unsigned banks = 8;        ///< a power of two, at most 32
  unsigned row_bytes = 8192; ///< of all chips side by side; a power of two
  unsigned line_bytes = 64;  ///< what one burst moves; a power of two
  unsigned bank_queue = 8;   ///< requests that wait for one bank
  unsigned hit_limit = 16;   ///< so many row hits in a row pass an older request to another row
  unsigned ports = 1;
};

struct dram_config {
  dram_timing timing{};
  dram_shape shape{};
};

/// Counters only grow.
struct dram_statistics {
  std::uint64_t reads = 0;
  std::uint64_t writes = 0;
  /// Each request is one of these: its row was open, its bank was closed, another row was open.
  std::uint64_t row_hits = 0;
  std::uint64_t row_misses = 0;
  std::uint64_t row_conflicts = 0;
  std::uint64_t refreshes = 0;
  /// Cycles in which the data bus carried data.
  std::uint64_t bus_cycles = 0;
  /// Cycles that requests stood at their port, because their bank's queue was full, summed.
  std::uint64_t admission_wait_cycles = 0;
};

struct dram_request {
  std::uint64_t address = 0;
  /// At least 1. All is taken to lie in the row of the first byte; each line begun costs a burst.
  std::uint32_t bytes = 0;
  bool write = false;
  void* cookie = nullptr;
};

/// Who uses a channel. All calls come from its step, that is at an edge.
struct dram_client {
  dram_client() = default;
  dram_client(const dram_client&) = delete;
  dram_client& operator=(const dram_client&) = delete;
  virtual ~dram_client() = default;
  /// The request left its port for a queue: the port may take the next one.
  virtual void accepted(unsigned port, void* cookie) = 0;
  /// Now its data is to be moved: the column command was given. In order for any one row.
  virtual void transfer(void* cookie) = 0;
  /// It is done.
  virtual void answered(unsigned port, void* cookie) = 0;
};

/// One DRAM channel with its controller, without SystemC: banks with one open row each (open-page policy), a
/// bounded queue a bank, first-ready first-come first-served, one command a cycle, one data bus, refresh of
/// all banks at fixed times.
///
/// A request that arrives at `t` is seen at the first edge after `t`; the order of calls within one time does
/// not matter. In a cycle: answers, then admissions (one a port, first the port after the one admitted last),
/// then one command. A queue slot freed in a cycle is used in the next.
///
/// Not modelled: power-down, several ranks, bank groups, reordering of writes behind reads.
class dram_channel final : private engine::component {
public:
  /// Throws std::invalid_argument for a shape that cannot be built. `client` must outlive this.
  dram_channel(engine::wheel& wheel, const dram_config& config, dram_client& client);

  /// A request arrives at a port at `now`. False: the port holds another one.
  bool offer(unsigned port, const dram_request& what, engine::picoseconds now);

  /// Loosely timed: what the request would take if nothing else were under way, from the edge that sees it;
  /// its row is open afterwards, unless requests wait for that bank.
  engine::cycle pass(const dram_request& what, engine::picoseconds now);

  [[nodiscard]] const dram_config& config() const { return config_; }
  [[nodiscard]] const dram_statistics& statistics() const { return statistics_; }
  [[nodiscard]] unsigned bank_of(std::uint64_t address) const {
    return static_cast<unsigned>(address >> row_shift_) & (config_.shape.banks - 1);
  }
  [[nodiscard]] std::uint64_t row_of(std::uint64_t address) const {
    return address >> (row_shift_ + bank_bits_);
  }
  /// The address of a column of a row of a bank: the reverse.
  [[nodiscard]] std::uint64_t address_of(std::uint64_t row, unsigned of_bank, std::uint64_t column) const {
    return ((row << bank_bits_ | of_bank) << row_shift_) + column;
  }

private:
  struct waiting {
    std::uint64_t row = 0;
    std::uint64_t sequence = 0;
    void* cookie = nullptr;
    std::uint32_t lines = 0;
    std::uint8_t port = 0;
    bool write = false;
    // What had to be done for it.
    bool activated = false;
    bool precharged = false;
  };
  static constexpr std::uint64_t no_row = ~std::uint64_t{0};
  struct bank {
    std::uint64_t open_row = no_row;
    engine::cycle column_at = 0;    // READ or WRITE not before
    engine::cycle precharge_at = 0; // PRECHARGE not before
    engine::cycle activate_at = 0;  // ACTIVATE not before
    unsigned hits_in_a_row = 0;
    std::vector<waiting> queue; // oldest first
  };
  struct port_state {
    dram_request offered{};
    engine::cycle seen = engine::never;
    bool waiting = false;
  };
  struct ending {
    engine::cycle at = 0;
    void* cookie = nullptr;
    unsigned port = 0;
  };
  enum class command : std::uint8_t { column, activate, precharge };
  struct candidate {
    engine::cycle at = engine::never;
    command what = command::precharge;
    std::size_t entry = 0;
  };

  void step(engine::cycle now) override;
  void admit(engine::cycle now);
  void issue(engine::cycle now);
  void refresh(engine::cycle now);
  [[nodiscard]] candidate next_of(const bank& b) const;
  [[nodiscard]] engine::cycle column_at(const bank& b, bool write) const;
  void do_column(bank& b, std::size_t entry, engine::cycle now);
  void sleep(engine::cycle now);

  dram_config config_;
  dram_client& client_;
  unsigned row_shift_ = 0;
  unsigned bank_bits_ = 0;
  std::vector<bank> banks_;
  std::vector<port_state> ports_;
  engine::ring<ending> endings_;
  // One bit a bank whose queue is not empty.
  std::uint32_t busy_banks_ = 0;
  unsigned waiting_ports_ = 0;
  unsigned next_port_ = 0;
  std::uint64_t next_sequence_ = 0;
  // Channel-wide limits.
  std::array<engine::cycle, 4> activates_{}; // a ring of the last four, as "not before tFAW later"
  unsigned next_activate_ = 0;
  engine::cycle activate_at_ = 0;
  engine::cycle bus_free_at_ = 0;
  engine::cycle read_at_ = 0;
  bool last_was_read_ = false;
  bool freed_ = false;
  engine::cycle refreshes_done_ = 0;
  dram_statistics statistics_;
};

} // namespace vtd::host
