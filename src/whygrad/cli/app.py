"""The commands of `whygrad`: their names, and their help.

Each command is one function, `whygrad.cli.MODULE:FUNCTION`, which cyclopts imports when that command
is asked for. The help stands here, since docstrings are gone under `python -OO`.
"""

from cyclopts import App

import whygrad

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

why = App(
    name="why",
    help="Say why, with the numbers: why a weight would move, whose fault it is, why this prediction, and "
    "what the training examples added to it.",
    help_epilogue="""A weight is LAYER:TO,FROM, a neuron LAYER:UNIT, by numbers from 0 or by names.

Examples:

    whygrad why weight iris.run
    whygrad why weight iris.run 3:0,14 --row 17
    whygrad why weight iris.run '1:hidden 1:3,petal width (cm)' --svg weight.svg
    whygrad why paths iris.run 'petal width (cm) -> hidden 1:3'
    whygrad why blame iris.run --class virginica --html blame.html
    whygrad why prediction iris.run --row 17 --json
    whygrad why ledger iris.run 3:0,14
    whygrad why influence iris.run
    whygrad why without iris.run 3,5 --row 17""",
    help_format="plaintext",
    version_flags=[],
    help_flags=["--help", "-h"],
    sort_key=8,
)
app.command(why)

# Each with its help and the examples at the end of that, in the order they are listed.
# Command: what it does, and examples.
COMMANDS = {
    "train:train": (
        "Train a network on a table, score it on rows set aside, and write it to a folder.",
        "whygrad train houses.csv --target price",
        "whygrad train iris --hidden 40,20 --activation tanh --seed 1",
    ),
    "columns:columns": (
        "Show what every column of a table is, how its cells are read, and what becomes of it.",
        "whygrad columns houses.csv",
        "whygrad columns houses.csv --target price --type zip=category --na=-9 --json",
    ),
    "runs:launch": (
        "Run a training in several processes, with the same bits as in one; a script or a module, too.",
        "whygrad launch -n 4 train big.csv --target price --run big.run",
        "whygrad launch -n 4 --restarts 3 train big.csv --target price --run big.run",
        "whygrad launch -n 2 resume big.run",
        "whygrad launch -n 4 -m package.training --epochs 10",
    ),
    "predict:predict": (
        "Predict the target of every row; the columns are found by name, in any order.",
        "whygrad predict houses.run new.csv",
        "whygrad predict flowers.run new.parquet -o species.parquet --probabilities",
    ),
    "show:evaluate": (
        "Score the predictions for rows of which the target is known.",
        "whygrad evaluate houses.run",
        "whygrad evaluate houses.run more.csv --json",
    ),
    "show:show": (
        "Show a run's settings, the curves of its training, and its scores.",
        "whygrad show houses.run",
        "whygrad show houses.run --json",
    ),
    "trained:doctor": (
        "Diagnose a training that does not learn: what is wrong, with evidence, and a cure that is proven.",
        "whygrad doctor houses.run",
        "whygrad doctor houses.run --seconds 120 --html doctor.html",
    ),
    "show:report": (
        "Write a run as one page that a colleague can read: data, scores, columns, examples, caveats.",
        "whygrad report houses.run",
        "whygrad report houses.run -o report.html",
    ),
    "show:film": (
        "Write a training as one HTML file that plays in any browser: step by step, with its chain rules.",
        "whygrad film houses.run",
        "whygrad film digits.run -o digits.html --examples 100 --size 10",
    ),
    "show:worksheet": (
        "Write one step of backpropagation for one test row as a page to print, to be filled in by hand.",
        "whygrad worksheet houses.run",
        "whygrad worksheet iris.run -o sheet.html --filled --from 1",
    ),
    "show:runs": (
        "List the runs in a folder with their scores.",
        "whygrad runs",
        "whygrad runs experiments --json",
    ),
    "why:check": (
        "Gradient check by central differences, on 100 test rows; exit code 1 if it is wrong.",
        "whygrad check houses.run",
        "whygrad check houses.run --sample all --row 0",
    ),
    "studio:studio": (
        "See backpropagation happen: open a page to build, train and question networks, until Ctrl-C.",
        "whygrad studio",
        "whygrad studio houses.run --port 9000",
    ),
    "runs:replay": (
        "Compute a training again and compare every cost and state with what was recorded.",
        "whygrad replay houses.run",
        "whygrad replay houses.run --step 1000 -o early.safetensors",
    ),
    "runs:resume": (
        "Go on with a training that was broken off, or with one at its end for more epochs.",
        "whygrad resume houses.run",
        "whygrad resume houses.run --epochs 100",
    ),
    "runs:fork": (
        "Go on from a step in another way, as a new run; the old one stays as it is.",
        "whygrad fork houses.run --step 1000 --learning-rate 0.0001",
        "whygrad fork houses.run --step 0 --seed 7 --record other.run",
    ),
    "runs:diff": (
        "Say what differs between two runs, and from which step on; exit code 1 where anything does.",
        "whygrad diff houses.run houses-fork.run",
    ),
    "predict:export": (
        "Write a network for another program: ONNX, C99, JavaScript, or tensors with PyTorch's names.",
        "whygrad export houses.run houses.onnx",
        "whygrad export houses.run houses.c --rows new.csv",
    ),
}
QUESTIONS = {
    "why:weight": (
        "Gradient decomposition: the chain rule of one weight or bias, with its numbers, for test row 0.",
        "whygrad why weight houses.run",
        "whygrad why weight houses.run 2:0,5 --row 3",
        "whygrad why weight houses.run '1:0,rooms' --all --depth 2",
    ),
    "why:paths": (
        "Path decomposition: the same derivative as a sum over all paths to the cost, heaviest first.",
        "whygrad why paths houses.run '1:0,rooms' --top 5",
    ),
    "why:blame": (
        "Error attribution: the error of every neuron, and who passes it on to whom, for all test rows.",
        "whygrad why blame iris.run",
        "whygrad why blame iris.run 1:3 --class virginica",
    ),
    "why:ripple": (
        "Sensitivity and what-if: move a weight, bias or input, and compare with first order, for row 0.",
        "whygrad why ripple houses.run 2:0,5 --by -0.5",
        "whygrad why ripple houses.run 0:rooms",
    ),
    "why:neuron": (
        "Ablation: what the network is without one neuron, and what it responds to, by all test rows.",
        "whygrad why neuron iris.run",
        "whygrad why neuron iris.run 'hidden 1:3'",
    ),
    "why:prediction": (
        "Feature attribution and counterfactuals: what each column adds, and what would change the answer.",
        "whygrad why prediction iris.run --row 17",
        "whygrad why prediction iris.run --wanted virginica",
        "whygrad why prediction iris.run --baseline 3",
    ),
    "trained:ledger": (
        "Ledger: what a weight adds up from, its start and what every example, class and epoch added.",
        "whygrad why ledger iris.run",
        "whygrad why ledger iris.run 3:0,14",
        "whygrad why ledger iris.run 'petal width (cm) -> hidden 1:3' --svg weight.svg",
        "whygrad why ledger iris.run virginica",
        "whygrad why ledger iris.run 'layer 2'",
    ),
    "trained:labels": (
        "Noisy labels: the training rows whose labels may be wrong, by training without them.",
        "whygrad why labels iris.run",
        "whygrad why labels iris.run --top 50 --json",
    ),
    "trained:influence": (
        "Influence: what the cost, a prediction or a weight would be without each training example.",
        "whygrad why influence iris.run",
        "whygrad why influence iris.run --row 17 --output virginica --html influence.html",
        "whygrad why influence iris.run 'petal width (cm) -> hidden 1:3'",
        "whygrad why influence iris.run --exact 50",
    ),
    "trained:settings": (
        "Settings: what other learning rates, penalties and class weights would have done to the cost.",
        "whygrad why settings iris.run",
        "whygrad why settings iris.run --try",
    ),
    "trained:harmful": (
        "Harmful examples: training rows whose removal lowers the cost of rows that it did not see.",
        "whygrad why harmful iris.run",
    ),
    "trained:without": (
        "Leave-one-out retraining: train again without some examples, and compare a prediction.",
        "whygrad why without iris.run 17 --row 3",
        "whygrad why without iris.run 3,5 10-14 --all",
        "whygrad why without iris.run 17 --rescale --json",
    ),
}

TOML = "The same names can stand in a file whygrad.toml here, as in: hidden = [40, 20].\n\n"


def _epilogue(examples: list[str]) -> str:
    """Return the examples of a command as its help ends with them."""
    if len(examples) == 1:
        return f"Example: {examples[0]}"
    return "Examples:\n\n" + "\n".join(f"    {example}" for example in examples)


for parent, commands in ((app, COMMANDS), (why, QUESTIONS)):
    # `why` is the eighth of the first list.
    for place, (path, (help, *examples)) in enumerate(commands.items(), start=1):
        parent.command(
            f"whygrad.cli.{path}",
            sort_key=place + (parent is app and place > 7),
            help=help,
            help_epilogue=TOML * (path == "train:train") + _epilogue(examples),
        )
