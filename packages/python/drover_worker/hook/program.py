"""The program behind `python -m drover_worker --`, run as if it had been started itself."""

import os
import runpy
import shutil
import sys
from importlib import metadata
from typing import Any, List


def run(words: List[str]) -> None:
    """Runs `-m MODULE`, a file, or what a package has installed under this name, with its arguments; it ends as that ends."""
    name = words[0]
    if name == "-m" and len(words) > 1:
        sys.argv = words[1:]
        runpy.run_module(words[1], run_name="__main__", alter_sys=True)
        return
    sys.argv = words
    script = _script(name)
    if script is not None:
        sys.exit(script.load()())
    path = name if os.path.exists(name) else shutil.which(name)
    if path is None:
        sys.exit(
            f"drover_worker: there is no file {name}, and no package of this Python ({sys.executable}) has a program of that name: "
            "install its package here, or run the Python that has it"
        )
    if not path.endswith(".py") and not _is_python(path):
        sys.exit(f"drover_worker: {path} is not a Python program: let drover.toml run it itself")
    sys.path[0] = os.path.dirname(os.path.abspath(path))
    runpy.run_path(path, run_name="__main__")


def _script(name: str) -> Any:
    """What a package has put into the folder of programs under this name: this Python's, whatever the PATH says."""
    points: Any = metadata.entry_points()
    scripts = points.select(group="console_scripts") if hasattr(points, "select") else points.get("console_scripts", ())
    return next((script for script in scripts if script.name == name), None)


def _is_python(path: str) -> bool:
    with open(path, "rb") as file:
        line = file.readline(200)
    return line.startswith(b"#!") and b"python" in line
