/* SPDX-License-Identifier: Apache-2.0 */
/* Somebody else's driver, in C: it knows the hardware by the VT-d specification and the machine by a struct
   of functions. Three-level tables, one device, register-based invalidation. */

#include "driver.h"

enum {
  CAP = 0x08,
  ECAP = 0x10,
  GCMD = 0x18,
  GSTS = 0x1c,
  RTADDR = 0x20,
  CCMD = 0x28,
  ENTRY = 8,
  PAGE = 4096,
  POLLS = 100000
};
#define GCMD_TE (1u << 31)
#define GCMD_SRTP (1u << 30)
#define GCMD_WBF (1u << 27)
#define CAP_RWBF (1ull << 4)
#define ECAP_C (1ull << 0)
#define ENTRY_PRESENT 1ull
#define ENTRY_READ_WRITE 3ull

struct unit {
  const struct vtd_hardware_access* hw;
  uint64_t base;
  int coherent;
  int write_buffer;
};

static void store(const struct unit* u, uint64_t address, uint64_t value, int flush) {
  u->hw->store64(u->hw->context, address, value);
  if (flush && !u->coherent) u->hw->flush_lines(u->hw->context, address, ENTRY);
}

static uint64_t new_table(const struct unit* u) {
  const uint64_t page = u->hw->allocate_pages(u->hw->context, 1);
  if (page != 0 && !u->coherent) u->hw->flush_lines(u->hw->context, page, PAGE);
  return page;
}

static int wait_status(const struct unit* u, uint32_t bit, int set) {
  for (int i = 0; i < POLLS; ++i) {
    const uint32_t status = u->hw->read32(u->hw->context, u->base + GSTS);
    if (((status & bit) != 0) == (set != 0)) return 0;
    u->hw->relax(u->hw->context);
  }
  return -1;
}

static int wait_clear(const struct unit* u, uint64_t offset, uint64_t bit) {
  for (int i = 0; i < POLLS; ++i) {
    if ((u->hw->read64(u->hw->context, u->base + offset) & bit) == 0) return 0;
    u->hw->relax(u->hw->context);
  }
  return -1;
}

int foreign_driver_start(const struct vtd_hardware_access* hw, uint64_t base, uint16_t source_id,
                         uint64_t target, unsigned pages, int forget_flush) {
  const uint64_t cap = hw->read64(hw->context, base + CAP);
  const uint64_t ecap = hw->read64(hw->context, base + ECAP);
  const struct unit u = {hw, base, (ecap & ECAP_C) != 0, (cap & CAP_RWBF) != 0};
  const uint64_t root = new_table(&u);
  const uint64_t contexts = new_table(&u);
  const uint64_t top = new_table(&u);
  const uint64_t middle = new_table(&u);
  const uint64_t leaves = new_table(&u);
  if (root == 0 || contexts == 0 || top == 0 || middle == 0 || leaves == 0 || pages > PAGE / ENTRY) return -1;

  store(&u, top, middle | ENTRY_READ_WRITE, 1);
  store(&u, middle, leaves | ENTRY_READ_WRITE, 1);
  for (unsigned i = 0; i < pages; ++i) {
    store(&u, leaves + (uint64_t)i * ENTRY, (target + (uint64_t)i * PAGE) | ENTRY_READ_WRITE, 1);
  }
  /* Context entry, high word first: domain 1, three levels. */
  const uint64_t context = contexts + (uint64_t)(source_id & 0xff) * 16;
  store(&u, context + 8, 1ull << 8 | 1, !forget_flush);
  store(&u, context, top | ENTRY_PRESENT, !forget_flush);
  store(&u, root + (uint64_t)(source_id >> 8) * 16, contexts | ENTRY_PRESENT, 1);

  if (u.write_buffer) {
    hw->write32(hw->context, base + GCMD, GCMD_WBF);
    if (wait_status(&u, GCMD_WBF, 0) != 0) return -1;
  }
  hw->write64(hw->context, base + RTADDR, root);
  hw->write32(hw->context, base + GCMD, GCMD_SRTP);
  if (wait_status(&u, GCMD_SRTP, 1) != 0) return -1;
  /* Global invalidation of the context cache, then of the IOTLB. */
  hw->write64(hw->context, base + CCMD, 1ull << 63 | 1ull << 61);
  if (wait_clear(&u, CCMD, 1ull << 63) != 0) return -1;
  const uint64_t iotlb = (ecap >> 8 & 0x3ff) * 16 + 8;
  hw->write64(hw->context, base + iotlb, 1ull << 63 | 1ull << 60);
  if (wait_clear(&u, iotlb, 1ull << 63) != 0) return -1;
  hw->write32(hw->context, base + GCMD, GCMD_TE);
  return wait_status(&u, GCMD_TE, 1);
}
