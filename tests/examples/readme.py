"""Types what examples/README.md tells people to type, but for what needs npm or dotnet.

Usage: readme.py, with the program in PATH and the variables that `closeout dev` prints.
"""

import re
from pathlib import Path

from world import every_check, run

ROOT = Path(__file__).resolve().parents[2]


def check_of(commands):
    def check():
        code, said = run("bash", "-euo", "pipefail", "-c", f"cd '{ROOT}'\n{commands}")
        assert code == 0, (code, said)

    script = re.search(r"close_session\.py|lambda_handler|close\.sh", commands)[0]
    check.__doc__ = f"README: the lines for {script} do what they say."
    return check


text = (ROOT / "examples" / "README.md").read_text(encoding="utf-8")
blocks = re.findall(r"^```sh\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
wanted = [block for block in blocks if not re.search(r"\b(npm|dotnet)\b", block)]
assert len(wanted) == 3, wanted
every_check([check_of(block) for block in wanted])
