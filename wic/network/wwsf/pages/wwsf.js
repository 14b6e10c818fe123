// Fetches the authorization of this page's WIC and hands it on as the event "wic-authorized", whose detail is
// {access_token, expires_in, impi, impu, wss}. Pages with a WIC of their own listen for it.
"use strict";

const line = document.getElementById("status");
const RENEW_BEFORE = 120;
const LONGEST_WAIT = 2 ** 31 - 1;

function handOn(authorization) {
  line.textContent = `Ready: ${new URL(authorization.wss).host}`;
  window.dispatchEvent(new CustomEvent("wic-authorized", { detail: authorization }));
}

async function ask(path, method) {
  const response = await fetch(path, { method, headers: { Accept: "application/json" } });
  const answer = await response.json();
  if (!response.ok) {
    throw new Error(answer.error_description);
  }
  return answer;
}

async function keep(path, method, next) {
  try {
    const authorization = await ask(path, method);
    handOn(authorization);
    const seconds = Math.max(authorization.expires_in - RENEW_BEFORE, authorization.expires_in / 2, 5);
    setTimeout(() => keep(next(authorization), method, next), Math.min(seconds * 1000, LONGEST_WAIT));
  } catch (error) {
    line.textContent = `Not ready: ${error.message}`;
  }
}

if (document.currentScript.dataset.signedIn !== undefined) {
  keep("/token", "GET", () => "/token");
}

document.getElementById("anonymous")?.addEventListener("click", (event) => {
  event.target.disabled = true;
  keep("/pool/lease", "POST", (authorization) => `/pool/lease/${authorization.lease}`);
  window.addEventListener("wic-authorized", ({ detail }) => {
    window.onpagehide = () => fetch(`/pool/lease/${detail.lease}`, { method: "DELETE", keepalive: true });
  });
});
