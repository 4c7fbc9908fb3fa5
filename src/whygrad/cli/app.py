"""The commands and their options, as cyclopts reads them from these functions; others do the work."""

from pathlib import Path
from typing import Annotated

from cyclopts import App, Group

import whygrad
from whygrad.cli import app_runs as app_again
from whygrad.cli.arguments import Json, RunFolder, option
from whygrad.cli.questions import check, why
from whygrad.nn.functions import ACTIVATIONS, COSTS
from whygrad.pipeline.settings import SCHEDULES
from whygrad.plan.optimizers import OPTIMIZERS

app = App(
    name="whygrad",
    help="Train a neural network on a table, score it, and use it.",
    help_epilogue="""Examples:

    whygrad train houses.csv --target price
    whygrad predict houses.run new.csv -o prices.csv
    whygrad evaluate houses.run more.csv
    whygrad show houses.run
    whygrad why weight houses.run
    whygrad studio houses.run

COMMAND --help lists the options of a command.""",
    help_format="plaintext",
    version=f"whygrad {whygrad.__version__}",
    version_flags=["--version"],
    help_flags=["--help", "-h"],
    print_error=False,
    exit_on_error=False,
    suppress_keyboard_interrupt=False,
)
app.register_install_completion_command(
    help="Let your shell complete this command.",
    help_epilogue="Example: whygrad --install-completion --shell bash",
)

app.command(why)
app.command(
    check,
    sort_key=7,
    help="Check the gradient by central differences, on 100 test rows; exit code 1 if it is wrong.",
    help_epilogue="""Examples:

    whygrad check houses.run
    whygrad check houses.run --sample all --row 0""",
)

DATA = Group("Data and result", sort_key=0)
NETWORK = Group("Network", sort_key=1)
TRAINING = Group("Training", sort_key=2)


@app.command(
    sort_key=1,
    help="Train a network on a table, score it on rows it has not seen, and write it to a folder.",
    help_epilogue="""The same names can stand in a file whygrad.toml here, as in: hidden = [40, 20].

Examples:

    whygrad train houses.csv --target price
    whygrad train iris --hidden 40,20 --activation tanh --seed 1""",
)
def train(
    file: Annotated[
        str,
        option(
            "CSV or Parquet, or one of digits, iris, wine, breast_cancer, diabetes, mnist, xor, spirals, "
            "moons, circles.",
            name="FILE",
            group=DATA,
        ),
    ],
    /,
    *,
    target: Annotated[str | None, option("The column to predict.", group=DATA)] = None,
    task: Annotated[
        str | None, option("classification or regression. [told from the target]", group=DATA)
    ] = None,
    leave_out: Annotated[
        list[str] | None,
        option("A column not to learn from; give it again for another.", group=DATA),
    ] = None,
    test: Annotated[
        float | None, option("Share of the rows kept to score with. [0.2]", group=DATA)
    ] = None,
    validation: Annotated[
        float | None,
        option("Share of the others measured every epoch, to stop by. [0.1 of many]", group=DATA),
    ] = None,
    run: Annotated[
        Path | None, option("The folder to write. [FILE's name].run", group=DATA)
    ] = None,
    overwrite: Annotated[bool, option("Replace that folder.", group=DATA)] = False,
    copy_data: Annotated[
        bool, option("Put the encoded rows into that folder, however many.", group=DATA)
    ] = False,
    json: Annotated[bool, option("Print JSON, for other programs.", group=DATA)] = False,
    hidden: Annotated[
        str | None, option("Units of the hidden layers, or none. [128,64]", group=NETWORK)
    ] = None,
    activation: Annotated[
        str | None,
        option(
            "relu, tanh, sigmoid, gelu, … [relu]",
            group=NETWORK,
            choices=tuple(name for name, f in ACTIVATIONS.items() if f.custom_vjp is None),
            show_choices=False,
        ),
    ] = None,
    cost: Annotated[
        str | None,
        option(
            "cross_entropy, squared_error, huber, … [by the target]",
            group=NETWORK,
            choices=tuple(COSTS),
            show_choices=False,
        ),
    ] = None,
    optimizer: Annotated[
        str | None,
        option(
            "adam, adamw, nadam, rmsprop, adagrad or sgd. [adam]",
            group=TRAINING,
            choices=tuple(OPTIMIZERS),
            show_choices=False,
        ),
    ] = None,
    learning_rate: Annotated[
        float | None, option("The learning rate. [0.001; sgd 0.01]", group=TRAINING)
    ] = None,
    schedule: Annotated[
        str | None,
        option(
            "constant, inverse_scaling, step, cosine, one_cycle, on_plateau, adaptive. [by the rows]",
            group=TRAINING,
            choices=tuple(SCHEDULES),
            show_choices=False,
        ),
    ] = None,
    epochs: Annotated[
        int | None, option("Passes through the rows, at most. [by the rows]", group=TRAINING)
    ] = None,
    batch_size: Annotated[
        int | None, option("Rows per step. [by the rows]", group=TRAINING)
    ] = None,
    dropout: Annotated[
        float | None, option("Share of hidden units that a step leaves out. [0]", group=TRAINING)
    ] = None,
    l1: Annotated[
        float | None, option("Penalty on the size of weights. [0]", group=TRAINING)
    ] = None,
    l2: Annotated[
        float | None, option("Penalty on their squares. [1 / rows]", group=TRAINING)
    ] = None,
    seed: Annotated[
        int | None, option("Decides the split, the start and the order. [0]", group=TRAINING)
    ] = None,
    engine: Annotated[
        str | None,
        option(
            "auto, native or reference. [auto]",
            group=TRAINING,
            choices=("auto", "native", "reference"),
            show_choices=False,
        ),
    ] = None,
) -> int:
    from whygrad.cli.train import train

    given = {
        "target": target,
        "task": task,
        "leave_out": leave_out,
        "test": test,
        "validation": validation,
        "run": None if run is None else str(run),
        "hidden": hidden,
        "activation": activation,
        "cost": cost,
        "optimizer": optimizer,
        "learning_rate": learning_rate,
        "schedule": schedule,
        "epochs": epochs,
        "batch_size": batch_size,
        "dropout": dropout,
        "l1": l1,
        "l2": l2,
        "seed": seed,
        "engine": engine,
    }
    return train(file, given, overwrite=overwrite, copy_data=copy_data, json=json)


@app.command(
    sort_key=2,
    help="Predict the target of every row; the columns are found by name, in any order.",
    help_epilogue="""Examples:

    whygrad predict houses.run new.csv
    whygrad predict flowers.run new.parquet -o species.parquet --probabilities""",
)
def predict(
    run: RunFolder,
    file: Annotated[str, option("CSV or Parquet, of any size, or a data set's name.", name="FILE")],
    /,
    *,
    out: Annotated[
        Path | None,
        option("CSV or Parquet to write. [CSV on standard output]", name=["-o", "--out"]),
    ] = None,
    probabilities: Annotated[bool, option("A column for each class, too.")] = False,
    overwrite: Annotated[bool, option("Replace OUT.")] = False,
    json: Annotated[bool, option("Print what was written as JSON; needs -o.")] = False,
) -> int:
    from whygrad.cli.predict import predict

    return predict(run, file, out, probabilities=probabilities, overwrite=overwrite, json=json)


@app.command(
    sort_key=3,
    help="Score the predictions for rows of which the target is known.",
    help_epilogue="""Examples:

    whygrad evaluate houses.run
    whygrad evaluate houses.run more.csv --json""",
)
def evaluate(
    run: RunFolder,
    file: Annotated[
        str | None,
        option(
            "CSV or Parquet with the target, or a data set's name. [the rows held out in training]",
            name="FILE",
        ),
    ] = None,
    /,
    *,
    json: Json = False,
) -> int:
    from whygrad.cli.show import evaluate

    return evaluate(run, file, json=json)


@app.command(
    sort_key=5,
    help="List the runs in a folder with their scores.",
    help_epilogue="""Examples:

    whygrad runs
    whygrad runs experiments --json""",
)
def runs(
    folder: Annotated[Path, option("Where to look. [here]", name="FOLDER")] = Path(),
    /,
    *,
    json: Json = False,
) -> int:
    from whygrad.cli.show import runs

    return runs(folder, json=json)


@app.command(
    sort_key=4,
    help="Show a run's settings, the curves of its training, and its scores.",
    help_epilogue="""Examples:

    whygrad show houses.run
    whygrad show houses.run --json""",
)
def show(run: RunFolder, /, *, json: Json = False) -> int:
    from whygrad.cli.show import show

    return show(run, json=json)


@app.command(
    sort_key=8,
    help="See backpropagation happen: open a page to build, train and question networks, until "
    "Ctrl-C.",
    help_epilogue="""Examples:

    whygrad studio
    whygrad studio houses.run --port 9000""",
)
def studio(
    run: Annotated[
        Path | None,
        option("A folder that `whygrad train` has written. [begin with data]", name="RUN"),
    ] = None,
    /,
    *,
    folder: Annotated[Path, option("Where data and runs are read and written. [here]")] = Path(),
    port: Annotated[int, option("Where it listens, or at the next free one. [8750]")] = 8750,
    host: Annotated[
        str, option("The address it listens at. [127.0.0.1, for this machine only]")
    ] = "127.0.0.1",
    no_browser: Annotated[bool, option("Print the address, and open no browser.")] = False,
) -> int:
    from whygrad.studio import studio

    studio(run, folder=folder, host=host, port=port, show=not no_browser)
    return 0


for place, (command, text, epilogue) in enumerate(app_again.COMMANDS, start=20):
    app.command(command, sort_key=place, help=text, help_epilogue=epilogue)
