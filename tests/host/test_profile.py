from __future__ import annotations

from pathlib import Path

import pytest

from agent.errors import BAD_CONFIG, ConfigError
from agent.host import board, profile
from agent.host.board import Board

L4T = "# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic, EABI: aarch64, DATE: Wed Jan  8 2025\n"


def machine_at(root: Path, model: str = "", compatible: str = "", l4t: str = "", memory_kb: int = 8_000_000) -> Path:
    """The files of a board, as its kernel shows them."""
    (root / "proc/device-tree").mkdir(parents=True)
    (root / "etc").mkdir()
    (root / "proc/meminfo").write_text(f"MemTotal:       {memory_kb} kB\nMemFree: 1 kB\n")
    if model:
        (root / "proc/device-tree/model").write_bytes(model.encode() + b"\0")
        (root / "proc/device-tree/compatible").write_bytes(compatible.replace(" ", "\0").encode() + b"\0")
    if l4t:
        (root / "etc/nv_tegra_release").write_text(l4t)
    return root


@pytest.mark.parametrize(
    ("model", "compatible", "name"),
    [
        (
            "NVIDIA Jetson Orin Nano Engineering Reference Developer Kit Super",
            "nvidia,p3768-0000+p3767-0005-super nvidia,p3767-0005 nvidia,tegra234",
            "jetson-orin-nano",
        ),
        ("NVIDIA Jetson Orin NX", "acme,carrier nvidia,p3767-0000 nvidia,tegra234", "jetson-orin-nx"),
        (
            "NVIDIA Jetson AGX Orin",
            "nvidia,p3737-0000+p3701-0005 nvidia,p3701-0005 nvidia,tegra234",
            "jetson-agx-orin",
        ),
        (
            "NVIDIA Jetson AGX Thor",
            "nvidia,p4071-0000+p3834-0008 nvidia,p3834-0008 nvidia,tegra264",
            "jetson-agx-thor",
        ),
        (
            "NVIDIA Jetson Xavier NX",
            "nvidia,p3509-0000+p3668-0001 nvidia,p3668-0001 nvidia,tegra194",
            "jetson-xavier-nx",
        ),
        ("Raspberry Pi 5 Model B", "raspberrypi,5-model-b brcm,bcm2712", "arm64-generic"),
    ],
)
def test_a_board_is_known_by_its_device_tree(tmp_path: Path, model: str, compatible: str, name: str) -> None:
    l4t = L4T if "nvidia" in compatible else ""
    found = board.inspect(machine_at(tmp_path, model, compatible, l4t), machine="aarch64")
    assert found.model == model
    assert found.memory_mb == 7812
    assert profile.detect(found).name == name


def test_a_jetson_with_a_mainline_kernel_has_no_cuda_and_is_a_plain_board(tmp_path: Path) -> None:
    root = machine_at(tmp_path, "NVIDIA Jetson Orin NX", "nvidia,p3767-0000 nvidia,tegra234")
    assert profile.detect(board.inspect(root, machine="aarch64")).name == "arm64-generic"


def test_a_pc_is_told_apart_by_its_driver(tmp_path: Path) -> None:
    root = machine_at(tmp_path)
    assert profile.detect(board.inspect(root, machine="x86_64")).name == "x86-cpu"
    (root / "proc/driver/nvidia").mkdir(parents=True)
    (root / "proc/driver/nvidia/version").write_text("NVRM version")
    assert profile.detect(board.inspect(root, machine="x86_64")).name == "x86-cuda"


def test_the_l4t_release_is_read(tmp_path: Path) -> None:
    assert board.inspect(machine_at(tmp_path, l4t=L4T), machine="aarch64").l4t == "36.4.3"


def test_an_unknown_machine_gets_the_built_in_defaults() -> None:
    assert profile.detect(Board(machine="riscv64")) is profile.NONE


def test_every_profile_is_named_like_its_file_and_explains_itself() -> None:
    assert len(profile.every()) == 8
    for found in profile.every():
        assert found.document is not None
        assert found.document.path.stem == found.name
        text = found.document.path.read_text(encoding="utf-8")
        assert "Source: " in text
        assert set(found.settings) == {"camera", "odometer", "train", "inference", "gates", "machine"}
        gates = found.settings["gates"]
        assert gates["resume_below_c"] < gates["pause_above_c"]
        assert gates["pause_below_volts"] < gates["resume_above_volts"]


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ("[train]\ntreads = 3\n", "line 6: unknown key 'treads' in [train]. Did you mean 'threads'?"),
        ("[market]\nmax_stake = '1'\n", "line 5: unknown section [market]"),
        ("[train]\nprecision = 'int8'\n", "line 6: train.precision cannot be used"),
        ("[gates]\npause_above_c = 'hot'\n", "line 6: gates.pause_above_c cannot be used"),
    ],
)
def test_a_mistake_in_a_profile_is_shown_with_its_line(tmp_path: Path, table: str, sentence: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(f'[profile]\nname = "mine"\ntitle = "Mine"\ndetect.machine = "x86_64"\n{table}')
    with pytest.raises(ConfigError) as caught:
        profile.read(path)
    assert sentence in str(caught.value)
    assert caught.value.exit_code == BAD_CONFIG


def test_a_profile_without_a_head_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("[train]\nthreads = 3\n")
    with pytest.raises(ConfigError, match="profile cannot be used: field required"):
        profile.read(path)


def test_a_profile_for_another_board_is_refused_in_one_sentence() -> None:
    pc = Board(machine="x86_64")
    orin = Board(machine="aarch64", model="Orin NX", compatible=("nvidia,p3767-0000",), cuda=True)
    assert profile.unfit(profile.named("jetson-orin-nx").detect, pc) == (
        "it is for aarch64, and this machine is x86_64"
    )
    assert "and this is Orin NX" in str(profile.unfit(profile.named("jetson-agx-orin").detect, orin))
    assert "needs a CUDA driver" in str(profile.unfit(profile.named("x86-cuda").detect, pc))
    assert profile.unfit(profile.named("jetson-orin-nx").detect, orin) is None


def test_an_unknown_profile_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(ConfigError, match="only arm64-generic, jetson-agx-orin"):
        profile.choose("jetson")
