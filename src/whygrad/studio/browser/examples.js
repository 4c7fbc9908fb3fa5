// Which example is looked at: those that a recording carries, by class and by why it carries them; in the studio any
// other by its part and number.

import { h, write } from "./dom.js";
import { forward } from "./model.js";
import { classOfTruth, classSaid, saysMinusOne, saysShares } from "./surface.js";
import { capital, inOwnUnits, percent, said } from "./words.js";

/** Open the sheet in which an example is chosen. */
export function chooseExample(stage, recording, store) {
  const { header, examples } = recording, { about } = examples;
  const body = h("tbody"), rows = h("table", { class: "wgm-table st-examples" },
    h("thead", {}, h("tr", {}, ...["example", "truth", "network", "why it is here"].map((text) => h("th", {}, text)))), body);
  const only = h("select", { "aria-label": "only of class", onchange: fill },
    ...[["", "all classes"], ...(header.classes ?? []).map((name, c) => [c, `only ${name}`])].map(([value, text]) => h("option", { value }, text)));
  const open = (example) => {
    store.set({ example, point: null });
    fill();
  };

  function fill() {
    const state = store.get(), theta = recording.theta(state.step);
    const answer = (i) => forward(recording.model, theta, examples.x(i)).a.at(-1);
    body.replaceChildren(...Array.from({ length: examples.count }, (_, i) => i)
      .filter((i) => only.value === "" || classOfTruth(examples.y(i), saysMinusOne(header.network)) === Number(only.value))
      .map((i) => {
        const go = h("button", { type: "button", onclick: () => open(i) }, `${about.part[i]} ${said(about.rows[i], 12)}`);
        const row = about.columns.map((column, k) => `${column} ${about.cells[i][k]}`).join(", "); // as the table has it
        return h("tr", { "aria-current": i === state.example, title: row }, h("td", {}, go), h("td", {}, truthSaid(header, examples.y(i))),
          h("td", {}, answerSaid(header, answer(i))), h("td", {}, about.why[i]));
      }));
  }

  fill();
  const chosen = header.classes ? [h("p", {}, only)] : [];
  stage.openSheet("Choose an example", h("div", { class: "wgm-sheet" }, ...(about.sizes ? [byNumber(recording, about, open)] : []), ...chosen, rows));
}

// A part and a number: any example that the studio has.
function byNumber(recording, about, open) {
  const part = h("select", { "aria-label": "part of the data", onchange: () => bound() },
    ...Object.entries(about.sizes).map(([name, count]) => h("option", { value: name }, `${name}, ${said(count, 12)}`)));
  const number = h("input", { type: "number", min: 0, value: 0, "aria-label": "number of the example" });
  number.onfocus = () => number.select(); // what is typed takes its place
  const told = h("span", { role: "status" });
  const bound = () => { number.max = about.sizes[part.value] - 1; };
  bound();
  const show = async (event) => {
    event.preventDefault();
    try {
      open(await recording.exampleAt(part.value, Number(number.value)));
      write(told, "");
    } catch (error) {
      write(told, capital(error.message));
    }
  };
  return h("form", { class: "st-bynumber", onsubmit: show }, part, number, h("button", { type: "submit" }, "Show"), told);
}

function truthSaid(header, y) {
  return header.classes ? header.classes[classOfTruth(y, saysMinusOne(header.network))] : said(inOwnUnits(header.outputs?.[0], y[0]), 4);
}

function answerSaid(header, a) {
  if (!header.classes) return said(inOwnUnits(header.outputs?.[0], a[0]), 4);
  const { one, share } = classSaid(a, saysMinusOne(header.network), header.threshold);
  return `${header.classes[one]}${saysShares(header.network) ? `, ${percent(share, ">", "<")}` : ""}`;
}
