"""Runs every check of what stands under deploy, and says of each what came of it."""

import pathlib
import sys

import chart
import confined
import containers
import machine
from world import Wrong

work = pathlib.Path(sys.argv[1])
failed = 0
for check in [*containers.CHECKS, *chart.CHECKS, *machine.CHECKS, *confined.CHECKS]:
    try:
        check(work)
        print(f"ok  {check.__doc__.splitlines()[0]}")
    except Wrong as wrong:
        failed += 1
        print(f"WRONG  {check.__doc__.splitlines()[0]}\n{wrong}", file=sys.stderr)
sys.exit(1 if failed else 0)
