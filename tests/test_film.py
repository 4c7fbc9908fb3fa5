"""A film is one file that plays without a server: right numbers, no request, no markup, and small."""

import json
import os
import re
from pathlib import Path

import numpy as np
import pytest

import whygrad as wg
from browser import wait_for
from test_stage_model import in_node
from whygrad.cli import run as command
from whygrad.pipeline.fit import find
from whygrad.pipeline.settings import Settings
from whygrad.record.rows import record_table
from whygrad.studio.film.bundle import BROWSER
from whygrad.studio.film.recording import chosen_steps, recording_of

pytest_plugins = ["browser"]
HOSTILE = "</script><img src=x onerror=\"document.title='taken'\"><!--"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("films")


@pytest.fixture(scope="module")
def xor(folder):
    net = wg.Network(2, [wg.Dense(3, "tanh"), wg.Dense(1, "sigmoid")], "binary_cross_entropy")
    X, Y = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], [0, 1, 1, 0]
    path = folder / "xor.run"
    wg.train(net, X, Y, epochs=60, batch_size=3, optimizer=wg.Adam(0.05), record=path)
    return path


@pytest.fixture(scope="module")
def hostile(folder):
    """A run on a table whose column, classes and rows are markup."""
    rng = np.random.default_rng(0)
    cells = [f"{x:.3f},{y:.3f},{'no' if x < y else HOSTILE}" for x, y in rng.normal(size=(60, 2))]
    file = folder / "hostile.csv"
    quoted = '"' + HOSTILE.replace('"', '""') + '"'
    head = f"{quoted},b,target\n"
    file.write_text(head + "\n".join(cells).replace(HOSTILE, quoted) + "\n", encoding="utf-8")
    path = folder / "hostile.run"
    words = ["train", str(file), "--target", "target", "--hidden", "3", "--epochs", "4"]
    assert command([*words, "--no-comparison", "--run", str(path)]) == 0
    return path


@pytest.fixture(scope="module")
def film(xor):
    return wg.film(xor, xor.with_suffix(".html"))


def test_a_piece_of_a_column_has_no_number_in_the_columns_units(tmp_path):
    words = ["train", "iris", "--quality", "fast", "--epochs", "1", "--no-comparison"]
    assert command([*words, "--run", str(tmp_path / "iris.run")]) == 0
    inputs = recording_of(wg.open_run(tmp_path / "iris.run")).header["inputs"]
    pieces = [one for one in inputs if " to " in one["name"]]
    assert len(pieces) > 20 and all(set(one) == {"name", "column"} for one in pieces)
    assert all(one["scale"] > 0 for one in inputs if one["name"] == one["column"])


def test_rates_are_those_of_the_stages_of_a_resumed_run(tmp_path):
    net = wg.Network(2, [wg.Dense(3, "tanh"), wg.Dense(1, "sigmoid")], "binary_cross_entropy")
    X, Y = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], [0, 1, 1, 0]
    rates, options = [], {"batch_size": 2, "schedule": wg.Cosine(), "record": tmp_path / "a.run"}
    wg.train(net, X, Y, epochs=4, **options)
    for epochs in (None, 7):
        if epochs:
            wg.open_run(tmp_path / "a.run").resume(epochs=epochs)
        rates.append(recording_of(wg.open_run(tmp_path / "a.run")).header["batch"]["rate"])
    assert rates[1][:8] == rates[0][:8]
    assert len(set(rates[1])) > 4


FILM = "document.getElementById('whygrad-film').film"


def play(browser, url):
    """Open a film and wait until all of its states are there."""
    browser.driver.get(url)
    ready = f"return {FILM} && {FILM}.recording.steps.every((_, i) => {FILM}.recording.has(i))"
    wait_for(lambda: browser.driver.execute_script(ready), "the film")


def unpacked(path):
    """Return the header of a film, and its states as the page's own module reads them."""
    page = path.read_text(encoding="utf-8")
    header = json.loads(re.search(r'id="whygrad-header">(.*?)</script>', page)[1])
    pieces = re.findall(r'id="whygrad-states-\d+">(.*?)</script>', page)
    program = f"""
        import {{ unpacked }} from "{(BROWSER / "recording.js").as_uri()}";
        let text = "";
        for await (const piece of process.stdin) text += piece;
        const {{ header, pieces }} = JSON.parse(text), found = [];
        for (const piece of pieces) {{
          found.push(Array.from(await unpacked(Buffer.from(piece, "base64"), header)));
        }}
        process.stdout.write(JSON.stringify(found.flat()));
    """
    states = np.array(in_node(program, {"header": header, "pieces": pieces}))
    return header, states.reshape(-1, header["count"])


def test_a_film_holds_the_very_states_of_the_training_in_float32(xor, film):
    run = wg.open_run(xor)
    header, states = unpacked(film)
    assert header["dtype"] == "float32" and header["states"]["packed"]
    assert header["steps"] == list(range(run.step + 1))
    for i in (0, 1, 17, run.step):
        assert (states[i] == run.state(i).theta.astype(np.float32)).all()


def test_its_curves_are_cost_and_score_of_its_states(xor, film):
    run = wg.open_run(xor)
    header, _ = unpacked(film)
    X, Y = run.data.X, run.data.Y
    for i in (0, 30, run.step):
        theta = wg.Parameters(run.net.sizes, run.state(i).theta)
        trace = wg.forward(run.net, theta, X)
        assert header["curves"]["cost"][i] == pytest.approx(wg.cost(run.net, theta, trace, Y))
        right = ((trace.a[-1] > 0.5) == (Y > 0.5)).mean()
        assert header["curves"]["score"][i] == right
    assert header["curves"]["score_name"] == "accuracy"


def test_examples_begin_with_the_most_wrong_and_come_from_every_class(folder):
    net = wg.Network(4, [wg.Dense(3, "softmax")], "cross_entropy")
    rng = np.random.default_rng(1)
    X, labels = rng.normal(size=(200, 4)), rng.integers(3, size=200)
    wg.train(net, X, labels, epochs=1, record=folder / "three.run")
    run = wg.open_run(folder / "three.run")
    about = recording_of(run, examples=12).header["examples"]
    costs = -np.log(run.fitted.predict(X)[np.arange(200), labels])
    assert about["count"] == 12
    assert about["rows"][about["start"]] == costs.argmax()
    wrong = {
        row for row, why in zip(about["rows"], about["why"], strict=True) if why == "most wrong"
    }
    assert wrong == set(np.argsort(-costs)[:4].tolist())
    assert {labels[row] for row in about["rows"]} == {0, 1, 2}


def test_where_float32_has_no_room_states_are_halves_and_the_film_is_as_small_as_asked(folder):
    net = wg.Network((28, 28), [wg.Dense(20, "relu"), wg.Dense(10, "softmax")], "cross_entropy")
    rng = np.random.default_rng(0)
    X, labels = rng.random((64, 784)), rng.integers(10, size=64)
    wg.train(net, X, labels, epochs=20, batch_size=16, dtype="float32", record=folder / "wide.run")
    path = folder / "wide.html"
    wg.film(folder / "wide.run", path, size=1.5, examples=5)
    header, states = unpacked(path)
    assert path.stat().st_size <= 1.5e6
    assert header["dtype"] == "float16" and 10 < len(states) < 81
    last = wg.open_run(folder / "wide.run").theta.flat
    assert (states[-1] == last.astype(np.float16)).all()
    apart = np.diff(header["steps"])
    assert header["steps"][0] == 0 and header["steps"][-1] == 80 and len(set(apart[:-1])) == 1


@pytest.mark.data
@pytest.mark.skipif("WHYGRAD_LONG" not in os.environ, reason="takes a minute: make test-long")
def test_a_film_of_mnist_has_six_megabytes_at_most_and_several_states_of_every_epoch(folder):
    words = ["train", "mnist", "--hidden", "30", "--epochs", "30", "--no-comparison"]
    path = folder / "mnist.run"
    assert command([*words, "--run", str(path)]) == 0
    run = wg.open_run(path)
    assert run.net.sizes == (784, 30, 10) and len(run.history.epochs) == 30
    film = wg.film(run, folder / "mnist.html")
    header, _ = unpacked(film)
    assert film.stat().st_size <= 6e6 and len(header["steps"]) >= 2 * 30


def test_what_is_right_at_a_step_is_not_called_most_wrong_beside_it():
    program = f"""
        import {{ sentencesOf }} from "{(BROWSER / "surface.js").as_uri()}";
        const header = {{ classes: ["no", "yes"], network: {{ activations: [{{ family: "sigmoid" }}] }},
          examples: {{ part: ["training"], rows: [7], why: ["most wrong"] }} }};
        const said = [0.9, 0.1].map((a) => sentencesOf(header, {{ trace: {{ a: [[a]] }}, y: [1] }}, {{ example: 0 }})[1]);
        process.stdout.write(JSON.stringify(said));
    """  # noqa: E501
    assert in_node(program) == [
        "right · training example 7", "truth: “yes” · training example 7, most wrong",
    ]  # fmt: skip


def test_a_film_without_room_for_two_states_is_refused_and_nothing_is_written(xor, folder, capsys):
    path = folder / "small.html"
    assert command(["film", str(xor), "-o", str(path), "--size", "0.01"]) == 2
    assert "would have to have" in capsys.readouterr().err
    assert not path.exists()


def test_the_command_writes_beside_the_run_and_overwrites_only_when_asked(xor, film, capsys):
    beside, before = film.with_name("xor-film.html"), film.read_bytes()
    for words in ([], ["--overwrite"]):
        assert command(["film", str(xor), *words]) == 0
        assert "xor-film.html" in capsys.readouterr().out and beside.read_bytes() == before
        assert command(["film", str(xor)]) == 2
        assert "exists already" in capsys.readouterr().err and beside.read_bytes() == before


def test_a_network_without_a_training_is_filmed_as_it_stands(folder):
    net = wg.Network(2, [wg.Dense(3, "tanh"), wg.Dense(1)])
    path = folder / "one.html"
    wg.film(wg.Fitted(net, net.init()), path, [[0.0, 1.0], [2.0, 1.0]], [1.0, 2.0])
    header, states = unpacked(path)
    assert (states[0] == net.init().flat.astype(np.float32)).all()
    assert header["examples"]["count"] == 2 and "without its training" in header["note"]


def test_where_the_data_are_gone_the_kept_states_are_shown_and_it_says_so(folder):
    net = wg.Network(2, [wg.Dense(1, "sigmoid")])
    path = folder / "gone.run"
    wg.train(net, [[0.0, 1.0], [1.0, 1.0]], [0, 1], epochs=5, record=path)
    for name in ("training", "data"):
        for file in path.rglob(f"*{name}*"):
            if file.is_file():
                file.unlink()
    header = recording_of(path).header
    assert "The data are not there" in header["note"] and header["examples"] is None
    assert header["steps"][0] == 0


def test_steps_are_evenly_chosen():
    assert chosen_steps(0, 10, 4) == [0, 4, 8, 10]
    assert chosen_steps(7, 9, 100) == [7, 8, 9]


def test_a_film_names_nothing_that_a_browser_would_fetch(film):
    page = film.read_text(encoding="utf-8")
    assert not re.search(
        r"""(?:src|href)\s*=\s*["']?(?:https?:|//)|url\(\s*["']?(?:https?:|//)""", page
    )
    assert not re.search(r"\b(?:fetch|import)\(\s*[\"'](?:https?:)?//", page)
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1]
    assert policy.startswith("default-src 'none'")


def test_opened_without_a_network_it_has_the_numbers_that_python_has(xor, film, alone):
    run = wg.open_run(xor)
    alone.tell("Network.enable")
    alone.tell(
        "Network.emulateNetworkConditions",
        offline=True, latency=0, downloadThroughput=0, uploadThroughput=0,
    )  # fmt: skip
    play(alone, f"{film.as_uri()}#step=40&example=2")
    shown = alone.driver.execute_script(
        f"const {{ x, y, cost, gradient }} = {FILM}.scene();"
        "return [x, y, [cost], gradient].map((one) => Array.from(one))"
    )
    theta = wg.Parameters(run.net.sizes, run.state(40).theta.astype(np.float32).astype(float))
    X, Y = run.data.X[2:3], run.data.Y[2:3]
    trace = wg.backward(run.net, theta, wg.forward(run.net, theta, X), Y)
    right = (
        X[0],
        Y[0],
        [wg.cost(run.net, theta, trace, Y)],
        wg.gradients(run.net, theta, trace).flat,
    )
    for one, other in zip(shown, right, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9)
    assert {url.partition(":")[0] for url in alone.requests()} <= {"file", "data", "blob"}
    assert not alone.complaints()


def test_as_it_plays_the_caption_is_of_the_step_that_is_drawn_and_the_matrix_counts_its_examples(
    folder, alone
):
    net = wg.Network(3, [wg.Dense(4, "tanh"), wg.Dense(3, "softmax")], "cross_entropy")
    rng = np.random.default_rng(2)
    X, labels = rng.normal(size=(30, 3)), rng.integers(3, size=30)
    wg.train(net, X, labels, epochs=60, optimizer=wg.Adam(0.05), record=folder / "matrix.run")
    play(alone, wg.film(folder / "matrix.run", folder / "matrix.html").as_uri())
    found = alone.driver.execute_async_script(f"""
        const done = arguments[0], film = {FILM}, {{ store, recording, stage }} = film, seen = [];
        const write = CanvasRenderingContext2D.prototype.fillText, texts = new Set();
        CanvasRenderingContext2D.prototype.fillText = function (text, ...at) {{
          texts.add(text);
          write.call(this, text, ...at);
        }};
        store.set({{ step: 0, playing: true }});
        const look = () => {{
          const {{ step, playing }} = store.get();
          if (step && playing) seen.push([stage.caption.textContent, recording.header.curves.score[step]]);
          if (seen.length < 20) requestAnimationFrame(look);
          else done([seen, [...texts], recording.header.examples.whole]);
        }};
        requestAnimationFrame(look);
    """)
    seen, texts, whole = found
    for caption, score in seen:
        share = re.search(r"Correct on ([\d.]+)% of the training examples", caption)[1]
        assert float(share) == pytest.approx(100 * score, abs=0.06)
    assert len({caption for caption, _ in seen}) > 1
    assert whole and "the network says, of 30 examples" in texts


def test_on_a_telephone_the_names_of_the_classes_are_written_whole(folder, narrow):
    settings = Settings(hidden=(3,), epochs=2, engine="reference")
    record_table(folder / "iris.run", find("iris"), settings)
    play(narrow, wg.film(folder / "iris.run", folder / "iris.html").as_uri())
    times = narrow.driver.execute_async_script(f"""
        const done = arguments[0], {{ store, stage }} = {FILM}, times = {{}};
        const write = CanvasRenderingContext2D.prototype.fillText;
        CanvasRenderingContext2D.prototype.fillText = function (text, ...at) {{
          if (this.canvas === stage.bigCanvas) times[text] = (times[text] ?? 0) + 1;
          write.call(this, text, ...at);
        }};
        store.set({{ step: 1, playing: false }});
        requestAnimationFrame(() => requestAnimationFrame(() => done(times)));
    """)
    for name in ("setosa", "versicolor", "virginica"):  # above its column and beside its row
        assert times[name] >= 2 and times[name] % 2 == 0
    assert not any("…" in text for text in times)


def test_a_film_says_the_class_by_the_threshold_of_the_run(hostile, folder):
    words = ["train", str(folder / "hostile.csv"), "--target", "target", "--hidden", "3"]
    aim = ["--aim", "recall=0.99:no", "--validation", "0.3", "--epochs", "4", "--no-comparison"]
    assert command([*words, *aim, "--run", str(folder / "aimed.run")]) == 0
    run = wg.open_run(folder / "aimed.run")
    assert recording_of(run).header["threshold"] == run.encoding.target.threshold != 0.5


def test_names_and_classes_of_a_table_are_never_markup(hostile, alone):
    path = Path(hostile).with_suffix(".html")
    wg.film(hostile, path, title=HOSTILE)
    page = path.read_text(encoding="utf-8")
    assert "<img" not in page and page.count("<!--") == 0
    header, _ = unpacked(path)
    assert header["title"] == HOSTILE and HOSTILE in header["classes"]
    assert header["inputs"][0]["column"] == HOSTILE and HOSTILE in header["examples"]["columns"]
    play(alone, path.as_uri())
    assert alone.driver.title == HOSTILE
    assert not alone.driver.execute_script("return document.images.length")
