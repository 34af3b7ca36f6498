"""Serves the pages Kigen writes beside Dagster's: ``python -m orchestration.pages_server``.

A browser opens no file from a page of a server, so what Dagster links to is served, too: lineage,
certificates and documents, from their folders under KIGEN_HOME, for reading only. No personal
data stands in them.
"""

import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, Final
from urllib.parse import unquote, urlsplit

from orchestration.orphans import end_with_parent
from orchestration.settings import Settings

_FOLDERS: Final = ("documents", "certificates")

_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
        "img-src data:; frame-ancestors 'self'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


class PagesHandler(SimpleHTTPRequestHandler):
    """Answers for files in the folders of pages, and for nothing else under KIGEN_HOME."""

    def send_head(self) -> BytesIO | BinaryIO | None:
        """Refuse what is not a page, and what is linked from elsewhere."""
        asked = unquote(urlsplit(self.path).path).strip("/")
        home = Path(self.directory).resolve()
        path = (home / asked).resolve()
        if asked.partition("/")[0] not in _FOLDERS or not path.is_relative_to(home):
            self.send_error(404)
            return None
        if any(part.startswith(".") for part in Path(asked).parts):
            self.send_error(404)
            return None
        return super().send_head()

    def end_headers(self) -> None:
        """Add what keeps a page from loading anything from elsewhere."""
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, *args: object) -> None:
        """Say nothing: Dagster's pages have the terminal."""


def server(settings: Settings, host: str, port: int) -> ThreadingHTTPServer:
    """Return a server of the pages under this home. Raises OSError where the port is taken."""
    handler = partial(PagesHandler, directory=str(settings.home))
    return ThreadingHTTPServer((host, port), handler)


def main(arguments: list[str]) -> int:
    """Serve until the parent process ends; `arguments` are host and port."""
    host, port = arguments
    end_with_parent()
    try:
        served = server(Settings.from_env(), host, int(port))
    except OSError as error:
        sys.stderr.write(
            f"Lineage and certificates are not served at {host}:{port}: {error.strerror}. Name "
            "another port by --pages-port.\n"
        )
        return 1
    with served:
        served.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
