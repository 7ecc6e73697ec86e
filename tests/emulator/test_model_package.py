"""The package for CMSSW: a loader that knows nothing but the interface, and two versions in one process."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import networks
import numpy as np
import pytest
from conftest import Workspace
from examples import examples_of, run_examples

from fpgaae.data.features import FeatureMap
from fpgaae.emulator.model_package import export_model
from fpgaae.errors import CheckFailed, InputError
from fpgaae.files import read_sealed, sha256, write_sealed
from fpgaae.golden.network import GOLDEN_FILE, IntegerNetwork
from fpgaae.golden.trigger import GoldenTrigger
from fpgaae.runs.results.data import DataResult

# The interface as its public header declares it, and what model.json says of its arguments.
HOST = r"""
#include <any>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <dlfcn.h>
#include <fstream>
#include <stdexcept>
#include <utility>
#include <vector>
namespace hls4mlEmulator {
class Model {
  public:
    virtual void prepare_input(std::any input) = 0;
    virtual void predict() = 0;
    virtual void read_result(std::any result) = 0;
    virtual ~Model() = default;
};
}
using Result = std::pair<std::int64_t, std::vector<std::uint8_t>>;
template <class Work> int fails(Work work) {
    try { work(); } catch (const std::exception &error) { std::printf("refused: %s\n", error.what()); return 1; }
    return 0;
}
int main(int argc, char **argv) { // EVENTS N_WORDS RESULTS LIBRARY...
    std::ifstream events(argv[1]);
    const int n = std::atoi(argv[2]);
    std::ofstream results(argv[3]);
    std::vector<hls4mlEmulator::Model *> models;
    std::vector<void (*)(hls4mlEmulator::Model *)> ends;
    for (int i = 4; i < argc; i++) {
        void *library = dlopen(argv[i], RTLD_NOW | RTLD_GLOBAL); // the worst that a host can do
        if (!library) { std::printf("%s\n", dlerror()); return 2; }
        models.push_back(((hls4mlEmulator::Model * (*)()) dlsym(library, "create_model"))());
        ends.push_back((void (*)(hls4mlEmulator::Model *))dlsym(library, "destroy_model"));
    }
    std::vector<std::int16_t> words(n), few(n - 1);
    Result result;
    fails([&] { models[0]->predict(); });
    fails([&] { models[0]->prepare_input(std::any(&few)); });
    fails([&] { models[0]->prepare_input(std::any(3)); });
    int word;
    while (events >> word) {
        for (int i = 0; i < n; i++) { words[i] = std::int16_t(word); if (i + 1 < n) events >> word; }
        const std::vector<std::int16_t> *constant = &words;
        models[0]->prepare_input(std::any(&words));
        for (std::size_t i = 1; i < models.size(); i++) models[i]->prepare_input(std::any(constant));
        for (auto model : models) model->predict();
        for (auto model : models) {
            model->read_result(std::any(&result));
            results << result.first << ' ';
            for (auto bit : result.second) results << int(bit) << ' ';
        }
        results << '\n';
    }
    fails([&] { words[0] = std::int16_t(-32768); models[0]->prepare_input(std::any(&words)); });
    fails([&] { models[0]->read_result(std::any(&words)); });
    for (std::size_t i = 0; i < models.size(); i++) ends[i](models[i]);
    return 0;
}
"""


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Give a small experiment that is converted."""
    return networks.tiny_workspace(tmp_path_factory.mktemp("tiny"))


@pytest.mark.slow
@pytest.mark.usefixtures("compiler")
def test_two_versions_in_one_process_give_their_golden_codes(tmp_path: Path, tiny: Workspace) -> None:
    first = tiny
    run_examples(examples_of("export_cmssw"), first.folder)  # its two lines are what is exported
    second = first.copy(tmp_path / "other")
    features = FeatureMap.of(first.experiment.result(DataResult))
    networks_of = [first.network, _another(second, features)]
    export_model(second.experiment, tmp_path / "v2", "v2")

    hardware = networks.events(features, 8000)[:10_000]
    np.savetxt(tmp_path / "events", hardware, fmt="%d")
    (tmp_path / "host.cpp").write_text(HOST)
    host = tmp_path / "host"
    subprocess.run(["g++", "-std=c++17", "-O1", str(tmp_path / "host.cpp"), "-o", str(host), "-ldl"], check=True)
    libraries = [str(first.folder / "v1" / "autoencoder_v1.so"), str(tmp_path / "v2" / "autoencoder_v2.so")]
    command = [str(host), str(tmp_path / "events"), str(len(features)), str(tmp_path / "results"), *libraries]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    found = np.loadtxt(tmp_path / "results", dtype=np.int64)
    golden = [networks.golden(network, features, hardware) for network in networks_of]
    assert len(found) == 10_000
    assert (found == np.concatenate(golden, axis=1)).all()
    assert (golden[0] != golden[1]).any()
    assert [re.sub(r"^refused: autoencoder v1: ", "", line) for line in said] == [
        "predict needs prepare_input before",
        f"an event has {len(features)} words, not {len(features) - 1}",
        "prepare_input takes a pointer to std::vector<std::int16_t>",
        "met_pt is not between 0 and 63",
        "read_result takes a pointer to std::pair<std::int64_t, std::vector<std::uint8_t>>",
    ]

    metadata = json.loads((first.folder / "v1" / "model.json").read_text())
    assert [own["name"] for own in metadata["features"]] == [own.hardware.name for own in features.features]
    assert metadata["thresholds"] == first.network.accept.thresholds.tolist()
    assert (first.folder / "v1" / metadata["library"]).is_file()


def _another(workspace: Workspace, features: FeatureMap) -> IntegerNetwork:
    """Put another network into a copied experiment, as if it had been converted from another training."""
    network = networks.random_network(networks.Score.MU_SQUARED, features, seed=7)
    file = workspace.experiment.stage_folder("convert") / GOLDEN_FILE
    GoldenTrigger(features, network).network.save(file)
    manifest = file.with_name("manifest.json")
    content = read_sealed(manifest)
    content["outputs"][GOLDEN_FILE] = sha256(file)
    write_sealed(manifest, content)
    return network


def test_a_version_that_is_no_name_and_a_folder_that_is_there_are_refused(tmp_path: Path, tiny: Workspace) -> None:
    with pytest.raises(InputError, match=r"--package-version 'a/b' can't stand in a file's name"):
        export_model(tiny.experiment, tmp_path / "new", "a/b")
    with pytest.raises(InputError, match="exists already"):
        export_model(tiny.experiment, tmp_path, "v1")
    assert not (tmp_path / "new").exists()


@pytest.mark.slow
@pytest.mark.usefixtures("compiler")
def test_a_model_that_differs_is_not_exported(tmp_path: Path, tiny: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    from fpgaae.emulator import model_package  # noqa: PLC0415

    def fill(name: str, values: dict[str, str]) -> str:
        text = model_package_fill(name, values)
        return text.replace("= autoencoder_score(", "= 1 + autoencoder_score(")

    model_package_fill = model_package.fill_template
    monkeypatch.setattr(model_package, "fill_template", fill)
    with pytest.raises(CheckFailed, match=r"(?s)does not agree with the golden vectors.* wrong"):
        export_model(tiny.experiment, tmp_path / "new", "v1")
    assert not (tmp_path / "new").exists()
    assert not list(tmp_path.glob(".new*"))
