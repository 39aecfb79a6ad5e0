// The page of one photo: choose it, hide what machines read, compare.

import { compare, cutOut } from "./compare.js";
import { checkSize, complain, count, make, once, onFiles, say } from "./page.js";
import { faceCard, nameOf } from "./readings.js";
import { ask, whatItCan } from "./service.js";

const THUMBNAIL = 96;
const SPOKEN_STEP = 25; // percent after which progress is read aloud
const SMALLER = "Save it with fewer pixels, or as a JPEG.";
const by = (id) => document.getElementById(id);

let can = null; // what the service can do
let loading = null; // the photos that are being decoded, a promise
let photo = null; // the chosen photo: `file`, `image` (null if the browser cannot show it)
let faces = []; // those known of it, each with `face` and `box`
let answer = null; // the last: `faces` with readings, `hidden`, and `image`, `content` if changed

function chosenFace() {
  const value = document.querySelector("input[name=face]:checked")?.value;
  return value ? Number(value) : null;
}

async function take(files) {
  loading = Promise.all(files.map(load));
  const photos = await loading;
  const choices = photos.map((one, number) => [one.file.name, one.image, number]);
  radios(by("photos"), "photo", choices, (number) => use(photos[number]));
  by("photos").hidden = photos.length < 2;
  use(photos[0]);
}

async function load(file) {
  const image = new Image();
  image.src = URL.createObjectURL(file);
  try {
    await image.decode();
    return { file, image };
  } catch {
    return { file, image: null };
  }
}

function use(chosen) {
  photo = chosen;
  faces = [];
  radios(by("faces"), "face", [], render);
  by("faces").hidden = true;
  by("result").hidden = true;
  complain("");
  say(
    photo.image
      ? `${photo.file.name} is chosen.`
      : `This browser cannot show ${photo.file.name}; the service may still read it.`,
  );
  try {
    checkSize(photo.file, can?.limits?.photo_bytes, SMALLER);
  } catch (error) {
    say("");
    complain(error.message);
  }
}

/** Fill a fieldset with one radio button a choice: text, a picture or null, and a value. */
function radios(group, name, choices, picked) {
  group.querySelectorAll(".picture").forEach((old) => old.remove());
  choices.forEach(([text, picture, value], number) => {
    const input = make("input", { type: "radio", name, value, checked: number === 0 });
    input.addEventListener("change", () => picked(value));
    const label = make("label", { className: "picture" }, input);
    if (picture) {
      picture.alt = "";
      label.append(picture);
    }
    label.append(make("span", { textContent: text }));
    group.append(label);
  });
}

function showHides(hides) {
  const any = Object.keys(hides).length > 0;
  by("can").hidden = by("protect").hidden = !any;
  by("cannot").hidden = any;
  by("describe").classList.toggle("second", any);
  Object.entries(hides).forEach(([name, classes], number) => {
    const input = make("input", { type: "checkbox", id: `hide-${name}`, checked: number === 0 });
    const tick = make("label", { htmlFor: input.id, textContent: nameOf(name) });
    const select = make("select", { id: `show-${name}` });
    select.append(make("option", { value: "", textContent: "another than now" }));
    select.append(...classes.map((one) => make("option", { value: one, textContent: one })));
    const label = make("label", { htmlFor: select.id, className: "small" });
    label.append(make("span", { className: "unseen", textContent: `${nameOf(name)}: ` }), "as");
    by("hides").append(make("p", { className: "choice" }, input, tick, label, select));
  });
  by("strength-choice").hidden = !can.strength;
  for (const [times, said] of can.strength ? [[0.5, "less"], [1.5, "more"], [2, "much more"]] : []) {
    by("strength").append(make("option", { value: times * can.strength, textContent: said }));
  }
}

function chosenHides() {
  return Object.keys(can.hides)
    .filter((name) => by(`hide-${name}`).checked)
    .map((name) => [name, by(`show-${name}`).value]);
}

async function protect() {
  const mine = await chosenPhoto();
  const hides = chosenHides();
  if (!hides.length) throw new Error("Tick what machines should misread.");
  const query = new URLSearchParams({ check: true, at_random: by("random").checked });
  query.set("hide", hides.map(([name, shown]) => (shown ? `${name}=${shown}` : name)).join());
  const face = chosenFace();
  if (face !== null) query.set("face", face);
  if (by("strength").value) query.set("strength", by("strength").value);
  const options = { method: "POST", body: mine.file, sent: sending("The service is changing the photo …") };
  const response = await ask(`v1/protect/photo?${query}`, options);
  const found = await response.json();
  const bytes = Uint8Array.from(atob(found.photo), (letter) => letter.charCodeAt(0));
  const content = new Blob([bytes], { type: "image/png" });
  const changed = found.faces.map((one) => ({ ...one, ...one.check }));
  const { image } = await load(content);
  const hidden = hides.map(([name]) => name);
  const verdict = judge(found.verdict, found.notes);
  show(mine, { faces: changed, skipped: found.skipped, hidden, image, content, verdict });
  say(`The service has changed ${count(changed.length, "face")}; below is whether it worked.`);
}

/** Say how far a body has gone out, then `line`. */
function sending(line) {
  let spoken = -1;
  return (share) => {
    const percent = Math.floor((100 * share) / SPOKEN_STEP) * SPOKEN_STEP;
    if (percent > spoken) say(share < 1 ? `The photo is being sent: ${percent} %.` : line);
    spoken = Math.max(spoken, percent);
  };
}

/** Whether it worked, in a sentence; the exact counts; and what to try next. */
function judge({ hide, text }, notes) {
  const sum = (name) => Object.values(hide).reduce((total, one) => total + one[name], 0);
  const [hidden, failed] = [sum("n_succeeded"), sum("n_failed")];
  const exactly = `Exactly: ${[...text, ...notes].join("; ")}.`;
  if (sum("n_drawn")) {
    const said = failed
      ? "It worked in part: not every machine asked here reads what was drawn."
      : "It worked: the machines asked here read what was drawn, be it the truth or not.";
    return { said, exactly, next: failed && can.strength ? ["change it more, under “How much to change”"] : [] };
  }
  if (!failed) {
    const said = hidden
      ? "It worked: no machine asked here still reads what was to be hidden."
      : "Nobody can say whether it worked: no machine asked here read it before.";
    return { said, exactly, next: [] };
  }
  const said = hidden
    ? "It worked in part: some of what was to be hidden is still read."
    : "It did not work: machines still read what was to be hidden.";
  const next = ["name the class to show under “as”, instead of “another than now”"];
  if (can.strength) next.unshift("change it more, under “How much to change”");
  return { said, exactly, next: [...next, "take a photo in which the face is larger, lit evenly and seen from the front"] };
}

function showVerdict({ said, exactly, next }) {
  by("verdict").replaceChildren(
    make("p", { className: "said" }, make("strong", { textContent: said })),
    ...(next.length ? [make("p", { textContent: "What to try next:" })] : []),
    make("ul", { hidden: !next.length }, ...next.map((one) => make("li", { textContent: one }))),
    make("p", { className: "note", textContent: exactly }),
  );
}

async function describe() {
  const mine = await chosenPhoto();
  const readings = new Map();
  for (const reader of can.reads) {
    const options = { method: "POST", body: mine.file, sent: sending("The service is looking at the photo …") };
    const response = await ask(`v1/describe?reader=${reader}`, options);
    for (const { face, box, score, ...found } of (await response.json()).faces) {
      if (!readings.has(face)) readings.set(face, { face, box, readings: {} });
      const said = Object.entries(found).map(([name, before]) => [name, { before }]);
      readings.get(face).readings[reader] = Object.fromEntries(said);
    }
  }
  const found = [...readings.values()];
  show(mine, { faces: found, skipped: [], hidden: [], image: null, content: null });
  say(`Done: ${count(found.length, "face")} read.`);
}

async function chosenPhoto() {
  if (!can) throw new Error("The service is still loading its models; try again in a moment.");
  await loading;
  if (!photo) throw new Error("Choose a photo first.");
  checkSize(photo.file, can.limits?.photo_bytes, SMALLER);
  return photo;
}

function show(mine, found) {
  if (mine !== photo) throw new Error("Another photo was chosen meanwhile; press the button again.");
  answer = found;
  // An answer on one face alone does not say that there are no others.
  if (answer.faces.length > faces.length) {
    faces = answer.faces;
    const choices = faces.map(({ face, box }) => [
      face === 0 ? "Face 1, the largest" : `Face ${face + 1}`,
      photo.image && cutOut(photo.image, box, THUMBNAIL),
      face,
    ]);
    radios(by("faces"), "face", [["Every face", null, ""], ...choices], render);
    by("faces").hidden = faces.length < 2;
  }
  by("verdict").hidden = !answer.verdict;
  if (answer.verdict) showVerdict(answer.verdict);
  by("pictures").hidden = !answer.image;
  by("zoom-choice").hidden = faces.length < 1;
  if (answer.content) {
    URL.revokeObjectURL(by("download").href);
    by("download").href = URL.createObjectURL(answer.content);
    by("download").download = photo.file.name.replace(/\.[^.]*$/, "") + "-protected.png";
  }
  by("result").hidden = false;
  render();
  by("result-title").focus();
}

function render() {
  const one = chosenFace();
  const shown = answer.faces.filter(({ face }) => one === null || face === one);
  const name = ({ face }) => (faces.length > 1 ? `Face ${face + 1}` : "The face");
  const open = shown.length === 1;
  const cards = shown.map((face) => faceCard(face, name(face), answer.hidden, open));
  if (!shown.length) {
    cards.push(make("p", { textContent: "This face is as it was. Press “Hide” to change it." }));
  }
  for (const { face, reason } of answer.skipped) {
    cards.push(make("p", { textContent: `Face ${face + 1} was left as it was: ${reason}.` }));
  }
  by("readings").replaceChildren(...cards);
  if (!answer.image) return;
  const near = by("zoom").checked ? (faces.find(({ face }) => face === (one ?? 0)) ?? faces[0]) : null;
  compare(photo.image, answer.image, near?.box);
}

const buttons = [by("protect"), by("describe")];
const run = once(buttons, (work) => work());
onFiles(by("drop"), by("file"), once([], take));
by("form").addEventListener("submit", (event) => {
  event.preventDefault();
  run(by("protect").hidden ? describe : protect);
});
by("describe").addEventListener("click", () => run(describe));
by("zoom").addEventListener("change", render);

try {
  can = await whatItCan(say);
  showHides(can.hides);
  say("");
} catch (error) {
  complain(error.message);
}
