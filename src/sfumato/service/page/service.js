// Talks to the service. No other module sees the API key.

const STORED = "sfumato-key";
const LOADING_SECONDS = 2;

let key = sessionStorage.getItem(STORED) ?? "";
let asking = null; // a promise while the dialog is open

/** Send a request; return its response, or throw an Error with one line for people. */
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
    return await fetch(path, { ...options, headers });
  } catch {
    throw new Error("The service does not answer. Does it still run?");
  }
}

async function errorOf(response) {
  try {
    return (await response.json()).error;
  } catch {
    return `The service answered with the status ${response.status}.`;
  }
}

function askForKey(said) {
  const dialog = document.getElementById("key-dialog");
  const input = document.getElementById("key");
  const stays = document.getElementById("key-stays");
  document.getElementById("key-said").textContent = key ? said : "";
  input.value = "";
  dialog.returnValue = "";
  document.getElementById("key-cancel").onclick = () => dialog.close("");
  document.getElementById("key-form").onsubmit = () => (dialog.returnValue = "given");
  dialog.showModal();
  return new Promise((resolve, reject) => {
    dialog.onclose = () => {
      if (dialog.returnValue !== "given") {
        reject(new Error("Without a key this service does nothing."));
        return;
      }
      key = input.value.trim();
      input.value = "";
      if (stays.checked) sessionStorage.setItem(STORED, key);
      else sessionStorage.removeItem(STORED);
      resolve();
    };
  });
}
