// Talks to the service. No other module sees the API key, nor the dialog that asks for it.

import { make } from "./page.js";

const STORED = "sfumato-key";
const LOADING_SECONDS = 2;

let key = sessionStorage.getItem(STORED) ?? "";
let asking = null; // a promise while the dialog is open

/**
 * Send a request; return its response, or throw an Error with one line for people. With `sent`, that
 * is called with the share of the body that has gone out.
 */
export async function ask(path, options = {}) {
  for (;;) {
    const response = await send(path, options);
    if (response.ok) return response;
    const said = await errorOf(response);
    if (response.status !== 401) throw new Error(said);
    asking ??= askForKey(said).finally(() => (asking = null));
    await asking;
  }
}

/** Whether calls carry a key, which frames and links of the page cannot. */
export function hasKey() {
  return key !== "";
}

/** Return what the service can do; `wait` is called with a line while its models are loaded. */
export async function whatItCan(wait) {
  for (;;) {
    const response = await send("readyz", {});
    if (response.ok) return response.json();
    if (response.status !== 503) throw new Error(await errorOf(response));
    wait("The service is loading its models …");
    await seconds(LOADING_SECONDS);
  }
}

/** A promise that is kept after some seconds. */
export function seconds(count) {
  return new Promise((resolve) => setTimeout(resolve, 1000 * count));
}

async function send(path, options) {
  const headers = key ? { "X-API-Key": key } : {};
  try {
    return await (options.sent ? upload : fetch)(path, { ...options, headers });
  } catch {
    throw new Error("The service does not answer. Does it still run?");
  }
}

/** As fetch, which does not tell how much of a body has gone out. */
function upload(path, { method, body, headers, sent }) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open(method, path);
    request.responseType = "blob";
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    request.upload.onprogress = ({ loaded, total }) => total && sent(loaded / total);
    request.upload.onload = () => sent(1);
    request.onload = () => resolve(new Response(request.response, { status: request.status }));
    request.onerror = reject;
    request.send(body);
  });
}

async function errorOf(response) {
  try {
    return (await response.json()).error;
  } catch {
    return `The service answered with the status ${response.status}.`;
  }
}

function askForKey(said) {
  const dialog = keyDialog(key ? said : "");
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve, reject) => {
    dialog.onclose = () => {
      dialog.remove();
      if (dialog.returnValue !== "given") {
        reject(new Error("Without a key this service does nothing."));
        return;
      }
      key = dialog.querySelector("#key").value.trim();
      if (dialog.querySelector("#key-stays").checked) sessionStorage.setItem(STORED, key);
      else sessionStorage.removeItem(STORED);
      resolve();
    };
  });
}

function keyDialog(said) {
  const key = make("input", {
    id: "key", type: "password", autocomplete: "off", spellcheck: false, required: true,
  });
  const stays = make("input", { id: "key-stays", type: "checkbox" });
  const cancel = make("button", { type: "button", className: "second", textContent: "Cancel" });
  const form = make(
    "form",
    { method: "dialog" },
    make("h2", { id: "key-title", textContent: "This service asks for a key" }),
    make("p", { id: "key-said", className: "error", textContent: said }),
    make("p", {}, labelOf(key, "API key, from whoever runs the service"), " ", key),
    make("p", { className: "choice" }, stays, " ", labelOf(stays, "Keep it until this tab is closed")),
    make("p", { className: "buttons" },
      make("button", { type: "submit", textContent: "Use this key" }), " ", cancel),
  );
  const dialog = make("dialog", { id: "key-dialog" }, form);
  dialog.setAttribute("aria-labelledby", "key-title");
  form.onsubmit = () => (dialog.returnValue = "given");
  cancel.onclick = () => dialog.close("");
  return dialog;
}

function labelOf(input, textContent) {
  return make("label", { htmlFor: input.id, textContent });
}
