"use strict";
// Shows a run as it was after `position` steps. All text is in the page already; only numbers are filled in.
(() => {
  const all = (root, selector) => [...root.querySelectorAll(selector)];
  const { first, runs: data } = JSON.parse(document.getElementById("graph-data").textContent);
  const button = (id) => document.getElementById(id);
  const chapters = all(document, "[data-chapter]").map((element) => ({
    element,
    nodes: all(element, "[data-node]"),
    columns: all(element, "[data-hops]"),
  }));
  const runs = all(document, "[data-run]").map((element, number) => ({
    element,
    steps: all(element, "[data-step]"),
    details: all(element, "[data-detail]"),
    chapter: chapters[data[number].chapter],
    data: data[number],
  }));
  for (const run of runs) run.position = run.steps.length;
  const choosers = all(document, "[data-show]");
  let run = runs[0];

  const drawNodes = () => {
    const { position } = run;
    const shares = position ? run.data.shares[position - 1] : [];
    const frontier = position ? run.data.frontiers[position - 1] : null;
    for (const node of run.chapter.nodes) {
      const share = shares[Number(node.dataset.node)] || 0;
      const box = Number(node.querySelector(".box").getAttribute("width")) - 2;
      node.querySelector(".mass").setAttribute("width", (Math.min(1, share) * box).toFixed(1));
      node.querySelector(".share").textContent = share >= 0.005 ? share.toFixed(2) : "";
      node.classList.toggle("faint", share < 0.005);
    }
    for (const column of run.chapter.columns) {
      column.classList.toggle("frontier", Number(column.dataset.hops) === frontier);
    }
  };

  const show = (wanted, focus, stay) => {
    const { steps, details } = run;
    if (run.position) {
      steps[run.position - 1].removeAttribute("aria-current");
      details[run.position - 1].hidden = true;
    }
    // Only what changes is touched: a run may have thousands of steps.
    const before = run.position;
    const position = Math.max(0, Math.min(steps.length, wanted));
    run.position = position;
    for (const step of steps.slice(Math.min(before, position), Math.max(before, position))) {
      step.classList.toggle("to-come", position < before);
    }
    if (position) {
      const step = steps[position - 1];
      step.setAttribute("aria-current", "step");
      details[position - 1].hidden = false;
      if (focus) step.focus();
      if (!stay) step.scrollIntoView({ block: "nearest" });
    }
    drawNodes();
    const name = position ? steps[position - 1].getAttribute("aria-label") : "before the first step";
    button("position").textContent = `${position} of ${steps.length}: ${name}`;
    button("first").disabled = button("back").disabled = position === 0;
    button("last").disabled = button("next").disabled = position === steps.length;
    run.element.querySelector(".answer").hidden = position < steps.length;
  };

  const choose = (number) => {
    run = runs[number];
    for (const other of runs) other.element.hidden = other !== run;
    for (const chapter of chapters) chapter.element.hidden = chapter !== run.chapter;
    for (const chooser of choosers) {
      const chosen = "of" in chooser.dataset
        ? Number(chooser.dataset.of) === run.data.chapter
        : Number(chooser.dataset.show) === number;
      chooser.setAttribute("aria-pressed", String(chosen));
    }
    show(run.position, false, true);
  };

  const keys = {
    ArrowRight: () => run.position + 1,
    ArrowLeft: () => run.position - 1,
    Home: () => 0,
    End: () => run.steps.length,
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.shiftKey || !(event.key in keys)) return;
    event.preventDefault();
    show(keys[event.key](), run.steps.includes(document.activeElement));
  });
  for (const [id, key] of [["first", "Home"], ["back", "ArrowLeft"], ["next", "ArrowRight"], ["last", "End"]]) {
    button(id).addEventListener("click", () => show(keys[key]()));
  }
  for (const each of runs) {
    each.steps.forEach((step, number) => step.addEventListener("click", () => show(number + 1)));
  }
  for (const chooser of choosers) {
    chooser.addEventListener("click", () => choose(Number(chooser.dataset.show)));
  }

  document.documentElement.classList.add("replaying");
  for (const each of runs) {
    for (const detail of each.details) detail.hidden = true;
    run = each;
    show(each.data.begin, false, true);
  }
  choose(first);
})();
