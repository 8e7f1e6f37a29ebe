"use strict";
// Numbers and elements: what the pages have in common.

const at = (id) => document.getElementById(id);
const COLORS = ["#2f81f7", "#e5534b", "#3fa34d", "#b083f0", "#c69026", "#39c5cf", "#db61a2", "#8b949e"];

function element(name, text, kind) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (kind) made.className = kind;
  return made;
}

function count(value) {
  if (value >= 1e9) return (value / 1e9).toFixed(1) + "G";
  if (value >= 1e6) return (value / 1e6).toFixed(1) + "M";
  if (value >= 1e4) return (value / 1e3).toFixed(1) + "k";
  return value >= 10 || Number.isInteger(value) ? value.toFixed(0) : value.toFixed(1);
}
const bytes = (value) => count(value).replace(/(\d)([GMk]?)$/, "$1 $2") + "B/s";
const time = (us) => us >= 1000 ? (us / 1000).toFixed(1) + " ms" : us.toFixed(0) + " us";
const percent = (share) => (100 * share).toFixed(share < 0.0995 ? 1 : 0) + " %";

// Rows are kept and filled anew, so that a button that is being pressed is not replaced under the pointer.
// `cells` of an item: texts, by column; `button` of a row, if given: makes the one in the last column.
function fillRows(table, items, cells, button) {
  const body = table.tBodies[0], heads = [...table.tHead.rows[0].cells];
  while (body.rows.length > items.length) body.deleteRow(-1);
  items.forEach((item, i) => {
    let row = body.rows[i];
    if (!row) {
      row = body.insertRow();
      for (const head of heads) {
        const cell = row.insertCell();
        cell.className = head.className;
        cell.dataset.label = head.textContent;
      }
      if (button) row.cells[heads.length - 1].append(button(row));
    }
    cells(item, row).forEach((text, k) => { if (row.cells[k].textContent !== String(text)) row.cells[k].textContent = text; });
  });
}

const charts = {};

function drawChart(id, labels, datasets, options) {
  if (charts[id]) {
    charts[id].data.labels = labels;
    // The same objects are kept, or what was hidden by a click on the legend would come back.
    datasets.forEach((set, i) => {
      const there = charts[id].data.datasets[i];
      if (there && there.label === set.label) there.data = set.data;
      else charts[id].data.datasets[i] = set;
    });
    charts[id].data.datasets.length = datasets.length;
    charts[id].update("none");
    return;
  }
  const colors = getComputedStyle(document.documentElement);
  const soft = colors.getPropertyValue("--soft").trim(), line = colors.getPropertyValue("--line").trim();
  const axis = { ticks: { color: soft, maxTicksLimit: 6, maxRotation: 0 }, grid: { color: line } };
  charts[id] = new Chart(at(id), { type: "line", data: { labels, datasets }, ...options, options: {
    animation: false, maintainAspectRatio: false, interaction: { mode: "index", intersect: false },
    plugins: { legend: { labels: { color: soft, boxWidth: 12 } } }, ...(options || {}).options,
    scales: { x: { ...axis, ...((options || {}).scales || {}).x }, y: { ...axis, beginAtZero: true, ...((options || {}).scales || {}).y } } } });
}

const line = ([label, data], i) => ({ label, data, borderColor: COLORS[i % COLORS.length],
  backgroundColor: COLORS[i % COLORS.length], borderWidth: 1.5, pointRadius: 0, tension: .2, spanGaps: true });

const age = (seconds) => seconds > -1 ? "now" : seconds > -90 ? `${Math.round(seconds)} s` : `${(seconds / 60).toFixed(1)} min`;

async function get(path) {
  const answer = await fetch(path);
  const body = await answer.json();
  if (!answer.ok) throw new Error(body.error);
  return body;
}

// Charts take their colours when they are made: in another light they are made anew.
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  for (const id of Object.keys(charts)) {
    charts[id].destroy();
    delete charts[id];
  }
});
