"""Copies of this tree that depend on two tiny packages only, and need no registry and no network."""

import hashlib
import os
import shutil
import subprocess
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[3]


def make_tree(tree: Path) -> Path:
    """Create a fresh clone. Its app needs `tiny`, its tests need `tester`; both are in its `wheels`."""
    shutil.copytree(ROOT / "bin", tree / "bin")
    for name in ("runtime.txt", ".python-version", ".env.example"):
        shutil.copy(ROOT / name, tree)
    (tree / "requirements.in").write_text("tiny\n")
    (tree / "requirements-test.in").write_text("-c requirements.txt\ntester\n")
    (tree / "requirements.txt").write_text(pin(add_release(tree, "tiny", "1.0")))
    (tree / "requirements-test.txt").write_text(pin(add_release(tree, "tester", "1.0")))
    (tree / "uv.toml").write_text(f'no-index = true\nfind-links = ["{tree}/wheels"]\n')
    return tree


def add_release(tree: Path, name: str, version: str) -> Path:
    """Write the smallest wheel that pip installs: a module with a command of the same name."""
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": f"def main():\n    print('{name} {version}')\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": f"[console_scripts]\n{name} = {name}:main\n",
        f"{info}/RECORD": "",
    }
    wheel = tree / "wheels" / f"{name}-{version}-py3-none-any.whl"
    wheel.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, content in files.items():
            archive.writestr(path, content)
    return wheel


def pin(wheel: Path) -> str:
    """The line of a lock that allows only this file."""
    name, version, *_ = wheel.name.split("-")
    return f"{name}=={version} --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n"


def run(tree: Path, command: str, *, cwd: Path | None = None, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command of the tree in a minimal environment, by default in the root of the tree."""
    script, *arguments = command.split()
    # Python's own shared library may be on LD_LIBRARY_PATH.
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LD_LIBRARY_PATH") if name in os.environ}
    registry = {
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_FIND_LINKS": str(tree / "wheels"),
        "PIP_NO_INDEX": "1",
        "UV_CONFIG_FILE": str(tree / "uv.toml"),
    }
    return subprocess.run(
        [tree / script, *arguments],
        cwd=cwd or tree,
        env=inherited | registry | variables,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def add_command(folder: Path, name: str, script: str) -> None:
    """Add a shell script to a folder of the PATH."""
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)
