"""`bin/setup` in a fresh clone, for the second time, in a moved tree, and after faielsewheres."""

import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.system.bin.tiny_tree import add_command, make_tree, run


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tree that is set up. Tests may break what bin/setup repairs."""
    tree = make_tree(tmp_path_factory.mktemp("made") / "tree")
    result = run(tree, "bin/setup")
    assert result.returncode == 0, result.stderr
    return tree


@pytest.fixture
def bare_path(tmp_path: Path) -> Path:
    """A PATH with the system's tools and without Python."""
    folder = tmp_path / "path"
    folder.mkdir()
    for tool in ("bash", "cat", "cmp", "dirname", "env", "mv", "rm", "sed", "tail"):
        (folder / tool).symlink_to(shutil.which(tool) or "/nowhere")
    return folder


def output_of(tree: Path, command: str) -> str:
    """What an installed command prints."""
    return subprocess.check_output([tree / ".venv/bin" / command], text=True).strip()


def snapshot(tree: Path) -> dict[Path, tuple[int, int]]:
    files = (path for path in tree.rglob("*") if "__pycache__" not in path.parts)
    return {path: (path.lstat().st_mtime_ns, path.lstat().st_mode) for path in files}


def test_a_fresh_clone_gets_the_locked_packages_without_the_test_tools(made: Path) -> None:
    assert output_of(made, "tiny") == "tiny 1.0"
    assert not (made / ".venv/bin/tester").exists()


def test_a_second_run_prints_nothing_and_changes_nothing(made: Path) -> None:
    before = snapshot(made)
    result = run(made, "bin/setup")
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert snapshot(made) == before


def test_it_works_from_any_folder(made: Path, tmp_path: Path) -> None:
    result = run(made, "bin/setup", cwd=tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    assert not list(tmp_path.iterdir())


def test_the_env_file_is_the_example_with_a_new_secret(made: Path) -> None:
    """The secret signs tokens, so only the owner may read the file."""
    example = (made / ".env.example").read_text()
    env = (made / ".env").read_text()
    before, after = example.split("SECRET_KEY=change-me", 1)
    assert env.startswith(before)
    assert env.endswith(after)
    secret = env[len(before) : len(env) - len(after)].removeprefix("SECRET_KEY=")
    assert len(secret) >= 32
    assert "change-me" not in secret
    assert stat.S_IMODE((made / ".env").stat().st_mode) == 0o600


def test_an_existing_env_file_is_left_alone(made: Path) -> None:
    env = made / ".env"
    original = env.read_text()
    env.write_text("PORT=8000\n")
    run(made, "bin/setup")
    assert env.read_text() == "PORT=8000\n"
    env.write_text(original)


def test_test_tools_are_installed_on_request_and_kept(tree: Path) -> None:
    for command in ("bin/setup", "bin/setup --test", "bin/setup"):
        assert run(tree, command).returncode == 0
    assert output_of(tree, "tiny") == "tiny 1.0"
    assert output_of(tree, "tester") == "tester 1.0"


def test_a_moved_tree_is_repaired(made: Path, tmp_path: Path) -> None:
    """The first line of each command contains the path of its environment."""
    moved = shutil.copytree(made, tmp_path / "moved", symlinks=True)
    assert run(moved, "bin/setup").returncode == 0
    assert str(moved) in (moved / ".venv/bin/tiny").read_text()


def test_a_missing_python_is_replaced(made: Path) -> None:
    python = made / ".venv/bin/python"
    python.unlink()
    python.symlink_to("/nowhere/python")
    assert run(made, "bin/setup").returncode == 0
    assert output_of(made, "tiny") == "tiny 1.0"


def test_a_dropped_requirement_leaves_the_environment(tree: Path) -> None:
    run(tree, "bin/setup --test")
    (tree / "requirements.txt").write_text("# Nothing is needed.\n")
    assert run(tree, "bin/setup").returncode == 0
    assert not (tree / ".venv/bin/tiny").exists()


def test_a_forged_package_is_refused_and_the_next_run_starts_over(tree: Path) -> None:
    """A failed run leaves an incomplete environment, which the next run must not use."""
    wheel = tree / "wheels/tiny-1.0-py3-none-any.whl"
    genuine = wheel.read_bytes()
    wheel.write_bytes(genuine + b"forged")
    refused = run(tree, "bin/setup")
    assert refused.returncode != 0
    assert "HASHES" in refused.stderr
    wheel.write_bytes(genuine)
    assert run(tree, "bin/setup").returncode == 0
    assert output_of(tree, "tiny") == "tiny 1.0"


def test_variables_that_configure_python_are_ignored(tree: Path) -> None:
    """A package on the PYTHONPATH is not installed."""
    shutil.unpack_archive(tree / "wheels/tiny-1.0-py3-none-any.whl", tree / "other", "zip")
    elsewhere = str(tree / "other")
    result = run(tree, "bin/setup", PYTHONPATH=elsewhere, PYTHONHOME=elsewhere, VIRTUAL_ENV=elsewhere)
    assert result.returncode == 0, result.stderr
    assert output_of(tree, "tiny") == "tiny 1.0"


def test_another_python_is_used_and_named_when_the_wanted_one_is_missing(tree: Path, bare_path: Path) -> None:
    """The search skips a shim of a missing Python and a Python without venv."""
    (tree / ".python-version").write_text("3.99\n")
    add_command(bare_path, "python3.99", "exit 127")
    add_command(bare_path, "python3.14", "echo no module named ensurepip >&2; exit 1")
    add_command(bare_path, "python3", f'exec "{sys.executable}" "$@"')
    result = run(tree, "bin/setup", PATH=str(bare_path))
    used = "{}.{}".format(*sys.version_info)
    assert f"Python 3.99 of .python-version is not installed, using {used}\n" in result.stderr
    assert output_of(tree, "tiny") == "tiny 1.0"


def test_without_a_usable_python_it_says_what_to_install(tree: Path, bare_path: Path) -> None:
    add_command(bare_path, "python3", "exit 1")
    result = run(tree, "bin/setup", PATH=str(bare_path))
    assert result.returncode == 1
    assert len(result.stderr.splitlines()) == 1
    assert "python3-venv" in result.stderr
    assert not (tree / ".venv").exists()
