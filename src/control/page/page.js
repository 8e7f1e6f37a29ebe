"use strict";
// The page of a running cluster: asks /api once a second and draws what came. Nothing is kept but the token, and
// that only as long as the tab is open.

const WINDOW_S = 30; // of the means over what nodes count while somebody looks
const MIX = [ // what is drawn of the classes, so that each packet is in one: [name, of the monitor's classes]
  ["TCP", (c) => c.tcp], ["Baton", (c) => c.baton], ["UDP", (c) => less(c.udp, c.baton)], ["ICMP", (c) => c.icmp],
  ["other IP", (c) => less(c.ip, c.tcp, c.udp, c.icmp)], ["ARP", (c) => c.arp], ["Other", (c) => c.other]];
const samples = {}; // by host: [{at, traffic, more}], oldest first

// The newest of a series, 0 while there is none.
const last = (series) => series && series.length ? series[series.length - 1] ?? 0 : 0;

// What is left of a rate without others; classes are read one after the other while they grow.
function less(from, ...counts) {
  const left = (unit) => Math.max(0, Math.round(counts.reduce((sum, c) => sum - c[unit], from[unit])));
  return { packets: left("packets"), bytes: left("bytes") };
}

// What a host carried in the last half a minute, per second, by class, and how much `more` (totals by name) grew;
// undefined while it isn't known.
function traffic(host, seen, more) {
  const list = samples[host] ||= [], now = seen && seen.traffic;
  if (!now || (list.length && now.total.packets < list[list.length - 1].traffic.total.packets)) list.length = 0;
  if (now && (!list.length || list[list.length - 1].at < seen.at)) list.push({ at: seen.at, traffic: now, more });
  while (list.length > 2 && list[list.length - 1].at - list[0].at > WINDOW_S) list.shift();
  if (list.length < 2) return undefined;
  const first = list[0], newest = list[list.length - 1], seconds = newest.at - first.at, rates = {};
  for (const [kind, value] of Object.entries(newest.more)) rates[kind] = (value - first.more[kind]) / seconds;
  for (const [kind, value] of Object.entries(newest.traffic))
    rates[kind] = { packets: (value.packets - first.traffic[kind].packets) / seconds, bytes: (value.bytes - first.traffic[kind].bytes) / seconds };
  return rates;
}

// Rates come from the server's samples, which are a second apart whenever the page asks.
function nodeRates(status, history, seen) {
  return status.nodes.map((node) => {
    const series = history.nodes[node.name] || {}, 
      rates = traffic("node " + node.name, seen.nodes[node.name], { out: node.bytes_out, answers: (node.counters || {}).responses || 0 });
    return { ...node, rps: last(series.requests), bps: last(series.bytes), half: last(series.whole_us), slow: last(series.slow_us),
      rates, fetched: status.origin && rates ? rates.origin.bytes : undefined };
  });
}

async function change(path, done) {
  const said = at("said");
  try {
    const answer = await fetch(path, { method: "POST", headers: { Authorization: "Bearer " + at("token").value.trim() } });
    const body = await answer.json();
    said.textContent = body.error || done(body);
  } catch (error) {
    said.textContent = String(error);
  }
  tick();
}

// What the origin was not asked for, of bytes and of requests.
function hitRatio(node) {
  if (node.fetched === undefined || !node.rates.out) return "-";
  const of = (fetched, all) => all ? (100 * Math.max(0, 1 - fetched / all)).toFixed(0) : "-";
  return `${of(node.fetched, node.rates.out)} / ${of(node.rates.origin_answers.packets, node.rates.answers)}`;
}

function drawNodes(nodes) {
  fillRows(at("nodes"), nodes, (node, row) => {
    row.cells[1].className = node.state;
    row.dataset.node = node.name;
    row.dataset.verb = node.state === "drain" ? "ready" : "drain";
    const button = row.cells[10].firstChild;
    button.textContent = row.dataset.verb;
    button.setAttribute("aria-label", `${row.dataset.verb} ${node.name}`);
    button.id = "b-" + node.name;
    return [node.name, node.state, count(node.weight), count(node.active), count(node.flows), count(node.rps), bytes(node.bps),
      hitRatio(node), node.half ? `${time(node.half)} / ${time(node.slow)}` : "-", `${count(node.handoffs_in)} / ${count(node.handoffs_out)}`];
  }, (row) => {
    const button = element("button");
    button.type = "button";
    button.addEventListener("click", () => change(`/api/nodes/${encodeURIComponent(row.dataset.node)}/${row.dataset.verb}`,
      () => `${row.dataset.node}: ${row.dataset.verb === "drain" ? "gets nothing new" : "takes requests again"}`));
    return button;
  });
}

function drawHot(seen) {
  const targets = new Map();
  let total = 0, error = 0;
  for (const [name, node] of Object.entries(seen.nodes)) {
    total += node.requests_per_second;
    error += node.error_per_second;
    for (const hot of node.hottest) {
      const sum = targets.get(hot.target) || { target: hot.target, rate: 0, nodes: [] };
      sum.rate += hot.requests_per_second;
      sum.nodes.push(name);
      targets.set(hot.target, sum);
    }
  }
  const list = [...targets.values()].sort((a, b) => b.rate - a.rate).slice(0, 15);
  at("hot-error").textContent = list.length ? `; rates are at most ${error < 0.05 ? "0.05" : error.toFixed(1)}/s too large` : "; nothing seen yet";
  fillRows(at("hot"), list, (hot) => [hot.target, count(hot.rate), total ? percent(hot.rate / total) : "-", hot.nodes.join(" ")]);
}

function drawLatest(seen) {
  const list = Object.values(seen.nodes).flatMap((node) => node.latest).sort((a, b) => a.time < b.time ? 1 : -1).slice(0, 15);
  fillRows(at("latest"), list, (one) => [one.time.slice(11, 23), one.client, `${one.method} ${one.path}`, one.host, one.status || "-",
    one.bytes.toLocaleString("en"), (1000 * one.time_s).toFixed(1), one.node, `${one.handoff}, ${one.reason}${one.complete ? "" : ", cut"}`]);
}

function drawMix(nodes, seen) {
  const atFront = seen.front && traffic("front", seen.front, {});
  const known = nodes.filter((node) => node.rates);
  const rows = [...(atFront ? [["front", atFront]] : []), ...known.map((node) => [node.name, node.rates])];
  if (!rows.length) return;
  drawChart("c-mix", rows.map(([name]) => name), MIX.map(([label, of], i) => ({ label, backgroundColor: COLORS[i],
    data: rows.map(([, rates]) => of(rates).packets) })), { type: "bar", options: { indexAxis: "y" },
    scales: { x: { stacked: true, beginAtZero: true }, y: { stacked: true } } });
  const sum = (of, unit) => count(known.reduce((all, node) => all + of(node.rates)[unit], 0));
  fillRows(at("mix"), MIX, ([label, of]) => [label, atFront ? count(of(atFront).packets) : "-", sum(of, "packets"), sum(of, "bytes")]);
}

function drawCounts(status) {
  const rows = [];
  for (const [kind, value] of Object.entries(status.front))
    if (typeof value === "number" && value && !["flows", "packets", "bytes_in"].includes(kind)) rows.push(["front: " + kind, value]);
  for (const [kind, value] of Object.entries(status.front.fallbacks)) if (value) rows.push(["front: fallback " + kind, value]);
  const sums = {}, reasons = {};
  for (const node of status.nodes)
    for (const [reason, value] of Object.entries(node.reasons || {})) reasons[reason] = (reasons[reason] || 0) + value;
  for (const [reason, value] of Object.entries(reasons)) rows.push(["handed over for: " + reason, value]);
  for (const node of status.nodes)
    for (const [kind, value] of Object.entries(node.counters || {})) sums[kind] = (sums[kind] || 0) + value;
  for (const [kind, value] of Object.entries(sums)) if (value) rows.push(["nodes: " + kind, value]);
  fillRows(at("counts"), rows, ([kind, value]) => [kind.replaceAll("_", " "), value.toLocaleString("en")]);
}

function drawFlows(flows) {
  fillRows(at("flows"), flows.slice(0, 20), (flow, row) => {
    const button = row.cells[5].firstChild;
    row.dataset.client = flow.client;
    button.hidden = !["open", "closing"].includes(flow.state);
    button.setAttribute("aria-label", "kill " + flow.client);
    return [flow.client, flow.vip, flow.node, flow.state, flow.reason];
  }, (row) => {
    const button = element("button", "kill");
    button.type = "button";
    button.addEventListener("click", () => change("/api/flows/kill?client=" + encodeURIComponent(row.dataset.client),
      (answer) => `${row.dataset.client}: ${answer.flows.length ? answer.flows[0].result : "it was over"}`));
    return button;
  });
}

function drawCharts(history) {
  const labels = history.seconds.map(age);
  const names = Object.keys(history.nodes).slice(0, 8);
  const by = (key, scale) => names.map((name) => [name, history.nodes[name][key].map((v) => v === null ? null : v * scale)]);
  drawChart("c-requests", labels, by("requests", 1).map(line));
  drawChart("c-bytes", labels, by("bytes", 1e-6).map(line));
  drawChart("c-time", labels, by("whole_us", 1e-3).map(line));
  drawChart("c-handoffs", labels, [["first", history.handoffs], ["moved", history.moved]].map(line));
}

async function tick() {
  if (document.hidden) return; // nobody looks: the nodes need not tell
  try {
    const [status, history, flows, seen] = await Promise.all([get("/api/status"), get("/api/history?seconds=" + at("range").value),
      get("/api/flows"), get("/api/seen")]);
    const nodes = nodeRates(status, history, seen);
    at("cluster").textContent = status.cluster;
    at("state").textContent = `${nodes.filter((node) => node.state === "up").length} of ${nodes.length} nodes take requests`;
    at("n-requests").textContent = count(nodes.reduce((sum, node) => sum + node.rps, 0));
    at("n-bytes").textContent = bytes(nodes.reduce((sum, node) => sum + node.bps, 0));
    at("n-flows").textContent = count(status.front.flows);
    at("n-first").textContent = count(last(history.handoffs));
    at("n-moved").textContent = count(last(history.moved));
    at("n-fallbacks").textContent = count(Object.values(status.front.fallbacks).reduce((sum, n) => sum + n, 0));
    drawNodes(nodes);
    drawCluster(nodes, status.front.flows, status.origin);
    drawHot(seen);
    drawLatest(seen);
    drawMix(nodes, seen);
    drawCounts(status);
    drawFlows(flows.flows || []);
    drawCharts(history);
  } catch (error) {
    at("state").textContent = `no answer (${error.message}); trying again`;
  }
}

at("token").value = sessionStorage.getItem("token") || "";
at("token").addEventListener("input", () => sessionStorage.setItem("token", at("token").value));
at("permit").addEventListener("submit", (event) => event.preventDefault());
at("range").addEventListener("change", tick);
document.addEventListener("visibilitychange", tick);
tick();
setInterval(tick, 1000);
