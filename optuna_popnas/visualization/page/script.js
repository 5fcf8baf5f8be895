// Figures are drawn when they come near the window: a page of many figures opens at once.
const draw = (box) => {
  if (box.dataset.done) return;
  box.dataset.done = "1";
  const figure = JSON.parse(document.getElementById(box.dataset.figure).textContent);
  const narrow = box.clientWidth < 560;
  if (narrow) {
    const shown = figure.data.filter((trace) => trace.name && trace.showlegend !== false);
    const extra = figure.layout.showlegend === false || shown.length < 2 ? 0 : 21 * shown.length;
    figure.layout.legend = {...figure.layout.legend, orientation: "h", x: 0, xanchor: "left",
      y: -70 / (figure.layout.height - 70), yanchor: "top", entrywidth: 0};
    figure.layout.height += extra;
    const top = figure.layout.margin.t - 20;  // no mode bar
    figure.layout.margin = {...figure.layout.margin, l: 48, r: 8, t: top};
    box.style.height = `${figure.layout.height}px`;
  }
  Plotly.newPlot(box, figure.data, figure.layout,
    {responsive: true, displaylogo: false, displayModeBar: narrow ? false : "hover",
      modeBarButtonsToRemove: ["lasso2d", "select2d"]});
};
const boxes = document.querySelectorAll(".plot");
if ("IntersectionObserver" in window) {
  const watch = new IntersectionObserver((entries) => {
    for (const entry of entries) if (entry.isIntersecting) {
      draw(entry.target);
      watch.unobserve(entry.target);
    }
  }, {rootMargin: "600px"});
  boxes.forEach((box) => watch.observe(box));
} else {
  boxes.forEach(draw);
}
window.addEventListener("beforeprint", () => boxes.forEach(draw));

// A click on a heading sorts a table; numbers by value, what is missing last.
const sort = (head) => {
  const table = head.closest("table");
  const column = [...head.parentNode.children].indexOf(head);
  const up = head.getAttribute("aria-sort") === "descending";
  const key = (row) => row.children[column].textContent.replaceAll(",", "");
  const rows = [...table.tBodies[0].rows];
  const numeric = rows.every((row) => key(row) === "" || !isNaN(key(row)));
  rows.sort((one, other) => {
    const [a, b] = [key(one), key(other)];
    if (a === "" || b === "") return (a === "") - (b === "");
    const order = numeric ? a - b : a.localeCompare(b);
    return up ? order : -order;
  });
  for (const other of head.parentNode.children) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", up ? "ascending" : "descending");
  table.tBodies[0].append(...rows);
};
for (const head of document.querySelectorAll(".sortable th")) {
  head.addEventListener("click", () => sort(head));
  head.addEventListener("keydown", (event) => { if (event.key === "Enter") sort(head); });
}
