"use strict";
// Shows a run as it was after `position` steps. All text is in the page already; only numbers are filled in.
(() => {
  const steps = [...document.querySelectorAll("[data-step]")];
  const details = [...document.querySelectorAll("[data-detail]")];
  const nodes = [...document.querySelectorAll("[data-node]")];
  const columns = [...document.querySelectorAll("[data-hops]")];
  const data = JSON.parse(document.getElementById("graph-data").textContent);
  const button = (id) => document.getElementById(id);
  let position = steps.length;

  const drawNodes = () => {
    const shares = position ? data.shares[position - 1] : [];
    const frontier = position ? data.frontiers[position - 1] : null;
    for (const node of nodes) {
      const share = shares[Number(node.dataset.node)] || 0;
      const box = Number(node.querySelector(".box").getAttribute("width")) - 2;
      node.querySelector(".mass").setAttribute("width", (Math.min(1, share) * box).toFixed(1));
      node.querySelector(".share").textContent = share >= 0.005 ? share.toFixed(2) : "";
      node.classList.toggle("faint", share < 0.005);
    }
    for (const column of columns) {
      column.classList.toggle("frontier", Number(column.dataset.hops) === frontier);
    }
  };

  const show = (wanted, focus) => {
    if (position) {
      steps[position - 1].removeAttribute("aria-current");
      details[position - 1].hidden = true;
    }
    // Only what changes is touched: a run may have thousands of steps.
    const before = position;
    position = Math.max(0, Math.min(steps.length, wanted));
    for (const step of steps.slice(Math.min(before, position), Math.max(before, position))) {
      step.classList.toggle("to-come", position < before);
    }
    if (position) {
      const step = steps[position - 1];
      step.setAttribute("aria-current", "step");
      details[position - 1].hidden = false;
      if (focus) step.focus();
      step.scrollIntoView({ block: "nearest" });
    }
    drawNodes();
    const name = position ? steps[position - 1].getAttribute("aria-label") : "before the first step";
    button("position").textContent = `${position} of ${steps.length}: ${name}`;
    button("first").disabled = button("back").disabled = position === 0;
    button("last").disabled = button("next").disabled = position === steps.length;
    document.querySelector(".answer").hidden = position < steps.length;
  };

  const keys = {
    ArrowRight: () => position + 1,
    ArrowLeft: () => position - 1,
    Home: () => 0,
    End: () => steps.length,
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.shiftKey || !(event.key in keys)) return;
    event.preventDefault();
    show(keys[event.key](), steps.includes(document.activeElement));
  });
  for (const [id, key] of [["first", "Home"], ["back", "ArrowLeft"], ["next", "ArrowRight"], ["last", "End"]]) {
    button(id).addEventListener("click", () => show(keys[key]()));
  }
  steps.forEach((step, number) => step.addEventListener("click", () => show(number + 1)));

  document.documentElement.classList.add("replaying");
  for (const detail of details) detail.hidden = true;
  show(1);
})();
