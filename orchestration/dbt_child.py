"""dbt in a process of its own: ``python -m orchestration.dbt_child build --select …``.

Takes dbt's arguments and gives dbt's exit status (0 success, 1 a node failed, 2 an error).
Says on standard output, one JSON object a line, what dagster-dbt reads of dbt's events.

Architecture invariant: what this process writes holds no personal value. dbt's own logs are
off; of an error only `redacted` text goes out; run_results.json is written here, after its
messages were redacted, and is never on the disk before. The exit of the process closes the
warehouse, so nobody holds the file when it is swapped (DESIGN, section 8).
"""

import json
import os
import sys
from pathlib import Path
from typing import Any, Final

from dbt.cli.main import dbtRunner
from google.protobuf.json_format import MessageToDict

from orchestration.orphans import end_with_parent
from orchestration.redaction import redacted

_TOLD: Final = frozenset(
    {
        "JinjaLogInfo",
        "LogModelResult",
        "LogSeedResult",
        "LogSnapshotResult",
        "LogTestResult",
    }
)
"""Events that go out as they are: they hold names, counts and times, or a macro's own words."""


def main(arguments: list[str]) -> int:
    """Run dbt once and return its exit status."""
    run_results = Path(os.environ.get("DBT_TARGET_PATH", "target")) / "run_results.json"
    # A run that ends before its results are written must not pass for the one before it.
    run_results.unlink(missing_ok=True)
    quiet = ["--log-level", "none", "--log-level-file", "none"]
    # `parse` must write the manifest, and reads no rows; the others write what we redact.
    artifacts = [] if arguments[:1] == ["parse"] else ["--no-write-json"]
    result = dbtRunner(callbacks=[_tell]).invoke([*quiet, *artifacts, *arguments])
    if result.exception is not None:
        _say("error", "DbtError", redacted(str(result.exception)))
        return 2
    results: Any = result.result
    if hasattr(results, "results") and artifacts:
        for node in results.results:
            if node.message and str(node.status) not in ("success", "pass"):
                node.message = redacted(node.message)
        results.write(str(run_results))
    return 0 if result.success else 1


def _tell(event: Any) -> None:
    name = event.info.name
    if name in _TOLD:
        data = MessageToDict(event.data, preserving_proto_field_name=True)
        told = {key: data[key] for key in ("node_info", "status", "num_failures") if key in data}
        _say(event.info.level, name, event.info.msg, told, event.info.invocation_id)
    elif event.info.level == "error" and name != "RunResultFailure":
        _say("error", name, redacted(event.info.msg))


def _say(
    level: str,
    name: str,
    text: str,
    data: dict[str, Any] | None = None,
    invocation_id: str = "",
) -> None:
    info = {"level": level, "name": name, "msg": text, "invocation_id": invocation_id}
    try:
        sys.stdout.write(json.dumps({"info": info, "data": data or {}}) + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        # Nobody listens any more. dbt would swallow this in a thread, and wait for ever.
        os._exit(1)


if __name__ == "__main__":
    end_with_parent()
    sys.exit(main(sys.argv[1:]))
