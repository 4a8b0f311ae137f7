"""requirements/*.txt: every package that is installed, pinned, with the hashes of its files. `make lock`

One file for each thing to install, resolved at once for Python 3.10 to 3.13 on x86-64 and aarch64. torch is in none of
them, nor are the CUDA libraries that its builds ask for: which build is right is the board's own matter (JetPack's, a
CUDA's, the CPU's), so pip takes it by the range in pyproject.toml.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "requirements"
PROJECT = "pyproject.toml"
FILES: dict[str, list[str]] = {
    # file: what it is resolved from
    "build": ["requirements/build.in"],
    "car": [PROJECT, "--extra=can", "--extra=web"],
    "car-numpy1": [PROJECT, "--extra=can", "--extra=web", "--constraint=requirements/numpy1.in"],
    "train": [PROJECT, "--extra=can", "--extra=web", "--extra=train"],
    "dev": [PROJECT, "--extra=dev"],
    "release": ["requirements/release.in"],
}
UNPINNED = re.compile(r"torch|triton|nvidia-.*|cuda-.*")
PYTHON = "3.10"
HEAD = "# Made by `make lock` from {sources}. Installed with --require-hashes.\n"


def lock(name: str, sources: list[str], *more: str) -> str:
    """The text of a file, written as well. What it pins already stays unless something asks for another version. Raises
    CalledProcessError when uv finds no way."""
    file = FOLDER / f"{name}.txt"
    command = ["uv", "pip", "compile", "--quiet", "--universal", f"--python-version={PYTHON}", "--generate-hashes"]
    command += ["--no-header", "--no-annotate", "--no-emit-index-url", "--no-emit-find-links"]
    subprocess.run([*command, *sources, *more, f"--output-file={file}"], cwd=ROOT, check=True)
    text = HEAD.format(sources=" ".join(sources)) + without_boards_own(file.read_text(encoding="utf-8"))
    file.write_text(text, encoding="utf-8")
    return text


def without_boards_own(text: str) -> str:
    """The pinned packages but for torch and what its builds bring."""
    pins = re.split(r"^(?=\S)", text, flags=re.MULTILINE)
    return "".join(
        pin for pin in pins if pin.strip() and not pin.startswith("#") and not UNPINNED.fullmatch(_name(pin))
    )


def _name(pin: str) -> str:
    return re.split(r"[=\s\[;]", pin, maxsplit=1)[0]


def main() -> None:
    for name, sources in FILES.items():
        text = lock(name, sources, *sys.argv[1:])
        pins = len(re.findall(r"^\S+==", text, re.MULTILINE))
        print(f"requirements/{name}.txt: {pins} packages")


if __name__ == "__main__":
    main()
