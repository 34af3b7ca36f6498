"""``python -m orchestration`` is ``kigen``."""

from orchestration.cli import main

main()
