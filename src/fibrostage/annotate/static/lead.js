// The lead's page: a fit beside the readers.
"use strict";
const csrf = document.body.dataset.csrf, say = document.getElementById("say"), fit = document.getElementById("fit");
async function watch() {
  const status = await (await fetch("/api/status")).json();
  if (status.fitting) { setTimeout(watch, 1000); return; }
  if (status.fault) { say.textContent = "The fit failed: " + status.fault; fit.disabled = false; return; }
  location.href = "/lead?done=" + encodeURIComponent("a new model is fitted");
}
fit.addEventListener("click", async () => {
  fit.disabled = true; say.textContent = "A model is being fitted; people can go on reading.";
  const answer = await fetch("/api/fit", { method: "POST", headers: { "X-CSRF-Token": csrf } });
  if (answer.ok) { setTimeout(watch, 1000); } else { say.textContent = (await answer.json()).detail; fit.disabled = false; }
});
