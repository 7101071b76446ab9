"""A virtual machine with Debian 12's own kernel and this machine's files, to run one script in.

The files are shared read-only with a RAM disk laid over them: what runs inside sees every package and the build, and changes
nothing. Emulation only (no KVM), so it works wherever qemu does; everything takes five to ten times as long.
"""

from .kernel import Kernel, Unavailable, debian_kernel
from .machine import Machine

__all__ = ["Kernel", "Machine", "Unavailable", "debian_kernel"]
