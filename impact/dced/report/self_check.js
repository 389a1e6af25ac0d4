(() => {
  "use strict";
  const form = document.getElementById("filters");
  const items = [...document.querySelectorAll("[data-verdict]")];
  const groups = [...document.querySelectorAll("[data-group]")];
  const told = document.getElementById("shown");
  const names = ["element", "status", "verdict", "owner"];
  const fits = (item) => names.every((name) => {
    const wanted = form.elements[name].value;
    return !wanted || item.dataset[name].split("|").includes(wanted);
  });
  const apply = () => {
    let count = 0;
    for (const item of items) {
      item.hidden = !fits(item);
      if (!item.hidden) count += 1;
    }
    for (const group of groups) {
      group.hidden = ![...group.querySelectorAll("[data-verdict]")].some((item) => !item.hidden);
    }
    told.textContent = count + " of " + items.length + (items.length === 1 ? " item shown" : " items shown");
  };
  const all = (open) => {
    for (const part of document.querySelectorAll("details")) part.open = open;
  };
  const reveal = () => {
    const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target) return;
    if (target.closest("[hidden]")) form.reset(), apply();
    if (target.tagName === "DETAILS") target.open = true;
    target.scrollIntoView();
  };
  form.hidden = false;
  form.addEventListener("change", apply);
  form.addEventListener("reset", () => setTimeout(apply, 0));
  document.getElementById("open-all").addEventListener("click", () => all(true));
  document.getElementById("close-all").addEventListener("click", () => all(false));
  addEventListener("hashchange", reveal);
  form.reset();
  apply();
  reveal();
})();
