"""The surface of a network of two inputs: it is what the network says, in the colours of its classes."""

import base64
import re
import struct
import zlib
from xml.etree import ElementTree

import numpy as np
import pytest

import whygrad as wg
from whygrad.answers.draw.palette import COLOURS, PIXELS
from whygrad.answers.names import Names
from whygrad.studio.session.surface import GRID, Surface, contour, has_surface

SVG = "{http://www.w3.org/2000/svg}"


def slope(*sample_weight, f="sigmoid", cost="binary_cross_entropy", b=0.0):
    """A network of one layer whose answers are known."""
    net = wg.Network(2, [wg.Dense(len(sample_weight), f)], cost)
    return net, net.init(W=[None, list(sample_weight)], b=[None, [b] * len(sample_weight)])


def examples(n=40, outputs=1, seed=0):
    draws = np.random.default_rng(seed)
    X = draws.uniform(-2, 2, (n, 2))
    if outputs == 1:
        return X, (X[:, :1] > 0).astype(float)
    return X, np.eye(outputs)[draws.integers(outputs, size=n)]


def rgb(colour):
    return [int(colour[i : i + 2], 16) for i in (1, 3, 5)]


def pixels_of(svg):
    """The pixels of the image in an SVG, (GRID, GRID, 4)."""
    href = ElementTree.fromstring(svg).find(f".//{SVG}image").get("href")
    data = base64.b64decode(href.removeprefix("data:image/png;base64,"))
    place, pieces = 8, {}
    while place < len(data):
        (length,) = struct.unpack(">I", data[place : place + 4])
        kind = data[place + 4 : place + 8]
        pieces[kind] = pieces.get(kind, b"") + data[place + 8 : place + 8 + length]
        place += 12 + length
    rows = np.frombuffer(zlib.decompress(pieces[b"IDAT"]), np.uint8).reshape(GRID, -1)
    return rows[:, 1:].reshape(GRID, GRID, 4)


def test_each_pixel_is_what_the_network_says_at_its_middle():
    net = wg.Network(2, [wg.Dense(4, "tanh"), wg.Dense(3, "softmax")], "cross_entropy")
    surface = Surface(net, net.init(seed=2), examples(outputs=3))
    (left, right), (low, high) = surface.ranges
    for row, column in ((0, 0), (0, GRID - 1), (17, 40), (GRID - 1, 3)):
        x = left + (right - left) * (column + 0.5) / GRID
        y = high - (high - low) * (row + 0.5) / GRID
        a = wg.forward(net, surface.theta, [[x, y]]).a[-1][0]
        np.testing.assert_allclose(surface.outputs[row, column], a, rtol=1e-12)


def test_classes_have_their_colours_and_are_paler_where_the_network_is_less_sure():
    net, theta = slope([8.0, 0.0])
    pixels = pixels_of(Surface(net, theta, examples()).svg())
    first, second = (np.array(rgb(COLOURS[name][0])) for name in ("c0", "c1"))
    assert abs(pixels[30, 0, :3].astype(int) - first).max() <= 1
    assert abs(pixels[30, -1, :3].astype(int) - second).max() <= 1
    middle = pixels[30, GRID // 2 - 2 : GRID // 2 + 2, 3]
    assert middle.max() < pixels[30, 0, 3] / 1.5
    assert (pixels[:, 5] == pixels[0, 5]).all()  # nothing depends on the second input


def test_the_upper_row_has_the_larger_second_input():
    net, theta = slope([0.0, 8.0])
    outputs = Surface(net, theta, examples()).outputs[..., 0]
    assert (outputs[0] > 0.99).all()
    assert (outputs[-1] < 0.01).all()


def test_several_classes_are_mixed_in_their_colours():
    net, theta = slope([0.0, 0.0], [0.0, 0.0], [0.0, 0.0], f="softmax", cost="cross_entropy")
    pixels = Surface(net, theta, examples(outputs=3)).pixels()
    mean = np.mean([rgb(COLOURS[f"c{c}"][0]) for c in range(3)], axis=0)
    assert abs(pixels[0, 0, :3] - mean).max() <= 1


def test_numbers_are_blue_above_the_middle_of_the_data_and_orange_below():
    net, theta = slope([1.0, 0.0], f="identity", cost="squared_error", b=5.0)
    X = np.array([[-1.0, 0.0], [1.0, 1.0]])
    surface = Surface(net, theta, (X, np.array([[4.0], [6.0]])))
    pixels = surface.pixels()
    assert list(pixels[3, -1, :3]) == rgb(PIXELS["positive"])
    assert list(pixels[3, 0, :3]) == rgb(PIXELS["negative"])
    assert pixels[3, GRID // 2, 3] < 10 < 100 < pixels[3, 0, 3]
    said = Surface(net, theta, surface.training, target=(100.0, 10.0)).svg()
    assert "output 0 above 150" in said


def test_the_border_is_where_the_network_changes_its_mind():
    net, theta = slope([3.0, 0.0], b=-1.5)
    svg = Surface(net, theta, examples()).svg()
    border = next(
        p for p in ElementTree.fromstring(svg).iter(f"{SVG}path") if p.get("stroke-width") == "1.4"
    )
    places = np.array(re.findall(r"[ML]([\d.]+) ([\d.]+)", border.get("d")), float)
    frame = ElementTree.fromstring(svg).find(f".//{SVG}image")
    share = (places[:, 0] - float(frame.get("x"))) / float(frame.get("width"))
    left, right = Surface(net, theta, examples()).ranges[0]
    np.testing.assert_allclose(left + share * (right - left), 0.5, atol=0.01)


def test_a_contour_runs_through_the_zeros_of_a_circle():
    y, x = np.mgrid[-2:2:41j, -2:2:41j]
    pieces = contour(x**2 + y**2 - 1)
    at = -2 + pieces / 10
    np.testing.assert_allclose(np.hypot(at[..., 0], at[..., 1]), 1, atol=0.01)
    lengths = np.hypot(*(at[:, 0] - at[:, 1]).T)
    assert abs(lengths.sum() - 2 * np.pi) < 0.05
    assert len(contour(np.ones((5, 5)))) == 0
    assert contour(np.array([[1.0, -1.0], [-1.0, 1.0]])).shape == (2, 2, 2)
    assert np.isfinite(contour(np.array([[1.0, -np.inf], [np.nan, 1.0]]))).all()


def test_axes_have_the_units_of_the_data():
    net, theta = slope([1.0, 1.0])
    X, Y = examples()
    X[0], X[1] = (-2.0, -2.0), (2.0, 2.0)
    svg = Surface(
        net,
        theta,
        (X, Y),
        names=Names(inputs=("income", "age")),
        scales=((1000.0, 250.0), (40.0, 10.0)),
    ).svg()
    texts = [one.text for one in ElementTree.fromstring(svg).iter(f"{SVG}text")]
    assert {"income", "age", "1,000", "1,400", "40", "60"} <= set(texts)


def test_training_and_validation_examples_stand_where_they_belong_in_the_colour_of_their_class():
    net, theta = slope([1.0, 1.0])
    X = np.array([[-1.0, -1.0], [1.0, 1.0]])
    about = (X, np.array([[0.0], [1.0]])), (np.array([[0.0, 0.0]]), np.array([[1.0]]))
    surface = Surface(
        net, theta, *about, names=Names(outputs=("yes",), classes=("no", "yes")), asked=X[0]
    )
    root = ElementTree.fromstring(surface.svg())
    frame = root.find(f".//{SVG}image")
    x, y, w, h = (float(frame.get(name)) for name in ("x", "y", "width", "height"))

    def at(look):
        paths = [p.get("d") for p in root.iter(f"{SVG}path") if p.get("class") == look]
        return [
            tuple(map(float, re.fullmatch(r"M([\d.]+) ([\d.]+)h0", d).groups()))
            for d in paths
            if "h0" in d
        ]

    (low,) = at("wg-on-c0")
    both = at("wg-on-c1")
    share = 0.08 / 1.16  # the margin, of each side
    np.testing.assert_allclose(low, (x + share * w, y + (1 - share) * h), atol=0.2)
    np.testing.assert_allclose(both[0], (x + (1 - share) * w, y + share * h), atol=0.2)
    np.testing.assert_allclose(both[1], (x + w / 2, y + h / 2), atol=0.2)
    ring = next(one for one in root.iter(f"{SVG}circle"))
    np.testing.assert_allclose([float(ring.get("cx")), float(ring.get("cy"))], low, atol=0.2)
    texts = {one.text for one in root.iter(f"{SVG}text")}
    assert {"no", "yes", "training", "validation"} <= texts


def test_each_part_of_the_data_has_a_mark_of_its_own():
    net, theta = slope([1.0, 1.0])
    part = (np.array([[0.5, 0.5]]), np.array([[1.0]]))

    def marks(**parts):
        """How many layers of which cap the only point is drawn with."""
        root = ElementTree.fromstring(Surface(net, theta, **parts).svg())
        caps = [p.get("stroke-linecap") for p in root.iter(f"{SVG}path") if "h0" in p.get("d")]
        texts = {one.text for one in root.iter(f"{SVG}text")} & {"training", "validation", "test"}
        return len(caps) // 2, set(caps), texts  # in the drawing and in its key

    assert marks(training=part) == (2, {"round"}, {"training"})
    assert marks(validation=part) == (3, {"round"}, {"validation"})
    assert marks(test=part) == (3, {"square"}, {"test"})


def test_the_ranges_come_from_the_examples_so_that_nothing_moves_while_it_trains():
    net, theta = slope([1.0, 1.0])
    part = examples()
    later = wg.Parameters(net.sizes, theta.flat * 3)
    assert Surface(net, theta, part).ranges == Surface(net, later, part).ranges
    assert Surface(net, theta).ranges == ((-1.16, 1.16), (-1.16, 1.16))
    one = Surface(net, theta, (np.zeros((1, 2)), np.zeros((1, 1))))
    assert one.ranges == ((-1.0, 1.0), (-1.0, 1.0))
    one.svg()


def test_a_network_that_has_diverged_is_blank():
    net, theta = slope([1e308, 1e308])
    assert Surface(net, theta, examples()).svg()
    net, theta = slope([1e308, 1e308], f="identity", cost="squared_error")
    assert pixels_of(Surface(net, theta, (examples()[0] * 100, examples()[1])).svg())[0, 0, 3] == 0


def test_only_networks_of_two_inputs_have_a_surface():
    net = wg.Network(3, [wg.Dense(1, "sigmoid")])
    assert not has_surface(net)
    with pytest.raises(
        wg.InputError, match="a network of 3 inputs has no surface to draw: it needs two"
    ):
        Surface(net, net.init())


def test_many_examples_are_thinned_and_markup_in_names_is_escaped():
    net, theta = slope([1.0, 1.0])
    X, Y = examples(20_000)
    names = Names(inputs=("<b>", '"&'), outputs=("<script>",))
    svg = Surface(net, theta, (X, Y), (X, Y), names=names).svg()
    assert svg.count("h0") < 10_000
    assert "<script>" not in svg
    ElementTree.fromstring(svg)
    assert "<style>" not in Surface(net, theta, (X, Y)).svg(alone=False)
