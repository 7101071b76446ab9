"""One case of bench/chain, inside the machine whose clock counts instructions.    inside.py CASE one|new"""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import chain  # noqa: E402  (first: it finds the lab)
import docker  # noqa: E402
import frames  # noqa: E402
import plain  # noqa: E402

CASES = {**plain.CASES, **docker.CASES, **frames.CASES}


def main() -> None:
    name, flows = sys.argv[1:]
    chain.prepare_machine()
    result = CASES[name]().measure(flows == "new")
    (chain.EXCHANGE / "result.json").write_text(json.dumps({"case": name, "flows": flows, **result}))


if __name__ == "__main__":
    main()
