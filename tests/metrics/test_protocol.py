"""Ids change with everything that changes a number, and scores come back from disk."""

from dataclasses import fields, replace

import pytest

from roadloom.errors import BadInput
from roadloom.metrics.protocol import (
    Protocol,
    Score,
    hash_file,
    hash_samples,
    read_scores,
    table,
    write_scores,
)

PROTOCOL = Protocol(
    system="hexgen", samples_sha256="ab" * 32, count=1000, real_count=900,
    features=(("scene", "12" * 32),), grid="carla_sc", view="dynamiccity12", frames=16, hz=10.0,
    settings=(("k", "3"),),
)  # fmt: skip
OTHER = {
    "system": "drive", "samples_sha256": "cd" * 32, "count": 999, "real_count": 901,
    "features": (), "seed": 1, "grid": "occ3d", "view": "occ3d18", "frames": 8, "hz": 2.0,
    "draws": 100, "settings": (), "version": 2,
}  # fmt: skip


def score(**changes: object) -> Score:
    facts = {
        "name": "frechet, scene", "value": 12.34567, "low": 11.0, "high": 13.5, "floor": 2.25,
        "protocol": PROTOCOL.protocol_id,
    }  # fmt: skip
    return Score(**(facts | changes))


def test_every_field_changes_the_id() -> None:
    assert set(OTHER) == {field.name for field in fields(Protocol)}
    ids = {replace(PROTOCOL, **{name: value}).protocol_id for name, value in OTHER.items()}
    assert len(ids | {PROTOCOL.protocol_id}) == len(OTHER) + 1


def test_the_id_is_stable() -> None:
    """Written down when the first protocol was made: scores in files must stay comparable."""
    assert PROTOCOL.protocol_id == "hexgen-1-27deb4"


def test_a_score_is_printed_with_interval_floor_and_id() -> None:
    expected = f"frechet, scene 12.35 [11, 13.5], real 2.25 ({PROTOCOL.protocol_id})"
    assert str(score()) == expected
    assert str(score(low=None, high=None, floor=None)).startswith("frechet, scene 12.35 (hexgen")
    lines = table([score()]).splitlines()
    assert lines[2].count("|") == lines[0].count("|") == 6
    assert PROTOCOL.protocol_id in lines[2]


def test_round_trip(tmp_path) -> None:
    path = tmp_path / "scores.json"
    scores = [score(), score(name="blinking", low=None, high=None, floor=None)]
    write_scores(path, scores, PROTOCOL)
    assert read_scores(path) == (scores, PROTOCOL)


def test_what_is_not_of_the_protocol_is_refused(tmp_path) -> None:
    path = tmp_path / "scores.json"
    with pytest.raises(ValueError, match="hexgen-1-000000"):
        write_scores(path, [score(protocol="hexgen-1-000000")], PROTOCOL)
    with pytest.raises(ValueError, match="JSON compliant"):
        write_scores(path, [score(value=float("nan"))], PROTOCOL)
    assert not path.exists()
    write_scores(path, [score()], PROTOCOL)
    path.write_text(path.read_text().replace('"count": 1000', '"count": 1001'))
    with pytest.raises(BadInput, match="the file says"):
        read_scores(path)
    path.write_text("{}")
    with pytest.raises(BadInput, match="no list of scores"):
        read_scores(path)
    with pytest.raises(ValueError, match="one word"):
        replace(PROTOCOL, system="two words")


def test_hashes(tmp_path) -> None:
    assert hash_samples([("a", 1), ("b", 2)]) != hash_samples([("b", 2), ("a", 1)])
    assert hash_samples([("a", 11)]) != hash_samples([("a1", 1)])
    (tmp_path / "w").write_bytes(b"abc")
    # SHA-256 of "abc", from FIPS 180-2.
    assert hash_file(tmp_path / "w").startswith("ba7816bf8f01cfea")
