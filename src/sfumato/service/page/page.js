// What both pages share: making elements, choosing files, and lines that are read aloud.

/** Make an element with properties and children; `text` and nodes may be mixed. */
export function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

/** A bar from `low` to `high`, shares of 1; what it says must stand beside it in words. */
export function bar(kind, high, low = 0, mark = null) {
  const fill = make("span", { className: "fill" });
  fill.style.setProperty("--low", clip(low));
  fill.style.setProperty("--high", clip(high));
  const line = make("span", { className: `bar ${kind}` }, fill);
  line.setAttribute("aria-hidden", "true");
  if (mark !== null) {
    const tick = make("span", { className: "mark" });
    tick.style.setProperty("--low", clip(mark));
    line.append(tick);
  }
  return line;
}

/** Call `take` with the files that are chosen in the input or dropped into the box. */
export function onFiles(box, input, take) {
  input.addEventListener("change", () => input.files.length && take([...input.files]));
  // A file dropped beside the box would make the browser leave the page.
  addEventListener("dragover", (event) => event.preventDefault());
  addEventListener("drop", (event) => event.preventDefault());
  box.addEventListener("dragover", () => box.classList.add("over"));
  box.addEventListener("dragleave", () => box.classList.remove("over"));
  box.addEventListener("drop", (event) => {
    box.classList.remove("over");
    if (!event.dataTransfer.files.length) return;
    input.files = event.dataTransfer.files;
    take([...input.files]);
  });
}

/** Run `work` unless it runs already; what it throws is shown, and read aloud, as an error. */
export function once(buttons, work) {
  let busy = false;
  return async (...args) => {
    if (busy) return;
    busy = true;
    say("");
    complain("");
    for (const button of buttons) button.setAttribute("aria-disabled", "true");
    try {
      await work(...args);
    } catch (error) {
      say("");
      complain(error.message);
    } finally {
      busy = false;
      for (const button of buttons) button.removeAttribute("aria-disabled");
    }
  };
}

/** Say how things stand. */
export function say(line) {
  document.getElementById("status").textContent = line;
}

/** Say what went wrong. */
export function complain(line) {
  document.getElementById("error").textContent = line;
}

/** Refuse a file beyond the service's limit before a byte of it is sent. */
export function checkSize(file, limit, remedy) {
  if (!limit || file.size <= limit) return;
  throw new Error(
    `${file.name} has ${bytes(file.size)}; this service takes at most ${bytes(limit)}. ` +
      `Nothing was sent. ${remedy}`,
  );
}

/** "12 kB", "3.4 MB"; rounded up. */
export function bytes(count) {
  return count < 1e6 ? `${Math.ceil(count / 1e3)} kB` : `${Math.ceil(count / 1e5) / 10} MB`;
}

/** "3 faces", "1 face". */
export function count(number, noun) {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}

function clip(share) {
  return Math.min(Math.max(share, 0), 1);
}
