// Settling what readers differ on.
"use strict";
const csrf = document.body.dataset.csrf, say = document.getElementById("say");
document.addEventListener("click", async (event) => {
  const button = event.target.closest(".settle");
  if (!button) { return; }
  const article = button.closest(".dispute");
  const answer = await fetch("/api/settle", {
    method: "POST", headers: { "Content-Type": "application/json", "X-CSRF-Token": csrf },
    body: JSON.stringify({ item: article.dataset.item, stage: button.dataset.stage }),
  });
  if (answer.ok) { article.remove(); say.textContent = "Settled: " + button.dataset.stage + "."; }
  else { say.textContent = "Not settled: " + (await answer.json()).detail; }
});
