"""The network in the browser computes what the reference engine computes, on the same stored numbers."""

import json
import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest

import whygrad as wg
from networks import HIDDEN, PAIRINGS, draw_targets
from whygrad.nn import canonical_link, example_costs
from whygrad.nn.parametric import FAMILIES, of_family
from whygrad.studio.film.bundle import BROWSER, bundle, modules
from whygrad.studio.film.recording import network_of

CLOSE = 1e-9  # of the largest of the numbers compared: a thousandth of what is promised
PARAMETERS = {
    "leaky_relu": (0.2,),
    "elu": (1.7,),
    "sharp_softplus": (2.5, 3.0),
    "clipped": (-0.5, 0.8),
    "celu": (0.6,),
}
FAMILY = {name: of_family(name, PARAMETERS.get(name, ())) for name in FAMILIES}

PROGRAM = """
import {
  backward, costSlope, forward, gradientOf, isCanonical, makeModel, responses, slopesOf,
} from "MODEL";
//
let text = "";
for await (const piece of process.stdin) text += piece;
const plain = (value) => {
  if (Array.isArray(value)) return value.map(plain);
  return ArrayBuffer.isView(value) ? Array.from(value, (v) => (Number.isFinite(v) ? v : String(v))) : value;
};
const found = JSON.parse(text).map(({ network, theta, X, Y }) => {
  const model = makeModel(network), flat = Float32Array.from(theta);
  const each = X.map((x, i) => {
    const trace = forward(model, flat, x), { delta, cost } = backward(model, flat, trace, Y[i]);
    const slopes = slopesOf(model, 1, trace.z[1]) ?? [];
    return plain([trace.z.slice(1), trace.a.slice(1), delta.slice(1), cost,
      gradientOf(model, trace, delta), slopes, costSlope(model, trace.a[model.L], Y[i])]);
  });
  const points = Float64Array.from(X.flat());
  const all = responses(model, flat, points);
  const again = responses(model, flat, points, all.map((a) => a.slice().fill(7)));
  return { each, all: plain(all), again: plain(again), canonical: isCanonical(model) };
});
process.stdout.write(JSON.stringify(found));
"""


def in_node(program, given=None):
    """Run an ES module in node, `given` on its standard input as JSON; return what it writes."""
    if shutil.which("node") is None:
        pytest.skip("there is no node to run JavaScript with")
    with TemporaryDirectory() as folder:
        path = Path(folder) / "program.mjs"
        path.write_text(program, encoding="utf-8")
        found = subprocess.run(
            ["node", path], input=json.dumps(given), capture_output=True, text=True, timeout=120
        )
    assert found.returncode == 0, found.stderr[-2000:]
    return json.loads(found.stdout)


def computed(cases, source=None):
    """Return what model.js (or another `source`) computes of cases."""
    path = (BROWSER / "model.js").as_uri()
    program = PROGRAM.replace("MODEL", path)
    if source is not None:
        stripped = source.replace("export ", "")
        program = stripped + program.partition("//\n")[2]
    sent = [
        {
            "network": network_of(case["net"]),
            "theta": case["theta"].flat.tolist(),
            "X": case["X"].tolist(),
            "Y": case["Y"].tolist(),
        }
        for case in cases
    ]
    return in_node(program, sent)


def case(net, seed, *, size=1.0):
    """Draw parameters, kept in float32, and four examples for a network."""
    rng = np.random.default_rng(seed)
    theta = net.init(seed)
    drawn = (size * rng.normal(size=theta.flat.shape)).astype(np.float32)
    flat = np.where(net.present, drawn, 0).astype(np.float64)
    return {
        "net": net,
        "theta": wg.Parameters(net.sizes, flat),
        "X": rng.normal(size=(4, net.sizes[0])).round(3),
        "Y": draw_targets(rng, net.C.targets, 4, net.sizes[-1]).round(6)
        if net.C.targets != "distribution"
        else np.eye(net.sizes[-1])[rng.integers(net.sizes[-1], size=4)],
    }


def _cases():
    mask = np.arange(12).reshape(4, 3) % 3 > 0
    found = []
    for i, (output, cost) in enumerate(PAIRINGS):
        hidden = HIDDEN[i % len(HIDDEN)]
        layers = [wg.Dense(4, hidden), wg.Dense(3, output)]
        found.append(case(wg.Network(3, layers, cost=cost), i))
        # Far from 0, where outputs saturate and a derivative by a has a pole; relu
        # keeps all digits till there.
        sure = wg.Network(3, [wg.Dense(4, "relu"), wg.Dense(3, output)], cost=cost)
        if output not in ("exp", "tanh"):  # which overflows, and which has lost its 1 − a² in both
            found.append(case(sure, i, size=12.0))
    for i, f in enumerate([*HIDDEN, *FAMILY.values()]):
        layers = [wg.Dense(4, f), wg.Dense(5, f), wg.Dense(2, f)]
        # exp of exp of exp turns a last digit into a wholly other number, unless weights are small
        small, large = (0.3, 0.4) if f == "exp" else (1.0, 2.0)
        found.append(case(wg.Network(3, layers), 100 + i, size=small))
        found.append(case(wg.Network(3, layers, cost="huber"), 200 + i, size=large))
    masked = [wg.Dense(4, "relu", mask=mask, dropout=0.5), wg.Dense(3, "softmax")]
    found.append(case(wg.Network(3, masked, cost="cross_entropy"), 7))
    wide = wg.Network((28, 28), [wg.Dense(10, "gelu"), wg.Dense(1, "sigmoid")], cost="huber")
    return [*found, case(wide, 8, size=0.1)]


CASES = _cases()


@pytest.fixture(scope="module")
def from_the_browser():
    return computed(CASES)


@np.errstate(all="ignore")  # what overflows has to overflow in both
def disagreements(case, seen):
    """Return which of the numbers differ from those of the reference engine."""
    net, theta, X, Y = case["net"], case["theta"], case["X"], case["Y"]
    trace = wg.backward(net, theta, wg.forward(net, theta, X), Y)
    costs = example_costs(net, trace, Y)
    wrong = []

    def compare(what, ours, right):
        ours, right = (np.array(one, np.float64) for one in (ours, right))
        off = np.abs(ours - right)
        off[ours == right] = 0
        largest = np.abs(right[np.isfinite(right)]).max(initial=0)
        if ours.shape != right.shape or not (off <= CLOSE * largest + 1e-300).all():
            wrong.append(what)

    for i, (z, a, delta, cost, gradient, slope, cost_slope) in enumerate(seen["each"]):
        for l in range(1, net.L + 1):
            compare(f"z[{l}]", z[l - 1], trace.z[l][i])
            compare(f"a[{l}]", a[l - 1], trace.a[l][i])
            compare(f"delta[{l}]", delta[l - 1], trace.delta[l][i])
        compare("cost", [cost], [costs[i]])
        one = wg.backward(net, theta, wg.forward(net, theta, X[i : i + 1]), Y[i : i + 1])
        compare("gradient", gradient, wg.gradients(net, theta, one).flat)
        if net.L > 1:
            compare("slope", slope, net.f[1].derivative(trace.z[1][i]))
        compare(
            "cost slope", cost_slope, net.C.derivative(trace.a[net.L][i : i + 1], Y[i : i + 1])[0]
        )
    canonical = canonical_link(net.f[net.L], net.C) is not None
    compare("canonical", [seen["canonical"]], [canonical])
    for name in ("all", "again"):
        for l in range(net.L + 1):
            compare(f"responses {name} [{l}]", seen[name][l], trace.a[l].ravel())
    return wrong


def _name(case):
    return f"{'-'.join(f.name for f in case['net'].f[1:])}, {case['net'].C.name}"


def test_every_activation_cost_and_mask_gives_the_reference_engines_numbers(
    from_the_browser,
):
    found = [
        (_name(case), wrong)
        for case, seen in zip(CASES, from_the_browser, strict=True)
        if (wrong := disagreements(case, seen))
    ]
    assert not found, found


def test_the_cases_cover_all_that_whygrad_has():
    shown = [network_of(case["net"]) for case in CASES]
    families = {one["family"] for about in shown for one in about["activations"]}
    assert families == {*wg.functions.ACTIVATIONS, *FAMILIES}
    assert {about["cost"] for about in shown} == set(wg.functions.COSTS)
    links = wg.functions.CANONICAL_LINKS
    paired = {(about["activations"][-1]["family"], about["cost"]) for about in shown}
    assert set(links) < paired


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("1 - Math.tanh(z) ** 2", "1 - Math.tanh(z)"),
        ("sum + theta[b + j]", "sum"),
        ("error[j] += theta[w++] * above[i]", "error[j] += theta[w++]"),
        ("v * total - y[j]", "v - y[j]"),
        ("for (const place of model.masked) gradient[place] = 0;", ""),
        ("let sum = biases[j];", "let sum = 0;"),
        ("for (let k = 40; k > 0; k--)", "for (let k = 2; k > 0; k--)"),
    ],
)
def test_an_error_planted_in_the_module_is_seen(right, wrong):
    source = (BROWSER / "model.js").read_text("utf-8")
    assert source.count(right) == 1
    seen = computed(CASES, source.replace(right, wrong))
    assert any(disagreements(case, one) for case, one in zip(CASES, seen, strict=True))


def test_a_function_of_the_users_own_is_refused_with_its_name():
    cube = wg.Activation("cube", lambda z: z**3, lambda z: 3 * z**2)
    with pytest.raises(wg.InputError, match="activation 'cube' is code of your own"):
        network_of(wg.Network(2, [wg.Dense(2, cube), wg.Dense(1)]))


@pytest.mark.parametrize(
    ("text", "room", "written"),
    [
        ("latitude & longitude 30° 40.01 to 40.09", 23, "lati…30° 40.01 to 40.09"),
        ("latitude & longitude 30° 40.01 to 40.09", 14, "latit…to 40.09"),
        ("ocean_proximity=NEAR BAY", 14, "ocean…NEAR BAY"),
        ("pneumonoultramicroscopic", 10, "pneumonou…"),
        ("age 88 to 89", 12, "age 88 to 89"),
    ],
    ids=str,
)
def test_a_long_name_keeps_the_words_that_it_ends_with_and_never_half_a_number(text, room, written):
    found = in_node(f"""
import {{ shortened }} from "{(BROWSER / "dom.js").as_uri()}";
const context = {{ measureText: (text) => ({{ width: text.length }}) }};
process.stdout.write(JSON.stringify(shortened(context, {json.dumps(text)}, {room}, true)));
""")
    assert found == written


# ── the bundle ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("entry", sorted(path.stem for path in BROWSER.glob("*.js")))
def test_a_bundle_is_one_script_that_imports_nothing(entry):
    script = bundle(entry)
    assert not any(line.startswith(("import ", "export ")) for line in script.splitlines())
    used = [name for name in modules(entry) if f"const ${name} = " in script]
    assert len(used) == len(modules(entry))


def test_a_bundle_computes_what_its_modules_compute():
    given = "$recording.unpacked(new Uint8Array([0, 0, 128, 63]), {count: 1, dtype: 'float32', states: {}})"
    found = in_node(
        f"{bundle('film')}\nprocess.stdout.write(JSON.stringify([...(await {given})]));"
    )
    assert found == [1]


def test_modules_that_import_each_other_are_refused(tmp_path, monkeypatch):
    from whygrad.studio.film import bundle as bundling

    monkeypatch.setattr(bundling, "BROWSER", Path(tmp_path))
    (tmp_path / "a.js").write_text('import { b } from "./b.js";\nexport const a = 1;\n')
    (tmp_path / "b.js").write_text('import { a } from "./a.js";\nexport const b = 1;\n')
    with pytest.raises(ValueError, match="a → b → a"):
        bundling.modules("a")
