"""Built-in networks: by name, checked, the same from the same seed."""

from __future__ import annotations

import pytest
import torch

from agent.core.round import Input, Task
from agent.errors import Malformed
from agent.learn import networks
from tests.learn.trips import DIGITS, SMALL
from tools.bench.plain_round import plain_round


def _parameters(network: torch.nn.Module) -> int:
    return sum(value.numel() for value in network.parameters())


def test_pilotnet_at_66_by_200_is_the_one_of_the_paper() -> None:
    network = networks.build(plain_round())
    assert _parameters(network) == 252_219
    assert network(torch.zeros(2, 3, 66, 200, dtype=torch.uint8)).shape == (2, 1)


def test_the_deepchain_network_goes_from_1960_to_128_to_10() -> None:
    network = networks.build(plain_round(network="deepchain", task=DIGITS, sample=SMALL))
    linear = [layer for layer in network if isinstance(layer, torch.nn.Linear)]
    assert [(layer.in_features, layer.out_features) for layer in linear] == [(1960, 128), (128, 10)]
    assert _parameters(network) == 10 * 9 + 10 + 1960 * 128 + 128 + 128 * 10 + 10


def test_a_residual_network_has_one_logit_a_class() -> None:
    signs = Task(kind="classification", classes=tuple(f"sign{n}" for n in range(43)))
    sample = Input(height=32, width=32, colour="rgb")
    network = networks.build(plain_round(network="smallres", task=signs, sample=sample))
    assert network(torch.zeros(2, 3, 32, 32, dtype=torch.uint8)).shape == (2, 43)


def test_black_is_minus_one_and_white_is_one() -> None:
    given = networks.Pixels()(torch.tensor([0, 255], dtype=torch.uint8))
    assert given.tolist() == [-1.0, 1.0]


def test_the_same_seed_gives_the_same_weights() -> None:
    one, two, other = (networks.build(plain_round(), seed=seed).state_dict() for seed in (3, 3, 4))
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert not all(torch.equal(one[name], other[name]) for name in one)


def test_building_leaves_everybody_elses_random_numbers_alone() -> None:
    torch.manual_seed(5)
    first = torch.rand(1)
    torch.manual_seed(5)
    networks.build(plain_round(), seed=9)
    assert torch.equal(torch.rand(1), first)


def test_a_misspelt_hyper_parameter_is_refused_with_the_right_name() -> None:
    with pytest.raises(Malformed, match="did you mean width_percent"):
        networks.build(plain_round(hyper={"width_per_cent": 50}))


def test_a_hyper_parameter_out_of_range_is_refused() -> None:
    with pytest.raises(Malformed, match="width_percent is 9000, not 25 to 400"):
        networks.build(plain_round(hyper={"width_percent": 9000}))


def test_half_the_width_is_a_smaller_network() -> None:
    assert _parameters(networks.build(plain_round(hyper={"width_percent": 50}))) < 252_219 / 2


def test_samples_too_small_for_the_network_are_refused() -> None:
    with pytest.raises(Malformed, match="too small"):
        networks.build(plain_round(sample=Input(height=16, width=16)))


def test_a_network_that_would_fill_the_memory_is_refused_before_it_is_built() -> None:
    huge = Input(height=1024, width=1024, colour="grey")
    with pytest.raises(Malformed, match="parameters, at most"):
        networks.build(plain_round(network="deepchain", hyper={"hidden": 4096, "filters": 256}, sample=huge))


def test_classification_with_one_class_is_refused() -> None:
    with pytest.raises(Malformed, match="at least two classes"):
        networks.build(plain_round(task=Task(kind="classification", classes=("only",))))
