"use strict";
// The graph of `baton monitor --web`: the lines of --json, one chart for each host, all on one scale.

const CLASSES = [["total", "Total", "#3b5bdb"], ["tcp", "TCP", "#2b8a3e"], ["ip", "IP", "#d9480f"], ["arp", "ARP", "#9c36b5"],
  ["other", "Other", "#868e96"], ["udp", "UDP", "#0b7285"], ["icmp", "ICMP", "#c2255c"], ["ipv6", "IPv6", "#846358"], ["baton", "Baton", "#8a6d00"]];
const PAPER = 5; // of them, drawn from the beginning
const KEPT = 20000;
const drawn = new Set(CLASSES.slice(0, PAPER).map(([key]) => key));
const hosts = new Map(); // name -> samples, oldest first
let next = 0, dropped = 0, paused = false;

const rate = (sample, key) => sample[key][at("unit").value] / sample.seconds;

// Up to two digits and noughts.
function round(value) {
  const unit = 10 ** Math.max(0, Math.floor(Math.log10(value)) - 1);
  return Math.ceil(value / unit) * unit;
}

function buttons() {
  for (const [key, title, color] of CLASSES) {
    const button = element("button", title, "class");
    button.type = "button";
    button.id = "k-" + key;
    button.style.setProperty("--class", color);
    button.setAttribute("aria-pressed", drawn.has(key));
    button.addEventListener("click", () => {
      if (!drawn.delete(key)) drawn.add(key);
      button.setAttribute("aria-pressed", drawn.has(key));
      draw();
    });
    at("classes").append(button);
  }
}

function chartOf(host, number) {
  const id = "c-host" + number;
  if (!at(id)) {
    const figure = element("figure"), box = element("div"), canvas = element("canvas");
    canvas.id = id;
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `traffic of ${host} by class over time`);
    box.append(canvas);
    figure.append(element("figcaption", host), box);
    at("hosts").append(figure);
  }
  return id;
}

function draw() {
  const all = [...hosts.values()], newest = Math.max(...all.map((list) => list[list.length - 1].time));
  const range = Number(at("range").value), logarithmic = at("scale").value === "logarithmic";
  const shown = all.map((list) => range ? list.filter((sample) => sample.time > newest - range) : list);
  const classes = CLASSES.filter(([key]) => drawn.has(key));
  let most = 0;
  for (const list of shown) for (const sample of list) for (const [key] of classes) most = Math.max(most, rate(sample, key));
  [...hosts.keys()].forEach((host, i) => {
    const id = chartOf(host, i), list = shown[i];
    const sets = classes.map(([key, label, color]) => ({ label, borderColor: color, backgroundColor: color, borderWidth: 1.5,
      pointRadius: list.length > 1 ? 0 : 2, data: list.map((sample) => logarithmic && !rate(sample, key) ? null : rate(sample, key)) }));
    // One scale for all hosts, or they could not be compared.
    drawChart(id, list.map((sample) => age(sample.time - newest)), sets, { scales: { y: {} } });
    Object.assign(charts[id].options.scales.y, { type: at("scale").value, max: round(most) || 1, min: logarithmic ? 1 : 0 });
    charts[id].update("none");
  });
  const rows = [...hosts].flatMap(([host, list]) => classes.map(([key, title]) => [host, title, list[list.length - 1], key]));
  fillRows(at("now"), rows, ([host, title, sample, key]) => [host, title, count(sample[key].packets / sample.seconds),
    count(sample[key].bytes / sample.seconds)]);
  at("state").textContent = `${paused ? "paused; " : ""}${all[0].length} intervals of ${[...hosts.keys()].join(", ")}`
    + (dropped ? `; ${dropped} packets dropped by the kernel, not counted` : "");
}

function table() {
  const lines = [["time", "host", ...CLASSES.flatMap(([key]) => [key + "_packets_per_second", key + "_bytes_per_second"])].join(",")];
  for (const [host, list] of hosts)
    for (const sample of list)
      lines.push([sample.time, host, ...CLASSES.flatMap(([key]) => [sample[key].packets / sample.seconds, sample[key].bytes / sample.seconds])].join(","));
  return lines.join("\n") + "\n";
}

async function tick() {
  if (paused || document.hidden) return;
  try {
    const answer = await get("/api/samples?after=" + next);
    next = answer.next;
    for (const sample of answer.samples) {
      if (!sample.host) continue; // the sums at the end
      const list = hosts.get(sample.host) || [];
      hosts.set(sample.host, list);
      list.push(sample);
      dropped += sample.dropped;
      if (list.length > KEPT) list.shift();
    }
    if (hosts.size && answer.samples.length) draw();
  } catch (error) {
    at("state").textContent = `no answer (${error.message}); trying again`;
  }
}

buttons();
for (const id of ["unit", "scale", "range"]) at(id).addEventListener("change", () => hosts.size && draw());
at("pause").addEventListener("click", () => {
  paused = !paused; // counting goes on
  at("pause").setAttribute("aria-pressed", paused);
  if (hosts.size) draw();
  tick();
});
at("csv").addEventListener("click", () => { at("csv").href = URL.createObjectURL(new Blob([table()], { type: "text/csv" })); });
document.addEventListener("visibilitychange", tick);
tick();
setInterval(tick, 500);
