/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FOREIGN_DRIVER_H
#define FOREIGN_DRIVER_H

#include "vtd/driver/hardware_access.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Takes the remapping unit at `base`, maps [0, pages * 4 KB) of one device to `target`, and switches
   translation on. `forget_flush` leaves out the flush of the context entry: what a checker has to find.
   Returns 0, or -1. */
int foreign_driver_start(const struct vtd_hardware_access* hw, uint64_t base, uint16_t source_id,
                         uint64_t target, unsigned pages, int forget_flush);

#ifdef __cplusplus
}
#endif

#endif
