// SPDX-License-Identifier: Apache-2.0
#pragma once

/// VTD_ADDRESS_SANITIZER: all of this is built with AddressSanitizer, as g++ or clang says so.
#if defined(__SANITIZE_ADDRESS__)
#define VTD_ADDRESS_SANITIZER
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define VTD_ADDRESS_SANITIZER
#endif
#endif
