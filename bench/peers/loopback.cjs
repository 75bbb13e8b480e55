// Portkey listens on every address and cannot be told otherwise; a benchmark listens on loopback only.
const { Server } = require("node:net");

const { listen } = Server.prototype;

Server.prototype.listen = function (port, ...rest) {
  const others = typeof rest[0] === "string" ? rest.slice(1) : rest;
  return typeof port === "number" ? listen.call(this, port, "127.0.0.1", ...others) : listen.call(this, port, ...rest);
};
