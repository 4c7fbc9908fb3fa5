// What a change of one weight or bias does to every later unit and to the cost: computed again exactly, beside
// first order, as `whygrad why ripple` has it.
//
//   Δzˡⱼ = Δw aˡ⁻¹ₖ,  Δaˡ ≈ f′(zˡ) ⊙ Δzˡ,  Δzˡ⁺¹ ≈ Wˡ⁺¹ Δaˡ,  ΔC ≈ ∂C/∂w Δw
//
// What first order misses is called "beyond first order".

import { gradientAt, passedWith, weightOf } from "./equation.js";
import { indexOf, slopesOf } from "./model.js";

export function rippleOf(pass, part, by) {
  const { model, theta, a } = pass, { l, j, k } = part, L = model.L;
  const changed = Float64Array.from(theta);
  changed[indexOf(model, part)] += by;
  const exact = passedWith(pass, changed);
  const first = firstOrder(pass, part, by), units = [];
  for (let m = l; m <= L; m++)
    for (let i = 0; i < model.sizes[m]; i++) {
      if (m === l && i !== j) {
        if (m < L || model.f[m].family !== "softmax") continue; // the others of its layer do not hear of it
      }
      units.push({ part: `${m}:${i}`, l: m, j: i, before: a[m][i], change: exact.a[m][i] - a[m][i], firstOrder: first[m][i] });
    }
  const moved = exact.cost - pass.cost, promised = gradientAt(pass, l, j, k) * by;
  return { units, cost: { before: pass.cost, change: moved, firstOrder: promised, beyond: moved - promised } };
}

// Δa of first order, by layer.
function firstOrder(pass, { l, j, k }, by) {
  const { model, z, a } = pass, da = a.map((layer) => new Float64Array(layer.length));
  let dz = new Float64Array(model.sizes[l]);
  dz[j] = by * (k === null ? 1 : a[l - 1][k]);
  for (let m = l; m <= model.L; m++) {
    if (m > l) {
      dz = new Float64Array(model.sizes[m]);
      for (let i = 0; i < dz.length; i++)
        for (let h = 0; h < da[m - 1].length; h++) dz[i] += weightOf(pass, m, i, h) * da[m - 1][h];
    }
    const slopes = slopesOf(model, m, z[m]);
    const mean = slopes ? 0 : dz.reduce((sum, one, i) => sum + one * a[m][i], 0);
    for (let i = 0; i < dz.length; i++) da[m][i] = slopes ? slopes[i] * dz[i] : a[m][i] * (dz[i] - mean);
  }
  return da;
}

// The cost as the weight moves by −reach … reach, for a curve.
export function costCurve(pass, part, reach, points = 41) {
  const at = indexOf(pass.model, part), theta = Float64Array.from(pass.theta), start = theta[at];
  return Array.from({ length: points }, (_, i) => {
    const by = reach * ((2 * i) / (points - 1) - 1);
    theta[at] = start + by;
    return [by, passedWith(pass, theta).cost];
  });
}
