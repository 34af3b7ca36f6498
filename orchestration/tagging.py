"""Missing declarations written into the YAML of models: what `kigen tag` does.

The files are changed where they must be and nowhere else: comments, order and quotes stay
(ruamel.yaml). What is written is what the column inherits; whoever knows better edits it, to
`pii: none` with a reason, say.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq

from orchestration.column_lineage import common_category
from orchestration.durable import write_whole
from orchestration.lineage import Undeclared
from orchestration.project import Project, ProjectError


def declare(project: Project, columns: Iterable[Undeclared]) -> dict[Path, int]:
    """Declare columns in the YAML their models have. Returns the files and how many in each.

    A model that no YAML describes gets an entry in ``_<folder>__models.yml`` beside it, which is
    made where it is not there. Raises ProjectError, before anything is written, where a model is
    another package's: its YAML would be written over by the next `dbt deps`.
    """
    by_file: dict[Path, dict[str, list[Undeclared]]] = defaultdict(lambda: defaultdict(list))
    foreign = []
    own = project.manifest["metadata"]["project_name"]
    for column in columns:
        node = project.manifest["nodes"][column.model]
        package, _, described = str(node.get("patch_path") or "").partition("://")
        if not described and node["package_name"] == own:
            folder = Path(node["original_file_path"]).parent
            package, described = own, str(folder / f"_{folder.name}__models.yml")
        if package != own:
            foreign.append(node["name"])
        else:
            by_file[project.settings.project / described][node["name"]].append(column)
    if foreign:
        raise ProjectError(
            f"Models of another package: {', '.join(sorted(set(foreign)))}; describe them in a "
            "YAML file of this project, by name at least, and run again."
        )
    texts = {path: _declared(path, models) for path, models in by_file.items()}
    for path, text in texts.items():
        mode = path.stat().st_mode & 0o777 if path.exists() else 0o644
        write_whole(path, text)
        path.chmod(mode)
    return {path: sum(map(len, models.values())) for path, models in by_file.items()}


def _declared(path: Path, models: Mapping[str, list[Undeclared]]) -> str:
    """Return the text of a file with the columns of some models declared."""
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096
    yaml.indent(mapping=2, sequence=4, offset=2)
    document = (yaml.load(path.read_text("utf-8")) if path.exists() else None) or CommentedMap(
        version=2
    )
    entries = document.setdefault("models", CommentedSeq())
    described = {str(entry["name"]): entry for entry in entries}
    for name, columns in models.items():
        if name not in described:
            described[name] = CommentedMap(name=name)
            entries.append(described[name])
        for column in columns:
            _declare(described[name], column)
    text = StringIO()
    yaml.dump(document, text)
    return text.getvalue()


def _declare(model: CommentedMap, column: Undeclared) -> None:
    columns = model.setdefault("columns", CommentedSeq())
    entry = next((each for each in columns if each["name"].lower() == column.column.lower()), None)
    if entry is None:
        entry = _flow(CommentedMap(name=column.column))
        columns.append(entry)
    config = _child(entry, "config")
    _child(config, "meta")["pii"] = common_category(column.categories)
    tags = config.setdefault("tags", _flow(CommentedSeq()))
    if "pii" not in tags:
        tags.append("pii")


def _child(parent: CommentedMap, name: str) -> CommentedMap:
    child: CommentedMap = parent.setdefault(name, _flow(CommentedMap()))
    return child


def _flow(node: Any) -> Any:
    node.fa.set_flow_style()
    return node
