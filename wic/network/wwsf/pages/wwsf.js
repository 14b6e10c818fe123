// Fetches the access token of this page's WIC and dispatches it as the event "wic-authorized", whose detail is
// {access_token, expires_in, impi, impu, wss}. A WIC in the page listens for it.
"use strict";

const line = document.getElementById("status");
const button = document.getElementById("anonymous");
const RENEW_BEFORE = 120;
const LONGEST_PAUSE = 60;
const LONGEST_WAIT = 2 ** 31 - 1;

class Refused extends Error {}

function later(seconds, work) {
  setTimeout(work, Math.min(seconds * 1000, LONGEST_WAIT));
}

function dispatch(authorization) {
  line.textContent = `Ready: ${new URL(authorization.wss).host}`;
  window.dispatchEvent(new CustomEvent("wic-authorized", { detail: authorization }));
}

async function ask(path, method) {
  const response = await fetch(path, { method, headers: { Accept: "application/json" } });
  const answer = await response.json().catch(() => ({}));
  if (response.ok) {
    return answer;
  }
  const mayPass = response.status === 429 || response.status >= 500;
  const error = new (mayPass ? Error : Refused)(answer.error_description ?? `status ${response.status}`);
  error.retryAfter = Number(response.headers.get("Retry-After"));
  throw error;
}

async function keep(path, method, next, failures = 0) {
  try {
    const authorization = await ask(path, method);
    dispatch(authorization);
    const seconds = Math.max(authorization.expires_in - RENEW_BEFORE, authorization.expires_in / 2, 5);
    later(seconds, () => keep(next(authorization), method, next));
  } catch (error) {
    line.textContent = `Not ready: ${error.message}`;
    if (!(error instanceof Refused)) {
      // The server restarts, or has no identity to lend now. Chance keeps the pages from coming back in one moment.
      const pause = Math.min(2 ** failures, LONGEST_PAUSE) * (0.5 + Math.random() / 2);
      later(Math.max(pause, error.retryAfter || 0), () => keep(path, method, next, failures + 1));
    } else if (button) {
      button.disabled = false;
    }
  }
}

if (document.currentScript.dataset.signedIn !== undefined) {
  keep("/token", "GET", () => "/token");
}

button?.addEventListener("click", () => {
  button.disabled = true;
  keep("/pool/lease", "POST", (authorization) => `/pool/lease/${authorization.lease}`);
});

if (button) {
  window.addEventListener("wic-authorized", ({ detail }) => {
    window.onpagehide = () => fetch(`/pool/lease/${detail.lease}`, { method: "DELETE", keepalive: true });
  });
}
