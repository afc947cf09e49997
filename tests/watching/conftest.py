"""What the tests of watched files share."""

from __future__ import annotations

import logging

import pytest
from watching_support import Folder

import livepatch as lp
from livepatch.watching.watches import stop_all


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "playground"
    path.mkdir()
    folder = Folder(path)
    logger = logging.getLogger("livepatch")
    level = logger.level
    logger.addHandler(folder)
    logger.setLevel(logging.INFO)
    folder.watch = lp.watch(path)
    yield folder
    stop_all()
    logger.removeHandler(folder)
    logger.setLevel(level)
