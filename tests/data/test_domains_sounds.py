"""Machine sounds: clips become log-mel events as librosa gives them, in bounded pieces, and wrong clips are named."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import librosa
import numpy as np
import psutil
import pytest
from numpy.typing import NDArray
from scipy.io import wavfile
from support import array_data, read_all, refusal

from fpgaae.config.data import Data
from fpgaae.data.domains import sounds
from fpgaae.data.readers import count_events, event_spans, read_events
from fpgaae.emulator import emulate
from fpgaae.errors import InputError
from fpgaae.ip import thresholds
from fpgaae.progress import SilentProgress

RATE = 16_000
DATA = array_data({"name": "level", "shape": [640], "bits": 8, "signed": True}, "sounds")


def _samples(n: int = RATE, seed: int = 1, channels: int = 1) -> NDArray[np.float64]:
    """Give a tone in noise within +-1, (n, channels)."""
    noise = np.random.default_rng(seed).normal(0, 0.05, (n, channels))
    return np.asarray(noise + 0.3 * np.sin(2 * np.pi * 440 * np.arange(n)[:, None] / RATE))


def _wav(file: Path, samples: NDArray[np.generic]) -> Path:
    wavfile.write(file, RATE, samples)
    return file


def _expected(samples: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the events by librosa's own call and a plain loop."""
    mel = librosa.feature.melspectrogram(
        y=samples.astype(np.float32), sr=RATE, n_fft=1024, hop_length=512, n_mels=128, center=False, power=2.0
    )
    frames = 10 * np.log10(np.maximum(mel, 1e-10)).T
    return np.array([frames[i : i + 5].reshape(-1) for i in range(len(frames) - 4)])


@pytest.mark.slow
def test_a_wav_file_gives_what_librosa_gives(tmp_path: Path) -> None:
    samples = _samples()
    file = _wav(tmp_path / "clip.wav", samples[:, 0].astype(np.float32))
    events = read_all(file, DATA)
    expected = _expected(samples[:, 0])
    assert events.values.shape == (26, 640)
    np.testing.assert_allclose(events.values, expected, atol=1e-3)
    assert set(events.groups) == {0}


@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.uint8, np.float64])
def test_every_kind_of_sample_means_the_same_sound(tmp_path: Path, dtype: type[np.generic]) -> None:
    samples = _samples(8000, channels=2)
    scale = {np.int16: 2**15, np.int32: 2**31, np.uint8: 2**7, np.float64: 1}[dtype]
    zero = 128 if dtype is np.uint8 else 0
    stored = (np.rint(samples * scale) + zero if scale > 1 else samples).astype(dtype)
    events = read_all(_wav(tmp_path / "clip.wav", stored), DATA).values
    heard = (stored.astype(np.float64) - zero) / scale
    np.testing.assert_allclose(events, _expected(heard.mean(axis=1)), atol=1e-2)


def _folder(folder: Path, lengths: tuple[int, ...] = (30, 5, 17)) -> Path:
    """Write raw clips of so many frames."""
    folder.mkdir()
    rng = np.random.default_rng(3)
    for index, n_frames in enumerate(lengths):
        rng.normal(-40, 5, (n_frames, 128)).astype("<f4").tofile(folder / f"{index}.f32")
    return folder


def test_clips_of_a_folder_follow_in_order_and_keep_their_group(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "clips")
    events = read_all(folder, DATA)
    assert np.bincount(events.groups).tolist() == [26, 1, 13]
    second = np.fromfile(folder / "1.f32", dtype="<f4")
    np.testing.assert_array_equal(events.values[26], second)
    last = np.fromfile(folder / "2.f32", dtype="<f4")
    np.testing.assert_array_equal(events.values[-1], last[-640:])


@pytest.mark.parametrize("chunk_events", [1, 7, 26, 39])
def test_pieces_and_spans_equal_the_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk_events: int) -> None:
    monkeypatch.setattr(sounds, "_BLOCK_EVENTS", 8)
    folder = _folder(tmp_path / "clips")
    _wav(folder / "3.wav", _samples()[:, 0].astype(np.float32))
    whole = read_all(folder, DATA)
    assert len(whole.values) == 66
    pieces = read_all(folder, DATA, chunk_events)
    np.testing.assert_array_equal(pieces.values, whole.values)
    np.testing.assert_array_equal(pieces.groups, whole.groups)
    spans = event_spans(folder, DATA, chunk_events)
    np.testing.assert_array_equal(
        np.concatenate([read_all(folder, DATA, 1000, span).values for span in spans]), whole.values
    )


def test_wrong_clips_get_their_sentence(tmp_path: Path) -> None:
    whole = _wav(tmp_path / "clip.wav", (_samples()[:, 0] * 30000).astype(np.int16))
    cut = tmp_path / "cut.wav"
    cut.write_bytes(whole.read_bytes()[:20_000])
    assert refusal(cut, DATA) == (
        f"{cut} is no WAV file or damaged (Reached EOF prematurely; finished at 20000 bytes, expected 32044 bytes from "
        "header.); give a whole one, or a raw one"
    )
    text = tmp_path / "text.wav"
    text.write_text("no sound at all")
    assert refusal(text, DATA).startswith(f"{text} is no WAV file or damaged (File format b'no s' not understood")
    short = _wav(tmp_path / "short.wav", np.zeros(1024 + 3 * 512, dtype=np.int16))
    assert refusal(short, DATA) == f"{short} has 4 frames, too few for one event of 5"
    odd = tmp_path / "odd.bin"
    np.zeros(1000, dtype="<f4").tofile(odd)
    assert refusal(odd, DATA) == (f"{odd} holds 1000 numbers, no whole frames of 128; correct `data.options.bands`")
    odd.write_bytes(bytes(4 * 1280 + 3))
    assert "holds 1280 numbers and a part of one" in refusal(odd, DATA)
    empty = tmp_path / "empty"
    empty.mkdir()
    assert refusal(empty, DATA) == (
        f"the folder {empty} has no .wav, .bin, .f32 or .raw file; name the one with the clips"
    )
    nan = tmp_path / "nan.f32"
    np.full(1280, np.nan, dtype="<f4").tofile(nan)
    assert refusal(nan, DATA) == (f"{nan}: event 0, cell 0 holds a NaN or infinite value; remove or repair such events")


def test_the_array_must_have_the_frames_of_an_event() -> None:
    data = array_data({"name": "level", "shape": [639], "bits": 8, "signed": True}, "sounds")
    assert refusal("toy:normal:60", data) == (
        "5 frames of 128 bands are 640 numbers; set `data.hardware.array.shape` to [640]"
    )


def test_toys_of_a_fault_are_louder_than_normal_ones() -> None:
    normal, broken = (read_all(f"toy:{kind}:1200", DATA).values for kind in ("normal", "broken"))
    assert broken.mean() > normal.mean() + 0.3
    assert -100 < normal.min() < normal.max() < 50  # dB


def _peak(file: Path, data: Data) -> float:
    """Give the growth of this process's memory while a file is read, in bytes."""
    process = psutil.Process()
    before = most = process.memory_info().rss
    for _ in read_events(file, data, 4096):
        most = max(most, process.memory_info().rss)
    return most - before


@pytest.mark.slow
def test_a_long_clip_is_not_held_whole(tmp_path: Path) -> None:
    file = tmp_path / "long.f32"
    frames = np.random.default_rng(1).normal(-40, 5, (4096, 128)).astype("<f4")
    with file.open("wb") as stream:
        for _ in range(30):
            frames.tofile(stream)
    assert count_events(file, DATA) == 30 * 4096 - 4  # 630 MB as events of float64
    assert _peak(file, DATA) < 200e6


def test_a_folder_of_clips_is_an_event_file_of_emulate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was called a file that does not exist."""
    monkeypatch.setattr(emulate, "network_hashes", lambda _: SimpleNamespace(network="n"))
    folder = _folder(tmp_path / "clips")
    deployed: Any = SimpleNamespace(experiment=SimpleNamespace(config=SimpleNamespace(data=DATA)), trigger=None)
    files = [emulate._identify(deployed, folder / name, tmp_path / "s.h5") for name in ("", "", "none.f32")]
    assert files[0].key == files[1].key
    run = emulate._Run(deployed, tmp_path, files[::2])
    run.plan()
    assert files[0].n_events == 26 + 1 + 13
    assert [file.failure for file in run.open_files] == [None]
    assert files[2].failure == f"the event file {folder / 'none.f32'} does not exist; correct its name"
    np.zeros(128 * 7, dtype="<f4").tofile(folder / "2.f32")
    assert emulate._identify(deployed, folder, tmp_path / "s.h5").key != files[0].key


def test_folders_and_patterns_are_files_of_thresholds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def reached(_: object) -> None:
        raise InputError("the files are there")

    monkeypatch.setattr(thresholds, "open_deployed", reached)
    folder = _folder(tmp_path / "clips")
    (folder / "a.h5").touch()
    objects = {"files": {"background": "x"}, "hardware": {"array": {"name": "c", "shape": [3], "bits": 8}}}
    for data, path, words in (
        (DATA, folder, "the files are there"),
        (Data.model_validate(objects), folder, "the files are there"),
        (Data.model_validate(objects), folder / "*.h5", "the files are there"),
        (Data.model_validate(objects), folder / "*.npz", "npz does not exist; give files of background events"),
    ):
        experiment: Any = SimpleNamespace(config=SimpleNamespace(data=data))
        with pytest.raises(InputError, match=words):
            thresholds.new_thresholds(experiment, thresholds.Wanted([path], tmp_path / "set.json"), SilentProgress())
