"""A first run with a backlog stops once, says so and says the command; a restored backup is purged again."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

from tests.house import House, Rows
from tests.kigen import call

AS_OF = "2026-11-02T03:00:00Z"


def shop() -> dict[str, Rows]:
    """Thirty members, two thirds of whom left long ago."""
    members: Rows = []
    for number in range(1, 31):
        member: dict[str, Any] = {
            "member_id": number, "email": f"person{number}@example.com", "status": "active",
            "registered_at": "2026-01-01 00:00:00", "newsletter_flag": 1,
        }  # fmt: skip
        if number > 10:
            member |= {"status": "withdrawn", "withdrawn_at": "2024-01-01 00:00:00"}
        members.append(member)
    return {"shop.members": members}


def test_backlog_stops_once_and_goes_by_an_approval(tmp_path: Path) -> None:
    house = House(tmp_path / "data")
    house.load(shop())
    places = {"KIGEN_WAREHOUSE": str(house.warehouse), "KIGEN_AS_OF": AS_OF}

    refused = call("run", home=house.home, **places)
    assert refused.returncode == 1
    said = re.search(
        r"^Refused: The plan takes 20 of 30 rows \(66\.7 %\), more than 50 % at once, of shop\.members .*"
        r"`kigen approve ([0-9a-f]{64}) --reason \.\.\.`, and run again\.$",
        refused.stdout,
        re.MULTILINE,
    )
    assert said, refused.stdout + refused.stderr
    digest = said.group(1)
    assert house.rows("select count(*) from shop.members") == [(30,)]
    assert house.rows("select count(*) from purge.guard_verdicts") == [(0,)]

    for arguments, why in (
        (["0" * 64, "--reason", "backlog"], f"is not the plan that stands; that is {digest}"),
        ([digest, "--reason", "asked by taro@example.com"], "what looks like an address"),
    ):
        wrong = call("approve", *arguments, home=house.home, **places)
        assert wrong.returncode == 1
        assert why in wrong.stdout + wrong.stderr
        assert "taro@example.com" not in wrong.stdout + wrong.stderr
    assert house.rows("from purge.approvals") == []

    backup = tmp_path / "backup.duckdb"
    shutil.copy(house.warehouse, backup)
    approved = call(
        "approve", digest[:12], "--reason", "backlog, ticket 7", "--by", "dpo", home=house.home, **places
    )  # fmt: skip
    assert approved.returncode == 0, approved.stdout + approved.stderr
    purged = call("run", home=house.home, **places)
    assert purged.returncode == 0, purged.stdout + purged.stderr
    assert house.rows("select count(*), max(member_id) from shop.members") == [(10, 10)]
    page = next((house.home / "certificates").glob("*-run1-*.json")).read_text()
    assert '"approver": "dpo"' in page

    # The backup knows of no purge and of no approval; the journal knows of the purge.
    shutil.copy(backup, house.warehouse)
    stopped = call("run", home=house.home, **places)
    assert stopped.returncode == 1
    assert "lacks purge 1: it was restored." in stopped.stdout
    again = re.search(r"`kigen approve ([0-9a-f]{64}) ", stopped.stdout)
    assert again, stopped.stdout
    assert house.rows("select count(*) from audiences.audience_deletion_notice") == [(0,)]
    call("approve", again.group(1), "--reason", "restored backup", home=house.home, **places)
    healed = call("run", home=house.home, **places)
    assert healed.returncode == 0, healed.stdout + healed.stderr
    assert house.rows("select count(*), max(member_id) from shop.members") == [(10, 10)]

    verified = call("verify", "--record", "shop.members:11", home=house.home, **places)
    assert verified.returncode == 0
    assert re.findall(
        r"^Purge (\d): delete under member_withdrawn", verified.stdout, re.MULTILINE
    ) == ["1", "2"]
    house.execute("delete from purge.purge_ledger where run_no = 2")
    tampered = call("verify", home=house.home, **places)
    assert tampered.returncode == 1
    assert "Broken: The ledger lacks run 2, which the journal has." in tampered.stdout
