"""Encryption at rest: the warehouse file under a key of its own (``KIGEN_WAREHOUSE_KEY``).

DuckDB encrypts every block of a file, its write-ahead log and, if told to, what it spills
(AES-256 in Galois/Counter Mode). It takes a key only where a file is attached, never where one
is opened; so an encrypted file is attached to an empty database in memory, which is then left.
To write, it needs OpenSSL, which its extension httpfs brings along; the extension comes as a
wheel (the extra ``kigen[encryption]``), for nothing is downloaded at run time.

Architecture invariant: the key is a bound parameter of ATTACH; it stands in no SQL text, no
profile, no variable of the environment and no log.
"""

import importlib.util
import secrets
import stat
import subprocess
from pathlib import Path
from typing import Final

import duckdb

from orchestration.durable import write_new

VARIABLE: Final = "KIGEN_WAREHOUSE_KEY"

_MAGIC: Final = slice(8, 12)
_FLAGS: Final = 20
"""Where in DuckDB's main header the magic bytes and the flags are: after them the version."""

_SHORTEST: Final = 32
"""Characters; 256 bits in hexadecimal digits are 64."""


class EncryptionError(ValueError):
    """The warehouse cannot be read or written under the key it was told of."""


def is_encrypted(path: Path) -> bool:
    """Return whether a file is an encrypted DuckDB file, by the flag in its header.

    A child process reads it: to close the file in this one would give back the lock that a
    connection of this process has on it.
    """
    header = subprocess.run(
        ["head", "-c", str(_FLAGS + 1), "--", path],  # noqa: S607
        stdout=subprocess.PIPE,
        check=True,
    ).stdout
    return len(header) > _FLAGS and header[_MAGIC] == b"DUCK" and bool(header[_FLAGS] & 1)


def make_warehouse_key(path: Path) -> None:
    """Write a new key of 256 random bits, for its owner alone, unless there is one already.

    Raises EncryptionError where the file there is no key.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_new(path, secrets.token_hex(32) + "\n")
    read_warehouse_key(path)


def read_warehouse_key(path: Path) -> str:
    """Return the key in a file: one line, of at least 32 characters. Raises EncryptionError."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        key = path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise EncryptionError(
            f"The warehouse key {path} ({VARIABLE}) cannot be read ({type(error).__name__}); put "
            "it back from your backup: without it the warehouse cannot be opened by anybody."
        ) from None
    if mode & 0o077:
        raise EncryptionError(
            f"The warehouse key {path} has mode {mode:04o}, so others than its owner may read it; "
            f"run `chmod 600 {path}`, and think of it as known to them."
        )
    if len(key) < _SHORTEST or len(key.splitlines()) != 1:
        raise EncryptionError(
            f"The warehouse key {path} is not one line of at least {_SHORTEST} characters; "
            "`kigen encrypt` makes one where there is none."
        )
    return key


def check_key(warehouse: Path, key: Path | None) -> None:
    """See that an existing file and the key it is to be opened with go together.

    Raises EncryptionError: a plain file is never taken for an encrypted one, nor the reverse.
    """
    if not warehouse.exists():
        return
    if is_encrypted(warehouse):
        if key is None:
            raise EncryptionError(
                f"The warehouse {warehouse} is encrypted, and {VARIABLE} names no key; set it to "
                "the file of the key."
            )
        read_warehouse_key(key)
    elif key is not None and warehouse.stat().st_size:
        raise EncryptionError(
            f"The warehouse {warehouse} is not encrypted, though {VARIABLE} is set; run `kigen "
            "encrypt`, or leave the variable out."
        )


def load_cipher(connection: duckdb.DuckDBPyConnection) -> None:
    """Load what DuckDB encrypts with. Raises EncryptionError where the wheel is not installed."""
    spec = importlib.util.find_spec("duckdb_extension_httpfs")
    folder = Path(spec.origin).parent if spec and spec.origin else Path()
    extension = folder / "extensions" / f"v{duckdb.__version__}" / "httpfs.duckdb_extension"
    if not extension.exists():
        raise EncryptionError(
            f"DuckDB {duckdb.__version__} encrypts with its extension httpfs, which is not "
            f"installed; run `pip install duckdb-extension-httpfs=={duckdb.__version__}`, or leave "
            f"{VARIABLE} out."
        )
    connection.load_extension(str(extension))


def enter(
    connection: duckdb.DuckDBPyConnection,
    warehouse: Path,
    key: Path,
    *,
    read_only: bool = False,
) -> None:
    """Make an empty connection in memory one of an encrypted warehouse.

    Its catalog gets the name it has when a plain file is opened. Whatever spills is encrypted,
    too, and goes where DuckDB puts it for a plain file. A new file gets a new key, if there is
    none. Raises EncryptionError, and DuckDB's own errors where the file is busy or not encrypted.
    """
    if not read_only and not warehouse.exists():
        make_warehouse_key(key)
    load_cipher(connection)
    spills = str(warehouse.with_name(f"{warehouse.name}.tmp")).replace("'", "''")
    connection.execute(f"set temp_directory = '{spills}'")
    connection.execute("set temp_file_encryption = true")
    name = catalog_of(warehouse)
    attach(connection, warehouse, name, key, "read_only" if read_only else "")
    connection.execute(f"use {name}")
    # Its name is that of the schema of Kigen's memory, and one would hide the other.
    connection.execute("detach memory")


def attach(
    connection: duckdb.DuckDBPyConnection, file: Path, name: str, key: Path, options: str = ""
) -> None:
    """Attach an encrypted file, or a new one, under a name, a quoted one where it must be.

    Raises EncryptionError where the key is another one.
    """
    path = str(file).replace("'", "''")
    more = f", {options}" if options else ""
    try:
        connection.execute(
            f"attach '{path}' as {name} (encryption_key ?{more})", [read_warehouse_key(key)]
        )
    except duckdb.InvalidInputException:
        raise EncryptionError(
            f"The warehouse key {key} does not open {file}; set {VARIABLE} to the key it was "
            "encrypted with."
        ) from None


def catalog_of(warehouse: Path) -> str:
    """Return the name DuckDB gives to the catalog of a file, as an identifier of SQL."""
    return '"' + warehouse.name.lstrip(".").split(".")[0].replace('"', '""') + '"'
