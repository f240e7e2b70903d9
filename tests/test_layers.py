"""Who may import whom, and that nothing is installed for nothing."""

import ast
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
from importlinter.cli import lint_imports

ROOT = Path(__file__).parents[1]


def _project() -> dict[str, Any]:
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    return project


def _names(requirements: list[str]) -> list[str]:
    return [re.split(r"[\s<>=!~;\[]", requirement)[0].lower().replace("_", "-") for requirement in requirements]


DEPENDENCIES = _names(_project()["dependencies"])
READ_BY_PYTHON = {"tzdata"}
"""Data that nobody imports: zoneinfo finds it by itself."""


def test_the_layers_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next engineer finds everything where it belongs: the contracts of pyproject.toml."""
    monkeypatch.chdir(ROOT)
    assert lint_imports(no_cache=True) == 0


def test_every_dependency_is_used() -> None:
    """Nothing is installed that nobody imports."""
    assert sorted(set(DEPENDENCIES) - _used() - READ_BY_PYTHON) == []


def test_every_import_is_declared() -> None:
    """Nothing works only because something else happens to be installed. The lab may use what tests use."""
    declared = set(DEPENDENCIES) | set(_names(_project()["optional-dependencies"]["dev"]))
    assert sorted(_used() - declared) == []


@pytest.mark.parametrize("dependency", DEPENDENCIES)
def test_the_readme_says_why(dependency: str) -> None:
    """Every dependency has its reason where everybody reads it."""
    assert re.search(rf"\b{re.escape(dependency)}\b", (ROOT / "README.md").read_text("utf-8").lower())


def test_the_program_needs_no_tools_of_developers() -> None:
    """An installation without the `dev` extra starts; it has no lab, and needs none."""
    without = "import sys; sys.modules['numpy'] = sys.modules['psutil'] = sys.modules['pytest'] = None"
    help_ = f"{without}; sys.argv = ['ivr', '--help']; from ivr.cli import main; main()"
    ran = subprocess.run([sys.executable, "-c", help_], capture_output=True, text=True, check=True)
    assert "serve" in ran.stdout and "lab" not in ran.stdout


def _used() -> set[str]:
    """The distributions that `ivr` imports, by their names in lower case."""
    modules = set()
    for path in (ROOT / "ivr").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                modules |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                modules.add(node.module.partition(".")[0])
    owners = packages_distributions()
    outside = modules - sys.stdlib_module_names - {"ivr"}
    return {owner.lower().replace("_", "-") for module in outside for owner in owners.get(module, [module])}
