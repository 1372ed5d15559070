// Keeps an open page up to date: asks for its changing part every few seconds. Everything works without it.
"use strict";

(() => {
  const main = document.querySelector("main");
  const seconds = Number(main?.dataset.refresh);

  // Forms act once, however often they are pressed.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.method !== "post") return;
    if (form.dataset.sent) {
      event.preventDefault();
      return;
    }
    form.dataset.sent = "yes";
    form.classList.add("sent");
  });
  // A page that the browser kept is shown again with its forms ready.
  addEventListener("pageshow", () => {
    for (const form of document.querySelectorAll("form.sent")) {
      delete form.dataset.sent;
      form.classList.remove("sent");
    }
  });

  if (!seconds) return;

  const bar = document.createElement("p");
  bar.className = "live";
  const button = document.createElement("button");
  button.type = "button";
  const state = document.createElement("span");
  state.setAttribute("role", "status");
  bar.append(button, state);
  main.before(bar);

  let paused = false;
  const show = (text) => {
    button.textContent = paused ? "Go on updating" : "Pause updating";
    if (state.textContent !== text) state.textContent = text;
  };
  button.addEventListener("click", () => {
    paused = !paused;
    show(paused ? "Paused." : "");
  });
  show("");

  // Nothing is taken away from under a person's hands.
  const busy = () =>
    main.querySelector("details[open], form.sent, :focus, input:checked") ||
    String(getSelection()) !== "" ||
    document.visibilityState !== "visible";

  const refresh = async () => {
    if (paused || busy()) return;
    try {
      const answer = await fetch(location.href, { headers: { "X-Couplet-Fragment": "main" } });
      const text = await answer.text();
      if (answer.status === 403 || answer.status === 421) {
        paused = true;
        show("This console was started again: open the address that it has printed.");
        return;
      }
      if (paused || busy()) return;
      if (main.innerHTML !== text) main.innerHTML = text;
      show("");
    } catch {
      show("The console does not answer; it is asked again.");
    }
  };
  setInterval(refresh, seconds * 1000);
})();
