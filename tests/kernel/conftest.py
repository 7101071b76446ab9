"""What lies in `inside` runs in the virtual machine, by test_debian_kernel.py."""

from __future__ import annotations

import os

INSIDE = "XLB_IN_VM"

collect_ignore = [] if INSIDE in os.environ else ["inside"]
