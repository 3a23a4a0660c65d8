"""Holds counted instructions against those that were written down.

Usage: compare.py WRITTEN COUNTED. Exits with 1 where something takes more than it may.
"""

import sys

# Hash maps begin with a random number, which moves the counts by less than a hundredth.
SAME_COMPILER = 0.04
OTHER_COMPILER = 0.25


def read(path):
    first, *lines = open(path, encoding="utf-8").read().splitlines()
    return first, {work: int(number) for work, number in map(str.split, lines)}


def main():
    (theirs, written), (ours, counted) = read(sys.argv[1]), read(sys.argv[2])
    bound = SAME_COMPILER if theirs == ours else OTHER_COMPILER
    if theirs != ours:
        print(f"written down for {theirs[2:]}, and this is {ours[2:]}: {bound:.0%} are allowed")
    assert written.keys() == counted.keys(), f"{sorted(written)} are written down and {sorted(counted)} are counted"
    more = []
    for work, number in counted.items():
        change = number / written[work] - 1
        print(f"{work:<12}{number:>14,} instructions each, {change:+.1%}")
        if change > bound:
            more.append(work)
        elif change < -bound:
            print(f"  less than was written down: `tests/instructions/run --record` keeps it so")
    if more:
        sys.exit(
            f"{', '.join(more)}: more than {bound:.0%} above tests/instructions/counts. Find out why; if it is meant, say so in the commit "
            "and write it down: tests/instructions/run --record"
        )
    print("no work takes more instructions than was written down: ok")


main()
