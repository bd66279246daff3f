(() => {
  const number = (text) => {
    const found = text.replace(/−/g, "-").match(/^\s*[<>]?\s*([-+]?\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?)/i);
    return found ? parseFloat(found[1].replace(/,/g, "")) - (text.trim().startsWith("<") ? 1e-9 : 0) : null;
  };
  const words = (row, column) => row.cells[column].dataset.sort ?? row.cells[column].textContent.trim();
  const sort = (table, column, down) => {
    const body = table.tBodies[0], rows = [...body.rows];
    const empty = (text) => text === "" || text.startsWith("–");
    const filled = rows.map((row) => words(row, column)).filter((text) => !empty(text));
    const numeric = filled.length > 0 && filled.every((text) => number(text) !== null);
    const side = down ? -1 : 1;
    rows.sort((a, b) => {
      const one = words(a, column), two = words(b, column);
      if (empty(one) || empty(two)) return Number(empty(one)) - Number(empty(two));
      return side * (numeric ? number(one) - number(two) : one.localeCompare(two, undefined, { numeric: true }));
    });
    body.append(...rows);
  };
  for (const table of document.querySelectorAll("table.sorts")) {
    if (table.tBodies[0].rows.length < 2) continue;
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const down = head.getAttribute("aria-sort") === "ascending";
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        sort(table, column, down);
      });
    });
  }
  const links = new Map([...document.querySelectorAll("nav a")].map((link) => [link.hash.slice(1), link]));
  const seen = new Set();
  const watch = new IntersectionObserver((entries) => {
    for (const entry of entries) seen[entry.isIntersecting ? "add" : "delete"](entry.target.id);
    const first = [...links.keys()].find((id) => seen.has(id));
    if (!first) return;
    links.forEach((link, id) => (id === first ? link.setAttribute("aria-current", "true") : link.removeAttribute("aria-current")));
  }, { rootMargin: "-10% 0px -60% 0px" });
  document.querySelectorAll("main > section").forEach((section) => watch.observe(section));
})();
