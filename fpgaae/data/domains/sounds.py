"""Sounds of machines: log-mel spectra of consecutive frames, as in the DCASE and MLPerf Tiny baselines for ToyADMOS.

A WAV file, or each in a folder, is a clip; its frames of 1,024 samples every 512 give 128 mel bands each (librosa), and
an event is five consecutive frames. A raw file (.bin, .f32, .raw) holds float32 frames of 128 bands in dB. Events of a
clip have one group. The toys are spectra of a humming machine, and of one with a fault; they stand in for recordings.
Y. Koizumi et al., WASPAA 2019 (ToyADMOS); C. Banbury et al., arXiv 2106.07597 (MLPerf Tiny).
"""

from __future__ import annotations

import struct
import warnings
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.io import wavfile

from fpgaae.config.data import Data
from fpgaae.data.source import EventChunk, EventFile, Reader, Source
from fpgaae.data.toys import ToySource
from fpgaae.errors import InputError
from fpgaae.optional import require
from fpgaae.section import Section

_KINDS = {"normal": 0.0, "worn": 0.5, "broken": 1.0}
_RAW = (".bin", ".f32", ".raw")
_BLOCK_EVENTS = 4096
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
    librosa = require("librosa", "sounds become spectra with it")
    power = librosa.feature.melspectrogram(
        y=samples.astype(np.float32), sr=rate, n_fft=options.window, hop_length=options.hop, n_mels=options.bands,
        center=False, power=2.0,
    )  # fmt: skip
    return np.asarray(10 * np.log10(np.maximum(power.T, _FLOOR)), dtype=np.float64)


class _Clip:
    """A clip of which any frames can be read; the file itself stays on the disk."""

    n_frames: int

    def frames(self, first: int, last: int) -> Frames:
        """Give the spectra of consecutive frames in dB, (last - first, bands)."""
        raise NotImplementedError


class _RawClip(_Clip):
    """A file of float32 frames."""

    def __init__(self, file: Path, options: Options) -> None:
        n_values, rest = divmod(file.stat().st_size, 4)
        if rest or n_values % options.bands:
            raise InputError(
                f"{file} holds {n_values} numbers{' and a part of one' if rest else ''}, no whole frames of "
                f"{options.bands}; correct `data.options.bands`"
            )
        self._file, self._bands, self.n_frames = file, options.bands, n_values // options.bands

    def frames(self, first: int, last: int) -> Frames:
        count, offset = (last - first) * self._bands, 4 * first * self._bands
        values = np.fromfile(self._file, dtype="<f4", count=count, offset=offset)
        return values.reshape(-1, self._bands).astype(np.float64)


class _WavClip(_Clip):
    """A WAV file, whose frames are made into spectra when they are asked for."""

    def __init__(self, file: Path, options: Options) -> None:
        self._options = options
        self._rate, self._samples = read_wav(file)
        self.n_frames = max(1 + (len(self._samples) - options.window) // options.hop, 0)

    def frames(self, first: int, last: int) -> Frames:
        options = self._options
        samples = self._samples[first * options.hop : (last - 1) * options.hop + options.window]
        return log_mel(as_mono(samples), self._rate, options)


def as_mono(samples: NDArray[Any]) -> NDArray[np.float64]:
    """Give the mean of all channels within +-1, (n,), for samples (n,) or (n, channels) as a WAV file holds them."""
    if samples.dtype.kind == "f":
        zero, largest = 0, 1
    else:
        zero, largest = (0 if samples.dtype.kind == "i" else 128), 1 << (8 * samples.dtype.itemsize - 1)
    return np.asarray((samples.reshape(len(samples), -1).mean(axis=1) - zero) / largest)


def read_wav(file: Path) -> tuple[int, NDArray[Any]]:
    """Give the samples a second and the samples of a WAV file, which stay on the disk (but for 24 bits).

    Raises
    ------
    InputError
        If it is no WAV file, or shorter than it says.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", wavfile.WavFileWarning)  # of chunks that are no samples
        warnings.filterwarnings("error", "Reached EOF prematurely", wavfile.WavFileWarning)
        try:
            try:
                rate, samples = wavfile.read(file, mmap=True)
            except ValueError:  # numbers of 24 bits can't be mapped; what is damaged can't be read either way
                rate, samples = wavfile.read(file)
        except (ValueError, EOFError, OSError, struct.error, wavfile.WavFileWarning) as error:
            said = " ".join(str(error).split()) or type(error).__name__
            raise InputError(f"{file} is no WAV file or damaged ({said}); give a whole one, or a raw one") from None
    return int(rate), samples


def open_clip(file: Path, options: Options) -> _Clip:
    """Open a clip.

    Raises
    ------
    InputError
        If it is neither a WAV file nor a raw one of whole frames, or is too short for one event.
    """
    clip = _RawClip(file, options) if file.suffix.lower() in _RAW else _WavClip(file, options)
    if clip.n_frames < options.frames:
        raise InputError(f"{file} has {clip.n_frames} frames, too few for one event of {options.frames}")
    return clip


def events_of(frames: Frames, options: Options) -> Frames:
    """Lay consecutive frames beside each other, (n_frames - frames + 1, frames * bands)."""
    windows = np.lib.stride_tricks.sliding_window_view(frames, options.frames, axis=0)
    return np.asarray(windows.transpose(0, 2, 1).reshape(len(windows), -1))


class _Clips(Source):
    """Clips one behind the other, of which one block of events is in memory.

    Blocks begin at the same events however they are read, so that the last bits of a spectrum do not depend on that.
    """

    def __init__(self, files: list[Path], options: Options) -> None:
        self._files, self._options = files, options
        self._latest: tuple[tuple[int, int], Frames] = (-1, -1), np.zeros((0, 0))
        lengths = [open_clip(file, options).n_frames - options.frames + 1 for file in files]
        self._starts = np.concatenate([[0], np.cumsum(lengths)])
        self.n_events = int(self._starts[-1])

    def read(self, start: int, count: int) -> EventChunk:
        parts, groups = [], []
        event, end = start, start + count
        while event < end:
            clip = int(np.searchsorted(self._starts, event, side="right")) - 1
            block, skipped = divmod(event - int(self._starts[clip]), _BLOCK_EVENTS)
            found = self._block(clip, block)[skipped : skipped + end - event]
            parts.append(found)
            groups.append(np.full(len(found), clip))
            event += len(found)
        return EventChunk(start, np.concatenate(parts), np.concatenate(groups))

    def close(self) -> None:
        """Release nothing."""

    def _block(self, clip: int, block: int) -> Frames:
        if self._latest[0] != (clip, block):
            opened = open_clip(self._files[clip], self._options)
            first = block * _BLOCK_EVENTS
            last = min(first + _BLOCK_EVENTS + self._options.frames - 1, opened.n_frames)
            self._latest = (clip, block), events_of(opened.frames(first, last), self._options)
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
