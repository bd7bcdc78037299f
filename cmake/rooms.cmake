# SPDX-License-Identifier: Apache-2.0
# The rooms of the house, and who may include whom. A room compiles against a directory that holds only itself and
# the rooms behind SEES, so an include that is not in this table does not compile. Order: a room stands below all it
# sees. USES names outside packages. Rooms without files yet are skipped.

vtd_room(spec)
vtd_room(engine)
vtd_room(host         SEES spec engine)
vtd_room(remap        SEES spec engine)
vtd_room(irq_remap    SEES spec engine remap)
vtd_room(dmar         SEES spec engine remap irq_remap)
vtd_room(pci_topology SEES spec engine)
vtd_room(check        SEES spec engine host remap irq_remap dmar)
vtd_room(driver       SEES spec)
vtd_room(hypervisor   SEES spec driver)
vtd_room(platform     SEES spec engine host remap irq_remap dmar pci_topology check  USES systemc)
vtd_room(models       SEES spec engine host remap irq_remap dmar pci_topology check platform
                                                                                     USES systemc boost_json)
