// reqlite, but on a free port of the loopback interface alone, which it prints.
"use strict";
const net = require("net");

const listen = net.Server.prototype.listen;
net.Server.prototype.listen = function () {
  listen.call(this, 0, "127.0.0.1", () => console.log(this.address().port));
};
const Server = require("reqlite");
new Server({});
