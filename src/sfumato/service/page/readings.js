// What machines say of a face, in words and bars.

import { bar, make } from "./page.js";

const READERS = {
  dlib: "A machine that reads the face template",
  pixels: "A machine that reads the picture itself",
};
const NAMES = {
  age_years: "Age",
  attractive: "“Attractive”, to those who labelled photos",
  smiling: "Smile",
  young: "Youth",
};
const LABELS = { "not eyeglasses": "no eyeglasses" };
// Which readings tell whether a hidden attribute is still read.
const TOLD_BY = { race: ["ethnicity"], age: ["age_years", "young"] };
const OLDEST = 100;

/** Return a card on one face: `face` has `readings` and, after a change, `match`. */
export function faceCard(face, title, hidden, open) {
  const card = make("section", { className: "card face" }, make("h3", { textContent: title }));
  if (face.match) card.append(summary(face, hidden), ...disagreement(face, hidden), matchOf(face.match));
  const all = make("details", { open }, make("summary", { textContent: "All that machines read" }));
  for (const [reader, found] of Object.entries(face.readings)) {
    all.append(table(READERS[reader] ?? `The reader ${reader}`, found));
  }
  card.append(all);
  return card;
}

/** A label in plain words: "gender" is "Gender". */
export function nameOf(attribute) {
  const plain = attribute.replaceAll("_", " ");
  return NAMES[attribute] ?? plain[0].toUpperCase() + plain.slice(1);
}

function summary(face, hidden) {
  const list = make("ul", { className: "summary" });
  for (const attribute of hidden) {
    for (const [reader, found] of Object.entries(face.readings)) {
      for (const name of TOLD_BY[attribute] ?? [attribute]) {
        if (found[name]) list.append(sentence(nameOf(name), READERS[reader] ?? reader, found[name]));
      }
    }
  }
  return list;
}

/** A line on readers of which one misreads what another still reads. */
function disagreement(face, hidden) {
  const apart = hidden.some((attribute) => {
    const found = Object.values(face.readings).flatMap((one) =>
      (TOLD_BY[attribute] ?? [attribute]).filter((name) => one[name]).map((name) => one[name]),
    );
    const changed = found.filter(({ before, after }) => differs(before, after)).length;
    return changed > 0 && changed < found.length;
  });
  const textContent =
    "The machines disagree, since they look at different things: one at the face template, one at " +
    "the picture itself. Whoever wants to read this may use either, so it is hidden only where all " +
    "misread it.";
  return apart ? [make("p", { className: "alarm", textContent })] : [];
}

function sentence(name, reader, { before, after }) {
  const changed = differs(before, after);
  const is = `${changed ? "now" : "still"} says ${word(after)}`;
  const verdict = make("strong", { textContent: is });
  const who = reader[0].toLowerCase() + reader.slice(1);
  const line = make("li", {}, `${name}: ${who} said ${word(before)}, `, verdict, ".");
  line.className = changed ? "changed" : "same";
  return line;
}

function matchOf({ metric, score, threshold, fmr, accepted }) {
  const best = metric === "euclidean" ? 0 : 1;
  const share = (value) => (value - 2 * threshold + best) / (2 * (best - threshold));
  const said = accepted
    ? "A matcher still says: same person."
    : "A matcher no longer says: same person.";
  const figures =
    `Score ${decimal(score)}; from ${decimal(threshold)} on (the mark) it says “same person”, ` +
    `${best} is the very same picture. At this mark it takes 1 in ` +
    `${Math.round(1 / fmr).toLocaleString("en")} pairs of different people for one.`;
  return make(
    "div",
    { className: "match" },
    make("p", {}, make("strong", { textContent: said })),
    bar(accepted ? "after" : "before", share(score), 0, share(threshold)),
    make("p", { className: "note", textContent: figures }),
  );
}

function decimal(value) {
  return value.toFixed(2).replace("-", "−");
}

function table(caption, found) {
  const changed = Object.values(found).some((reading) => reading.after);
  const columns = changed ? ["", "before", "after"] : ["", "says"];
  const head = make("tr");
  for (const column of columns) {
    head.append(column ? make("th", { scope: "col", textContent: column }) : make("td"));
  }
  const body = make("tbody");
  for (const [name, { before, after }] of Object.entries(found)) {
    const row = make("tr", {}, make("th", { scope: "row", textContent: nameOf(name) }));
    row.append(cell(before, "before"));
    if (changed) row.append(cell(after, "after", differs(before, after)));
    body.append(row);
  }
  return make("table", {}, make("caption", { textContent: caption }), make("thead", {}, head), body);
}

function cell(reading, kind, changed = false) {
  const said = make(changed ? "strong" : "span", { textContent: word(reading) });
  const line =
    "years" in reading
      ? bar(kind, reading.high / OLDEST, reading.low / OLDEST, reading.years / OLDEST)
      : bar(kind, reading.probability);
  return make("td", {}, said, make("span", { className: "sure", textContent: sureness(reading) }), line);
}

/** An age has changed when it lies where the machine did not expect it before. */
function differs(before, after) {
  if ("years" in before) return after.years < before.low || after.years > before.high;
  return before.label !== after.label;
}

function word(reading) {
  return "years" in reading ? `${reading.years} years` : (LABELS[reading.label] ?? reading.label);
}

function sureness(reading) {
  if ("years" in reading) return ` ${reading.low} to ${reading.high}`;
  const percent = Math.round(100 * reading.probability);
  return percent > 99 ? " over 99 %" : ` ${percent} %`;
}
