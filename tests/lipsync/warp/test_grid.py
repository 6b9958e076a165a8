import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.lipsync.warp.grid import Grid, doubled, grid_over, smooth_step, taken

sides = st.integers(40, 900)


@given(sides, sides, st.integers(0, 300), st.integers(0, 300))
def test_a_grid_covers_its_points_within_the_picture(width, height, x, y):
    points = np.array([(x, y), (x + 200, y + 150)])
    rows, columns = grid_over(points, 60, (width, height)).rect(width, height)
    assert columns.start <= min(x, width - 1) and columns.stop >= min(x + 200, width - 1)
    assert rows.start <= min(y, height - 1) and rows.stop >= min(y + 150, height - 1)


@pytest.mark.parametrize("cell", [1, 2, 3, 5])
def test_what_is_linear_at_the_nodes_is_linear_at_the_pixels(cell):
    grid = Grid(7, 11, 12, 9, cell)
    x, y = grid.nodes()
    drawn = grid.drawn_out(2 * x - y, grid.rect(500, 500))
    rows, columns = grid.rect(500, 500)
    expected = 2 * np.arange(columns.start, columns.stop)[None] - np.arange(rows.start, rows.stop)[:, None]
    assert drawn[cell:-cell, cell:-cell] == pytest.approx(expected[cell:-cell, cell:-cell], abs=1e-3)


def test_a_part_of_a_grid_has_its_nodes_in_the_same_places():
    grid = Grid(7, 11, 12, 9, 4)
    part, nodes = grid.part(np.array([(20, 20), (33, 30)]))
    assert np.array_equal(part.nodes()[0], grid.nodes()[0][nodes])
    assert np.array_equal(part.nodes()[1], grid.nodes()[1][nodes])
    rows, columns = part.rect(500, 500)
    assert columns.start <= 20 and columns.stop >= 33 and rows.start <= 20 and rows.stop >= 30


def test_a_field_is_looked_up_where_nodes_are_moved_to():
    grid = Grid(0, 0, 20, 20, 4)
    x, _ = grid.nodes()
    moved = np.zeros((20, 20, 2), np.float32)
    moved[..., 0] = 6
    assert grid.looked_up(x, moved)[5:15, 5:15] == pytest.approx(x[5:15, 5:15] + 6, abs=0.2)


def test_what_is_taken_from_where_it_is_is_the_same_to_the_last_bit():
    pixels = np.random.default_rng(0).integers(0, 255, (40, 50, 3), np.uint8)
    places = np.stack(np.meshgrid(np.arange(50), np.arange(40)), -1).astype(np.float32)
    assert np.array_equal(taken(pixels, places), pixels)
    assert np.array_equal(taken(pixels, np.zeros_like(places), relative=True), pixels)


def test_a_smooth_step_is_level_at_both_ends():
    assert smooth_step(np.float32([-1, 0, 0.5, 1, 2])).tolist() == [0, 0, 0.5, 1, 1]


@pytest.mark.parametrize("channels", [3, 4])
def test_a_doubled_picture_keeps_its_pixels_and_has_others_between(channels):
    across = np.linspace(0, 250, 26)[None, :, None] + np.linspace(0, 5, 20)[:, None, None]
    pixels = np.repeat(across, channels, axis=2).round().astype(np.uint8)
    large = doubled(pixels)
    assert large.shape == (40, 52, channels) and np.array_equal(large[::2, ::2], pixels)
    between = (large[6:-6, 6:-8:2].astype(int) + large[6:-6, 8:-6:2]) / 2
    assert np.abs(large[6:-6, 7:-7:2] - between).max() <= 1.5
    assert np.abs(np.diff(large[6:-6].astype(int), axis=0)).max() <= 2


def test_what_is_taken_from_between_is_sharper_out_of_a_doubled_picture():
    pixels = np.random.default_rng(0).integers(0, 255, (60, 60, 3), np.uint8)
    pixels = np.asarray(cv2.GaussianBlur(pixels, (0, 0), 0.8))
    places = np.stack(np.meshgrid(np.arange(60), np.arange(60)), -1).astype(np.float32) + np.float32(0.5)
    assert taken(doubled(pixels), 2 * places)[5:-5, 5:-5].std() > 1.05 * taken(pixels, places)[5:-5, 5:-5].std()
