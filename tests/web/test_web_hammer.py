"""The soak run of the middleware in a reduced form."""

from __future__ import annotations

from soak.middleware import check


def test_no_request_is_harmed_while_middlewares_come_and_go():
    check(cycles=40)
