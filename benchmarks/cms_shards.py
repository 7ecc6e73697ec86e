"""Write made-up shards of the public CMS Level-1 set's schema: `python -m benchmarks.cms_shards FOLDER --events N`."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from fpgaae.data.cms_shards import ShardSettings, write_shards


def main() -> None:
    """Write the shards and say how many."""
    known = ShardSettings()
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cms_shards", description=__doc__)
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("--events", type=int, default=known.events, help="zero-bias events")
    parser.add_argument("--signal-events", type=int, default=known.signal_events, help="events of each other sample")
    parser.add_argument("--shard", type=int, default=known.events_per_shard, metavar="N", help="events a shard")
    parser.add_argument("--menu-bits", type=int, default=known.menu_bits, help="bits of the made-up menu")
    parser.add_argument("--seed", type=int, default=known.seed)
    given = parser.parse_args()
    settings = ShardSettings(
        given.events, given.signal_events, given.shard, menu_bits=given.menu_bits, seed=given.seed
    )  # fmt: skip
    started = time.perf_counter()
    written = write_shards(given.folder, settings)
    for sample, files in written.items():
        print(f"{sample}: {len(files)} shards in {files[0].parent}")
    print(f"{time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
