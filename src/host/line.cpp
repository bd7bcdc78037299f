// SPDX-License-Identifier: Apache-2.0
#include "vtd/host/line.h"

#include <cassert>
#include <cstring>

namespace vtd::host {

void line_content::put(unsigned offset, std::span<const std::byte> bytes, store_stamp stamp) {
  assert(offset + bytes.size() <= line_size);
  if (bytes.empty()) return;
  const auto count = static_cast<unsigned>(bytes.size());
  std::memcpy(data.data() + offset, bytes.data(), count);
  dirty |= bytes_of(offset, count);
  for (unsigned word = offset / word_size; word <= (offset + count - 1) / word_size; ++word) {
    stamps[word] = stamp;
  }
}

void line_content::merge(const line_content& newer) {
  for (unsigned i = 0; i < line_size; ++i) {
    if ((newer.dirty >> i) & 1) data[i] = newer.data[i];
  }
  dirty |= newer.dirty;
  // A write-back carries the whole line; words it never stored to have no stamp and keep the one they had.
  for (std::size_t word = 0; word < stamps.size(); ++word) {
    if (newer.stamps[word].sequence > stamps[word].sequence) stamps[word] = newer.stamps[word];
  }
}

} // namespace vtd::host
