"""Scripts that are kept with their results. See corpus.py."""

from __future__ import annotations

import pytest

from canalis.usql.faults import ScriptInvalid
from canalis.usql.running import run_script
from tests.usql.corpus import Case, cases

CASES = cases()


def put(tmp_path) -> dict[str, str]:
    return {"in": str(tmp_path), "out": str(tmp_path / "out"), "n": "3", "word": 'a "b" \\c'}


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_script_writes_what_it_must(case: Case, tmp_path):
    for name, text in case.inputs.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(text.encode())
    said: list[str] = []
    if case.faults is not None:
        with pytest.raises(ScriptInvalid) as told:
            run_script(case.script, put(tmp_path), said.append)
        found = [str(fault).replace(str(tmp_path), "") for fault in told.value.faults]
        assert found == case.faults
        assert said == [] and not (tmp_path / "out").exists()
        return
    run_script(case.script, put(tmp_path), said.append)
    out = tmp_path / "out"
    found = {str(file.relative_to(out)): file.read_bytes().decode() for file in out.rglob("*") if file.is_file()}
    assert {name: text.replace("\r\n", "\n") for name, text in found.items()} == case.outputs
    assert case.outputs and all(text.count("\r\n") == text.count("\n") for text in found.values())


def test_the_corpus_is_large_and_no_case_stands_in_it_twice():
    assert len(CASES) >= 60 and len({case.name for case in CASES}) == len(CASES)
