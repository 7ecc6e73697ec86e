"""Sounds of machines: log-mel spectra of consecutive frames, as in the DCASE and MLPerf Tiny baselines for ToyADMOS.

A WAV file, or each in a folder, is a clip; its frames of 1,024 samples every 512 give 128 mel bands each (librosa), and
an event is five consecutive frames. A raw file (.bin, .f32, .raw) holds float32 frames of 128 bands in dB. Events of a
clip have one group. The toys are spectra of a humming machine, and of one with a fault; they stand in for recordings.
Y. Koizumi et al., WASPAA 2019 (ToyADMOS); C. Banbury et al., arXiv 2106.07597 (MLPerf Tiny).
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.io import wavfile

from fpgaae.config import Data
from fpgaae.data.source import EventChunk, EventFile, Reader, Source
from fpgaae.data.toys import ToySource
from fpgaae.errors import InputError
from fpgaae.section import Section

_KINDS = {"normal": 0.0, "worn": 0.5, "broken": 1.0}
_RAW = (".bin", ".f32", ".raw")
_FLOOR = 1e-10  # power that stands for silence: -100 dB
Frames = NDArray[np.float64]


class Options(Section):
    """How sounds become spectra, and the toys."""

    bands: Annotated[int, Field(ge=8, le=512)] = 128
    frames: Annotated[int, Field(ge=1, le=32)] = 5  # that make an event
    window: Annotated[int, Field(ge=64, le=16384)] = 1024  # samples of a frame
    hop: Annotated[int, Field(ge=16, le=16384)] = 512  # samples from frame to frame
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 1
    clip_frames: Annotated[int, Field(ge=32, le=10_000)] = 64  # of a toy's clip


def log_mel(samples: NDArray[Any], rate: int, options: Options) -> Frames:
    """Give the power in each mel band of each frame in dB, (n_frames, bands), for samples (n,) within +-1."""
    import librosa  # noqa: PLC0415  (slow to import)

    power = librosa.feature.melspectrogram(
        y=samples.astype(np.float32), sr=rate, n_fft=options.window, hop_length=options.hop, n_mels=options.bands,
        center=False, power=2.0,
    )  # fmt: skip
    return np.asarray(10 * np.log10(np.maximum(power.T, _FLOOR)), dtype=np.float64)


def read_clip(file: Path, options: Options) -> Frames:
    """Read the spectra of a clip in dB, (n_frames, bands).

    Raises
    ------
    InputError
        If it is neither a WAV file nor a raw one of whole frames, or is too short for one event.
    """
    if file.suffix.lower() in _RAW:
        values = np.fromfile(file, dtype="<f4")
        if values.size % options.bands:
            raise InputError(f"{file} holds {values.size} numbers, no whole frames of {options.bands}; correct `bands`")
        frames = values.reshape(-1, options.bands).astype(np.float64)
    else:
        try:
            rate, samples = wavfile.read(file)
        except (ValueError, EOFError, OSError) as error:
            raise InputError(f"{file} is no WAV file ({str(error).splitlines()[0]}); give one, or a raw one") from None
        mono = samples.reshape(len(samples), -1).mean(axis=1)
        largest = 1.0 if samples.dtype.kind == "f" else float(np.iinfo(samples.dtype).max)
        if len(mono) < options.window + (options.frames - 1) * options.hop:
            raise InputError(f"{file} has {len(mono)} samples, too few for one event of {options.frames} frames")
        frames = log_mel(mono / largest, rate, options)
    if len(frames) < options.frames:
        raise InputError(f"{file} has {len(frames)} frames, too few for one event of {options.frames}")
    return frames


def events_of(frames: Frames, options: Options) -> Frames:
    """Lay consecutive frames beside each other, (n_frames - frames + 1, frames * bands)."""
    windows = np.lib.stride_tricks.sliding_window_view(frames, options.frames, axis=0)
    return np.asarray(windows.transpose(0, 2, 1).reshape(len(windows), -1))


class _Clips(Source):
    """Clips one behind the other, of which one is in memory."""

    def __init__(self, files: list[Path], options: Options) -> None:
        self._files, self._options = files, options
        self._latest: tuple[int, Frames] = -1, np.zeros((0, 0))
        lengths = [len(read_clip(file, options)) - options.frames + 1 for file in files]
        self._starts = np.concatenate([[0], np.cumsum(lengths)])
        self.n_events = int(self._starts[-1])

    def read(self, start: int, count: int) -> EventChunk:
        parts, groups = [], []
        for clip, (first, end) in enumerate(pairwise(self._starts.tolist())):
            low, high = max(first, start), min(end, start + count)
            if low < high:
                parts.append(self._clip(clip)[low - first : high - first])
                groups.append(np.full(high - low, clip))
        return EventChunk(start, np.concatenate(parts), np.concatenate(groups))

    def close(self) -> None:
        """Release nothing."""

    def _clip(self, index: int) -> Frames:
        if self._latest[0] != index:
            self._latest = index, events_of(read_clip(self._files[index], self._options), self._options)
        return self._latest[1]


def _make(rng: np.random.Generator, n: int, fault: float, options: Options) -> Frames:
    """Make clips: a hum with harmonics over falling noise, whose strength drifts; a fault adds a line and clicks."""
    per_clip = options.clip_frames - options.frames + 1
    parts = [events_of(_clip(rng, fault, options), options) for _ in range(n // per_clip)]
    return np.concatenate(parts)


def _clip(rng: np.random.Generator, fault: float, options: Options) -> Frames:
    band = np.arange(options.bands)
    speed = rng.normal(1.0, 0.02)
    spectrum = -45 - 25 * band / options.bands
    for harmonic, level in enumerate((22, 16, 13, 9, 6), 1):
        centre = options.bands * 0.11 * harmonic * speed
        spectrum = spectrum + (level + rng.normal(0, 1.0)) * np.exp(-0.5 * ((band - centre) / 1.6) ** 2)
    drift = np.cumsum(rng.normal(0, 0.25, size=options.clip_frames))[:, None]
    # The logarithm of an exponentially distributed power, averaged over a few bins of the spectrum in each band.
    noise = 10 * np.log10(rng.gamma(4.0, 0.25, size=(options.clip_frames, options.bands)))
    frames = spectrum + drift + noise
    if fault:
        line = rng.uniform(0.3, 0.9) * options.bands
        frames += fault * rng.uniform(2, 9) * np.exp(-0.5 * ((band - line) / 2.0) ** 2)
        clicks = rng.random(options.clip_frames) < 0.15 * fault
        frames[clicks] += rng.uniform(3, 9) * np.linspace(0, 1, options.bands)
    return np.asarray(frames)


def _open(file: EventFile, data: Data, options: Options) -> Source | None:
    array, wanted = data.hardware.array, options.bands * options.frames
    if array is None or array.n_cells != wanted:
        raise InputError(
            f"{options.frames} frames of {options.bands} bands are {wanted} numbers; set `data.hardware.array.shape` "
            f"to [{wanted}]"
        )
    if file.path is None:
        per_clip = options.clip_frames - options.frames + 1

        def make(rng: np.random.Generator, n: int) -> Frames:
            return _make(rng, n, _KINDS[file.toy], options).reshape(n, *array.shape)

        return ToySource(file, options.seed, make, per_clip)
    if file.path.is_dir():
        clips = sorted(clip for clip in file.path.iterdir() if clip.suffix.lower() in {".wav", *_RAW})
        if not clips:
            raise InputError(f"the folder {file} has no .wav, .bin, .f32 or .raw file; name the one with the clips")
        return _Clips(clips, options)
    return _Clips([file.path], options) if file.path.suffix.lower() in {".wav", *_RAW} else None


READER = Reader(Options, _open, tuple(_KINDS))
