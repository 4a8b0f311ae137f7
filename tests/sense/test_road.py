"""The synthetic road: the same for the same seed, quick, and worth learning from."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from agent.sense.course import ride
from agent.sense.drive import load_drive
from agent.sense.road import HALF_ROAD_M, HEIGHT, WIDTH, synthetic_drive, write_drive


def test_the_same_seed_is_the_same_drive_and_another_is_not():
    one, same, other = (synthetic_drive(10, seed=seed) for seed in (3, 3, 4))
    assert np.array_equal(one.steering_deg, same.steering_deg)
    assert np.array_equal(one.images.draw(150), same.images.draw(150))
    assert not np.array_equal(one.steering_deg, other.steering_deg)


def test_a_frame_does_not_depend_on_what_was_drawn_before():
    drive = synthetic_drive(10, seed=3)
    film = drive.images.film(0)
    for _ in range(99):
        film.read()
    assert np.array_equal(film.read(), drive.images.draw(99))


def test_the_driver_stays_on_the_road_and_steers_both_ways():
    rode = ride(300, 20, seed=5)
    x, y = (np.interp(rode.s, rode.course.s, along) for along in (rode.course.x, rode.course.y))
    assert np.hypot(rode.x - x, rode.y - y).max() < HALF_ROAD_M / 2
    assert rode.steering_deg.min() < -5
    assert rode.steering_deg.max() > 5
    assert abs(rode.steering_deg.mean()) < 2


def test_positive_steering_turns_left():
    rode = ride(60, 20, seed=5)
    turn = np.gradient(np.unwrap(rode.heading))
    assert np.corrcoef(turn, rode.steering_deg)[0, 1] > 0.9


def test_distance_is_the_integral_of_speed():
    rode = ride(60, 20, seed=5)
    assert rode.distance_m[-1] == pytest.approx(np.sum(rode.speed_mps[:-1]) / 20, rel=1e-9)


def test_what_was_written_loads_like_a_recorded_drive(tmp_path):
    write_drive(tmp_path, seconds=2, fps=10, seed=6)
    drive, drawn = load_drive(tmp_path), synthetic_drive(2, fps=10, seed=6)
    assert drive.steering_deg == pytest.approx(drawn.steering_deg, abs=1e-3)
    assert drive.distance_m == pytest.approx(drawn.distance_m, abs=1e-2)
    image = drive.images.film(7).read()
    assert image.shape == (HEIGHT, WIDTH, 3)
    assert np.abs(image.astype(int) - drawn.images.draw(7)).mean() < 8


def test_writing_twice_gives_the_same_files(tmp_path):
    digests = set()
    for name in ("a", "b"):
        write_drive(tmp_path / name, seconds=1, fps=10, seed=6)
        digests.add(
            tuple(
                hashlib.sha256((tmp_path / name / part).read_bytes()).hexdigest()
                for part in ("telemetry.csv", "video.mp4")
            )
        )
    assert len(digests) == 1


@pytest.mark.slow
def test_a_small_network_learns_to_steer_from_it():
    """PilotNet's shape, one round over two minutes of road: far better than always saying the mean."""
    import cv2
    import torch
    from torch import nn

    drive = synthetic_drive(120, fps=10, seed=3)
    film = drive.images.film(0)
    images = np.stack([cv2.resize(film.read()[30:], (100, 33)) for _ in drive.t])
    inputs = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 127.5 - 1
    labels = torch.from_numpy(drive.steering_deg).float()
    known = int(len(labels) * 0.8)
    torch.manual_seed(0)
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    net = nn.Sequential(
        nn.Conv2d(3, 16, 5, 2), nn.ELU(), nn.Conv2d(16, 32, 5, 2), nn.ELU(),
        nn.Conv2d(32, 32, 3, 2), nn.ELU(), nn.Flatten(), nn.LazyLinear(50), nn.ELU(), nn.Linear(50, 1),
    )  # fmt: skip
    net(inputs[:1])
    optimiser = torch.optim.Adam(net.parameters(), 2e-3)
    for batch in torch.randperm(known - 20).split(16):
        loss = nn.functional.smooth_l1_loss(net(inputs[batch])[:, 0], labels[batch])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        error = (net(inputs[known:])[:, 0] - labels[known:]).square().mean().sqrt()
    torch.set_num_threads(threads)
    assert error < 0.4 * labels[known:].std()
