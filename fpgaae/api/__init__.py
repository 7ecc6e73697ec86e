"""The Python interface: configs, experiments, checks, deployment and studies, with typed results, arrays and figures.

The examples run in a folder with the experiment `small.yaml`. Nothing here prints or exits; what is wrong is raised as
an `fpgaae.FpgaaeError`. TensorFlow is imported by the functions that need it only. The command line does nothing that
is not here.
"""

from __future__ import annotations

from fpgaae.api.checks import check_machine, compare_layers, compare_netlist, mutate, mutate_proof
from fpgaae.api.configs import copy_config, draft_config, find_config, lint, list_configs, load_config
from fpgaae.api.deployment import choose_thresholds, emulate, export_cmssw, export_emulator, export_ip
from fpgaae.api.experiments import error_of, import_model, last_stage, open_run, run, run_stage, train_together
from fpgaae.api.results import LayerRow, MetricRow, Run
from fpgaae.api.studies import (
    compare,
    compare_methods,
    compare_runs,
    evaluate_events,
    explore_method,
    place_front,
    repeat,
    report_folder,
    run_scan,
    write_comparison,
)

__all__ = [
    "LayerRow", "MetricRow", "Run", "check_machine", "choose_thresholds", "compare", "compare_layers",
    "compare_methods", "compare_netlist", "compare_runs", "copy_config", "draft_config", "emulate", "error_of",
    "evaluate_events", "explore_method", "export_cmssw", "export_emulator", "export_ip", "find_config", "import_model",
    "last_stage", "lint", "list_configs", "load_config", "mutate", "mutate_proof", "open_run", "place_front", "repeat",
    "report_folder", "run", "run_stage", "run_scan", "train_together",
    "write_comparison",
]  # fmt: skip
