"""YAML with the file and line of every key: `extends`, duplicates, and everything that is not YAML."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fpgaae.config.yaml_source import Position, read_yaml
from fpgaae.errors import ConfigError


def _write(folder: Path, text: str, name: str = "a.yaml") -> Path:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


def test_every_key_and_item_knows_its_line(tmp_path: Path) -> None:
    file = _write(
        tmp_path,
        "# a comment\n"
        "seed: 1\n"
        "data:\n"
        "  files: {background: b.h5,\n"
        "          signal: s.h5}\n"
        "  objects:\n"
        "    - {name: met}\n"
        "    - name: jet\n"
        "      slots: 10\n",
    )
    source = read_yaml(file)
    assert source.content == {
        "seed": 1,
        "data": {
            "files": {"background": "b.h5", "signal": "s.h5"},
            "objects": [{"name": "met"}, {"name": "jet", "slots": 10}],
        },
    }
    lines = {
        ("seed",): 2, ("data",): 3, ("data", "files"): 4, ("data", "files", "signal"): 5, ("data", "objects"): 6,
        ("data", "objects", 0): 7, ("data", "objects", 1): 8, ("data", "objects", 1, "slots"): 9,
    }  # fmt: skip
    for path, line in lines.items():
        assert source.positions[path] == Position(file, line)
        assert str(source.position(path)) == f"{file}, line {line}"


def test_a_missing_key_is_placed_at_the_section_that_lacks_it(tmp_path: Path) -> None:
    source = read_yaml(_write(tmp_path, "seed: 1\ndata:\n  files: {}\n"))
    assert source.position(("data", "hardware", "objects")).line == 2
    assert source.position(("model",)).line == 1


def test_extends_overrides_key_by_key_and_remembers_both_files(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    base = _write(tmp_path, "seed: 1\nfit:\n  epochs: 5\n  rate: 0.1\nlayers: [1, 2]\n", "base.yaml")
    file = _write(tmp_path / "deep", "extends: ../base.yaml\nfit: {epochs: 7}\nlayers: [3]\nnew: {a: 1}\n")
    source = read_yaml(file)
    assert source.content == {"seed": 1, "fit": {"epochs": 7, "rate": 0.1}, "layers": [3], "new": {"a": 1}}
    assert source.position(("fit", "epochs")) == Position(file, 2)
    inherited = source.position(("fit", "rate"))
    assert (inherited.file.resolve(), inherited.line) == (base.resolve(), 4)


def test_null_takes_an_inherited_mapping_away(tmp_path: Path) -> None:
    _write(tmp_path, "layers: {mu: {bits: 9}, a: {bits: 3}}\nfit: {epochs: 2}\nb: 1\nfiles: {x: {y: 1}}\n", "base.yaml")
    text = "extends: base.yaml\nlayers: {mu: null}\nfit: null\nb: null\nfiles: null\n"
    content = read_yaml(_write(tmp_path, text, "mine.yaml")).content
    assert content == {"layers": {"a": {"bits": 3}}, "b": None}


def test_extends_goes_through_several_files(tmp_path: Path) -> None:
    _write(tmp_path, "a: 1\nb: 1\nc: 1\n", "first.yaml")
    _write(tmp_path, "extends: first.yaml\nb: 2\nc: 2\n", "second.yaml")
    file = _write(tmp_path, "extends: second.yaml\nc: 3\n", "third.yaml")
    source = read_yaml(file)
    assert source.content == {"a": 1, "b": 2, "c": 3}
    assert [source.position((key,)).file.name for key in "abc"] == ["first.yaml", "second.yaml", "third.yaml"]


def test_extends_may_name_several_files_of_which_the_later_count(tmp_path: Path) -> None:
    _write(tmp_path, "a: 1\nb: {x: 1, y: 1}\nfiles: {p: 1}\n", "first.yaml")
    _write(tmp_path, "b: {y: 2, z: 2}\nfiles: {q: 2}\n", "second.yaml")
    source = read_yaml(
        _write(tmp_path, "extends: [first.yaml, second.yaml]\nc: 3\n", "third.yaml"), frozenset({"files"})
    )
    assert source.content == {"a": 1, "b": {"x": 1, "y": 2, "z": 2}, "files": {"q": 2}, "c": 3}
    found = [source.position(path).file.name for path in (("a",), ("b", "x"), ("b", "y"), ("files", "q"), ("c",))]
    assert found == ["first.yaml", "first.yaml", "second.yaml", "second.yaml", "third.yaml"]


def test_a_preset_is_a_file_of_the_package(tmp_path: Path) -> None:
    source = read_yaml(_write(tmp_path, "extends: preset:cmsl1t_parquet\n"))
    assert source.content["data"]["hardware"]["phi_steps"] == 144  # from the preset that it extends itself
    assert source.content["data"]["split"] == {"column": "split"}
    assert source.position(("data", "split", "column")).file.name == "cmsl1t_parquet.yaml"


def test_an_empty_file_is_an_empty_config(tmp_path: Path) -> None:
    assert read_yaml(_write(tmp_path, "# nothing\n")).content == {}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("a: 1\nb: 2\na: 3\n", "line 3: the key `a` stands twice", id="duplicate"),
        pytest.param("s:\n  x: 1\n  x: 2\n", "line 3: the key `x` stands twice", id="duplicate-in-section"),
        pytest.param("a: [1, 2\nb: 3\n", "line 2 is not valid YAML", id="unclosed-list"),
        pytest.param("a: 1\n\tb: 2\n", "line 2 is not valid YAML", id="tab"),
        pytest.param("a: 1\n b: 2\n", "line 2 is not valid YAML", id="indentation"),
        pytest.param("- 1\n- 2\n", "must hold `key: value` lines", id="list"),
        pytest.param("just words\n", "must hold `key: value` lines", id="scalar"),
        pytest.param("a: 1\n---\nb: 2\n", "line 2 is not valid YAML", id="two-documents"),
        pytest.param("a: *nothing\n", "line 1 is not valid YAML", id="unknown-alias"),
        pytest.param("a: 1\nb: !!python/object:os.system x\n", "line 2 is not valid YAML", id="python-object"),
        pytest.param("a: 1\nb: 2024-13-45\n", "line 2 is not valid YAML", id="impossible-date"),
        pytest.param("a: 1\nb: !!int x\n", "line 2 is not valid YAML", id="impossible-int"),
        pytest.param("a: &loop\n  b: *loop\n", "is not valid YAML: an alias holds itself", id="recursive-alias"),
        pytest.param("a: &loop [1, *loop]\n", "is not valid YAML: an alias holds itself", id="recursive-list"),
        pytest.param("a: \x01\n", "is not valid YAML", id="control-character"),
        pytest.param("extends: []\n", "line 1: `extends` must name one YAML file", id="extends-nothing"),
        pytest.param("extends: [a.yaml, 7]\n", "line 1: `extends` must name one YAML file", id="extends-list"),
        pytest.param("extends: [a.yaml]\n", "a.yaml extends itself", id="extends-itself-in-a-list"),
        pytest.param(
            "extends: preset:cms\n", "line 1: there is no preset `cms`; there are adc2021, cms_l1", id="preset"
        ),
        pytest.param("seed: 1\nextends: 7\n", "line 2: `extends` must name one YAML file", id="extends-number"),
        pytest.param(
            "a: 1\nb: !!bool abc\n", "line 2 is not valid YAML: `abc` is no value of the kind bool", id="bool"
        ),
        pytest.param('a: 1\nb: !!int ""\n', "line 2 is not valid YAML: `` is no value of the kind int", id="empty-int"),
        pytest.param('b: !!float "_"\n', "line 1 is not valid YAML: `_` is no value of the kind float", id="no-digits"),
        pytest.param("b: !!timestamp x\n", "line 1 is not valid YAML: `x` is no value of the kind time", id="no-time"),
        pytest.param('extends: "a\\0b"\n', r"line 1: 'a\x00b' holds a character that is no text", id="nul"),
        pytest.param('a: "\\ud800"\n', r"line 1: '\ud800' holds a character that is no text", id="surrogate"),
        pytest.param('a: 1\n"\\0": 1\n', r"line 2: '\x00' holds a character that is no text", id="nul-in-a-key"),
        pytest.param("a: 1\n? [b, c]\n: 1\n", "line 2: a list or a mapping can't be a key", id="list-as-key"),
        pytest.param(f"a: 0x{'f' * 200}\n", "line 1: `0xffffffffffffffffff...` is too long", id="endless-number"),
        pytest.param(f"a: 1{':59' * 40}\n", "too long for a value of the kind int", id="endless-sexagesimal"),
        pytest.param(
            f"a: {'[' * 60}{']' * 60}\n", "an alias holds itself, or there are more than 40 levels", id="deep"
        ),
        pytest.param("extends: none.yaml\n", "none.yaml can't be read", id="extends-missing"),
        pytest.param("extends: a.yaml\n", "a.yaml extends itself", id="extends-itself"),
    ],
)
def test_a_wrong_file_is_one_sentence(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_yaml(_write(tmp_path, text))
    assert words in str(caught.value)
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_circle_of_files_is_named(tmp_path: Path) -> None:
    _write(tmp_path, "extends: b.yaml\n", "a.yaml")
    _write(tmp_path, "extends: c.yaml\n", "b.yaml")
    _write(tmp_path, "extends: b.yaml\n", "c.yaml")
    with pytest.raises(ConfigError, match=r"b\.yaml extends itself; remove its `extends` key"):
        read_yaml(tmp_path / "a.yaml")


def test_a_mistake_in_the_base_file_is_placed_there(tmp_path: Path) -> None:
    _write(tmp_path, "a: 1\na: 2\n", "base.yaml")
    with pytest.raises(ConfigError, match=r"base\.yaml, line 2: the key `a` stands twice"):
        read_yaml(_write(tmp_path, "extends: base.yaml\n"))


def test_files_that_are_not_text(tmp_path: Path) -> None:
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"\xff\xfe\x00\x80")
    for file, words in (
        (binary, "is not text"),
        (tmp_path, "can't be read"),
        (tmp_path / "none.yaml", "can't be read"),
    ):
        with pytest.raises(ConfigError, match=words) as caught:
            read_yaml(file)
        assert str(file) in str(caught.value)


def test_a_whole_mapping_is_replaced_and_others_are_merged(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("data:\n  files: {a: 1, b: 2}\n  split: {c: 3, d: 4}\n")
    (tmp_path / "mine.yaml").write_text("extends: base.yaml\ndata:\n  files: {e: 5}\n  split: {d: 6}\n")
    content = read_yaml(tmp_path / "mine.yaml", whole=frozenset({"files"})).content
    assert content == {"data": {"files": {"e": 5}, "split": {"c": 3, "d": 6}}}


def test_aliases_count_as_what_they_stand_for(tmp_path: Path) -> None:
    """Seven lines that would be five million values."""
    lines = ["a: &a [lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    lines += [f"{key}: &{key} [{', '.join([f'*{below}'] * 9)}]" for below, key in zip("abcdef", "bcdefg", strict=True)]
    with pytest.raises(ConfigError, match="the config has more than 20,000 values, aliases written out"):
        read_yaml(_write(tmp_path, "\n".join(lines)))
    _write(tmp_path, f"b: [{', '.join(['1'] * 12_000)}]", "base.yaml")
    with pytest.raises(ConfigError, match="more than 20,000 values"):  # of all files together
        read_yaml(_write(tmp_path, f"extends: base.yaml\na: [{', '.join(['1'] * 12_000)}]"))


def test_files_that_extend_each_other_many_times_are_counted(tmp_path: Path) -> None:
    for index in range(8):
        _write(tmp_path, f"extends: [{index + 1}.yaml, {index + 1}.yaml]\n", f"{index}.yaml")
    _write(tmp_path, "a: 1\n", "8.yaml")
    with pytest.raises(ConfigError, match=r"0\.yaml extends more than 50 files"):
        read_yaml(tmp_path / "0.yaml")


def test_only_a_regular_file_of_bounded_size_is_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    for name in ("/dev/zero", "pipe.yaml"):
        with pytest.raises(ConfigError, match="it is no regular file"):
            read_yaml(_write(tmp_path, f"extends: {name}\n"))
        with pytest.raises(ConfigError, match="it is no regular file"):
            read_yaml(tmp_path / name)
    with pytest.raises(ConfigError, match="has more than 1 MiB"):
        read_yaml(_write(tmp_path, "#" * (2**20 + 1)))
