"""What δ is made of: the shares of the neurons above, or of an output the cost; as terms and equations.

δˡₖ = Σ_j Wˡ⁺¹ⱼₖ δˡ⁺¹ⱼ f′(zˡₖ),  δᴸₖ = ∂C/∂aᴸₖ f′(zᴸₖ), or aᴸₖ − yₖ where f′ cancels
"""

from whygrad.answers.expression import (
    Call,
    Derivative,
    Equation,
    Expression,
    Number,
    Product,
    Sum,
    SumOver,
    Symbol,
    Words,
)
from whygrad.answers.names import Ref
from whygrad.answers.parts import Factor, Term
from whygrad.nn.functions import canonical_link
from whygrad.why import symbols
from whygrad.why.context import Context
from whygrad.why.error.flow import Flow
from whygrad.why.local import inseparable


def terms_below(context: Context, flow: Flow, l: int, k: int) -> list[Term]:
    """Return the shares of a unit below the outputs; of a single example with their factors."""
    net, names, W = context.net, context.names, context.theta.W[l + 1]
    name, shares = names.of(net, l, k), flow.of_unit(l, k).tolist()
    terms = []
    for j, above in enumerate(names.said(net, l + 1)):
        part = Ref(l + 1, j, k).part
        factors: tuple[Factor, ...] = ()
        if context.n == 1:
            w = Factor(
                symbols.weight(l + 1, j, k),
                float(W[j, k]),
                f"how strongly {name} acts on {above}",
                part,
            )
            d = Factor(
                symbols.unit("δ", l + 1, j),
                float(context.delta[l + 1][0, j]),
                f"the error of {above}",
                Ref(l + 1, j).part,
            )
            factors = (w, d)
            if l > 0:
                reacts = float(flow.slopes[l][0, k])
                f = Factor(symbols.slope_of(l, k), reacts, f"how much {name} still reacts")
                factors += (f,)
        terms.append(Term(above, shares[j], factors, part))
    return terms


def output_terms(context: Context, j: int) -> list[Term]:
    """Take δᴸⱼ apart: what is said less what is true, or the cost's derivative through f."""
    net, y, L = context.net, context.y, context.net.L
    a, z, s = context.trace.a[L], context.trace.z[L], context.s / context.S
    f, C, names = net.f[L], net.C, context.names
    if canonical_link(f, C):
        said = Term("what it says", float(s @ a[:, j]), part=Ref(L, j).part)
        return [said, Term("what is true", -float(s @ y[:, j]), part=Ref(L, j).part)]
    if inseparable(context):
        name = f"{C.name} and {f.name} together"
        return [Term(name, float(s @ context.delta[L][:, j]), part=Ref(L, j).part)]
    gradient = C.derivative(a, y)
    if f.custom_vjp is None:
        slopes = f.derivative(z)[:, j]
        value = float(s @ (gradient[:, j] * slopes))
        factors: tuple[Factor, ...] = ()
        if context.n == 1:
            passed = _by(symbols.unit("a", L, j))
            factors = (
                Factor(passed, float(gradient[0, j]), f"how {C.name} changes with the output"),
                Factor(symbols.slope_of(L, j), float(slopes[0]), "how much the output reacts"),
            )
        return [Term(f"{C.name} through {f.name}", value, factors, Ref(L, j).part)]
    values = s @ (gradient * f.derivative(z)[:, :, j])
    return [
        Term(f"{C.name} through {names.of(net, L, m)}", float(value), part=Ref(L, m).part)
        for m, value in enumerate(values)
    ]


def in_symbols(context: Context, l: int, k: int) -> Equation:
    """Return δ of a unit in symbols."""
    net, L = context.net, context.net.L
    left = symbols.unit("δ", l, k) if l > 0 else _by(Symbol("x", None, (k,), part=Ref(0, k).part))
    right: Expression
    if l < L:
        body = (Symbol("W", l + 1, ("j", k)), Symbol("δ", l + 1, ("j",)))
        right = SumOver("j", Product((*body, symbols.slope_of(l, k)) if l else body))
    elif canonical_link(net.f[L], net.C):
        true = Product((Number(-1.0), Symbol("y", None, (k,))))
        right = Sum((symbols.unit("a", L, k), true))
    elif net.f[L].custom_vjp is None:
        right = Product((_by(symbols.unit("a", L, k)), symbols.slope_of(L, k)))
    else:
        a = Symbol("a", L, ("m",))
        right = SumOver("m", Product((_by(a), Derivative(a, symbols.unit("z", L, k)))))
    return Equation((left, right))


def in_numbers(l: int, k: int, terms: list[Term], value: float) -> Equation:
    """Return δ of a unit as the sum of its terms, of many the largest first."""
    left = symbols.unit("δ", l, k) if l > 0 else _by(Symbol("x", None, (k,), part=Ref(0, k).part))
    numbers = symbols.summed_up([(term.value, term.part) for term in terms], len(terms), 0.0)
    return Equation((left, Sum(tuple(numbers)), Number(value)))


def _by(symbol: Symbol) -> Derivative:
    return Derivative(Symbol("C"), symbol)


def general() -> Equation:
    """Return BP2, unit by unit."""
    body = (Symbol("W", "l+1", ("j", "k")), Symbol("δ", "l+1", ("j",)))
    slope = Call(Symbol("f", prime=True), Symbol("z", "l", ("k",)))
    return Equation((Symbol("δ", "l", ("k",)), SumOver("j", Product((*body, slope)))))


def tweak() -> Equation:
    """Return the equation of a tweak, the change that an example asks for at a weight."""
    right = Product((Symbol("a", "l-1", ("k",)), Symbol("δ", "l", ("j",))))
    return Equation((Words("tweak of a weight"), right))
