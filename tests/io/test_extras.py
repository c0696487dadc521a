"""Absent optional packages are named with the command that brings them."""

import sys

import pytest

from roadloom.errors import MissingExtra
from roadloom.io.extras import EXTRAS, need


@pytest.mark.parametrize("package", EXTRAS)
def test_an_absent_package_names_its_extra(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    monkeypatch.setitem(sys.modules, package, None)  # what an import of an absent one meets
    with pytest.raises(MissingExtra, match=f"pip install 'roadloom.{EXTRAS[package][0]}.'"):
        need(package)


def test_a_present_one_is_imported() -> None:
    pytest.importorskip("pyarrow")
    assert need("pyarrow.feather").__name__ == "pyarrow.feather"
