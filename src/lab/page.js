// A page that takes time, for the lab: behind nginx on each node, as an application is. It has one
// worker, so requests queue. How long a target takes is a law of its name: exponential, 5 ms in the
// mean, 50 ms at most; the same target takes the same time on every node.
'use strict';
const http = require('http'), crypto = require('crypto');
const MEAN = 5, MOST = 50; // ms
const waiting = [];
let busy = false;

function time(name) {
  const share = (crypto.createHash('sha256').update(name).digest().readUInt32BE() + 1) / 0x100000001;
  return Math.min(MOST, -MEAN * Math.log(share));
}

function next() {
  busy = waiting.length > 0;
  if (!busy)
    return;
  const {path, response} = waiting.shift(), ms = time(path);
  setTimeout(() => {
    response.writeHead(200, {'Content-Type': 'text/plain', 'Cache-Control': 'no-store', 'X-Time-Ms': ms.toFixed(2)});
    response.end(path + '\n');
    next();
  }, ms);
}

http.createServer((request, response) => {
  request.resume();
  waiting.push({path: request.url.split('?')[0], response});
  if (!busy)
    next();
}).listen(Number(process.argv[2]), '127.0.0.1');
for (const signal of ['SIGTERM', 'SIGINT'])
  process.on(signal, () => process.exit(0));
