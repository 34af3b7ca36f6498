"""How much may go at once: the words of the policy, edge by edge."""

import pytest

from orchestration.limits import Limit, Limits


@pytest.mark.parametrize(
    ("count", "rows", "is_exceeded"),
    [
        (500, 1_000, False),  # more than half is not reached, nor more than 500 rows
        (501, 1_000, True),
        (501, 10_020, False),  # 5.0 %
        (502, 10_020, True),
        (600, 100_000, False),  # many, and a small share
        (10, 20, False),
        (20, 20, False),  # no more than 20 rows: too small to be judged by its share
        (11, 21, True),
        (10, 21, False),
        (12, 24, False),  # half is not more than half
        (13, 24, True),
        (0, 0, False),
        (3, 0, False),
    ],
)
def test_default_limit(count: int, rows: int, is_exceeded: bool) -> None:
    excess = Limit().excess(count, rows)
    assert (excess is not None) == is_exceeded
    if excess:
        assert excess.startswith(f"{count} of {rows} rows (")


def test_table_has_its_own_limit_or_that_of_every_table_or_the_default() -> None:
    strict, none = Limit(max_rows=0, max_share_percent=0), Limit(max_share_percent_of_small=100)
    limits = Limits({"shop.members": strict, "*": none})
    assert limits.of("shop.members") is strict
    assert limits.of("shop.orders") is none
    assert Limits({}).of("shop.orders") == Limit(5, 500, 50, 20)
    assert strict.excess(1, 1_000_000)
    assert none.excess(1_000, 1_000)
    assert none.excess(100, 100) is None
