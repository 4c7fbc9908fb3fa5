"""`whygrad why …` and `whygrad check`, as cyclopts reads them from these functions."""

from typing import Annotated, Literal

from cyclopts import App, Group

from whygrad.cli.arguments import OutputFormat, Rows, RunFolder, option

QUESTION = Group("The question", sort_key=0)

why = App(
    name="why",
    help="Say why, with the numbers: why a weight would move, whose fault it is, why this prediction, and "
    "what the training examples added to it.",
    help_epilogue="""A weight is LAYER:TO,FROM, a neuron LAYER:UNIT, by numbers from 0 or by names.

Examples:

    whygrad why weight iris.run
    whygrad why weight iris.run 2:0,5 --row 17
    whygrad why weight iris.run '1:hidden 1:3,petal width (cm)' --svg weight.svg
    whygrad why paths iris.run 'petal width (cm) -> hidden 1:3'
    whygrad why blame iris.run --class virginica --html blame.html
    whygrad why prediction iris.run --row 17 --json
    whygrad why ledger iris.run 2:0,5
    whygrad why pushed iris.run --row 17
    whygrad why without iris.run 3,5 --row 17""",
    help_format="plaintext",
    version_flags=[],
    help_flags=["--help", "-h"],
    sort_key=6,
)

WEIGHT = (
    "Which weight: 2:0,5 leads to unit 0 of layer 2 from unit 5 below; also by name, '2:setosa,hidden 5', "
    "2:0,bias, 'hidden 5 -> setosa'. [the one of layer 1 that the rows would move most]"
)
Weight = Annotated[str | None, option(WEIGHT, name="WEIGHT", group=QUESTION)]
Top = Annotated[int, option("How many are listed. [10]", group=QUESTION)]
HELD_OUT = Rows()
PLAIN = OutputFormat()


@why.command(
    sort_key=1,
    help="Show the chain rule of one weight or bias with its numbers, for test row 0.",
    help_epilogue="""Examples:

    whygrad why weight houses.run
    whygrad why weight houses.run 2:0,5 --row 3
    whygrad why weight houses.run '1:0,rooms' --all --depth 2""",
)
def weight(
    run: RunFolder,
    place: Weight = None,
    /,
    *,
    depth: Annotated[
        int, option("How many layers are unrolled on the way to the cost. [1]", group=QUESTION)
    ] = 1,
    top: Top = 10,
    rows: Rows = HELD_OUT,
    answer: OutputFormat = PLAIN,
) -> int:
    from whygrad.cli.why import weight

    return weight(run, place, rows, answer, depth, top)


@why.command(
    sort_key=2,
    help="Show the same derivative as a sum over all paths to the cost, and the heaviest of them.",
    help_epilogue="""Example: whygrad why paths houses.run '1:0,rooms' --top 5""",
)
def paths(
    run: RunFolder,
    place: Weight = None,
    /,
    *,
    output: Annotated[
        str | None, option("To this output instead of the cost.", group=QUESTION)
    ] = None,
    top: Top = 10,
    rows: Rows = HELD_OUT,
    answer: OutputFormat = PLAIN,
) -> int:
    from whygrad.cli.why import paths

    return paths(run, place, rows, answer, output, top)


@why.command(
    sort_key=3,
    help="Show the error of every neuron, and who passes it on to whom, for all test rows.",
    help_epilogue="""Examples:

    whygrad why blame iris.run
    whygrad why blame iris.run 1:3 --class virginica""",
)
def blame(
    run: RunFolder,
    neuron: Annotated[
        str | None, option("Whose blame: 1:3, or its name. [all]", name="NEURON", group=QUESTION)
    ] = None,
    /,
    *,
    top: Top = 10,
    rows: Rows = HELD_OUT,
    answer: OutputFormat = PLAIN,
) -> int:
    from whygrad.cli.why import blame

    return blame(run, neuron, rows, answer, top)


@why.command(
    sort_key=4,
    help="Move one weight, bias or input a little: what was to be expected, and what happens, for "
    "row 0.",
    help_epilogue="""Examples:

    whygrad why ripple houses.run 2:0,5 --by -0.5
    whygrad why ripple houses.run 0:rooms""",
)
def ripple(
    run: RunFolder,
    place: Annotated[
        str | None,
        option(
            "Which weight, as in `why weight`, or which input: 0:rooms.",
            name="WEIGHT",
            group=QUESTION,
        ),
    ] = None,
    /,
    *,
    by: Annotated[
        float,
        option("By how much it is moved; an input in standard deviations. [0.1]", group=QUESTION),
    ] = 0.1,
    top: Top = 10,
    rows: Rows = HELD_OUT,
    answer: OutputFormat = PLAIN,
) -> int:
    from whygrad.cli.why import ripple

    return ripple(run, place, rows, answer, by, top)


@why.command(
    sort_key=5,
    help="Show what one neuron looks for, and what it is good for, by all test rows.",
    help_epilogue="""Examples:

    whygrad why neuron iris.run
    whygrad why neuron iris.run 'hidden 1:3'""",
)
def neuron(
    run: RunFolder,
    unit: Annotated[
        str | None,
        option(
            "Which one: 1:3, or its name. [the hidden one that the rows blame most]",
            name="NEURON",
            group=QUESTION,
        ),
    ] = None,
    /,
    *,
    top: Annotated[int, option("How many examples are listed. [8]", group=QUESTION)] = 8,
    rows: Rows = HELD_OUT,
    answer: OutputFormat = PLAIN,
) -> int:
    from whygrad.cli.why import neuron

    return neuron(run, unit, rows, answer, top)


@why.command(
    sort_key=6,
    help="Show what each column contributes to the output for one row, and what would change the "
    "answer.",
    help_epilogue="""Examples:

    whygrad why prediction iris.run --row 17
    whygrad why prediction iris.run --wanted virginica""",
)
def prediction(
    run: RunFolder,
    /,
    *,
    row: Annotated[int, option("Which of the test rows, from 0. [0]", group=QUESTION)] = 0,
    output: Annotated[
        str | None, option("Which output. [that of the class it says]", group=QUESTION)
    ] = None,
    wanted: Annotated[
        str | None, option("The answer it should change to. [any other]", group=QUESTION)
    ] = None,
    top: Top = 10,
    answer: OutputFormat = PLAIN,
) -> int:
    from whygrad.cli.why import prediction

    return prediction(run, row, answer, output, wanted, top)


OUTPUT = "Which class or output. [the class it says]"


@why.command(
    sort_key=7,
    help="Show what a weight adds up from: its start, and what every example, class and epoch added.",
    help_epilogue="""Examples:

    whygrad why ledger iris.run
    whygrad why ledger iris.run 2:0,5
    whygrad why ledger iris.run 'petal width (cm) -> hidden 3' --svg weight.svg
    whygrad why ledger iris.run virginica
    whygrad why ledger iris.run 'layer 2'""",
)
def ledger(
    run: RunFolder,
    place: Annotated[
        str | None,
        option(
            "Which weight or bias, as in `why weight`; or all of a neuron, 1:3 or its name; or of a layer, "
            "'layer 2' or 2. [of those to an output the weight that went furthest]",
            name="WEIGHT",
            group=QUESTION,
        ),
    ] = None,
    /,
    *,
    top: Annotated[
        int, option("How many examples are listed, up and down. [10]", group=QUESTION)
    ] = 10,
    answer: OutputFormat = PLAIN,
) -> int:
    from whygrad.cli.trained import ledger

    return ledger(run, place, answer, top)


@why.command(
    sort_key=8,
    help="Show what the training examples' pushes on the prediction for test row 0 add up to.",
    help_epilogue="""Examples:

    whygrad why pushed iris.run --row 17
    whygrad why pushed iris.run --row 17 --output virginica --html pushed.html
    whygrad why pushed iris.run --all --by cost""",
)
def pushed(
    run: RunFolder,
    /,
    *,
    output: Annotated[str | None, option(OUTPUT, group=QUESTION)] = None,
    by: Annotated[
        Literal["a", "z", "cost"],
        option("The output a, its weighted input z, or the cost. [a]", group=QUESTION),
    ] = "a",
    top: Annotated[
        int, option("How many pushes up and down are listed. [10]", group=QUESTION)
    ] = 10,
    rows: Rows = HELD_OUT,
    answer: OutputFormat = PLAIN,
) -> int:
    from whygrad.cli.trained import pushed

    return pushed(run, rows, answer, output, by, top)


@why.command(
    sort_key=9,
    help="Train again without some examples: what the prediction for test row 0 would be.",
    help_epilogue="""Examples:

    whygrad why without iris.run 17 --row 3
    whygrad why without iris.run 3,5 10-14 --all
    whygrad why without iris.run 17 --rescale --json""",
)
def without(
    run: RunFolder,
    examples: Annotated[
        str,
        option(
            "Which training examples, by the numbers that `why pushed` lists: 17, 3,5, 10-14.",
            name="EXAMPLES",
            group=QUESTION,
        ),
    ],
    /,
    *more: Annotated[str, option("More of them.", name="MORE", group=QUESTION)],
    output: Annotated[str | None, option(OUTPUT, group=QUESTION)] = None,
    rescale: Annotated[
        bool, option("Divide by the examples that remain in a batch.", group=QUESTION)
    ] = False,
    rows: Rows = HELD_OUT,
    answer: OutputFormat = PLAIN,
) -> int:
    from whygrad.cli.trained import without

    return without(run, (examples, *more), rows, answer, output, rescale)


def check(
    run: RunFolder,
    /,
    *,
    sample: Annotated[
        str, option("How many parameters are checked, or all. [1000]", group=QUESTION)
    ] = "1000",
    seed: Annotated[int, option("Draws them. [0]", group=QUESTION)] = 0,
    rows: Rows = HELD_OUT,
    answer: OutputFormat = PLAIN,
) -> int:
    from whygrad.cli.why import check

    return check(run, rows, answer, sample, seed)
