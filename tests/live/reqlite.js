// reqlite, but on a free port of the loopback interface alone, which it prints: reqlite.js [FILE], with
// the password of all users in FILE (none without). It does not check what a client proves, but proves
// that it knows the password itself, which clients check.
"use strict";
const crypto = require("crypto");
const fs = require("fs");
const net = require("net");

const password = process.argv[2] ? fs.readFileSync(process.argv[2], "utf8").trimEnd() : "";
const derive = crypto.pbkdf2;
crypto.pbkdf2 = (none, ...rest) => derive.call(crypto, password, ...rest);
const listen = net.Server.prototype.listen;
net.Server.prototype.listen = function () {
  listen.call(this, 0, "127.0.0.1", () => console.log(this.address().port));
};
const Server = require("reqlite");
new Server({});
