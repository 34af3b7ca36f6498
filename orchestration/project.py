"""The dbt project as Python reads it: its manifest, made anew when a file has changed."""

import contextlib
import fcntl
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from dagster_dbt import DbtProject

from orchestration.declarations import Declarations, load
from orchestration.settings import Settings

_FINGERPRINT: Final = "kigen_fingerprint"
_NOT_READ: Final = frozenset({"target", "logs", "__pycache__"})


class ProjectError(RuntimeError):
    """The dbt project cannot be parsed."""


@dataclass(frozen=True)
class Project:
    """A parsed dbt project, and what it declares."""

    settings: Settings
    manifest: Mapping[str, Any]
    declarations: Declarations
    fingerprint: str = ""
    """A digest over the files the manifest was made from."""

    @property
    def dbt_project(self) -> DbtProject:
        """The project as dagster-dbt knows it; the artifacts lie outside its folder."""
        return DbtProject(self.settings.project, target_path=self.settings.target)

    def relation(self, model: str) -> str:
        """Return the quoted name of a model's table or view. Raises ProjectError."""
        for node in self.manifest["nodes"].values():
            if node["resource_type"] == "model" and node["name"] == model:
                return str(node["relation_name"])
        raise ProjectError(f"The project has no model {model}; Kigen needs it. Is it disabled?")


@cache
def current() -> Project:
    """Return the project the environment names, read once in a process.

    Raises SettingsError, ProjectError or DeclarationError; nothing runs then.
    """
    return read(Settings.from_env())


def read(settings: Settings) -> Project:
    """Read a project: parse it where its manifest is missing or stale, and check it.

    Raises ProjectError where dbt cannot parse it, DeclarationError with every fault.
    """
    manifest_path = settings.target / "manifest.json"
    fingerprint_path = settings.target / _FINGERPRINT
    settings.target.mkdir(parents=True, exist_ok=True)
    with _one_at_a_time(settings.target / ".parse.lock"):
        fingerprint = _fingerprint(settings)
        is_fresh = (
            manifest_path.exists()
            and fingerprint_path.exists()
            and fingerprint_path.read_text() == fingerprint
        )
        if not is_fresh:
            fingerprint_path.unlink(missing_ok=True)
            _parse(settings)
            fingerprint_path.write_text(fingerprint)
        manifest = json.loads(manifest_path.read_bytes())
    return Project(settings, manifest, load(manifest), fingerprint)


def _parse(settings: Settings) -> None:
    environment = {
        **os.environ,
        **settings.environment(),
        "DBT_PROJECT_DIR": str(settings.project),
        "DBT_PROFILES_DIR": str(settings.project),
        "DBT_TARGET_PATH": str(settings.target),
        "DBT_LOG_PATH": str(settings.target),
    }
    child = subprocess.run(
        [sys.executable, "-m", "orchestration.dbt_child", "parse"],
        cwd=settings.project,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if child.returncode:
        told = "\n".join(dict.fromkeys(_messages(child.stdout)))
        raise ProjectError(
            f"dbt cannot parse the project {settings.project}:\n"
            + (told or f"the process ended with status {child.returncode}.")
        )


def _messages(output: str) -> Iterator[str]:
    for line in output.splitlines():
        with contextlib.suppress(ValueError, KeyError, TypeError):
            yield str(json.loads(line)["info"]["msg"])


def _fingerprint(settings: Settings) -> str:
    """Return a digest over what the manifest depends on: files, and the catalog's name."""
    digest = hashlib.sha256()
    told = {key: value for key, value in os.environ.items() if key.startswith("DBT_")}
    told["KIGEN_SEEDS"] = os.environ.get("KIGEN_SEEDS", "")
    told["catalog"] = settings.warehouse.stem
    digest.update(json.dumps(told, sort_keys=True).encode())
    seeds = os.environ.get("KIGEN_SEEDS", "../seeds/policy").lstrip("/")
    for root in (settings.project, settings.project / seeds):
        # A package that is installed from a folder is a link to it.
        for folder, folders, files in os.walk(root, followlinks=True):
            folders[:] = sorted(set(folders) - _NOT_READ)
            for name in sorted(files):
                path = Path(folder) / name
                status = path.stat()
                digest.update(f"{path}\t{status.st_mtime_ns}\t{status.st_size}\n".encode())
    return digest.hexdigest()


@contextlib.contextmanager
def _one_at_a_time(path: Path) -> Iterator[None]:
    """Hold a lock the system gives back when the process ends, however it ends."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
