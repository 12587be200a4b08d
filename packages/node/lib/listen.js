'use strict';
// Servers of an app that knows nothing of Drover listen on the master's sockets.

const dgram = require('node:dgram');
const net = require('node:net');
const { BACKLOG } = require('./drain');

/** What the arguments of `listen` ask for: options and a callback; no options if it is a handle or a descriptor. */
function asked(args) {
  const callback = args.findLast((arg) => typeof arg === 'function');
  const [first, ...rest] = args;
  const backlog = rest.find((arg) => typeof arg === 'number');
  if (typeof first === 'object' && first) {
    const isAddress = first.port !== undefined || first.path !== undefined;
    return { options: isAddress ? { ...first } : undefined, callback };
  }
  if (typeof first === 'string' && !/^\s*\d+\s*$/.test(first)) return { options: { path: first, backlog }, callback };
  const [host] = rest.filter((arg) => typeof arg === 'string');
  return { options: { port: typeof first === 'function' ? 0 : first ?? 0, host, backlog }, callback };
}

/**
 * From now on `listen` takes the socket of `sockets` that fits. `adopted` is called before a server listens on one, `other` before
 * one listens by itself, with what it asked for. `alone` runs what must not take this process for a worker of `cluster`.
 */
function adopt(sockets, { adopted, other, alone }) {
  const { listen } = net.Server.prototype;
  net.Server.prototype.listen = function (...args) {
    const { options, callback } = asked(args);
    if (!options) return alone(() => listen.apply(this, args));
    const callbacks = callback ? [callback] : [];
    const socket = sockets.of({ ...options, port: Number(options.port ?? 0) });
    if (socket?.isTaken) return inUse(this, options);
    if (socket) {
      socket.isTaken = true;
      adopted(this);
      return alone(() => listen.call(this, { fd: socket.fd, backlog: BACKLOG, signal: options.signal }, ...callbacks));
    }
    other(this, options);
    return alone(() => listen.call(this, { ...options, exclusive: true }, ...callbacks));
  };
  const { bind } = dgram.Socket.prototype;
  dgram.Socket.prototype.bind = function (...args) {
    const callbacks = args.filter((arg) => typeof arg === 'function');
    const [first, second] = args;
    const options = typeof first === 'object' && first ? first : { port: Number(first) || 0, address: typeof second === 'string' ? second : undefined };
    return bind.call(this, { ...options, exclusive: true }, ...callbacks);
  };
}

/** As the kernel would say it of a port that another server of this process has. */
function inUse(server, { port, host, path }) {
  const at = path ?? `${host ?? '::'}:${port}`;
  const error = Object.assign(new Error(`listen EADDRINUSE: address already in use ${at}`), { code: 'EADDRINUSE', errno: -98, syscall: 'listen', address: path ?? host ?? '::', port });
  process.nextTick(() => server.emit('error', error));
  return server;
}

module.exports = { adopt };
