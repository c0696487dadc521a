"""Tables: every value comes back to the bit, and every wrong cell is named."""

import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roadloom.errors import BadInput
from roadloom.io.table import Column, read_table, table_text, write_table

COLUMNS = {
    "time_ns": Column("integer"),
    "x": Column("number"),
    "speed": Column("number", blank=float("nan")),
    "count": Column("integer", optional=True, blank=-1),
    "name": Column("text", optional=True, blank=""),
}
VALUES = {
    "time_ns": [-(2**63), 2**63 - 1],
    "x": [0.1 + 0.2, -0.0],
    "speed": [float("nan"), 5e-324],
    "count": [None, 7],
    "name": ['a "b", c\nd\r\ne\rf', "\r"],
}


def read(path: Path, text: str) -> dict[str, np.ndarray]:
    path.write_text(text, encoding="utf-8", newline="")
    return read_table(path, COLUMNS)


def test_round_trip(tmp_path: Path) -> None:
    write_table(tmp_path / "t.csv", VALUES)
    found = read_table(tmp_path / "t.csv", COLUMNS)
    assert found["time_ns"].tolist() == VALUES["time_ns"]
    assert found["x"].tobytes() == np.array(VALUES["x"]).tobytes()
    assert np.array_equal(found["speed"], VALUES["speed"], equal_nan=True)
    assert found["count"].tolist() == [-1, 7]
    assert found["name"].tolist() == VALUES["name"]


finite = st.floats(allow_nan=False, allow_infinity=False)
# NumPy drops trailing NUL from text, and lone surrogates are no UTF-8.
text = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))


@settings(derandomize=True)
@given(st.lists(st.tuples(st.integers(-(2**63), 2**63 - 1), finite, text), max_size=5))
def test_any_values_come_back(tmp_path_factory: pytest.TempPathFactory, rows: list) -> None:
    path = tmp_path_factory.getbasetemp() / "any.csv"
    names = ("time_ns", "x", "name")
    columns = {name: [row[i] for row in rows] for i, name in enumerate(names)}
    write_table(path, columns | {"speed": columns["x"]})
    found = read_table(path, COLUMNS)
    assert found["time_ns"].tolist() == columns["time_ns"]
    assert found["x"].tobytes() == np.array(columns["x"], np.float64).tobytes()
    assert found["name"].tolist() == columns["name"]
    assert (found["count"] == -1).all() and len(found["count"]) == len(rows)


def test_what_spreadsheets_write_is_read(tmp_path: Path) -> None:
    found = read(tmp_path / "t.csv", "\ufefftime_ns,x,speed\r\n5,1e3,\r\n\r\n6,.5,2.\r\n")
    assert found["time_ns"].tolist() == [5, 6]
    assert found["x"].tolist() == [1000.0, 0.5]


HEAD = "time_ns,x,speed\n"
DAMAGE = {
    "cut off": (f"{HEAD}1,2,3", None),
    "nothing but an empty line": ("\n", None),
    "open quote": (f'{HEAD}1,2,"3\n', None),
    "column missing": ("time_ns,speed\n1,2\n", "x"),
    "column twice": ("time_ns,x,speed,x\n1,2,3,4\n", "x"),
    "column unknown": ("time_ns,x,speed,nmae\n1,2,3,a\n", "nmae"),
    "cell missing": (f"{HEAD}1,2\n", "speed"),
    "cell too many": (f"{HEAD}1,2,3,4\n", "speed"),
    "text": (f"{HEAD}1,two,3\n", "x"),
    "nan": (f"{HEAD}1,nan,3\n", "x"),
    "infinity": (f"{HEAD}1,inf,3\n", "x"),
    "too large": (f"{HEAD}1,1e999,3\n", "x"),
    "blank": (f"{HEAD}1,,3\n", "x"),
    "nan for unknown": (f"{HEAD}1,2,NaN\n", "speed"),
    "time as a float": (f"{HEAD}1.5e18,2,3\n", "time_ns"),
    "time past 64 bits": (f"{HEAD}9223372036854775808,2,3\n", "time_ns"),
    "underscore": (f"{HEAD}1,1_0,3\n", "x"),
    "space": (f"{HEAD}1, 2,3\n", "x"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_named(tmp_path: Path, name: str) -> None:
    damaged, field = DAMAGE[name]
    with pytest.raises(BadInput) as caught:
        read(tmp_path / "t.csv", damaged)
    assert caught.value.file == str(tmp_path / "t.csv")
    assert caught.value.field == field


def test_the_line_is_counted_as_an_editor_counts(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="line 4: 'a'"):
        read(tmp_path / "t.csv", 'time_ns,x,speed,name\n1,2,3,"b\nc"\n1,a,3,d\n')


def test_long_cells_are_no_crash(tmp_path: Path) -> None:
    with pytest.raises(BadInput):
        read(tmp_path / "t.csv", f"{HEAD}1,{'2' * (csv.field_size_limit() + 1)},3\n")


def test_columns_of_different_length_are_refused() -> None:
    with pytest.raises(ValueError, match="shorter"):
        table_text({"a": [1, 2], "b": [1]})


def test_infinity_is_not_written() -> None:
    with pytest.raises(ValueError, match="infinity"):
        table_text({"a": [1.0, float("-inf")]})


def test_columns_may_depend_on_the_names(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("time_ns,b,a\n1,2,3\n")
    asked = []

    def columns(names: list[str]) -> dict[str, Column]:
        asked.append(names)
        return {name: Column("integer") for name in sorted(names)}

    assert list(read_table(tmp_path / "t.csv", columns)) == ["a", "b", "time_ns"]
    assert asked == [["time_ns", "b", "a"]]


def test_a_single_blank_cell_is_a_row(tmp_path: Path) -> None:
    write_table(tmp_path / "t.csv", {"name": ["", "a"]})
    found = read_table(tmp_path / "t.csv", {"name": COLUMNS["name"]})
    assert found["name"].tolist() == ["", "a"]
