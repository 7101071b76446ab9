/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* The ways of a bucket as eight bytes of a number, compared at once. */
#ifndef XLB_FLOW_BYTES_H
#define XLB_FLOW_BYTES_H

#include "xlb/flow_life.h"

/* The top bit of each byte that is `byte`, which is not 0. Above the lowest one others may be set in vain. */
XLB_INLINE __u64 xlb_bytes_equal(__u64 bytes, __u8 byte) {
  const __u64 ones = 0x0101010101010101ULL;
  __u64 differ = bytes ^ byte * ones;
  return (differ - ones) & ~differ & ones << 7;
}

/* The first way whose byte (way 0 has the lowest) is this one, other than `but`; XLB_FLOW_WAYS: none. */
XLB_INLINE __u32 xlb_way_of_byte(__u64 bytes, __u8 byte, __u32 but) {
  __u64 equal = xlb_bytes_equal(bytes, byte);
  if (but < XLB_FLOW_WAYS) equal &= ~(0x80ULL << (but * 8));
  __u64 lowest = (equal & (~equal + 1)) >> 7; /* 256^way */
  if (lowest == 0) return XLB_FLOW_WAYS;
  return (__u32)((lowest * 0x0001020304050607ULL) >> 56) & (XLB_FLOW_WAYS - 1);
}

#endif
