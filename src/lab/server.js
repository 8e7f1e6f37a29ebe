// A small server on Node's own http module, for the lab. Files of the root, and some answers that
// static servers don't give. The first part of the path says which, the rest is free, so that there
// are targets enough: /echo/... returns the request's body, /sum/... its length and SHA-256,
// /chunked/...?n=N a chunked body in N pieces, /slow/...?ms=M an answer in two halves M ms apart,
// /endless/... one that only the end of the connection ends, /t/... the path itself; an upgrade to
// "echo" makes a connection that returns what it is sent.
'use strict';
const http = require('http'), fs = require('fs'), path = require('path');
const crypto = require('crypto');
const [node, root, log] = process.argv.slice(2);
const record = fs.createWriteStream(log, {flags: 'a'});

function file(request, response, name) {
  const at = path.join(root, path.normalize(decodeURIComponent(name)));
  fs.stat(at, (error, stat) => {
    if (!error && stat.isDirectory())
      return file(request, response, path.join(name, 'index.html'));
    if (error) {
      response.writeHead(404, {'Content-Length': 10});
      return response.end('not found\n');
    }
    response.writeHead(200, {'Content-Length': stat.size});
    if (request.method === 'HEAD')
      return response.end();
    fs.createReadStream(at).pipe(response);
  });
}

const server = http.createServer((request, response) => {
  const url = new URL(request.url, 'http://lab'), kind = url.pathname.split('/')[1];
  response.setHeader('X-Node', node);
  response.on('finish', () =>
    record.write(`${request.socket.remoteAddress} "${request.method} ${request.url}" ${response.statusCode}\n`));
  if (kind === 'echo') {
    response.writeHead(200);
    return request.pipe(response);
  }
  if (kind === 'sum') {
    const hash = crypto.createHash('sha256');
    let length = 0;
    request.on('data', (part) => { length += part.length; hash.update(part); });
    return request.on('end', () => response.end(`${length} ${hash.digest('hex')}\n`));
  }
  request.resume();
  if (kind === 'chunked') {
    for (let i = 0; i < Number(url.searchParams.get('n') || 3); i++)
      response.write(`piece ${i}\n`);
    return response.end();
  }
  if (kind === 'slow') {
    response.write('first half\n');
    return setTimeout(() => response.end('second half\n'), Number(url.searchParams.get('ms') || 100));
  }
  if (kind === 'endless') {
    response.useChunkedEncodingByDefault = false;
    response.removeHeader('Transfer-Encoding');
    response.setHeader('Connection', 'close');
    response.write('until the end\n');
    return response.end();
  }
  if (url.pathname === '/health')
    return response.end('well\n');
  if (kind === 't')
    return response.end(url.pathname + '\n');
  file(request, response, url.pathname);
});
server.on('upgrade', (request, socket) => {
  socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\nX-Node: ${node}\r\n\r\n`);
  socket.on('error', () => socket.destroy());
  socket.pipe(socket);
});
server.listen(80, '::');
for (const signal of ['SIGTERM', 'SIGINT'])
  process.on(signal, () => process.exit(0));
