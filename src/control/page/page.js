"use strict";
// The page of a running cluster: asks /api once a second and draws what came. Nothing is kept but the token, and
// that only as long as the tab is open.

const at = (id) => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";
const COLORS = ["#2f81f7", "#e5534b", "#3fa34d", "#b083f0", "#c69026", "#39c5cf", "#db61a2", "#8b949e"];
const charts = {};

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
const bytes = (value) => count(value) + "B/s";
const time = (us) => us >= 1000 ? (us / 1000).toFixed(1) + " ms" : us.toFixed(0) + " us";

// The newest of a series, 0 while there is none.
const last = (series) => series && series.length ? series[series.length - 1] ?? 0 : 0;

// Rates come from the server's samples, which are a second apart whenever the page asks.
function nodeRates(status, history) {
  return status.nodes.map((node) => {
    const series = history.nodes[node.name] || {};
    return { ...node, rps: last(series.requests), bps: last(series.bytes), half: last(series.whole_us), slow: last(series.slow_us) };
  });
}

async function change(node, verb) {
  const said = at("said");
  try {
    const answer = await fetch(`/api/nodes/${encodeURIComponent(node)}/${verb}`,
      { method: "POST", headers: { Authorization: "Bearer " + at("token").value.trim() } });
    const body = await answer.json();
    said.textContent = body.error || `${node}: ${verb === "drain" ? "gets nothing new" : "takes requests again"}`;
  } catch (error) {
    said.textContent = String(error);
  }
  tick();
}

function drawNodes(nodes) {
  const body = at("nodes").tBodies[0];
  // Buttons that are being pressed must not be replaced under the pointer: rows are kept and filled anew.
  while (body.rows.length > nodes.length) body.deleteRow(-1);
  nodes.forEach((node, i) => {
    let row = body.rows[i];
    if (!row) {
      row = body.insertRow();
      for (let k = 0; k < 9; k++) row.append(element("td", "", k > 1 ? "r" : ""));
      const button = element("button");
      button.addEventListener("click", () => change(row.dataset.node, row.dataset.verb));
      row.append(element("td"));
      row.cells[9].append(button);
    }
    const texts = [node.name, node.state, count(node.weight), count(node.active), count(node.flows), count(node.rps),
      bytes(node.bps), node.half ? `${time(node.half)} / ${time(node.slow)}` : "-", `${count(node.handoffs_in)} / ${count(node.handoffs_out)}`];
    texts.forEach((text, k) => { if (row.cells[k].textContent !== text) row.cells[k].textContent = text; });
    row.cells[1].className = node.state;
    row.dataset.node = node.name;
    row.dataset.verb = node.state === "drain" ? "ready" : "drain";
    const button = row.cells[9].firstChild;
    button.textContent = row.dataset.verb;
    button.setAttribute("aria-label", `${row.dataset.verb} ${node.name}`);
    button.id = "b-" + node.name;
  });
}

function shape(name, attributes, text) {
  const made = document.createElementNS(SVG, name);
  for (const key in attributes) made.setAttribute(key, attributes[key]);
  if (text !== undefined) made.textContent = text;
  return made;
}

// Line widths follow the logarithm: a node with ten times the traffic has a line visibly, not absurdly, wider.
const width = (value) => value > 0 ? 1.5 + 1.6 * Math.log10(1 + value) : 0.8;

function drawCluster(nodes, status) {
  const drawing = at("drawing"), shown = nodes.slice(0, 16);
  const height = Math.max(300, 46 * shown.length + 40);
  while (drawing.lastChild && drawing.lastChild.nodeName !== "title") drawing.lastChild.remove();
  drawing.setAttribute("viewBox", `0 0 720 ${height}`);
  const middle = height / 2;
  const box = (x, y, w, h, name, soft, kind) => {
    drawing.append(shape("rect", { x: x - w / 2, y: y - h / 2, width: w, height: h, rx: 6, class: kind || "" }),
      shape("text", { x, y: soft ? y - 3 : y + 4 }, name));
    if (soft) drawing.append(shape("text", { x, y: y + 13, class: "soft" }, soft));
  };
  const total = nodes.reduce((sum, node) => sum + node.rps, 0);
  drawing.append(shape("path", { d: `M110 ${middle} L300 ${middle}`, "stroke-width": width(total) }));
  shown.forEach((node, i) => {
    const y = 20 + (height - 40) * (i + .5) / shown.length;
    drawing.append(shape("path", { d: `M360 ${middle} C 440 ${middle}, 460 ${y}, 540 ${y}`, "stroke-width": width(node.rps) }));
    // The answer goes past the front.
    const side = y < middle ? -1 : 1;
    drawing.append(shape("path", { class: "answer", "stroke-width": width(node.bps / 1000),
      d: `M540 ${y + 6} C 430 ${y + side * 30}, 250 ${middle + side * (height / 2 - 26)}, 75 ${middle + side * 24}` }));
  });
  box(75, middle, 96, 48, "clients", `${count(status.front.flows)} connections`);
  box(330, middle, 96, 48, "front", `${count(total)} requests/s`);
  shown.forEach((node, i) => {
    const y = 20 + (height - 40) * (i + .5) / shown.length;
    box(605, y, 150, 38, node.name, `${count(node.rps)}/s  ${bytes(node.bps)}`, node.state);
  });
  if (nodes.length > shown.length)
    drawing.append(shape("text", { x: 605, y: height - 4, class: "soft" }, `and ${nodes.length - shown.length} more`));
}

function drawCounts(status) {
  const rows = [];
  for (const [kind, value] of Object.entries(status.front))
    if (typeof value === "number" && value && !["flows", "packets", "bytes_in"].includes(kind)) rows.push(["front: " + kind, value]);
  for (const [kind, value] of Object.entries(status.front.fallbacks)) if (value) rows.push(["front: fallback " + kind, value]);
  const sums = {};
  for (const node of status.nodes)
    for (const [kind, value] of Object.entries(node.counters || {})) sums[kind] = (sums[kind] || 0) + value;
  for (const [kind, value] of Object.entries(sums)) if (value) rows.push(["nodes: " + kind, value]);
  const body = at("counts").tBodies[0];
  body.replaceChildren(...rows.map(([kind, value]) => {
    const row = element("tr");
    row.append(element("td", kind.replaceAll("_", " ")), element("td", value.toLocaleString(), "r"));
    return row;
  }));
}

function drawFlows(flows) {
  const body = at("flows").tBodies[0];
  body.replaceChildren(...flows.slice(0, 20).map((flow) => {
    const row = element("tr");
    for (const key of ["client", "vip", "node", "state", "reason"]) row.append(element("td", flow[key] ?? ""));
    return row;
  }));
}

function drawChart(id, labels, sets) {
  const colors = getComputedStyle(document.documentElement);
  const soft = colors.getPropertyValue("--soft").trim(), line = colors.getPropertyValue("--line").trim();
  const datasets = sets.map(([label, data], i) => ({ label, data, borderColor: COLORS[i % COLORS.length],
    backgroundColor: COLORS[i % COLORS.length], borderWidth: 1.5, pointRadius: 0, tension: .2, spanGaps: true }));
  if (charts[id]) {
    charts[id].data.labels = labels;
    charts[id].data.datasets = datasets;
    charts[id].update("none");
    return;
  }
  charts[id] = new Chart(at(id), { type: "line", data: { labels, datasets }, options: {
    animation: false, maintainAspectRatio: false, interaction: { mode: "index", intersect: false },
    scales: { x: { ticks: { color: soft, maxTicksLimit: 6, maxRotation: 0 }, grid: { color: line } },
      y: { beginAtZero: true, ticks: { color: soft, maxTicksLimit: 5 }, grid: { color: line } } },
    plugins: { legend: { labels: { color: soft, boxWidth: 12 } } } } });
}

function drawCharts(history) {
  const labels = history.seconds.map((age) => age > -1 ? "now" : age > -90 ? `${Math.round(age)} s` : `${(age / 60).toFixed(1)} min`);
  const names = Object.keys(history.nodes).slice(0, 8);
  const by = (key, scale) => names.map((name) => [name, history.nodes[name][key].map((v) => v === null ? null : v * scale)]);
  drawChart("c-requests", labels, by("requests", 1));
  drawChart("c-bytes", labels, by("bytes", 1e-6));
  drawChart("c-time", labels, by("whole_us", 1e-3));
  drawChart("c-handoffs", labels, [["first", history.handoffs], ["moved", history.moved]]);
}

async function get(path) {
  const answer = await fetch(path);
  const body = await answer.json();
  if (!answer.ok) throw new Error(body.error);
  return body;
}

async function tick() {
  try {
    const [status, history, flows] = await Promise.all([get("/api/status"), get("/api/history?seconds=" + at("range").value),
      get("/api/flows")]);
    const nodes = nodeRates(status, history);
    at("cluster").textContent = status.cluster;
    at("state").textContent = `${nodes.filter((node) => node.state === "up").length} of ${nodes.length} nodes take requests`;
    at("n-requests").textContent = count(nodes.reduce((sum, node) => sum + node.rps, 0));
    at("n-bytes").textContent = bytes(nodes.reduce((sum, node) => sum + node.bps, 0));
    at("n-flows").textContent = count(status.front.flows);
    at("n-first").textContent = count(last(history.handoffs));
    at("n-moved").textContent = count(last(history.moved));
    at("n-fallbacks").textContent = count(Object.values(status.front.fallbacks).reduce((sum, n) => sum + n, 0));
    drawNodes(nodes);
    drawCluster(nodes, status);
    drawCounts(status);
    drawFlows(flows.flows || []);
    drawCharts(history);
  } catch (error) {
    at("state").textContent = `no answer (${error.message}); trying again`;
  }
}

at("token").value = sessionStorage.getItem("token") || "";
at("token").addEventListener("input", () => sessionStorage.setItem("token", at("token").value));
at("range").addEventListener("change", tick);
tick();
setInterval(tick, 1000);
