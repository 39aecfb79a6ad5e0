// The page of templates: send a table, follow its audit, read the report.

import { bar, complain, make, once, onFiles, say } from "./page.js";
import { nameOf } from "./readings.js";
import { ask, hasKey, seconds, whatItCan } from "./service.js";

const POLL_SECONDS = 1;
const SPOKEN_STEP = 25; // percent after which progress is read aloud
const by = (id) => document.getElementById(id);

let table = null;
let audit = null; // the address of the audit that runs or is shown

function take([file]) {
  table = file;
  const size = file.size < 1e6 ? `${Math.ceil(file.size / 1e3)} kB` : `${(file.size / 1e6).toFixed(1)} MB`;
  by("chosen").textContent = `${file.name}, ${size}, is chosen.`;
}

async function start() {
  const names = by("attributes").value.split(",").map((name) => name.trim());
  const attributes = names.filter((name) => name);
  if (!table) throw new Error("Choose a table first.");
  if (!attributes.length) throw new Error("Name the column to be read, such as gender.");
  await forget();
  const query = new URLSearchParams(attributes.map((name) => ["attribute", name]));
  if (by("protect").checked) query.set("protect", true);
  say("The table is being sent …");
  const response = await ask(`v1/audits?${query}`, { method: "POST", body: table });
  audit = `v1/audits/${(await response.json()).id}`;
  by("stop").textContent = "Stop and forget it";
  by("stop").hidden = by("progress-line").hidden = false;
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
    by("progress").value = found.progress;
    const percent = Math.floor((100 * found.progress) / SPOKEN_STEP) * SPOKEN_STEP;
    if (percent > spoken) {
      const drawing = "The report is being written …";
      say(percent < 100 ? `Attackers are being trained: ${percent} % done.` : drawing);
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

async function show({ verdicts, audits }, attributes) {
  by("verdicts").replaceChildren(
    ...audits.map((found, number) => card(attributes[number], found, verdicts[number])),
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

function card(attribute, found, verdict) {
  const made = make("section", { className: "card" }, make("h3", { textContent: nameOf(attribute) }));
  const strongest = found.attackers[found.strongest];
  const sides = found.after
    ? [["before", found.before], ["after", found.after]]
    : [["before", strongest]];
  for (const [kind, side] of sides) {
    const when = found.after ? `${nameOf(kind)} protection: ` : "";
    const [low, high] = side.ci95.map(hundred);
    const line = `${when}the best attacker is right ${hundred(side.balanced_accuracy)} times in 100 ` +
      `(95 % interval: ${low} to ${high}); guessing is right ${hundred(found.chance)} times.`;
    made.append(make("p", { textContent: line[0].toUpperCase() + line.slice(1) }));
    made.append(bar(kind, side.balanced_accuracy, 0, found.chance));
  }
  const classes = found.classes.join(", ");
  const exactly = `Classes: ${classes}. Each counts alike; the mark on the bar is guessing.`;
  made.append(make("p", { className: "note", textContent: exactly }));
  made.append(make("p", { className: "note", textContent: `Exactly: ${verdict}` }));
  for (const alarm of found.alarms) {
    made.append(make("p", { className: "alarm", textContent: `Careful: ${alarm}` }));
  }
  return made;
}

function hundred(share) {
  return Math.round(100 * share);
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
  const can = await whatItCan(say);
  say("");
  if (can.takes_out.length) {
    by("protect-choice").hidden = by("protect-note").hidden = false;
    by("protect-note").textContent = `The eraser takes out: ${can.takes_out.join(", ")}.`;
  }
} catch (error) {
  complain(error.message);
}
