// Stands between a client and a server, and mostly misbehaves: peer.js HOST:PORT MODE [ARGUMENT...].
//   count             do nothing but print a line for each connection
//   cut BYTES TIMES   end the first so many connections after so many bytes of the server's
//   tls KEY CERT [CA] speak TLS to the client, who must show a certificate of CA
//   close             end every connection at once
//   silent            never say a word
//   say TEXT          say this and nothing else
// Prints its port, and lives until it is killed.
"use strict";
const fs = require("fs");
const net = require("net");
const tls = require("tls");

const [address, mode, ...args] = process.argv.slice(2);
const [host, port] = address.split(":");
let connections = 0;

function cut(client, server, left) {
  server.on("data", (bytes) => {
    if (bytes.length < left) {
      left -= bytes.length;
      client.write(bytes);
    } else {
      client.end(bytes.subarray(0, left));
      server.destroy();
    }
  });
  client.pipe(server);
}

function serve(client) {
  client.on("error", () => {});
  if (mode === "close") return client.destroy();
  if (mode === "silent") return client.resume();
  if (mode === "say") return client.end(args[0]);
  const server = net.connect(Number(port), host);
  server.on("error", () => client.destroy());
  server.on("close", () => client.destroy());
  client.on("close", () => server.destroy());
  connections += 1;
  if (mode === "count") console.log("a connection");
  if (mode === "cut" && connections <= Number(args[1])) return cut(client, server, Number(args[0]));
  server.pipe(client);
  client.pipe(server);
}

const listener = mode === "tls"
  ? tls.createServer({ key: fs.readFileSync(args[0]), cert: fs.readFileSync(args[1]),
    ...(args[2] && { ca: fs.readFileSync(args[2]), requestCert: true }) }, serve)
  : net.createServer(serve);
listener.on("tlsClientError", () => {});
listener.listen(0, "127.0.0.1", () => console.log(listener.address().port));
