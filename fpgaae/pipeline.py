"""From the name of a stage to its work; imports what a stage needs only when it really runs."""

from __future__ import annotations

from fpgaae.artifacts import Experiment, Json, Outcome, RunOptions, StageRun, run_stage, sha256
from fpgaae.data.readers import event_files


def run(experiment: Experiment, stage: str, options: RunOptions) -> Outcome:
    """Run one stage of an experiment, unless its result is current.

    Raises
    ------
    FpgaaeError
        With what is wrong and the way out.
    """
    files = event_files(experiment.config, experiment.config_file)
    hashes = {process: sha256(file) for process, file in files.items()}
    return run_stage(experiment, stage, _WORK[stage], hashes, options)


def _data(run: StageRun) -> Json:
    from fpgaae.data.stage import run_data  # noqa: PLC0415

    return run_data(run)


def _reference(run: StageRun) -> Json:
    _prepare_tensorflow()
    from fpgaae.training.reference import run_reference  # noqa: PLC0415

    return run_reference(run)


def _train(run: StageRun) -> Json:
    _prepare_tensorflow()
    from fpgaae.training.quantized import run_train  # noqa: PLC0415

    return run_train(run)


def _convert(run: StageRun) -> Json:
    _prepare_tensorflow()
    from fpgaae.hls.convert_stage import run_convert  # noqa: PLC0415

    return run_convert(run)


def _csim(run: StageRun) -> Json:
    from fpgaae.hls.csim import run_csim  # noqa: PLC0415

    return run_csim(run)


def _trace(run: StageRun) -> Json:
    from fpgaae.rtl.trace_stage import run_trace  # noqa: PLC0415

    return run_trace(run)


def _rtl(run: StageRun) -> Json:
    from fpgaae.rtl.simulate import run_rtl  # noqa: PLC0415

    return run_rtl(run)


def _synth(run: StageRun) -> Json:
    from fpgaae.rtl.synthesize import run_synth  # noqa: PLC0415

    return run_synth(run)


def _evaluate(run: StageRun) -> Json:
    _prepare_tensorflow()
    from fpgaae.evaluation.stage import run_evaluate  # noqa: PLC0415

    return run_evaluate(run)


def _report(run: StageRun) -> Json:
    from fpgaae.report.stage import run_report  # noqa: PLC0415

    return run_report(run)


def _prepare_tensorflow() -> None:
    from fpgaae.tensorflow_setup import prepare  # noqa: PLC0415

    prepare()


_WORK = {
    "data": _data,
    "reference": _reference,
    "train": _train,
    "convert": _convert,
    "csim": _csim,
    "trace": _trace,
    "rtl": _rtl,
    "synth": _synth,
    "evaluate": _evaluate,
    "report": _report,
}
