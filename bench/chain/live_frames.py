"""BPF_PROG_TEST_RUN with real frames, which bpftool cannot do; run in the network and mount namespaces of the device.

live_frames.py PINNED_PROGRAM IFINDEX REPEAT FRAME_IN_HEX     prints the kernel's own figure: ns a frame

It is of the batches alone, up to the end of what they cause at the device's far end. By a clock round the call, some 18 ms would be
added for the pages, their making and their end, whatever the count.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys

BPF_SYSCALL = {"x86_64": 321, "aarch64": 280}[os.uname().machine]
OBJ_GET, PROG_TEST_RUN = 7, 10
LIVE_FRAMES = 1 << 1  # BPF_F_TEST_XDP_LIVE_FRAMES


def bpf(command: int, attributes: bytes) -> bytes:
    """What the kernel left in the attributes, and before it its answer (a descriptor)."""
    libc = ctypes.CDLL(None, use_errno=True)
    buffer = ctypes.create_string_buffer(attributes, len(attributes))
    answer = libc.syscall(BPF_SYSCALL, command, buffer, len(attributes))
    if answer < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), f"bpf({command})")
    return struct.pack("<I", answer) + buffer.raw


def main() -> None:
    pin, ifindex, repeat, frame = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), bytes.fromhex(sys.argv[4])
    path = ctypes.create_string_buffer(pin.encode())
    descriptor = struct.unpack_from("<I", bpf(OBJ_GET, struct.pack("<QII", ctypes.addressof(path), 0, 0)))[0]
    data = ctypes.create_string_buffer(frame, len(frame))
    # struct xdp_md: data, data_end, data_meta, ingress_ifindex, rx_queue_index, egress_ifindex
    context = ctypes.create_string_buffer(struct.pack("<6I", 0, len(frame), 0, ifindex, 0, 0), 24)
    attributes = struct.pack("<4I2Q", descriptor, 0, len(frame), 0, ctypes.addressof(data), 0)
    attributes += struct.pack("<4I2Q", repeat, 0, 24, 0, ctypes.addressof(context), 0) + struct.pack("<4I", LIVE_FRAMES, 0, 0, 0)
    left = bpf(PROG_TEST_RUN, attributes)
    print(struct.unpack_from("<I", left, 4 + 36)[0])  # `duration`


if __name__ == "__main__":
    main()
