// Masks of dropout, from counters, as whygrad.plan.dropout has them: a pure function of seed, step, layer, example and
// unit, so that the page finds the very units that training leaves out.

const WORD = 64, GOLDEN = 0x9e3779b97f4a7c15n, MIX = [0xbf58476d1ce4e5b9n, 0x94d049bb133111ebn]; // SplitMix64
const wrapped = (number) => BigInt.asUintN(WORD, number);

function mixed(number) {
  number = wrapped((number ^ (number >> 30n)) * MIX[0]);
  number = wrapped((number ^ (number >> 27n)) * MIX[1]);
  return number ^ (number >> 31n);
}

const counted64 = (counter) => (BigInt(counter) + 1n) * GOLDEN;

/** Return the factors that a step multiplies an example's activations with, by layer: 0, or 1/(1 − p); null without. */
export function masksAt({ network: { sizes, dropout = [] }, settings }, step, example) {
  if (!dropout.some(Boolean)) return null;
  return sizes.map((size, l) => {
    const rate = l ? dropout[l - 1] : 0;
    if (!rate) return null;
    const key = [settings.seed, step, l].reduce((number, counter) => mixed(wrapped(number + counted64(counter))), 0n);
    const row = mixed(wrapped(key + counted64(example))), kept = BigInt(Math.round((1 - rate) * 2 ** 32));
    return Float64Array.from({ length: size }, (_, j) => (mixed(wrapped(row + counted64(j))) >> 32n < kept ? 1 / (1 - rate) : 0));
  });
}
