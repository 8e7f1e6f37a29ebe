"use strict";
// The cluster drawn as it is: who asks whom, who answers whom, and how much.

const SVG = "http://www.w3.org/2000/svg";
// Columns: the middles of clients, front, nodes, origin; half widths of their boxes.
const WIDE = { width: 900, at: [70, 300, 590, 830], half: [56, 56, 84, 56], row: 46, box: 40, kind: "" };
const NARROW = { width: 360, at: [34, 118, 226, 328], half: [33, 33, 52, 30], row: 44, box: 38, kind: "narrow" };

function shape(name, attributes, text) {
  const made = document.createElementNS(SVG, name);
  for (const key in attributes) made.setAttribute(key, attributes[key]);
  if (text !== undefined) made.textContent = text;
  return made;
}

// Line widths follow the logarithm: a node with ten times the traffic has a line visibly, not absurdly, wider.
const width = (value) => value > 0 ? 1.5 + 1.6 * Math.log10(1 + value) : 0.8;

// nodes: name, state, rps, bps, fetched (bytes/s from the origin, undefined: not known).
function drawCluster(nodes, flows, origin) {
  const drawing = at("drawing"), shown = nodes.slice(0, 16);
  const form = drawing.parentNode.clientWidth < 620 ? NARROW : WIDE;
  const [clients, front, node, source] = form.at, [halfClients, halfFront, halfNode, halfSource] = form.half;
  const height = Math.max(form === WIDE ? 260 : 220, form.row * shown.length + 70), middle = height / 2;
  const y = (i) => 35 + (height - 70) * (i + .5) / shown.length;
  while (drawing.lastChild && drawing.lastChild.nodeName !== "title") drawing.lastChild.remove();
  // Without an origin the nodes' column is the last one.
  drawing.setAttribute("viewBox", `0 0 ${origin ? form.width : node + halfNode + 4} ${height}`);
  drawing.setAttribute("class", form.kind);
  const path = (kind, value, d) => drawing.append(shape("path", { d, class: kind, "stroke-width": width(value) }));
  const box = (x, y, half, name, soft, kind) => {
    drawing.append(shape("rect", { x: x - half, y: y - form.box / 2, width: 2 * half, height: form.box, rx: 6, class: kind || "" }),
      shape("text", { x, y: y - 3 }, name), shape("text", { x, y: y + 12, class: "soft" }, soft));
  };
  const total = nodes.reduce((sum, node) => sum + node.rps, 0);
  path("ask", total, `M${clients} ${middle} L${front} ${middle}`);
  shown.forEach((one, i) => {
    const side = y(i) < middle ? -1 : 1, from = node - halfNode, bend = (front + halfFront + from) / 2;
    path("ask", one.rps, `M${front + halfFront} ${middle} C ${bend} ${middle}, ${bend} ${y(i)}, ${from} ${y(i)}`);
    // The answer goes past the front.
    path("answer", one.bps / 1000, `M${from} ${y(i) + 6} C ${bend - 10} ${y(i) + side * 20}, ${front - halfFront} ${middle + side * (height / 2 - 8)}, ${clients} ${middle + side * form.box / 2}`);
    if (origin)
      path("fetch", (one.fetched || 0) / 1000, `M${source - halfSource} ${middle} C ${(source + node) / 2} ${middle}, ${(source + node) / 2} ${y(i)}, ${node + halfNode} ${y(i)}`);
  });
  box(clients, middle, halfClients, "clients", form === WIDE ? `${count(flows)} connections` : `${count(flows)} conn.`);
  box(front, middle, halfFront, "front", form === WIDE ? `${count(total)} requests/s` : `${count(total)}/s`);
  shown.forEach((one, i) => box(node, y(i), halfNode, one.name, `${count(one.rps)}/s  ${bytes(one.bps)}`, one.state));
  if (origin)
    box(source, middle, halfSource, "origin", nodes.some((one) => one.fetched !== undefined)
      ? bytes(nodes.reduce((sum, one) => sum + (one.fetched || 0), 0)) : "...");
  if (nodes.length > shown.length)
    drawing.append(shape("text", { x: node, y: height - 4, class: "soft" }, `and ${nodes.length - shown.length} more`));
  at("l-origin").hidden = !origin;
}
