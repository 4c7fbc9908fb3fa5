// The first page of the studio: the stage alone, until the whole page is loaded. That is then laid around this stage,
// in this document: what was clicked, dragged or painted stays as it is, and nothing is drawn anew.

import { h, write } from "./dom.js";
import { fetcher } from "./recording.js";
import { openStudio } from "./studio.js";
import { capital } from "./words.js";

// What waits for the whole page, by the word that this is told: short, for a telephone.
const WAITS = { fork: "trains on", askFork: "Fork", why: "Why", wrong: "Why", cure: "the cure", edit: "the change", reset: "Reset" };
const LOOK = 250; // ms between two looks at a training, until the whole page tells of news

/** Open the stage, and lay the whole page around it as soon as that can be had. */
export function openFirst() {
  const studio = window.wgStudio = openStudio();
  let gone = false;
  const look = async () => {
    if (studio.reach || gone) return;
    await studio.news();
    setTimeout(look, LOOK);
  };
  const told = document.querySelector("#wg-first .wg-run");
  const ways = [...document.querySelectorAll("#wg-first [data-panel]")];
  studio.waits = (what, panel) => {
    const way = what === "panel" && ways.find(({ dataset }) => dataset.panel === panel);
    if (way) write(told, `${way.textContent} opens once it is loaded …`);
    else if (WAITS[what]) write(told, `${WAITS[what]}: loading the panels …`);
  };
  for (const way of ways) way.onclick = () => {
    studio.untold = studio.untold.filter(([what]) => what !== "panel");
    studio.tell("panel", way.dataset.panel, "", studio.where());
  };
  studio.first.then(() => studio.untold.length || write(told, "loading the panels …"));
  // To load the rest holds the server up: it is asked for once the picture moves.
  studio.first.then(look).then(() => wholePage(fetcher("/"))).then((page) => layAround(page, document)).catch(({ message }) => {
    gone = true;
    document.getElementById("wg-first").remove();
    document.body.append(h("p", { class: "wg-message", role: "alert" }, `${capital(message)}.`));
  });
}

// The page is answered for once it is there, or cannot be.
async function wholePage(got) {
  const { error } = await (await got("stage/whole")).json();
  if (error) throw new Error(error);
  return new DOMParser().parseFromString(await (await got("")).text(), "text/html");
}

/** Lay a page around what a document shows: all that it has but the stage, with its scripts in their order. */
export function layAround(page, document) {
  for (const own of page.querySelectorAll("[data-stage], title, meta[charset], meta[name=viewport]")) own.remove();
  for (const part of ["head", "body"]) for (const node of [...page[part].childNodes]) document[part].append(alive(node));
}

// A script that was only parsed never runs: one that is made does.
function alive(node) {
  if (node.nodeName !== "SCRIPT") return node;
  const script = h("script", Object.fromEntries([...node.attributes].map(({ name, value }) => [name, value])), node.textContent);
  script.async = false;
  return script;
}
