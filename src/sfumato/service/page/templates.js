// The page of templates: send a table, follow its audit, read the report.

import { bar, bytes, checkSize, complain, make, once, onFiles, say } from "./page.js";
import { parquetColumns } from "./parquet.js";
import { nameOf } from "./readings.js";
import { ask, hasKey, seconds, whatItCan } from "./service.js";

const POLL_SECONDS = 1;
const SPOKEN_STEP = 25; // percent after which progress is read aloud
const MOST_COLUMNS = 60;
const NO_LABELS = new Set(["image_id", "identity", "person_id", "embedding"]);
const SMALLER = "Keep fewer rows, or only the columns that matter.";
const by = (id) => document.getElementById(id);

let can = {};
let table = null;
let audit = null; // the address of the audit that runs or is shown

async function take([file]) {
  table = file;
  by("chosen").textContent = `${file.name}, ${bytes(file.size)}, is chosen.`;
  by("columns").hidden = true;
  complain("");
  const found = await parquetColumns(file);
  if (table !== file) return;
  if (found) {
    const rows = `${found.rows.toLocaleString("en")} rows`;
    by("chosen").textContent = `${file.name}, ${bytes(file.size)}, ${rows}, is chosen.`;
    showColumns(found.columns);
  }
  try {
    checkSize(file, can.limits?.table_bytes, SMALLER);
  } catch (error) {
    complain(error.message);
  }
}

/** Offer the columns that may be labels as boxes, which fill the line of names. */
function showColumns(columns) {
  const labels = columns.filter(({ name, nested }) => !nested && !NO_LABELS.has(name));
  const boxes = labels.slice(0, MOST_COLUMNS).map(({ name }) => {
    const box = make("input", { type: "checkbox", value: name });
    box.addEventListener("change", () => {
      const others = chosen().filter((other) => other !== name);
      by("attributes").value = (box.checked ? [...others, name] : others).join(", ");
    });
    return make("label", { className: "picture" }, box, make("span", { textContent: name }));
  });
  by("columns").querySelectorAll("label").forEach((old) => old.remove());
  by("columns").append(...boxes);
  by("columns").hidden = !boxes.length;
}

function chosen() {
  const names = by("attributes").value.split(",").map((name) => name.trim());
  return names.filter((name) => name);
}

/** Show a share as a bar and in words, which say the same. */
function advance(what, share) {
  by("progress").value = share;
  by("progress-label").textContent = `${what}: ${Math.floor(100 * share)} %`;
}

async function start() {
  const attributes = chosen();
  if (!table) throw new Error("Choose a table first.");
  if (!attributes.length) throw new Error("Name the column to be read, such as gender.");
  checkSize(table, can.limits?.table_bytes, SMALLER);
  await forget();
  const query = new URLSearchParams(attributes.map((name) => ["attribute", name]));
  if (by("protect").checked) query.set("protect", true);
  say("The table is being sent …");
  by("progress-line").hidden = false;
  advance("Sent", 0);
  const sent = (share) => advance("Sent", share);
  const response = await ask(`v1/audits?${query}`, { method: "POST", body: table, sent }).catch(
    (error) => {
      by("progress-line").hidden = true;
      throw error;
    },
  );
  audit = `v1/audits/${(await response.json()).id}`;
  by("stop").textContent = "Stop and forget it";
  by("stop").hidden = false;
  try {
    const found = await follow(audit);
    if (found) await show(found, attributes);
  } finally {
    by("progress-line").hidden = true;
    if (by("result").hidden) by("stop").hidden = true;
  }
}

/** Return the finished audit; null if it was forgotten meanwhile. */
async function follow(mine) {
  let spoken = -1;
  while (audit === mine) {
    let found;
    try {
      found = await (await ask(mine)).json();
    } catch (error) {
      if (audit !== mine) break;
      throw error;
    }
    advance("Attackers trained", found.progress);
    const percent = Math.floor((100 * found.progress) / SPOKEN_STEP) * SPOKEN_STEP;
    if (percent > spoken) {
      const drawing = "The report is being written …";
      say(percent < 100 ? "Attackers are being trained …" : drawing);
    }
    spoken = Math.max(spoken, percent);
    if (found.state === "failed") throw new Error(found.error);
    if (found.state === "done") return found;
    await seconds(POLL_SECONDS);
  }
  return null;
}

async function forget() {
  const old = audit;
  audit = null;
  by("result").hidden = by("stop").hidden = true;
  by("report").removeAttribute("src");
  if (old) await ask(old, { method: "DELETE" }).catch(() => {});
}

async function show({ headlines, prices, verdicts, audits }, attributes) {
  by("verdicts").replaceChildren(
    ...audits.map((found, number) =>
      card(attributes[number], found, headlines[number], prices[number], verdicts[number]),
    ),
  );
  const address = `${audit}/report`;
  const page = await (await ask(address)).blob();
  URL.revokeObjectURL(by("save").href);
  by("save").href = URL.createObjectURL(page);
  // A frame and a link cannot send a key.
  for (const id of ["report", "open", "frame-note"]) by(id).hidden = hasKey();
  if (!hasKey()) by("report").src = by("open").href = address;
  by("stop").textContent = "Forget this audit";
  by("result").hidden = false;
  say("Done.");
  by("result-title").focus();
}

function card(attribute, found, headline, price, verdict) {
  const made = make("section", { className: "card" }, make("h3", { textContent: nameOf(attribute) }));
  made.append(make("p", {}, make("strong", { textContent: headline })));
  if (price) made.append(make("p", { textContent: `What protection costs: ${price}` }));
  const strongest = found.attackers[found.strongest];
  const sides = found.after
    ? [["before", found.before], ["after", found.after]]
    : [["before", strongest]];
  for (const [kind, side] of sides) {
    const when = found.after ? `${nameOf(kind)} protection: ` : "";
    const [low, high] = side.ci95.map(hundred);
    const line = `${when}${hundred(side.balanced_accuracy)} times in 100, 95 % interval: ${low} to ${high}.`;
    made.append(make("p", { className: "note", textContent: line }));
    made.append(bar(kind, side.balanced_accuracy, 0, found.chance));
  }
  const classes = found.classes.join(", ");
  const exactly = `Classes: ${classes}. Each counts alike; the mark on the bar is guessing.`;
  made.append(make("p", { className: "note", textContent: exactly }));
  made.append(make("p", { className: "note", textContent: `Exactly: ${verdict}` }));
  made.append(make("p", { className: "note", textContent: next(found) }));
  for (const alarm of found.alarms) {
    made.append(make("p", { className: "alarm", textContent: `Careful: ${alarm}` }));
  }
  return made;
}

/** What to try now. */
function next(found) {
  const { ci95 } = found.after ?? found.attackers[found.strongest];
  const readable = ci95[0] > found.chance;
  if (readable && !found.after) {
    return "What to try next: take it out (sfumato fit barycentre, sfumato protect), and audit again.";
  }
  return readable
    ? "What to try next: an eraser fitted on more people, or people more like yours; then audit again."
    : "What to try next: the same audit of more people, since others may read more; see the report.";
}

/** A share as times in 100, to three digits; 100 and 0 are said only where it is that. */
function hundred(share) {
  if (share > 0.999 && share < 1) return "over 99.9";
  if (share > 0 && share < 0.001) return "under 0.1";
  return String(Number((100 * share).toPrecision(3)));
}

onFiles(by("drop"), by("file"), take);
const run = once([by("start")], start);
by("form").addEventListener("submit", (event) => {
  event.preventDefault();
  run();
});
by("stop").addEventListener("click", async () => {
  await forget();
  say("The audit is forgotten.");
  by("start").focus();
});

try {
  can = await whatItCan(say);
  say("");
  if (can.takes_out.length) {
    by("protect-choice").hidden = by("protect-note").hidden = false;
    by("protect-note").textContent = `The eraser takes out: ${can.takes_out.join(", ")}.`;
  }
} catch (error) {
  complain(error.message);
}
